//! What lies in `deploy/` fits the program: its ports, paths and keys are those of the configuration, and what can be checked
//! without a cluster or a service manager is.

use std::{fs, path::PathBuf, process::Command, time::Duration};

use dbkeeper::config::{self, Config, Flags};
use serde_json::Value;

use crate::{
    harness::process::{ServerProcess, binary},
    http,
    rpc::support::until,
};

/// Exposure of the unit by systemd's reckoning, in tenths: 0 is none, 100 is all of it.
const MOST_EXPOSURE: u32 = 12;
const PROBES: [(&str, &str); 3] =
    [("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")];

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name)
}

fn text(name: &str) -> String {
    fs::read_to_string(file(name)).unwrap_or_else(|cause| panic!("deploy/{name}: {cause}"))
}

/// The configuration of a text, as the program reads it.
fn configuration(toml: &str) -> Config {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dbkeeper.toml");
    fs::write(&path, toml).unwrap();
    config::load(&Flags { file: Some(path), ..Flags::default() })
        .unwrap_or_else(|wrong| panic!("{wrong}\n{toml}"))
        .config
}

/// The values of a key of the unit, in order.
fn settings<'a>(unit: &'a str, key: &str) -> Vec<&'a str> {
    unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
}

fn seconds(text: &str) -> Duration {
    humantime::parse_duration(text).unwrap()
}

/// The unit as it would stand on a machine where the program is the one of this test.
fn unit_of_the_test(folder: &tempfile::TempDir) -> PathBuf {
    let unit = text("dbkeeper.service");
    assert!(unit.contains("ExecStart=/usr/local/bin/dbkeeper "), "{unit}");
    let path = folder.path().join("dbkeeper.service");
    fs::write(&path, unit.replace("/usr/local/bin/dbkeeper", env!("CARGO_BIN_EXE_dbkeeper"))).unwrap();
    path
}

#[test]
fn the_unit_is_what_systemd_understands_and_hardly_exposed() {
    let folder = tempfile::tempdir().unwrap();
    let unit = unit_of_the_test(&folder);
    let verified = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&unit).output().unwrap();
    let told = String::from_utf8(verified.stderr).unwrap();
    // What it says of other units of the machine is not ours.
    let ours: Vec<&str> = told.lines().filter(|line| line.contains("dbkeeper")).collect();
    assert!(verified.status.success() && ours.is_empty(), "{told}");

    let threshold = format!("--threshold={MOST_EXPOSURE}");
    let mut security = Command::new("systemd-analyze");
    security.args(["security", "--offline=true", "--no-pager", &threshold]).arg(&unit);
    let security = security.output().unwrap();
    let told = String::from_utf8(security.stdout).unwrap();
    assert!(security.status.success(), "{told}");
}

