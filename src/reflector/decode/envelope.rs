//! Lines of a watch and pages of a list.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{DecodeError, Decoder, Page, object::version, status, text::Text};
use crate::resource::UpstreamEvent;

/// KEP-3157: set on the bookmark that ends the initial events; only the value `"true"` counts
/// (client-go tools/cache/reflector_watchlist_test.go).
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(rename = "type", borrow)]
    kind: Text<'a>,
    #[serde(borrow)]
    object: &'a RawValue,
}

#[derive(Deserialize)]
struct ListBody<'a> {
    #[serde(borrow)]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    metadata: Option<ListMeta<'a>>,
    #[serde(borrow)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListMeta<'a> {
    #[serde(borrow)]
    resource_version: Option<&'a RawValue>,
    #[serde(rename = "continue")]
    continue_token: Option<String>,
}

#[derive(Deserialize)]
struct BookmarkBody<'a> {
    #[serde(borrow)]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    metadata: Option<BookmarkMeta<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BookmarkMeta<'a> {
    #[serde(borrow)]
    resource_version: Option<&'a RawValue>,
    #[serde(borrow)]
    annotations: Option<HashMap<String, &'a RawValue>>,
}

impl Decoder {
    /// Decodes one line of a watch.
    pub fn line(&self, line: &[u8]) -> Result<UpstreamEvent, DecodeError> {
        let text = utf8(line)?;
        if let Some((kind, object)) = compact(text) {
            match self.event(kind, object) {
                // The guess about the shape may have been wrong; the slow path has the last word.
                Err(DecodeError::Malformed { column: _ }) => {}
                decided => return decided,
            }
        }
        let line: Line<'_> = serde_json::from_str(text)?;
        self.event(&line.kind.0, line.object.get())
    }

    /// Decodes the body of one page of a list.
    pub fn page(&self, body: &[u8]) -> Result<Page, DecodeError> {
        let body: ListBody<'_> = serde_json::from_str(utf8(body)?)?;
        if body.kind.is_some_and(|kind| kind.0 == "Status") {
            return Err(DecodeError::StatusObject);
        }
        let meta = body.metadata.ok_or(DecodeError::NoVersion)?;
        let version = meta.resource_version.and_then(version);
        let items = body.items.unwrap_or_default();
        Ok(Page {
            version: version.ok_or(DecodeError::NoVersion)?,
            objects: items
                .into_iter()
                .map(|item| self.object(item.get()))
                .collect::<Result<_, _>>()?,
            continue_token: meta.continue_token.filter(|token| !token.is_empty()),
        })
    }

    fn event(&self, kind: &str, object: &str) -> Result<UpstreamEvent, DecodeError> {
        match kind {
            "ADDED" => self.object(object).map(UpstreamEvent::Added),
            "MODIFIED" => self.object(object).map(UpstreamEvent::Modified),
            "DELETED" => self.object(object).map(UpstreamEvent::Deleted),
            "BOOKMARK" => bookmark(object),
            "ERROR" => Ok(UpstreamEvent::Error(status::in_stream(object)?)),
            _ => Err(DecodeError::UnknownType),
        }
    }
}

/// Takes apart `{"type":"ADDED","object":{…}}` as the apiserver writes it.
fn compact(text: &str) -> Option<(&str, &str)> {
    let rest = text.strip_prefix(r#"{"type":""#)?;
    let (kind, rest) = rest.split_once('"')?;
    let object = rest
        .strip_prefix(r#","object":"#)?
        .trim_ascii_end()
        .strip_suffix('}')?
        .trim_ascii_end();
    (object.starts_with('{') && !kind.contains('\\')).then_some((kind, object))
}

/// A bookmark is no object: all but two fields are zero values of its type, or worse.
fn bookmark(object: &str) -> Result<UpstreamEvent, DecodeError> {
    let body: BookmarkBody<'_> = serde_json::from_str(object)?;
    if body.kind.is_some_and(|kind| kind.get() == "\"Status\"") {
        return Err(DecodeError::StatusObject);
    }
    let meta = body.metadata.ok_or(DecodeError::NoVersion)?;
    let version = meta.resource_version.and_then(version);
    let ends = meta
        .annotations
        .and_then(|all| all.get(INITIAL_EVENTS_END).map(|v| v.get() == "\"true\""));
    Ok(UpstreamEvent::Bookmark {
        version: version.ok_or(DecodeError::NoVersion)?,
        initial_events_end: ends.unwrap_or(false),
    })
}

fn utf8(bytes: &[u8]) -> Result<&str, DecodeError> {
    std::str::from_utf8(bytes).map_err(|error| DecodeError::Malformed {
        column: error.valid_up_to(),
    })
}
