//! A connection whose failures speak: what the library above would call a broken frame is named.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf},
    time::timeout,
};

use super::{failure::TlsFailure, trouble::Trouble};

/// Any kind of socket.
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// Looks at the first byte that comes, and at errors of TLS, which may come long after the
/// handshake: a client's certificate is refused then.
pub(super) struct Guarded {
    io: Box<dyn Io>,
    /// What was read before anybody asked.
    early: Bytes,
    begun: bool,
    trouble: Trouble,
}

impl Guarded {
    /// Notes failures as the trouble of this connection too.
    pub(super) fn new(io: Box<dyn Io>, trouble: Trouble) -> Self {
        Self {
            io,
            early: Bytes::new(),
            begun: false,
            trouble,
        }
    }

    /// The libraries above keep an error's text and forget its kind.
    fn told(&self, error: io::Error) -> io::Error {
        match TlsFailure::within(&error) {
            Some(failure) => self.failed(error.kind(), failure),
            None => error,
        }
    }

    fn failed(&self, kind: io::ErrorKind, failure: TlsFailure) -> io::Error {
        self.trouble.note(&failure);
        io::Error::new(kind, failure)
    }

    /// Waits for the first bytes, or for so long. In TLS 1.3 a client is refused only after its
    /// own part of the handshake; without this the refusal would meet whatever is under way then,
    /// and its reason would be lost.
    ///
    /// # Errors
    /// The server has refused the client, or hung up.
    pub(super) async fn await_first(mut self, limit: Duration) -> Result<Self, TlsFailure> {
        let mut first = BytesMut::with_capacity(1024);
        match timeout(limit, self.io.read_buf(&mut first)).await {
            Ok(Ok(0)) => Err(TlsFailure::Closed),
            Ok(Ok(_)) => {
                self.begun = true;
                if let Some(failure) = first.first().copied().and_then(foreign) {
                    return Err(failure);
                }
                self.early = first.freeze();
                Ok(self)
            }
            Ok(Err(error)) => Err(TlsFailure::handshake(&error)),
            // A server may as well wait for the client.
            Err(_) => Ok(self),
        }
    }
}

/// What a server that speaks no HTTP/2 begins with; one that does begins with the length of its
/// SETTINGS, which is short.
fn foreign(first: u8) -> Option<TlsFailure> {
    match first {
        // An alert.
        0x15 => Some(TlsFailure::Expected),
        b'H' => Some(TlsFailure::NoHttp2),
        _ => None,
    }
}

impl AsyncRead for Guarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.early.is_empty() {
            let taken = self.early.len().min(buf.remaining());
            buf.put_slice(&self.early.split_to(taken));
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buf)).map_err(|e| self.told(e))?;
        if !self.begun
            && let Some(first) = buf.filled().get(before)
        {
            self.begun = true;
            if let Some(failure) = foreign(*first) {
                return Poll::Ready(Err(self.failed(io::ErrorKind::InvalidData, failure)));
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, buf);
        written.map_err(|e| self.told(e))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        written.map_err(|e| self.told(e))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        flushed.map_err(|e| self.told(e))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.io).poll_shutdown(cx);
        shut.map_err(|e| self.told(e))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn only_the_first_byte_of_all_is_judged() {
        let (mut server, client) = tokio::io::duplex(64);
        server.write_all(b"ab").await.expect("room");
        let waited = Guarded::new(Box::new(client), Trouble::default())
            .await_first(LIMIT)
            .await;
        let Ok(mut guarded) = waited else {
            panic!("nothing is wrong with it");
        };
        server.write_all(b"H\x15").await.expect("room");
        let mut all = [0; 4];
        guarded.read_exact(&mut all).await.expect("as sent");
        assert_eq!(&all, b"abH\x15");
    }

    #[tokio::test]
    async fn a_first_word_of_another_protocol_is_named() {
        let (mut server, client) = tokio::io::duplex(64);
        server.write_all(b"HTTP/1.1 400").await.expect("room");
        let waited = Guarded::new(Box::new(client), Trouble::default())
            .await_first(LIMIT)
            .await;
        assert!(matches!(waited, Err(TlsFailure::NoHttp2)));
    }
}
