//! Who calls, and what they may read: exactly what the cluster's own apiserver would let them.
//!
//! The apiserver is asked: a TokenReview says who a bearer token is, SubjectAccessReviews say what
//! that user may list, watch and get. The answer is a [`Permit`] and, once the resource is known to
//! exist, a [`Grant`]: nothing else can make one, and no subscription or read starts without one.
//! While a stream is open its standing is checked again and again; there is one per distinct caller
//! and question, however many streams share it.
//!
//! ```text
//! credentials ─► who (TokenReview, certificate) ─► may (SubjectAccessReview) ─► Permit ─► Grant
//!                     └────────── cache, one flight at a time ──────────┘          │
//!                                        ▲                                    standing ─► Watcher
//!                                     recheck, every interval ◄───────────────────┘
//! ```

mod answers;
mod ask;
mod bearer;
mod breaker;
mod bucket;
mod cache;
mod caller;
mod certificate;
mod counts;
mod desk;
mod gate;
mod grant;
mod identity;
mod key;
mod lane;
mod pace;
mod queue;
mod quota;
mod ready;
mod recheck;
mod review;
mod reviews;
mod sparing;
mod standing;
mod standings;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod whom;

pub use ask::{Get, List, Named, Right, Scope, Subscribe};
pub use bearer::Bearer;
pub use caller::{Caller, Credential};
pub use certificate::CertificateError;
pub use counts::{Counts, ReviewLabels};
pub use gate::{Gate, Policy, Unable};
pub use grant::{Grant, Permit};
pub use identity::Identity;
pub use quota::{Limit, Quota, StreamSlot, Tally};
pub use sparing::{Sparing, SparingEach, Told};
pub use standing::{Health, Watcher};
pub use standings::Census;
pub use whom::Whom;

use std::time::Duration;

use thiserror::Error;

/// Why a call is refused or a stream ends. The texts are for the caller: they repeat what it asked
/// and nothing that it could not know.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// There is nothing that says who calls.
    #[error(
        "no credentials: send a token as `authorization: Bearer TOKEN`, or a client certificate"
    )]
    Missing,
    /// What was sent stands for nobody, or no longer does.
    #[error("the credentials are not valid: {0}")]
    Invalid(&'static str),
    /// The caller is known and may not.
    #[error("{0}")]
    Denied(String),
    /// The apiserver could not be asked.
    #[error("the apiserver can't be asked now what you may read; try again")]
    Unverified,
    /// The apiserver says no, and is not ready to say anything.
    #[error("the apiserver is starting and can't tell yet what you may read; try again")]
    Unconfirmed,
    /// There is too much of something, or it comes too often.
    #[error("{limit}; the limit {} is {most}", .limit.whose())]
    Exhausted {
        /// Of what there is too much.
        limit: Limit,
        /// How much there may be.
        most: u32,
        /// When to come again.
        after: Duration,
    },
}

impl Refusal {
    /// Whether it says nothing about the caller.
    fn is_no_answer(&self) -> bool {
        matches!(self, Self::Unverified | Self::Unconfirmed)
    }

    /// A short stable name, for metrics and logs.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Missing => "credentials_missing",
            Self::Invalid(_) => "credentials_invalid",
            Self::Denied(_) => "access_denied",
            Self::Unverified | Self::Unconfirmed => "access_unverified",
            Self::Exhausted { .. } => "quota_exceeded",
        }
    }
}
