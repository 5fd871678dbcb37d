//! Counters of the server, for the metrics page.

use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
};

/// Numbers that all connections of a server add to. Each is exact by itself; together they are
/// no snapshot.
#[derive(Debug, Default)]
pub struct Stats {
    open_connections: AtomicU64,
    open_streams: AtomicU64,
    accepted: AtomicU64,
    refused: AtomicU64,
    refused_source: AtomicU64,
    refused_pace: AtomicU64,
    accept_errors: AtomicU64,
    silent: AtomicU64,
    displaced: AtomicU64,
    wrong_prefaces: AtomicU64,
    tls_failures: AtomicU64,
    keepalive_timeouts: AtomicU64,
    floods: AtomicU64,
    idle: AtomicU64,
    tls_reloads: AtomicU64,
    tls_reloads_refused: AtomicU64,
    certificate_expiry: AtomicI64,
    stalled: AtomicU64,
    crowded: AtomicU64,
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
    /// Connections closed at accept because the cap on all of them was reached, ever.
    refused / add_refused,
    /// Connections closed at accept because their address has as many as it may have, ever.
    refused_source / add_refused_source,
    /// Connections closed at accept because their address came too fast, ever.
    refused_pace / add_refused_pace,
    /// Errors of `accept`, ever (descriptors exhausted, for example).
    accept_errors / add_accept_error,
    /// Connections on which no HTTP/2 began within the handshake limit, ever.
    silent / add_silent,
    /// Connections that made room for newer ones before HTTP/2 began, ever.
    displaced / add_displaced,
    /// Connections that began with something else than HTTP/2, ever.
    wrong_prefaces / add_wrong_preface,
    /// Connections whose TLS handshake failed, ever.
    tls_failures / add_tls_failure,
    /// Connections dropped because no byte answered a PING, ever.
    keepalive_timeouts / add_keepalive_timeout,
    /// Connections ended because of too many frames that carry nothing, ever.
    floods / add_flood,
    /// Connections ended because nobody called on them, ever.
    idle / add_idle,
    /// Certificates taken up while serving, ever.
    tls_reloads / add_tls_reload,
    /// Certificates that could not be taken up, ever; the old ones stayed.
    tls_reloads_refused / add_tls_reload_refused,
    /// Streams ended by the stall rule, ever.
    stalled / add_stalled,
    /// Streams ended because too much waited for slow readers, ever.
    crowded / add_crowded,
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

    /// When the certificate in use expires, in seconds since 1970; `None` without TLS.
    pub fn certificate_expiry(&self) -> Option<i64> {
        let seconds = self.certificate_expiry.load(Relaxed);
        (seconds != 0).then_some(seconds)
    }

    pub(super) fn set_certificate_expiry(&self, seconds: i64) {
        self.certificate_expiry.store(seconds, Relaxed);
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
