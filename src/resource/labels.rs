//! Labels of an object.

/// A small sorted map, two words per entry and no tree: most objects have a handful of labels.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels {
    entries: Box<[(Box<str>, Box<str>)]>,
}

impl Labels {
    /// The value of a label.
    pub fn get(&self, key: &str) -> Option<&str> {
        let at = self
            .entries
            .binary_search_by(|(k, _)| (**k).cmp(key))
            .ok()?;
        Some(&self.entries[at].1)
    }

    /// All labels in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().map(|(k, v)| (&**k, &**v))
    }

    /// Bytes of memory.
    pub fn weight(&self) -> usize {
        let entry = |(key, value): (&str, &str)| key.len() + value.len();
        std::mem::size_of_val(&*self.entries) + self.iter().map(entry).sum::<usize>()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// Of entries with the same key the last one stands, as in JSON.
impl<K: Into<Box<str>>, V: Into<Box<str>>> FromIterator<(K, V)> for Labels {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut entries: Vec<(Box<str>, Box<str>)> = entries
            .into_iter()
            .map(|(k, v)| (k.into(), v.into()))
            .collect();
        entries.reverse();
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        entries.dedup_by(|later, kept| later.0 == kept.0);
        Self {
            entries: entries.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_equal_keys_stands() {
        let labels: Labels = [("b", "1"), ("a", "2"), ("b", "3")].into_iter().collect();
        assert_eq!(labels.get("b"), Some("3"));
        assert_eq!(labels.iter().collect::<Vec<_>>(), [("a", "2"), ("b", "3")]);
        assert_eq!(labels.get("c"), None);
    }
}
