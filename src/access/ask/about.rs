//! What all questions about one scope share, written once: a call may lead to two hundred of them,
//! with selectors of a thousand values, before anything is paid for.

use std::{borrow::Cow, sync::Arc};

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::{Named, Right, Scope};
use crate::{
    access::key::{Digest, digest},
    selector::{FieldOperator, FieldRequirement, LabelOperator, LabelRequirement, Membership},
};

/// A right to a scope, but for the verb and the namespace.
#[derive(Debug)]
pub(in crate::access) struct About {
    verbs: &'static [&'static str],
    by_name: bool,
    resource: Named,
    /// Empty unless there is only one.
    name: String,
    field_selector: Option<Box<RawValue>>,
    label_selector: Option<Box<RawValue>>,
    /// Of all that is sent.
    digest: Digest,
    length: usize,
}

/// `ResourceAttributes` of authorization.k8s.io/v1, as they are sent.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Attributes<'a> {
    verb: &'a str,
    group: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    version: &'a str,
    resource: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    namespace: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field_selector: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label_selector: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct Requirements<'a> {
    requirements: Vec<Requirement<'a>>,
}

/// `FieldSelectorRequirement` and `LabelSelectorRequirement` of meta/v1.
#[derive(Serialize)]
struct Requirement<'a> {
    key: Cow<'a, str>,
    operator: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    values: Vec<&'a str>,
}

impl About {
    /// What the questions about a right to a scope share.
    pub(in crate::access) fn of<R: Right>(scope: &Scope) -> Arc<Self> {
        let membership = &scope.membership;
        let (fields, labels) = match R::BY_NAME {
            true => (None, None),
            false => (fields(membership), labels(membership)),
        };
        let mut about = Self {
            verbs: R::VERBS,
            by_name: R::BY_NAME,
            resource: scope.resource.clone(),
            name: single_name(membership).unwrap_or_default().to_owned(),
            field_selector: fields,
            label_selector: labels,
            digest: Digest::default(),
            length: 0,
        };
        let text = serde_json::to_vec(&about.attributes("", "")).expect("attributes are texts");
        about.digest = digest(&text);
        about.length = text.len();
        Arc::new(about)
    }

    pub(super) fn attributes<'a>(&'a self, verb: &'a str, namespace: &'a str) -> Attributes<'a> {
        Attributes {
            verb,
            group: &self.resource.group,
            version: &self.resource.version,
            resource: &self.resource.resource,
            namespace,
            name: &self.name,
            field_selector: self.field_selector.as_deref(),
            label_selector: self.label_selector.as_deref(),
        }
    }

    /// The verbs that are needed.
    pub(super) fn verbs(&self) -> &'static [&'static str] {
        self.verbs
    }

    pub(super) fn resource(&self) -> &Named {
        &self.resource
    }

    /// The one name that is asked about; empty if there is none.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Stands for all but the verb and the namespace.
    pub(super) fn digest(&self) -> &[u8] {
        &self.digest
    }

    /// How long the attributes are, in bytes, without verb and namespace.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Where an object is that is in no other namespace; empty for the whole cluster.
    ///
    /// A namespace is in itself when it stands in the path of a request, which one in a field
    /// selector does not (`NewRequestInfo` in apiserver's `pkg/endpoints/request`).
    pub(super) fn own_namespace(&self) -> &str {
        match (
            self.resource.group.as_str(),
            self.resource.resource.as_str(),
        ) {
            ("", "namespaces") if self.by_name => &self.name,
            _ => "",
        }
    }
}

/// The one name that all objects of a membership have, if that is how it is. A name that could not
/// be part of a path is none, as in `NewRequestInfo` (apiserver's `pkg/endpoints/request`).
pub(super) fn single_name(membership: &Membership) -> Option<&str> {
    if let [name] = membership.names() {
        return Some(name);
    }
    let mut terms = membership.fields().equality_terms();
    let name =
        terms.find_map(|(path, value)| (path.to_string() == "metadata.name").then_some(value))?;
    let segment = !matches!(name, "" | "." | "..") && !name.contains(['/', '%']);
    segment.then_some(name)
}

fn fields(membership: &Membership) -> Option<Box<RawValue>> {
    let one_name = match membership.names() {
        [name] => Some(Requirement {
            key: "metadata.name".into(),
            operator: "In",
            values: vec![name],
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
fn field(requirement: &FieldRequirement) -> Option<Requirement<'_>> {
    let (key, value) = (requirement.path().to_string(), requirement.value());
    let same = match requirement.operator() {
        FieldOperator::Equals => !value.is_empty() && !COMPUTED.contains(&key.as_str()),
        FieldOperator::NotEquals => false,
    };
    same.then(|| Requirement {
        key: key.into(),
        operator: "In",
        values: vec![value],
    })
}

fn labels(membership: &Membership) -> Option<Box<RawValue>> {
    let all = membership.labels().requirements();
    requirements(all.iter().filter_map(label).collect())
}

/// `<` and `>` have no form in a review. Leaving one out asks for more, never for less.
fn label(requirement: &LabelRequirement) -> Option<Requirement<'_>> {
    let (operator, values) = match requirement.operator() {
        LabelOperator::In(set) => ("In", texts(set)),
        LabelOperator::NotIn(set) => ("NotIn", texts(set)),
        LabelOperator::Exists => ("Exists", Vec::new()),
        LabelOperator::DoesNotExist => ("DoesNotExist", Vec::new()),
        LabelOperator::GreaterThan(_) | LabelOperator::LessThan(_) => return None,
    };
    Some(Requirement {
        key: requirement.key().into(),
        operator,
        values,
    })
}

fn texts(set: &[Box<str>]) -> Vec<&str> {
    set.iter().map(|value| &**value).collect()
}

/// An empty list is not valid in a review.
fn requirements(requirements: Vec<Requirement<'_>>) -> Option<Box<RawValue>> {
    let some = !requirements.is_empty();
    let written = |all| to_raw_value(&all).expect("requirements are texts");
    some.then_some(Requirements { requirements }).map(written)
}
