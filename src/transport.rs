//! The HTTP/2 server under gRPC: one task per connection, built on `h2`.
//!
//! This room knows HTTP/2 and nothing of messages, methods or Kubernetes. It takes any
//! `tower::Service` from requests to responses and adds what long-lived streams need and general
//! servers don't offer: a stalled reader is ended *with trailers* unless it holds half a message, nothing is queued beyond the
//! peer's window, all frames of one wake leave in one write, and a drain lets open streams end.
//!
//! ```text
//! listener ─► server: caps, drains ─► tls ─► connection ── one task ──► pump, one future per stream
//!               │                               │  ▲                      │
//!         admission, opening               keepalive  request body   segments (shared bytes)
//!                                               └── cork: one write per wake, meter of floods
//! ```

mod address;
mod admission;
mod connection;
mod cork;
mod ended;
mod fate;
mod idle;
mod keepalive;
mod limits;
mod linger;
mod listener;
mod meter;
mod opening;
mod patience;
mod peer;
mod pump;
mod request;
mod segments;
mod server;
mod stats;
#[cfg(test)]
mod tests;
mod tls;
mod unix;
mod waiting;

pub use address::{Address, AddressError};
pub use connection::Context;
pub use fate::Fate;
pub use limits::Limits;
pub use listener::Listener;
pub use peer::{Peer, Remote};
pub use server::serve;
pub use stats::Stats;
pub use tls::{Tls, TlsError, TlsFiles};

use std::convert::Infallible;

/// In the extensions of a response: whoever makes its body bounds what all such bodies hold, so it
/// counts for nothing in [`Limits::max_waiting`].
#[derive(Debug, Clone, Copy)]
pub struct Counted;

/// What a connection needs of a service; implemented by everything that fits, never by hand.
/// `tonic::service::Routes` fits. The service is cloned once per connection and once per request.
///
/// A response's body runs inside the connection's task: it must not block, and wakes are cheap.
/// It is polled again only after all it gave has been handed over within the peer's window, and
/// it is dropped as soon as the stream is reset, stalled or complete. After a data frame in the
/// middle of a message its `size_hint` must tell that more is to come, which is then ready at once:
/// what was taken is ended with trailers only between messages. All that is ready together leaves
/// as one DATA frame or more.
/// The bytes are shared, never copied, on their way to the socket's buffer.
pub trait HttpService:
    tower::Service<
        http::Request<tonic::body::Body>,
        Response = http::Response<tonic::body::Body>,
        Error = Infallible,
        Future: Send,
    > + Clone
    + Send
    + 'static
{
}

impl<S> HttpService for S where
    S: tower::Service<
            http::Request<tonic::body::Body>,
            Response = http::Response<tonic::body::Body>,
            Error = Infallible,
            Future: Send,
        > + Clone
        + Send
        + 'static
{
}
