//! Our own durable state: the embedded SQLite store, its versioned schema, one file a record type.
