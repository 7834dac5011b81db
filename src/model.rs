//! What every layer speaks: ids and names that were checked once, errors, the
//! context of a call, and the neutral shapes of connections, schemas, migrations,
//! backups, metrics and operations. Nothing here does any input or output.

pub mod access;
pub mod address;
pub mod api_key;
pub mod audit;
pub mod backup;
pub mod connection;
pub mod context;
pub mod error;
pub mod facts;
pub mod id;
pub mod metric;
pub mod migration;
pub mod name;
pub mod on_record;
pub mod operation;
pub mod page;
pub mod readiness;
pub mod removal;
pub mod request;
pub mod schema;
pub mod session;
pub mod time;
pub mod vault;

pub use access::{AuthenticationMethod, ClientCertificate, Grant, Permission, Permissions, Role};
pub use context::{CallContext, Caller, Validity};
pub use error::{Detail, Error, ErrorKind, Reason, Result, StatementFailure};
pub use id::{AccountId, ApiKeyId, BackupId, ConnectionId, MigrationSetId, OperationId, RequestId};
pub use request::RequestKey;
pub use time::Timestamp;
