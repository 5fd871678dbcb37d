//! Makes the connection of a client: over TCP, TLS or a unix socket, as its address says.

mod address;
mod connector;
mod failure;
mod guarded;
mod tls;
mod trouble;

use std::{path::PathBuf, time::Duration};

use tonic::transport::{Channel, Endpoint};

pub use failure::TlsFailure;
pub(super) use trouble::Trouble;

use self::{
    address::Address,
    connector::{Connector, Elsewhere},
    tls::Tls,
};
use super::{Bearer, BearerError, Client, error};

/// HTTP/2 implementations close connections on which many small frames lie unread; the budget
/// grows with this window (hyperium/h2#939).
const CONNECTION_WINDOW: u32 = 16 << 20;
/// From the first attempt to the last word of the TLS handshake.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
const KEEPALIVE: Duration = Duration::from_secs(30);
const KEEPALIVE_LIMIT: Duration = Duration::from_secs(20);

/// No client could be made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address can't be used.
    #[error(
        "`{address}` is no address of a daemon; write `http://host:port`, `https://host:port` or \
         `unix:/path`"
    )]
    Address {
        /// As it was given.
        address: String,
    },
    /// Certificates were named for a connection without TLS.
    #[error(
        "certificates say nothing about {address}: use an `https://` address, or leave them out"
    )]
    Plaintext {
        /// As it was given.
        address: String,
    },
    /// A token would be seen by whoever is on the way.
    #[error(
        "a token would travel unprotected to {address}: use an `https://` address, one of this \
         machine, or `unix:/path`"
    )]
    Exposed {
        /// As it was given.
        address: String,
    },
    /// There is no token to show.
    #[error(transparent)]
    Bearer(#[from] BearerError),
    /// A file can't be used, or the two sides don't trust each other.
    #[error("cannot use tls with informerd at {address}: {failure}")]
    Tls {
        /// As it was given.
        address: String,
        /// Which part failed.
        failure: TlsFailure,
    },
    /// Nothing answers there.
    #[error("cannot reach informerd at {address}: {cause}")]
    Unreachable {
        /// As it was given.
        address: String,
        /// The innermost cause, for example `connection refused`.
        cause: String,
    },
}

/// Describes a connection before it is made. [`Client::builder`] begins one.
///
/// Files are read anew for each connection, so they may be replaced while the client is in use.
#[derive(Debug, Clone)]
pub struct ClientBuilder {
    address: String,
    ca_file: Option<PathBuf>,
    identity: Option<(PathBuf, PathBuf)>,
    server_name: Option<String>,
    bearer: Option<Bearer>,
}

impl ClientBuilder {
    pub(super) fn new(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            ca_file: None,
            identity: None,
            server_name: None,
            bearer: None,
        }
    }

    /// Trusts the authorities whose certificates are in this file (PEM), in place of those that
    /// the machine trusts.
    #[must_use]
    pub fn ca_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.ca_file = Some(file.into());
        self
    }

    /// Shows the daemon a certificate, with those that lead to its root, and proves it with its
    /// key (PEM).
    #[must_use]
    pub fn client_certificate(
        mut self,
        certificate: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Self {
        self.identity = Some((certificate.into(), key.into()));
        self
    }

    /// Expects the daemon's certificate to be for this name, in place of the address's host.
    #[must_use]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Shows the daemon a token with each call. It is sent over TLS, to loopback addresses and to
    /// unix sockets only.
    #[must_use]
    pub fn bearer(mut self, bearer: Bearer) -> Self {
        self.bearer = Some(bearer);
        self
    }

    /// Connects now, within 5 s.
    ///
    /// # Errors
    /// The address or a file can't be used, nothing answers, or there is no trust.
    pub async fn connect(self) -> Result<Client, ConnectError> {
        let trouble = Trouble::default();
        let (endpoint, connector) = self.parts(&trouble)?;
        let connected = endpoint.connect_with_connector(connector).await;
        let channel = connected.map_err(|error| self.explain(&error, &trouble))?;
        Ok(self.client(channel, trouble))
    }

    /// Connects with the first call. Must be called inside a Tokio runtime.
    ///
    /// # Errors
    /// The address or a file can't be used.
    pub fn lazy(self) -> Result<Client, ConnectError> {
        let trouble = Trouble::default();
        let (endpoint, connector) = self.parts(&trouble)?;
        let channel = endpoint.connect_with_connector_lazy(connector);
        Ok(self.client(channel, trouble))
    }

    fn client(self, channel: Channel, trouble: Trouble) -> Client {
        let bearer = self.bearer;
        Client {
            channel,
            bearer,
            trouble,
        }
    }

    /// Reads the token once, so that a wrong path is told at once.
    fn check_bearer(&self, address: &Address) -> Result<(), ConnectError> {
        let Some(bearer) = &self.bearer else {
            return Ok(());
        };
        if !address.is_protected() {
            return Err(ConnectError::Exposed {
                address: self.address.clone(),
            });
        }
        bearer.value()?;
        Ok(())
    }

    fn parts(&self, trouble: &Trouble) -> Result<(Endpoint, Connector), ConnectError> {
        let address = Address::parse(&self.address)?;
        self.check_bearer(&address)?;
        let tls = match &address {
            Address::Https(_) => Some(self.tls()?),
            Address::Http(_) | Address::Unix(_) if self.wants_tls() => {
                return Err(ConnectError::Plaintext {
                    address: self.address.clone(),
                });
            }
            Address::Http(_) | Address::Unix(_) => None,
        };
        let endpoint = configured(Channel::builder(address.uri()));
        let secret = self.bearer.is_some();
        let connector = Connector::new(address, tls, secret, trouble.clone(), CONNECT_LIMIT);
        Ok((endpoint, connector))
    }

    fn wants_tls(&self) -> bool {
        self.ca_file.is_some() || self.identity.is_some() || self.server_name.is_some()
    }

    /// Reads the files once, so that a wrong path is told at once.
    fn tls(&self) -> Result<Tls, ConnectError> {
        let tls = Tls {
            ca_file: self.ca_file.clone(),
            identity: self.identity.clone(),
            server_name: self.server_name.clone(),
        };
        let read = tls.read();
        read.map_err(|failure| self.failed(failure))?;
        Ok(tls)
    }

    fn explain(&self, error: &tonic::transport::Error, trouble: &Trouble) -> ConnectError {
        if elsewhere(error) {
            return ConnectError::Exposed {
                address: self.address.clone(),
            };
        }
        match TlsFailure::within(error).or_else(|| trouble.last()) {
            Some(failure) => self.failed(failure),
            None => ConnectError::Unreachable {
                address: self.address.clone(),
                cause: error::root_cause(error),
            },
        }
    }

    fn failed(&self, failure: TlsFailure) -> ConnectError {
        ConnectError::Tls {
            address: self.address.clone(),
            failure,
        }
    }
}

/// Whether the connection was given up for the sake of a token.
fn elsewhere(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source()).any(|error| error.is::<Elsewhere>())
}

fn configured(endpoint: Endpoint) -> Endpoint {
    endpoint
        .connect_timeout(CONNECT_LIMIT)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .http2_adaptive_window(false)
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE_LIMIT)
}
