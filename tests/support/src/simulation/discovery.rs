//! Discovery in both dialects, the version, the probes, and as much OpenAPI as kubectl needs to
//! leave validation to the server.

use serde_json::{Value, json};

use super::cluster::Cluster;
use super::resources::ResourceSpec;
use super::subresources;

/// A JSON document with its content type.
pub(super) type Document = (String, Value);

const PLAIN: &str = "application/json";

/// The document at a path that is not a resource; `None` for 404.
pub(super) fn document(cluster: &Cluster, path: &str, accept: &str) -> Option<Document> {
    let specs: Vec<ResourceSpec> = cluster.read(|state| {
        let served = state.tables.values().filter(|table| table.served);
        served.map(|table| table.spec.clone()).collect()
    });
    let aggregated =
        cluster.options().aggregated_discovery && accept.contains("g=apidiscovery.k8s.io");
    let plain = |value| Some((PLAIN.to_owned(), value));
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        ["version"] => plain(version()),
        ["api"] if aggregated => Some(groups_aggregated(&specs, true, accept)),
        ["apis"] if aggregated => Some(groups_aggregated(&specs, false, accept)),
        ["api"] => plain(json!({ "kind": "APIVersions", "versions": ["v1"] })),
        ["apis"] => plain(groups(&specs)),
        ["api", version] => resources(&specs, "", version).and_then(plain),
        ["apis", group] => group_versions(&specs, group).and_then(plain),
        ["apis", group, version] => resources(&specs, group, version).and_then(plain),
        ["openapi", "v3"] => plain(openapi_paths(&specs)),
        ["openapi", "v3", "api", version] => plain(openapi(&specs, version)),
        ["openapi", "v3", "apis", group, version] => {
            plain(openapi(&specs, &format!("{group}/{version}")))
        }
        _ => None,
    }
}

/// Whether a path lies below a served group and version.
pub(super) fn serves_version_of(cluster: &Cluster, path: &str) -> bool {
    let path = path.trim_start_matches('/');
    cluster.read(|state| {
        let mut served = state.tables.values().filter(|table| table.served);
        served.any(|table| path.starts_with(&format!("{}/", base(&table.spec.api_version()))))
    })
}

fn version() -> Value {
    json!({
        "major": "1", "minor": "34", "gitVersion": "v1.34.0+simulation", "gitCommit": "",
        "gitTreeState": "clean", "buildDate": "2025-08-27T10:09:04Z", "goVersion": "",
        "compiler": "", "platform": "linux/amd64",
    })
}

/// Groups but the core one, each with the versions it has.
fn group_names(specs: &[ResourceSpec]) -> Vec<(String, Vec<String>)> {
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for spec in specs {
        match groups.iter_mut().find(|(group, _)| *group == spec.group) {
            Some((_, versions)) if versions.contains(&spec.version) => {}
            Some((_, versions)) => versions.push(spec.version.clone()),
            None => groups.push((spec.group.clone(), vec![spec.version.clone()])),
        }
    }
    groups.sort();
    groups
}

fn group_entry(group: &str, versions: &[String]) -> Value {
    let entry = |version: &String| json!({ "groupVersion": format!("{group}/{version}"), "version": version });
    json!({
        "name": group,
        "versions": versions.iter().map(entry).collect::<Vec<_>>(),
        "preferredVersion": versions.first().map(entry),
    })
}

fn groups(specs: &[ResourceSpec]) -> Value {
    let named = group_names(specs)
        .into_iter()
        .filter(|(group, _)| !group.is_empty());
    let list: Vec<Value> = named
        .map(|(group, versions)| group_entry(&group, &versions))
        .collect();
    json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": list })
}

fn group_versions(specs: &[ResourceSpec], group: &str) -> Option<Value> {
    let (group, versions) = group_names(specs)
        .into_iter()
        .find(|(name, _)| name == group)?;
    let mut entry = json!({ "kind": "APIGroup", "apiVersion": "v1" });
    for (key, value) in group_entry(&group, &versions).as_object()? {
        entry[key] = value.clone();
    }
    Some(entry)
}

fn singular(spec: &ResourceSpec) -> String {
    spec.kind.to_lowercase()
}