#[test]
fn the_unit_fits_its_configuration() {
    let unit = text("dbkeeper.service");
    let config = configuration(&text("dbkeeper.toml"));
    let one = |key| match settings(&unit, key)[..] {
        [value] => value,
        ref other => panic!("{key}: {other:?}"),
    };
    assert!(seconds(one("TimeoutStopSec")) > config.shutdown.grace, "the server is killed before its grace ends");
    assert_eq!(config.data_dir, PathBuf::from("/var/lib").join(one("StateDirectory")));
    assert_eq!(one("ExecStart"), "/usr/local/bin/dbkeeper serve --config /etc/dbkeeper/dbkeeper.toml");
    // A restart is for what broke, and a server that was told to stop ends well.
    assert_eq!(one("Restart"), "on-failure");
    assert!(config.server.listen.ip().is_loopback() && config.metrics.listen.unwrap().ip().is_loopback());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_of_the_configuration_answers_what_is_asked_of_it() {
    let toml = configuration(&text("dbkeeper.toml"));
    assert!(toml.metrics.listen.is_some());
    let settings =
        ["metrics.listen=127.0.0.1:0".to_owned(), format!("shutdown.grace={}s", toml.shutdown.grace.as_secs())];
    let mut server = ServerProcess::start(&settings).await;
    for (_, path) in PROBES {
        assert_eq!(http::status(server.metrics_address(), path).await, 200, "{path}");
    }
    // What the image asks, with the same configuration.
    let listen = format!("metrics.listen={}", server.metrics_address());
    let health = |set: &str| binary().args(["health", "--set", set]).output().unwrap();
    let asked = health(&listen);
    assert!(asked.status.success(), "{asked:?}");
    assert_eq!(String::from_utf8(asked.stdout).unwrap(), "ready\n");
    for unset in ["metrics.insecure=false", "metrics.listen=127.0.0.1:0"] {
        let unset = health(unset);
        assert_eq!(unset.status.code(), Some(1));
        assert!(String::from_utf8(unset.stderr).unwrap().contains("metrics.listen names no port"));
    }
    server.terminate();
    until(async || !health(&listen).status.success()).await;
    assert!(server.ended().await.success());
    let gone = health(&listen);
    assert_eq!(gone.status.code(), Some(1));
    assert!(String::from_utf8(gone.stderr).unwrap().contains("127.0.0.1"), "it says where it asked");
}

#[test]
fn the_image_fits_its_configuration() {
    let dockerfile = text("Dockerfile");
    let config = configuration(&text("dbkeeper.toml"));
    let stages: Vec<&str> = dockerfile.split("\nFROM ").skip(1).collect();
    let [build, images @ ..] = &stages[..] else { panic!("{dockerfile}") };
    let manifest = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).unwrap();
    let minimum = manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap().trim_matches('"');
    assert!(build.starts_with(&format!("docker.io/library/rust:{minimum}-bookworm AS build\n")), "{build}");
    assert_eq!(images.len(), 2);
    for image in images {
        let port = |address: std::net::SocketAddr| address.port();
        let ports = format!("EXPOSE {} {}", port(config.server.listen), port(config.metrics.listen.unwrap()));
        let volume = format!("VOLUME {}", config.data_dir.display());
        for line in [
            ports.as_str(),
            volume.as_str(),
            "USER 65532:65532",
            "ENV DBKEEPER_CONFIG=/etc/dbkeeper/dbkeeper.toml",
            "ENTRYPOINT [\"/usr/local/bin/dbkeeper\"]",
            "CMD [\"serve\"]",
            "STOPSIGNAL SIGTERM",
        ] {
            assert!(image.lines().any(|found| found == line), "{line} is missing in:\n{image}");
        }
        // A variable goes before the file, and so before one that somebody mounts in its place.
        assert!(!image.replace("DBKEEPER_CONFIG", "").contains("DBKEEPER_"), "{image}");
        let check = image.lines().find(|line| line.starts_with("HEALTHCHECK ")).unwrap();
        assert!(check.ends_with("CMD [\"/usr/local/bin/dbkeeper\", \"health\"]"), "{check}");
    }
    for made in ["/image/usr/local/bin/dbkeeper", "/image/etc/dbkeeper/dbkeeper.toml", "/image/var/lib/dbkeeper"] {
        assert!(build.contains(made), "{made}");
    }
}

/// The one object of a kind.
fn object(kind: &str) -> Value {
    let manifests = text("kubernetes/dbkeeper.yaml");
    let objects: Vec<Value> = serde_saphyr::from_multiple(&manifests).expect("YAML");
    let mut of_kind = objects.into_iter().filter(|object| object["kind"] == kind);
    let found = of_kind.next().unwrap_or_else(|| panic!("no {kind}"));
    assert!(of_kind.next().is_none(), "two of {kind}");
    found
}

/// The entry of a list that has a name.
#[track_caller]
fn named<'a>(list: &'a Value, name: &str) -> &'a Value {
    let list = list.as_array().unwrap_or_else(|| panic!("no list: {list}"));
    list.iter().find(|entry| entry["name"] == name).unwrap_or_else(|| panic!("no {name}: {list:?}"))
}

