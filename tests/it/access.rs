//! Who may see what: the daemon's answers against the apiserver's own to the same identity.
//!
//! The matrix plays on both kinds of clusters. On a real one the oracle is the apiserver, asked
//! directly with the same token; on a simulated one its reviews, and faults are on top.

mod audit;
mod calls;
mod canary;
mod cast;
mod clients;
mod credentials;
mod fair;
mod live;
mod matrix;
mod memory;
mod oracle;
mod record;
mod reviews;
mod roles;
mod rough;
mod smuggling;
mod strangers;

use libtest_mimic::Trial;

use crate::stage::{self, Kind};

/// Every scenario of this directory.
pub fn trials() -> Vec<Trial> {
    let all = [
        matrix::scenarios(),
        live::scenarios(),
        reviews::scenarios(),
        roles::scenarios(),
        clients::scenarios(),
        record::scenarios(),
        strangers::scenarios(),
        fair::scenarios(),
        audit::scenarios(),
        memory::scenarios(),
        credentials::scenarios(),
        smuggling::scenarios(),
    ];
    let all: Vec<_> = all.into_iter().flatten().collect();
    let mut trials = Vec::new();
    for kind in [Kind::Simulated, Kind::Real] {
        let played = all
            .iter()
            .filter(|scenario| kind == Kind::Simulated || scenario.only_simulated.is_none());
        for scenario in played {
            let (name, play) = (scenario.name, scenario.play);
            trials.push(stage::trial(kind, name, move || {
                stage::block_on(play(kind));
                Ok(())
            }));
        }
    }
    trials
}
