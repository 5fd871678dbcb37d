//! `serve`: who may call.

use clap::Args;

/// Who may call.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Access")]
pub(in crate::runtime) struct AccessArgs {
    /// Listen on other addresses than loopback, although anyone who reaches them can read
    /// everything that this daemon may read
    #[arg(long, env = "INFORMERD_INSECURE_ALLOW_ANYONE")]
    pub(in crate::runtime) insecure_allow_anyone: bool,
}
