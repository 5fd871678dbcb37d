//! Paths of fields within an object.

use std::{borrow::Cow, fmt, str::FromStr};

use super::{SelectorError, error::echo};
use crate::resource::Object;

mod lookup;
#[cfg(test)]
mod tests;

/// Most segments in a path. Keeps the walk, which recurses once per segment, shallow.
pub const MAX_SEGMENTS: usize = 64;

/// A path to a field of any resource.
///
/// ```text
/// path    = ( NAME | "[" KEY "]" | "[" INDEX "]" ) { "." NAME | "[" KEY "]" | "[" INDEX "]" }
/// NAME    = letters, digits, '_', '-' and '$'
/// KEY     = any text in single or double quotes; in it `\` escapes `\` and both quotes
/// INDEX   = decimal place in an array, counted from zero
/// ```
///
/// Equal paths are equal values however they were spelled: `['spec'].nodeName` is
/// `spec.nodeName`, and [`Display`](fmt::Display) writes the shorter form.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldPath {
    segments: Box<[Segment]>,
}

/// One step of a [`FieldPath`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    /// The member of an object.
    Key(Box<str>),
    /// The element of an array.
    Index(u32),
}

impl FieldPath {
    /// Reads a path that is the whole of `text`.
    ///
    /// # Errors
    /// Says what was expected and where.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let (path, end) = Self::parse_prefix(text, 0)?;
        match text[end..].chars().next() {
            None => Ok(path),
            Some(_) => {
                let message = format!(
                    "found {} in a field path; put keys with such characters into ['...']",
                    echo(&text[end..])
                );
                Err(SelectorError::new(end, message))
            }
        }
    }

    /// Reads the longest path that begins at `start`, and tells where it ends.
    pub(super) fn parse_prefix(text: &str, start: usize) -> Result<(Self, usize), SelectorError> {
        let mut segments = Vec::new();
        let mut at = start;
        loop {
            let rest = &text[at..];
            let (segment, length) = if rest.starts_with('[') {
                bracket(rest).map_err(|e| e.shifted(at))?
            } else if segments.is_empty() {
                name(rest).map_err(|e| e.shifted(at))?
            } else if let Some(rest) = rest.strip_prefix('.') {
                let (segment, length) = name(rest).map_err(|e| e.shifted(at + 1))?;
                (segment, length + 1)
            } else {
                let segments = segments.into();
                return Ok((Self { segments }, at));
            };
            if segments.len() == MAX_SEGMENTS {
                let message = format!("field path has more than {MAX_SEGMENTS} segments");
                return Err(SelectorError::new(at, message));
            }
            segments.push(segment);
            at += length;
        }
    }

    /// The steps of the path; at least one.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The text of the field in a JSON document: strings as they are, numbers and booleans as
    /// they are spelled. `None` for null, objects, arrays, what is not there and what can't be
    /// read. Of equal keys the last one stands.
    ///
    /// Costs one pass over `json`, without memory unless a string holds escapes.
    pub fn lookup<'a>(&self, json: &'a [u8]) -> Option<Cow<'a, str>> {
        lookup::lookup(&self.segments, json)
    }

    /// The value that selectors compare: what [`lookup`](Self::lookup) finds in the object, or
    /// the empty string (as `Fields.Get` in k8s.io/apimachinery pkg/fields).
    ///
    /// `metadata.name` and `metadata.namespace` come from the key of the object.
    pub fn value<'a>(&self, object: &'a Object) -> Cow<'a, str> {
        if let [Segment::Key(first), Segment::Key(second)] = &*self.segments
            && **first == *"metadata"
        {
            match &**second {
                "name" => return Cow::Borrowed(object.name()),
                "namespace" => return Cow::Borrowed(object.namespace()),
                _ => {}
            }
        }
        self.lookup(object.json()).unwrap_or_default()
    }
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '$')
}

/// A bare name and its length.
fn name(rest: &str) -> Result<(Segment, usize), SelectorError> {
    let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
    if end > 0 {
        return Ok((Segment::Key(rest[..end].into()), end));
    }
    let found = match rest.chars().next() {
        None => "the end".to_owned(),
        Some(c) => echo(c.encode_utf8(&mut [0; 4])),
    };
    let message = format!("found {found}; expected the name of a field");
    Err(SelectorError::new(0, message))
}

/// `[0]`, `['key']` or `["key"]`, and its length.
fn bracket(rest: &str) -> Result<(Segment, usize), SelectorError> {
    let inner = &rest[1..];
    let (segment, length) = match inner.chars().next() {
        Some(quote @ ('\'' | '"')) => quoted(inner, quote)?,
        Some('0'..='9') => {
            let end = inner
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(inner.len());
            let index = inner[..end].parse().map_err(|_| {
                let message = format!("array index {} is too large", echo(&inner[..end]));
                SelectorError::new(1, message)
            })?;
            (Segment::Index(index), end)
        }
        _ => {
            let message = "expected a quoted key or an array index after '['";
            return Err(SelectorError::new(1, message));
        }
    };
    let end = 1 + length;
    if rest[end..].starts_with(']') {
        return Ok((segment, end + 1));
    }
    Err(SelectorError::new(end, "expected ']'"))
}

/// A key in quotes, and its length with them. `inner` begins with the quote.
fn quoted(inner: &str, quote: char) -> Result<(Segment, usize), SelectorError> {
    let mut key = String::new();
    let mut chars = inner.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some((_, escaped @ ('\\' | '\'' | '"'))) => key.push(escaped),
                _ => {
                    let message = r#"in a quoted key '\' may stand before '\', ''' and '"' only"#;
                    return Err(SelectorError::new(1 + at, message));
                }
            },
            c if c == quote => return Ok((Segment::Key(key.into()), at + 1)),
            c => key.push(c),
        }
    }
    let message = format!("expected the closing {quote}");
    Err(SelectorError::new(1 + inner.len(), message))
}

impl FromStr for FieldPath {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        Self::parse(text)
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, segment) in self.segments.iter().enumerate() {
            match segment {
                Segment::Key(key) if !key.is_empty() && key.chars().all(is_name) => {
                    let dot = if i > 0 { "." } else { "" };
                    write!(f, "{dot}{key}")?;
                }
                Segment::Key(key) => {
                    let key = key.replace('\\', r"\\").replace('\'', r"\'");
                    write!(f, "['{key}']")?;
                }
                Segment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}
