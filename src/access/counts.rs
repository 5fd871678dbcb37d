//! What is counted about reviews and checks. No label says who it was.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
};

use super::answers::Answer;

/// Labels of a review.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReviewLabels {
    /// `token` or `access`.
    pub kind: &'static str,
    /// `allowed`, `denied` or `failed`.
    pub outcome: &'static str,
    /// `asked`, or `cache` for one that was asked for somebody else before, or is just then.
    pub source: &'static str,
}

/// Counts of the gate. Cheap to clone; all clones count together.
#[derive(Debug, Clone)]
pub struct Counts {
    /// Answers to what was to be known.
    pub reviews: Family<ReviewLabels, Counter>,
    /// Checks of open streams for the reason alone that rights may have changed.
    pub early_checks: Counter,
}

impl Default for Counts {
    /// All at zero, so that an increase shows from the first one on.
    fn default() -> Self {
        let counts = Self {
            reviews: Family::default(),
            early_checks: Counter::default(),
        };
        for kind in ["token", "access"] {
            for outcome in ["allowed", "denied", "failed"] {
                for source in ["asked", "cache"] {
                    let labels = ReviewLabels {
                        kind,
                        outcome,
                        source,
                    };
                    drop(counts.reviews.get_or_create(&labels));
                }
            }
        }
        counts
    }
}

/// Counts one kind of reviews.
#[derive(Debug, Clone)]
pub(super) struct Count {
    pub(super) counts: Counts,
    pub(super) kind: &'static str,
}

impl Count {
    pub(super) fn note<T: Answer, E>(&self, outcome: Result<&T, &E>, source: &'static str) {
        let outcome = match outcome {
            Ok(answer) if answer.is_no() => "denied",
            Ok(_) => "allowed",
            Err(_) => "failed",
        };
        let labels = ReviewLabels {
            kind: self.kind,
            outcome,
            source,
        };
        self.counts.reviews.get_or_create(&labels).inc();
    }
}
