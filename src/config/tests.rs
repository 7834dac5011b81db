//! The layers, the refusals, and the page that documents the keys.

use std::{collections::BTreeMap, ffi::OsString, fs, path::Path};

use super::{
    ByteSize, ConfigurationError, Flags, KeySource, Loaded,
    layers::{defaults, variable_of},
    load::load_from,
};

/// Loads from a temporary folder with an optional `dbkeeper.toml` as data directory.
fn load(file: &str, variables: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Loaded, ConfigurationError> {
    let folder = tempfile::tempdir().unwrap();
    if !file.is_empty() {
        fs::write(folder.path().join("dbkeeper.toml"), file).unwrap();
    }
    let mut given = Flags::default();
    given.set("data_dir", ".", "--data-dir");
    for (key, value) in flags {
        given.set(*key, *value, format!("--set {key}"));
    }
    let variables: BTreeMap<OsString, OsString> =
        variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))).collect();
    load_from(&given, &variables, folder.path())
}

fn refusal(file: &str, variables: &[(&str, &str)], flags: &[(&str, &str)]) -> String {
    load(file, variables, flags).unwrap_err().to_string()
}

#[test]
fn defaults_are_usable_and_within_their_bounds() {
    let loaded = load("", &[], &[]).unwrap();
    assert_eq!(loaded.config.server.listen.to_string(), "127.0.0.1:7341");
    assert_eq!(loaded.config.vault.key_source(), KeySource::File(loaded.config.data_dir.join("master.key")));
    assert!(loaded.file.is_none());
}

#[test]
fn each_layer_overrides_the_one_before() {
    let file = "[server]\nlisten = '127.0.0.1:1'\n[server.limits]\nmax_message_size = '1MiB'\nmax_connections = 7\n";
    let variables = [("DBKEEPER_SERVER_LISTEN", "127.0.0.1:2"), ("DBKEEPER_SERVER_LIMITS_MAX_MESSAGE_SIZE", "2MiB")];
    let loaded = load(file, &variables, &[("server.listen", "127.0.0.1:3")]).unwrap();
    assert_eq!(loaded.config.server.listen.port(), 3);
    assert_eq!(loaded.config.server.limits.max_message_size, ByteSize::mib(2));
    assert_eq!(loaded.config.server.limits.max_connections, 7);

    let printed = loaded.to_string();
    assert!(printed.contains("listen = \"127.0.0.1:3\"  "), "{printed}");
    assert!(printed.contains("# flag --set server.listen"), "{printed}");
    assert!(printed.contains("# environment variable DBKEEPER_SERVER_LIMITS_MAX_MESSAGE_SIZE"), "{printed}");
    assert!(printed.contains("dbkeeper.toml\n"), "{printed}");
}

#[test]
fn what_is_printed_can_be_read_again() {
    let loaded = load("", &[], &[("backup.tool_directories", "/opt/a:/opt/b"), ("pools.idle_timeout", "90s")]).unwrap();
    let again = load(&loaded.to_string(), &[], &[]).unwrap();
    assert_eq!(again.config.backup.tool_directories, [Path::new("/opt/a"), Path::new("/opt/b")]);
    assert_eq!(again.config.pools.idle_timeout.as_secs(), 90);
}

#[test]
fn unknown_keys_are_refused_with_the_nearest_known_one() {
    let text = refusal("[server]\nlisen = '127.0.0.1:1'\n", &[], &[]);
    assert!(text.contains("server.lisen = \"127.0.0.1:1\" (") && text.contains("dbkeeper.toml)"), "{text}");
    assert!(text.contains("did you mean server.listen?"), "{text}");
    let text = refusal("", &[("DBKEEPER_SERVER_LISTENS", "127.0.0.1:1")], &[]);
    assert!(text.contains("did you mean DBKEEPER_SERVER_LISTEN?"), "{text}");
    let text = refusal("server = 3\n", &[], &[]);
    assert!(text.contains("server = 3"), "{text}");
}

