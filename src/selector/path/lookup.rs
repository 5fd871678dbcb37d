//! The walk along a path through JSON bytes, without building a document.
//!
//! What lies off the path is skipped by serde_json's ignoring reader, which does not recurse, so
//! the depth of an object is no concern. On the path there is one call per segment.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::Segment;

pub(super) fn lookup<'a>(segments: &[Segment], json: &'a [u8]) -> Option<Cow<'a, str>> {
    let mut document = serde_json::Deserializer::from_slice(json);
    let found = Walk { segments }.deserialize(&mut document).ok()??;
    scalar(found.get())
}

/// The text of a string, a number or a boolean.
fn scalar(json: &str) -> Option<Cow<'_, str>> {
    match json.as_bytes().first()? {
        b'n' | b'{' | b'[' => None,
        b'"' => {
            let text = json.strip_prefix('"')?.strip_suffix('"')?;
            if text.contains('\\') {
                serde_json::from_str(json).ok().map(Cow::Owned)
            } else {
                Some(Cow::Borrowed(text))
            }
        }
        _ => Some(Cow::Borrowed(json)),
    }
}

/// Finds what stands at the end of the segments.
#[derive(Clone, Copy)]
struct Walk<'s> {
    segments: &'s [Segment],
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = Option<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<Self::Value, D::Error> {
        if self.segments.is_empty() {
            <&RawValue>::deserialize(value).map(Some)
        } else {
            value.deserialize_any(self)
        }
    }
}

/// Scalars have no fields, so the path ends nowhere there.
macro_rules! nothing_within {
    ($($method:ident: $type:ty),*) => {
        $(fn $method<E>(self, _: $type) -> Result<Self::Value, E> {
            Ok(None)
        })*
    };
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    nothing_within!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        let (wanted, segments) = match self.segments.split_first() {
            Some((Segment::Key(key), rest)) => (Some(&**key), rest),
            _ => (None, self.segments),
        };
        while let Some(here) = map.next_key_seed(KeyIs(wanted))? {
            if here {
                found = map.next_value_seed(Walk { segments })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        if let Some((Segment::Index(index), segments)) = self.segments.split_first() {
            for _ in 0..*index {
                if seq.next_element::<IgnoredAny>()?.is_none() {
                    return Ok(None);
                }
            }
            found = seq.next_element_seed(Walk { segments })?.flatten();
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(found)
    }
}

/// Compares a key without keeping it.
struct KeyIs<'s>(Option<&'s str>);

impl<'de> DeserializeSeed<'de> for KeyIs<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, key: D) -> Result<bool, D::Error> {
        key.deserialize_str(self)
    }
}

impl Visitor<'_> for KeyIs<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<bool, E> {
        Ok(self.0 == Some(key))
    }
}
