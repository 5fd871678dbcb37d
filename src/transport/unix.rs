//! A listening unix socket and its file, from the moment that it appears to its removal.

use std::{
    fs,
    io::{self, ErrorKind},
    os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use tokio::net::{UnixListener, UnixStream};

/// The daemon's user and group may connect.
const MODE: u32 = 0o660;

/// A unix socket that is listened on. Its file vanishes with it, unless another has taken its
/// place.
#[derive(Debug)]
pub(super) struct UnixSocket {
    listener: UnixListener,
    path: PathBuf,
    file: (u64, u64),
}

impl UnixSocket {
    /// Listens at a path. The file that a dead process has left there is replaced.
    ///
    /// # Errors
    /// Somebody listens there, what stands there is no socket, or the directory can't be written.
    pub(super) async fn bind(path: &Path) -> io::Result<Self> {
        make_room(path).await?;
        // Under another name first, so that it is never seen with the wrong mode.
        let made = beside(path);
        let bound = Self::bind_at(&made, path);
        if bound.is_err() {
            let _ = fs::remove_file(&made);
        }
        bound
    }

    fn bind_at(made: &Path, path: &Path) -> io::Result<Self> {
        let _ = fs::remove_file(made);
        let listener = UnixListener::bind(made)?;
        fs::set_permissions(made, fs::Permissions::from_mode(MODE))?;
        let file = identity(made)?;
        fs::rename(made, path)?;
        Ok(Self {
            listener,
            path: path.to_owned(),
            file,
        })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The next connection. Cancel safe.
    pub(super) async fn accept(&self) -> io::Result<UnixStream> {
        let (socket, _) = self.listener.accept().await?;
        Ok(socket)
    }
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|file| file == self.file) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Fails unless nothing is at the path, or a socket on which nobody listens.
async fn make_room(path: &Path) -> io::Result<()> {
    let kind = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(found) => found.file_type(),
    };
    if !kind.is_socket() {
        let text = "there is a file that is no socket";
        return Err(io::Error::new(ErrorKind::AlreadyExists, text));
    }
    match UnixStream::connect(path).await {
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::ConnectionRefused | ErrorKind::NotFound
            ) =>
        {
            Ok(())
        }
        // One that can't be asked may be alive.
        _ => Err(io::Error::new(
            ErrorKind::AddrInUse,
            "another process listens there",
        )),
    }
}

fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}", std::process::id()))
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_dead_socket_is_replaced_and_a_live_one_is_not() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("a.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).expect("bound"));
        assert!(path.exists(), "left behind");

        let socket = UnixSocket::bind(&path).await.expect("replaced");
        let mode = fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, MODE);
        let (client, server) = tokio::join!(UnixStream::connect(&path), socket.accept());
        assert!(client.is_ok() && server.is_ok());
        let error = UnixSocket::bind(&path).await.expect_err("alive");
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        drop(socket);
        let left = fs::read_dir(directory.path()).expect("readable").count();
        assert_eq!(left, 0, "nothing is left");
    }

    #[tokio::test]
    async fn files_of_others_stay() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("a.sock");
        fs::write(&path, "precious").expect("writable");
        let error = UnixSocket::bind(&path).await.expect_err("no socket");
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).expect("still there"), b"precious");

        let path = directory.path().join("b.sock");
        let first = UnixSocket::bind(&path).await.expect("bound");
        fs::remove_file(&path).expect("there");
        let second = UnixSocket::bind(&path).await.expect("bound");
        drop(first);
        assert!(path.exists(), "it is the second's");
        drop(second);
        assert!(!path.exists());
    }
}
