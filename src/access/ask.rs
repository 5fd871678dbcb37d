//! What a caller wants to read, in the words in which the apiserver decides about it.

use serde::Serialize;

use crate::{
    resource::{Gvr, ResourceInfo},
    selector::{
        FieldOperator, FieldRequirement, LabelOperator, LabelRequirement, Membership, echo,
    },
};

/// A resource as a request names it. Nothing says yet that it exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// API group; empty for the core group.
    pub group: String,
    /// API version; empty for the preferred one.
    pub version: String,
    /// Plural name.
    pub resource: String,
}

impl Named {
    /// Whether this is a name of the resource.
    pub(super) fn names(&self, info: &ResourceInfo) -> bool {
        let gvr = &info.gvr;
        self.group == gvr.group
            && self.resource == gvr.resource
            && (self.version.is_empty() || self.version == gvr.version)
    }
}

impl From<&Gvr> for Named {
    fn from(gvr: &Gvr) -> Self {
        Self {
            group: gvr.group.clone(),
            version: gvr.version.clone(),
            resource: gvr.resource.clone(),
        }
    }
}

/// Which objects of which resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The resource.
    pub resource: Named,
    /// The objects. What is handed out has to match this.
    pub membership: Membership,
}

/// A kind of reading, and the verbs that it takes.
pub trait Right: Send + Sync + 'static {
    /// All of them are needed.
    const VERBS: &'static [&'static str];
    /// Whether it is used for longer than one answer takes, and so has to be checked again.
    const LASTS: bool;
}

/// Following changes: a snapshot is a list, a stream is a watch.
#[derive(Debug)]
pub struct Subscribe;

/// Reading many objects.
#[derive(Debug)]
pub struct List;

/// Reading one object.
#[derive(Debug)]
pub struct Get;

impl Right for Subscribe {
    const VERBS: &'static [&'static str] = &["list", "watch"];
    const LASTS: bool = true;
}

impl Right for List {
    const VERBS: &'static [&'static str] = &["list"];
    const LASTS: bool = false;
}

impl Right for Get {
    const VERBS: &'static [&'static str] = &["get"];
    const LASTS: bool = false;
}

/// One question that a SubjectAccessReview answers; its spec without the user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) enum Question {
    /// About objects.
    #[serde(rename = "resourceAttributes")]
    Resource(ResourceAttributes),
    /// About a path that is no resource.
    #[serde(rename = "nonResourceAttributes")]
    Path {
        /// The path.
        path: String,
        /// The verb, for example `get`.
        verb: &'static str,
    },
}

/// `ResourceAttributes` of authorization.k8s.io/v1.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResourceAttributes {
    verb: &'static str,
    group: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    version: String,
    resource: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    namespace: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    field_selector: Option<Requirements>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label_selector: Option<Requirements>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Requirements {
    requirements: Vec<Requirement>,
}

/// `FieldSelectorRequirement` and `LabelSelectorRequirement` of meta/v1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Requirement {
    key: String,
    operator: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    values: Vec<String>,
}

impl Question {
    /// What has to be allowed for a right: each verb in each namespace, or in the whole cluster
    /// when the scope names none.
    pub(super) fn all<R: Right>(scope: &Scope) -> Vec<Self> {
        match scope.membership.namespaces() {
            [] => Self::within::<R>(scope, ""),
            some => {
                let each = some.iter().flat_map(|one| Self::within::<R>(scope, one));
                each.collect()
            }
        }
    }

    /// The same in one namespace; in the whole cluster if it is empty.
    pub(super) fn within<R: Right>(scope: &Scope, namespace: &str) -> Vec<Self> {
        let membership = &scope.membership;
        let verbs = R::VERBS.iter().map(|&verb| {
            let mut asked = ResourceAttributes {
                verb,
                group: scope.resource.group.clone(),
                version: scope.resource.version.clone(),
                resource: scope.resource.resource.clone(),
                namespace: namespace.to_owned(),
                name: single_name(membership).unwrap_or_default().to_owned(),
                ..ResourceAttributes::default()
            };
            if verb != "get" {
                asked.field_selector = fields(membership);
                asked.label_selector = labels(membership);
            }
            Self::Resource(asked)
        });
        verbs.collect()
    }

