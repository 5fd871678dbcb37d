//! The server under real sockets: well-behaved clients, slow ones and hostile ones.
//!
//! Short limits stand in for the long defaults; every wait is for an event, under one deadline.

pub(crate) mod certificates;
mod fates;
mod floods;
mod hostile;
mod lifecycle;
mod raw;
mod responses;
mod stall;
mod tls;
mod writes;

use std::{
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{self, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures::future::BoxFuture;
use h2::client::{ResponseFuture, SendRequest};
use http::{Request, Response};
use http_body::Frame;
use tokio::{
    net::TcpStream,
    sync::{mpsc, oneshot},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use tonic::body::Body;

use super::{Address, Context, HttpService, Limits, Listener, Stats, Tls, serve};

/// A server on a loopback port.
struct Server {
    addr: SocketAddr,
    stats: Arc<Stats>,
    drain: CancellationToken,
    task: JoinHandle<()>,
}

impl Server {
    async fn start(limits: Limits, service: impl HttpService + Sync) -> Self {
        let stats = Arc::new(Stats::default());
        Self::start_with(limits, stats, None, service).await
    }

    async fn start_with(
        limits: Limits,
        stats: Arc<Stats>,
        tls: Option<Arc<Tls>>,
        service: impl HttpService + Sync,
    ) -> Self {
        let any = Address::Tcp(([127, 0, 0, 1], 0).into());
        let listener = Listener::bind(&any, tls).await.expect("loopback");
        let Ok(Address::Tcp(addr)) = listener.address() else {
            panic!("bound to a port");
        };
        let drain = CancellationToken::new();
        let context = Context::new(limits, Arc::clone(&stats), drain.clone());
        let task = tokio::spawn(serve(vec![listener], service, context));
        Self {
            addr,
            stats,
            drain,
            task,
        }
    }

    /// Drains and checks that nothing is left open.
    async fn finish(self) {
        self.drain.cancel();
        self.task.await.expect("the listener never panics");
        assert_eq!(self.stats.open_connections(), 0);
        assert_eq!(self.stats.open_streams(), 0);
    }

    async fn client(&self) -> SendRequest<Bytes> {
        self.client_with(&h2::client::Builder::new()).await
    }

    async fn client_with(&self, builder: &h2::client::Builder) -> SendRequest<Bytes> {
        let socket = TcpStream::connect(self.addr).await.expect("accepted");
        let (client, connection) = builder.handshake(socket).await.expect("http/2");
        tokio::spawn(connection);
        client
    }
}

/// Ends a test that waits for an event that never comes.
async fn bounded<T>(test: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), test)
        .await
        .expect("the awaited event must come")
}

async fn get(client: &SendRequest<Bytes>, path: &str) -> ResponseFuture {
    let request = Request::get(format!("http://test{path}")).body(());
    let mut client = client.clone().ready().await.expect("room for a stream");
    let (response, _) = client
        .send_request(request.expect("valid"), true)
        .expect("open connection");
    response
}

/// The text of a response that is expected to be whole.
async fn text(response: ResponseFuture) -> String {
    let mut body = response.await.expect("answered").into_body();
    let mut all = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.expect("whole");
        body.flow_control()
            .release_capacity(data.len())
            .expect("open");
        all.extend_from_slice(&data);
    }
    String::from_utf8(all).expect("test data is text")
}

/// A service out of a function from path to response.
fn service<F>(answer: F) -> impl HttpService + Sync
where
    F: Fn(&str) -> Response<Body> + Clone + Send + Sync + 'static,
{
    tower::service_fn(
        move |request: Request<Body>| -> BoxFuture<'static, Result<_, Infallible>> {
            let answer = answer.clone();
            Box::pin(async move { Ok(answer(request.uri().path())) })
        },
    )
}

fn full(text: &'static str) -> Response<Body> {
    Response::new(Body::new(http_body_util::Full::from(text)))
}

/// A body that a test feeds; tells when it is dropped.
struct Fed {
    frames: mpsc::UnboundedReceiver<Frame<Bytes>>,
    dropped: Option<oneshot::Sender<()>>,
}

type Feeder = (mpsc::UnboundedSender<Frame<Bytes>>, oneshot::Receiver<()>);

fn fed() -> (Feeder, Response<Body>) {
    let (sender, frames) = mpsc::unbounded_channel();
    let (dropped, gone) = oneshot::channel();
    let body = Fed {
        frames,
        dropped: Some(dropped),
    };
    ((sender, gone), Response::new(Body::new(body)))
}

/// A service that hands out one fed response on `/fed` and says `fine` on every other path.
fn one_fed() -> (Feeder, impl HttpService + Sync) {
    let (feeder, response) = fed();
    let response = Arc::new(parking_lot::Mutex::new(Some(response)));
    let service = service(move |path| match path {
        "/fed" => response.lock().take().expect("asked for once"),
        _ => full("fine"),
    });
    (feeder, service)
}

fn data(bytes: impl Into<Bytes>) -> Frame<Bytes> {
    Frame::data(bytes.into())
}

impl http_body::Body for Fed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.frames.poll_recv(cx).map(|frame| frame.map(Ok))
    }
}

impl Drop for Fed {
    fn drop(&mut self) {
        if let Some(dropped) = self.dropped.take() {
            let _ = dropped.send(());
        }
    }
}
