//! The forms in which objects and events are written.

use std::io::{self, Write};

use clap::ValueEnum;
use jiff::Timestamp;
use owo_colors::Style;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{CliError, columns::Columns, json, resolve, table::Table};
use crate::proto::v1::{self, Resource};

/// How to write what came. Without it: a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table with more columns
    Wide,
    /// Each object as indented JSON
    Json,
    /// Each object as a YAML document
    Yaml,
    /// One line of JSON each
    Jsonl,
    /// Kind and name only
    Name,
}

/// Writes events, each at once.
#[derive(Debug)]
pub(crate) enum EventPrinter {
    Table {
        table: Table,
        columns: Columns,
        namespaced: bool,
    },
    Json,
    Yaml,
    Jsonl,
    Name(String),
}

impl EventPrinter {
    pub(crate) fn new(format: Option<Format>, resource: &Resource, headers: bool) -> Self {
        match format {
            Some(Format::Json) => Self::Json,
            Some(Format::Yaml) => Self::Yaml,
            Some(Format::Jsonl) => Self::Jsonl,
            Some(Format::Name) => Self::Name(kind_name(resource)),
            None | Some(Format::Wide) => {
                let columns = Columns::of(resource, format.is_some());
                let mut all = vec![("EVENT", "MODIFIED/resync".len())];
                if resource.namespaced {
                    all.push(("NAMESPACE", 0));
                }
                all.push(("NAME", 24));
                all.extend(columns.headers());
                Self::Table {
                    table: Table::new(&all, headers),
                    columns,
                    namespaced: resource.namespaced,
                }
            }
        }
    }

    /// Writes one event.
    pub(crate) fn event(
        &mut self,
        out: &mut dyn Write,
        event: &v1::Event,
        now: Timestamp,
    ) -> Result<(), CliError> {
        match self {
            Self::Table {
                table,
                columns,
                namespaced,
            } => {
                let mut cells = vec![event_word(event)];
                if *namespaced {
                    cells.push(event.namespace.clone());
                }
                cells.push(event.name.clone());
                cells.extend(columns.cells(&event.object, now)?);
                table.row(out, &cells, event_style(event))?;
            }
            Self::Json => write_line(out, &json::pretty(&event.object, 0))?,
            Self::Yaml => yaml_document(out, &event.object)?,
            Self::Jsonl => event_line(out, event)?,
            Self::Name(kind) => writeln!(out, "{kind}/{}", event.name)?,
        }
        Ok(())
    }
}

/// `pod` or `deployment.apps`, which kubectl takes again with `/NAME` behind.
pub(crate) fn kind_name(resource: &Resource) -> String {
    let kind = resource.kind.to_lowercase();
    match resolve::gvr(resource).group.as_str() {
        "" => kind,
        group => format!("{kind}.{group}"),
    }
}

/// Writes a YAML document with its leading marker. Keys come in the order of the alphabet.
pub(crate) fn yaml_document(out: &mut dyn Write, object: &[u8]) -> Result<(), CliError> {
    out.write_all(b"---\n")?;
    out.write_all(yaml(object)?.as_bytes())?;
    Ok(())
}

/// An object as YAML.
pub(crate) fn yaml(object: &[u8]) -> Result<String, CliError> {
    let no_json = |error: String| CliError::Object(error);
    let value: serde_json::Value =
        serde_json::from_slice(object).map_err(|e| no_json(e.to_string()))?;
    serde_saphyr::to_string(&value).map_err(|e| no_json(e.to_string()))
}

/// Writes a value as indented JSON.
pub(crate) fn write_json(out: &mut dyn Write, value: &impl Serialize) -> Result<(), CliError> {
    let text = serde_json::to_vec_pretty(value).map_err(io::Error::from)?;
    write_line(out, &text)
}

/// Writes bytes and ends the line.
pub(crate) fn write_line(out: &mut dyn Write, bytes: &[u8]) -> Result<(), CliError> {
    out.write_all(bytes)?;
    out.write_all(b"\n")?;
    Ok(())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventLine<'a> {
    r#type: &'a str,
    cause: &'a str,
    namespace: &'a str,
    name: &'a str,
    uid: &'a str,
    resource_version: &'a str,
    /// `null` where the stream can't be continued.
    token: Option<&'a str>,
    object: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    old_object: Option<Box<RawValue>>,
}

fn event_line(out: &mut dyn Write, event: &v1::Event) -> Result<(), CliError> {
    let line = EventLine {
        r#type: type_word(event.r#type()),
        cause: cause_word(event.cause()),
        namespace: &event.namespace,
        name: &event.name,
        uid: &event.uid,
        resource_version: &event.resource_version,
        token: Some(&*event.resume_token).filter(|token| !token.is_empty()),
        object: raw(&event.object)?,
        old_object: raw(&event.old_object)?,
    };
    let line = serde_json::to_vec(&line).map_err(|e| CliError::Object(e.to_string()))?;
    write_line(out, &line)
}

fn raw(object: &[u8]) -> Result<Option<Box<RawValue>>, CliError> {
    if object.is_empty() {
        return Ok(None);
    }
    let no_json = |error: String| CliError::Object(error);
    let text = String::from_utf8(json::compact(object)).map_err(|e| no_json(e.to_string()))?;
    let raw = RawValue::from_string(text).map_err(|e| no_json(e.to_string()))?;
    Ok(Some(raw))
}

fn type_word(kind: v1::EventType) -> &'static str {
    let name = kind.as_str_name();
    name.strip_prefix("EVENT_TYPE_").unwrap_or(name)
}

fn cause_word(cause: v1::EventCause) -> &'static str {
    let name = cause.as_str_name();
    name.strip_prefix("EVENT_CAUSE_").unwrap_or(name)
}

/// The type, with the cause where it isn't the usual one.
fn event_word(event: &v1::Event) -> String {
    let word = type_word(event.r#type());
    match event.cause() {
        v1::EventCause::Change | v1::EventCause::Unspecified => word.to_owned(),
        cause => format!("{word}/{}", cause_word(cause).to_lowercase()),
    }
}

fn event_style(event: &v1::Event) -> Style {
    match event.r#type() {
        v1::EventType::Added => Style::new().green(),
        v1::EventType::Modified => Style::new().yellow(),
        v1::EventType::Deleted => Style::new().red(),
        v1::EventType::Unspecified => Style::new(),
    }
}

#[cfg(test)]
#[path = "output/tests.rs"]
mod tests;
