//! What goes wrong upstream and what subscribers see of it: nothing, or an explicit word.
//!
//! Scenarios are named after the faults (F1...). They run against the simulated cluster, which goes
//! wrong on demand; each proves that its faults have struck and ends in `validate_all`.

mod chaos;
mod hostile;
mod initial;
mod positions;
mod refusals;
mod rewind;
mod slow;
mod storm;
mod streams;

use libtest_mimic::Trial;

use crate::stage::{self, Kind};

/// Every scenario.
pub fn trials() -> Vec<Trial> {
    let all = [
        streams::scenarios(),
        refusals::scenarios(),
        initial::scenarios(),
        positions::scenarios(),
        rewind::scenarios(),
        slow::scenarios(),
        chaos::scenarios(),
        hostile::scenarios(),
    ];
    let all = all.into_iter().flatten();
    all.map(|scenario| {
        stage::trial(Kind::Simulated, scenario.name, move || {
            stage::block_on((scenario.play)(Kind::Simulated));
            Ok(())
        })
    })
    .collect()
}
