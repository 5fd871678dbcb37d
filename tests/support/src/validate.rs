//! One validator per published guarantee, over a recorded run, offline (the model is etcd's
//! robustness suite).

mod agreement;
mod authorised;
mod bookmark;
mod bytes;
mod case;
mod complete;
mod ends;
mod epoch;
mod fidelity;
mod follow;
mod history;
mod ordered;
mod replay;
mod report;
mod resume;
mod resync;
mod segment;
mod snapshot;
mod sound;
mod text;
mod transition;
mod travel;
mod unique;
mod upstream;
mod vacuity;

pub use agreement::agreement;
pub use authorised::authorised;
pub use bookmark::bookmarks;
pub use bytes::faithful_bytes;
pub use case::Case;
pub use complete::{complete, no_silent_loss};
pub use ends::clean_end;
pub use epoch::epoch;
pub use fidelity::delete_fidelity;
pub use ordered::ordered;
pub use report::{Expectation, Report, Summary, Violation};
pub use resume::resumable;
pub use snapshot::snapshots;
pub use sound::filter_sound;
pub use transition::transitions;
pub use travel::no_time_travel;
pub use unique::unique;
pub use upstream::one_upstream;
pub use vacuity::not_vacuous;

use crate::trace::Run;
use report::At;

/// A validator: finds where a run breaks one guarantee.
pub type Validator = fn(&Case<'_>) -> Vec<Violation>;

/// All validators by the name of their guarantee.
pub const VALIDATORS: &[(&str, Validator)] = &[
    ("G1 complete", complete),
    ("G2 ordered", ordered),
    ("G3 unique", unique),
    ("G4 filter sound", filter_sound),
    ("G5 transition", transitions),
    ("G6 snapshot consistent", snapshots),
    ("G7 resumable", resumable),
    ("G8 no silent loss", no_silent_loss),
    ("G9 bookmark", bookmarks),
    ("G12 agreement", agreement),
    ("G13 one upstream", one_upstream),
    ("G14 epoch", epoch),
    ("G15 no time travel", no_time_travel),
    ("G16 delete fidelity", delete_fidelity),
    ("G17 authorised", authorised),
    ("G20 clean end", clean_end),
    ("G22 faithful bytes", faithful_bytes),
    ("G23 non-vacuity", not_vacuous),
];

/// Judges a run by all validators.
///
/// # Errors
/// With everything that was found, if anything was.
pub fn validate_all(run: &Run, expectation: &Expectation) -> Result<Summary, Report> {
    let case = Case::new(run, expectation);
    let mut violations = Vec::new();
    for (guarantee, validator) in VALIDATORS {
        violations.extend(
            validator(&case)
                .into_iter()
                .map(|found| found.of(guarantee)),
        );
    }
    let summary = Summary::of(run);
    if violations.is_empty() {
        Ok(summary)
    } else {
        Err(Report {
            summary,
            violations,
        })
    }
}

#[cfg(test)]
mod tests;
