.DEFAULT_GOAL := help
.PHONY: help setup test run bench soak proto fmt lint clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install what the tests need and is not there
	@scripts/setup.sh

test: setup ## Run every check and every test, against servers that the tests start themselves
	@scripts/test.sh

run: ## Run the server in release mode (ARGS="--listen 127.0.0.1:9000" passes flags)
	cargo run --release -- serve $(ARGS)

bench: setup ## Print the speed and memory ratios that the project promises (ARGS="--strict calls" passes flags)
	@scripts/bench.sh $(ARGS)

soak: setup ## Run the long counts (kills, faults) in full
	TEST_SOAK=1 cargo test --test suite -- --nocapture soak hostile

proto: ## Regenerate the code of the clients from proto/
	@scripts/proto.sh

fmt: ## Format the Rust code
	cargo fmt

lint: setup ## Check format, contract and lints without running tests
	cargo fmt --check
	PATH="$(CURDIR)/.tools/node_modules/.bin:$$PATH" buf lint
	cargo clippy --all-targets -- -D warnings

clean: ## Remove what was built and installed in this folder
	cargo clean
	rm -rf .tools .venv .venv-proto dbkeeper-quickstart
