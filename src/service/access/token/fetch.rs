//! Reads a JWK set from its file or its address.

use std::time::Duration;

use http::StatusCode;
use tokio::time::timeout;

use super::KeySource;
use crate::http_client::{self, Failure};

/// Longest set.
const MAX_LENGTH: usize = 256 * 1024;
/// Longest wait for one, from the name of the host to the last byte.
const PATIENCE: Duration = Duration::from_secs(5);

/// The text of the set.
pub(super) async fn read(source: &KeySource) -> Result<Vec<u8>, Failure> {
    match source {
        KeySource::File(path) => {
            let text = tokio::fs::read(path).await.map_err(|cause| format!("{}: {cause}", path.display()))?;
            if text.len() > MAX_LENGTH {
                return Err(format!("{} is larger than a JWK set may be", path.display()).into());
            }
            Ok(text)
        }
        KeySource::Url { url, ca_file } => {
            let ca_file = ca_file.as_deref();
            let request = http_client::Request { url, header: None, body: None, ca_file, max_answer: MAX_LENGTH };
            let (status, answer) = timeout(PATIENCE, http_client::send(request)).await??;
            if status != StatusCode::OK {
                return Err(format!("the server of the keys answered {status}").into());
            }
            Ok(answer.to_vec())
        }
    }
}
