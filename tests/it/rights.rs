//! A daemon with few rights: single namespaces, missing permissions, secrets.

mod account;
mod forbidden;
mod identity;
mod namespaces;
mod secrets;
mod travel;

use std::time::Duration;

use crate::conformance::Scenario;

/// Bookmarks for streams that aren't read all the time, so that silence isn't taken for one.
const CALM: Duration = Duration::from_secs(60);

/// All of them.
pub fn scenarios() -> Vec<Scenario> {
    [
        forbidden::scenarios(),
        identity::scenarios(),
        namespaces::scenarios(),
        secrets::scenarios(),
        travel::scenarios(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
