//! A real control plane for test suites in other languages, which hold it by a pair of pipes.
//!
//! It tells where it is in one line of JSON, then answers commands, one JSON object per line each
//! way and in the order of the commands. [`HELP`] is its reference.

mod arguments;
mod commands;

use std::{
    io::{self, BufRead as _, Write as _},
    process::ExitCode,
    thread,
};

use serde_json::{Value, json};
use thiserror::Error;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

pub use self::arguments::HELP;
use self::{
    arguments::{Arguments, WrongUsage},
    commands::answer,
};
use crate::control_plane::{ControlPlane, ControlPlaneError, Options};

/// Exit code when the binaries of the control plane are not there, as of `hack/envtest.sh`.
const NOT_BUILT: u8 = 3;
const WRONG_USAGE: u8 = 2;

#[derive(Debug, Error)]
enum TestbedError {
    #[error(transparent)]
    Usage(#[from] WrongUsage),
    #[error(transparent)]
    ControlPlane(#[from] ControlPlaneError),
    #[error("can't start or can't write to stdout: {0}")]
    Io(#[from] io::Error),
}

/// The whole program: starts the control plane and serves it until stdin ends or SIGTERM or
/// SIGINT arrives. Nothing of it is left then, also when it was still starting.
pub fn run(arguments: impl IntoIterator<Item = String>) -> ExitCode {
    let Err(error) = try_run(arguments) else {
        return ExitCode::SUCCESS;
    };
    // Nobody is left to tell when stderr is closed.
    let _ = writeln!(io::stderr(), "error: {error}");
    match error {
        TestbedError::Usage(_) => ExitCode::from(WRONG_USAGE),
        TestbedError::ControlPlane(ControlPlaneError::Missing(_)) => ExitCode::from(NOT_BUILT),
        _ => ExitCode::FAILURE,
    }
}

fn try_run(arguments: impl IntoIterator<Item = String>) -> Result<(), TestbedError> {
    let apiserver_flags = match Arguments::parse(arguments)? {
        Arguments::Help => return Ok(io::stdout().write_all(HELP.as_bytes())?),
        Arguments::Serve { apiserver_flags } => apiserver_flags,
    };
    let options = Options {
        apiserver_flags,
        ..Options::default()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        // Both kinds of end drop the control plane, and with it its processes and files.
        tokio::select! {
            served = serve(options) => served,
            _ = terminate.recv() => Ok(()),
            _ = interrupt.recv() => Ok(()),
        }
    })
}

async fn serve(options: Options) -> Result<(), TestbedError> {
    let mut plane = ControlPlane::start(options).await?;
    say(&description(&plane))?;
    let mut commands = lines_of_stdin();
    while let Some(command) = commands.recv().await {
        say(&answer(&mut plane, &command).await)?;
    }
    Ok(())
}

/// What a client of the control plane has to know.
fn description(plane: &ControlPlane) -> Value {
    json!({
        "kubeconfig": plane.kubeconfig(),
        "url": plane.url(),
        "ca_file": plane.ca_file(),
        "apiserver_pid": plane.apiserver_pid(),
        "directory": plane.directory(),
    })
}

/// One line, sent at once although stdout is a pipe.
fn say(message: &Value) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{message}")?;
    stdout.flush()
}

/// The lines of stdin up to its end. Their thread is left behind at the end of the process: a
/// runtime would wait for its blocked read, and so would never end by a signal.
fn lines_of_stdin() -> mpsc::UnboundedReceiver<String> {
    let (sender, lines) = mpsc::unbounded_channel();
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}
