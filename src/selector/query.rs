//! The canonical description of what a subscription wants, by which views are shared.

use std::{fmt, hash, sync::Arc};

use super::Membership;

/// How the set of objects that a subscription holds changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventType {
    /// The object is new to the subscription.
    Added,
    /// The object was held already and has changed.
    Modified,
    /// The object is no longer held.
    Deleted,
}

impl EventType {
    /// All types, in their order.
    pub const ALL: [Self; 3] = [Self::Added, Self::Modified, Self::Deleted];

    /// The name on the wire of Kubernetes: `ADDED`, `MODIFIED` or `DELETED`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
        }
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The event types that are delivered; never none. The default is all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EventTypes {
    bits: u8,
}

impl EventTypes {
    /// Every type.
    pub const ALL: Self = Self { bits: 0b111 };

    /// Whether events of this type are delivered.
    pub fn contains(self, event_type: EventType) -> bool {
        self.bits & bit(event_type) != 0
    }

    /// Whether every type is.
    pub fn is_all(self) -> bool {
        self == Self::ALL
    }

    /// The types in their order.
    pub fn iter(self) -> impl Iterator<Item = EventType> {
        EventType::ALL
            .into_iter()
            .filter(move |event_type| self.contains(*event_type))
    }
}

fn bit(event_type: EventType) -> u8 {
    1 << event_type as u8
}

impl Default for EventTypes {
    fn default() -> Self {
        Self::ALL
    }
}

/// Nothing chosen means everything.
impl FromIterator<EventType> for EventTypes {
    fn from_iter<I: IntoIterator<Item = EventType>>(types: I) -> Self {
        match types.into_iter().fold(0, |bits, t| bits | bit(t)) {
            0 => Self::ALL,
            bits => Self { bits },
        }
    }
}

impl fmt::Display for EventTypes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, event_type) in self.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            event_type.fmt(f)?;
        }
        Ok(())
    }
}

/// What a subscription wants: which objects, which events, in which form.
///
/// Queries that mean the same are equal however the request was spelled, and read the same text
/// as [`Display`](fmt::Display). Cheap to clone.
#[derive(Clone)]
pub struct Query {
    parts: Arc<Parts>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Parts {
    membership: Membership,
    event_types: EventTypes,
    include_old: bool,
}

impl Query {
    /// Makes a query. `include_old` asks for the previous state in MODIFIED events.
    pub fn new(membership: Membership, event_types: EventTypes, include_old: bool) -> Self {
        // Where no MODIFIED is delivered there is no place for an old state.
        let include_old = include_old && event_types.contains(EventType::Modified);
        Self {
            parts: Arc::new(Parts {
                membership,
                event_types,
                include_old,
            }),
        }
    }

    /// Which objects belong to the subscription.
    pub fn membership(&self) -> &Membership {
        &self.parts.membership
    }

    /// Which events are delivered; acts after membership and never changes it.
    pub fn event_types(&self) -> EventTypes {
        self.parts.event_types
    }

    /// Whether MODIFIED events carry the previous state too.
    pub fn include_old(&self) -> bool {
        self.parts.include_old
    }
}

impl Default for Query {
    fn default() -> Self {
        Self::new(Membership::default(), EventTypes::ALL, false)
    }
}

impl PartialEq for Query {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.parts, &other.parts) || self.parts == other.parts
    }
}

impl Eq for Query {}

impl hash::Hash for Query {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.parts.hash(state);
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.event_types().is_all() {
            write!(f, "types: {}; ", self.event_types())?;
        }
        if self.include_old() {
            f.write_str("with old objects; ")?;
        }
        self.membership().fmt(f)
    }
}

impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Query({self})")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::selector::FilterSpec;

    fn membership(label_selector: &str) -> Membership {
        Membership::new(FilterSpec {
            label_selector,
            ..FilterSpec::default()
        })
        .expect("valid")
    }

    #[test]
    fn no_types_are_all_types() {
        let none: EventTypes = [].into_iter().collect();
        assert_eq!(none, EventTypes::ALL);
        assert_eq!(EventType::ALL.into_iter().collect::<EventTypes>(), none);
        assert_eq!(none.to_string(), "ADDED,MODIFIED,DELETED");

        let some: EventTypes = [EventType::Deleted, EventType::Added, EventType::Deleted]
            .into_iter()
            .collect();
        assert!(!some.is_all());
        assert!(!some.contains(EventType::Modified));
        assert_eq!(some.to_string(), "ADDED,DELETED");
    }

    #[test]
    fn queries_that_mean_the_same_are_one() {
        let deleted: EventTypes = [EventType::Deleted].into_iter().collect();
        let distinct = [
            Query::default(),
            Query::new(membership("a=b"), EventTypes::ALL, false),
            Query::new(membership("a in (b)"), EventTypes::ALL, false),
            Query::new(membership("a=b"), EventTypes::ALL, true),
            Query::new(membership("a=b"), deleted, false),
            Query::new(membership("a=b"), deleted, true),
        ];
        let texts: HashSet<_> = distinct.iter().map(Query::to_string).collect();
        let queries: HashSet<_> = distinct.into_iter().collect();
        assert_eq!((queries.len(), texts.len()), (4, 4));
        assert!(texts.contains("everything"));
        assert!(texts.contains("with old objects; labels: a=b"));
        assert!(texts.contains("types: DELETED; labels: a=b"));
    }
}
