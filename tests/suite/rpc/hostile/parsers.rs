//! The parsers of what callers and the store hand in, on bounded random input. `fuzz/` runs the same functions for as
//! long as one likes, guided by coverage.

#[path = "../../../../fuzz/targets.rs"]
mod targets;

use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use super::count;

/// Runs a target on noise, and on pieces of what it understands.
fn run(target: fn(&[u8]), pieces: &'static [&'static str]) {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[11; 32]);
    let mut runner =
        TestRunner::new_with_rng(Config { failure_persistence: None, ..Config::with_cases(count(20_000)) }, rng);
    let piece = prop_oneof![
        4 => proptest::sample::select(pieces).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => ".{0,8}".prop_map(String::into_bytes),
    ];
    let input = prop_oneof![
        3 => proptest::collection::vec(piece, 0..16).prop_map(|pieces| pieces.concat()),
        1 => proptest::collection::vec(any::<u8>(), 0..400),
    ];
    runner
        .run(&input, |input| {
            target(&input);
            Ok(())
        })
        .unwrap();
}

#[test]
fn no_page_token_that_was_not_made_here_is_taken() {
    run(targets::page_token, &["WyJ4Il0", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "=", "-", "_", "[\"x\"]"]);
}

#[test]
fn no_text_is_taken_for_an_api_key_that_is_none() {
    const DIGITS: &str = "00112233445566778899aabbccddeeff";
    const WITHOUT_CHECKSUM: &str =
        "dbk_0123456789abcdef_00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    run(
        targets::api_key,
        &[WITHOUT_CHECKSUM, "dbk_", "_", DIGITS, "0123456789abcdef", "DBK_", "0123456789ABCDEF", "g", "00000000"],
    );
}

#[test]
fn no_record_opens_that_the_vault_did_not_seal() {
    run(targets::sealed_record, &["\u{0}", "\u{1}", "\u{0}\u{0}\u{0}\u{1}", "secret"]);
}

#[test]
fn a_statement_is_always_a_piece_of_its_script() {
    const PIECES: &[&str] = &[
        "SELECT 1",
        ";",
        "\n",
        "--",
        "/*",
        "*/",
        "'",
        "\"",
        "`",
        "$$",
        "$a$",
        "\\",
        "#",
        " ",
        "é",
        "\r\n",
        "\t",
        "BEGIN",
        "END",
        "CASE",
        "CREATE TRIGGER t",
        "CREATE FUNCTION f()",
        "CREATE PROCEDURE p()",
        "BEGIN ATOMIC",
        "DELIMITER //",
        "DELIMITER ;",
        "//",
        "E'",
        "b'",
        "N'",
        "IF",
        "THEN",
        "LOOP",
        "COPY t FROM stdin;",
        "\\.",
        "\\connect x",
        "/*!40000 ",
        "/*M! ",
        "GO",
        "x",
        "1.5e",
        "::",
        ":=",
        "\u{0}",
        "\u{feff}",
        "\u{a0}",
    ];
    run(targets::migration_splitter, PIECES);
}
