//! All integration tests, in one binary with a harness of its own.
//!
//! Scenarios of the conformance suite run twice, against the simulated cluster and against a real
//! kube-apiserver, so that the simulation can't drift from the truth.

#![allow(unreachable_pub, reason = "a test binary is nobody's library")]

mod access;
mod admin;
mod bad_input;
mod chart;
mod cli;
mod conformance;
mod daemon;
#[cfg(feature = "demo")]
mod demo;
mod faults;
mod http2;
mod image;
mod kube;
mod operators;
#[path = "../../src/transport/tests/raw.rs"]
#[allow(dead_code, reason = "the unit tests use all of it")]
mod raw;
mod readme;
mod request;
mod restarts;
mod rights;
mod sandbox;
mod scale;
mod sizing;
mod stage;
mod subscriber;
mod surface;
mod tail;
mod tidy;
mod tls;
mod wait;
mod world;

use std::process::ExitCode;

use libtest_mimic::Arguments;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Tests wait far more than they work.
    arguments.test_threads.get_or_insert(8);
    let mut trials = tidy::trials();
    trials.extend(admin::trials());
    trials.extend(readme::trials());
    trials.extend(access::trials());
    trials.extend(chart::trials());
    trials.extend(image::trials());
    trials.extend(conformance::trials());
    trials.extend(faults::trials());
    trials.extend(sizing::trials());
    trials.extend(tls::trials());
    #[cfg(feature = "demo")]
    trials.extend(demo::trials());
    let conclusion = libtest_mimic::run(&arguments, trials);
    chart::close();
    stage::close();
    conclusion.exit_code()
}
