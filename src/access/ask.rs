//! What a caller wants to read, in the words in which the apiserver decides about it.

use serde::Serialize;

use super::quota::PER_CALL;
use crate::{
    resource::{Gvr, ResourceInfo},
    selector::{
        FieldOperator, FieldRequirement, LabelOperator, LabelRequirement, MAX_EXACT_ENTRIES,
        Membership, echo,
    },
};

/// The verbs of the right that takes most.
const VERBS: usize = 2;
const _: () = assert!(
    VERBS * MAX_EXACT_ENTRIES <= PER_CALL as usize,
    "a filter with more namespaces is refused before anything is asked, so no call has more questions"
);

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
            let name = single_name(membership).unwrap_or_default();
            let namespace = match namespace {
                "" if verb == "get" => own_namespace(&scope.resource, name),
                other => other,
            };
            let mut asked = ResourceAttributes {
                verb,
                group: scope.resource.group.clone(),
                version: scope.resource.version.clone(),
                resource: scope.resource.resource.clone(),
                namespace: namespace.to_owned(),
                name: name.to_owned(),
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

    /// The namespace that it is about; empty for the whole cluster.
    pub(super) fn namespace(&self) -> &str {
        match self {
            Self::Resource(asked) => &asked.namespace,
            Self::Path { .. } => "",
        }
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

/// A namespace is in itself when it stands in the path of a request, which one in a field selector
/// does not (`NewRequestInfo` in apiserver's `pkg/endpoints/request`).
fn own_namespace<'a>(resource: &Named, name: &'a str) -> &'a str {
    match (resource.group.as_str(), resource.resource.as_str()) {
        ("", "namespaces") => name,
        _ => "",
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
    let selected = membership.fields().requirements().iter().filter_map(field);
    requirements(one_name.into_iter().chain(selected).collect())
}

/// Field labels that the apiserver computes, so that they may mean something else than the path of
/// that name (`ToSelectableFields` and the like in kubernetes' `pkg/registry`).
const COMPUTED: [&str; 5] = [
    "source",
    "spec.hostNetwork",
    "spec.unschedulable",
    "status.replicas",
    "status.successful",
];

/// As `fieldSelectorAsSelector` in apiserver's `pkg/endpoints/request`: one value each.
///
/// Only where the path can't match more than the apiserver's field does: an absent one counts as
/// empty here and may have a default there, so neither `!=` nor an empty value is asked about.
/// Leaving one out asks for more, never for less.
fn field(requirement: &FieldRequirement) -> Option<Requirement> {
    let (key, value) = (requirement.path().to_string(), requirement.value());
    let same = match requirement.operator() {
        FieldOperator::Equals => !value.is_empty() && !COMPUTED.contains(&key.as_str()),
        FieldOperator::NotEquals => false,
    };
    same.then(|| Requirement {
        key,
        operator: "In",
        values: vec![value.to_owned()],
    })
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
mod tests;
