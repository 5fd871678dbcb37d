//! The names of the limits, and how often each was met.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

/// A limit that a call may meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Open streams of one user.
    Streams,
    /// Streams that one user opens per second.
    Starts,
    /// Questions per second that calls of one user lead to.
    Reviews,
    /// Questions that are asked again and again about one user's open streams.
    Questions,
    /// Open streams of all users.
    AllStreams,
}

impl Limit {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Streams,
        Self::Starts,
        Self::Reviews,
        Self::Questions,
        Self::AllStreams,
    ];

    /// A short stable name, for metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Streams => "streams",
            Self::Starts => "starts",
            Self::Reviews => "reviews",
            Self::Questions => "questions",
            Self::AllStreams => "all_streams",
        }
    }

    /// Who shares it: `user` or `daemon`.
    pub fn subject(self) -> &'static str {
        match self {
            Self::AllStreams => "daemon",
            _ => "user",
        }
    }

    /// Whose limit it is, for people.
    pub(in crate::access) fn whose(self) -> &'static str {
        match self {
            Self::AllStreams => "for all users together",
            _ => "for one user",
        }
    }
}

/// What there is too much of, and what to do if waiting is not all.
impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Streams | Self::AllStreams => "too many streams are open",
            Self::Starts => "streams are opened too fast (per second)",
            Self::Reviews => {
                "the apiserver has to be asked too often what you may read (per second); list or \
                 watch instead of getting objects one by one"
            }
            Self::Questions => {
                "open streams have too many different namespaces and selectors to be checked again \
                 (two checks for each); watch the whole cluster, or fewer"
            }
        })
    }
}

/// How often each limit was met.
#[derive(Debug, Default)]
pub struct Tally([AtomicU64; Limit::ALL.len()]);

impl Tally {
    pub(super) fn count(&self, limit: Limit) {
        self.0[limit as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How often one was.
    pub fn of(&self, limit: Limit) -> u64 {
        self.0[limit as usize].load(Ordering::Relaxed)
    }
}
