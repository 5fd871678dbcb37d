//! The sockets of the simulated apiserver: plain HTTP/1.1 on loopback. Several servers may serve
//! one cluster, as a control plane has several apiservers.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::cluster::Cluster;
use super::journal::Receipt;
use super::output::{Link, Torn};
use super::query::Query;
use super::routes::{Answer, Payload, Request, Target, answer, names};

/// Largest request body, as upstream (`MaxRequestBodyBytes` is 3 MiB).
const MAX_BODY: usize = 3 << 20;

/// A running server.
#[derive(Debug)]
pub struct Server {
    addr: SocketAddr,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Server {
    /// Listens on `addr`, for example `127.0.0.1:0`, and serves until [`Server::stop`] or drop.
    ///
    /// # Errors
    /// When the address can't be bound.
    pub async fn start(cluster: Cluster, addr: &str) -> io::Result<Self> {
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        tasks.spawn(accept(listener, cluster, stop.clone(), tasks.clone()));
        Ok(Self { addr, stop, tasks })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Closes the listener and all connections at once, in the middle of whatever they send, and
    /// waits until they are closed. The same address can be listened on again.
    ///
    /// Not cancel safe in that a dropped call still stops the server.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn accept(
    listener: TcpListener,
    cluster: Cluster,
    stop: CancellationToken,
    tasks: TaskTracker,
) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let connection = serve(stream, cluster.clone());
                let stop = stop.clone();
                tasks.spawn(async move {
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = connection => {}
                    }
                });
            }
            // Out of descriptors, most likely: others may close theirs meanwhile.
            Err(error) => {
                tracing::warn!(%error, "the simulated apiserver could not accept a connection");
                tokio::task::yield_now().await;
            }
        }
    }
}

async fn serve(stream: TcpStream, cluster: Cluster) {
    // Small lines are sent at once; a failure only makes them later.
    let _ = stream.set_nodelay(true);
    let link = Arc::new(Link::default());
    let socket = Socket {
        stream,
        link: Arc::clone(&link),
    };
    let service = service_fn(move |request| handle(cluster.clone(), Arc::clone(&link), request));
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection of the simulated apiserver ended early");
    }
}

async fn handle(
    cluster: Cluster,
    link: Arc<Link>,
    request: hyper::Request<Incoming>,
) -> Result<hyper::Response<Outgoing>, Torn> {
    let uri = request.uri().clone();
    let header = |name: &str| {
        let value = request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let mut incoming = Request {
        method: request.method().to_string(),
        path: uri.path().to_owned(),
        query: Query::parse(uri.query().unwrap_or_default()),
        accept: header("accept"),
        content_type: header("content-type"),
        user_agent: header("user-agent"),
        body: Bytes::new(),
    };
    let mut receipt = {
        let target = Target::find(&cluster, uri.path());
        let (resource, verb) = names(target.as_ref(), &incoming);
        let verb = match verb {
            known @ ("list" | "watch" | "get") => known,
            _ => "other",
        };
        cluster.journal().arrive(&resource, verb, &uri.to_string())
    };
    let answered = match Limited::new(request.into_body(), MAX_BODY).collect().await {
        Ok(body) => {
            incoming.body = body.to_bytes();
            answer(&cluster, &link, incoming, &mut receipt)
                .await
                .ok_or(Torn)?
        }
        Err(_) => Answer::whole(413, "text/plain", "request body too large"),
    };
    receipt.answered(answered.status);
    Ok(respond(answered, receipt))
}

fn respond(answer: Answer, receipt: Receipt) -> hyper::Response<Outgoing> {
    let body = Outgoing {
        payload: Some(answer.body),
        _receipt: receipt,
    };
    let mut response = hyper::Response::new(body);
    let status = http::StatusCode::from_u16(answer.status);
    *response.status_mut() = status.unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in answer.headers {
        // Header values that no server could send are left out.
        if let (Ok(name), Ok(value)) = (
            http::HeaderName::try_from(name),
            http::HeaderValue::try_from(value),
        ) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

/// A body that tells the journal when it is done with.
#[derive(Debug)]
struct Outgoing {
    payload: Option<Payload>,
    _receipt: Receipt,
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Torn;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Torn>>> {
        match &mut self.payload {
            Some(Payload::Stream(pieces)) => pieces
                .poll_recv(context)
                .map(|piece| piece.map(|piece| piece.map(Frame::data))),
            Some(Payload::Whole(_)) => match self.payload.take() {
                Some(Payload::Whole(body)) if !body.is_empty() => {
                    Poll::Ready(Some(Ok(Frame::data(body))))
                }
                _ => Poll::Ready(None),
            },
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.payload {
            Some(Payload::Whole(body)) => body.is_empty(),
            Some(Payload::Stream(_)) => false,
            None => true,
        }
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        match &self.payload {
            Some(Payload::Whole(body)) => hyper::body::SizeHint::with_exact(body.len() as u64),
            Some(Payload::Stream(_)) => hyper::body::SizeHint::new(),
            None => hyper::body::SizeHint::with_exact(0),
        }
    }
}

/// A socket that can be made to end with RST.
#[derive(Debug)]
struct Socket {
    stream: TcpStream,
    link: Arc<Link>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.link.ends_with_reset() {
            // Without it the connection ends with FIN, which is a fault too.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.link.ends_with_reset() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// A kubeconfig for a server, with a token that nobody checks.
#[must_use]
pub fn kubeconfig(addr: SocketAddr) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: simulation\nclusters:\n- name: simulation\n  \
         cluster:\n    server: http://{addr}\nusers:\n- name: simulation\n  user:\n    token: \
         simulation\ncontexts:\n- name: simulation\n  context:\n    cluster: simulation\n    \
         namespace: default\n    user: simulation\n"
    )
}
