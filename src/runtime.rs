//! The process: arguments, telemetry, signals, wiring and supervision.
//!
//! The only place that starts long-lived tasks, and the only one that knows the command line.

mod args;
#[cfg(feature = "demo")]
mod demo;
#[cfg(feature = "demo")]
mod kubeconfig;
mod serve;
#[cfg(feature = "demo")]
mod simulate;
mod supervisor;
mod telemetry;

use std::process::ExitCode;

pub use args::Cli;

use crate::cli;
use args::Command;

/// Runs what the command line asks for.
pub fn run(cli: Cli) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.into()),
    };
    // Ring is the one provider in the tree; naming it keeps a second one from being a surprise.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match cli.command {
        Command::Serve(args) => {
            telemetry::init(&args.log);
            finish(runtime.block_on(serve::run(args)))
        }
        Command::Watch(args) => cli::finish(runtime.block_on(cli::watch::run(args))),
        Command::Get(args) => cli::finish(runtime.block_on(cli::get::run(args))),
        Command::Admin(args) => cli::finish(runtime.block_on(cli::admin::run(args))),
        Command::Resources(args) => cli::finish(runtime.block_on(cli::resources::run(args))),
        #[cfg(feature = "demo")]
        Command::Demo(args) => finish(runtime.block_on(demo::run(args))),
        #[cfg(feature = "demo")]
        Command::Simulate(args) => finish(runtime.block_on(simulate::run(args))),
    }
}

fn finish(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

/// One lowercase sentence on stderr, and exit code 1.
fn fail(error: &anyhow::Error) -> ExitCode {
    anstream::eprintln!("error: {error:#}");
    ExitCode::FAILURE
}
