//! The identities of the matrix, and the cluster that gives them their rights.

mod change;
mod jwt;

use ::kube::Config;
use serde_json::{Value, json};

use informerd_support::{
    control_plane::{ControlPlane, Options, User},
    simulation::{Caller, OWN_AUDIENCE, Rule},
};

use super::{canary::SECRET, oracle::Verdict};
use crate::{
    kube::{self, Kube},
    stage::{Kind, Simulated, Stage},
};

/// The node of the identity whose rights cover a selector only.
pub const NODE: &str = "node-x";

/// Somebody who calls.
#[derive(Debug, Clone)]
pub struct Identity {
    pub name: &'static str,
    pub token: Option<String>,
    /// The verdict, where the apiserver can't be asked with this very token.
    pub assumed: Option<Verdict>,
}

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct Target {
    pub resource: &'static str,
    pub namespace: &'static str,
    pub name: &'static str,
    pub fields: String,
}

/// A cluster with everybody in it.
pub struct Cast {
    pub stage: Stage,
    pub kube: Kube,
    /// The way to a real apiserver.
    pub config: Option<Config>,
    /// Whether the daemon takes tokens for the apiserver too.
    pub lax: bool,
    keys: Option<jwt::Signer>,
}

pub const A: &str = "access-a";
pub const B: &str = "access-b";

impl Cast {
    /// A cluster of its own, with two namespaces, some objects, and roles.
    pub async fn assemble(kind: Kind) -> Self {
        let stage = match kind {
            Kind::Simulated => Stage::Simulated(Simulated::start().await),
            Kind::Real | Kind::Installed { .. } => {
                let node = User {
                    name: format!("system:node:{NODE}"),
                    token: "node-token-of-the-matrix".to_owned(),
                    groups: vec!["system:nodes".to_owned()],
                };
                let plane = ControlPlane::start(Options {
                    users: vec![node],
                    ..Options::default()
                });
                Stage::Own(plane.await.expect("a real apiserver"))
            }
        };
        let kube = Kube::connect(&stage.kubeconfig()).await;
        let (config, keys) = match &stage {
            Stage::Own(plane) => {
                let kubeconfig = kube_config(plane).await;
                (Some(kubeconfig), Some(jwt::Signer::of(plane)))
            }
            _ => (None, None),
        };
        let cast = Self {
            stage,
            kube,
            config,
            lax: true,
            keys,
        };
        cast.objects().await;
        cast.roles().await;
        cast
    }

    async fn objects(&self) {
        for namespace in [A, B] {
            let object =
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
            self.kube.create("namespaces", "", object).await;
            for name in ["one", "two"] {
                let map = kube::config_map(name, json!({}), json!({"password": SECRET}));
                self.kube.create("configmaps", namespace, map).await;
            }
        }
        for (name, node) in [("here", NODE), ("there", "node-y")] {
            let mut pod = kube::pod(name, json!({}));
            pod["spec"]["nodeName"] = node.into();
            self.kube.create("pods", A, pod).await;
        }
    }

