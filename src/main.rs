//! The `informerd` binary.

use std::process::ExitCode;

use clap::Parser as _;
use informerd::runtime::{self, Cli};

fn main() -> ExitCode {
    runtime::run(Cli::parse())
}
