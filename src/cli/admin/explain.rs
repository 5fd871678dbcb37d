//! `informerd admin explain`: what the daemon makes of a filter.

use std::io::Write;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::{FilterRow, name};
use crate::{
    cli::{CliError, ServerArgs, filter::FilterArgs, output, resolve, table},
    proto::v1::{ExplainFilterRequest, ExplainFilterResponse, FilterAnchor},
};

/// Arguments of `informerd admin explain`.
#[derive(Debug, Clone, Args)]
pub struct ExplainArgs {
    /// Resource: `pods`, `po`, `Pod`, `deployments.apps` or `deployments.v1.apps`
    pub resource: String,
    /// Names of objects; none means all
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    #[command(flatten)]
    pub filter: FilterArgs,
    /// Form of the output
    #[arg(short, long, value_name = "FORMAT", value_enum)]
    pub output: Option<ExplainFormat>,
    #[command(flatten)]
    pub server: ServerArgs,
}

/// How to write the answer. Without it: lines for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExplainFormat {
    /// JSON
    Json,
}

pub(super) async fn run(out: &mut dyn Write, args: ExplainArgs) -> Result<(), CliError> {
    let client = args.server.connect().await?;
    let resources = client.resources().await?;
    let resource = resolve::resolve(&args.resource, &resources).map_err(CliError::Unknown)?;
    let request = ExplainFilterRequest {
        resource: resource.resource.clone(),
        filter: Some(args.filter.filter(resource, &args.names)),
    };
    let answer = client.explain_filter(request).await?;
    write(out, args.output, &answer)
}

pub(super) fn write(
    out: &mut dyn Write,
    format: Option<ExplainFormat>,
    answer: &ExplainFilterResponse,
) -> Result<(), CliError> {
    let explained = Explained {
        resource: name(answer.resource.as_ref()),
        filter: FilterRow::of(answer.filter.as_ref()),
        found_by: found_by(answer.anchor()),
        term: &answer.anchor_term,
        fingerprint: &answer.fingerprint,
        streams: answer.subscriptions,
    };
    match format {
        Some(ExplainFormat::Json) => output::write_json(out, &explained),
        None => explained.write(out),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Explained<'a> {
    resource: String,
    filter: FilterRow<'a>,
    found_by: &'static str,
    term: &'a str,
    fingerprint: &'a str,
    streams: u64,
}

impl Explained<'_> {
    fn write(&self, out: &mut dyn Write) -> Result<(), CliError> {
        let lines = [
            ("resource", self.resource.clone()),
            ("namespaces", self.filter.namespaces()),
            ("filter", self.filter.words()),
            ("found by", self.reason()),
            ("streams", self.streams.to_string()),
            ("fingerprint", self.fingerprint.to_owned()),
        ];
        for (what, value) in lines {
            let value = table::printable(&value);
            writeln!(out, "{:<13}{value}", format!("{what}:"))?;
        }
        Ok(())
    }

    fn reason(&self) -> String {
        if self.term.is_empty() {
            return format!(
                "{}: it is looked at for each change of the resource",
                self.found_by
            );
        }
        let (kind, term) = (self.found_by, self.term);
        format!("{kind} ({term}): it is looked at only for changes of objects that have this")
    }
}

fn found_by(anchor: FilterAnchor) -> &'static str {
    match anchor {
        FilterAnchor::Names => "names",
        FilterAnchor::Label => "label",
        FilterAnchor::Field => "field",
        FilterAnchor::Namespaces => "namespaces",
        FilterAnchor::None => "nothing",
        FilterAnchor::Unspecified => "unknown",
    }
}
