//! Unix sockets: dialled in the folders that the configuration names and nowhere else, by the drivers and by the dump tools.

use std::{
    fs,
    io::ErrorKind,
    os::unix::{fs::symlink, net::UnixListener},
    path::{Path, PathBuf},
};

use dbkeeper::{
    config::Config,
    grpc::{client::Client, proto::v1},
};
use tempfile::TempDir;
use tonic::Code;

use super::super::{
    answer::{assert_field, assert_refused, assert_says},
    support::{back_up, register, settings, succeeded, test_settings},
};
use crate::{
    conformance::{Fixture, mariadb::MariadbFixture, postgres::PostgresFixture},
    harness::{mariadb::MariadbServer, postgres::PostgresServer, server::TestServer},
};

/// Folder of the socket of a server, and what `host` says to mean it when it lies in a folder.
struct Place {
    folder: PathBuf,
    host: fn(&Path) -> PathBuf,
    /// Its file in the folder.
    file: PathBuf,
}

fn of_postgresql() -> Place {
    let server = PostgresServer::shared();
    let file = PathBuf::from(format!(".s.PGSQL.{}", server.port()));
    Place { folder: server.folder().to_owned(), host: Path::to_owned, file }
}

fn of_mariadb() -> Place {
    let socket = MariadbServer::shared().socket();
    let folder = socket.parent().unwrap().to_owned();
    Place { folder, host: |folder| folder.join("socket"), file: PathBuf::from("socket") }
}

impl Place {
    /// A database of the server, through the socket as it is found in a folder. The mode of TLS is not given.
    fn connection(&self, fixture: &impl Fixture, database: &str, folder: &Path) -> v1::Connection {
        let host = (self.host)(folder).display().to_string();
        v1::Connection { host, tls: None, ..settings(&fixture.target(database)) }
    }
}

fn opens(folders: &[&Path]) -> impl FnOnce(&mut Config) {
    let folders = folders.iter().map(|folder| folder.display().to_string().parse().unwrap()).collect();
    move |config| config.targets.unix_sockets = folders
}

/// Reason and text that a test of settings is answered with.
async fn refusal(client: &Client, connection: v1::Connection) -> (String, String) {
    let answer = test_settings(client, connection).await.expect("a refusal is an answer");
    let error = answer.error.expect("refused");
    (error.reason, error.message)
}

#[track_caller]
fn assert_forbidden((reason, message): (String, String), what: &str) {
    assert_eq!(reason, "ADDRESS_FORBIDDEN", "{what}: {message}");
    assert!(message.contains("add the folder of the socket to targets.unix_sockets"), "{what}: {message}");
}

/// Refused, with the key that would open it, in all that needs the database, and for what is not there as well.
async fn check_refused(fixture: &impl Fixture, place: &Place) {
    let server = TestServer::start().await;
    let client = server.client();
    let database = fixture.create_database().await;
    let connection = place.connection(fixture, &database, &place.folder);
    assert_forbidden(refusal(&client, connection.clone()).await, "by default");
    let absent = place.connection(fixture, &database, Path::new("/no/such/folder"));
    assert_forbidden(refusal(&client, absent).await, "absent");

    let name = register(&client, "shop", connection).await.name;
    let request = v1::ListTablesRequest { connection: name.clone(), ..Default::default() };
    let error = client.schemas().list_tables(request).await.unwrap_err();
    assert_refused(&error, Code::FailedPrecondition, "ADDRESS_FORBIDDEN");
    let request = v1::CreateBackupRequest { connection: name, ..Default::default() };
    let error = client.backups().create_backup(request).await.unwrap_err();
    assert_refused(&error, Code::FailedPrecondition, "ADDRESS_FORBIDDEN");
    assert_says(&error, "targets.unix_sockets");
}

/// Served through the socket, by the driver and by the tools that dump and restore.
async fn check_served(fixture: &impl Fixture, place: &Place) {
    let server = TestServer::start_with(opens(&[&place.folder])).await;
    let client = server.client();
    let database = fixture.create_database().await;
    fixture.run(&database, fixture.sample_sql()).await;
    let connection = place.connection(fixture, &database, &place.folder);
    let answer = test_settings(&client, connection.clone()).await.unwrap();
    assert!(answer.connected && !answer.tls_active, "{answer:?}");
    let made = register(&client, "shop", connection).await;
    assert_eq!(made.tls.unwrap().mode(), v1::TlsMode::Disabled, "nothing leaves the machine");
    let request = v1::ListTablesRequest { connection: made.name.clone(), ..Default::default() };
    assert!(!client.schemas().list_tables(request).await.unwrap().into_inner().tables.is_empty());

    let backup = back_up(&client, &made.name, "first").await;
    let target = fixture.unused_database();
    let request = v1::RestoreBackupRequest {
        name: backup,
        connection: made.name,
        target_database: target.clone(),
        ..Default::default()
    };
    let operation = client.backups().restore_backup(request).await.unwrap().into_inner();
    succeeded(&client, operation).await;
    assert_eq!(fixture.checksums(&target).await, fixture.checksums(&database).await);
}

