//! Finds the resource that a word on the command line means, the way kubectl does.

use crate::proto::v1::{GroupVersionResource, Resource};

/// Finds `word` among the resources: `pods`, `po`, `Pod`, `deployments.apps` or
/// `deployments.v1.apps`, in any case.
///
/// Without a version the preferred one is meant. Where several groups have the name, the core
/// group is meant, then Kubernetes' own, then the others by name. The error is a sentence that
/// names what comes near.
pub(crate) fn resolve<'a>(word: &str, resources: &'a [Resource]) -> Result<&'a Resource, String> {
    let word = word.to_lowercase();
    let mut found: Vec<&Resource> = readings(&word)
        .into_iter()
        .map(|reading| matching(&reading, resources))
        .find(|found| !found.is_empty())
        .ok_or_else(|| unknown(&word, resources))?;
    found.sort_by_key(|resource| rank(resource));
    Ok(found[0])
}

/// The full name, for example `deployments.apps`.
pub(crate) fn full_name(resource: &Resource) -> String {
    let (group, name) = (&gvr(resource).group, &gvr(resource).resource);
    if group.is_empty() {
        name.clone()
    } else {
        format!("{name}.{group}")
    }
}

/// The name parts, which every resource of a list has.
pub(crate) fn gvr(resource: &Resource) -> &GroupVersionResource {
    static NONE: GroupVersionResource = GroupVersionResource {
        group: String::new(),
        version: String::new(),
        resource: String::new(),
    };
    resource.resource.as_ref().unwrap_or(&NONE)
}

struct Reading<'a> {
    name: &'a str,
    version: Option<&'a str>,
    group: Option<&'a str>,
}

/// `a.b.c` may be a name with version and group or a name with a group that has a dot.
fn readings(word: &str) -> Vec<Reading<'_>> {
    let Some((name, rest)) = word.split_once('.') else {
        return vec![Reading {
            name: word,
            version: None,
            group: None,
        }];
    };
    let (version, group) = rest.split_once('.').unwrap_or((rest, ""));
    vec![
        Reading {
            name,
            version: Some(version),
            group: Some(group),
        },
        Reading {
            name,
            version: None,
            group: Some(rest),
        },
    ]
}

/// Plural names come before kinds, kinds before short names.
fn matching<'a>(reading: &Reading<'_>, resources: &'a [Resource]) -> Vec<&'a Resource> {
    let by = |named: &dyn Fn(&Resource) -> bool| -> Vec<&'a Resource> {
        resources
            .iter()
            .filter(|resource| {
                let gvr = gvr(resource);
                named(resource)
                    && reading.group.is_none_or(|group| gvr.group == group)
                    && reading
                        .version
                        .map_or(resource.preferred, |version| gvr.version == version)
            })
            .collect()
    };
    let mut found = by(&|resource| gvr(resource).resource == reading.name);
    if found.is_empty() {
        found = by(&|resource| resource.kind.to_lowercase() == reading.name);
    }
    if found.is_empty() {
        found = by(&|resource| resource.short_names.iter().any(|s| s == reading.name));
    }
    found
}

fn rank(resource: &Resource) -> (u8, &str) {
    let group = gvr(resource).group.as_str();
    let class = match group {
        "" => 0,
        group if !group.contains('.') => 1,
        group if group.ends_with(".k8s.io") => 2,
        _ => 3,
    };
    (class, group)
}

fn unknown(word: &str, resources: &[Resource]) -> String {
    let name = word.split('.').next().unwrap_or(word);
    let limit = (name.chars().count() / 3).max(1);
    let mut near: Vec<(usize, String)> = resources
        .iter()
        .filter_map(|resource| {
            let kind = resource.kind.to_lowercase();
            let names = resource.short_names.iter().map(String::as_str);
            let names = names.chain([gvr(resource).resource.as_str(), kind.as_str()]);
            let distance = names
                .map(|known| strsim::damerau_levenshtein(name, known))
                .min()?;
            (distance <= limit).then(|| (distance, full_name(resource)))
        })
        .collect();
    near.sort();
    near.dedup();
    near.truncate(3);
    let near: Vec<String> = near.into_iter().map(|(_, name)| name).collect();
    let hint = match near.as_slice() {
        [] => String::new(),
        near => format!("did you mean {}? ", near.join(", ")),
    };
    format!("the server has no resource `{word}`; {hint}`informerd resources` lists all")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(group: &str, version: &str, name: &str, kind: &str, short: &[&str]) -> Resource {
        Resource {
            resource: Some(GroupVersionResource {
                group: group.into(),
                version: version.into(),
                resource: name.into(),
            }),
            kind: kind.into(),
            short_names: short.iter().map(|s| (*s).to_owned()).collect(),
            preferred: !version.contains("beta"),
            ..Default::default()
        }
    }

    fn cluster() -> Vec<Resource> {
        vec![
            resource("", "v1", "events", "Event", &["ev"]),
            resource("", "v1", "pods", "Pod", &["po"]),
            resource("", "v1", "services", "Service", &["svc"]),
            resource("acme.io", "v1", "deployments", "Deployment", &[]),
            resource("apps", "v1", "deployments", "Deployment", &["deploy"]),
            resource("apps", "v1beta1", "deployments", "Deployment", &["deploy"]),
            resource("events.k8s.io", "v1", "events", "Event", &["ev"]),
            resource("metrics.k8s.io", "v1beta1", "pods", "PodMetrics", &[]),
            resource("v1.acme.io", "v2", "widgets", "Widget", &["po"]),
        ]
    }

    #[test]
    fn understands_what_kubectl_understands() {
        let cluster = cluster();
        let table = [
            ("pods", "pods v1"),
            ("pod", "pods v1"),
            ("POD", "pods v1"),
            ("po", "pods v1"),
            ("Deployment", "deployments.apps v1"),
            ("deploy", "deployments.apps v1"),
            ("deployments.apps", "deployments.apps v1"),
            ("deploy.apps", "deployments.apps v1"),
            ("deployments.v1beta1.apps", "deployments.apps v1beta1"),
            ("deployments.acme.io", "deployments.acme.io v1"),
            ("events", "events v1"),
            ("events.events.k8s.io", "events.events.k8s.io v1"),
            ("pods.v1", "pods v1"),
            ("pods.v1.", "pods v1"),
            ("pods.v1beta1.metrics.k8s.io", "pods.metrics.k8s.io v1beta1"),
            ("widgets.v1.acme.io", "widgets.v1.acme.io v2"),
            ("widgets.v2.v1.acme.io", "widgets.v1.acme.io v2"),
        ];
        for (word, expected) in table {
            let found = resolve(word, &cluster).expect(word);
            let name = format!("{} {}", full_name(found), gvr(found).version);
            assert_eq!(name, expected, "{word}");
        }
    }

    #[test]
    fn names_what_comes_near() {
        let cluster = cluster();
        let table = [
            ("pdos", "did you mean pods, "),
            ("servcies", "did you mean services? "),
            (
                "deployment.app",
                "did you mean deployments.acme.io, deployments.apps? ",
            ),
            ("zebras", ""),
        ];
        for (word, hint) in table {
            let error = resolve(word, &cluster).expect_err(word);
            let head = format!("the server has no resource `{word}`; {hint}");
            assert!(error.starts_with(&head), "{error}");
            assert!(error.ends_with("`informerd resources` lists all"));
        }
    }
}