#[test]
fn bad_values_are_told_together_with_key_value_origin_and_what_is_allowed() {
    let file = "[backup]\ncompression_level = 0\n[pools]\nmax_connections = 'many'\n[telemetry]\nlog_format = 'xml'\n";
    let flags = [
        ("server.listen", "localhost"),
        ("shutdown.grace", "5"),
        ("server.limits.max_message_size", "16 megabytes"),
        ("telemetry.log", "info,dbkeeper=loud"),
    ];
    let text = refusal(file, &[("DBKEEPER_SERVER_LIMITS_MAX_DEADLINE", "0s")], &flags);
    for expected in [
        "backup.compression_level = 0 (",
        "must be between 1 and 19",
        "pools.max_connections = \"many\" (",
        "telemetry.log_format = \"xml\" (",
        "must be auto, text or json",
        "server.listen = \"localhost\" (flag --set server.listen): must be ADDRESS:PORT",
        "shutdown.grace = \"5\" (flag --set shutdown.grace): must be a time with its unit",
        "server.limits.max_message_size = \"16 megabytes\"",
        "server.limits.max_deadline = \"0s\" (environment variable DBKEEPER_SERVER_LIMITS_MAX_DEADLINE): must be between 1s",
        "telemetry.log = \"info,dbkeeper=loud\"",
    ] {
        assert!(text.contains(expected), "{expected:?} is missing in:\n{text}");
    }
}

#[test]
fn an_address_that_others_reach_needs_tls_or_consent() {
    let text = refusal("", &[], &[("server.listen", "0.0.0.0:7341")]);
    assert!(text.contains("--insecure") && text.contains("server.tls_certificate_file"), "{text}");
    load("", &[], &[("server.listen", "0.0.0.0:7341"), ("server.insecure", "true")]).unwrap();
    let tls = [("server.tls_certificate_file", "c.pem"), ("server.tls_key_file", "k.pem")];
    let loaded = load("", &[("DBKEEPER_SERVER_LISTEN", "0.0.0.0:7341")], &tls).unwrap();
    assert_eq!(loaded.config.server.tls_key_file, Some(loaded.config.data_dir.join("k.pem")));
    let text = refusal("", &[], &tls[..1]);
    assert!(text.contains("server.tls_key_file"), "{text}");
}

#[test]
fn plain_http_is_off_and_for_this_machine_unless_the_user_says_otherwise() {
    assert_eq!(load("", &[], &[]).unwrap().config.metrics.listen, None);
    let file = "[metrics]\nlisten = '127.0.0.1:1'\n";
    let variable = [("DBKEEPER_METRICS_LISTEN", "[::1]:2")];
    let listen = |loaded: Loaded| loaded.config.metrics.listen.unwrap().to_string();
    assert_eq!(listen(load(file, &[], &[]).unwrap()), "127.0.0.1:1");
    assert_eq!(listen(load(file, &variable, &[]).unwrap()), "[::1]:2");
    let loaded = load(file, &variable, &[("metrics.listen", "127.0.0.1:0")]).unwrap();
    assert!(loaded.to_string().contains("listen = \"127.0.0.1:0\""), "{loaded}");
    assert_eq!(listen(loaded), "127.0.0.1:0");

    let text = refusal("", &[], &[("metrics.listen", "0.0.0.0:7342")]);
    assert!(text.contains("metrics.listen = \"0.0.0.0:7342\" (flag --set metrics.listen): others can reach"), "{text}");
    assert!(text.contains("metrics.insecure = true"), "{text}");
    load("", &[], &[("metrics.listen", "0.0.0.0:7342"), ("metrics.insecure", "true")]).unwrap();
    let text = refusal("", &[("DBKEEPER_METRICS_LISTEN", "7342")], &[]);
    let told = "metrics.listen = \"7342\" (environment variable DBKEEPER_METRICS_LISTEN): must be ADDRESS:PORT";
    assert!(text.contains(told), "{text}");
    let text = refusal("", &[], &[("metrics.listen", "127.0.0.1:7341")]);
    assert!(text.contains("must be another address or port than server.listen"), "{text}");
    load("", &[], &[("metrics.listen", "127.0.0.1:0"), ("server.listen", "127.0.0.1:0")]).unwrap();
}

