//! A PostgreSQL server of the test run.
