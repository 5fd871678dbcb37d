//! All integration tests, in one binary with a harness of its own.
//!
//! Scenarios of the conformance suite run twice, against the simulated cluster and against a real
//! kube-apiserver, so that the simulation can't drift from the truth.

#![allow(unreachable_pub, reason = "a test binary is nobody's library")]

mod conformance;
mod daemon;
mod faults;
mod kube;
mod request;
mod stage;
mod subscriber;
mod tidy;
mod wait;
mod world;

use std::process::ExitCode;

use libtest_mimic::Arguments;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Tests wait far more than they work.
    arguments.test_threads.get_or_insert(8);
    let mut trials = tidy::trials();
    trials.extend(conformance::trials());
    trials.extend(faults::trials());
    let conclusion = libtest_mimic::run(&arguments, trials);
    stage::close();
    conclusion.exit_code()
}