#[test]
fn targets_are_networks_and_ports() {
    let file = "[targets]\npolicy = 'public'\nallow = ['10.1.0.0/16', 'fd00::/8', '10.9.9.9']\nports = [3306, '5432-5439']\n\
         unix_sockets = ['/run/postgresql', '/run/mysqld']\n";
    let loaded = load(file, &[("DBKEEPER_TARGETS_DENY", "10.1.2.0/24, ::1")], &[]).unwrap();
    let again = load(&loaded.to_string(), &[], &[]).unwrap().config.targets;
    assert_eq!(again.policy, super::BasePolicy::Public);
    let texts = |networks: &[super::targets::Network]| networks.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(texts(&again.allow), ["10.1.0.0/16", "fd00::/8", "10.9.9.9/32"]);
    assert_eq!(texts(&again.deny), ["10.1.2.0/24", "::1/128"]);
    let ports: Vec<String> = again.ports.iter().map(ToString::to_string).collect();
    assert_eq!(ports, ["3306", "5432-5439"]);
    let folders: Vec<String> = again.unix_sockets.iter().map(ToString::to_string).collect();
    assert_eq!(folders, ["/run/postgresql", "/run/mysqld"]);
    assert!(load("", &[], &[]).unwrap().config.targets.unix_sockets.is_empty());
}

#[test]
fn targets_that_say_nothing_sensible_are_refused() {
    for (key, value, allowed) in [
        ("targets.policy", "open", "must be private, public or listed"),
        ("targets.policy", "listed", "targets.allow"),
        ("targets.allow", "10.1.2.3/16", "must be networks"),
        ("targets.allow", "10.0.0.0/33", "must be networks"),
        ("targets.deny", "everything", "must be networks"),
        ("targets.ports", "0", "must be ports"),
        ("targets.ports", "65536", "must be ports"),
        ("targets.ports", "5439-5432", "must be ports"),
        ("targets.unix_sockets", "run/postgresql", "must be absolute paths"),
        ("targets.unix_sockets", "/run/../etc", "must be absolute paths"),
        ("targets.unix_sockets", "/", "must be absolute paths"),
    ] {
        let text = refusal("", &[], &[(key, value)]);
        assert!(text.contains(key) && text.contains(allowed), "{key}={value}: {text}");
    }
}

#[test]
fn a_mistyped_level_is_no_module() {
    let text = refusal("", &[], &[("telemetry.log", "verbose")]);
    assert!(text.contains("must be off, error, warn"), "{text}");
    load("", &[], &[("telemetry.log", "warn,dbkeeper::pool=debug")]).unwrap();
}

#[test]
fn secrets_are_never_printed() {
    let secret = "authorization=Bearer hunter2";
    let loaded = load("", &[("DBKEEPER_TELEMETRY_OTLP_HEADERS", secret)], &[]).unwrap();
    assert!(loaded.to_string().contains("otlp_headers = \"***\""));
    assert!(!loaded.to_string().contains("hunter2"));
    assert!(!format!("{:?}", loaded.config).contains("hunter2"));

    let key = "aHVudGVyMi1odW50ZXIyLWh1bnRlcjItaHVudGVyMjE=";
    let text = refusal("", &[], &[("vault.key_env", key), ("telemetry.otlp_endpoint", "http://u:hunter2@host:1")]);
    assert!(text.contains("vault.key_env = *** ("), "{text}");
    assert!(!text.contains(key) && !text.contains("hunter2"), "{text}");
}