/// What a link leads to is what counts, now and at the next dial.
async fn check_links(fixture: &impl Fixture, place: &Place) {
    let open = TempDir::new().unwrap();
    let closed = TempDir::new().unwrap();
    let database = fixture.create_database().await;
    let at = |folder: &Path| place.connection(fixture, &database, folder);

    // Out of the folder that is open: by a folder, and by the socket itself.
    symlink(&place.folder, open.path().join("folder")).unwrap();
    fs::create_dir(open.path().join("file")).unwrap();
    symlink(place.folder.join(&place.file), open.path().join("file").join(&place.file)).unwrap();
    fs::create_dir(open.path().join("plain")).unwrap();
    fs::write(open.path().join("plain").join(&place.file), "no socket").unwrap();
    let server = TestServer::start_with(opens(&[open.path()])).await;
    let client = server.client();
    for folder in ["folder", "file"] {
        assert_forbidden(refusal(&client, at(&open.path().join(folder))).await, folder);
    }
    let (reason, message) = refusal(&client, at(&open.path().join("plain"))).await;
    assert_eq!(reason, "HOST_UNKNOWN", "{message}");
    assert!(message.contains("leads to no socket"), "{message}");
    let (reason, message) = refusal(&client, at(&open.path().join("absent"))).await;
    assert_eq!(reason, "DATABASE_UNREACHABLE", "{message}");
    assert!(message.contains("has its socket there"), "{message}");
    // A folder whose name only begins with that of the open one.
    let longer = PathBuf::from(format!("{}-beside", open.path().display()));
    fs::create_dir(&longer).unwrap();
    UnixListener::bind(longer.join(&place.file)).unwrap();
    let outcome = refusal(&client, at(&longer)).await;
    fs::remove_dir_all(&longer).unwrap();
    assert_forbidden(outcome, "beside");

    // A link into the open folder is good, until it leads elsewhere.
    let server = TestServer::start_with(opens(&[&place.folder])).await;
    let client = server.client();
    let link = closed.path().join("link");
    symlink(&place.folder, &link).unwrap();
    let name = register(&client, "shop", at(&link)).await.name;
    let target = Some(v1::test_connection_request::Target::Name(name));
    let request = v1::TestConnectionRequest { target };
    let answer = client.connections().test_connection(request.clone()).await.unwrap().into_inner();
    assert!(answer.connected, "{answer:?}");
    let elsewhere = TempDir::new().unwrap();
    let listener = UnixListener::bind(elsewhere.path().join(&place.file)).unwrap();
    fs::remove_file(&link).unwrap();
    symlink(elsewhere.path(), &link).unwrap();
    let answer = client.connections().test_connection(request).await.unwrap().into_inner();
    assert_eq!(answer.error.unwrap().reason, "ADDRESS_FORBIDDEN");
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "somebody called");
}

/// What is no place of a socket is refused as a field, and so is TLS where there is none.
async fn check_fields(fixture: &impl Fixture, place: &Place) {
    let server = TestServer::start_with(opens(&[&place.folder])).await;
    let client = server.client();
    let good = place.connection(fixture, "any", &place.folder);
    let folder = place.folder.display();
    for host in [format!("{folder}/../socket"), format!("{folder}/x/../../y"), "/..".to_owned()] {
        let error = test_settings(&client, v1::Connection { host, ..good.clone() }).await.unwrap_err();
        assert_field(&error, "connection.host", "without '..'");
    }
    for mode in [v1::TlsMode::Required, v1::TlsMode::VerifyCa, v1::TlsMode::VerifyFull] {
        let tls = Some(v1::TlsSettings { mode: mode.into(), ..Default::default() });
        let error = test_settings(&client, v1::Connection { tls, ..good.clone() }).await.unwrap_err();
        assert_field(&error, "connection.tls.mode", "must be TLS_MODE_DISABLED where host is a Unix socket");
    }
    // The sockets of this process have names without a place in the file system; those are no hosts.
    for host in ["@dbkeeper", "\0dbkeeper"] {
        let answer = test_settings(&client, v1::Connection { host: host.to_owned(), ..good.clone() }).await;
        assert!(answer.is_err() || !answer.unwrap().connected, "{host:?}");
    }
}

macro_rules! on_both {
    ($($name:ident: $check:ident),* $(,)?) => {
        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$check(&super::PostgresFixture::new(), &super::of_postgresql()).await;
                }
            )*
        }
        mod mariadb {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$check(&super::MariadbFixture::new(), &super::of_mariadb()).await;
                }
            )*
        }
    };
}

on_both!(
    sockets_are_refused_unless_their_folder_is_named: check_refused,
    a_socket_in_an_open_folder_serves_driver_and_tools: check_served,
    links_count_by_where_they_lead: check_links,
    hosts_and_tls_modes_that_no_socket_has_are_refused: check_fields,
);
