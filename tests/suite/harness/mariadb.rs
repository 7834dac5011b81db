//! A MariaDB server of the test run.
