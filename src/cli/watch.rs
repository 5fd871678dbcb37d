//! `informerd watch`: the changes of a resource on a terminal or in a pipe.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};
use jiff::SignedDuration;

use super::{
    CliError, ServerArgs,
    filter::FilterArgs,
    output::{EventPrinter, Format},
    resolve,
    session::Session,
    state::State,
};
use crate::{
    client::WatchBuilder,
    proto::v1::{self, Resource},
};

/// What `informerd watch --help` ends with.
pub const AFTER_HELP: &str = "\
Examples:
  informerd watch pods                                 pods of the namespace default
  informerd watch deploy -A -l 'app in (web,api)'      a selector, all namespaces
  informerd watch pods -A --field-selector spec.nodeName=node-1
  informerd watch certificates.cert-manager.io -o wide
  informerd watch pods -o jsonl --from now | jq -r '.type + \" \" + .name'
  informerd watch pods --state pods.token              the next run goes on where this one ended

Events go to stdout, remarks (snapshot complete, reconnects) to stderr.
-o json and yaml write the object alone; -o jsonl adds type, cause, position and token.";

/// Arguments of `informerd watch`.
#[derive(Debug, Clone, Args)]
#[command(after_help = format!("{AFTER_HELP}\n\n{}", super::EXIT_CODES))]
pub struct WatchArgs {
    /// Resource: `pods`, `po`, `Pod`, `deployments.apps` or `deployments.v1.apps`
    pub resource: String,
    /// Names of objects; none means all
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    #[command(flatten)]
    #[expect(
        missing_docs,
        reason = "clap would take the text for the command's own"
    )]
    pub filter: FilterArgs,
    /// Only events of these types
    #[arg(long, value_name = "TYPES", value_enum, value_delimiter = ',')]
    pub event_types: Vec<EventTypeArg>,
    /// Form of the output
    #[arg(short, long, value_name = "FORMAT", value_enum)]
    pub output: Option<Format>,
    /// Where to start: `snapshot`, `now` or after a resourceVersion
    #[arg(long, value_name = "POSITION", default_value = "snapshot", value_parser = start)]
    pub from: StartArg,
    /// File that keeps the position from one run to the next; goes before --from
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,
    /// End after this long, for example `30s` or `1h30m`
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub timeout: Option<Duration>,
    /// Deliver the previous state of modified objects too (with -o jsonl)
    #[arg(long)]
    pub include_old: bool,
    /// Leave the headers of the table out
    #[arg(long)]
    pub no_headers: bool,
    #[command(flatten)]
    #[expect(
        missing_docs,
        reason = "clap would take the text for the command's own"
    )]
    pub server: ServerArgs,
}

/// A type of events on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EventTypeArg {
    /// Objects that are new to the watch
    Added,
    /// Objects that changed
    Modified,
    /// Objects that went away or no longer match
    Deleted,
}

/// Where a watch starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartArg {
    /// The current objects first.
    Snapshot,
    /// Changes only.
    Now,
    /// Changes after a resourceVersion.
    ResourceVersion(String),
}

fn start(word: &str) -> Result<StartArg, String> {
    match word {
        "snapshot" => Ok(StartArg::Snapshot),
        "now" => Ok(StartArg::Now),
        version if !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit()) => {
            Ok(StartArg::ResourceVersion(version.to_owned()))
        }
        _ => Err("write `snapshot`, `now` or a resourceVersion".to_owned()),
    }
}

fn duration(word: &str) -> Result<Duration, String> {
    let duration: Option<SignedDuration> = word.parse().ok();
    duration
        .and_then(|duration| Duration::try_from(duration).ok())
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| "write a time such as `30s` or `1h30m`".to_owned())
}

