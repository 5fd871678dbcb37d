//! Opens the sockets of a channel, again and again as connections break.

use std::{
    net::IpAddr,
    task::{Context, Poll},
    time::Duration,
};

use futures::future::BoxFuture;
use http::Uri;
use hyper_util::{client::legacy::connect::HttpConnector, rt::TokioIo};
use tokio::net::{TcpStream, UnixStream};
use tower::{Service, ServiceExt as _};

use super::{
    address::Address,
    guarded::{Guarded, Io},
    tls::Tls,
    trouble::Trouble,
};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Longest wait for the word of a server that was shown a certificate; the daemon speaks at once.
const FIRST_WORD: Duration = Duration::from_millis(500);

/// What a channel calls for each connection.
#[derive(Clone)]
pub(super) struct Connector {
    address: Address,
    tls: Option<Tls>,
    /// Tries all addresses of a name, of both families.
    tcp: HttpConnector,
    /// Whether what is sent in plaintext may reach this machine only.
    secret: bool,
    trouble: Trouble,
}

/// A token would have been sent in plaintext to another machine.
#[derive(Debug, thiserror::Error)]
#[error("a token would travel unprotected: the name of the address is that of another machine")]
pub(super) struct Elsewhere;

impl Connector {
    /// With `secret`, plaintext TCP is spoken on this machine only. All attempts for one
    /// connection share `limit`.
    pub(super) fn new(
        address: Address,
        tls: Option<Tls>,
        secret: bool,
        trouble: Trouble,
        limit: Duration,
    ) -> Self {
        let mut tcp = HttpConnector::new();
        configure(&mut tcp, limit);
        Self {
            address,
            tls,
            tcp,
            secret,
            trouble,
        }
    }

    async fn open(self) -> Result<Guarded, BoxError> {
        let io: Box<dyn Io> = match &self.address {
            Address::Unix(path) => Box::new(UnixStream::connect(path).await?),
            Address::Http(uri) => {
                let socket = self.dial(uri).await?;
                if self.secret {
                    local(socket.peer_addr()?.ip())?;
                }
                Box::new(socket)
            }
            Address::Https(uri) => {
                let tls = self.tls.as_ref().expect("an https address brings its tls");
                let socket = self.dial(uri).await?;
                let host = uri.host().unwrap_or_default();
                let stream = tls.connect(host, socket).await?;
                let stream = Guarded::new(Box::new(stream), self.trouble.clone());
                return Ok(if tls.identity.is_some() {
                    stream.await_first(FIRST_WORD).await?
                } else {
                    stream
                });
            }
        };
        Ok(Guarded::new(io, self.trouble.clone()))
    }

    async fn dial(&self, uri: &Uri) -> Result<TcpStream, BoxError> {
        let socket = self.tcp.clone().oneshot(uri.clone()).await?;
        Ok(socket.into_inner())
    }
}

/// Each address of a name gets its share of the limit, or one that swallows packets would leave
/// nothing for the others.
fn configure<R>(tcp: &mut HttpConnector<R>, limit: Duration) {
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(limit));
}

/// `localhost` is a name, and whoever answers for names decides where it leads.
fn local(peer: IpAddr) -> Result<(), Elsewhere> {
    match peer.to_canonical().is_loopback() {
        true => Ok(()),
        false => Err(Elsewhere),
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Guarded>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        self.trouble.forget();
        let opening = self.clone().open();
        Box::pin(async move { Ok(TokioIo::new(opening.await?)) })
    }
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, net::SocketAddr};

    use hyper_util::client::legacy::connect::dns::Name;
    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    #[test]
    fn a_token_stays_on_this_machine() {
        for (peer, safe) in [
            ("127.0.0.1", true),
            ("::1", true),
            ("::ffff:127.0.0.2", true),
            ("10.0.0.1", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(local(peer.parse().expect(peer)).is_ok(), safe, "{peer}");
        }
    }

    /// A listener whose queue is full: what else is sent to it is dropped, as by a black hole.
    async fn hole() -> (TcpListener, Vec<TcpStream>) {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(([127, 0, 0, 1], 0).into()).expect("a port");
        let listener = socket.listen(1).expect("listening");
        let address = listener.local_addr().expect("bound");
        let mut queued = Vec::new();
        let patience = Duration::from_millis(500);
        while let Ok(connected) = tokio::time::timeout(patience, TcpStream::connect(address)).await
        {
            queued.push(connected.expect("queued"));
        }
        (listener, queued)
    }

    #[tokio::test]
    async fn an_address_that_swallows_everything_leaves_time_for_the_next() {
        let (hole, _queued) = hole().await;
        let server = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let both: [SocketAddr; 2] = [&hole, &server].map(|each| each.local_addr().expect("bound"));
        let resolver =
            tower::service_fn(move |_: Name| async move { Ok::<_, Infallible>(both.into_iter()) });
        let mut tcp = HttpConnector::new_with_resolver(resolver);
        let limit = Duration::from_secs(4);
        configure(&mut tcp, limit);
        let dialled = tcp.oneshot(Uri::from_static("http://daemon"));
        let dialled = tokio::time::timeout(limit, dialled).await;
        let socket = dialled
            .expect("within the limit of all")
            .expect("the second one");
        let peer = socket.inner().peer_addr().expect("connected");
        assert_eq!(peer, both[1]);
    }
}
