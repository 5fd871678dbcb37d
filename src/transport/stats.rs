//! Counters of the server, for the metrics page.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// Numbers that all connections of a server add to. Each is exact by itself; together they are
/// no snapshot.
#[derive(Debug, Default)]
pub struct Stats {
    open_connections: AtomicU64,
    open_streams: AtomicU64,
    accepted: AtomicU64,
    refused: AtomicU64,
    accept_errors: AtomicU64,
    handshake_failures: AtomicU64,
    keepalive_timeouts: AtomicU64,
    stalled: AtomicU64,
    panics: AtomicU64,
}

/// One counter's accessor and its crate-private increment.
macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident / $add:ident),* $(,)?) => {
        impl Stats {
            $(
                $(#[$doc])*
                pub fn $name(&self) -> u64 {
                    self.$name.load(Relaxed)
                }

                pub(super) fn $add(&self) {
                    self.$name.fetch_add(1, Relaxed);
                }
            )*
        }
    };
}

counters! {
    /// Connections accepted and kept, ever.
    accepted / add_accepted,
    /// Connections closed at accept because the cap was reached, ever.
    refused / add_refused,
    /// Errors of `accept`, ever (descriptors exhausted, for example).
    accept_errors / add_accept_error,
    /// Connections that never completed the HTTP/2 preface, ever.
    handshake_failures / add_handshake_failure,
    /// Connections dropped because no byte answered a PING, ever.
    keepalive_timeouts / add_keepalive_timeout,
    /// Streams ended by the stall rule, ever.
    stalled / add_stalled,
    /// Requests whose service or response body panicked, ever.
    panics / add_panic,
}

impl Stats {
    /// Connections open now, those in their handshake included.
    pub fn open_connections(&self) -> u64 {
        self.open_connections.load(Relaxed)
    }

    /// Streams open now: from the accepted request to the last byte handed over, or to the reset.
    pub fn open_streams(&self) -> u64 {
        self.open_streams.load(Relaxed)
    }

    pub(super) fn hold_connection(self: &Arc<Self>) -> Open {
        Open::new(self, |stats| &stats.open_connections)
    }

    pub(super) fn hold_stream(self: &Arc<Self>) -> Open {
        Open::new(self, |stats| &stats.open_streams)
    }
}

/// Keeps a gauge one higher for as long as it lives, so that no path can forget to count down.
#[derive(Debug)]
pub(super) struct Open {
    stats: Arc<Stats>,
    gauge: fn(&Stats) -> &AtomicU64,
}

impl Open {
    fn new(stats: &Arc<Stats>, gauge: fn(&Stats) -> &AtomicU64) -> Self {
        gauge(stats).fetch_add(1, Relaxed);
        Self {
            stats: Arc::clone(stats),
            gauge,
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        (self.gauge)(&self.stats).fetch_sub(1, Relaxed);
    }
}
