//! Opens the sockets of a channel, again and again as connections break.

use std::{
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
}

impl Connector {
    pub(super) fn new(address: Address, tls: Option<Tls>) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        Self { address, tls, tcp }
    }

    async fn open(self) -> Result<Guarded, BoxError> {
        let io: Box<dyn Io> = match &self.address {
            Address::Unix(path) => Box::new(UnixStream::connect(path).await?),
            Address::Http(uri) => Box::new(self.dial(uri).await?),
            Address::Https(uri) => {
                let tls = self.tls.as_ref().expect("an https address brings its tls");
                let socket = self.dial(uri).await?;
                let host = uri.host().unwrap_or_default();
                let stream = Guarded::new(Box::new(tls.connect(host, socket).await?));
                return Ok(if tls.identity.is_some() {
                    stream.await_first(FIRST_WORD).await?
                } else {
                    stream
                });
            }
        };
        Ok(Guarded::new(io))
    }

    async fn dial(&self, uri: &Uri) -> Result<TcpStream, BoxError> {
        let socket = self.tcp.clone().oneshot(uri.clone()).await?;
        Ok(socket.into_inner())
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
        let opening = self.clone().open();
        Box::pin(async move { Ok(TokioIo::new(opening.await?)) })
    }
}
