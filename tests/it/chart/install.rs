//! The install as it is used: helm brings it to the real apiserver, this test is scheduler and
//! kubelet, and callers come over TLS with tokens of their own.

use std::sync::Arc;

use libtest_mimic::Trial;
use serde_json::{Value, json};

use super::{
    helm::Helm,
    manifest::{list, texts},
    pod::Pod,
    real,
    site::Site,
};
use crate::{
    cli::run::{Ended, Run},
    daemon::Daemon,
    kube::config_map,
    wait::until,
};

pub(super) fn trials() -> Vec<Trial> {
    vec![
        real("the_install_serves_its_callers", serves_its_callers),
        real("helm_test_passes", helm_test_passes),
        real("every_rule_is_needed", every_rule_is_needed),
        real("roles_suffice_for_namespaces", roles_suffice),
    ]
}

const SMALL: &[&str] = &[
    "resources=[\"configmaps\", \"pods\", \"deployments.apps\"]",
    "access.recheckInterval=\"1s\"",
];

fn reads(resources: &[&str]) -> Value {
    json!([{"apiGroups": [""], "resources": resources, "verbs": ["list", "watch"]}])
}

/// Type, cause and name of the next event.
async fn next(run: &mut Run) -> String {
    let line = run.line().await;
    let event: Value = serde_json::from_str(&line).expect("JSON");
    let word = |field: &str| event[field].as_str().expect("text").to_owned();
    format!("{} {} {}", word("type"), word("cause"), word("name"))
}

async fn ready(daemon: &Daemon) {
    until("it is ready", || async {
        daemon.page("/readyz").await.0 == 200
    })
    .await;
}

async fn serves_its_callers(helm: Helm) {
    let site = Site::install(helm, "chart-callers", SMALL).await;
    let map = |name: &str| config_map(name, json!({}), json!({}));
    site.account("viewer", reads(&["configmaps"])).await;
    site.account("stranger", json!([])).await;
    let (_pod, daemon) = site.serve().await;
    ready(&daemon).await;

    let viewer = site.caller("viewer", "informerd").await;
    let mut watch = viewer.follow("configmaps");
    // All that the chart and the test have put there, ordered as the apiserver orders.
    assert_eq!(next(&mut watch).await, "ADDED SNAPSHOT informerd-ca");
    assert_eq!(next(&mut watch).await, "ADDED SNAPSHOT kube-root-ca.crt");
    site.kube.create("configmaps", &site.namespace, map("live")).await;
    assert_eq!(next(&mut watch).await, "ADDED CHANGE live");
    refuses_others(&site).await;

    // The pod is replaced; nothing is missed and nothing comes twice.
    watch.signal("INT").await;
    watch.end().await.fine();
    daemon.terminate();
    assert_eq!(daemon.ended().await, Some(0), "a drain is a planned end");
    site.kube.create("configmaps", &site.namespace, map("meanwhile")).await;
    let (_pod, daemon) = site.serve().await;
    ready(&daemon).await;
    let mut watch = viewer.follow("configmaps");
    assert_eq!(next(&mut watch).await, "ADDED CHANGE meanwhile");

    // A right that is taken ends the stream that has it.
    let bindings = "rolebindings.rbac.authorization.k8s.io";
    site.kube.delete(bindings, &site.namespace, "viewer").await;
    let Ended { code, err, .. } = watch.end().await;
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("configmaps"), "{err}");
    let log = daemon.log().join("\n");
    assert!(log.contains("\"audit\""), "streams are accounted for");
    site.helm(&["uninstall", "informerd"], &[]).expect("uninstalled");
}

/// Whoever lacks anything is refused, and told what.
async fn refuses_others(site: &Site) {
    let viewer = site.caller("viewer", "informerd").await;
    let names = viewer.run(&["get", "configmaps"]).await.fine();
    assert!(names.contains("live"), "{names}");
    let denied = viewer.refused(&["get", "pods"]).await;
    assert!(denied.contains("pods") && denied.contains("viewer"), "{denied}");
    let denied = viewer.refused(&["get", "configmaps", "-n", "kube-system"]).await;
    assert!(denied.contains("configmaps"), "{denied}");

    let stranger = site.caller("stranger", "informerd").await;
    let denied = stranger.refused(&["get", "configmaps"]).await;
    assert!(denied.contains("stranger"), "{denied}");
    let other = site.caller("viewer", "somebody-else").await;
    let wrong = other.refused(&["get", "configmaps"]).await;
    let nobody = site.caller_with(None).await;
    let none = nobody.refused(&["get", "configmaps"]).await;
    assert!(wrong.contains("token") && none.contains("token"), "{wrong}{none}");
    assert_ne!(wrong, none, "each is told what is missing");

    let mut distrustful = site.caller("viewer", "informerd").await;
    distrustful.authority = None;
    let refused = distrustful.refused(&["get", "configmaps"]).await;
    assert!(refused.contains("certificate"), "{refused}");
    let mut plain = site.caller("viewer", "informerd").await;
    plain.server = plain.server.replace("https:", "http:");
    plain.refused(&["get", "configmaps"]).await;
}

