//! The four kinds of objects, as far as they are looked at.

use std::hash::BuildHasher;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::resource::{Gvr, Key, ResourceInfo};

/// The kinds of objects that give rights (rbac.authorization.k8s.io/v1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Role,
    RoleBinding,
    ClusterRole,
    ClusterRoleBinding,
}

impl Kind {
    pub(super) const ALL: [Self; 4] = [
        Self::Role,
        Self::RoleBinding,
        Self::ClusterRole,
        Self::ClusterRoleBinding,
    ];

    pub(super) fn is_binding(self) -> bool {
        matches!(self, Self::RoleBinding | Self::ClusterRoleBinding)
    }

    pub(super) fn is_namespaced(self) -> bool {
        matches!(self, Self::Role | Self::RoleBinding)
    }

    /// As discovery would describe it.
    pub(super) fn info(self) -> ResourceInfo {
        let (resource, kind) = match self {
            Self::Role => ("roles", "Role"),
            Self::RoleBinding => ("rolebindings", "RoleBinding"),
            Self::ClusterRole => ("clusterroles", "ClusterRole"),
            Self::ClusterRoleBinding => ("clusterrolebindings", "ClusterRoleBinding"),
        };
        ResourceInfo {
            gvr: Gvr::new("rbac.authorization.k8s.io", "v1", resource),
            kind: kind.to_owned(),
            namespaced: self.is_namespaced(),
            watchable: true,
            preferred: true,
            short_names: Vec::new(),
        }
    }
}

/// Whom a binding names, as reviews name them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subject {
    User(Box<str>),
    Group(Box<str>),
}

/// Who has which role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binding {
    /// A Role of the binding's namespace, or a ClusterRole.
    pub(super) role: Key,
    pub(super) subjects: Box<[Subject]>,
}

/// Reads a binding of a namespace, or of the cluster if that is empty; `None` if it has another
/// form.
pub(super) fn binding(json: &[u8], namespace: &str) -> Option<Binding> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Object {
        role_ref: Reference,
        subjects: Option<Vec<Reference>>,
    }
    #[derive(Deserialize)]
    struct Reference {
        kind: String,
        name: String,
        #[serde(default)]
        namespace: String,
    }
    let object: Object = serde_json::from_slice(json).ok()?;
    let role = match object.role_ref.kind.as_str() {
        "Role" => Key::new(namespace, &object.role_ref.name),
        _ => Key::new("", &object.role_ref.name),
    };
    // `appliesToUser` in kubernetes' `plugin/pkg/auth/authorizer/rbac`.
    let subject = |subject: Reference| match subject.kind.as_str() {
        "User" => Some(Subject::User(subject.name.into())),
        "Group" => Some(Subject::Group(subject.name.into())),
        "ServiceAccount" => {
            let home = match subject.namespace.as_str() {
                "" => namespace,
                own => own,
            };
            let user = format!("system:serviceaccount:{home}:{}", subject.name);
            Some(Subject::User(user.into()))
        }
        _ => None,
    };
    let subjects = object.subjects.unwrap_or_default();
    Some(Binding {
        role,
        subjects: subjects.into_iter().filter_map(subject).collect(),
    })
}

/// What stands for a role's rules: another one for other rules.
pub(super) fn rules(json: &[u8], hasher: &impl BuildHasher) -> u64 {
    #[derive(Deserialize)]
    struct Object<'a> {
        #[serde(borrow)]
        rules: Option<&'a RawValue>,
    }
    match serde_json::from_slice::<Object<'_>>(json) {
        Ok(object) => hasher.hash_one(object.rules.map(RawValue::get)),
        Err(_) => hasher.hash_one(json),
    }
}

#[cfg(test)]
mod tests {
    use std::hash::RandomState;

    use super::*;

    #[test]
    fn subjects_are_named_as_reviews_name_them() {
        let json =
            br#"{"roleRef": {"apiGroup": "x", "kind": "Role", "name": "reader"}, "subjects": [
            {"kind": "User", "name": "jane"}, {"kind": "Group", "name": "dev"},
            {"kind": "ServiceAccount", "name": "web", "namespace": "other"},
            {"kind": "ServiceAccount", "name": "web"}, {"kind": "Robot", "name": "marvin"}
        ]}"#;
        let read = binding(json, "shop").expect("a binding");
        assert_eq!(read.role, Key::new("shop", "reader"));
        assert_eq!(
            &*read.subjects,
            [
                Subject::User("jane".into()),
                Subject::Group("dev".into()),
                Subject::User("system:serviceaccount:other:web".into()),
                Subject::User("system:serviceaccount:shop:web".into()),
            ]
        );
        let json = br#"{"roleRef": {"kind": "ClusterRole", "name": "view"}}"#;
        let read = binding(json, "shop").expect("a binding");
        assert_eq!((read.role, read.subjects.len()), (Key::new("", "view"), 0));
        assert_eq!(binding(b"{}", "shop"), None);
    }

    #[test]
    fn only_rules_count() {
        let hasher = RandomState::new();
        let rules = |json: &str| rules(json.as_bytes(), &hasher);
        let one = rules(r#"{"metadata": {"name": "a"}, "rules": [{"verbs": ["get"]}]}"#);
        let renamed = rules(r#"{"metadata": {"name": "b"}, "rules": [{"verbs": ["get"]}]}"#);
        let other = rules(r#"{"metadata": {"name": "a"}, "rules": [{"verbs": ["list"]}]}"#);
        assert_eq!(one, renamed);
        assert_ne!(one, other);
        assert_ne!(rules(r#"{"metadata": {}}"#), other);
    }
}
