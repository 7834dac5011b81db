//! The lists, with three entries at least in each.

use dbkeeper::grpc::{client::Client, proto::v1};
use serde_json::{Value, json};
use sqlx::{ConnectOptions, PgConnection, postgres::PgConnectOptions};

use crate::{
    conformance::{Fixture, postgres::PostgresFixture},
    harness::{postgres::PostgresServer, server::TestServer, sqlite::SqliteFolder},
    rpc::support::{apply, back_up, file, issue, make_account, migration_set, register, settings, succeeded, viewer},
};

const SHOP: &str = "connections/shop";
const STOCK: &str = "connections/stock";
const SET: &str = "migrationSets/app";
const OTHER_SET: &str = "migrationSets/other";
const DATABASE: &str = "
    CREATE TABLE author (id INTEGER PRIMARY KEY, name TEXT);
    CREATE TABLE book (id INTEGER PRIMARY KEY, title TEXT);
    CREATE TABLE loan (id INTEGER PRIMARY KEY, book INTEGER);
    CREATE TRIGGER author_kept BEFORE DELETE ON author BEGIN SELECT RAISE(ABORT, 'kept'); END;
    CREATE TRIGGER book_kept BEFORE DELETE ON book BEGIN SELECT RAISE(ABORT, 'kept'); END;
    CREATE TRIGGER loan_kept BEFORE DELETE ON loan BEGIN SELECT RAISE(ABORT, 'kept'); END;";

/// A list, in the form of JSON.
pub(super) struct Case {
    pub(super) method: &'static str,
    pub(super) request: Value,
    /// The field of the answer that has the entries.
    pub(super) entries: &'static str,
    /// The field of an entry, or a path to it, that tells one from the other.
    pub(super) key: &'static str,
    /// Fields of the request with another value, each of which makes another list.
    pub(super) others: Vec<(&'static str, Value)>,
    /// Fields of the request that do not say what is in the list.
    pub(super) selects_nothing: &'static [&'static str],
}

fn case(method: &'static str, request: Value, (entries, key): (&'static str, &'static str)) -> Case {
    Case { method, request, entries, key, others: Vec::new(), selects_nothing: &[] }
}

impl Case {
    fn other(mut self, field: &'static str, value: impl Into<Value>) -> Self {
        self.others.push((field, value.into()));
        self
    }

    fn selects_nothing(mut self, fields: &'static [&'static str]) -> Self {
        self.selects_nothing = fields;
        self
    }
}

/// A server with three of everything.
pub(super) struct Scene {
    pub(super) server: TestServer,
    _folder: SqliteFolder,
    _sessions: Vec<PgConnection>,
}

impl Scene {
    pub(super) async fn make() -> Self {
        let folder = SqliteFolder::new();
        let server = TestServer::start_on(&folder).await;
        let client = server.client();
        for id in ["first", "second", "third"] {
            make_account(&client, id).await;
            issue(&client, "accounts/default", viewer(id)).await;
        }
        for id in ["shop", "stock", "staff"] {
            let database = folder.create_database();
            folder.run(&database, DATABASE).await;
            register(&client, id, settings(&folder.target(&database))).await;
            let request = v1::GetDatabaseRequest { connection: format!("connections/{id}"), ..Default::default() };
            client.schemas().get_database(request).await.expect("its pool is opened");
        }
        make_sets(&client).await;
        let run = client.migrations().apply_migrations(apply(SET, SHOP)).await.expect("a run").into_inner();
        succeeded(&client, run).await;
        for id in ["first", "second", "third"] {
            back_up(&client, SHOP, id).await;
        }
        let _sessions = open_sessions(&client).await;
        Self { server, _folder: folder, _sessions }
    }
}

async fn make_sets(client: &Client) {
    let pair = |version: u32| {
        let (up, down) = (format!("CREATE TABLE t{version} (id INTEGER);"), format!("DROP TABLE t{version};"));
        [file(&format!("{version}_t.up.sql"), &up), file(&format!("{version}_t.down.sql"), &down)]
    };
    migration_set(client, "app", (1..=4).flat_map(pair).collect()).await;
    migration_set(client, "other", pair(9).to_vec()).await;
}

/// Sessions on a server that tells of them.
async fn open_sessions(client: &Client) -> Vec<PgConnection> {
    let (fixture, server) = (PostgresFixture::new(), PostgresServer::shared());
    let database = fixture.create_database().await;
    register(client, "sessions", settings(&fixture.target(&database))).await;
    let settings = server.settings(&database);
    let options = PgConnectOptions::new().host(&settings.host).port(settings.port).username(&settings.username);
    let options = options.password(server.password()).database(&database);
    let mut sessions = Vec::new();
    for _ in 0..3 {
        sessions.push(options.connect().await.expect("the database opens"));
    }
    sessions
}

