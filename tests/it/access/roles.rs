//! Rights that go by a change of roles or bindings, long before the regular check.

use std::time::Duration;

use informerd_support::simulation::{Action, Cluster, Fault, ResourceSpec, Verb};
use serde_json::{Value, json};
use tonic::Code;

use super::{
    calls::{Line, Stream},
    cast::{A, Cast},
};
use crate::{
    conformance::scenarios, daemon::Daemon, request::Ask, stage::Kind, subscriber::reason,
    wait::until,
};

scenarios![
    access_ends_at_once_when_roles_change,
    access_is_asked_about_once_more_after_a_change: "a real apiserver's delay can't be ordered",
    access_without_role_watches_is_checked_in_turn: "played on the real one with the chart's roles",
];

const GROUP: &str = "rbac.authorization.k8s.io";
/// So long that nothing in these scenarios is a regular check.
const RARELY: [&str; 2] = ["--recheck-interval", "1h"];
/// Longest wait for an end that must come long before the regular check.
const PATIENCE: Duration = Duration::from_secs(60);
const FOLLOWED: &str = "checked at once when these change";

/// The kinds as the simulation serves them.
fn kinds() -> [ResourceSpec; 4] {
    let spec = |resource, kind| ResourceSpec::new(GROUP, "v1", resource, kind).without_status();
    [
        spec("roles", "Role"),
        spec("rolebindings", "RoleBinding"),
        spec("clusterroles", "ClusterRole").cluster_scoped(),
        spec("clusterrolebindings", "ClusterRoleBinding").cluster_scoped(),
    ]
}

/// Somebody's role and binding, as objects. On a simulated cluster they mean nothing.
async fn give(cast: &Cast, name: &str, namespace: &str) {
    let (prefix, kind) = match namespace {
        "" => ("cluster", "ClusterRole"),
        _ => ("", "Role"),
    };
    let metadata = json!({"name": name});
    let rules = json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}]);
    let role = json!({"metadata": metadata, "rules": rules});
    let kube = &cast.kube;
    kube.create(&format!("{prefix}roles.{GROUP}"), namespace, role)
        .await;
    let binding = json!({
        "metadata": metadata,
        "roleRef": {"apiGroup": GROUP, "kind": kind, "name": name},
        "subjects": [{"kind": "User", "name": name}],
    });
    kube.create(&format!("{prefix}rolebindings.{GROUP}"), namespace, binding)
        .await;
}

/// A cluster with roles, and a daemon that rarely checks.
struct Scene {
    cast: Cast,
    daemon: Daemon,
}

impl Scene {
    async fn new(kind: Kind, faults: Vec<Fault>) -> Self {
        let cast = Cast::assemble(kind).await;
        if let Some(cluster) = cast.stage.simulated() {
            for spec in kinds() {
                cluster.register(spec);
            }
            for (name, namespace) in [("revoked", A), ("ns-viewer", A), ("cluster-viewer", "")] {
                give(&cast, name, namespace).await;
            }
            faults.into_iter().for_each(|fault| cluster.inject(fault));
        }
        let daemon = Daemon::guarded(&cast.stage.kubeconfig(), &RARELY).await;
        Self { cast, daemon }
    }

    async fn following(kind: Kind) -> Self {
        let scene = Self::new(kind, Vec::new()).await;
        until("roles are followed", || async {
            scene.daemon.log().matches(FOLLOWED).count() == 4
        })
        .await;
        scene
    }

    fn cluster(&self) -> Option<&Cluster> {
        self.cast.stage.simulated()
    }

    /// A stream of an account that has come to rest.
    async fn stream(&self, account: &str) -> Stream {
        let token = self.cast.usable(account).await;
        let line = Line::new(&self.daemon.connect().await, Some(&token));
        let mut stream = line.watch(&maps()).await.expect("allowed");
        stream.snapshot().await.expect("a snapshot");
        stream
    }

    /// What a simulated cluster answers, which does not follow from its objects.
    fn simulate_loss(&self, account: &str) {
        if let Some(cluster) = self.cluster() {
            cluster.set_rules(self.cast.rules_without(account));
        }
    }

    async fn delete(&self, resource: &str, namespace: &str, name: &str) {
        let resource = format!("{resource}.{GROUP}");
        self.cast.kube.delete(&resource, namespace, name).await;
    }

    async fn touch(&self, step: &str) {
        let patch = json!({"data": {"step": step}});
        self.cast.kube.patch("configmaps", A, "one", patch).await;
    }
}

