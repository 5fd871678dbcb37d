//! TLS for connections that come in: what handshakes use, and how it is replaced while they run.
//!
//! A connection keeps the certificate that it was opened with. Where a client has shown one, it
//! ends when the authorities of clients are others: who of them is still known, the next handshake
//! tells. All three files are one unit: a pair that doesn't fit, or a file that can't be read,
//! changes nothing.

mod follow;
mod material;
#[cfg(test)]
mod tests;
mod validity;

use std::{
    future::poll_fn,
    io,
    path::PathBuf,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
};

use parking_lot::RwLock;
use rustls::{ServerConfig, server::Acceptor};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{Semaphore, SemaphorePermit},
};
use tokio_rustls::{LazyConfigAcceptor, StartHandshake, server::TlsStream};
use tokio_util::sync::CancellationToken;

pub use material::TlsError;
use material::{Contents, Fingerprint, Ready};

use super::Stats;

/// Handshakes that may calculate at the same time: sign, and verify what clients show. The others
/// wait for their turn outside the scheduler's queue, so that open streams are not behind all of
/// them when everybody comes back at once.
const TURNS: usize = 8;

/// The files that TLS is made of, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The daemon's certificate, then those of the authorities between it and the root.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Certificates of the authorities whose clients are known. Without it none is asked for a
    /// certificate; with it a client that sends one must send a good one.
    pub client_ca: Option<PathBuf>,
}

/// A connection, and what its client has shown.
type Secured<IO> = (TlsStream<IO>, Option<Shown>);
/// Why there is none, and the socket if there is somebody left who may want to know.
type Refusal<IO> = (io::Error, Option<IO>);

/// A client's certificate that was verified.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) certificate: Arc<[u8]>,
    /// Cancelled when the authorities that it was verified with have been replaced.
    pub(super) outdated: CancellationToken,
}

/// What the next handshake uses.
#[derive(Debug)]
struct Current {
    config: Arc<ServerConfig>,
    clients: Fingerprint,
    outdated: CancellationToken,
}

impl Current {
    fn new(ready: &Ready) -> Self {
        Self {
            config: Arc::clone(&ready.config),
            clients: ready.clients,
            outdated: CancellationToken::new(),
        }
    }

    fn take(&mut self, ready: &Ready) {
        if self.clients == ready.clients {
            self.config = Arc::clone(&ready.config);
        } else {
            let old = std::mem::replace(self, Self::new(ready));
            old.outdated.cancel();
        }
    }
}

/// Speaks TLS 1.2 and 1.3 with clients, and HTTP/2 inside.
#[derive(Debug)]
pub struct Tls {
    files: TlsFiles,
    loaded: Fingerprint,
    current: RwLock<Current>,
    turns: Semaphore,
    stats: Arc<Stats>,
}

impl Tls {
    /// Reads the files. A certificate that has expired is served all the same, with a warning:
    /// there is no better one, and it may be replaced at any time.
    ///
    /// # Errors
    /// A file can't be read or used, or the key is not that of the certificate.
    pub async fn load(files: TlsFiles, stats: Arc<Stats>) -> Result<Self, TlsError> {
        let contents = Contents::read(&files).await?;
        let ready = contents.check(&files)?;
        if let Err(invalid) = ready.valid_now(&files) {
            tracing::warn!(reason = %invalid, "serving it until it is replaced");
        }
        follow::caution(&ready, &files);
        stats.set_certificate_expiry(ready.expires);
        Ok(Self {
            loaded: contents.fingerprint(),
            current: RwLock::new(Current::new(&ready)),
            turns: Semaphore::new(TURNS),
            files,
            stats,
        })
    }

    /// The handshake. Gives the client's certificate, verified, if it sent one.
    pub(super) async fn accept<IO>(&self, socket: IO) -> Result<Secured<IO>, Refusal<IO>>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let hello = hello(socket).await?;
        // Only now: who says nothing holds no turn.
        let turn = self.turn().await;
        // Together: what the one has verified, the other takes back.
        let (config, outdated) = {
            let current = self.current.read();
            (Arc::clone(&current.config), current.outdated.clone())
        };
        let handshake = pin!(hello.into_stream(config).into_fallible());
        let done = self.calculate(handshake, turn).await;
        let stream = done.map_err(|(error, socket)| (error, Some(socket)))?;
        let (_, session) = stream.get_ref();
        let leaf = session.peer_certificates().and_then(<[_]>::first);
        let shown = leaf.map(|leaf| Shown {
            certificate: Arc::from(leaf.as_ref()),
            outdated,
        });
        Ok((stream, shown))
    }
}

impl Tls {
    async fn turn(&self) -> SemaphorePermit<'_> {
        let turn = self.turns.acquire().await;
        turn.expect("the semaphore is never closed")
    }

    /// Runs a handshake. It goes on in a turn only, and holds none while it waits for the client.
    async fn calculate<F: Future>(
        &self,
        mut handshake: Pin<&mut F>,
        mut turn: SemaphorePermit<'_>,
    ) -> F::Output {
        loop {
            if let Poll::Ready(done) = futures::poll!(handshake.as_mut()) {
                return done;
            }
            drop(turn);
            woken().await;
            turn = self.turn().await;
        }
    }
}

/// Waits until the task is woken, by whatever was polled before and is pending.
async fn woken() {
    let mut waited = false;
    poll_fn(|_| match std::mem::replace(&mut waited, true) {
        true => Poll::Ready(()),
        false => Poll::Pending,
    })
    .await;
}

/// Reads what a client begins with.
async fn hello<IO>(socket: IO) -> Result<StartHandshake<IO>, Refusal<IO>>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let mut acceptor = LazyConfigAcceptor::new(Acceptor::default(), socket);
    let read = (&mut acceptor).await;
    read.map_err(|error| (error, acceptor.take_io()))
}
