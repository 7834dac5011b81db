-- Which rules of LintSchema hold for an account. Ids of rules are lines.
CREATE TABLE lint_settings (
    account  TEXT PRIMARY KEY REFERENCES accounts (id),
    profile  TEXT NOT NULL,
    enabled  TEXT NOT NULL,
    disabled TEXT NOT NULL,
    updated  BIGINT NOT NULL,
    revision BIGINT NOT NULL
);
