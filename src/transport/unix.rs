//! A listening unix socket and its file, from the moment that it appears to its removal.

use std::{
    fs::{self, File, TryLockError},
    io::{self, ErrorKind},
    os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{
    net::{UnixListener, UnixStream},
    time::{Instant, sleep},
};

/// The daemon's user and group may connect.
const MODE: u32 = 0o660;
/// Longest wait for another daemon that takes a path in the same directory.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two looks whether it is done, which takes it no time.
const PAUSE: Duration = Duration::from_millis(5);

/// A unix socket that is listened on. Its file vanishes with it, unless another has taken its
/// place.
#[derive(Debug)]
pub(super) struct UnixSocket {
    listener: UnixListener,
    path: PathBuf,
    file: (u64, u64),
}

impl UnixSocket {
    /// Listens at a path. The file that a dead process has left there is replaced; of several
    /// daemons that find it at once one does so, and the others find that one.
    ///
    /// # Errors
    /// Somebody listens there, what stands there is no socket, or the directory can't be written.
    pub(super) async fn bind(path: &Path) -> io::Result<Self> {
        // From the look at what is there until something answers there that lives.
        let _alone = alone(path).await?;
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

/// Keeps other daemons from taking a path in the same directory for as long as the file is open.
/// The directory itself is locked, so no further file is left behind. `None` where the file system
/// knows no such locks.
async fn alone(path: &Path) -> io::Result<Option<File>> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    let file = File::open(directory)?;
    let until = Instant::now() + PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::Error(_)) => return Ok(None),
            Err(TryLockError::WouldBlock) if Instant::now() >= until => {
                let text = "another process has locked the directory";
                return Err(io::Error::new(ErrorKind::WouldBlock, text));
            }
            Err(TryLockError::WouldBlock) => sleep(PAUSE).await,
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

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn of_many_that_find_a_dead_socket_one_listens_and_is_reached() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("a.sock");
        for round in 0..20 {
            drop(std::os::unix::net::UnixListener::bind(&path).expect("bound"));
            let starts = (0..8).map(|_| {
                let path = path.clone();
                tokio::spawn(async move { UnixSocket::bind(&path).await })
            });
            let starts = futures::future::join_all(starts.collect::<Vec<_>>()).await;
            let mut listening = Vec::new();
            for start in starts {
                match start.expect("no panic") {
                    Ok(socket) => listening.push(socket),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::AddrInUse, "{error}"),
                }
            }
            assert_eq!(listening.len(), 1, "in round {round}");
            let reached = tokio::join!(UnixStream::connect(&path), listening[0].accept());
            assert!(reached.0.is_ok() && reached.1.is_ok());
        }
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
