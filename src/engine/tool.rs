//! Runs the engines' own tools: found in the configured folders and the PATH, with an empty environment,
//! secrets in anonymous files that only the child inherits, and the exit status always looked at.

use std::{
    collections::BTreeMap,
    env,
    ffi::{OsStr, OsString},
    io::{Seek, SeekFrom, Write},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use command_fds::{CommandFdExt, FdMapping};
use rustix::fs::{MemfdFlags, Mode};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::{Child, ChildStdin, ChildStdout, Command},
    task::JoinHandle,
};
use zeroize::Zeroizing;

use crate::model::{Detail, Error, Reason, Result};

/// Number of the descriptor in the child under which it finds its first secret file; the others follow it.
pub const SECRET_FD: i32 = 3;
/// Path of the first secret file as the child sees it.
pub const SECRET_PATH: &str = "/proc/self/fd/3";
/// Most that is kept of what a tool says on its standard error.
const MAX_STDERR: usize = 16 * 1024;
/// How long a tool may take to print its version.
const VERSION_TIMEOUT: Duration = Duration::from_secs(10);

/// A tool as it is looked for.
#[derive(Debug, Clone, Copy)]
pub struct ToolName {
    /// Names of the program, the best first, such as `mariadb-dump`, `mysqldump`.
    pub programs: &'static [&'static str],
    /// Debian package that has it.
    pub package: &'static str,
}

/// Finds a tool in the folders, then in the PATH. TOOL_MISSING names the package to install.
pub fn find(tool: ToolName, directories: &[PathBuf]) -> Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let searched: Vec<PathBuf> = directories.iter().cloned().chain(env::split_paths(&path)).collect();
    for program in tool.programs {
        if let Some(found) = searched.iter().map(|directory| directory.join(program)).find(|path| is_executable(path)) {
            return Ok(found);
        }
    }
    let program = tool.programs[0];
    Err(Error::new(
        Reason::ToolMissing,
        format!("{program} is not installed on dbkeeper's machine; install it with: apt-get install {}", tool.package),
    )
    .with(Detail::Precondition {
        kind: "TOOL",
        subject: program.to_owned(),
        description: format!("apt-get install {}", tool.package),
    })
    .with_metadata("tool", program)
    .with_metadata("package", tool.package))
}

