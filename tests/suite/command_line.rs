//! What a person meets first: the help, the effective configuration, and the refusal of a bad value.

use std::process::Output;

use crate::harness::process::binary;

fn run(arguments: &[&str], variable: Option<(&str, &str)>) -> (Output, String, String) {
    let output = binary().args(arguments).envs(variable).output().unwrap();
    let (told, wrong) = (String::from_utf8(output.stdout.clone()), String::from_utf8(output.stderr.clone()));
    (output, told.unwrap(), wrong.unwrap())
}

#[test]
fn the_help_names_every_command_and_where_the_key_lies() {
    let (output, told, _) = run(&["--help"], None);
    assert!(output.status.success());
    for words in ["serve", "quickstart", "admin-key", "master-key", "config", "health", "admin.key", "Examples:"] {
        assert!(told.contains(words), "{words}: {told}");
    }
}

#[test]
fn the_effective_configuration_is_printed_with_its_origins_and_without_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let file = folder.path().join("dbkeeper.toml");
    std::fs::write(&file, "[shutdown]\ngrace = \"7s\"\n").unwrap();
    let arguments = [
        "config",
        "--config",
        file.to_str().unwrap(),
        "--data-dir",
        data_dir.to_str().unwrap(),
        "--set",
        "telemetry.otlp_headers=authorization=hunter2",
    ];
    let (output, told, wrong) = run(&arguments, Some(("DBKEEPER_SERVER_LISTEN", "127.0.0.1:9000")));
    assert!(output.status.success(), "{wrong}");
    let line =
        |words: &str| told.lines().find(|line| line.contains(words)).unwrap_or_else(|| panic!("{words}: {told}"));
    assert!(line("grace = \"7s\"").contains("dbkeeper.toml"), "{told}");
    assert!(line("listen = \"127.0.0.1:9000\"").contains("DBKEEPER_SERVER_LISTEN"), "{told}");
    assert!(line("otlp_headers").contains("--set"), "{told}");
    assert!(!told.contains("hunter2"), "{told}");
    assert!(!data_dir.exists(), "looking makes nothing");
}

#[test]
fn a_bad_value_stops_the_start_with_the_key_the_value_and_what_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    for command in ["serve", "config", "quickstart"] {
        let arguments = [command, "--data-dir", data_dir.to_str().unwrap()];
        let (output, _, wrong) = run(&arguments, Some(("DBKEEPER_SHUTDOWN_GRACE", "5")));
        assert_eq!(output.status.code(), Some(1), "{command}: {wrong}");
        for words in ["shutdown.grace = \"5\"", "DBKEEPER_SHUTDOWN_GRACE", "must be a time with its unit"] {
            assert!(wrong.contains(words), "{command}: {words}: {wrong}");
        }
        assert!(!data_dir.exists(), "{command} began all the same");
    }
}
