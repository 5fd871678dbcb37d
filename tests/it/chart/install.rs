//! The install as it is used: helm brings it to the real apiserver, this test is scheduler and
//! kubelet, and callers come over TLS with tokens of their own.

use std::sync::Arc;

use libtest_mimic::Trial;
use serde_json::{Value, json};

use super::{
    contained,
    helm::{self, Helm},
    pod::Pod,
    site::{SMALL, Site, reads, ready},
};
use crate::{
    cli::run::{Ended, Run},
    kube::config_map,
    wait::until,
};

pub(super) fn trials() -> Vec<Trial> {
    vec![
        contained("the_install_serves_its_callers", serves_its_callers),
        contained("helm_test_passes", helm_test_passes),
        contained("a_new_certificate_reaches_the_pod", new_certificate),
    ]
}

/// Type, cause and name of the next event.
async fn next(run: &mut Run) -> String {
    let line = run.line().await;
    let event: Value = serde_json::from_str(&line).expect("JSON");
    let word = |field: &str| event[field].as_str().expect("text").to_owned();
    format!("{} {} {}", word("type"), word("cause"), word("name"))
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
    site.kube
        .create("configmaps", &site.namespace, map("live"))
        .await;
    assert_eq!(next(&mut watch).await, "ADDED CHANGE live");
    refuses_others(&site).await;

    // The pod is replaced; nothing is missed and nothing comes twice.
    watch.signal("INT").await;
    watch.end().await.fine();
    daemon.terminate();
    assert_eq!(daemon.ended().await, Some(0), "a drain is a planned end");
    site.kube
        .create("configmaps", &site.namespace, map("meanwhile"))
        .await;
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
    let log = daemon.log();
    assert!(log.contains("\"audit\""), "streams are accounted for");
    site.helm(&["uninstall", "informerd"], &[])
        .expect("uninstalled");
}

/// Whoever lacks anything is refused, and told what.
async fn refuses_others(site: &Site) {
    let viewer = site.caller("viewer", "informerd").await;
    let names = viewer.run(&["get", "configmaps"]).await.fine();
    assert!(names.contains("live"), "{names}");
    let denied = viewer.refused(&["get", "pods"]).await;
    assert!(
        denied.contains("pods") && denied.contains("viewer"),
        "{denied}"
    );
    let denied = viewer
        .refused(&["get", "configmaps", "-n", "kube-system"])
        .await;
    assert!(denied.contains("configmaps"), "{denied}");

    let stranger = site.caller("stranger", "informerd").await;
    let denied = stranger.refused(&["get", "configmaps"]).await;
    assert!(denied.contains("stranger"), "{denied}");
    let other = site.caller("viewer", "somebody-else").await;
    let wrong = other.refused(&["get", "configmaps"]).await;
    let nobody = site.caller_with(None).await;
    let none = nobody.refused(&["get", "configmaps"]).await;
    assert!(
        wrong.contains("token") && none.contains("token"),
        "{wrong}{none}"
    );
    assert_ne!(wrong, none, "each is told what is missing");

    let mut distrustful = site.caller("viewer", "informerd").await;
    distrustful.authority = None;
    let refused = distrustful.refused(&["get", "configmaps"]).await;
    assert!(refused.contains("certificate"), "{refused}");
    let mut plain = site.caller("viewer", "informerd").await;
    plain.server = plain.server.replace("https:", "http:");
    plain.refused(&["get", "configmaps"]).await;
}

/// As the manual says: delete the Secret, upgrade. The kubelet brings the files, and the daemon takes
/// them up while it serves.
async fn new_certificate(helm: Helm) {
    let site = Site::install(helm, "chart-rotate", SMALL).await;
    site.account("viewer", reads(&["configmaps"])).await;
    let (pod, daemon) = site.serve().await;
    ready(&daemon).await;
    let old = site.caller("viewer", "informerd").await;
    let mut watch = old.follow("configmaps");
    assert_eq!(next(&mut watch).await, "ADDED SNAPSHOT informerd-ca");
    assert_eq!(next(&mut watch).await, "ADDED SNAPSHOT kube-root-ca.crt");

    let secret = "informerd-tls";
    site.kube.delete("secrets", &site.namespace, secret).await;
    let upgrade = ["upgrade", "informerd", "helm/informerd", "--reuse-values"];
    site.helm(&upgrade, &[]).expect("upgraded");
    assert_eq!(next(&mut watch).await, "MODIFIED CHANGE informerd-ca");
    pod.refresh(&site.kube).await;
    let new = site.caller("viewer", "informerd").await;
    until("the new certificate is in use", || async {
        new.run(&["get", "configmaps"]).await.code == Some(0)
    })
    .await;
    let refused = old.refused(&["get", "configmaps"]).await;
    assert!(refused.contains("certificate"), "{refused}");
    let map = config_map("still", json!({}), json!({}));
    site.kube.create("configmaps", &site.namespace, map).await;
    assert_eq!(
        next(&mut watch).await,
        "ADDED CHANGE still",
        "old streams live on"
    );
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
    plays_the_test(&site).await;
    let said = helm.await.expect("no panic").expect("helm is content");
    assert!(said.contains("Succeeded"), "{said}");
}

/// Runs the pod that helm makes for its test, and reports that it ended well.
pub(super) async fn plays_the_test(site: &Site) {
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
}

/// The output of a container that must succeed.
async fn finished(pod: &Pod, container: &str) -> String {
    let mut command = tokio::process::Command::from(pod.container(container));
    let output = command.kill_on_drop(true).output().await.expect("it runs");
    helm::text(&output).unwrap_or_else(|error| panic!("{container}: {error}"))
}
