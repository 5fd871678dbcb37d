//! A daemon with few rights: single namespaces, missing permissions, secrets.

mod account;
mod forbidden;
mod identity;
mod namespaces;
mod secrets;
mod travel;

use crate::conformance::Scenario;

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