fn resources(specs: &[ResourceSpec], group: &str, version: &str) -> Option<Value> {
    let mut list = Vec::new();
    for spec in specs
        .iter()
        .filter(|spec| spec.group == group && spec.version == version)
    {
        let mut entry = json!({
            "name": spec.resource, "singularName": singular(spec), "namespaced": spec.namespaced,
            "kind": spec.kind, "verbs": spec.verbs,
        });
        if !spec.short_names.is_empty() {
            entry["shortNames"] = json!(spec.short_names);
        }
        list.push(entry);
        for sub in subresources::of(spec) {
            let mut entry = json!({
                "name": format!("{}/{}", spec.resource, sub.name), "singularName": "",
                "namespaced": spec.namespaced, "kind": spec.kind, "verbs": sub.verbs,
            });
            if let Some((group, version, kind)) = sub.kind {
                entry["group"] = json!(group);
                entry["version"] = json!(version);
                entry["kind"] = json!(kind);
            }
            list.push(entry);
        }
    }
    let group_version = if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    };
    (!list.is_empty()).then(|| {
        json!({
            "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version,
            "resources": list,
        })
    })
}

fn groups_aggregated(specs: &[ResourceSpec], core: bool, accept: &str) -> Document {
    let dialect = if accept.contains("v=v2;") || accept.ends_with("v=v2") {
        "v2"
    } else {
        "v2beta1"
    };
    let groups = group_names(specs)
        .into_iter()
        .filter(|(group, _)| group.is_empty() == core);
    let items: Vec<Value> = groups
        .map(|(group, versions)| {
            let versions: Vec<Value> = versions
                .iter()
                .map(|version| {
                    let of_it = specs
                        .iter()
                        .filter(|spec| spec.group == group && spec.version == *version);
                    json!({
                        "version": version, "freshness": "Current",
                        "resources": of_it.map(aggregated_entry).collect::<Vec<_>>(),
                    })
                })
                .collect();
            let metadata = if core {
                json!({})
            } else {
                json!({ "name": group })
            };
            json!({ "metadata": metadata, "versions": versions })
        })
        .collect();
    let list = json!({
        "kind": "APIGroupDiscoveryList", "apiVersion": format!("apidiscovery.k8s.io/{dialect}"),
        "metadata": {}, "items": items,
    });
    (
        format!("{PLAIN};g=apidiscovery.k8s.io;v={dialect};as=APIGroupDiscoveryList"),
        list,
    )
}

fn aggregated_entry(spec: &ResourceSpec) -> Value {
    let kind = json!({ "group": spec.group, "version": spec.version, "kind": spec.kind });
    let mut entry = json!({
        "resource": spec.resource, "responseKind": kind,
        "scope": if spec.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": singular(spec), "verbs": spec.verbs,
    });
    if !spec.short_names.is_empty() {
        entry["shortNames"] = json!(spec.short_names);
    }
    let subresources = subresources::of(spec).into_iter().map(|sub| {
        let own = (
            spec.group.as_str(),
            spec.version.as_str(),
            spec.kind.as_str(),
        );
        let (group, version, kind) = sub.kind.unwrap_or(own);
        json!({
            "subresource": sub.name, "verbs": sub.verbs,
            "responseKind": { "group": group, "version": version, "kind": kind },
        })
    });
    let subresources: Vec<Value> = subresources.collect();
    if !subresources.is_empty() {
        entry["subresources"] = json!(subresources);
    }
    entry
}

fn base(api_version: &str) -> String {
    let root = if api_version.contains('/') {
        "apis"
    } else {
        "api"
    };
    format!("{root}/{api_version}")
}

fn openapi_paths(specs: &[ResourceSpec]) -> Value {
    let mut paths = json!({});
    for spec in specs {
        let base = base(&spec.api_version());
        let url = format!("/openapi/v3/{base}?hash=0");
        paths[base] = json!({ "serverRelativeURL": url });
    }
    json!({ "paths": paths })
}

/// Says of every kind that the server validates fields by itself.
fn openapi(specs: &[ResourceSpec], api_version: &str) -> Value {
    let mut paths = json!({});
    for spec in specs
        .iter()
        .filter(|spec| spec.api_version() == api_version)
    {
        let path = format!("/{}/{}/{{name}}", base(api_version), spec.resource);
        let parameter =
            |name: &str| json!({ "name": name, "in": "query", "schema": { "type": "string" } });
        let operation = |action: &str| {
            json!({
                "x-kubernetes-action": action,
                "x-kubernetes-group-version-kind": {
                    "group": spec.group, "version": spec.version, "kind": spec.kind,
                },
                "parameters": [parameter("fieldValidation"), parameter("dryRun")],
                "responses": { "200": { "description": "OK" } },
            })
        };
        paths[path] = json!({ "patch": operation("patch") });
    }
    json!({
        "openapi": "3.0.0", "info": { "title": "Kubernetes", "version": "v1.34.0" },
        "paths": paths, "components": { "schemas": {} },
    })
}
