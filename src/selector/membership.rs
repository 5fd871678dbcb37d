//! Which objects belong to a subscription.

use std::fmt;

use sha2::{Digest, Sha256};

use super::{
    FieldSelector, FilterError, LabelSelector, SelectorError,
    syntax::{check_namespace, check_object_name},
};
use crate::resource::Object;

#[cfg(test)]
mod tests;

/// Most namespaces, and most names, in a filter, as written.
pub const MAX_EXACT_ENTRIES: usize = 100;

/// A filter as a request spells it; what is empty selects everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct FilterSpec<'a> {
    /// Exact namespaces.
    pub namespaces: &'a [String],
    /// Exact object names.
    pub names: &'a [String],
    /// Label selector in Kubernetes syntax.
    pub label_selector: &'a str,
    /// Field selector in Kubernetes syntax.
    pub field_selector: &'a str,
}

/// The condition under which an object belongs to a subscription, in canonical form.
///
/// The default is everything. [`Display`](fmt::Display) writes a text that is the same for equal
/// conditions and different for different ones; it is for people and not read back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Membership {
    namespaces: Box<[Box<str>]>,
    names: Box<[Box<str>]>,
    labels: LabelSelector,
    fields: FieldSelector,
}

impl Membership {
    /// Checks a filter and brings it into canonical form.
    ///
    /// # Errors
    /// Names the first field that can't be accepted, as a path within the request.
    pub fn new(spec: FilterSpec<'_>) -> Result<Self, FilterError> {
        let labels = LabelSelector::parse(spec.label_selector)
            .map_err(|e| FilterError::of("filter.label_selector", e))?;
        let fields = FieldSelector::parse(spec.field_selector)
            .map_err(|e| FilterError::of("filter.field_selector", e))?;
        Ok(Self {
            namespaces: exact("filter.namespaces", spec.namespaces, check_namespace)?,
            names: exact("filter.names", spec.names, check_object_name)?,
            labels,
            fields,
        })
    }

    /// Whether the object belongs to the subscription.
    pub fn matches(&self, object: &Object) -> bool {
        selects(&self.namespaces, object.namespace())
            && selects(&self.names, object.name())
            && self.labels.matches(object.labels())
            && self.fields.matches(object)
    }

    /// Whether every object does.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// The namespaces, sorted, without repetitions; empty means all.
    pub fn namespaces(&self) -> &[Box<str>] {
        &self.namespaces
    }

    /// The names, sorted, without repetitions; empty means all.
    pub fn names(&self) -> &[Box<str>] {
        &self.names
    }

    /// The condition on labels.
    pub fn labels(&self) -> &LabelSelector {
        &self.labels
    }

    /// The condition on fields.
    pub fn fields(&self) -> &FieldSelector {
        &self.fields
    }

    /// A short name of the condition for resume tokens: equal for equal conditions, on every
    /// daemon and in every release.
    ///
    /// The first 8 bytes of the SHA-256 of this text, in which a count or length is a big-endian
    /// `u32` and a string is its length and its UTF-8 bytes:
    ///
    /// ```text
    /// "informerd.membership.v1"
    /// count, then each namespace as a string
    /// count, then each name as a string
    /// the label selector in canonical form as a string
    /// the field selector in canonical form as a string
    /// ```
    ///
    /// A kind of condition that comes later may only add to the end, and only where it is used.
    pub fn fingerprint(&self) -> [u8; 8] {
        let mut text = b"informerd.membership.v1".to_vec();
        for list in [&self.namespaces, &self.names] {
            put_length(&mut text, list.len());
            for entry in list {
                put_string(&mut text, entry);
            }
        }
        put_string(&mut text, &self.labels.to_string());
        put_string(&mut text, &self.fields.to_string());
        let digest = Sha256::digest(&text);
        *digest
            .first_chunk()
            .expect("a SHA-256 digest has more than 8 bytes")
    }
}

/// Checks and sorts one list of exact values.
fn exact(
    field: &str,
    entries: &[String],
    check: fn(&str) -> Result<(), SelectorError>,
) -> Result<Box<[Box<str>]>, FilterError> {
    if entries.len() > MAX_EXACT_ENTRIES {
        return Err(FilterError {
            field: field.to_owned(),
            position: None,
            message: format!(
                "has {} entries; at most {MAX_EXACT_ENTRIES} are allowed",
                entries.len()
            ),
        });
    }
    for (i, entry) in entries.iter().enumerate() {
        check(entry).map_err(|e| FilterError::of(format!("{field}[{i}]"), e))?;
    }
    let mut sorted: Vec<Box<str>> = entries.iter().map(|e| e.as_str().into()).collect();
    sorted.sort();
    sorted.dedup();
    Ok(sorted.into())
}

fn selects(set: &[Box<str>], value: &str) -> bool {
    set.is_empty() || set.binary_search_by(|entry| (**entry).cmp(value)).is_ok()
}

fn put_length(out: &mut Vec<u8>, length: usize) {
    let length = u32::try_from(length).expect("the limits of a filter are far below 4 GiB");
    out.extend(length.to_be_bytes());
}

fn put_string(out: &mut Vec<u8>, text: &str) {
    put_length(out, text.len());
    out.extend(text.as_bytes());
}

impl fmt::Display for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_everything() {
            return f.write_str("everything");
        }
        let mut parts = Vec::new();
        if !self.namespaces.is_empty() {
            parts.push(format!("namespaces: {}", self.namespaces.join(",")));
        }
        if !self.names.is_empty() {
            let names: Vec<_> = self.names.iter().map(|name| legible(name)).collect();
            parts.push(format!("names: {}", names.join(",")));
        }
        if !self.labels.is_empty() {
            parts.push(format!("labels: {}", self.labels));
        }
        // Last, because its values may hold anything.
        if !self.fields.is_empty() {
            parts.push(format!("fields: {}", printable(self.fields.to_string())));
        }
        f.write_str(&parts.join("; "))
    }
}

/// A name; in quotes if it could be taken for more than one or holds what should not be printed.
fn legible(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':' | '_' | '@');
    if name.chars().all(plain) {
        name.to_owned()
    } else {
        format!("{name:?}")
    }
}

/// A field selector; in quotes if it holds what should not be printed. Without them it never
/// begins with a quote.
fn printable(selector: String) -> String {
    if selector
        .chars()
        .any(|c| c.is_control() || c.escape_debug().len() > 2)
    {
        format!("{selector:?}")
    } else {
        selector
    }
}
