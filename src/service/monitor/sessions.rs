//! Pages of the sessions on a server.

use crate::model::{
    Error, Result, Timestamp,
    page::{Page, PageRequest},
    session::Session,
};

/// Cuts a page out of all sessions, by start time and id. Sessions come and go between two pages; the key is where the
/// next page begins and need not be there any more.
pub(super) fn page(mut sessions: Vec<Session>, request: &PageRequest) -> Result<Page<Session>> {
    sessions.sort_by(|left, right| (left.started, &left.id).cmp(&(right.started, &right.id)));
    if let Some(after) = &request.after {
        let (started, id) = parse_key(after)?;
        sessions.retain(|session| (session.started, session.id.as_str()) > (started, id));
    }
    Ok(Page::cut(sessions, request.size, key))
}

fn key(session: &Session) -> Vec<String> {
    let started = session.started.map(|started| started.as_micros().to_string()).unwrap_or_default();
    vec![started, session.id.clone()]
}

fn parse_key(key: &[String]) -> Result<(Option<Timestamp>, &str)> {
    let [started, id] = key else { return Err(Error::page_token_invalid()) };
    if started.is_empty() {
        return Ok((None, id));
    }
    let micros = started.parse().map_err(|_| Error::page_token_invalid())?;
    Ok((Some(Timestamp::from_micros(micros)), id))
}