#[test]
fn the_variable_of_the_master_key_is_no_setting() {
    let key = ("DBKEEPER_MASTER_KEY", "c2VjcmV0");
    let loaded = load("[vault]\nkey_env = 'DBKEEPER_MASTER_KEY'\n", &[key], &[]).unwrap();
    assert_eq!(loaded.config.vault.key_source(), KeySource::Variable("DBKEEPER_MASTER_KEY".to_owned()));
    let text = refusal("", &[key], &[]);
    assert!(text.contains("DBKEEPER_MASTER_KEY") && !text.contains("c2VjcmV0"), "{text}");
}

#[test]
fn the_master_key_has_one_source_that_can_be_used() {
    let command = "[vault]\nkey_command = ['/bin/fetch', '--name', 'a:b']\n";
    let config = load(command, &[], &[]).unwrap().config;
    let timeout = std::time::Duration::from_secs(10);
    let expected = KeySource::Command("/bin/fetch".into(), vec!["--name".to_owned(), "a:b".to_owned()], timeout);
    assert_eq!(config.vault.key_source(), expected);
    let transit = "[vault.transit]\naddress = 'http://127.0.0.1:8200'\ntoken_file = 'token'\n";
    let config = load(transit, &[], &[]).unwrap().config;
    assert_eq!(config.vault.key_source(), KeySource::Transit);
    assert_eq!(config.vault.transit.token_file, Some(config.data_dir.join("token")));

    let text = refusal(&format!("{command}{transit}"), &[], &[("vault.key_env", "KEY")]);
    assert!(
        text.contains("vault.key_command = ") && text.contains("must not be set together with vault.key_env"),
        "{text}"
    );
    assert!(text.contains("vault.transit.address = "), "{text}");
    for (key, value, allowed) in [
        ("vault.key_command", "fetch", "absolute path"),
        ("vault.key_command_timeout", "0s", "must be between 1s"),
        ("vault.transit.address", "http://vault.example:8200", "https://HOST:PORT"),
        ("vault.transit.address", "https://token@vault.example", "https://HOST:PORT"),
        ("vault.transit.address", "vault.example:8200", "https://HOST:PORT"),
        ("vault.transit.timeout", "1h", "must be between 1s"),
    ] {
        let text = refusal("", &[], &[(key, value)]);
        assert!(text.contains(&format!("{key} = ")) && text.contains(allowed), "{text}");
    }
    let path =
        [("vault.transit.address", "https://v"), ("vault.transit.token_file", "t"), ("vault.transit.mount", "../sys")];
    let text = refusal("", &[], &path);
    assert!(text.contains("vault.transit.mount = \"../sys\""), "{text}");
    let text = refusal("", &[], &path[..1]);
    assert!(text.contains("vault.transit.token_file"), "{text}");
}

#[test]
fn a_named_file_must_be_there_and_be_toml() {
    let text = refusal("", &[("DBKEEPER_CONFIG", "absent.toml")], &[]);
    assert!(text.contains("absent.toml"), "{text}");
    let text = refusal("[server\n", &[], &[]);
    assert!(text.contains("dbkeeper.toml"), "{text}");
}

#[test]
fn variables_of_keys_are_distinct() {
    let keys = defaults();
    let variables: std::collections::BTreeSet<String> = keys.keys().map(|key| variable_of(key)).collect();
    assert_eq!(variables.len(), keys.len());
}

#[test]
fn the_page_documents_exactly_the_keys_with_their_defaults() {
    let page = include_str!("../../docs/configuration.md");
    let rows: BTreeMap<&str, &str> = page
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| `")?.split(" | ");
            Some((cells.next()?.trim_end_matches('`'), cells.next()?.trim_matches('`')))
        })
        .collect();
    let mut keys = defaults();
    assert_eq!(rows.keys().copied().collect::<Vec<_>>(), keys.keys().map(String::as_str).collect::<Vec<_>>());
    // Where the data lies depends on who starts the server; the page describes it in words.
    keys.remove("data_dir");
    for (key, default) in keys {
        let default = match default {
            serde_json::Value::Null => "not set".to_owned(),
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        };
        assert_eq!(rows[key.as_str()], default, "default of {key}");
    }
}