    /// What is refused, in the apiserver's words (`ForbiddenMessage` in apiserver's
    /// `pkg/endpoints/handlers/responsewriters`).
    pub(super) fn forbidden(&self, user: &str) -> String {
        let user = echo(user);
        match self {
            Self::Path { path, verb } => format!("user {user} cannot {verb} path {path:?}"),
            Self::Resource(asked) => {
                let (verb, group) = (asked.verb, &asked.group);
                let place = match asked.namespace.as_str() {
                    "" => "at the cluster scope".to_owned(),
                    namespace => format!("in the namespace {}", echo(namespace)),
                };
                let what = match asked.name.as_str() {
                    "" => String::new(),
                    name => format!(" named {}", echo(name)),
                };
                let resource = echo(&asked.resource);
                format!(
                    "user {user} cannot {verb} resource {resource}{what} in API group {group:?} {place}"
                )
            }
        }
    }
}

/// The one name that all objects of a membership have, if that is how it is. A name that could not
/// be part of a path is none, as in `NewRequestInfo` (apiserver's `pkg/endpoints/request`).
fn single_name(membership: &Membership) -> Option<&str> {
    if let [name] = membership.names() {
        return Some(name);
    }
    let mut terms = membership.fields().equality_terms();
    let name =
        terms.find_map(|(path, value)| (path.to_string() == "metadata.name").then_some(value))?;
    let segment = !matches!(name, "" | "." | "..") && !name.contains(['/', '%']);
    segment.then_some(name)
}

fn fields(membership: &Membership) -> Option<Requirements> {
    let one_name = match membership.names() {
        [name] => Some(Requirement {
            key: "metadata.name".to_owned(),
            operator: "In",
            values: vec![name.to_string()],
        }),
        _ => None,
    };
    let selected = membership.fields().requirements().iter().map(field);
    requirements(one_name.into_iter().chain(selected).collect())
}

/// As `fieldSelectorAsSelector` in apiserver's `pkg/endpoints/request`: one value each.
fn field(requirement: &FieldRequirement) -> Requirement {
    Requirement {
        key: requirement.path().to_string(),
        operator: match requirement.operator() {
            FieldOperator::Equals => "In",
            FieldOperator::NotEquals => "NotIn",
        },
        values: vec![requirement.value().to_owned()],
    }
}

fn labels(membership: &Membership) -> Option<Requirements> {
    let all = membership.labels().requirements();
    requirements(all.iter().filter_map(label).collect())
}

/// `<` and `>` have no form in a review. Leaving one out asks for more, never for less.
fn label(requirement: &LabelRequirement) -> Option<Requirement> {
    let texts = |set: &[Box<str>]| set.iter().map(|value| value.to_string()).collect();
    let (operator, values) = match requirement.operator() {
        LabelOperator::In(set) => ("In", texts(set)),
        LabelOperator::NotIn(set) => ("NotIn", texts(set)),
        LabelOperator::Exists => ("Exists", Vec::new()),
        LabelOperator::DoesNotExist => ("DoesNotExist", Vec::new()),
        LabelOperator::GreaterThan(_) | LabelOperator::LessThan(_) => return None,
    };
    Some(Requirement {
        key: requirement.key().to_owned(),
        operator,
        values,
    })
}

