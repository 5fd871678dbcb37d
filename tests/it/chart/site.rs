//! An installed chart on the real apiserver, and callers with tokens of their own.

use std::{
    net::TcpListener,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use informerd_support::control_plane::ControlPlane;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use super::{
    helm::{self, Helm},
    pod::{Pod, token_for},
    server::plane,
};
use crate::{
    cli::run::{Ended, Run, informerd},
    daemon::Daemon,
    kube::{Kube, config_map},
    wait::until,
};

/// Few resources, and callers that are checked often.
pub(super) const SMALL: &[&str] = &[
    "resources=[\"configmaps\", \"pods\", \"deployments.apps\"]",
    "access.recheckInterval=\"1s\"",
];

/// Rules to list and watch resources of the core group.
pub(super) fn reads(resources: &[&str]) -> Value {
    json!([{"apiGroups": [""], "resources": resources, "verbs": ["list", "watch"]}])
}

/// Waits until the pod would get traffic.
pub(super) async fn ready(daemon: &Daemon) {
    until("it is ready", || async {
        daemon.page("/readyz").await.0 == 200
    })
    .await;
}

/// What helm has installed, in a namespace of its own.
pub(super) struct Site {
    pub(super) plane: Arc<ControlPlane>,
    pub(super) kube: Kube,
    pub(super) namespace: String,
    helm: Helm,
    port: u16,
}

impl Site {
    /// Installs the chart with settings of the form `name=JSON`.
    pub(super) async fn install(helm: Helm, name: &str, settings: &[&str]) -> Self {
        let (_, kube) = plane().await;
        let namespace = kube.namespace(name).await;
        let [grpc, admin] = free_ports();
        let site = Self::adopt(helm, &namespace, grpc).await;
        // The Service has the port of the pod, because both have the address of this machine.
        let ports = [
            format!("ports.grpc={grpc}"),
            format!("ports.admin={admin}"),
            format!("service.port={grpc}"),
        ];
        let all = ports
            .iter()
            .map(String::as_str)
            .chain(settings.iter().copied());
        let all: Vec<&str> = all.flat_map(|setting| ["--set-json", setting]).collect();
        site.helm(&["install", "informerd", "helm/informerd"], &all)
            .unwrap_or_else(|error| panic!("helm install: {error}"));
        site
    }

    /// What somebody installed in an existing namespace, or will.
    pub(super) async fn adopt(helm: Helm, namespace: &str, port: u16) -> Self {
        let (plane, kube) = plane().await;
        let site = Self {
            plane,
            kube,
            namespace: namespace.to_owned(),
            helm,
            port,
        };
        // The controller manager's part.
        let authority = site.plane.ca_pem().expect("the apiserver runs");
        let map = config_map("kube-root-ca.crt", json!({}), json!({"ca.crt": authority}));
        site.kube.create("configmaps", namespace, map).await;
        site
    }

    /// Runs helm in the namespace.
    pub(super) fn helm(&self, command: &[&str], more: &[&str]) -> Result<String, String> {
        let namespace = ["-n", self.namespace.as_str()];
        let arguments = [command, &namespace, more].concat();
        helm::text(&self.helm.run(Some(&self.plane.kubeconfig()), &arguments))
    }

    /// Plays the kubelet for a pod that the apiserver has.
    pub(super) async fn pod(&self, spec: &Value) -> Pod {
        self.pod_in(&self.namespace, spec).await
    }

    /// The same for a pod of another namespace, which reaches the daemon's Service too.
    pub(super) async fn pod_in(&self, namespace: &str, spec: &Value) -> Pod {
        let host = format!("informerd.{}.svc", self.namespace);
        let apiserver = self.plane.url();
        Pod::prepare(&self.kube, namespace, spec, &apiserver, &[host]).await
    }

    /// A replica of the Deployment, not yet started.
    pub(super) async fn replica(&self) -> Pod {
        let namespace = &self.namespace;
        let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments/informerd");
        let deployment = self.kube.get(&path).await;
        self.pod(&deployment["spec"]["template"]["spec"]).await
    }

    /// Starts a replica and waits until it is ready to serve.
    pub(super) async fn serve(&self) -> (Pod, Daemon) {
        let pod = self.replica().await;
        let daemon = Daemon::spawn(pod.container("informerd")).await;
        (pod, daemon)
    }

    /// A service account with a role of its own in the namespace.
    pub(super) async fn account(&self, name: &str, rules: Value) {
        account(&self.kube, &self.namespace, name, rules, false).await;
    }

    /// A caller with a token of an account for an audience.
    pub(super) async fn caller(&self, account: &str, audience: &str) -> Caller {
        let projection = json!({"audience": audience, "expirationSeconds": 600});
        let token = token_for(&self.kube, &self.namespace, account, &projection).await;
        self.caller_with(Some(&token)).await
    }

    /// A caller with any token, or with none.
    pub(super) async fn caller_with(&self, token: Option<&str>) -> Caller {
        let directory = tempfile::tempdir().expect("a directory");
        let namespace = &self.namespace;
        let path = format!("/api/v1/namespaces/{namespace}/configmaps/informerd-ca");
        let authority = self.kube.get(&path).await;
        let authority = authority["data"]["ca.crt"].as_str().expect("a certificate");
        let file = |name: &str, content: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, content).expect("writable");
            path
        };
        Caller {
            server: format!("https://127.0.0.1:{}", self.port),
            authority: Some(file("ca.crt", authority)),
            token: token.map(|token| file("token", token)),
            namespace: namespace.clone(),
            directory,
        }
    }
}