#[test]
fn the_manifests_fit_their_configuration() {
    let toml = object("ConfigMap")["data"]["dbkeeper.toml"].as_str().unwrap().to_owned();
    let config = configuration(&toml);
    let metrics = config.metrics.listen.unwrap();
    assert!(config.server.listen.ip().is_unspecified() && metrics.ip().is_unspecified(), "others are to reach the pod");
    assert!(config.server.tls() && !config.server.insecure, "callers are not to cross the network in clear");

    let set = object("StatefulSet");
    assert_eq!(set["spec"]["replicas"], 1, "a data directory has one server");
    let (labels, template) = (&set["spec"]["selector"]["matchLabels"], &set["spec"]["template"]);
    assert_eq!(&template["metadata"]["labels"], labels);
    let pod = &template["spec"];
    assert_eq!(pod["enableServiceLinks"], false, "variables of the cluster would be taken for settings");
    assert_eq!(pod["automountServiceAccountToken"], false);
    let grace = Duration::from_secs(pod["terminationGracePeriodSeconds"].as_u64().unwrap());
    assert!(grace > config.shutdown.grace, "the pod is killed before its grace ends");
    let user = &pod["securityContext"];
    assert_eq!((&user["runAsNonRoot"], &user["runAsUser"]), (&Value::Bool(true), &Value::from(65532)));
    assert_eq!(user["seccompProfile"]["type"], "RuntimeDefault");
    // What the group may read is not used as master key; so the data are below the mount, and stay as they were made.
    assert_eq!(user["fsGroupChangePolicy"], "OnRootMismatch");

    let container = named(&pod["containers"], "dbkeeper");
    let ports = &container["ports"];
    assert_eq!(named(ports, "grpc")["containerPort"], config.server.listen.port());
    assert_eq!(named(ports, "metrics")["containerPort"], metrics.port());
    for (probe, path) in PROBES {
        let asked = &container[probe]["httpGet"];
        assert_eq!((&asked["path"], &asked["port"]), (&Value::from(path), &Value::from("metrics")), "{probe}");
    }
    let annotations = &template["metadata"]["annotations"];
    assert_eq!(annotations["prometheus.io/port"], metrics.port().to_string());
    assert_eq!(annotations["prometheus.io/path"], "/metrics");
    let limits = &container["securityContext"];
    assert_eq!((&limits["readOnlyRootFilesystem"], &limits["allowPrivilegeEscalation"]), (&true.into(), &false.into()));
    assert_eq!(limits["capabilities"]["drop"], serde_json::json!(["ALL"]));
    assert!(
        container["resources"]["requests"]["memory"].is_string()
            && container["resources"]["limits"]["memory"].is_string()
    );

    let mounts = &container["volumeMounts"];
    let mounted = |name| PathBuf::from(named(mounts, name)["mountPath"].as_str().unwrap());
    let data = mounted("data");
    assert!(config.data_dir.starts_with(&data) && config.data_dir != data);
    named(&Value::from(vec![set["spec"]["volumeClaimTemplates"][0]["metadata"].clone()]), "data");
    let arguments = serde_json::json!(["serve", "--config", mounted("configuration").join("dbkeeper.toml")]);
    assert_eq!(container["args"], arguments);
    assert_eq!(named(&pod["volumes"], "configuration")["configMap"]["name"], object("ConfigMap")["metadata"]["name"]);
    for certificate in [config.server.tls_certificate_file, config.server.tls_key_file].into_iter().flatten() {
        assert!(certificate.starts_with(mounted("tls")), "{}", certificate.display());
    }
    // One mount in another would need a folder in what is read only.
    let paths: Vec<PathBuf> = ["data", "configuration", "tls", "tmp"].map(mounted).to_vec();
    for path in &paths {
        assert_eq!(paths.iter().filter(|other| path.starts_with(other)).count(), 1, "{}", path.display());
    }

    let service = object("Service");
    assert_eq!(&service["spec"]["selector"], labels);
    assert_eq!(service["metadata"]["name"], set["spec"]["serviceName"]);
    let grpc = named(&service["spec"]["ports"], "grpc");
    assert_eq!((&grpc["port"], &grpc["targetPort"]), (&config.server.listen.port().into(), &"grpc".into()));
}