/// `helm test` itself; this test runs the containers of its pod and reports their end.
async fn helm_test_passes(helm: Helm) {
    let site = Arc::new(Site::install(helm, "chart-test", SMALL).await);
    let (_pod, daemon) = site.serve().await;
    ready(&daemon).await;
    let helm = {
        let site = site.clone();
        tokio::task::spawn_blocking(move || site.helm(&["test", "informerd"], &["--timeout", "2m"]))
    };
    let path = format!("/api/v1/namespaces/{}/pods/informerd-test", site.namespace);
    until("helm makes the pod", || async {
        site.kube.try_get(&path).await.is_ok()
    })
    .await;
    let spec = site.kube.get(&path).await["spec"].clone();
    let pod = site.pod(&spec).await;
    let listed = finished(&pod, "resources").await;
    assert!(listed.contains("configmaps"), "{listed}");
    let got = finished(&pod, "get").await;
    assert!(got.contains("kube-root-ca.crt"), "{got}");
    let succeeded = json!({"status": {"phase": "Succeeded"}});
    let kube = &site.kube;
    kube.patch_status("pods", &site.namespace, "informerd-test", succeeded)
        .await;
    let said = helm.await.expect("no panic").expect("helm is content");
    assert!(said.contains("Succeeded"), "{said}");
}

/// The output of a container that must succeed.
async fn finished(pod: &Pod, container: &str) -> String {
    let mut command = tokio::process::Command::from(pod.container(container));
    let output = command.kill_on_drop(true).output().await.expect("it runs");
    super::helm::text(&output).unwrap_or_else(|error| panic!("{container}: {error}"))
}

/// Each right that the chart gives is taken away by itself, and what fails then names it.
async fn every_rule_is_needed(helm: Helm) {
    let site = Site::install(helm, "chart-rules", SMALL).await;
    let all = reads(&["configmaps", "pods"]);
    let mut rules = list(&all).to_vec();
    rules.push(json!({"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["list", "watch"]}));
    site.account("viewer", json!(rules)).await;
    let name = format!("{}:informerd", site.namespace);
    let path = format!("/apis/rbac.authorization.k8s.io/v1/clusterroles/{name}");
    let rules = list(&site.kube.get(&path).await["rules"]).to_vec();
    let mut taken = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        for (at, verb) in texts(&rule["verbs"]).iter().enumerate() {
            for (of, resource) in texts(&rule["resources"]).iter().enumerate() {
                let group = texts(&rule["apiGroups"])[0];
                let full = [resource, group].join(".");
                let full = full.trim_end_matches('.');
                give(&site, &name, &without(&rules, index, at, of)).await;
                until("the right is gone", || async { !site.may(verb, full).await }).await;
                if *verb == "get" {
                    fails_to_start(&site).await;
                } else {
                    only_one_is_missing(&site, full, verb).await;
                }
                taken.push(format!("{verb} {full}"));
            }
        }
    }
    assert_eq!(taken.len(), 7, "{taken:?}");
    give(&site, &name, &rules).await;
    reviews_are_needed(&site).await;
}

/// The rules without one verb on one resource.
fn without(rules: &[Value], rule: usize, verb: usize, resource: usize) -> Vec<Value> {
    let mut left = rules.to_vec();
    let mut part = left.remove(rule);
    let mut only = part.clone();
    let taken = &part["resources"][resource];
    only["resources"] = json!([taken]);
    only["verbs"].as_array_mut().expect("verbs").remove(verb);
    part["resources"].as_array_mut().expect("resources").remove(resource);
    let holds = |rule: &Value| !list(&rule["verbs"]).is_empty() && !list(&rule["resources"]).is_empty();
    left.extend([part, only].into_iter().filter(holds));
    left
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
async fn only_one_is_missing(site: &Site, missing: &str, verb: &str) {
    let (_pod, daemon) = site.serve().await;
    ready(&daemon).await;
    let viewer = site.caller("viewer", "informerd").await;
    for resource in ["configmaps", "pods", "deployments.apps"] {
        if resource == missing {
            let refused = viewer.refused(&["get", resource]).await;
            assert!(refused.contains(missing) && refused.contains(verb), "{refused}");
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
        !site.may("create", "tokenreviews.authentication.k8s.io").await
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
    let (_, kube) = super::server::plane().await;
    let (a, b) = (kube.namespace("chart-a").await, kube.namespace("chart-b").await);
    let uid = kube.get("/api/v1/namespaces/kube-system").await["metadata"]["uid"].clone();
    let settings = [
        format!("namespaces=[\"{a}\", \"{b}\"]"),
        format!("clusterId={uid}"),
        "resources=[\"configmaps\"]".to_owned(),
    ];
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let site = Site::install(helm, "chart-roles", &settings).await;
    let cluster_roles = site.kube.get("/apis/rbac.authorization.k8s.io/v1/clusterroles").await;
    let ours = |role: &&Value| role.to_string().contains(&format!("\"{}:", site.namespace));
    assert_eq!(list(&cluster_roles["items"]).iter().find(ours), None);

    let (_pod, daemon) = site.serve().await;
    ready(&daemon).await;
    let admin = cluster_viewer(&site).await;
    for namespace in [&a, &b] {
        let map = config_map("here", json!({}), json!({}));
        site.kube.create("configmaps", namespace, map).await;
        let got = admin.run(&["get", "configmaps", "-n", namespace]).await.fine();
        assert!(got.contains("here"), "{got}");
    }
    let refused = admin.refused(&["get", "configmaps", "-n", "default"]).await;
    assert!(refused.contains(&a) && refused.contains(&b), "{refused}");

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
    assert!(refused.contains("configmaps") && refused.contains(&b), "{refused}");
}

/// A caller that may list configmaps everywhere.
async fn cluster_viewer(site: &Site) -> super::site::Caller {
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
    site.kube.create(&format!("clusterroles.{group}"), "", role).await;
    let mut binding = object("ClusterRoleBinding");
    binding["roleRef"] = json!({"apiGroup": group, "kind": "ClusterRole", "name": name});
    binding["subjects"] =
        json!([{"kind": "ServiceAccount", "name": "viewer", "namespace": site.namespace}]);
    let bindings = format!("clusterrolebindings.{group}");
    site.kube.create(&bindings, "", binding).await;
    site.caller("viewer", "informerd").await
}
