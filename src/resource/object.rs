//! One object at one version.

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};

use super::{Key, Labels, ResourceVersion};

/// An object as it is kept and delivered: its JSON, and the little metadata that is looked at on
/// each change. Immutable; shared as `Arc<Object>`.
#[derive(Debug, PartialEq, Eq)]
pub struct Object {
    parts: ObjectParts,
}

/// What an [`Object`] is made of.
#[derive(Debug, PartialEq, Eq)]
pub struct ObjectParts {
    /// Namespace and name.
    pub key: Key,
    /// `metadata.uid`; may be empty.
    pub uid: Box<str>,
    /// `metadata.resourceVersion`.
    pub version: ResourceVersion,
    /// `metadata.labels`.
    pub labels: Labels,
    /// The JSON in its one delivered form: `apiVersion` and `kind` first.
    pub json: Bytes,
    /// Where in `json` the text of `metadata.resourceVersion` stands, without its quotes.
    pub version_span: Range<u32>,
}

impl Object {
    /// Makes an object. The caller vouches that `version_span` lies within `json`.
    pub fn new(parts: ObjectParts) -> Self {
        debug_assert!(parts.version_span.end as usize <= parts.json.len());
        Self { parts }
    }

    /// Namespace and name.
    pub fn key(&self) -> &Key {
        &self.parts.key
    }

    /// Namespace; empty for cluster-scoped objects.
    pub fn namespace(&self) -> &str {
        self.parts.key.namespace()
    }

    /// Name.
    pub fn name(&self) -> &str {
        self.parts.key.name()
    }

    /// `metadata.uid`.
    pub fn uid(&self) -> &str {
        &self.parts.uid
    }

    /// `metadata.resourceVersion`.
    pub fn version(&self) -> &ResourceVersion {
        &self.parts.version
    }

    /// `metadata.labels`.
    pub fn labels(&self) -> &Labels {
        &self.parts.labels
    }

    /// The JSON as it is delivered.
    pub fn json(&self) -> &Bytes {
        &self.parts.json
    }

    /// The JSON with another `metadata.resourceVersion`; shares the bytes if it is the same one.
    ///
    /// A deletion carries the last state under the version of the deletion
    /// (`RunTestWatchDeleteEventObjectHaveLatestRV` in k8s.io/apiserver).
    pub fn json_at(&self, version: &ResourceVersion) -> Bytes {
        if *version == self.parts.version {
            return self.parts.json.clone();
        }
        let json = &self.parts.json;
        let span = self.parts.version_span.start as usize..self.parts.version_span.end as usize;
        let text = version.to_string();
        let mut out = BytesMut::with_capacity(json.len() - span.len() + text.len());
        out.put_slice(&json[..span.start]);
        out.put_slice(text.as_bytes());
        out.put_slice(&json[span.end..]);
        out.freeze()
    }

    /// Bytes of memory that the object stands for in budgets.
    pub fn weight(&self) -> usize {
        let texts =
            self.parts.key.as_str().len() + self.parts.uid.len() + self.parts.labels.weight();
        self.parts.json.len() + texts + std::mem::size_of::<Self>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restamps_only_the_version() {
        let json = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","resourceVersion":"7"},"x":7}"#;
        let at = json.find("\"7\"").expect("present") as u32 + 1;
        let object = Object::new(ObjectParts {
            key: Key::new("", "a"),
            uid: "".into(),
            version: ResourceVersion::new("7"),
            labels: Labels::default(),
            json: Bytes::from_static(json.as_bytes()),
            version_span: at..at + 1,
        });
        assert_eq!(
            object.json_at(&ResourceVersion::new("7")).as_ptr(),
            object.json().as_ptr()
        );
        assert_eq!(
            object.json_at(&ResourceVersion::new("1234")),
            json.replace("\"7\"", "\"1234\"").as_bytes()
        );
    }
}
