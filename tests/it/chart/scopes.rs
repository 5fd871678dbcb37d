//! What the chart knows of Kubernetes' own resources: which have a namespace. The real apiserver says
//! whether that is so.

use libtest_mimic::Trial;
use serde_json::Value;

use super::{
    helm::Helm,
    manifest::{list, texts},
    real,
    server::plane,
};
use crate::kube::Kube;

pub(super) fn trials() -> Vec<Trial> {
    vec![real(
        "knows_what_has_a_namespace",
        knows_what_has_a_namespace,
    )]
}

async fn knows_what_has_a_namespace(helm: Helm) {
    let (_, kube) = plane().await;
    let (mut namespaced, mut cluster_wide) = (0, 0);
    for (name, has_namespace) in built_in(&kube).await {
        let one = format!("clusterScopedResources=[{name:?}]");
        let refusal = helm.try_template(&[], &[&one]).err();
        assert_eq!(refusal.is_some(), has_namespace, "{name}: {refusal:?}");
        if let Some(refusal) = refusal {
            assert!(refusal.contains("has a namespace"), "{name}: {refusal}");
            namespaced += 1;
            continue;
        }
        let one = format!("resources=[{name:?}]");
        let refusal = helm.try_template(&[], &["namespaces=[\"a\"]", &one]).err();
        let refusal = refusal.unwrap_or_else(|| panic!("{name} is granted by Roles"));
        assert!(refusal.contains("has no namespace"), "{name}: {refusal}");
        cluster_wide += 1;
    }
    assert!(
        namespaced > 25 && cluster_wide > 15,
        "too little was looked at: {namespaced} and {cluster_wide}"
    );
}

/// Each resource of Kubernetes itself that can be watched, and whether it has a namespace.
async fn built_in(kube: &Kube) -> Vec<(String, bool)> {
    let mut found = resources("", &kube.get("/api/v1").await);
    for group in list(&kube.get("/apis").await["groups"]) {
        let name = group["name"].as_str().expect("a name");
        // Others come from definitions that tests install.
        if name.contains('.') && !name.ends_with(".k8s.io") {
            continue;
        }
        for version in list(&group["versions"]) {
            let version = version["groupVersion"].as_str().expect("a version");
            let told = kube.get(&format!("/apis/{version}")).await;
            found.extend(resources(name, &told));
        }
    }
    found.sort();
    found.dedup();
    found
}

fn resources(group: &str, told: &Value) -> Vec<(String, bool)> {
    let all = list(&told["resources"]).iter();
    let watched = all.filter(|resource| texts(&resource["verbs"]).contains(&"watch"));
    let dot = if group.is_empty() { "" } else { "." };
    watched
        .map(|resource| {
            let name = resource["name"].as_str().expect("a name");
            let namespaced = resource["namespaced"].as_bool().expect("a scope");
            (format!("{name}{dot}{group}"), namespaced)
        })
        .collect()
}
