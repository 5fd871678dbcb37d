//! One object: what is looked at, and its one delivered form.

use std::{borrow::Cow, fmt, ops::Range, sync::Arc};

use bytes::Bytes;
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{DecodeError, Decoder, annotations::last_applied, text::Text};
use crate::resource::{Key, Labels, Object, ObjectParts, ResourceVersion};

/// The members of an object that are looked at.
#[derive(Default)]
struct Shell<'a> {
    api_version: Option<&'a RawValue>,
    kind: Option<&'a RawValue>,
    metadata: Option<Meta<'a>>,
    /// Whether `metadata` is there more than once.
    repeated: bool,
}

#[derive(Default)]
struct Meta<'a> {
    name: Option<Text<'a>>,
    namespace: Option<Text<'a>>,
    uid: Option<Text<'a>>,
    version: Option<&'a RawValue>,
    managed_fields: Option<&'a RawValue>,
    annotations: Option<&'a RawValue>,
    /// Whether `annotations` is there more than once.
    repeated: bool,
    labels: Labels,
}

impl Decoder {
    /// Decodes the text of one object, without whitespace around it.
    pub(super) fn object(&self, text: &str) -> Result<Arc<Object>, DecodeError> {
        let shell: Shell<'_> = serde_json::from_str(text)?;
        if shell.kind.is_some_and(|kind| kind.get() == "\"Status\"") && self.kind != "\"Status\"" {
            return Err(DecodeError::StatusObject);
        }
        let Some(meta) = shell.metadata else {
            return Err(DecodeError::NoVersion);
        };
        // Only the last of them would be cut.
        if self.cut_last_applied && (shell.repeated || meta.repeated) {
            return Err(DecodeError::Malformed { column: 0 });
        }
        let raw_version = meta.version.ok_or(DecodeError::NoVersion)?;
        let version = version(raw_version).ok_or(DecodeError::NoVersion)?;
        let name = meta.name.filter(|name| !name.0.is_empty());
        let name = name.ok_or(DecodeError::NoName)?;
        let namespace = meta.namespace.map_or(Cow::Borrowed(""), |text| text.0);

        let managed = meta.managed_fields.filter(|_| !self.keep_managed_fields);
        let annotations = meta.annotations.filter(|_| self.cut_last_applied);
        let cuts = [shell.api_version, shell.kind, managed]
            .into_iter()
            .flatten();
        let applied = annotations.map(last_applied).transpose()?;
        let cuts = cuts.chain(applied.unwrap_or_default());
        let head = self.head(shell.api_version, shell.kind);
        let (json, version_start) = render(text, &head, cuts, offset(text, raw_version) + 1);
        let version_end = version_start + raw_version.get().len() - 2;
        let fits = |at: usize| u32::try_from(at).map_err(|_| DecodeError::Malformed { column: at });
        Ok(Arc::new(Object::new(ObjectParts {
            key: Key::new(&namespace, &name.0),
            uid: meta.uid.map_or_else(Box::default, |text| text.0.into()),
            version,
            labels: meta.labels,
            json,
            version_span: fits(version_start)?..fits(version_end)?,
        })))
    }

    /// `{"apiVersion":"v1","kind":"Pod",`
    fn head(&self, api_version: Option<&RawValue>, kind: Option<&RawValue>) -> String {
        let given = |raw: Option<&RawValue>| {
            raw.map(RawValue::get)
                .filter(|text| text.starts_with('"'))
                .map(str::to_owned)
        };
        format!(
            r#"{{"apiVersion":{},"kind":{},"#,
            given(api_version).as_deref().unwrap_or(&self.api_version),
            given(kind).as_deref().unwrap_or(&self.kind),
        )
    }
}

/// The text of a version, if it is a string that isn't empty.
pub(super) fn version(raw: &RawValue) -> Option<ResourceVersion> {
    let text: Text<'_> = serde_json::from_str(raw.get()).ok()?;
    (!text.0.is_empty()).then(|| ResourceVersion::new(&text.0))
}

/// `head`, then all of `text` but the cut members; and where byte `mark` of `text` has gone.
fn render<'a>(
    text: &str,
    head: &str,
    cuts: impl Iterator<Item = &'a RawValue>,
    mark: usize,
) -> (Bytes, usize) {
    let mut members: Vec<_> = cuts.map(|value| member(text, value)).collect();
    members.sort_by_key(|member| member.start);
    let kept = keep(text.as_bytes(), &members);

    let size = head.len() + kept.iter().map(Range::len).sum::<usize>();
    let mut out = Vec::with_capacity(size);
    out.extend_from_slice(head.as_bytes());
    let mut marked = 0;
    for range in kept {
        if range.contains(&mark) {
            marked = out.len() + mark - range.start;
        }
        out.extend_from_slice(&text.as_bytes()[range]);
    }
    (Bytes::from(out), marked)
}

