//! How many writes reach the socket: the figure that decides what fan-out costs.

use std::{
    io,
    sync::atomic::{AtomicU64, Ordering},
};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

use super::*;
use crate::transport::{Peer, Remote, connection::drive, opening::Openings};

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

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[tokio::test]
async fn streams_that_wake_together_share_one_write() {
    const STREAMS: usize = 20;
    bounded(async {
        let (near, far) = tokio::io::duplex(1024 * 1024);
        let writes = Arc::new(AtomicU64::new(0));
        let (feeders, responses): (Vec<Feeder>, Vec<_>) = (0..STREAMS).map(|_| fed()).unzip();
        let responses = Arc::new(parking_lot::Mutex::new(responses));
        let service = service(move |_| responses.lock().remove(0));
        let peer = Peer {
            remote: Remote::Unix,
            certificate: None,
        };
        let context = Context {
            limits: Arc::new(Limits::default()),
            stats: Arc::default(),
            drain: CancellationToken::new(),
        };
        let counted = Counted(near, Arc::clone(&writes));
        let opening = Openings::new(&context.limits).begin(&context.limits);
        let server = tokio::spawn(drive(counted, peer, service, context, opening));
        let (client, connection) = h2::client::handshake(far).await.expect("http/2");
        tokio::spawn(connection);
        let mut bodies = Vec::new();
        for _ in 0..STREAMS {
            let response = get(&client, "/").await.await.expect("answered");
            bodies.push(response.into_body());
        }

        let before = writes.load(Ordering::Relaxed);
        let payload = Bytes::from(vec![b'x'; 2048]);
        for (feed, _) in &feeders {
            feed.send(data("12345")).expect("open");
            feed.send(data(payload.clone())).expect("open");
        }
        for body in &mut bodies {
            let frame = body.data().await.expect("data").expect("open");
            assert_eq!(frame.len(), 5 + payload.len());
        }
        assert_eq!(writes.load(Ordering::Relaxed) - before, 1);
        drop((feeders, bodies, client));
        let ended = server.await.expect("no panic");
        ended.expect("closed in good order");
    })
    .await;
}