fn is_executable(path: &Path) -> bool {
    path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

/// What to run.
pub struct ToolRun {
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: BTreeMap<&'static str, OsString>,
    secrets: Vec<Zeroizing<Vec<u8>>>,
    stdin: bool,
}

impl ToolRun {
    /// A run of a program that was found. Its environment holds PATH and LC_ALL=C only.
    pub fn new(program: PathBuf) -> Self {
        let path = env::var_os("PATH").unwrap_or_default();
        let environment = BTreeMap::from([("PATH", path), ("LC_ALL", OsString::from("C"))]);
        Self { program, arguments: Vec::new(), environment, secrets: Vec::new(), stdin: false }
    }

    /// Adds an argument. Never a secret: arguments can be read by every user of the machine.
    #[must_use]
    pub fn argument(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Sets a variable of the environment. Never a secret.
    #[must_use]
    pub fn variable(mut self, name: &'static str, value: impl AsRef<OsStr>) -> Self {
        self.environment.insert(name, value.as_ref().to_owned());
        self
    }

    /// Hands the content down as a file that has no name, readable by the child alone: the first at [`SECRET_PATH`],
    /// further ones at [`Self::next_secret_path`] as it was before the call.
    #[must_use]
    pub fn secret_file(mut self, content: Zeroizing<Vec<u8>>) -> Self {
        self.secrets.push(content);
        self
    }

    /// Path, as the child sees it, of the secret file that is added next.
    pub fn next_secret_path(&self) -> String {
        secret_path(self.secrets.len())
    }

    /// Gives the tool a standard input to write to.
    #[must_use]
    pub fn with_stdin(mut self) -> Self {
        self.stdin = true;
        self
    }

    /// Starts the tool. It is killed when the returned handle is dropped.
    pub fn start(self) -> Result<RunningTool> {
        let name = self.program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .env_clear()
            .envs(&self.environment)
            .stdin(if self.stdin { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut mappings = Vec::new();
        for (position, content) in self.secrets.iter().enumerate() {
            let parent_fd = anonymous_file(content)
                .map_err(|cause| Error::internal(cause).context("cannot hand a secret to a tool"))?;
            mappings.push(FdMapping { parent_fd, child_fd: secret_fd(position) });
        }
        command.fd_mappings(mappings).map_err(|cause| Error::internal(cause.to_string()))?;
        let mut child = command
            .spawn()
            .map_err(|cause| Error::new(Reason::ToolFailed, format!("{name} cannot be started")).caused_by(cause))?;
        let stderr = child.stderr.take().map(|stderr| tokio::spawn(read_capped(stderr)));
        Ok(RunningTool { stdin: child.stdin.take(), stdout: child.stdout.take(), child, stderr, name })
    }

    /// Runs a tool to its end and returns the first line that it prints, for its version.
    pub async fn first_line(self) -> Result<String> {
        let mut tool = self.start()?;
        let mut text = String::new();
        let work = async {
            if let Some(stdout) = tool.stdout.take() {
                // A version is a line; anything longer is cut.
                stdout.take(4096).read_to_string(&mut text).await.map_err(Error::internal)?;
            }
            tool.finish().await
        };
        tokio::time::timeout(VERSION_TIMEOUT, work)
            .await
            .map_err(|_| Error::new(Reason::ToolFailed, "the tool did not print its version in 10 s"))??;
        Ok(text.lines().next().unwrap_or_default().trim().to_owned())
    }
}

/// A tool at work.
pub struct RunningTool {
    /// Its standard input, where it was asked for. Dropping it tells the tool that the input has ended.
    pub stdin: Option<ChildStdin>,
    /// Its standard output.
    pub stdout: Option<ChildStdout>,
    child: Child,
    stderr: Option<JoinHandle<String>>,
    name: String,
}

impl RunningTool {
    /// Waits for the end. TOOL_FAILED with the last lines that the tool wrote where its status is not 0.
    pub async fn finish(mut self) -> Result<()> {
        drop(self.stdin.take());
        let status = self.child.wait().await.map_err(Error::internal)?;
        let said = self.said().await;
        if status.success() {
            return Ok(());
        }
        Err(failure(&self.name, status, &said))
    }

    /// Kills the tool and waits until it is gone.
    pub async fn kill(mut self) {
        // The tool may have ended by itself meanwhile, which is as good.
        let _ = self.child.kill().await;
    }

    async fn said(&mut self) -> String {
        match self.stderr.take() {
            Some(reader) => reader.await.unwrap_or_default(),
            None => String::new(),
        }
    }
}

/// Path, as the child sees it, of the secret file at a position, counted from 0.
pub fn secret_path(position: usize) -> String {
    format!("/proc/self/fd/{}", secret_fd(position))
}

fn secret_fd(position: usize) -> i32 {
    SECRET_FD.saturating_add(i32::try_from(position).unwrap_or(i32::MAX))
}

fn failure(name: &str, status: ExitStatus, said: &str) -> Error {
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = lines[lines.len().saturating_sub(5)..].join(" | ");
    let text = if last.is_empty() {
        format!("{name} ended with {status}")
    } else {
        format!("{name} ended with {status}: {last}")
    };
    Error::new(Reason::ToolFailed, text).with_metadata("tool", name)
}

async fn read_capped(mut source: impl AsyncRead + Unpin) -> String {
    let mut kept = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = source.read(&mut buffer).await {
        kept.extend_from_slice(&buffer[..count]);
        if kept.len() > 2 * MAX_STDERR {
            kept.drain(..kept.len() - MAX_STDERR);
        }
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// A file in memory with mode 0600 that ends with its last descriptor.
fn anonymous_file(content: &[u8]) -> std::io::Result<OwnedFd> {
    let fd = rustix::fs::memfd_create("dbkeeper", MemfdFlags::CLOEXEC)?;
    // libpq refuses a password file that others may read.
    rustix::fs::fchmod(&fd, Mode::RUSR | Mode::WUSR)?;
    let mut file = std::fs::File::from(fd);
    file.write_all(content)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(file.into())
}
