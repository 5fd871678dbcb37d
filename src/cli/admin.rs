//! `informerd admin`: what a daemon does, for those who run it.

mod explain;
mod subscriptions;
mod upstreams;

use std::io::{self, BufWriter, Write};

use clap::{Args, Subcommand, ValueEnum};
use owo_colors::OwoColorize as _;
use serde::Serialize;

use super::{CliError, ServerArgs, output, table::Table};
use crate::proto::v1::{Filter, GroupVersionResource};

/// What `informerd admin --help` ends with.
pub const AFTER_HELP: &str = "\
Examples:
  informerd admin upstreams                            what is watched at the apiserver
  informerd admin subscriptions                        what is watched here, and by how many
  informerd admin explain pods -A -l app=web           what a filter costs

The caller needs the verb get on the non-resource path of each page:
  /informerd/admin/upstreams, /informerd/admin/subscriptions, /informerd/admin/filters";

/// Arguments of `informerd admin`.
#[derive(Debug, Clone, Args)]
#[command(after_help = format!("{AFTER_HELP}\n\n{}", super::EXIT_CODES))]
pub struct AdminArgs {
    #[command(subcommand)]
    #[expect(
        missing_docs,
        reason = "clap would take the text for the command's own"
    )]
    pub page: Page,
}

/// What to show.
#[derive(Debug, Clone, Subcommand)]
pub enum Page {
    /// List the watches at the apiserver, and what is held of each.
    Upstreams(ListArgs),
    /// List the distinct queries that streams have open.
    Subscriptions(ListArgs),
    /// Tell what the daemon makes of a filter, and by what it finds it.
    Explain(explain::ExplainArgs),
}

/// Arguments of a list.
#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    /// Form of the output
    #[arg(short, long, value_name = "FORMAT", value_enum)]
    pub output: Option<PageFormat>,
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

/// How to write a page. Without it: a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PageFormat {
    /// More columns
    Wide,
    /// JSON
    Json,
}

/// Runs `informerd admin`. Errors as [`CliError`] lists them.
pub async fn run(args: AdminArgs) -> Result<(), CliError> {
    let mut out = BufWriter::new(io::stdout());
    match args.page {
        Page::Upstreams(args) => {
            let rows = args.server.connect().await?.upstreams().await?;
            list(&mut out, &args, &upstreams::COLUMNS, &rows, upstreams::row)?;
        }
        Page::Subscriptions(args) => {
            let rows = args.server.connect().await?.subscriptions().await?;
            list(
                &mut out,
                &args,
                &subscriptions::COLUMNS,
                &rows,
                subscriptions::row,
            )?;
        }
        Page::Explain(args) => explain::run(&mut out, args).await?,
    }
    Ok(out.flush()?)
}

/// A column, and whether only the wide table has it.
type Column = (&'static str, bool);

/// An entry of a list: as JSON, and as the cells of all columns.
trait Entry: Serialize {
    fn cells(&self) -> Vec<String>;
}

fn list<'a, T, E: Entry>(
    out: &mut dyn Write,
    args: &ListArgs,
    columns: &[Column],
    entries: &'a [T],
    entry: impl Fn(&'a T) -> E,
) -> Result<(), CliError> {
    let entries: Vec<E> = entries.iter().map(entry).collect();
    if args.output == Some(PageFormat::Json) {
        return output::write_json(out, &entries);
    }
    if entries.is_empty() {
        anstream::eprintln!("{}", "nothing: no stream has asked for anything".dimmed());
        return Ok(());
    }
    let shown = |&(_, only_wide): &Column| args.output.is_some() || !only_wide;
    let headers: Vec<_> = columns
        .iter()
        .filter(|c| shown(c))
        .map(|c| (c.0, 0))
        .collect();
    let mut table = Table::new(&headers, !args.no_headers);
    let rows: Vec<Vec<String>> = entries
        .iter()
        .map(|entry| {
            let cells = entry.cells().into_iter().zip(columns);
            cells
                .filter(|(_, c)| shown(c))
                .map(|(cell, _)| cell)
                .collect()
        })
        .collect();
    Ok(table.rows(out, &rows)?)
}

/// The name as `get` and `watch` take it, for example `deployments.v1.apps`.
fn name(resource: Option<&GroupVersionResource>) -> String {
    let Some(gvr) = resource else {
        return String::new();
    };
    match &*gvr.group {
        "" => gvr.resource.clone(),
        group => format!("{}.{}.{group}", gvr.resource, gvr.version),
    }
}

/// A filter as JSON and in the words of the flags of `watch`.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct FilterRow<'a> {
    namespaces: &'a [String],
    names: &'a [String],
    label_selector: &'a str,
    field_selector: &'a str,
    event_types: Vec<&'static str>,
}

impl<'a> FilterRow<'a> {
    /// None is everything.
    fn of(filter: Option<&'a Filter>) -> Self {
        let Some(filter) = filter else {
            return Self::default();
        };
        Self {
            namespaces: &filter.namespaces,
            names: &filter.names,
            label_selector: &filter.label_selector,
            field_selector: &filter.field_selector,
            event_types: filter
                .event_types()
                .map(|event_type| event_type.as_str_name().trim_start_matches("EVENT_TYPE_"))
                .collect(),
        }
    }

    fn namespaces(&self) -> String {
        match self.namespaces {
            [] => "*".to_owned(),
            some => some.join(","),
        }
    }

    /// All but the namespaces; `*` for everything.
    fn words(&self) -> String {
        let types = self.event_types.join(",");
        let parts = [
            ("", self.names.join(",")),
            ("-l ", self.label_selector.to_owned()),
            ("--field-selector ", self.field_selector.to_owned()),
            ("--event-types ", types.to_lowercase()),
        ];
        let said: Vec<String> = parts
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(flag, value)| format!("{flag}{value}"))
            .collect();
        if said.is_empty() {
            "*".to_owned()
        } else {
            said.join(" ")
        }
    }
}

/// A size in the units that the flags of the daemon take.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["Ki", "Mi", "Gi", "Ti"];
    if bytes < 1_024 {
        return bytes.to_string();
    }
    let mut value = bytes as f64 / 1_024.0;
    let mut units = UNITS.iter();
    let mut unit = units.next();
    while value >= 1_024.0
        && let Some(larger) = units.next()
    {
        value /= 1_024.0;
        unit = Some(larger);
    }
    format!("{value:.1}{}", unit.copied().unwrap_or_default())
}

#[cfg(test)]
#[path = "admin/tests.rs"]
mod tests;
