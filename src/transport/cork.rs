//! One write per wake of a connection.
//!
//! `h2` holds at most one larger DATA frame and writes it out before it accepts the next, which
//! is a system call per frame. A cork stands between `h2` and the socket: writes are gathered,
//! flushes are ignored, and the connection task flushes once, when everything that could be said
//! in this wake has been said.

use std::{
    io::{self, IoSlice},
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::meter::{Allowance, Meter};

/// Bytes gathered before the socket is written to anyway.
const FULL: usize = 64 * 1024;
/// Capacity that an idle connection keeps; a larger buffer is given back after the flush.
const KEPT: usize = 4 * 1024;

#[derive(Debug)]
struct Inner<IO> {
    io: IO,
    gathered: Vec<u8>,
    written: usize,
    reads: u64,
    meter: Meter,
    flooded: bool,
}

/// The socket as `h2` sees it. The lock is never contended: `h2` and the handle live in one task.
#[derive(Debug)]
pub(super) struct Cork<IO>(Arc<Mutex<Inner<IO>>>);

/// The connection task's own hold on the socket.
#[derive(Debug)]
pub(super) struct Handle<IO>(Arc<Mutex<Inner<IO>>>);

/// Puts a cork on a socket.
pub(super) fn cork<IO>(io: IO, allowance: Allowance) -> (Cork<IO>, Handle<IO>) {
    let inner = Arc::new(Mutex::new(Inner {
        io,
        gathered: Vec::new(),
        written: 0,
        reads: 0,
        meter: Meter::new(allowance, Instant::now()),
        flooded: false,
    }));
    (Cork(Arc::clone(&inner)), Handle(inner))
}

impl<IO: AsyncWrite + Unpin> Handle<IO> {
    /// Writes out what has been gathered. Pending while the socket takes no more; the task is
    /// then woken to call again.
    pub(super) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.0.lock();
        ready!(inner.poll_write_out(cx))?;
        Pin::new(&mut inner.io).poll_flush(cx)
    }

    /// The socket, and what was gathered for it; `None` while `h2` has hold of it.
    pub(super) fn into_io(self) -> Option<(IO, Vec<u8>)> {
        let inner = Arc::into_inner(self.0)?.into_inner();
        let rest = inner.gathered.get(inner.written..).unwrap_or_default();
        Some((inner.io, rest.to_vec()))
    }

    /// How often bytes have come in; a changed number means that the peer lives.
    pub(super) fn reads(&self) -> u64 {
        self.0.lock().reads
    }

    /// Whether the client has sent too many frames that carry nothing.
    pub(super) fn flooded(&self) -> bool {
        self.0.lock().flooded
    }
}

impl<IO: AsyncWrite + Unpin> Inner<IO> {
    fn poll_write_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.gathered.len() {
            let rest = &self.gathered[self.written..];
            match ready!(Pin::new(&mut self.io).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n => self.written += n,
            }
        }
        self.written = 0;
        self.gathered.clear();
        if self.gathered.capacity() > KEPT {
            drop(mem::take(&mut self.gathered));
        }
        Poll::Ready(Ok(()))
    }

    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.gathered.len() >= FULL {
            ready!(self.poll_write_out(cx))?;
        }
        Poll::Ready(Ok(FULL - self.gathered.len()))
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Cork<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut inner = self.0.lock();
        let before = buf.filled().len();
        ready!(Pin::new(&mut inner.io).poll_read(cx, buf))?;
        let new = &buf.filled()[before..];
        inner.reads += u64::from(!new.is_empty());
        inner.flooded |= !inner.meter.received(new, Instant::now);
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Cork<IO> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut inner = self.0.lock();
        let room = ready!(inner.poll_room(cx))?;
        let mut taken = 0;
        for buf in bufs {
            let n = buf.len().min(room - taken);
            inner.gathered.extend_from_slice(&buf[..n]);
            taken += n;
        }
        inner.meter.sent(taken);
        Poll::Ready(Ok(taken))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Does nothing: see the module's first paragraph.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.0.lock();
        ready!(inner.poll_write_out(cx))?;
        Pin::new(&mut inner.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const ALLOWANCE: Allowance = Allowance {
        burst: 1,
        per_second: 1,
    };

    #[tokio::test]
    async fn nothing_leaves_before_the_handle_flushes() {
        let (near, mut far) = tokio::io::duplex(1024);
        let (mut cork, handle) = cork(near, ALLOWANCE);
        cork.write_all(b"one ").await.expect("gathered");
        cork.flush().await.expect("ignored");
        cork.write_all(b"two").await.expect("gathered");
        let mut buf = [0; 16];
        let early = futures::poll!(Box::pin(far.read(&mut buf)));
        assert!(early.is_pending());
        poll_fn(|cx| handle.poll_flush(cx)).await.expect("flushed");
        let n = far.read(&mut buf).await.expect("arrived");
        assert_eq!(&buf[..n], b"one two");
    }

    #[tokio::test]
    async fn a_full_cork_waits_for_the_socket() {
        let (near, mut far) = tokio::io::duplex(1024);
        let (mut cork, handle) = cork(near, ALLOWANCE);
        let data = vec![5; 3 * FULL];
        let writer = async {
            cork.write_all(&data).await.expect("the far end reads");
            poll_fn(|cx| handle.poll_flush(cx)).await.expect("flushed");
            cork.shutdown().await.expect("closed");
        };
        let mut got = Vec::new();
        let (_, read) = tokio::join!(writer, far.read_to_end(&mut got));
        read.expect("clean end");
        assert_eq!(got, data);
        assert_eq!(handle.0.lock().gathered.capacity(), 0);
    }
}
