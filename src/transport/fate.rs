//! What becomes of a response, told to the service that gives it.
//!
//! A service sees its body dropped and no more: whether the client has left, was cut off, or was
//! let down by us, only the transport knows. So it is said here, before the body is dropped.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use http::Extensions;

use super::ended::Ended;

/// The client has closed the stream or the connection.
const CLIENT: &str = "client";

/// What has become of one response; found in the extensions of its request. Clones tell of the same
/// response. One that no transport knows of tells nothing.
#[derive(Debug, Clone, Default)]
pub struct Fate(Arc<Told>);

#[derive(Debug, Default)]
struct Told {
    delivered: AtomicU64,
    reason: OnceLock<&'static str>,
    connection: Ending,
}

/// Why a connection is over, for all its streams.
#[derive(Debug, Clone, Default)]
pub(super) struct Ending(Arc<OnceLock<&'static str>>);

impl Ending {
    /// The first word counts.
    pub(super) fn tell(&self, reason: &'static str) {
        self.0.get_or_init(|| reason);
    }

    /// Says what the end of the connection was.
    pub(super) fn conclude(&self, ended: &Result<(), Ended>) {
        self.tell(ended.as_ref().map_or_else(Ended::fate, |()| CLIENT));
    }
}

impl Fate {
    /// Of a response on a connection.
    pub(super) fn on(connection: Ending) -> Self {
        Self(Arc::new(Told {
            connection,
            ..Told::default()
        }))
    }

    /// Of the response to a request with these extensions.
    pub fn of(extensions: &Extensions) -> Self {
        extensions.get().cloned().unwrap_or_default()
    }

    /// Bytes of the body that were handed to the connection within the window that the client has
    /// opened. They may still be lost on the way, as with every network.
    pub fn delivered(&self) -> u64 {
        self.0.delivered.load(Relaxed)
    }

    /// A short stable name for why the response ended before its service has ended it; `None` if
    /// nobody said so. If its body is dropped then, the whole server is going.
    pub fn reason(&self) -> Option<&'static str> {
        let own = self.0.reason.get();
        own.or_else(|| self.0.connection.0.get()).copied()
    }

    /// Says why the response ends. The first word counts.
    pub fn end(&self, reason: &'static str) {
        self.0.reason.get_or_init(|| reason);
    }

    /// Says that there is nobody any more to answer to: because of what ended the connection, if
    /// something did, else because the client wanted no more.
    pub(super) fn left(&self) {
        let connection = self.0.connection.0.get();
        self.end(connection.copied().unwrap_or(CLIENT));
    }

    pub(super) fn add_delivered(&self, bytes: usize) {
        self.0.delivered.fetch_add(bytes as u64, Relaxed);
    }
}

impl Ended {
    /// What the streams of a connection that ended so are told.
    fn fate(&self) -> &'static str {
        match self {
            Self::Outdated => "authorities_replaced",
            Self::Dead => "no_answer",
            Self::Flood => "flood",
            // Ours are those that say what the client did against the protocol.
            Self::Http(error) if error.is_library() => "protocol_error",
            _ => CLIENT,
        }
    }
}
