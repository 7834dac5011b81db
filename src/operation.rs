//! Long-running work: durable records, progress, cancel, wait, watch, recovery at the next start.
