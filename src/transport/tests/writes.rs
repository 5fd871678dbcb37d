//! How many writes reach the socket: the figure that decides what fan-out costs.

use std::{
    io::{self, IoSlice},
    sync::atomic::{AtomicU64, Ordering},
};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

use super::certificates::Authority;
use super::*;
use crate::transport::{
    Peer, Remote,
    connection::drive,
    opening::{Opening, openings},
};

/// An in-memory socket that counts the writes into it.
struct Counted(DuplexStream, Arc<AtomicU64>);

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.1.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.1.fetch_add(1, Ordering::Relaxed);
        let all: Vec<u8> = bufs.iter().flat_map(|buf| buf.iter().copied()).collect();
        Pin::new(&mut self.0).poll_write(cx, &all)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

const STREAMS: usize = 20;

/// Opens all streams, feeds all of them at once, and counts the writes that this causes.
async fn writes_of_one_wake<IO>(client: IO, writes: &AtomicU64, mut feeders: Vec<Feeder>)
where
    IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (client, connection) = h2::client::handshake(client).await.expect("http/2");
    tokio::spawn(connection);
    let mut bodies = Vec::new();
    for _ in 0..STREAMS {
        let response = get(&client, "/").await.await.expect("answered");
        bodies.push(response.into_body());
    }
    let before = writes.load(Ordering::Relaxed);
    let payload = Bytes::from(vec![b'x'; 2048]);
    for (feed, _) in &mut feeders {
        feed.send(data("12345")).expect("open");
        feed.send(data(payload.clone())).expect("open");
    }
    for body in &mut bodies {
        let frame = body.data().await.expect("data").expect("open");
        assert_eq!(frame.len(), 5 + payload.len());
    }
    assert_eq!(writes.load(Ordering::Relaxed) - before, 1);
}

/// A service that hands out one fed response for each request.
fn all_fed() -> (Vec<Feeder>, impl HttpService + Sync) {
    let (feeders, responses): (Vec<Feeder>, Vec<_>) = (0..STREAMS).map(|_| fed()).unzip();
    let responses = Arc::new(parking_lot::Mutex::new(responses));
    (feeders, service(move |_| responses.lock().remove(0)))
}

fn context() -> Context {
    Context::new(Limits::default(), Arc::default(), CancellationToken::new())
}

fn opening(context: &Context) -> Opening {
    Opening::begin(&openings(&context.limits), &context.limits)
}

const PEER: Peer = Peer {
    remote: Remote::Unix,
    certificate: None,
};

#[tokio::test]
async fn streams_that_wake_together_share_one_write() {
    bounded(async {
        let (near, far) = tokio::io::duplex(1024 * 1024);
        let writes = Arc::new(AtomicU64::new(0));
        let (feeders, service) = all_fed();
        let context = context();
        let opening = opening(&context);
        let counted = Counted(near, Arc::clone(&writes));
        let server = tokio::spawn(drive(counted, (PEER, None), service, context, opening));
        writes_of_one_wake(far, &writes, feeders).await;
        let ended = server.await.expect("no panic");
        ended.expect("closed in good order");
    })
    .await;
}

#[tokio::test]
async fn they_share_it_over_tls_too() {
    bounded(async {
        let directory = tempfile::tempdir().expect("a directory");
        let root = Authority::new("root");
        let files = tls::files(directory.path(), &root.server(&["localhost"]), &root);
        let tls = Tls::load(files, Arc::default()).await.expect("usable");
        let (near, far) = tokio::io::duplex(1024 * 1024);
        let writes = Arc::new(AtomicU64::new(0));
        let (feeders, service) = all_fed();
        let context = context();
        let opening = opening(&context);
        let counted = Counted(near, Arc::clone(&writes));
        let server = tokio::spawn(async move {
            let accepted = tls.accept(counted).await.map_err(|(error, _)| error);
            let (stream, _) = accepted.expect("a handshake");
            drive(stream, (PEER, None), service, context, opening).await
        });
        let client = tls::USUAL.connect(&root, far).await.expect("a handshake");
        writes_of_one_wake(client, &writes, feeders).await;
        // Without a last word of TLS, which the client doesn't say.
        server.await.expect("no panic").expect_err("cut off");
    })
    .await;
}
