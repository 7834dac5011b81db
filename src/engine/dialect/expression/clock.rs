//! Words that tell the time.

use super::super::Dialect;
use crate::model::{connection::EngineKind, schema::NeutralType};

/// What tells the day, each in one engine or more.
const DAYS: [&str; 2] = ["current_date", "curdate"];
/// What tells the time of day.
const TIMES: [&str; 2] = ["current_time", "curtime"];
/// What tells the moment. `clock_timestamp` is none of them, because it goes on within a transaction.
const MOMENTS: [&str; 4] = ["current_timestamp", "localtimestamp", "now", "transaction_timestamp"];
/// PostgreSQL's time of day, and the moment in MySQL.
const LOCAL_TIME: &str = "localtime";

/// True for a word that gives a column of the type what the current timestamp gives it.
pub(super) fn is_now(dialect: &dyn Dialect, word: &str, neutral: Option<NeutralType>) -> bool {
    let is_sqlite = dialect.engine() == EngineKind::Sqlite;
    let is_local_moment = dialect.engine() == EngineKind::Mysql;
    let word = word.to_ascii_lowercase();
    let word = word.as_str();
    match neutral {
        Some(NeutralType::Date) if DAYS.contains(&word) => true,
        Some(NeutralType::Time { .. }) if TIMES.contains(&word) || word == LOCAL_TIME => true,
        // SQLite would keep the whole moment there.
        Some(NeutralType::Date | NeutralType::Time { .. }) if is_sqlite => false,
        _ => MOMENTS.contains(&word) || (word == LOCAL_TIME && is_local_moment),
    }
}

/// True for a word that tells a day, a time or a moment.
pub(super) fn is_clock(word: &str) -> bool {
    let mut words = DAYS.iter().chain(&TIMES).chain(&MOMENTS);
    words.any(|known| word.eq_ignore_ascii_case(known)) || word.eq_ignore_ascii_case(LOCAL_TIME)
}