/// A case for each list, and a second one where a list is made in more than one way.
pub(super) fn all() -> Vec<Case> {
    let of_shop = || json!({ "connection": SHOP });
    let mut cases = of_migrations();
    cases.extend([
        case("AccessService.ListAccounts", json!({}), ("accounts", "name")),
        case("AccessService.ListApiKeys", json!({ "parent": "accounts/default" }), ("api_keys", "name"))
            .other("parent", "accounts/first")
            .other("show_revoked", true),
        case("AccessService.ListAuditEvents", json!({ "method": "CreateApiKey" }), ("audit_events", "sequence"))
            .other("start_time", "2020-01-01T00:00:00Z")
            .other("end_time", "2120-01-01T00:00:00Z")
            .other("actor", "key/other")
            .other("method", "CreateAccount")
            .other("resource", "accounts/default"),
        case("BackupService.ListBackups", of_shop(), ("backups", "name")).other("connection", ""),
        case("ConnectionService.ListConnections", json!({}), ("connections", "name"))
            .other("filter", "engine = sqlite")
            .other("order_by", "name desc"),
        case("ConnectionService.ListConnections", json!({ "order_by": "display_name desc" }), ("connections", "name"))
            .other("order_by", "display_name"),
        case("ConnectionService.ListConnectionStatuses", json!({}), ("statuses", "connection"))
            .other("filter", "engine = sqlite")
            // It says how the entries are looked at.
            .selects_nothing(&["refresh"]),
        case("ConnectionService.ListPoolStats", json!({}), ("pools", "connection")).other("filter", "engine = sqlite"),
        case("MonitorService.ListSessions", json!({ "connection": "connections/sessions" }), ("sessions", "id"))
            .other("connection", SHOP),
        case("OperationService.ListOperations", json!({}), ("operations", "name"))
            .other("connection", SHOP)
            .other("kind", "OPERATION_KIND_CREATE_BACKUP")
            .other("state", "OPERATION_STATE_SUCCEEDED"),
        case("SchemaService.ListTables", of_shop(), ("tables", "name"))
            .other("connection", STOCK)
            .other("schema", "main")
            .other("kind", "TABLE_KIND_TABLE")
            .other("name_pattern", "%o%")
            .other("order_by", "name desc")
            // It says how old the entries may be.
            .selects_nothing(&["max_age"]),
        case("SchemaService.ListTables", json!({ "connection": SHOP, "order_by": "size desc" }), ("tables", "name"))
            .other("order_by", "rows desc"),
        case("SchemaService.ListTables", json!({ "connection": SHOP, "max_age": "3600s" }), ("tables", "name"))
            .other("name_pattern", "%o%"),
        case("SchemaService.ListSchemaObjects", of_shop(), ("objects", "name"))
            .other("connection", STOCK)
            .other("schema", "main")
            .other("kinds", json!(["OBJECT_KIND_TRIGGER"]))
            .other("name_pattern", "%o%")
            .selects_nothing(&["max_age"]),
        case("SchemaService.ListSchemaObjects", json!({ "connection": SHOP, "max_age": "3600s" }), ("objects", "name"))
            .other("kinds", json!(["OBJECT_KIND_TRIGGER"])),
    ]);
    cases
}

fn of_migrations() -> Vec<Case> {
    let on = |connection: &str| json!({ "migration_set": SET, "connection": connection });
    let down = json!({ "migration_set": SET, "connection": SHOP, "direction": "MIGRATION_DIRECTION_DOWN", "steps": 3 });
    vec![
        case("MigrationService.ListMigrations", json!({ "migration_set": SET }), ("migrations", "version"))
            .other("migration_set", OTHER_SET),
        case("MigrationService.PlanMigrations", on(STOCK), ("steps", "migration.version"))
            .other("migration_set", OTHER_SET)
            .other("connection", SHOP)
            .other("direction", "MIGRATION_DIRECTION_DOWN")
            .other("target_version", "2")
            .other("out_of_order", "OUT_OF_ORDER_ALLOW"),
        case("MigrationService.PlanMigrations", down, ("steps", "migration.version"))
            .other("steps", 2)
            .other("target_version", "2"),
        case("MigrationService.GetMigrationStatus", on(SHOP), ("entries", "version"))
            .other("migration_set", OTHER_SET)
            .other("connection", STOCK),
        case("MigrationService.GetMigrationStatus", on(STOCK), ("entries", "version")).other("connection", SHOP),
    ]
}