fn maps() -> Ask {
    Ask::of("configmaps").namespace(A)
}

async fn ends(what: &str, mut stream: Stream) {
    let ended = tokio::time::timeout(PATIENCE, stream.end()).await;
    let (_, status) = ended.unwrap_or_else(|_| panic!("{what}: the stream goes on"));
    assert_eq!(status.code(), Code::PermissionDenied, "{what}: {status:?}");
    assert_eq!(reason(&status), "ACCESS_DENIED", "{what}: {status:?}");
}

/// A binding, a role and a binding of the whole cluster are taken away, each from somebody else.
async fn access_ends_at_once_when_roles_change(kind: Kind) {
    let scene = Scene::following(kind).await;
    let kube = &scene.cast.kube;
    let mut boss = scene.stream("boss").await;
    let bound = scene.stream("revoked").await;
    let reader = scene.stream("ns-viewer").await;
    let viewer = scene.stream("cluster-viewer").await;

    scene.simulate_loss("revoked");
    scene.delete("rolebindings", A, "revoked").await;
    ends("a binding is deleted", bound).await;

    scene.simulate_loss("ns-viewer");
    let roles = format!("roles.{GROUP}");
    kube.patch(&roles, A, "ns-viewer", json!({"rules": []}))
        .await;
    ends("a role is emptied", reader).await;

    let asked = || {
        scene
            .cluster()
            .map(|cluster| cluster.access_reviews_of("boss"))
    };
    let before = asked();
    for step in 0..20 {
        let rule = json!({"apiGroups": [""], "resources": ["pods"], "verbs": [format!("v{step}")]});
        kube.patch(&roles, A, "ns-viewer", json!({"rules": [rule]}))
            .await;
    }
    scene.simulate_loss("cluster-viewer");
    scene
        .delete("clusterrolebindings", "", "cluster-viewer")
        .await;
    ends("a binding of the cluster is deleted", viewer).await;
    if let (Some(before), Some(after)) = (before, asked()) {
        // Of the time before the daemon knew all roles one check may be left.
        assert!(
            after <= before + 2,
            "{before} and {after} reviews of another"
        );
    }

    scene.touch("for the other").await;
    loop {
        let event = boss.event().await.expect("still allowed");
        let object: Value = serde_json::from_slice(&event.object).expect("JSON");
        if object["data"]["step"] == "for the other" {
            break;
        }
    }
    let early = scene
        .daemon
        .metric("informerd_access_early_checks_total", "")
        .await;
    assert!(early >= 3.0, "{early}");
}

/// Apiservers hear of a change by a watch of their own: one that says yes at first is asked again.
async fn access_is_asked_about_once_more_after_a_change(kind: Kind) {
    let scene = Scene::following(kind).await;
    let cluster = scene.cluster().expect("simulated");
    let stream = scene.stream("revoked").await;
    let before = cluster.access_reviews_of("revoked");
    scene.delete("rolebindings", A, "revoked").await;
    until("it is asked", || async {
        cluster.access_reviews_of("revoked") >= before + 2
    })
    .await;
    scene.simulate_loss("revoked");
    ends("the apiserver knows a bit later", stream).await;
}

/// The daemon may not watch roles: it says so, once for each kind, and is ready all the same.
async fn access_without_role_watches_is_checked_in_turn(kind: Kind) {
    let refuse = |spec: &ResourceSpec| {
        Fault::on(
            &spec.id(),
            Verb::Any,
            Action::status(403, "Forbidden", "not for you"),
        )
        .times(u32::MAX)
    };
    let scene = Scene::new(kind, kinds().iter().map(refuse).collect()).await;
    let mut stream = scene.stream("revoked").await;
    let remedy = "--ignore-role-changes";
    until("the log says so", || async {
        scene.daemon.log().matches(remedy).count() == 4
    })
    .await;
    for spec in kinds() {
        let log = scene.daemon.log();
        let told = log.lines().filter(|line| line.contains(remedy));
        let id = format!("when {} change", spec.id());
        assert_eq!(
            told.filter(|line| line.contains(&id)).count(),
            1,
            "{id}: {log}"
        );
    }
    assert!(!scene.daemon.has_logged(FOLLOWED));
    assert_eq!(scene.daemon.page("/readyz").await.0, 200);
    scene.touch("it goes on").await;
    stream.event().await.expect("allowed");
}
