//! The command line as people use it: the real binary, its output and its exit codes.

mod admin;
mod forms;
mod help;
mod refusals;
pub mod run;
mod serving;
mod state;
mod table;

use crate::conformance::Scenario;

/// All of them.
pub fn scenarios() -> Vec<Scenario> {
    [
        table::scenarios(),
        forms::scenarios(),
        state::scenarios(),
        refusals::scenarios(),
        serving::scenarios(),
        help::scenarios(),
        admin::scenarios(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