/// An empty list is not valid in a review.
fn requirements(requirements: Vec<Requirement>) -> Option<Requirements> {
    (!requirements.is_empty()).then_some(Requirements { requirements })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::selector::FilterSpec;

    fn scope(spec: FilterSpec<'_>) -> Scope {
        Scope {
            resource: Named {
                group: "apps".into(),
                version: String::new(),
                resource: "deployments".into(),
            },
            membership: Membership::new(spec).expect("valid"),
        }
    }

    fn asked<R: Right>(scope: &Scope) -> Value {
        serde_json::to_value(Question::all::<R>(scope)).expect("JSON")
    }

    fn owned(all: &[&str]) -> Vec<String> {
        all.iter().map(|&one| one.to_owned()).collect()
    }

    #[test]
    fn a_stream_is_a_list_and_a_watch_in_each_namespace() {
        let namespaces = owned(&["a", "b"]);
        let spec = FilterSpec {
            namespaces: &namespaces,
            ..FilterSpec::default()
        };
        let one = |verb: &str, namespace: &str| {
            json!({"resourceAttributes": {
                "verb": verb, "group": "apps", "resource": "deployments", "namespace": namespace,
            }})
        };
        assert_eq!(
            asked::<Subscribe>(&scope(spec)),
            json!([
                one("list", "a"),
                one("watch", "a"),
                one("list", "b"),
                one("watch", "b")
            ])
        );
    }

    #[test]
    fn names_and_selectors_are_passed_on_as_the_apiserver_would_parse_them() {
        let names = owned(&["web"]);
        let spec = FilterSpec {
            names: &names,
            label_selector: "a in (x,y),b!=z,c,!d,e>5",
            field_selector: "spec.nodeName=n,status.phase!=Failed",
            ..FilterSpec::default()
        };
        assert_eq!(
            asked::<List>(&scope(spec)),
            json!([{"resourceAttributes": {
                "verb": "list", "group": "apps", "resource": "deployments", "name": "web",
                "fieldSelector": {"requirements": [
                    {"key": "metadata.name", "operator": "In", "values": ["web"]},
                    {"key": "spec.nodeName", "operator": "In", "values": ["n"]},
                    {"key": "status.phase", "operator": "NotIn", "values": ["Failed"]},
                ]},
                "labelSelector": {"requirements": [
                    {"key": "a", "operator": "In", "values": ["x", "y"]},
                    {"key": "b", "operator": "NotIn", "values": ["z"]},
                    {"key": "c", "operator": "Exists"},
                    {"key": "d", "operator": "DoesNotExist"},
                ]},
            }}])
        );
        assert_eq!(
            asked::<Get>(&scope(spec))[0]["resourceAttributes"]["fieldSelector"],
            Value::Null
        );
    }

    #[test]
    fn a_name_counts_only_if_it_is_the_only_one() {
        let name = |names: &[&str], field_selector: &str| {
            let names = owned(names);
            let scope = scope(FilterSpec {
                names: &names,
                field_selector,
                ..FilterSpec::default()
            });
            single_name(&scope.membership).map(str::to_owned)
        };
        assert_eq!(name(&["a"], ""), Some("a".into()));
        assert_eq!(name(&["a", "b"], ""), None);
        assert_eq!(name(&[], "metadata.name=a"), Some("a".into()));
        assert_eq!(name(&[], "['metadata'].name=a"), Some("a".into()));
        assert_eq!(name(&[], "metadata.name!=a"), None);
        assert_eq!(name(&[], "metadata.name="), None);
        assert_eq!(name(&[], "metadata.name=a/b"), None);
    }

    #[test]
    fn refusals_repeat_only_what_was_asked() {
        let namespaces = owned(&["a"]);
        let scope = scope(FilterSpec {
            namespaces: &namespaces,
            ..FilterSpec::default()
        });
        assert_eq!(
            Question::all::<List>(&scope)[0].forbidden("jane"),
            r#"user "jane" cannot list resource "deployments" in API group "apps" in the namespace "a""#
        );
        let path = Question::Path {
            path: "/informerd/admin".into(),
            verb: "get",
        };
        assert_eq!(
            path.forbidden("jane"),
            r#"user "jane" cannot get path "/informerd/admin""#
        );
    }
}