/// Runs `informerd watch` to its end.
///
/// Errors as [`CliError`] lists them; a reader that leaves ends the command with
/// `CliError::Output`, whose exit code is 0.
pub async fn run(args: WatchArgs) -> Result<(), CliError> {
    if args.include_old && args.output != Some(Format::Jsonl) {
        return Err(CliError::Usage(
            "--include-old shows only in `-o jsonl`; add it or leave --include-old out".into(),
        ));
    }
    let state = args.state.as_deref().map(|path| {
        State::open(path).map_err(|error| CliError::State {
            path: path.display().to_string(),
            error,
        })
    });
    let state = state.transpose()?;
    let client = args.server.connect().await?;
    let resources = client.resources().await?;
    let resource = resolve::resolve(&args.resource, &resources).map_err(CliError::Unknown)?;
    let token = state.as_ref().and_then(State::token);
    let watch = client.steps(builder(&args, resource, token));
    let printer = EventPrinter::new(args.output, resource, !args.no_headers);
    let coloured = matches!(args.output, None | Some(Format::Wide));
    Session::on_terminal(printer, state, coloured)
        .run(watch)
        .await
}

fn builder(args: &WatchArgs, resource: &Resource, token: Option<&str>) -> WatchBuilder {
    let mut filter = args.filter.filter(resource, &args.names);
    filter.event_types = args
        .event_types
        .iter()
        .map(|kind| match kind {
            EventTypeArg::Added => v1::EventType::Added.into(),
            EventTypeArg::Modified => v1::EventType::Modified.into(),
            EventTypeArg::Deleted => v1::EventType::Deleted.into(),
        })
        .collect();
    let mut builder = WatchBuilder::from(v1::WatchRequest {
        resource: resource.resource.clone(),
        filter: Some(filter),
        ..Default::default()
    });
    builder = match (token, &args.from) {
        (Some(token), _) => builder.from_token(token),
        (None, StartArg::Snapshot) => builder,
        (None, StartArg::Now) => builder.from_now(),
        (None, StartArg::ResourceVersion(version)) => builder.from_resource_version(version),
    };
    if args.include_old {
        builder = builder.include_old_object();
    }
    if let Some(timeout) = args.timeout {
        builder = builder.timeout(timeout);
    }
    // Who starts a command wants to see at once that it can't work.
    builder.fail_fast()
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use v1::watch_request::Start;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        watch: WatchArgs,
    }

    fn parse(line: &str) -> Result<WatchArgs, clap::Error> {
        let words = std::iter::once("watch").chain(line.split_whitespace());
        Cli::try_parse_from(words).map(|cli| cli.watch)
    }

    fn request(line: &str, token: Option<&str>) -> v1::WatchRequest {
        let resource = Resource {
            namespaced: true,
            ..Default::default()
        };
        builder(&parse(line).expect(line), &resource, token).request
    }

    #[test]
    fn arguments_become_a_request() {
        let request = request(
            "pods a b -n x,y -n z -l app=web --field-selector spec.nodeName=n \
             --event-types added,deleted --from 17 --timeout 1m30s --include-old -o jsonl",
            None,
        );
        let filter = request.filter.expect("a filter");
        assert_eq!(filter.names, ["a", "b"]);
        assert_eq!(filter.namespaces, ["x", "y", "z"]);
        assert_eq!(filter.label_selector, "app=web");
        assert_eq!(filter.field_selector, "spec.nodeName=n");
        assert_eq!(filter.event_types, [1, 3]);
        assert_eq!(request.start, Some(Start::ResourceVersion("17".into())));
        assert_eq!(request.timeout.map(|t| t.seconds), Some(90));
        assert!(request.payload.is_some_and(|p| p.include_old_object));
    }

    #[test]
    fn a_kept_token_goes_before_the_start() {
        assert_eq!(request("pods", None).start, None);
        let now = request("pods --from now", None).start;
        assert_eq!(now, Some(Start::Now(v1::NowStart {})));
        let kept = request("pods --from now", Some("t")).start;
        assert_eq!(kept, Some(Start::ResumeToken("t".into())));
    }

    #[test]
    fn refuses_what_does_not_fit() {
        for line in [
            "",
            "pods -n a -A",
            "pods --from yesterday",
            "pods --timeout 5",
            "pods --timeout -5s",
            "pods --timeout 0s",
            "pods --event-types gone",
            "pods -o xml",
        ] {
            let error = parse(line).expect_err(line);
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }
}
