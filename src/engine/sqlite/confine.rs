//! Keeps the statements of a migration inside of their database, by what SQLite's own parser makes of them. What
//! [`super::statement`] finds in their words is told better and earlier; this holds for any spelling.

use std::{
    ffi::{CStr, c_char, c_int, c_void},
    ptr,
};

use libsqlite3_sys::{SQLITE_ATTACH, SQLITE_DENY, SQLITE_DETACH, SQLITE_OK, SQLITE_PRAGMA, sqlite3_set_authorizer};
use sqlx::SqliteConnection;

use super::statement::SERVER_WIDE_PRAGMAS;

/// Has SQLite ask [`judge`] about each action of each statement that is prepared on the connection from here on.
#[expect(
    unsafe_code,
    reason = "SQLite takes an authorizer through its C interface alone, which the driver does not wrap"
)]
pub(super) async fn confine(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let mut handle = connection.lock_handle().await?;
    // SAFETY: the handle is open and locked against the thread of the driver for as long as it is borrowed; the function
    // lives as long as the process and is given nothing.
    let status = unsafe { sqlite3_set_authorizer(handle.as_raw_handle().as_ptr(), Some(judge), ptr::null_mut()) };
    if status == SQLITE_OK { Ok(()) } else { Err(sqlx::Error::Protocol("no authorizer can be set".to_owned())) }
}

/// Answers SQLite, which promises that each text is NULL or ends with NUL and outlives the call.
#[expect(unsafe_code, reason = "SQLite calls it through its C interface")]
unsafe extern "C" fn judge(
    _: *mut c_void,
    action: c_int,
    first: *const c_char,
    _: *const c_char,
    _: *const c_char,
    _: *const c_char,
) -> c_int {
    // SAFETY: it is not NULL, and the rest is SQLite's promise.
    let first = (!first.is_null()).then(|| unsafe { CStr::from_ptr(first) });
    if is_allowed(action, first) { SQLITE_OK } else { SQLITE_DENY }
}

/// The only file that a statement may attach is the one without a name in which VACUUM works. A name that SQLite does not
/// know yet is none.
fn is_allowed(action: c_int, first: Option<&CStr>) -> bool {
    match action {
        SQLITE_ATTACH => first.is_some_and(CStr::is_empty),
        SQLITE_DETACH => false,
        SQLITE_PRAGMA => first.is_some_and(|name| !is_server_wide(name)),
        _ => true,
    }
}

fn is_server_wide(name: &CStr) -> bool {
    SERVER_WIDE_PRAGMAS.iter().any(|pragma| name.to_bytes().eq_ignore_ascii_case(pragma.as_bytes()))
}
