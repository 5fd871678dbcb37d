//! What a reflector counts, for the owner's metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use super::machine::Effect;
use crate::resource::UpstreamEvent;

/// Why a running watch ended or a list was made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RestartReason {
    /// The stream ended cleanly.
    Closed,
    /// The connection broke or could not be made.
    Broken,
    /// Nothing was heard for the idle limit.
    Idle,
    /// 410: the position is no longer in the server's history.
    Expired,
    /// The server answered with another error, as HTTP status or in the stream.
    Error,
    /// A line could not be read.
    Malformed,
    /// Versions missing or out of order.
    Desync,
    /// Watch-list isn't to be had; LIST and WATCH from now on.
    Fallback,
}

impl RestartReason {
    /// All reasons.
    pub const ALL: [Self; 8] = [
        Self::Closed,
        Self::Broken,
        Self::Idle,
        Self::Expired,
        Self::Error,
        Self::Malformed,
        Self::Desync,
        Self::Fallback,
    ];

    /// A short stable name in snake case, for metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Broken => "broken",
            Self::Idle => "idle",
            Self::Expired => "expired",
            Self::Error => "error",
            Self::Malformed => "malformed",
            Self::Desync => "desync",
            Self::Fallback => "fallback",
        }
    }
}

/// Counters of one reflector, written by its task and read by its owner at any time.
#[derive(Debug, Default)]
pub struct ReflectorStats {
    lists: AtomicU64,
    watches: AtomicU64,
    events: AtomicU64,
    bookmarks: AtomicU64,
    bytes: AtomicU64,
    duplicates: AtomicU64,
    malformed: AtomicU64,
    restarts: [AtomicU64; RestartReason::ALL.len()],
}

impl ReflectorStats {
    pub(super) fn count_list(&self) {
        self.lists.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_watch(&self) {
        self.watches.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_bytes(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn count_line(&self, event: &UpstreamEvent) {
        match event {
            UpstreamEvent::Bookmark { .. } => self.bookmarks.fetch_add(1, Ordering::Relaxed),
            UpstreamEvent::Error(_) => return,
            _ => self.events.fetch_add(1, Ordering::Relaxed),
        };
    }

    pub(super) fn count_effect(&self, effect: &Effect) {
        match effect {
            Effect::Restart(reason) => {
                self.restarts[*reason as usize].fetch_add(1, Ordering::Relaxed);
            }
            Effect::Duplicates(count) => {
                self.duplicates.fetch_add(*count, Ordering::Relaxed);
            }
            Effect::Malformed(_) => {
                self.malformed.fetch_add(1, Ordering::Relaxed);
            }
            Effect::Replace { .. } | Effect::Apply(_) | Effect::Health(_) => {}
        }
    }

    /// Pages asked for.
    pub fn lists(&self) -> u64 {
        self.lists.load(Ordering::Relaxed)
    }

    /// Watches asked for, watch-lists included.
    pub fn watches(&self) -> u64 {
        self.watches.load(Ordering::Relaxed)
    }

    /// Events of objects that were read from watches.
    pub fn events(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
    }

    /// Bookmarks that were read from watches.
    pub fn bookmarks(&self) -> u64 {
        self.bookmarks.load(Ordering::Relaxed)
    }

    /// Bytes of bodies that were read.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Events dropped because their version had been seen.
    pub fn duplicates(&self) -> u64 {
        self.duplicates.load(Ordering::Relaxed)
    }

    /// Lines that could not be read.
    pub fn malformed(&self) -> u64 {
        self.malformed.load(Ordering::Relaxed)
    }

    /// How often a watch ended or a list was made anew for this reason.
    pub fn restarts(&self, reason: RestartReason) -> u64 {
        self.restarts[reason as usize].load(Ordering::Relaxed)
    }
}
