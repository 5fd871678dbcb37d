//! Listening sockets, and the connections that come out of them.

use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpSocket, TcpStream, UnixStream},
    time::sleep,
};

use super::{Address, Remote, Stats, Tls, unix::UnixSocket};

/// First and longest pause after `accept` failed for want of a resource.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// Connections that the kernel keeps while we are busy; it may know a lower bound.
const BACKLOG: u32 = 4_096;

/// A socket that is listened on. A unix socket's file vanishes with it.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    tls: Option<Arc<Tls>>,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixSocket),
}

/// A connection that has come in.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) stream: Stream,
    pub(super) remote: Remote,
    pub(super) tls: Option<Arc<Tls>>,
}

#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Listener {
    /// Listens. With `tls` clients must speak it on a TCP address; unix sockets are plaintext,
    /// which the kernel protects. The file that a dead process has left at the path of a unix
    /// socket is replaced; the daemon's user and group may connect to it (mode 0660).
    ///
    /// # Errors
    /// The address is taken, or may not be used.
    pub async fn bind(address: &Address, tls: Option<Arc<Tls>>) -> io::Result<Self> {
        Ok(match address {
            Address::Tcp(address) => Self {
                socket: Socket::Tcp(tcp(*address)?),
                tls,
            },
            Address::Unix(path) => Self {
                socket: Socket::Unix(UnixSocket::bind(path).await?),
                tls: None,
            },
        })
    }

    /// Where it listens, with the port that was found.
    ///
    /// # Errors
    /// The socket doesn't know it any more.
    pub fn address(&self) -> io::Result<Address> {
        match &self.socket {
            Socket::Tcp(socket) => socket.local_addr().map(Address::Tcp),
            Socket::Unix(socket) => Ok(Address::Unix(socket.path().to_owned())),
        }
    }

    /// The next connection. Errors never end this: they are counted, and those of the listener
    /// are followed by a pause.
    pub(super) async fn accept(&self, stats: &Stats) -> Accepted {
        let mut pause = Duration::ZERO;
        loop {
            let error = match self.try_accept().await {
                Ok(accepted) => return accepted,
                Err(error) => error,
            };
            stats.add_accept_error();
            if is_one_connection(&error) {
                continue;
            }
            pause = next_pause(pause);
            tracing::warn!(%error, ?pause, "accept failed, pausing");
            sleep(pause).await;
        }
    }

    async fn try_accept(&self) -> io::Result<Accepted> {
        let (stream, remote) = match &self.socket {
            Socket::Tcp(socket) => {
                let (stream, remote) = socket.accept().await?;
                (Stream::Tcp(stream), Remote::Tcp(remote))
            }
            Socket::Unix(socket) => (Stream::Unix(socket.accept().await?), Remote::Unix),
        };
        let tls = self.tls.clone();
        Ok(Accepted {
            stream,
            remote,
            tls,
        })
    }
}

fn tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // Or a restarted daemon would not get its port while old connections fade out.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Whether the error speaks of the connection that was being accepted, not of the listener.
fn is_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionRefused
            | ErrorKind::Interrupted
    )
}

fn next_pause(pause: Duration) -> Duration {
    (pause * 2).clamp(PAUSE.0, PAUSE.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_longest() {
        let mut pause = Duration::ZERO;
        let pauses: Vec<u128> = std::iter::repeat_with(|| {
            pause = next_pause(pause);
            pause.as_millis()
        })
        .take(7)
        .collect();
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1000, 1000]);
    }

    #[test]
    fn exhausted_descriptors_are_no_single_connections_error() {
        // EMFILE and ECONNABORTED on Linux.
        assert!(!is_one_connection(&io::Error::from_raw_os_error(24)));
        assert!(is_one_connection(&ErrorKind::ConnectionAborted.into()));
    }
}
