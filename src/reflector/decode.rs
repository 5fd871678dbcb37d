//! Bytes of an apiserver → events, pages and statuses. Pure.
//!
//! Only what decides is parsed: the type of the event and a handful of metadata. The rest of an
//! object is skipped iteratively (no depth limits) and kept as bytes.

mod annotations;
mod envelope;
mod object;
mod status;
mod text;

use std::sync::Arc;

use crate::resource::{Object, ResourceInfo, ResourceVersion};

pub use status::status;

/// Decodes lines and pages of one resource.
#[derive(Debug, Clone)]
pub struct Decoder {
    /// `"v1"`, quoted as in JSON; stands in where an object has none (items of a LIST).
    api_version: String,
    /// `"Pod"`, quoted as in JSON.
    kind: String,
    keep_managed_fields: bool,
    /// Cut out what annotations repeat of the object.
    cut_last_applied: bool,
}

/// One page of a LIST.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The objects in the order of the server.
    pub objects: Vec<Arc<Object>>,
    /// The version of the list; the same on all of its pages.
    pub version: ResourceVersion,
    /// Where the next page starts; `None` on the last one.
    pub continue_token: Option<String>,
}

/// Why bytes are not what a watch or a list may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON of the right shape. Says where, never what: messages hold no object data.
    #[error("the apiserver's json can't be read (column {column})")]
    Malformed {
        /// Byte column in the line; 0 if unknown.
        column: usize,
    },
    /// An event of a type that this protocol doesn't have.
    #[error("the apiserver sent an event of an unknown type")]
    UnknownType,
    /// A `Status` where an object belongs.
    #[error("the apiserver sent a status in place of an object")]
    StatusObject,
    /// `metadata` or `metadata.resourceVersion` is missing or not a string.
    #[error("the apiserver sent an object without a resourceVersion")]
    NoVersion,
    /// `metadata.name` is missing.
    #[error("the apiserver sent an object without a name")]
    NoName,
    /// The line is longer than the limit.
    #[error("the apiserver sent a line of more than {limit} bytes")]
    TooLong {
        /// The limit.
        limit: usize,
    },
}

impl DecodeError {
    /// Whether watching again from the same position can't help: what was read is well-formed and
    /// yet unusable. The resource must be listed anew.
    pub fn is_desync(self) -> bool {
        matches!(
            self,
            Self::NoVersion | Self::NoName | Self::TooLong { limit: _ }
        )
    }
}

impl From<serde_json::Error> for DecodeError {
    fn from(error: serde_json::Error) -> Self {
        Self::Malformed {
            column: error.column(),
        }
    }
}

impl Decoder {
    /// A decoder for objects of `info`. `keep_managed_fields`: don't cut out
    /// `metadata.managedFields`. Of secrets the annotation that holds them as they were applied is
    /// cut out in any case.
    pub fn new(info: &ResourceInfo, keep_managed_fields: bool) -> Self {
        Self {
            api_version: quote(&info.gvr.api_version()),
            kind: quote(&info.kind),
            keep_managed_fields,
            cut_last_applied: annotations::are_cut(&info.gvr),
        }
    }
}

fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
