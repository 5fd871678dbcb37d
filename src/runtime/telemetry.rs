//! Logging.

use std::io::IsTerminal as _;

use tracing_subscriber::{EnvFilter, fmt};

use super::args::{LogArgs, LogFormat};

/// The client library reports each failed request as an error. The reflector tells of them where
/// they mean something; whoever wants them all names the library in his filter.
const QUIET: &str = "kube_client=off";

/// Starts logging to stderr. A filter that can't be read falls back to `info` and says so.
pub(super) fn init(args: &LogArgs) {
    let (filter, complaint) = match EnvFilter::try_new(format!("{QUIET},{}", args.log)) {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new(format!("{QUIET},info")), Some(error)),
    };
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match args.log_format {
        LogFormat::Text => builder.with_ansi(colours).with_target(false).init(),
        LogFormat::Json => builder.json().init(),
    }
    if let Some(error) = complaint {
        tracing::warn!(%error, "the log filter can't be read, logging at info");
    }
}
