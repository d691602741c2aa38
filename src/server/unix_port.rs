//! The Unix socket for clients.
//!
//! The socket is a file: who may write to it may connect. Its permissions are set between bind and listen, so nobody connects
//! while they are others. The file of a server that has ended without removing it is replaced; one on which a server listens
//! is left alone. It is removed when the port is dropped, unless another file has taken its place.

use socket2::{Domain, SockAddr, Socket, Type};
use std::{
    fs,
    io::{self, ErrorKind},
    os::unix::{
        fs::{FileTypeExt, MetadataExt, PermissionsExt},
        net::UnixListener,
    },
    path::{Path, PathBuf},
    sync::Arc,
};

/// See the module.
pub struct UnixPort {
    listener: UnixListener,
    file: SocketFile,
}

/// The file of a socket; removed when dropped.
pub(super) struct SocketFile {
    pub(super) path: Arc<str>,
    /// Device, number, and when it was made: numbers are used again.
    id: (u64, u64, i64, i64),
}

impl UnixPort {
    /// Listens at `path`. `mode`: permissions of the file; `None` = as the process's umask has it.
    pub fn bind(path: &str, mode: Option<u32>, backlog: i32) -> io::Result<UnixPort> {
        let address = SockAddr::unix(path)?;
        make_room(Path::new(path), &address)?;
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.bind(&address)?;
        let file = SocketFile { path: path.into(), id: id_of(Path::new(path))? };
        if let Some(mode) = mode {
            fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        }
        socket.listen(backlog)?;
        socket.set_nonblocking(true)?;
        Ok(UnixPort { listener: socket.into(), file })
    }

    pub fn path(&self) -> &str {
        &self.file.path
    }

    pub(super) fn into_parts(self) -> (UnixListener, SocketFile) {
        (self.listener, self.file)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let path = PathBuf::from(&*self.path);
        if id_of(&path).is_ok_and(|id| id == self.id)
            && let Err(error) = fs::remove_file(&path)
        {
            tracing::warn!(%error, path = %path.display(), "cannot remove the Unix socket; the next start replaces it");
        }
    }
}

fn id_of(path: &Path) -> io::Result<(u64, u64, i64, i64)> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino(), found.mtime(), found.mtime_nsec()))
}

/// Removes a socket on which nobody listens.
fn make_room(path: &Path, address: &SockAddr) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(io::Error::new(
                ErrorKind::AlreadyExists,
                "there is a file of this name that is no socket",
            ));
        }
        Ok(_) => {}
    }
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // A server whose backlog is full would let it wait.
    probe.set_nonblocking(true)?;
    match probe.connect(address) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
        Ok(()) | Err(_) => Err(io::Error::new(ErrorKind::AddrInUse, "another process listens on it")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_socket_is_replaced_only_if_nobody_listens_and_removed_only_if_it_is_ones_own() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("socket");
        let at = path.to_str().unwrap();
        let bind = || UnixPort::bind(at, Some(0o600), 8);
        let first = bind().unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(UnixStream::connect(&path).is_ok());
        assert_eq!(bind().err().unwrap().kind(), ErrorKind::AddrInUse);
        drop(first);
        assert!(!path.exists());
        // Of a server that was killed.
        let (listener, file) = bind().unwrap().into_parts();
        std::mem::forget(file);
        drop(listener);
        assert!(path.exists());
        let (listener, file) = bind().unwrap().into_parts();
        // Somebody else's by now.
        drop(listener);
        fs::remove_file(&path).unwrap();
        fs::write(&path, "precious").unwrap();
        drop(file);
        assert_eq!(bind().err().unwrap().kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"precious");
        assert!(UnixPort::bind(&format!("{at}{}", "x".repeat(200)), None, 8).is_err());
    }
}
