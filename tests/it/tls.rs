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

use crate::stage::{self, Kind};

/// Every scenario.
pub fn trials() -> Vec<Trial> {
    let all = [
        streams::scenarios(),
        reload::scenarios(),
        clients::scenarios(),
        commands::scenarios(),
        sockets::scenarios(),
        limits::scenarios(),
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
