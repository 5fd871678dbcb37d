//! Whom a change of rights may concern.

use std::collections::{BTreeMap, HashSet};

use super::{Identity, ask::Question};

/// So many names in one place are told apart; more are everybody.
const NAMES: usize = 4096;

/// Users and groups whose rights may have changed, in the whole cluster or in single namespaces.
///
/// Rather too many than too few: whoever is in it is asked about, and nothing else comes of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Whom {
    /// By namespace; the empty one is the whole cluster.
    places: BTreeMap<Box<str>, Subjects>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Subjects {
    everybody: bool,
    users: HashSet<Box<str>>,
    groups: HashSet<Box<str>>,
}

impl Whom {
    /// Adds a user, in a namespace or, if that is empty, in the whole cluster.
    pub fn add_user(&mut self, namespace: &str, user: &str) {
        let subjects = self.place(namespace);
        if !subjects.everybody {
            subjects.users.insert(user.into());
            subjects.bound();
        }
    }

    /// Adds all members of a group.
    pub fn add_group(&mut self, namespace: &str, group: &str) {
        let subjects = self.place(namespace);
        if !subjects.everybody {
            subjects.groups.insert(group.into());
            subjects.bound();
        }
    }

    /// Adds whoever has rights there.
    pub fn add_everybody(&mut self, namespace: &str) {
        *self.place(namespace) = Subjects::everybody();
    }

    /// Adds those of another one.
    pub fn merge(&mut self, other: Self) {
        for (namespace, others) in other.places {
            let subjects = self.place(&namespace);
            if subjects.everybody || others.everybody {
                *subjects = Subjects::everybody();
                continue;
            }
            subjects.users.extend(others.users);
            subjects.groups.extend(others.groups);
            subjects.bound();
        }
    }

    /// Whether there is nobody in it.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Whether somebody is in it at all.
    pub(super) fn holds(&self, identity: &Identity) -> bool {
        self.places.values().any(|subjects| subjects.hold(identity))
    }

    /// Whether somebody's right to any of these may have changed.
    pub(super) fn concerns(&self, identity: &Identity, questions: &[Question]) -> bool {
        self.places.iter().any(|(place, subjects)| {
            let asks = |question: &Question| question.namespace() == &**place;
            subjects.hold(identity) && (place.is_empty() || questions.iter().any(asks))
        })
    }

    fn place(&mut self, namespace: &str) -> &mut Subjects {
        self.places.entry(namespace.into()).or_default()
    }
}

impl Subjects {
    fn everybody() -> Self {
        Self {
            everybody: true,
            ..Self::default()
        }
    }

    fn bound(&mut self) {
        if self.users.len() + self.groups.len() > NAMES {
            *self = Self::everybody();
        }
    }

    fn hold(&self, identity: &Identity) -> bool {
        self.everybody
            || self.users.contains(&*identity.username)
            || identity
                .groups
                .iter()
                .any(|group| self.groups.contains(&**group))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        access::{Named, Scope, Subscribe},
        selector::{FilterSpec, Membership},
    };

    fn jane() -> Identity {
        Identity {
            username: "jane".into(),
            groups: vec!["dev".into(), "system:authenticated".into()],
            ..Identity::default()
        }
    }

    fn pods(namespaces: &[&str]) -> Vec<Question> {
        let namespaces: Vec<_> = namespaces.iter().map(|&name| name.to_owned()).collect();
        let filter = FilterSpec {
            namespaces: &namespaces,
            ..FilterSpec::default()
        };
        Question::all::<Subscribe>(&Scope {
            resource: Named {
                group: String::new(),
                version: "v1".into(),
                resource: "pods".into(),
            },
            membership: Membership::new(filter).expect("valid"),
        })
    }

    fn whom(add: impl FnOnce(&mut Whom)) -> Whom {
        let mut whom = Whom::default();
        add(&mut whom);
        whom
    }

    #[test]
    fn users_and_groups_are_not_each_other() {
        let concerns = |add: fn(&mut Whom)| whom(add).concerns(&jane(), &pods(&["a"]));
        assert!(!concerns(|_| ()));
        assert!(concerns(|whom| whom.add_user("", "jane")));
        assert!(concerns(|whom| whom.add_group("", "dev")));
        assert!(concerns(|whom| whom.add_everybody("")));
        assert!(!concerns(|whom| whom.add_user("", "dev")));
        assert!(!concerns(|whom| whom.add_group("", "jane")));
        assert!(!concerns(|whom| whom.add_user("", "joe")));
    }

    #[test]
    fn what_holds_in_a_namespace_concerns_who_asks_there() {
        let here = whom(|whom| whom.add_user("a", "jane"));
        assert!(here.concerns(&jane(), &pods(&["b", "a"])));
        assert!(!here.concerns(&jane(), &pods(&["b"])));
        assert!(!here.concerns(&jane(), &pods(&[])), "no Role gives that");
        let everywhere = whom(|whom| whom.add_user("", "jane"));
        assert!(everywhere.concerns(&jane(), &pods(&[])));
        assert!(everywhere.concerns(&jane(), &pods(&["b"])));
    }

    #[test]
    fn merged_is_both() {
        let mut both = whom(|whom| whom.add_user("a", "joe"));
        both.merge(whom(|whom| whom.add_group("a", "dev")));
        assert!(both.concerns(&jane(), &pods(&["a"])));
        both.merge(whom(|whom| whom.add_everybody("b")));
        assert!(both.concerns(&jane(), &pods(&["b"])));
        assert!(!both.concerns(&jane(), &pods(&["c"])));
    }

    #[test]
    fn too_many_are_everybody() {
        let mut many = Whom::default();
        for number in 0..=NAMES {
            assert!(!many.concerns(&jane(), &pods(&["a"])), "{number}");
            many.add_user("a", &number.to_string());
        }
        assert!(many.concerns(&jane(), &pods(&["a"])));
        many.add_user("a", "one more");
        assert!(many.concerns(&jane(), &pods(&["a"])));
    }
}
