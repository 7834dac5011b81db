//! A command that prints the master key, such as a client of a key management service.

use std::{path::PathBuf, process::Stdio, time::Duration};

use rustix::process::{Pid, Signal};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::{Child, Command},
};
use zeroize::Zeroizing;

use super::KeyTrouble;
use crate::model::vault::SealReason;

/// Most that is taken of what the command prints.
const MAX_OUTPUT: u64 = 64 * 1024;
/// Most of its complaint that is read, and that is logged.
const MAX_COMPLAINT: u64 = 4 * 1024;
const LOGGED_COMPLAINT: usize = 200;

/// The command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyCommand {
    /// The program, by its absolute path. No shell reads the arguments.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Longest that it may take.
    pub timeout: Duration,
}

/// What the command prints; absent where it ends well and prints nothing.
pub(super) async fn read(command: &KeyCommand) -> Result<Option<Zeroizing<String>>, KeyTrouble> {
    let unavailable =
        |what: String| KeyTrouble::new(SealReason::SourceUnavailable, format!("{}: {what}", command.program.display()));
    let mut child = Command::new(&command.program)
        .args(&command.arguments)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|cause| unavailable(format!("it cannot be started: {cause}")))?;
    // Dropped before the child, also by the time-out.
    let mut group = ProcessGroup::led_by(&child);
    let (output, complaint) = (child.stdout.take(), child.stderr.take());
    let ended = async {
        let (output, complaint) = tokio::try_join!(take(output, MAX_OUTPUT), take(complaint, MAX_COMPLAINT))?;
        // Awaited last: as long as the command has not been waited for, its number is that of no other process or group.
        let status = child.wait().await?;
        group.has_ended();
        std::io::Result::Ok((output, complaint, status))
    };
    let (output, complaint, status) = tokio::time::timeout(command.timeout, ended)
        .await
        .map_err(|_| unavailable(format!("it did not end within {}", humantime::format_duration(command.timeout))))?
        .map_err(|cause| unavailable(format!("it cannot be read from: {cause}")))?;
    if !status.success() {
        return Err(unavailable(format!("it ended with {status}: {}", excerpt(&complaint))));
    }
    let malformed = || KeyTrouble::new(SealReason::KeyMalformed, "the output of the command is no text or too long");
    if output.len() as u64 >= MAX_OUTPUT {
        return Err(malformed());
    }
    let text = std::str::from_utf8(&output).map_err(|_| malformed())?;
    Ok((!text.trim().is_empty()).then(|| Zeroizing::new(text.to_owned())))
}

/// A command with all that it has started. What has not ended by itself is killed when this is dropped.
struct ProcessGroup(Option<Pid>);

impl ProcessGroup {
    fn led_by(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
    }

    /// The command came to its end; what it has left behind on purpose stays.
    fn has_ended(&mut self) {
        self.0 = None;
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // It fails where all of the group has just ended, and then there is nothing to do.
            let _ = rustix::process::kill_process_group(leader, Signal::KILL);
        }
    }
}

async fn take(source: Option<impl AsyncRead + Unpin>, limit: u64) -> std::io::Result<Zeroizing<Vec<u8>>> {
    // The room is there from the start, so that no copy of the key stays behind where the buffer grew.
    let mut taken = Zeroizing::new(Vec::with_capacity(usize::try_from(limit).unwrap_or_default()));
    if let Some(mut source) = source {
        (&mut source).take(limit).read_to_end(&mut taken).await?;
        // The rest is read to nowhere, so that the command is not stuck on a full pipe.
        tokio::io::copy(&mut source, &mut tokio::io::sink()).await?;
    }
    Ok(taken)
}

/// The beginning of the first line of a complaint, never all of it: commands print what they should not.
fn excerpt(complaint: &[u8]) -> String {
    let text = String::from_utf8_lossy(complaint);
    let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
    if line.contains("dbkeeper-master-key") {
        return "its words are withheld, there is a key in them".to_owned();
    }
    line.chars().filter(|c| !c.is_control()).take(LOGGED_COMPLAINT).collect()
}
