//! Why connections end, in the words of the log and of the counters.

use std::io;

use super::Stats;

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    #[error("the client spoke no http/2 within the handshake limit")]
    Silent,
    #[error("the oldest of too many handshakes made room")]
    Displaced,
    #[error("a drain began before the handshake was complete")]
    Draining,
    #[error("the tls handshake failed: {0}")]
    Tls(io::Error),
    #[error("the client began with something that is no http/2: {0}")]
    Preface(h2::Error),
    #[error("the authorities of clients were replaced, and the connection did not end by itself")]
    Outdated,
    #[error("the client answered no ping")]
    Dead,
    #[error("the client flooded the connection with frames that carry nothing")]
    Flood,
    #[error(transparent)]
    Http(#[from] h2::Error),
    #[error(transparent)]
    Socket(#[from] io::Error),
}

impl Ended {
    /// Counts what is worth counting.
    pub(super) fn count(&self, stats: &Stats) {
        match self {
            Self::Silent => stats.add_silent(),
            Self::Displaced => stats.add_displaced(),
            Self::Tls(_) => stats.add_tls_failure(),
            Self::Preface(_) => stats.add_wrong_preface(),
            Self::Dead => stats.add_keepalive_timeout(),
            Self::Flood => stats.add_flood(),
            Self::Draining | Self::Outdated | Self::Http(_) | Self::Socket(_) => {}
        }
    }
}
