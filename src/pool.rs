//! The registry of live databases: one pool a connection, made once, capped, evicted, closed on change.
