//! The commands that talk to a daemon: `watch`, `get`, `resources` and `admin`.
//!
//! Each command is an `Args` struct for clap and a `run` function; the binary embeds them.

pub mod admin;
mod age;
mod bearer;
mod columns;
mod filter;
pub mod get;
mod json;
mod notice;
mod output;
mod pod;
mod resolve;
pub mod resources;
mod session;
mod state;
mod table;
mod tls;
pub mod watch;

#[cfg(feature = "demo")]
pub(crate) use self::{
    output::{EventPrinter, Format},
    table::{Table, printable},
};

use std::{io, process::ExitCode};

use clap::Args;

pub use self::{bearer::BearerArgs, tls::TlsArgs};
use crate::client::{CallError, Client, ConnectError};

/// What `--help` says about exit codes.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  done: ended by --timeout, by Ctrl-C or because the reader of the output left
  1  the server said no
  2  the command line is wrong
  3  the server is unreachable or unavailable";

/// Where the daemon is.
#[derive(Debug, Clone, Args)]
pub struct ServerArgs {
    /// Address of the daemon: http://host:port, https://host:port or unix:/path
    #[arg(
        long,
        value_name = "ADDR",
        env = "INFORMERD_SERVER",
        default_value = "http://127.0.0.1:7300"
    )]
    pub server: String,

    /// Whom to trust, and who asks.
    #[command(flatten)]
    pub tls: TlsArgs,

    /// The token to show.
    #[command(flatten)]
    pub bearer: BearerArgs,
}

impl ServerArgs {
    async fn connect(&self) -> Result<Client, CliError> {
        let builder = self.tls.apply(Client::builder(&self.server));
        Ok(self.bearer.apply(builder)?.connect().await?)
    }
}

/// A command that did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The address is none.
    #[error("{0}")]
    Address(ConnectError),
    /// There is no trust between the two sides.
    #[error("{0}")]
    Trust(ConnectError),
    /// Nothing answers at the address.
    #[error("{0}; start it with `informerd serve` or set --server")]
    Unreachable(ConnectError),
    /// The daemon refused or failed.
    #[error("{0}")]
    Call(#[from] CallError),
    /// The words on the command line don't fit together.
    #[error("{0}")]
    Usage(String),
    /// The daemon doesn't know what was asked for.
    #[error("{0}")]
    Unknown(String),
    /// The token in the state file is of no use here.
    #[error(
        "{error}; the state file {path} is of another cluster, resource or filter: delete it to \
         start anew"
    )]
    ForeignState {
        /// The file.
        path: String,
        /// What the daemon said.
        error: CallError,
    },
    /// The state file can't be read or written.
    #[error("cannot use the state file {path}: {error}")]
    State {
        /// The file.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// The output can't be written.
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
    /// An object isn't what Kubernetes objects are.
    #[error("the server sent an object that is no JSON: {0}")]
    Object(String),
}

impl From<ConnectError> for CliError {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Address { .. }
            | ConnectError::Plaintext { .. }
            | ConnectError::Exposed { .. } => Self::Address(error),
            ConnectError::Tls { .. } | ConnectError::Bearer(_) => Self::Trust(error),
            ConnectError::Unreachable { .. } => Self::Unreachable(error),
        }
    }
}

impl CliError {
    /// The exit code of the process, as [`EXIT_CODES`] lists them.
    pub fn code(&self) -> u8 {
        match self {
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            Self::Usage(_) | Self::Address(_) => 2,
            Self::Unreachable(_) => 3,
            Self::Call(error) if error.is_unavailable() => 3,
            _ => 1,
        }
    }
}

/// Ends a command: says on stderr what went wrong, if anything did, and gives the exit code.
pub fn finish(result: Result<(), CliError>) -> ExitCode {
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    let code = error.code();
    if code != 0 {
        anstream::eprintln!("error: {}", table::printable(&error.to_string()));
    }
    ExitCode::from(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_its_exit_code() {
        let unreachable = ConnectError::Unreachable {
            address: "http://127.0.0.1:7300".into(),
            cause: "connection refused".into(),
        };
        let unreachable = CliError::from(unreachable);
        assert_eq!(
            unreachable.to_string(),
            "cannot reach informerd at http://127.0.0.1:7300: connection refused; \
             start it with `informerd serve` or set --server"
        );
        let refused = CallError {
            code: tonic::Code::PermissionDenied,
            ..CallError::unavailable("not yours")
        };
        let table = [
            (CliError::Output(io::ErrorKind::BrokenPipe.into()), 0),
            (CliError::Output(io::ErrorKind::StorageFull.into()), 1),
            (CliError::Call(refused), 1),
            (CliError::Unknown("no such resource".into()), 1),
            (CliError::Usage("too many names".into()), 2),
            (unreachable, 3),
            (CliError::Call(CallError::unavailable("not synced")), 3),
        ];
        for (error, code) in table {
            assert_eq!(error.code(), code, "{error}");
        }
    }
}
