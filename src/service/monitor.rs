//! Watching databases: one sampler a database for any number of subscribers.
