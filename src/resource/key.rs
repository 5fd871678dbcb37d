//! Identity of an object within its resource.

use std::{fmt, sync::Arc};

/// Namespace and name, ordered as the apiserver orders a list: by the string `namespace/name`,
/// bytewise (so `t1-bad/x` stands before `t1/x`). Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    text: Arc<str>,
}

impl Key {
    /// Makes a key; an empty namespace means cluster-scoped.
    pub fn new(namespace: &str, name: &str) -> Self {
        if namespace.is_empty() {
            Self { text: name.into() }
        } else {
            Self {
                text: format!("{namespace}/{name}").into(),
            }
        }
    }

    /// Takes back what [`Key::as_str`] gave.
    pub fn from_text(text: &str) -> Self {
        Self { text: text.into() }
    }

    /// Stands before all keys of a namespace.
    pub fn prefix(namespace: &str) -> Self {
        Self {
            text: format!("{namespace}/").into(),
        }
    }

    /// Stands behind all keys of a namespace: `0` is the byte after `/`.
    pub fn prefix_end(namespace: &str) -> Self {
        Self {
            text: format!("{namespace}0").into(),
        }
    }

    /// Stands right behind this key.
    #[must_use]
    pub fn successor(&self) -> Self {
        Self {
            text: format!("{}\0", self.text).into(),
        }
    }

    /// The namespace; empty for cluster-scoped objects.
    pub fn namespace(&self) -> &str {
        self.text
            .split_once('/')
            .map_or("", |(namespace, _)| namespace)
    }

    /// The name.
    pub fn name(&self) -> &str {
        self.text
            .split_once('/')
            .map_or(&self.text, |(_, name)| name)
    }

    /// `namespace/name`, or the name alone.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.text, f)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_like_the_apiserver() {
        let mut keys = [
            Key::new("t1", "x"),
            Key::new("t1-bad", "x"),
            Key::new("t1", "a"),
        ];
        keys.sort();
        assert_eq!(keys.map(|k| k.to_string()), ["t1-bad/x", "t1/a", "t1/x"]);
    }

    #[test]
    fn a_namespace_is_one_range() {
        let (from, to) = (Key::prefix("t1"), Key::prefix_end("t1"));
        let inside = |key: &Key| from <= *key && *key < to;
        assert!(inside(&Key::new("t1", "x")));
        assert!(!inside(&Key::new("t1-bad", "x")));
        assert!(!inside(&Key::new("t10", "x")));
    }

    #[test]
    fn takes_itself_apart() {
        let namespaced = Key::new("default", "web");
        assert_eq!(
            (namespaced.namespace(), namespaced.name()),
            ("default", "web")
        );
        let cluster = Key::new("", "node-1");
        assert_eq!((cluster.namespace(), cluster.name()), ("", "node-1"));
    }
}
