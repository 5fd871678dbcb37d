//! The daemon's own identity on a real cluster: a service account, and what it is granted.

use std::path::{Path, PathBuf};

use http::Request;
use informerd_support::control_plane::{ControlPlane, User};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    daemon::Daemon,
    kube::{Kube, collection},
    stage::Stage,
    wait::until,
    world::World,
};

/// An identity for a daemon. On a simulated cluster, which refuses nobody, grants mean nothing.
pub struct Account {
    name: String,
    kubeconfig: PathBuf,
    _directory: TempDir,
}

impl Account {
    /// Makes a service account in the scenario's namespace, which has no rights but those of
    /// everybody.
    pub async fn new(world: &World) -> Self {
        let name = format!("daemon-{}", fastrand::u32(..));
        let directory = tempfile::tempdir().expect("a directory");
        let kubeconfig = match plane(&world.stage) {
            None => world.stage.kubeconfig(),
            Some(plane) => {
                let user = User {
                    name: name.clone(),
                    token: token(world, &name).await,
                    groups: Vec::new(),
                };
                let text = plane.kubeconfig_for(&user).expect("a certificate");
                let file = directory.path().join("kubeconfig");
                std::fs::write(&file, text).expect("writable");
                file
            }
        };
        Self {
            name,
            kubeconfig,
            _directory: directory,
        }
    }

    /// A kubeconfig with its token.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Starts a daemon that has this identity.
    pub async fn daemon(&self, arguments: &[&str]) -> Daemon {
        Daemon::start(&self.kubeconfig, arguments).await
    }

    /// Grants verbs on resources in a namespace, by a Role; in the whole cluster, by a ClusterRole,
    /// if the namespace is empty. Gives the name of role and binding.
    pub async fn grant(
        &self,
        world: &World,
        namespace: &str,
        resources: &[&str],
        verbs: &[&str],
    ) -> String {
        let rule = json!({"apiGroups": [""], "resources": resources, "verbs": verbs});
        self.allow(world, namespace, rule).await
    }

    /// Takes back what was granted under this name in a namespace, and waits until lists of config
    /// maps there are refused.
    pub async fn revoke(&self, world: &World, namespace: &str, name: &str) {
        if plane(&world.stage).is_none() {
            return;
        }
        let bindings = "rolebindings.rbac.authorization.k8s.io";
        world.kube.delete(bindings, namespace, name).await;
        let own = Kube::connect(&self.kubeconfig).await;
        let path = collection("configmaps", namespace);
        until("the right is gone", || async {
            let request = Request::get(&path).body(Vec::new()).expect("a request");
            let listed = own.client.request::<Value>(request).await;
            matches!(listed, Err(kube::Error::Api(status)) if status.code == 403)
        })
        .await;
    }

    /// Grants what the daemon needs to name the cluster.
    pub async fn grant_identity(&self, world: &World) {
        let rule = json!({
            "apiGroups": [""], "resources": ["namespaces"], "resourceNames": ["kube-system"],
            "verbs": ["get"],
        });
        self.allow(world, "", rule).await;
    }

    async fn allow(&self, world: &World, namespace: &str, rule: Value) -> String {
        let name = format!("{}-{}", self.name, fastrand::u32(..));
        if plane(&world.stage).is_none() {
            return name;
        }
        let cluster = if namespace.is_empty() { "Cluster" } else { "" };
        let kind = format!("{cluster}Role");
        let role = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind,
            "metadata": {"name": name}, "rules": [rule],
        });
        let subject = json!({
            "kind": "ServiceAccount", "name": self.name, "namespace": world.namespace,
        });
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": format!("{kind}Binding"),
            "metadata": {"name": name}, "subjects": [subject],
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name},
        });
        for (plural, object) in [("roles", role), ("rolebindings", binding)] {
            let plural = format!("{}{plural}", cluster.to_lowercase());
            let resource = format!("{plural}.rbac.authorization.k8s.io");
            world.kube.create(&resource, namespace, object).await;
        }
        name
    }
}

/// The real control plane, if it is one.
fn plane(stage: &Stage) -> Option<&ControlPlane> {
    match stage {
        Stage::Simulated(_) => None,
        Stage::Real(plane) => Some(plane),
        Stage::Own(plane) => Some(plane),
    }
}

/// Makes the account and asks for a token of it.
async fn token(world: &World, name: &str) -> String {
    let object = json!({
        "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name},
    });
    let namespace = &world.namespace;
    world
        .kube
        .create("serviceaccounts", namespace, object)
        .await;
    let path = format!("{}/{name}/token", collection("serviceaccounts", namespace));
    let ask = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
        "spec": {"expirationSeconds": 3600},
    });
    let review = world.kube.post(&path, ask).await;
    let token = review["status"]["token"].as_str();
    token.expect("a token").to_owned()
}
