//! The conformance suite: what Kubernetes promises of a watch, seen through the daemon.
//!
//! Scenarios are named after those of the Kubernetes test suites that they carry over (K1...); each
//! runs against the simulated and against the real apiserver, and ends in `validate_all`.

mod bookmarks;
mod cache;
mod concurrent;
mod expiry;
mod faithful;
mod filters;
mod objects;
mod positions;
mod predicates;
mod reads;
mod restart;
mod scoped;
mod snapshots;
mod starts;
mod table;
mod total_order;
mod versions;

use std::{future::Future, pin::Pin, time::Duration};

use libtest_mimic::{Failed, Trial};

use crate::{
    request::Ask,
    stage::{self, Kind},
    world::World,
};

/// A scenario that waits for what never comes ends here.
const LIMIT: Duration = Duration::from_secs(300);

type Play = fn(Kind) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// One scenario.
#[derive(Clone, Copy)]
pub struct Scenario {
    pub name: &'static str,
    pub play: Play,
    /// Why a real cluster can't play it, if it can't.
    pub only_simulated: Option<&'static str>,
}

impl Scenario {
    /// Plays it to its end.
    pub fn run(&self, kind: Kind) -> Result<(), Failed> {
        stage::block_on(async { tokio::time::timeout(LIMIT, (self.play)(kind)).await })
            .map_err(|_| format!("not over after {LIMIT:?}").into())
    }
}

/// Names a scenario after its function. `name: "reason"` plays it on the simulated cluster alone.
macro_rules! scenarios {
    ($($name:ident $(: $reason:literal)?),* $(,)?) => {
        /// The scenarios of this file.
        pub fn scenarios() -> Vec<$crate::conformance::Scenario> {
            vec![$($crate::conformance::Scenario {
                name: stringify!($name),
                play: |kind| Box::pin($name(kind)),
                only_simulated: [$($reason,)?].first().copied(),
            }),*]
        }
    };
}
pub(crate) use scenarios;

/// The scenarios of this room.
pub fn suite() -> Vec<Scenario> {
    let all = [
        bookmarks::scenarios(),
        cache::scenarios(),
        concurrent::scenarios(),
        expiry::scenarios(),
        faithful::scenarios(),
        filters::scenarios(),
        objects::scenarios(),
        positions::scenarios(),
        predicates::scenarios(),
        reads::scenarios(),
        restart::scenarios(),
        scoped::scenarios(),
        snapshots::scenarios(),
        starts::scenarios(),
        total_order::scenarios(),
        versions::scenarios(),
    ];
    all.into_iter().flatten().collect()
}

/// Every scenario on both kinds of clusters, as far as they can play it.
pub fn trials() -> Vec<Trial> {
    let all = [
        suite(),
        crate::bad_input::scenarios(),
        crate::cli::scenarios(),
        crate::operators::scenarios(),
        crate::restarts::all_scenarios(),
        crate::rights::scenarios(),
        crate::scale::scenarios(),
        crate::surface::scenarios(),
    ];
    all.into_iter().flatten().flat_map(played).collect()
}

fn played(scenario: Scenario) -> Vec<Trial> {
    let play = |kind| stage::trial(kind, scenario.name, move || scenario.run(kind));
    match scenario.only_simulated {
        None => vec![play(Kind::Simulated), play(Kind::Real)],
        // Lists of tests show the reason.
        Some(reason) => vec![play(Kind::Simulated).with_kind(reason)],
    }
}

/// Config maps of the scenario's own namespace. Bookmarks come a little less often: on a busy
/// machine it may be seconds until a scenario reads a stream again.
fn maps(world: &World) -> Ask {
    Ask::of("configmaps")
        .namespace(&world.namespace)
        .bookmarks(Duration::from_secs(3))
}
