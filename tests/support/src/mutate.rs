//! Damages good runs, to prove that validators see it: a checker that nothing can alarm proves
//! nothing (etcd and Jepsen test theirs the same way).

mod damage;
mod model;
mod pick;
mod rights;
mod script;
mod snapshots;
mod upstream;

pub use model::{good_run, good_truth, long_run};

use fastrand::Rng;

use crate::trace::Run;

/// One way to damage a run.
#[derive(Debug, Clone, Copy)]
pub struct Mutation {
    /// What it does.
    pub name: &'static str,
    /// The guarantee whose validator must see it.
    pub owner: &'static str,
    /// Does it, at a place chosen by the generator; `false` if the run has no such place.
    pub apply: fn(&mut Run, &mut Rng) -> bool,
}

macro_rules! mutations {
    ($($owner:literal: $module:ident::$function:ident,)*) => {
        &[$(Mutation {
            name: stringify!($function),
            owner: $owner,
            apply: $module::$function,
        },)*]
    };
}

/// All known ways, with their owners.
pub const MUTATIONS: &[Mutation] = mutations![
    "G1 complete": damage::drop_event,
    "G1 complete": damage::resync_lacks_event,
    "G1 complete": damage::resync_tells_unchanged,
    "G1 complete": damage::wrong_cause,
    "G2 ordered": damage::swap_events,
    "G3 unique": damage::duplicate_event,
    "G3 unique": damage::repeat_across_resume,
    "G4 filter sound": damage::leaving_object_is_new,
    "G4 filter sound": damage::event_of_unwanted_object,
    "G5 transition": damage::added_for_held,
    "G5 transition": damage::modified_for_entering,
    "G6 snapshot consistent": snapshots::object_of_the_future,
    "G6 snapshot consistent": snapshots::object_missing,
    "G6 snapshot consistent": snapshots::wrong_count,
    "G6 snapshot consistent": snapshots::wrong_order,
    "G6 snapshot consistent": snapshots::token_inside,
    "G6 snapshot consistent": snapshots::change_inside,
    "G7 resumable": damage::skip_after_resume,
    "G7 resumable": upstream::foreign_token,
    "G7 resumable": upstream::token_of_two_positions,
    "G7 resumable": snapshots::reset_untold_after_resume,
    "G8 no silent loss": damage::lose_range,
    "G8 no silent loss": snapshots::reset_untold,
    "G9 bookmark": damage::bookmark_too_early,
    "G9 bookmark": upstream::bookmark_goes_back,
    "G9 bookmark": upstream::silence_between,
    "G9 bookmark": upstream::silence_at_the_end,
    "G12 agreement": damage::one_sees_other_bytes,
    "G13 one upstream": upstream::second_watch,
    "G13 one upstream": upstream::second_list,
    "G13 one upstream": upstream::watch_of_a_namespace,
    "G14 epoch": upstream::resumed_in_other_epoch,
    "G14 epoch": upstream::rewound_in_same_epoch,
    "G15 no time travel": snapshots::older_after_reset,
    "G16 delete fidelity": damage::leaving_untold,
    "G17 authorised": rights::object_beyond_the_rights,
    "G17 authorised": rights::event_after_the_rights,
    "G17 authorised": rights::outlives_the_rights,
    "G20 clean end": upstream::ok_without_timeout,
    "G20 clean end": upstream::ok_without_bookmark,
    "G20 clean end": upstream::ok_before_the_begin,
    "G20 clean end": upstream::internal_error,
    "G20 clean end": upstream::drained_untold,
    "G22 faithful bytes": damage::integer_damaged,
    "G22 faithful bytes": damage::kind_first,
    "G22 faithful bytes": damage::managed_fields_left,
    "G23 non-vacuity": upstream::nothing_happened,
];

#[cfg(test)]
mod tests;
