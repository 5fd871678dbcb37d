//! Discovery documents → resources. Pure.

use serde::Deserialize;

use crate::resource::{Gvr, ResourceInfo};

/// The versions of one group, the preferred one first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) versions: Vec<Version>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) name: String,
    /// `None`: not known; must be asked for.
    pub(super) resources: Option<Vec<ResourceInfo>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RootBody {
    kind: String,
    items: Vec<AggregatedGroup>,
    groups: Vec<NamedGroup>,
    versions: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct AggregatedGroup {
    metadata: Name,
    versions: Vec<AggregatedVersion>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Name {
    name: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct AggregatedVersion {
    version: String,
    resources: Vec<AggregatedResource>,
    freshness: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct AggregatedResource {
    resource: String,
    response_kind: Option<Kind>,
    scope: String,
    verbs: Vec<String>,
    short_names: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Kind {
    kind: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct NamedGroup {
    name: String,
    versions: Vec<NamedVersion>,
    preferred_version: NamedVersion,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct NamedVersion {
    version: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct VersionBody {
    resources: Vec<ListedResource>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct ListedResource {
    name: String,
    kind: String,
    namespaced: bool,
    verbs: Vec<String>,
    short_names: Vec<String>,
}

/// Reads the answer of `/api` or `/apis` in whichever form the server chose: everything at once
/// (aggregated discovery, stable since Kubernetes 1.30), or names only, each version being a
/// document of its own. `None`: not readable.
pub(super) fn root(body: &[u8]) -> Option<Vec<Group>> {
    let body: RootBody = serde_json::from_slice(body).ok()?;
    match &*body.kind {
        "APIGroupDiscoveryList" => Some(body.items.into_iter().map(aggregated_group).collect()),
        "APIGroupList" => Some(body.groups.into_iter().map(named_group).collect()),
        "APIVersions" => Some(vec![Group {
            name: String::new(),
            versions: body.versions.into_iter().map(unknown).collect(),
        }]),
        _ => None,
    }
}

/// Reads the answer of `/api/v1` or `/apis/{group}/{version}`.
pub(super) fn version(group: &str, version: &str, body: &[u8]) -> Option<Vec<ResourceInfo>> {
    let body: VersionBody = serde_json::from_slice(body).ok()?;
    let resources = body.resources.into_iter().filter_map(|listed| {
        // Subresources stand in the same list, as `pods/status`.
        let is_resource = !listed.name.contains('/') && !listed.kind.is_empty();
        is_resource.then(|| ResourceInfo {
            gvr: Gvr::new(group, version, listed.name),
            kind: listed.kind,
            namespaced: listed.namespaced,
            watchable: is_watchable(&listed.verbs),
            preferred: false,
            short_names: listed.short_names,
        })
    });
    Some(resources.collect())
}

/// Marks for each resource the version that the cluster prefers: the first one that serves it.
pub(super) fn flatten(groups: Vec<Group>) -> Vec<ResourceInfo> {
    let mut all: Vec<ResourceInfo> = Vec::new();
    for group in groups {
        let start = all.len();
        for version in group.versions {
            for mut info in version.resources.unwrap_or_default() {
                let known = all[start..].iter();
                info.preferred = !known
                    .into_iter()
                    .any(|k| k.gvr.resource == info.gvr.resource);
                all.push(info);
            }
        }
    }
    all
}

fn aggregated_group(group: AggregatedGroup) -> Group {
    let name = group.metadata.name;
    let versions = group.versions.into_iter().map(|version| {
        let resources = version.resources.into_iter().filter_map(|resource| {
            let kind = resource.response_kind.unwrap_or_default().kind;
            let is_resource = !kind.is_empty() && !resource.resource.is_empty();
            is_resource.then(|| ResourceInfo {
                gvr: Gvr::new(&*name, &*version.version, resource.resource),
                kind,
                namespaced: resource.scope == "Namespaced",
                watchable: is_watchable(&resource.verbs),
                preferred: false,
                short_names: resource.short_names,
            })
        });
        let resources = resources.collect();
        // A stale document is what the aggregator remembers of a server that doesn't answer.
        let stale = version.freshness == "Stale";
        Version {
            name: version.version,
            resources: (!stale).then_some(resources),
        }
    });
    Group {
        versions: versions.collect(),
        name,
    }
}

fn named_group(group: NamedGroup) -> Group {
    let preferred = group.preferred_version.version;
    let mut versions: Vec<_> = group.versions.into_iter().map(|v| v.version).collect();
    versions.sort_by_key(|version| *version != preferred);
    Group {
        name: group.name,
        versions: versions.into_iter().map(unknown).collect(),
    }
}

fn unknown(name: String) -> Version {
    Version {
        name,
        resources: None,
    }
}

fn is_watchable(verbs: &[String]) -> bool {
    ["list", "watch"]
        .iter()
        .all(|verb| verbs.iter().any(|v| v == verb))
}
