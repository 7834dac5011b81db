//! The servers that the tests start, too.

#[path = "../../tests/suite/harness/certificates.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod certificates;
#[path = "../../tests/suite/harness/mariadb.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
pub(crate) mod mariadb;
#[path = "../../tests/suite/harness/port.rs"]
pub(crate) mod port;
#[path = "../../tests/suite/harness/postgres.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
pub(crate) mod postgres;
#[path = "../../tests/suite/harness/vault.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
pub(crate) mod vault;
