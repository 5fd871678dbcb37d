//! TLS, client certificates and unix sockets, with the real binary.

#[path = "../../src/transport/tests/certificates.rs"]
#[allow(dead_code, reason = "the unit tests use all of it")]
pub(crate) mod certificates;
mod clients;
mod commands;
pub mod files;
mod limits;
mod reload;
mod sockets;
mod streams;

use libtest_mimic::Trial;

use crate::{
    conformance::Scenario,
    stage::{self, Kind},
};

/// Every scenario; what concerns open streams on both kinds of clusters.
pub fn trials() -> Vec<Trial> {
    let connections = [
        reload::scenarios(),
        clients::scenarios(),
        commands::scenarios(),
        sockets::scenarios(),
        limits::scenarios(),
    ];
    let connections = connections.into_iter().flatten();
    let simulated = streams::scenarios().into_iter().chain(connections);
    let simulated = simulated.map(|scenario| trial(Kind::Simulated, scenario));
    let real = [
        streams::scenarios(),
        reload::scenarios(),
        limits::scenarios(),
    ];
    let real = real.into_iter().flatten();
    let real = real.map(|scenario| trial(Kind::Real, scenario));
    simulated.chain(real).collect()
}

fn trial(kind: Kind, scenario: Scenario) -> Trial {
    stage::trial(kind, scenario.name, move || {
        stage::block_on((scenario.play)(kind));
        Ok(())
    })
}
