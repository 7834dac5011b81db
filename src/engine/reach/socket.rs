//! Sockets in the file system: which of them may be dialled, and how the one that was looked at is the one that is dialled.

use std::{
    fs, io,
    os::fd::{AsRawFd, OwnedFd},
    path::{Component, Path, PathBuf},
};

use rustix::fs::{FileType, Mode, OFlags};
use tokio::net::UnixStream;

use super::{Forbidden, Unreached};
use crate::model::connection::is_socket;

/// Why a socket takes no mode of TLS but none: PostgreSQL has no TLS there, and for MySQL and MariaDB there is no name that a
/// certificate could be for.
pub const TLS_AT_SOCKET: &str = "must be TLS_MODE_DISABLED where host is a Unix socket: what goes through it stays on this machine, \
    and no certificate is for it; reach the server over TCP where its user must use TLS";

/// What is wrong with the path of a socket as a caller wrote it.
pub fn socket_violation(host: &str) -> Option<&'static str> {
    let path = Path::new(host);
    if !is_socket(host) || host.contains('\0') {
        return Some("must be an absolute path where it is a Unix socket");
    }
    let climbs = path.components().any(|part| part == Component::ParentDir);
    climbs.then_some("must be the path of a Unix socket without '..'")
}

/// A socket that lies where it may. A descriptor holds it, so that nothing can take its place between look and dial.
#[derive(Debug)]
pub(super) struct FoundSocket {
    descriptor: OwnedFd,
    /// Where it lies, free of links.
    pub(super) path: PathBuf,
}

impl FoundSocket {
    /// Looks for a socket below one of the folders. Links are followed, and where they lead is what counts.
    ///
    /// What lies elsewhere is forbidden whether it exists or not, so that nobody can look through the file system so.
    pub(super) fn find(path: &Path, folders: &[PathBuf]) -> Result<Self, Unreached> {
        // Nothing is opened by this: the descriptor only stands for what was found.
        let found = rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
        let descriptor = match found {
            Ok(descriptor) => descriptor,
            Err(cause) if lies_in(path, folders) => return Err(Unreached::NoAnswer(cause.into())),
            Err(_) => return Err(Unreached::Forbidden(Forbidden::Socket)),
        };
        // The kernel tells the place of what the descriptor stands for; no link can be put into that answer.
        let path = fs::read_link(handle(&descriptor)).map_err(Unreached::NoAnswer)?;
        if !lies_in(&path, folders) {
            return Err(Unreached::Forbidden(Forbidden::Socket));
        }
        let found = rustix::fs::fstat(&descriptor).map_err(|cause| Unreached::NoAnswer(cause.into()))?;
        if FileType::from_raw_mode(found.st_mode) != FileType::Socket {
            return Err(Unreached::HostUnusable(
                "leads to no socket; check the path, and the port where the engine names its socket by it",
            ));
        }
        Ok(Self { descriptor, path })
    }

    /// Connects to it.
    pub(super) async fn connect(&self) -> io::Result<UnixStream> {
        UnixStream::connect(handle(&self.descriptor)).await
    }
}

/// Whether a path lies below one of the folders, which may be written with links in them.
fn lies_in(path: &Path, folders: &[PathBuf]) -> bool {
    folders.iter().any(|folder| {
        let real = folder.canonicalize().ok();
        path.starts_with(folder) || real.is_some_and(|real| path.starts_with(real))
    })
}

/// A path that leads to what a descriptor stands for.
fn handle(descriptor: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", descriptor.as_raw_fd()))
}
