//! Serves the admin pages to a few at a time, so that nobody there takes from the gRPC port.

use std::{collections::VecDeque, convert::Infallible, io, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
    time::sleep,
};

/// Pause after `accept` failed: descriptors are exhausted, for example.
const PAUSE: Duration = Duration::from_millis(250);

/// How much of the process the admin pages may take.
#[derive(Debug, Clone, Copy)]
pub struct AdminLimits {
    /// Connections open at one time; one more displaces the oldest. Default 64.
    pub connections: usize,
    /// Longest wait for the headers of a request, the first one or the next. Default 5 s.
    pub headers: Duration,
}

impl Default for AdminLimits {
    fn default() -> Self {
        Self {
            connections: 64,
            headers: Duration::from_secs(5),
        }
    }
}

/// Serves the pages for ever. Errors of `accept` are logged and followed by a pause. Dropping the
/// future closes all connections.
pub async fn serve(listener: TcpListener, pages: Router, limits: AdminLimits) -> Infallible {
    let mut open = Open::default();
    loop {
        tokio::select! {
            Some(_) = open.tasks.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => open.begin(talk(socket, pages.clone(), limits), limits),
                Err(error) => pause(&error).await,
            },
        }
    }
}

async fn pause(error: &io::Error) {
    tracing::warn!(%error, "accept failed on the admin port, pausing");
    sleep(PAUSE).await;
}

/// What is open, the oldest first.
#[derive(Default)]
struct Open {
    tasks: JoinSet<()>,
    handles: VecDeque<AbortHandle>,
}

impl Open {
    fn begin(&mut self, talk: impl Future<Output = ()> + Send + 'static, limits: AdminLimits) {
        self.handles.retain(|handle| !handle.is_finished());
        while self.handles.len() >= limits.connections.max(1) {
            self.handles.pop_front().inspect(AbortHandle::abort);
        }
        self.handles.push_back(self.tasks.spawn(talk));
    }
}

async fn talk(socket: TcpStream, pages: Router, limits: AdminLimits) {
    let talk = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.headers)
        .serve_connection(TokioIo::new(socket), TowerToHyperService::new(pages));
    if let Err(error) = talk.await {
        tracing::debug!(%error, "an admin connection broke");
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);
    const ASK: &[u8] = b"GET /livez HTTP/1.1\r\nhost: a\r\n\r\n";

    async fn started(limits: AdminLimits) -> (SocketAddr, JoinSet<Infallible>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let pages = Router::new().route("/livez", get(|| async { "ok" }));
        let mut server = JoinSet::new();
        server.spawn(serve(listener, pages, limits));
        (address, server)
    }

    async fn dial(address: SocketAddr) -> TcpStream {
        TcpStream::connect(address).await.expect("accepted")
    }

    /// Whether a page comes; what is kept open is good for the next one.
    async fn answered(socket: &mut TcpStream) -> bool {
        if socket.write_all(ASK).await.is_err() {
            return false;
        }
        let mut text = [0; 15];
        let read = socket.read_exact(&mut text).await;
        let whole = read.is_ok() && text == *b"HTTP/1.1 200 OK";
        while whole && !rest_is_read(socket).await {}
        whole
    }

    /// The body is one word, which is last.
    async fn rest_is_read(socket: &mut TcpStream) -> bool {
        let mut some = [0; 1_024];
        let read = socket.read(&mut some).await.expect("the rest");
        some[..read].ends_with(b"ok")
    }

    #[tokio::test]
    async fn the_oldest_of_a_crowd_makes_room() {
        let limits = AdminLimits {
            connections: 3,
            headers: HOUR,
        };
        let (address, _server) = started(limits).await;
        let mut crowd = Vec::new();
        for _ in 0..10 {
            crowd.push(dial(address).await);
        }
        let mut probe = dial(address).await;
        assert!(answered(&mut probe).await);
        for silent in &mut crowd[..8] {
            assert_eq!(silent.read(&mut [0]).await.expect("made room"), 0);
        }
        for kept in &mut crowd[8..] {
            assert!(answered(kept).await);
        }
        assert!(answered(&mut probe).await, "kept open");
    }

    #[tokio::test]
    async fn who_says_nothing_is_hung_up_on() {
        let limits = AdminLimits {
            headers: Duration::from_millis(50),
            ..AdminLimits::default()
        };
        let (address, _server) = started(limits).await;
        let mut silent = dial(address).await;
        assert_eq!(silent.read(&mut [0]).await.expect("a clean end"), 0);
        let mut half = dial(address).await;
        half.write_all(&ASK[..9]).await.expect("sent");
        half.read_to_end(&mut Vec::new())
            .await
            .expect("a clean end");
        let mut idle = dial(address).await;
        assert!(answered(&mut idle).await);
        assert_eq!(idle.read(&mut [0]).await.expect("a clean end"), 0);
    }
}
