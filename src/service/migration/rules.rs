//! What a caller may ask for.

use std::time::Duration;

use crate::model::{Error, Result, migration::MigrationLimits};

/// Refuses a name that is empty or too long.
pub(super) fn check_display_name(name: &str) -> Result<()> {
    if (1..=100).contains(&name.chars().count()) {
        return Ok(());
    }
    Err(Error::invalid_field("migration_set.display_name", "must be 1 to 100 characters"))
}

/// Refuses limits out of their range, with all the fields at fault.
pub(super) fn check_limits(limits: &MigrationLimits) -> Result<()> {
    const HOUR: Duration = Duration::from_secs(3600);
    let mut violations = Vec::new();
    let mut check = |holds: bool, field: &str, description: &str| {
        if !holds {
            violations.push((format!("limits.{field}"), description.to_owned()));
        }
    };
    let lock_timeout = Duration::from_millis(100)..=HOUR;
    check(lock_timeout.contains(&limits.lock_timeout), "lock_timeout", "must be 100 ms to 1 hour");
    let statement_timeout = Duration::from_secs(1)..=24 * HOUR;
    let statement_holds = limits.statement_timeout.is_none_or(|timeout| statement_timeout.contains(&timeout));
    check(statement_holds, "statement_timeout", "must be 1 s to 1 day, or absent");
    check(limits.lock_retries <= 10, "lock_retries", "must be 0 to 10");
    check(limits.run_lock_timeout <= HOUR, "run_lock_timeout", "must be at most 1 hour");
    if violations.is_empty() { Ok(()) } else { Err(Error::invalid_fields(violations)) }
}
