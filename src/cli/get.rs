//! `informerd get`: the current objects, from the daemon's cache.

use std::io::{self, BufWriter, Write};

use clap::Args;
use jiff::Timestamp;
use owo_colors::OwoColorize as _;

use super::{
    CliError, ServerArgs,
    columns::Columns,
    filter::FilterArgs,
    json,
    output::{self, Format},
    resolve,
    table::Table,
};
use crate::{
    client::{Client, List},
    proto::v1::{self, Object, Resource},
};

/// What `informerd get --help` ends with.
pub const AFTER_HELP: &str = "\
Examples:
  informerd get pods                                   pods of the namespace default
  informerd get deploy web -n shop -o yaml             one object
  informerd get pods -A --field-selector status.phase!=Running
  informerd get nodes -o jsonl | jq -r .metadata.name

The answer comes from the daemon's cache and costs the apiserver nothing.
-o json and yaml write a List, -o jsonl one object per line.";

/// Arguments of `informerd get`.
#[derive(Debug, Clone, Args)]
#[command(after_help = format!("{AFTER_HELP}\n\n{}", super::EXIT_CODES))]
pub struct GetArgs {
    /// Resource: `pods`, `po`, `Pod`, `deployments.apps` or `deployments.v1.apps`
    pub resource: String,
    /// Name of one object
    pub name: Option<String>,
    #[command(flatten)]
    #[expect(
        missing_docs,
        reason = "clap would take the text for the command's own"
    )]
    pub filter: FilterArgs,
    /// Form of the output
    #[arg(short, long, value_name = "FORMAT", value_enum)]
    pub output: Option<Format>,
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

/// Runs `informerd get`. Errors as [`CliError`] lists them.
pub async fn run(args: GetArgs) -> Result<(), CliError> {
    let client = args.server.connect().await?;
    let resources = client.resources().await?;
    let resource = resolve::resolve(&args.resource, &resources).map_err(CliError::Unknown)?;
    let list = fetch(&client, &args, resource).await?;
    if list.objects.is_empty() && matches!(args.output, None | Some(Format::Wide)) {
        anstream::eprintln!("{}", nothing(&args, resource).dimmed());
        return Ok(());
    }
    let mut out = BufWriter::new(io::stdout());
    write(&mut out, &args, resource, &list, Timestamp::now())?;
    Ok(out.flush()?)
}

async fn fetch(client: &Client, args: &GetArgs, resource: &Resource) -> Result<List, CliError> {
    let Some(name) = &args.name else {
        let request = v1::ListObjectsRequest {
            resource: resource.resource.clone(),
            filter: Some(args.filter.filter(resource, &[])),
            ..Default::default()
        };
        return Ok(client.list(request).await?);
    };
    let request = v1::GetObjectRequest {
        resource: resource.resource.clone(),
        namespace: args.filter.one_namespace(resource)?,
        name: name.clone(),
        ..Default::default()
    };
    let object = client.get(request).await?;
    Ok(List {
        objects: vec![object],
        ..Default::default()
    })
}

/// The words of kubectl where there is nothing to show.
fn nothing(args: &GetArgs, resource: &Resource) -> String {
    match &*args.filter.filter(resource, &[]).namespaces {
        [] => "no resources found".to_owned(),
        [one] => format!("no resources found in namespace {one}"),
        several => format!("no resources found in namespaces {}", several.join(", ")),
    }
}

fn write(
    out: &mut dyn Write,
    args: &GetArgs,
    resource: &Resource,
    list: &List,
    now: Timestamp,
) -> Result<(), CliError> {
    let single = args.name.is_some();
    match (args.output, list.objects.as_slice()) {
        (Some(Format::Json), [one]) if single => {
            output::write_line(out, &json::pretty(&one.object, 0))
        }
        (Some(Format::Yaml), [one]) if single => {
            Ok(out.write_all(output::yaml(&one.object)?.as_bytes())?)
        }
        (Some(Format::Json), _) => output::write_line(out, &json::pretty(&as_list(list)?, 0)),
        (Some(Format::Yaml), _) => Ok(out.write_all(output::yaml(&as_list(list)?)?.as_bytes())?),
        (Some(Format::Jsonl), objects) => objects
            .iter()
            .try_for_each(|object| output::write_line(out, &json::compact(&object.object))),
        (Some(Format::Name), objects) => {
            let kind = output::kind_name(resource);
            let mut lines = objects.iter();
            Ok(lines.try_for_each(|object| writeln!(out, "{kind}/{}", object.name))?)
        }
        (None | Some(Format::Wide), objects) => write_table(out, args, resource, objects, now),
    }
}

fn write_table(
    out: &mut dyn Write,
    args: &GetArgs,
    resource: &Resource,
    objects: &[Object],
    now: Timestamp,
) -> Result<(), CliError> {
    let columns = Columns::of(resource, args.output.is_some());
    let with_namespace = resource.namespaced && args.filter.several_namespaces();
    let mut headers = Vec::new();
    if with_namespace {
        headers.push("NAMESPACE");
    }
    headers.push("NAME");
    headers.extend(columns.headers().into_iter().map(|(header, _)| header));
    let headers: Vec<_> = headers.into_iter().map(|header| (header, 0)).collect();
    let mut table = Table::new(&headers, !args.no_headers);
    let rows = objects.iter().map(|object| {
        let mut cells = Vec::new();
        if with_namespace {
            cells.push(object.namespace.clone());
        }
        cells.push(object.name.clone());
        cells.extend(columns.cells(&object.object, now)?);
        Ok(cells)
    });
    let rows: Vec<Vec<String>> = rows.collect::<Result<_, CliError>>()?;
    Ok(table.rows(out, &rows)?)
}

/// A `List` object, as kubectl makes it out of several.
fn as_list(list: &List) -> Result<Vec<u8>, CliError> {
    let version = serde_json::to_string(&list.resource_version)
        .map_err(|error| CliError::Object(error.to_string()))?;
    let mut text =
        b"{\"apiVersion\":\"v1\",\"kind\":\"List\",\"metadata\":{\"resourceVersion\":".to_vec();
    text.extend_from_slice(version.as_bytes());
    text.extend_from_slice(b"},\"items\":[");
    for (i, object) in list.objects.iter().enumerate() {
        if i > 0 {
            text.push(b',');
        }
        text.extend_from_slice(&object.object);
    }
    text.extend_from_slice(b"]}");
    Ok(text)
}

#[cfg(test)]
#[path = "get/tests.rs"]
mod tests;