const RBAC: &str = "rbac.authorization.k8s.io";

/// A service account with a role of its own, in its namespace or everywhere.
pub(super) async fn account(
    kube: &Kube,
    namespace: &str,
    name: &str,
    rules: Value,
    everywhere: bool,
) {
    let account = json!({
        "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name},
    });
    kube.create("serviceaccounts", namespace, account).await;
    let (prefix, own_name, within) = if everywhere {
        ("Cluster", format!("{namespace}:{name}"), "")
    } else {
        ("", name.to_owned(), namespace)
    };
    let object = |kind: &str| {
        json!({
            "apiVersion": format!("{RBAC}/v1"), "kind": format!("{prefix}{kind}"),
            "metadata": {"name": own_name},
        })
    };
    let resource = |plural: &str| format!("{}{plural}.{RBAC}", prefix.to_lowercase());
    let mut role = object("Role");
    role["rules"] = rules;
    kube.create(&resource("roles"), within, role).await;
    let mut binding = object("RoleBinding");
    binding["roleRef"] =
        json!({"apiGroup": RBAC, "kind": format!("{prefix}Role"), "name": own_name});
    binding["subjects"] = json!([{"kind": "ServiceAccount", "name": name, "namespace": namespace}]);
    kube.create(&resource("rolebindings"), within, binding)
        .await;
}

/// What a service account may do, by the apiserver's own word: in a namespace, or everywhere if that
/// is empty. Of the resource `namespaces` the namespace is the object.
pub(super) async fn allowed(
    kube: &Kube,
    user: &str,
    verb: &str,
    name: &str,
    namespace: &str,
) -> bool {
    let (resource, group) = name.split_once('.').unwrap_or((name, ""));
    let mut attributes = json!({
        "verb": verb, "group": group, "resource": resource, "namespace": namespace,
    });
    if resource == "namespaces" {
        attributes["name"] = json!(namespace);
    }
    let home = user
        .split(':')
        .nth(2)
        .expect("system:serviceaccount:NAMESPACE:NAME");
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
        "spec": {
            "user": user,
            "groups": [
                "system:serviceaccounts", "system:authenticated",
                format!("system:serviceaccounts:{home}"),
            ],
            "resourceAttributes": attributes,
        },
    });
    let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    let answer = kube.post(path, review).await;
    answer["status"]["allowed"] == true
}

/// Two ports that nobody has and that nobody gets by chance: the pod binds them later, maybe twice,
/// so they lie below those that systems give to outgoing connections (from 32768 on).
fn free_ports() -> [u16; 2] {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id().wrapping_mul(64);
    [(); 2].map(|()| {
        let mut candidates = (0..20_000).map(|_| {
            let step = NEXT.fetch_add(1, Ordering::Relaxed);
            u16::try_from(10_000 + start.wrapping_add(step) % 20_000).expect("below 30,000")
        });
        let free = candidates.find(|port| TcpListener::bind(("0.0.0.0", *port)).is_ok());
        free.expect("a free port")
    })
}

/// The command line, with what a pod of a client would have.
pub(super) struct Caller {
    pub(super) server: String,
    pub(super) authority: Option<PathBuf>,
    token: Option<PathBuf>,
    namespace: String,
    directory: TempDir,
}

impl Caller {
    /// A command in the caller's environment, about the site's namespace unless it names another.
    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut arguments = arguments.to_vec();
        if !arguments.contains(&"-n") {
            arguments.extend(["-n", &self.namespace]);
        }
        let mut command = informerd(&arguments);
        command.env("INFORMERD_SERVER", &self.server);
        if let Some(file) = &self.authority {
            command.env("INFORMERD_CA_FILE", file);
        }
        if let Some(file) = &self.token {
            command.env("INFORMERD_TOKEN_FILE", file);
        }
        command
    }

    /// Runs a command to its end.
    pub(super) async fn run(&self, arguments: &[&str]) -> Ended {
        Run::start(&mut self.command(arguments)).end().await
    }

    /// What a command that must fail says, in one line.
    pub(super) async fn refused(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments).await;
        assert_ne!(ended.code, Some(0), "{arguments:?}: {ended:?}");
        ended.err
    }

    /// Follows a resource and keeps the position beside the token.
    pub(super) fn follow(&self, resource: &str) -> Run {
        let state = self.directory.path().join("position");
        let state = state.to_str().expect("text");
        let arguments = ["watch", resource, "-o", "jsonl", "--state", state];
        Run::start(&mut self.command(&arguments))
    }
}
