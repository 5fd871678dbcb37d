//! Who is at the other end of a connection, as far as the transport can tell.

use std::{fmt, net::SocketAddr, sync::Arc};

/// The other end of the connection that a request came in on; found in the request's extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Where the client is.
    pub remote: Remote,
    /// The client's certificate (DER), verified against the client CA; `None` if it sent none.
    /// Its chain and its dates held when the connection was opened. Nothing else in it is read
    /// here.
    pub certificate: Option<Arc<[u8]>>,
}

/// Where a client is. `Display` is for logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remote {
    /// The address that the socket reports; behind a proxy the proxy's.
    Tcp(SocketAddr),
    /// A process of this machine, on a unix socket.
    Unix,
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix => f.write_str("unix"),
        }
    }
}
