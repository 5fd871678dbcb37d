//! Whatever a caller sends is answered with a code and a reason that he can act on.
//!
//! The rows are the table of bad inputs (B1...): none may end in INTERNAL or UNKNOWN, none may
//! reach the apiserver, and all are told in one short sentence.

mod filters;
mod fuzz;
mod objects;
mod options;
mod positions;
pub mod refusal;
mod resources;
mod wire;

pub use refusal::sentence;

use crate::conformance::Scenario;

/// All of them.
pub fn scenarios() -> Vec<Scenario> {
    [
        resources::scenarios(),
        filters::scenarios(),
        positions::scenarios(),
        options::scenarios(),
        objects::scenarios(),
        wire::scenarios(),
        fuzz::scenarios(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
