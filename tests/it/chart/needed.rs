//! Each right of the install is needed, and none more: what fails without one says which it was.

use std::collections::BTreeSet;

use libtest_mimic::Trial;
use serde_json::{Value, json};

use super::{
    contained,
    helm::Helm,
    manifest::{list, texts},
    server::plane,
    site::{Caller, SMALL, Site, reads, ready},
};
use crate::{kube::config_map, wait::until};

pub(super) fn trials() -> Vec<Trial> {
    vec![
        contained("every_rule_is_needed", every_rule_is_needed),
        contained("roles_suffice_for_namespaces", roles_suffice),
    ]
}

/// Each right that the chart gives is taken away by itself, and what fails then names it.
async fn every_rule_is_needed(helm: Helm) {
    let site = Site::install(helm, "chart-rules", SMALL).await;
    let all = reads(&["configmaps", "pods"]);
    let mut rules = list(&all).to_vec();
    rules.push(
        json!({"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["list", "watch"]}),
    );
    site.account("viewer", json!(rules)).await;
    let name = format!("{}:informerd", site.namespace);
    let path = format!("/apis/rbac.authorization.k8s.io/v1/clusterroles/{name}");
    let rules = single_rules(&site.kube.get(&path).await["rules"]);
    let mut taken = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        let (resource, group) = (texts(&rule["resources"])[0], texts(&rule["apiGroups"])[0]);
        let full = [resource, group].join(".");
        let full = full.trim_end_matches('.');
        let verbs = texts(&rule["verbs"]);
        // All of it, and its last verb: a list alone shows no change.
        let last = &verbs[verbs.len() - 1..];
        for gone in BTreeSet::from([verbs.as_slice(), last]) {
            let mut left = rules.clone();
            let kept: Vec<_> = verbs.iter().filter(|verb| !gone.contains(verb)).collect();
            left[index]["verbs"] = json!(kept);
            left.retain(|rule| !list(&rule["verbs"]).is_empty());
            give(&site, &name, &left).await;
            until("the right is gone", || async {
                !site.may(gone[gone.len() - 1], full).await
            })
            .await;
            if gone == ["get"] {
                fails_to_start(&site).await;
            } else {
                only_one_is_missing(&site, full).await;
            }
            taken.push(format!("{gone:?} {full}"));
        }
    }
    assert_eq!(taken.len(), 7, "{taken:?}");
    give(&site, &name, &rules).await;
    reviews_are_needed(&site).await;
}

/// The same rights, with one resource in each rule.
fn single_rules(rules: &Value) -> Vec<Value> {
    let split = |rule: &Value| -> Vec<Value> {
        let one = |resource: &&str| {
            let mut one = rule.clone();
            one["resources"] = json!([resource]);
            one
        };
        texts(&rule["resources"]).iter().map(one).collect()
    };
    list(rules).iter().flat_map(split).collect()
}

async fn give(site: &Site, role: &str, rules: &[Value]) {
    let roles = "clusterroles.rbac.authorization.k8s.io";
    let patch = json!({"rules": rules});
    site.kube.patch(roles, "", role, patch).await;
}

/// Without knowing its cluster a daemon doesn't begin, and says which right it lacks.
async fn fails_to_start(site: &Site) {
    let pod = site.replica().await;
    let mut command = tokio::process::Command::from(pod.container("informerd"));
    let output = command.kill_on_drop(true).output().await.expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for word in ["kube-system", "get", "cluster-id"] {
        assert!(said.contains(word), "{word}: {said}");
    }
}

/// One resource names what is missing; the others work.
async fn only_one_is_missing(site: &Site, missing: &str) {
    let (_pod, daemon) = site.serve().await;
    ready(&daemon).await;
    let viewer = site.caller("viewer", "informerd").await;
    for resource in ["configmaps", "pods", "deployments.apps"] {
        if resource == missing {
            let refused = viewer.refused(&["get", resource]).await;
            assert!(
                refused.contains(&format!("may not list and watch {missing}")),
                "{refused}"
            );
            assert!(refused.contains("the daemon"), "not the caller: {refused}");
        } else {
            viewer.run(&["get", resource]).await.fine();
        }
    }
    daemon.kill();
}

/// Without the binding nobody can be judged: the daemon isn't ready and says so.
async fn reviews_are_needed(site: &Site) {
    let bindings = "clusterrolebindings.rbac.authorization.k8s.io";
    let binding = format!("{}:informerd:auth-delegator", site.namespace);
    site.kube.delete(bindings, "", &binding).await;
    until("the right is gone", || async {
        !site
            .may("create", "tokenreviews.authentication.k8s.io")
            .await
    })
    .await;
    let (_pod, daemon) = site.serve().await;
    until("it isn't ready", || async {
        let (code, text) = daemon.page("/readyz").await;
        code == 503 && text.contains("system:auth-delegator")
    })
    .await;
}

/// Roles in two namespaces, and the id of the cluster: no right on what is elsewhere.
async fn roles_suffice(helm: Helm) {
    let (_, kube) = plane().await;
    let (a, b) = (
        kube.namespace("chart-a").await,
        kube.namespace("chart-b").await,
    );
    let uid = kube.get("/api/v1/namespaces/kube-system").await["metadata"]["uid"].clone();
    let settings = [
        format!("namespaces=[\"{a}\", \"{b}\"]"),
        format!("clusterId={uid}"),
        "resources=[\"configmaps\"]".to_owned(),
    ];
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let site = Site::install(helm, "chart-roles", &settings).await;
    let cluster_roles = site
        .kube
        .get("/apis/rbac.authorization.k8s.io/v1/clusterroles")
        .await;
    let ours = |role: &&Value| role.to_string().contains(&format!("\"{}:", site.namespace));
    assert_eq!(list(&cluster_roles["items"]).iter().find(ours), None);

    let (_pod, daemon) = site.serve().await;
    ready(&daemon).await;
    let admin = cluster_viewer(&site).await;
    for namespace in [&a, &b] {
        let map = config_map("here", json!({}), json!({}));
        site.kube.create("configmaps", namespace, map).await;
        let got = admin
            .run(&["get", "configmaps", "-n", namespace])
            .await
            .fine();
        assert!(got.contains("here"), "{got}");
    }
    let refused = admin.refused(&["get", "configmaps", "-n", "default"]).await;
    assert!(refused.contains("the namespace default"), "{refused}");
    assert!(!refused.contains(&a) && !refused.contains(&b), "{refused}");

    // Without the Role of one of them that one is named, and the other one goes on.
    let roles = "roles.rbac.authorization.k8s.io";
    let role = format!("{}:informerd", site.namespace);
    site.kube.delete(roles, &b, &role).await;
    daemon.terminate();
    assert_eq!(daemon.ended().await, Some(0));
    let (_pod, daemon) = site.serve().await;
    ready(&daemon).await;
    admin.run(&["get", "configmaps", "-n", &a]).await.fine();
    let refused = admin.refused(&["get", "configmaps", "-n", &b]).await;
    assert!(
        refused.contains("configmaps") && refused.contains(&b),
        "{refused}"
    );
}

/// A caller that may list configmaps everywhere.
async fn cluster_viewer(site: &Site) -> Caller {
    site.account("viewer", json!([])).await;
    let name = format!("{}:viewer", site.namespace);
    let group = "rbac.authorization.k8s.io";
    let object = |kind: &str| {
        json!({
            "apiVersion": format!("{group}/v1"), "kind": kind, "metadata": {"name": name},
        })
    };
    let mut role = object("ClusterRole");
    role["rules"] = reads(&["configmaps"]);
    site.kube
        .create(&format!("clusterroles.{group}"), "", role)
        .await;
    let mut binding = object("ClusterRoleBinding");
    binding["roleRef"] = json!({"apiGroup": group, "kind": "ClusterRole", "name": name});
    binding["subjects"] =
        json!([{"kind": "ServiceAccount", "name": "viewer", "namespace": site.namespace}]);
    let bindings = format!("clusterrolebindings.{group}");
    site.kube.create(&bindings, "", binding).await;
    site.caller("viewer", "informerd").await
}
