//! Why something failed, for programs.

/// What sort of error it is; each sort is one gRPC code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request cannot be right, whatever the state of the system.
    InvalidArgument,
    /// What is named does not exist, or not for this caller.
    NotFound,
    /// What is to be made exists.
    AlreadyExists,
    /// Somebody else was faster; read again and try again.
    Aborted,
    /// The state of the system or of a database forbids it until that is changed.
    FailedPrecondition,
    /// It may work in a moment.
    Unavailable,
    /// The caller is not known.
    Unauthenticated,
    /// The caller may not do this.
    PermissionDenied,
    /// A limit is reached.
    ResourceExhausted,
    /// This engine cannot do it.
    Unimplemented,
    /// The call's deadline passed.
    DeadlineExceeded,
    /// The caller gave up, or asked to stop.
    Cancelled,
    /// Stored data is damaged.
    DataLoss,
    /// A fault of dbkeeper's own.
    Internal,
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $text:literal, $kind:ident;)*) => {
        /// Why, for programs: the `reason` of ErrorInfo. `docs/errors.md` has the cure for each.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Reason { $($(#[$doc])* $variant,)* }

        impl Reason {
            /// Every reason, in the order of the list in `docs/errors.md`.
            pub const ALL: &'static [Reason] = &[$(Reason::$variant,)*];

            /// The text that goes over the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Reason::$variant => $text,)* }
            }

            /// The sort of error that it always is.
            pub const fn kind(self) -> ErrorKind {
                match self { $(Reason::$variant => ErrorKind::$kind,)* }
            }

            /// Reads the text that `as_str` wrote.
            pub fn parse(text: &str) -> Option<Reason> {
                Self::ALL.iter().copied().find(|reason| reason.as_str() == text)
            }
        }
    };
}

