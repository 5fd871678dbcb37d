//! Whom a change of rights may concern.

use std::{
    collections::{HashMap, HashSet},
    iter,
};

use super::{Identity, ask::Question};

/// So many places of users and groups are told apart, in all.
const PAIRS: usize = 32_768;

/// Users and groups whose rights may have changed, in the whole cluster or in single namespaces.
///
/// Rather too many than too few: whoever is in it is asked about, and nothing else comes of it.
/// To look somebody up costs as much as there are groups of his, whatever the number of places.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Whom {
    everybody: Places,
    users: HashMap<Box<str>, Places>,
    groups: HashMap<Box<str>, Places>,
    /// How many places there are, of all of them.
    pairs: usize,
}

/// Namespaces, or the whole cluster and no namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Places {
    cluster: bool,
    namespaces: HashSet<Box<str>>,
}

impl Whom {
    /// Adds a user, in a namespace or, if that is empty, in the whole cluster.
    pub fn add_user(&mut self, namespace: &str, user: &str) {
        if !self.everybody.hold(namespace) {
            let places = self.users.entry(user.into()).or_default();
            change(&mut self.pairs, places, |places| places.add(namespace));
            self.bound();
        }
    }

    /// Adds all members of a group.
    pub fn add_group(&mut self, namespace: &str, group: &str) {
        if !self.everybody.hold(namespace) {
            let places = self.groups.entry(group.into()).or_default();
            change(&mut self.pairs, places, |places| places.add(namespace));
            self.bound();
        }
    }

    /// Adds whoever has rights there.
    pub fn add_everybody(&mut self, namespace: &str) {
        if namespace.is_empty() {
            *self = Self::default();
        }
        let everybody = &mut self.everybody;
        change(&mut self.pairs, everybody, |all| all.add(namespace));
        self.bound();
    }

    /// Adds those of another one.
    pub fn merge(&mut self, other: Self) {
        if self.is_empty() || other.everybody.cluster {
            *self = other;
            return;
        }
        if self.everybody.cluster {
            return;
        }
        let everybody = &mut self.everybody;
        change(&mut self.pairs, everybody, |all| all.merge(other.everybody));
        for (user, places) in other.users {
            let all = self.users.entry(user).or_default();
            change(&mut self.pairs, all, |all| all.merge(places));
        }
        for (group, places) in other.groups {
            let all = self.groups.entry(group).or_default();
            change(&mut self.pairs, all, |all| all.merge(places));
        }
        self.bound();
    }

    /// Whether there is nobody in it.
    pub fn is_empty(&self) -> bool {
        self.pairs == 0
    }

    /// How much room it takes, in places of users and groups.
    pub(super) fn pairs(&self) -> usize {
        self.pairs
    }

    /// Whether somebody is in it at all.
    pub(super) fn holds(&self, identity: &Identity) -> bool {
        self.of(identity).any(|places| places.len() > 0)
    }

    /// Whether somebody's right to any of these may have changed.
    pub(super) fn concerns(&self, identity: &Identity, questions: &[Question]) -> bool {
        let asks = |places: &Places| {
            let mut asked = questions.iter().map(Question::namespace);
            places.cluster || asked.any(|namespace| places.hold(namespace))
        };
        self.of(identity).any(asks)
    }

    /// Where somebody is in it.
    fn of<'a>(&'a self, identity: &'a Identity) -> impl Iterator<Item = &'a Places> {
        let user = self.users.get(&*identity.username);
        let groups = identity.groups.iter();
        let groups = groups.filter_map(|group| self.groups.get(&**group));
        iter::once(&self.everybody).chain(user).chain(groups)
    }

    /// Too many are everybody where they are; in too many places, everybody.
    fn bound(&mut self) {
        if self.pairs <= PAIRS {
            return;
        }
        let mut all = std::mem::take(self);
        let named = all.users.drain().chain(all.groups.drain());
        for (_, places) in named {
            all.everybody.merge(places);
        }
        if all.everybody.len() > PAIRS / 2 {
            all.everybody.add("");
        }
        self.pairs = all.everybody.len();
        self.everybody = all.everybody;
    }
}

impl Places {
    fn add(&mut self, namespace: &str) {
        if namespace.is_empty() {
            self.cluster = true;
            self.namespaces = HashSet::new();
        } else if !self.cluster {
            self.namespaces.insert(namespace.into());
        }
    }

    fn merge(&mut self, other: Self) {
        if other.cluster {
            self.add("");
        } else if !self.cluster {
            self.namespaces.extend(other.namespaces);
        }
    }

    /// Whether what is asked there is asked in one of them; `namespace` is empty for what is asked
    /// about the whole cluster.
    fn hold(&self, namespace: &str) -> bool {
        self.cluster || self.namespaces.contains(namespace)
    }

    fn len(&self) -> usize {
        usize::from(self.cluster) + self.namespaces.len()
    }
}

/// Changes places, and keeps count of them.
fn change(pairs: &mut usize, places: &mut Places, change: impl FnOnce(&mut Places)) {
    let before = places.len();
    change(places);
    *pairs = *pairs - before + places.len();
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
    fn a_change_in_many_namespaces_is_looked_up_by_whom_it_concerns() {
        let mut wide = Whom::default();
        for number in 0..2000 {
            wide.add_group(&format!("n-{number}"), "dev");
            wide.add_user(&format!("n-{number}"), "joe");
        }
        assert_eq!(wide.pairs(), 4000);
        let found = wide.of(&jane()).count();
        assert_eq!(found, 2, "everybody's and one group's");
        assert!(wide.concerns(&jane(), &pods(&["n-1999"])));
        assert!(!wide.concerns(&jane(), &pods(&["n-2000"])));
        assert!(!wide.concerns(&jane(), &pods(&[])));
        wide.add_group("", "dev");
        assert_eq!(wide.pairs(), 2001, "the whole cluster is one place");
        assert!(wide.concerns(&jane(), &pods(&["n-2000"])));
    }

    #[test]
    fn merging_counts_as_adding_does() {
        let one = |whom: &mut Whom| {
            whom.add_user("a", "jane");
            whom.add_group("a", "dev");
            whom.add_everybody("b");
        };
        let two = |whom: &mut Whom| {
            whom.add_user("", "jane");
            whom.add_group("a", "dev");
            whom.add_everybody("c");
        };
        let mut merged = whom(one);
        merged.merge(whom(two));
        let added = whom(|whom| {
            one(whom);
            two(whom);
        });
        assert_eq!(merged, added);
        assert_eq!(merged.pairs(), 4);
        merged.merge(whom(|whom| whom.add_everybody("")));
        merged.merge(whom(one));
        assert_eq!(merged, whom(|whom| whom.add_everybody("")));
    }

    #[test]
    fn too_many_are_everybody() {
        let mut many = Whom::default();
        for number in 0..=PAIRS {
            assert!(!many.concerns(&jane(), &pods(&["a"])), "{number}");
            many.add_user("a", &number.to_string());
        }
        assert!(many.concerns(&jane(), &pods(&["a"])));
        many.add_user("a", "one more");
        assert_eq!(many, whom(|whom| whom.add_everybody("a")), "there only");
        let half = |user: &str| {
            let mut half = Whom::default();
            for number in 0..=PAIRS / 2 {
                half.add_user(&number.to_string(), user);
            }
            half
        };
        let mut many = half("joe");
        many.merge(half("jim"));
        assert_eq!(many, whom(|whom| whom.add_everybody("")));
    }
}