    /// Gives rights to the accounts; on a simulated cluster to users of the same names.
    async fn roles(&self) {
        if let Some(cluster) = self.stage.simulated() {
            cluster.set_rules(rules());
            return;
        }
        let read = ["get", "list", "watch"];
        let rule =
            |resources: Value| json!([{"apiGroups": [""], "resources": resources, "verbs": read}]);
        self.role("ns-viewer", A, rule(json!(["configmaps", "gizmos"])))
            .await;
        self.role("revoked", A, rule(json!(["configmaps"]))).await;
        self.role("deleted", A, rule(json!(["configmaps"]))).await;
        let mut one = rule(json!(["configmaps"]));
        one[0]["resourceNames"] = json!(["one"]);
        self.role("names-only", A, one).await;
        self.role(
            "cluster-viewer",
            "",
            rule(json!(["configmaps", "pods", "gizmos"])),
        )
        .await;
        let all = json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]);
        self.role("boss", "", all).await;
        let pages = json!([{"nonResourceURLs": ["/informerd/admin/*"], "verbs": ["get"]}]);
        self.role("operator", "", pages).await;
    }

    /// A service account with a role of its own, in a namespace or in the whole cluster.
    async fn role(&self, name: &str, namespace: &str, rules: Value) {
        let metadata = json!({"name": name});
        self.kube
            .create("serviceaccounts", A, json!({"metadata": metadata}))
            .await;
        let (role, binding, kind) = match namespace {
            "" => ("clusterroles", "clusterrolebindings", "ClusterRole"),
            _ => ("roles", "rolebindings", "Role"),
        };
        let group = "rbac.authorization.k8s.io";
        let object = json!({"metadata": metadata, "rules": rules});
        self.kube
            .create(&format!("{role}.{group}"), namespace, object)
            .await;
        let object = json!({
            "metadata": metadata,
            "roleRef": {"apiGroup": group, "kind": kind, "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": A}],
        });
        self.kube
            .create(&format!("{binding}.{group}"), namespace, object)
            .await;
    }

    /// Mints a token of an account for these audiences; for the apiserver's own if there are none.
    pub async fn token(&self, account: &str, audiences: &[&str]) -> String {
        if let Some(cluster) = self.stage.simulated() {
            let audiences = match audiences {
                [] => vec![OWN_AUDIENCE.to_owned()],
                some => some.iter().map(|&one| one.to_owned()).collect(),
            };
            let token = format!("simulated-token-of-{account}-{}", fastrand::u64(..));
            let caller = Caller {
                user: account.to_owned(),
                uid: format!("uid-of-{account}"),
                audiences,
                ..Caller::default()
            };
            cluster.set_token(&token, Some(caller));
            return token;
        }
        let path = format!("/api/v1/namespaces/{A}/serviceaccounts/{account}/token");
        let spec = json!({"audiences": audiences, "expirationSeconds": 3600});
        let review = self.kube.post(&path, json!({"spec": spec})).await;
        review["status"]["token"]
            .as_str()
            .expect("a token")
            .to_owned()
    }

    /// A token for us and, so that the apiserver can be asked with it, for the apiserver.
    pub async fn usable(&self, account: &str) -> String {
        match &self.keys {
            Some(keys) => self.token(account, &["informerd", &keys.issuer]).await,
            None => self.token(account, &["informerd", OWN_AUDIENCE]).await,
        }
    }

    /// Everybody but those whom something happens to.
    pub async fn identities(&self) -> Vec<Identity> {
        let known = |name, token| Identity {
            name,
            token: Some(token),
            assumed: None,
        };
        let strict = |verdict| (!self.lax).then_some(verdict);
        let mut all = vec![
            Identity {
                name: "none",
                token: None,
                assumed: None,
            },
            known("garbage", "eyJhbGciOiJub25lIn0.e30.garbage".to_owned()),
            known("expired", self.expired().await),
            known(
                "other-audience",
                self.token("cluster-viewer", &["elsewhere"]).await,
            ),
            known("ns-viewer", self.usable("ns-viewer").await),
            known("cluster-viewer", self.usable("cluster-viewer").await),
            known("names-only", self.usable("names-only").await),
            known("operator", self.usable("operator").await),
        ];
        // These are for the apiserver alone, so it is not they who are to be asked about in the
        // mode that refuses them.
        all.push(Identity {
            assumed: strict(Verdict::Unauthenticated),
            ..known(
                "apiserver-audience",
                self.token("cluster-viewer", &[]).await,
            )
        });
        all.push(Identity {
            assumed: strict(Verdict::Unauthenticated),
            ..known("selector-only", self.node_token().await)
        });
        all
    }

    async fn node_token(&self) -> String {
        match &self.stage {
            Stage::Own(_) => "node-token-of-the-matrix".to_owned(),
            _ => self.token("selector-only", &[]).await,
        }
    }

    /// A token that was good a minute ago. The same with another date is still good, which shows
    /// that nothing else is wrong with it.
    async fn expired(&self) -> String {
        let Some(keys) = &self.keys else {
            let token = self.usable("cluster-viewer").await;
            let cluster = self.stage.simulated().expect("simulated");
            cluster.set_token(&token, None);
            return token;
        };
        let path = format!("/api/v1/namespaces/{A}/serviceaccounts/cluster-viewer");
        let account = self.kube.get(&path).await;
        let uid = account["metadata"]["uid"].as_str().expect("a uid");
        let good = keys.sign(A, "cluster-viewer", uid, 600);
        let review = json!({"spec": {"token": good}});
        let reviewed = self
            .kube
            .post("/apis/authentication.k8s.io/v1/tokenreviews", review)
            .await;
        assert_eq!(
            reviewed["status"]["authenticated"],
            json!(true),
            "{reviewed}"
        );
        keys.sign(A, "cluster-viewer", uid, -60)
    }
}

async fn kube_config(plane: &ControlPlane) -> Config {
    let kubeconfig =
        ::kube::config::Kubeconfig::read_from(plane.kubeconfig()).expect("a kubeconfig");
    let options = ::kube::config::KubeConfigOptions::default();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .expect("usable");
    config.default_retry = false;
    config
}

/// The same rights as [`Cast::roles`] gives.
fn rules() -> Vec<Rule> {
    let mut rules = vec![
        Rule::read("ns-viewer", "configmaps", A),
        Rule::read("ns-viewer", "gizmos", A),
        Rule::read("revoked", "configmaps", A),
        Rule::read("deleted", "configmaps", A),
        Rule::read("names-only", "configmaps", A).named("one"),
        Rule::read("boss", "*", ""),
        Rule::visit("operator", "/informerd/admin/*"),
        Rule {
            verbs: vec!["list".to_owned(), "watch".to_owned()],
            ..Rule::read("selector-only", "pods", "").selected("spec.nodeName", NODE)
        },
        Rule {
            verbs: vec!["get".to_owned()],
            ..Rule::read("selector-only", "pods", "").named("here")
        },
    ];
    for resource in ["configmaps", "pods", "gizmos"] {
        rules.push(Rule::read("cluster-viewer", resource, ""));
    }
    rules
}

/// What everybody asks for.
pub fn targets() -> Vec<Target> {
    let target = |resource, namespace, name, fields: &str| Target {
        resource,
        namespace,
        name,
        fields: fields.to_owned(),
    };
    vec![
        target("configmaps", A, "", ""),
        target("configmaps", B, "", ""),
        target("configmaps", "", "", ""),
        target("services", A, "", ""),
        target("services", A, "nobody", ""),
        target("configmaps", A, "one", ""),
        target("configmaps", A, "two", ""),
        target("configmaps", B, "one", ""),
        target("pods", A, "here", ""),
        target("pods", A, "there", ""),
        target("pods", A, "here", &format!("spec.nodeName={NODE}")),
        target("pods", "", "", &format!("spec.nodeName={NODE}")),
        target("pods", "", "", "spec.nodeName=node-y"),
        target("gizmos", A, "", ""),
        target("gizmos", "", "", ""),
    ]
}