/// Where in `text` a value begins that was borrowed from it.
fn offset(text: &str, value: &RawValue) -> usize {
    value.get().as_ptr() as usize - text.as_ptr() as usize
}

/// The range of a member, from the quote of its key to the end of its value. None of the keys that
/// are cut holds a quote, so the second quote before the value opens the key.
fn member(text: &str, value: &RawValue) -> Range<usize> {
    let at = offset(text, value);
    let start = text[..at]
        .rmatch_indices('"')
        .nth(1)
        .map_or(at, |(start, _)| start);
    start..at + value.get().len()
}

/// What remains of the object `text` after its opening brace without the `members` (in order),
/// each cut with one of the commas beside it.
fn keep(text: &[u8], members: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut kept: Vec<Range<usize>> = Vec::with_capacity(members.len() + 1);
    let mut at = 1;
    for member in members {
        if member.start > at {
            kept.push(at..member.start);
        }
        at = skip_space(text, member.end);
        if text.get(at) == Some(&b',') {
            at = skip_space(text, at + 1);
        } else {
            drop_comma(text, &mut kept);
        }
    }
    kept.push(at..text.len());
    kept
}

fn skip_space(text: &[u8], from: usize) -> usize {
    let space = text[from..].iter().take_while(|b| b.is_ascii_whitespace());
    from + space.count()
}

/// Removes the comma that the last kept bytes end with: the member after it was the last one.
fn drop_comma(text: &[u8], kept: &mut Vec<Range<usize>>) {
    while let Some(last) = kept.last_mut() {
        let bytes = text[last.clone()].trim_ascii_end();
        let end = last.start + bytes.len();
        match bytes.last() {
            Some(b',') if end - 1 > last.start => last.end = end - 1,
            Some(b',') => {
                kept.pop();
            }
            Some(_) => {}
            None => {
                kept.pop();
                continue;
            }
        }
        return;
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum ShellField {
    ApiVersion,
    Kind,
    Metadata,
    #[serde(other)]
    Other,
}

impl<'de> Deserialize<'de> for Shell<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ShellVisitor;
        impl<'de> Visitor<'de> for ShellVisitor {
            type Value = Shell<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut shell = Shell::default();
                while let Some(field) = map.next_key()? {
                    match field {
                        ShellField::ApiVersion => shell.api_version = Some(map.next_value()?),
                        ShellField::Kind => shell.kind = Some(map.next_value()?),
                        ShellField::Metadata => {
                            shell.repeated |= shell.metadata.is_some();
                            shell.metadata = map.next_value()?;
                        }
                        ShellField::Other => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(shell)
            }
        }
        deserializer.deserialize_map(ShellVisitor)
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum MetaField {
    Name,
    Namespace,
    Uid,
    ResourceVersion,
    ManagedFields,
    Annotations,
    Labels,
    #[serde(other)]
    Other,
}

impl<'de> Deserialize<'de> for Meta<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MetaVisitor;
        impl<'de> Visitor<'de> for MetaVisitor {
            type Value = Meta<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("metadata")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut meta = Meta::default();
                while let Some(field) = map.next_key()? {
                    match field {
                        MetaField::Name => meta.name = map.next_value()?,
                        MetaField::Namespace => meta.namespace = map.next_value()?,
                        MetaField::Uid => meta.uid = map.next_value()?,
                        MetaField::ResourceVersion => meta.version = Some(map.next_value()?),
                        MetaField::ManagedFields => meta.managed_fields = Some(map.next_value()?),
                        MetaField::Annotations => {
                            meta.repeated |= meta.annotations.is_some();
                            meta.annotations = Some(map.next_value()?);
                        }
                        MetaField::Labels => {
                            let labels: Option<LabelsJson> = map.next_value()?;
                            meta.labels = labels.map_or_else(Labels::default, |json| json.0);
                        }
                        MetaField::Other => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(meta)
            }
        }
        deserializer.deserialize_map(MetaVisitor)
    }
}

struct LabelsJson(Labels);

impl<'de> Deserialize<'de> for LabelsJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LabelsVisitor;
        impl<'de> Visitor<'de> for LabelsVisitor {
            type Value = LabelsJson;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("labels")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries: Vec<(Box<str>, Box<str>)> =
                    Vec::with_capacity(map.size_hint().unwrap_or(4));
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(LabelsJson(entries.into_iter().collect()))
            }
        }
        deserializer.deserialize_map(LabelsVisitor)
    }
}
