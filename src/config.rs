//! The configuration: file, environment, flags, checked before anything starts.
