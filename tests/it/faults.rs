//! What goes wrong upstream and what subscribers see of it: nothing, or an explicit word.
//!
//! Scenarios are named after the faults (F1...). They run against the simulated cluster, which goes
//! wrong on demand; each proves that its faults have struck and ends in `validate_all`. Those of
//! hostile clients run against the real one too.

mod chaos;
mod hostile;
mod initial;
mod memory;
mod positions;
mod refusals;
mod rewind;
mod slow;
mod storm;
mod streams;

use libtest_mimic::Trial;

use crate::{
    conformance::Scenario,
    stage::{self, Kind},
};

/// Every scenario.
pub fn trials() -> Vec<Trial> {
    let all = [
        streams::scenarios(),
        refusals::scenarios(),
        initial::scenarios(),
        positions::scenarios(),
        rewind::scenarios(),
        slow::scenarios(),
        memory::scenarios(),
        chaos::scenarios(),
        hostile::scenarios(),
    ];
    let simulated = all.into_iter().flatten();
    let simulated = simulated.map(|scenario| trial(Kind::Simulated, scenario));
    let real = hostile::scenarios().into_iter();
    let real = real.map(|scenario| trial(Kind::Real, scenario));
    simulated.chain(real).collect()
}

fn trial(kind: Kind, scenario: Scenario) -> Trial {
    stage::trial(kind, scenario.name, move || {
        stage::block_on((scenario.play)(kind));
        Ok(())
    })
}
