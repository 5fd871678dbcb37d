//! Logging.

use std::io::IsTerminal as _;

use tracing_subscriber::{EnvFilter, filter::ParseError, fmt};

use super::args::{LogArgs, LogFormat};

/// The client library reports each failed request as an error. The reflector tells of them where
/// they mean something. Who reads what is told whatever else is not. Whoever wants either to be
/// otherwise names the library, or `audit`, in his filter: the last word on a target counts.
const ALWAYS: &str = "kube_client=off,audit=info";

/// Starts logging to stderr. A filter that can't be read falls back to `info` and says so.
pub(super) fn init(args: &LogArgs) {
    let (filter, complaint) = match filter(&args.log) {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new(format!("{ALWAYS},info")), Some(error)),
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

fn filter(directives: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::try_new(format!("{ALWAYS},{directives}"))
}

#[cfg(test)]
mod tests {
    use tracing::Level;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    /// Whether lines of audit and of the rest are told, by a filter.
    fn told(directives: &str) -> (bool, bool) {
        let filter = filter(directives).expect("valid");
        let subscriber = tracing_subscriber::registry().with(filter);
        tracing::subscriber::with_default(subscriber, || {
            (
                tracing::enabled!(target: "audit", Level::INFO),
                tracing::enabled!(target: "informerd", Level::INFO),
            )
        })
    }

    #[test]
    fn audit_is_told_unless_it_is_named() {
        assert_eq!(told("info"), (true, true));
        assert_eq!(told("warn"), (true, false));
        assert_eq!(told("audit=off,info"), (false, true));
    }
}