reasons! {
    /// A field has a value that it cannot have.
    InvalidField = "INVALID_FIELD", InvalidArgument;
    /// An update mask names a field that does not exist or cannot be changed.
    UnknownField = "UNKNOWN_FIELD", InvalidArgument;
    /// A page token was not made by this server for this caller and this request.
    PageTokenInvalid = "PAGE_TOKEN_INVALID", InvalidArgument;
    /// A filter or an order cannot be read.
    FilterInvalid = "FILTER_INVALID", InvalidArgument;
    /// Two migration files have the same version.
    DuplicateMigrationVersion = "DUPLICATE_MIGRATION_VERSION", InvalidArgument;
    /// A migration file cannot be read.
    MigrationFileInvalid = "MIGRATION_FILE_INVALID", InvalidArgument;
    /// Source and target are of different engines.
    EngineMismatch = "ENGINE_MISMATCH", InvalidArgument;
    /// The body of the message cannot be decoded.
    MessageInvalid = "MESSAGE_INVALID", InvalidArgument;

    /// No such registered database.
    ConnectionNotFound = "CONNECTION_NOT_FOUND", NotFound;
    /// No such migration set.
    MigrationSetNotFound = "MIGRATION_SET_NOT_FOUND", NotFound;
    /// No such version in the set.
    MigrationNotFound = "MIGRATION_NOT_FOUND", NotFound;
    /// No such backup.
    BackupNotFound = "BACKUP_NOT_FOUND", NotFound;
    /// No such operation.
    OperationNotFound = "OPERATION_NOT_FOUND", NotFound;
    /// No such account.
    AccountNotFound = "ACCOUNT_NOT_FOUND", NotFound;
    /// No such API key.
    ApiKeyNotFound = "API_KEY_NOT_FOUND", NotFound;
    /// No such table in the database.
    TableNotFound = "TABLE_NOT_FOUND", NotFound;
    /// No such object in the database.
    ObjectNotFound = "OBJECT_NOT_FOUND", NotFound;
    /// No such column in the table.
    ColumnNotFound = "COLUMN_NOT_FOUND", NotFound;
    /// No such recommendation now.
    RecommendationNotFound = "RECOMMENDATION_NOT_FOUND", NotFound;

    /// The id of a connection is taken.
    ConnectionExists = "CONNECTION_EXISTS", AlreadyExists;
    /// The id of a migration set is taken.
    MigrationSetExists = "MIGRATION_SET_EXISTS", AlreadyExists;
    /// The id of a backup is taken.
    BackupExists = "BACKUP_EXISTS", AlreadyExists;
    /// The id of an account is taken.
    AccountExists = "ACCOUNT_EXISTS", AlreadyExists;
    /// The request_id was used for another body.
    RequestIdReused = "REQUEST_ID_REUSED", AlreadyExists;
    /// The set has this version with another text.
    MigrationChanged = "MIGRATION_CHANGED", AlreadyExists;

    /// The resource changed since it was read.
    EtagMismatch = "ETAG_MISMATCH", Aborted;
    /// Another operation changes this database.
    DatabaseBusy = "DATABASE_BUSY", Aborted;
    /// The master key is being rotated, or was rotated while the call ran.
    MasterKeyRotated = "MASTER_KEY_ROTATED", Aborted;
    /// The server stopped or was killed while the operation ran.
    Interrupted = "INTERRUPTED", Aborted;

    /// The database does not accept user or password.
    CredentialsRejected = "CREDENTIALS_REJECTED", FailedPrecondition;
    /// The server has no such database.
    DatabaseUnknown = "DATABASE_UNKNOWN", FailedPrecondition;
    /// The server demands TLS and the connection does not use it.
    TlsRequired = "TLS_REQUIRED", FailedPrecondition;
    /// The connection demands TLS and the server has none.
    TlsUnavailable = "TLS_UNAVAILABLE", FailedPrecondition;
    /// The certificate of the server does not pass the check that was asked for.
    CertificateInvalid = "CERTIFICATE_INVALID", FailedPrecondition;
    /// The host leads to an address that this server does not dial.
    AddressForbidden = "ADDRESS_FORBIDDEN", FailedPrecondition;
    /// The server asks for a login that would give the password away, or would not end.
    LoginUnsafe = "LOGIN_UNSAFE", FailedPrecondition;
    /// The user of the connection lacks a privilege.
    PrivilegeMissing = "PRIVILEGE_MISSING", FailedPrecondition;
    /// Something depends on the connection.
    ConnectionInUse = "CONNECTION_IN_USE", FailedPrecondition;
    /// The connection is registered as read only.
    ConnectionReadOnly = "CONNECTION_READ_ONLY", FailedPrecondition;
    /// The history of the database and the set disagree.
    MigrationDrift = "MIGRATION_DRIFT", FailedPrecondition;
    /// A pending migration is older than the newest applied one.
    MigrationOutOfOrder = "MIGRATION_OUT_OF_ORDER", FailedPrecondition;
    /// A migration stopped part of the way and stands in the way of this call.
    MigrationIncomplete = "MIGRATION_INCOMPLETE", FailedPrecondition;
    /// A migration has no down part.
    MigrationIrreversible = "MIGRATION_IRREVERSIBLE", FailedPrecondition;
    /// A statement failed on the database.
    StatementFailed = "STATEMENT_FAILED", FailedPrecondition;
    /// The engine cannot express a part of a definition.
    DefinitionUnsupported = "DEFINITION_UNSUPPORTED", FailedPrecondition;
    /// A lock on a table was not to be had in time.
    LockTimeout = "LOCK_TIMEOUT", FailedPrecondition;
    /// A statement ran longer than it may.
    StatementTimeout = "STATEMENT_TIMEOUT", FailedPrecondition;
    /// The database to restore into has tables.
    TargetNotEmpty = "TARGET_NOT_EMPTY", FailedPrecondition;
    /// A pooler that lends out sessions by transaction stands in front of the database.
    PoolerInBetween = "POOLER_IN_BETWEEN", FailedPrecondition;
    /// A tool that the engine's backups need is not installed.
    ToolMissing = "TOOL_MISSING", FailedPrecondition;
    /// A tool is older than the server that it should dump.
    ToolTooOld = "TOOL_TOO_OLD", FailedPrecondition;
    /// A tool ended with an error.
    ToolFailed = "TOOL_FAILED", FailedPrecondition;
    /// The backup is not complete.
    BackupNotComplete = "BACKUP_NOT_COMPLETE", FailedPrecondition;
    /// An operation uses the backup.
    BackupInUse = "BACKUP_IN_USE", FailedPrecondition;
    /// The backup was taken without its schema.
    BackupSchemaMissing = "BACKUP_SCHEMA_MISSING", FailedPrecondition;
    /// The rows restored are not those of the backup.
    RestoreMismatch = "RESTORE_MISMATCH", FailedPrecondition;
    /// Something depends on the account.
    AccountInUse = "ACCOUNT_IN_USE", FailedPrecondition;
    /// The API key has expired or was revoked, and cannot be changed any more.
    ApiKeyEnded = "API_KEY_ENDED", FailedPrecondition;
    /// The secret before the last rotation is still taken.
    ApiKeyRotating = "API_KEY_ROTATING", FailedPrecondition;
    /// The account would be left without a key that manages it.
    LastAdminKey = "LAST_ADMIN_KEY", FailedPrecondition;
    /// The vault has no key that opens this store.
    VaultSealed = "VAULT_SEALED", FailedPrecondition;
    /// The source of the master key does not give what a rotation needs.
    KeySourceUnfit = "KEY_SOURCE_UNFIT", FailedPrecondition;
    /// What was given is not the master key of this store.
    MasterKeyWrong = "MASTER_KEY_WRONG", FailedPrecondition;

    /// The database cannot be reached.
    DatabaseUnreachable = "DATABASE_UNREACHABLE", Unavailable;
    /// The name of the host has no address.
    HostUnknown = "HOST_UNKNOWN", Unavailable;
    /// The database accepted the call and did not answer in time.
    ConnectTimeout = "CONNECT_TIMEOUT", Unavailable;
    /// The audit log cannot be written.
    AuditUnavailable = "AUDIT_UNAVAILABLE", Unavailable;
    /// The server's own store cannot be read or written.
    StoreUnavailable = "STORE_UNAVAILABLE", Unavailable;
    /// The keys of the identity provider cannot be read.
    IdentityProviderUnavailable = "IDENTITY_PROVIDER_UNAVAILABLE", Unavailable;
    /// The server stops.
    ShuttingDown = "SHUTTING_DOWN", Unavailable;

    /// The call carries no credentials.
    CredentialsMissing = "CREDENTIALS_MISSING", Unauthenticated;
    /// The API key is malformed, unknown, expired or revoked.
    ApiKeyInvalid = "API_KEY_INVALID", Unauthenticated;
    /// The token is malformed, not signed by a key that is trusted, or not for this server and this time.
    TokenInvalid = "TOKEN_INVALID", Unauthenticated;
    /// The credentials of an open stream have expired or were revoked.
    CredentialsEnded = "CREDENTIALS_ENDED", Unauthenticated;
    /// The client certificate has ended.
    CertificateExpired = "CERTIFICATE_EXPIRED", Unauthenticated;
    /// The caller lacks the permission of the method.
    PermissionMissing = "PERMISSION_MISSING", PermissionDenied;
    /// The token or certificate is good, and says nothing of an account or a role of this server.
    IdentityUnmapped = "IDENTITY_UNMAPPED", PermissionDenied;

    /// No connection of the pool came free in time.
    PoolExhausted = "POOL_EXHAUSTED", ResourceExhausted;
    /// The server has no connection left for us.
    TooManyConnections = "TOO_MANY_CONNECTIONS", ResourceExhausted;
    /// The storage or a disk is full.
    StorageFull = "STORAGE_FULL", ResourceExhausted;
    /// A message is larger than the server takes.
    MessageTooLarge = "MESSAGE_TOO_LARGE", ResourceExhausted;
    /// Too many operations or streams are open.
    TooManyRequests = "TOO_MANY_REQUESTS", ResourceExhausted;
    /// An address or a caller calls more often than it may, or showed too many bad credentials.
    RateLimited = "RATE_LIMITED", ResourceExhausted;

    /// The engine lacks the ability.
    EngineUnsupported = "ENGINE_UNSUPPORTED", Unimplemented;
    /// No such method.
    MethodUnknown = "METHOD_UNKNOWN", Unimplemented;
    /// The deadline of the call passed.
    DeadlineExceeded = "DEADLINE_EXCEEDED", DeadlineExceeded;
    /// The caller cancelled, or the operation was cancelled.
    Cancelled = "CANCELLED", Cancelled;
    /// A backup is damaged.
    BackupCorrupt = "BACKUP_CORRUPT", DataLoss;
    /// A sealed record does not authenticate.
    SealedRecordCorrupt = "SEALED_RECORD_CORRUPT", DataLoss;
    /// A fault of dbkeeper's own; the log has the cause under the request id.
    Internal = "INTERNAL", Internal;
}
