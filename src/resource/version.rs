//! resourceVersions.

use std::{cmp::Ordering, fmt, sync::Arc};

/// A resourceVersion: opaque text that can be compared where the cluster promises an order.
///
/// KEP-5504 (stable since Kubernetes 1.35): two versions of one resource are ordered if both are
/// decimal numbers without a leading zero. Versions of other shapes (some aggregated APIs) can
/// only be equal or not.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ResourceVersion(Repr);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Repr {
    /// Canonical decimal that fits; the usual case.
    Number(u64),
    /// Everything else, larger numbers included.
    Text(Arc<str>),
}

impl ResourceVersion {
    /// Takes a version as the apiserver wrote it.
    pub fn new(text: &str) -> Self {
        match text.parse::<u64>() {
            Ok(number) if is_ordered(text) => Self(Repr::Number(number)),
            _ => Self(Repr::Text(text.into())),
        }
    }

    /// The order of two versions, or `None` if the cluster promises none.
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        match (&self.0, &other.0) {
            (Repr::Number(a), Repr::Number(b)) => Some(a.cmp(b)),
            _ if self == other => Some(Ordering::Equal),
            _ => {
                let (a, b) = (self.to_string(), other.to_string());
                (is_ordered(&a) && is_ordered(&b))
                    .then(|| a.len().cmp(&b.len()).then_with(|| a.cmp(&b)))
            }
        }
    }

    /// Whether this version is known to come after `other`.
    pub fn is_after(&self, other: &Self) -> bool {
        self.compare(other) == Some(Ordering::Greater)
    }

    /// Whether this version takes part in the order at all.
    pub fn is_ordered(&self) -> bool {
        match &self.0 {
            Repr::Number(_) => true,
            Repr::Text(text) => is_ordered(text),
        }
    }
}

/// Zero is a legal start of a watch but never the version of anything, so it has no place here.
fn is_ordered(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() <= 39
        && bytes
            .first()
            .is_some_and(|first| (b'1'..=b'9').contains(first))
        && bytes.iter().all(u8::is_ascii_digit)
}

impl fmt::Display for ResourceVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Number(number) => write!(f, "{number}"),
            Repr::Text(text) => f.write_str(text),
        }
    }
}

impl fmt::Debug for ResourceVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rv({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(a: &str, b: &str) -> Option<Ordering> {
        ResourceVersion::new(a).compare(&ResourceVersion::new(b))
    }

    #[test]
    fn orders_numbers_of_any_length() {
        assert_eq!(compare("9", "10"), Some(Ordering::Less));
        assert_eq!(
            compare("18446744073709551616", "18446744073709551615"),
            Some(Ordering::Greater)
        );
        assert_eq!(
            compare("340282366920938463463374607431768211455", "99"),
            Some(Ordering::Greater)
        );
    }

    #[test]
    fn promises_no_order_for_other_texts() {
        assert_eq!(compare("010", "9"), None);
        assert_eq!(compare("abc", "abd"), None);
        assert_eq!(compare("abc", "abc"), Some(Ordering::Equal));
        assert_eq!(compare("", "1"), None);
        assert!(!ResourceVersion::new("0").is_ordered());
    }

    #[test]
    fn keeps_its_text() {
        for text in ["1", "010", "", "abc", "18446744073709551616"] {
            assert_eq!(ResourceVersion::new(text).to_string(), text);
        }
    }
}
