//! `informerd resources`: what can be watched here.

use std::io::{self, BufWriter, Write};

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::{CliError, ServerArgs, output, resolve, table::Table};
use crate::proto::v1::{Availability, Resource};

/// What `informerd resources --help` ends with.
pub const AFTER_HELP: &str = "\
Examples:
  informerd resources                                  the preferred versions
  informerd resources -o wide                          all versions
  informerd resources -o json | jq -r '.[] | select(.available == \"yes\") | .name'";

/// Arguments of `informerd resources`.
#[derive(Debug, Clone, Args)]
#[command(after_help = format!("{AFTER_HELP}\n\n{}", super::EXIT_CODES))]
pub struct ResourcesArgs {
    /// Form of the output
    #[arg(short, long, value_name = "FORMAT", value_enum)]
    pub output: Option<ResourcesFormat>,
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

/// How to write resources. Without it: a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ResourcesFormat {
    /// Versions that aren't preferred too
    Wide,
    /// A JSON list
    Json,
}

/// Runs `informerd resources`. Errors as [`CliError`] lists them.
pub async fn run(args: ResourcesArgs) -> Result<(), CliError> {
    let client = args.server.connect().await?;
    let resources = client.resources().await?;
    let mut out = BufWriter::new(io::stdout());
    write(&mut out, &args, &resources)?;
    Ok(out.flush()?)
}

fn write(
    out: &mut dyn Write,
    args: &ResourcesArgs,
    resources: &[Resource],
) -> Result<(), CliError> {
    if args.output == Some(ResourcesFormat::Json) {
        let rows: Vec<Row<'_>> = resources.iter().map(Row::of).collect();
        return output::write_json(out, &rows);
    }
    let wide = args.output.is_some();
    let mut columns = vec![
        ("NAME", 0),
        ("SHORTNAMES", 0),
        ("APIVERSION", 0),
        ("NAMESPACED", 0),
        ("KIND", 0),
        ("AVAILABLE", 0),
    ];
    if wide {
        columns.push(("PREFERRED", 0));
    }
    let shown = resources.iter().filter(|r| wide || r.preferred);
    let rows: Vec<Vec<String>> = shown
        .map(|resource| {
            let row = Row::of(resource);
            let mut cells = vec![
                row.name.to_owned(),
                row.short_names.join(","),
                row.api_version,
                row.namespaced.to_string(),
                row.kind.to_owned(),
                row.available.to_owned(),
            ];
            if wide {
                cells.push(row.preferred.to_string());
            }
            cells
        })
        .collect();
    let mut table = Table::new(&columns, !args.no_headers);
    Ok(table.rows(out, &rows)?)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    name: &'a str,
    short_names: &'a [String],
    api_version: String,
    namespaced: bool,
    kind: &'a str,
    preferred: bool,
    available: &'static str,
}

impl<'a> Row<'a> {
    fn of(resource: &'a Resource) -> Self {
        let gvr = resolve::gvr(resource);
        Self {
            name: &gvr.resource,
            short_names: &resource.short_names,
            api_version: match gvr.group.as_str() {
                "" => gvr.version.clone(),
                group => format!("{group}/{}", gvr.version),
            },
            namespaced: resource.namespaced,
            kind: &resource.kind,
            preferred: resource.preferred,
            available: match resource.availability() {
                Availability::Available => "yes",
                Availability::NotWatchable => "no, not watchable",
                Availability::Forbidden => "no, forbidden",
                Availability::Disabled => "no, disabled",
                Availability::ForbiddenUpstream => "no, forbidden to the daemon",
                Availability::Unspecified => "unknown",
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::proto::v1::GroupVersionResource;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        resources: ResourcesArgs,
    }

    fn written(line: &str) -> String {
        let words = std::iter::once("resources").chain(line.split_whitespace());
        let args = Cli::try_parse_from(words).expect(line).resources;
        let deployment = |version: &str, preferred| Resource {
            resource: Some(GroupVersionResource {
                group: "apps".into(),
                version: version.into(),
                resource: "deployments".into(),
            }),
            kind: "Deployment".into(),
            namespaced: true,
            short_names: vec!["deploy".into()],
            preferred,
            availability: Availability::Available.into(),
        };
        let node = Resource {
            resource: Some(GroupVersionResource {
                version: "v1".into(),
                resource: "nodes".into(),
                ..Default::default()
            }),
            kind: "Node".into(),
            preferred: true,
            availability: Availability::Disabled.into(),
            ..Default::default()
        };
        let all = [node, deployment("v1", true), deployment("v1beta1", false)];
        let mut out = Vec::new();
        write(&mut out, &args, &all).expect("memory takes all");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn a_table_shows_the_preferred_versions() {
        assert_eq!(
            written(""),
            "\
NAME          SHORTNAMES   APIVERSION   NAMESPACED   KIND         AVAILABLE
nodes                      v1           false        Node         no, disabled
deployments   deploy       apps/v1      true         Deployment   yes
"
        );
        assert!(written("-o wide --no-headers").contains("apps/v1beta1"));
    }

    #[test]
    fn json_holds_them_all() {
        let rows: serde_json::Value = serde_json::from_str(&written("-o json")).expect("json");
        assert_eq!(rows[2]["apiVersion"], "apps/v1beta1");
        assert_eq!(rows[2]["preferred"], false);
        assert_eq!(rows[0]["available"], "no, disabled");
    }
}
