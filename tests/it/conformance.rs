//! The conformance suite: what Kubernetes promises of a watch, seen through the daemon.
//!
//! Scenarios are named after those of the Kubernetes test suites that they carry over (K1...); each
//! runs against the simulated and against the real apiserver, and ends in `validate_all`.

mod faithful;
mod filters;
mod reads;
mod total_order;

use std::{future::Future, pin::Pin};

use libtest_mimic::Trial;

use crate::stage::{self, Kind};

type Play = fn(Kind) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// One scenario.
pub struct Scenario {
    pub name: &'static str,
    pub play: Play,
}

/// Names a scenario after its function.
macro_rules! scenarios {
    ($($name:ident),* $(,)?) => {
        /// The scenarios of this file.
        pub fn scenarios() -> Vec<$crate::conformance::Scenario> {
            vec![$($crate::conformance::Scenario {
                name: stringify!($name),
                play: |kind| Box::pin($name(kind)),
            }),*]
        }
    };
}
pub(crate) use scenarios;

/// Every scenario on both kinds of clusters.
pub fn trials() -> Vec<Trial> {
    let all = [
        filters::scenarios(),
        total_order::scenarios(),
        reads::scenarios(),
        faithful::scenarios(),
        crate::restarts::all_scenarios(),
        crate::scale::scenarios(),
    ]
    .into_iter()
    .flatten();
    all.flat_map(|scenario| {
        [Kind::Simulated, Kind::Real].map(|kind| {
            stage::trial(kind, scenario.name, move || {
                stage::block_on((scenario.play)(kind));
                Ok(())
            })
        })
    })
    .collect()
}
