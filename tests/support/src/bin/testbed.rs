//! `informerd-testbed`: the real control plane for test suites that aren't written in Rust.

use std::{env, process::ExitCode};

use informerd_support::testbed;

fn main() -> ExitCode {
    testbed::run(env::args().skip(1))
}
