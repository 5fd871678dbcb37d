//! Each right of the install is needed, and none more: what fails without one says which it was.

use std::collections::BTreeSet;

use libtest_mimic::Trial;
use serde_json::{Value, json};

use super::{
    contained,
    helm::Helm,
    manifest::{list, texts},
    server::plane,
    site::{Caller, SMALL, Site, account, allowed, ready},
};
use crate::{
    cli::run::Run,
    kube::{self, Kube},
    wait::until,
};

pub(super) fn trials() -> Vec<Trial> {
    vec![
        contained("every_rule_is_needed", every_rule_is_needed),
        contained("roles_suffice_for_namespaces", roles_suffice),
    ]
}

const GROUP: &str = "rbac.authorization.k8s.io";

/// Rules without which nothing is worse than that it comes later.
const OPTIONAL: &[&str] = &[
    "roles.rbac.authorization.k8s.io",
    "rolebindings.rbac.authorization.k8s.io",
    "clusterroles.rbac.authorization.k8s.io",
    "clusterrolebindings.rbac.authorization.k8s.io",
];

/// A role that the daemon's account has.
struct Role {
    plural: &'static str,
    namespace: String,
    name: String,
    /// One resource in each.
    rules: Vec<Value>,
}

/// One verb of one resource.
struct Right {
    verb: String,
    resource: String,
    /// Where it was given; empty for everywhere.
    namespace: String,
}

/// All rights of the account, as the apiserver has them, with each taken away by itself.
async fn every_rule_is_needed(helm: Helm) {
    let site = Site::install(helm, "chart-rules", SMALL).await;
    let served = ["configmaps", "pods", "deployments.apps"];
    let places = [site.namespace.clone()];
    let taken = each_without(&site, &served, &places).await;
    let both = |resource: &str| ["list", "watch"].map(|verb| format!("{verb} {resource}"));
    let watched = served.iter().chain(OPTIONAL).copied();
    let expected = watched.flat_map(both).chain([
        "create subjectaccessreviews.authorization.k8s.io".to_owned(),
        "create tokenreviews.authentication.k8s.io".to_owned(),
        "get namespaces".to_owned(),
    ]);
    assert_eq!(taken, expected.collect());
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
    let cluster_roles = kube::collection(&format!("clusterroles.{GROUP}"), "");
    let cluster_roles = kube.get(&cluster_roles).await;
    let ours = |role: &&Value| role.to_string().contains(&format!("\"{}:", site.namespace));
    assert_eq!(list(&cluster_roles["items"]).iter().find(ours), None);

    let taken = each_without(&site, &["configmaps"], &[a.clone(), b.clone()]).await;
    let both = |place: &String| {
        let watched = ["configmaps", OPTIONAL[0], OPTIONAL[1]]
            .map(|resource| ["list", "watch"].map(|verb| format!("{verb} {resource} {place}")));
        watched.into_iter().flatten()
    };
    let expected = [&a, &b].into_iter().flat_map(both).chain([
        "create subjectaccessreviews.authorization.k8s.io".to_owned(),
        "create tokenreviews.authentication.k8s.io".to_owned(),
    ]);
    assert_eq!(taken, expected.collect());

    let (_pod, daemon) = site.serve().await;
    ready(&daemon).await;
    let viewer = site.caller("viewer", "informerd").await;
    let refused = viewer
        .refused(&["get", "configmaps", "-n", "default"])
        .await;
    assert!(refused.contains("the namespace default"), "{refused}");
    assert!(!refused.contains(&a) && !refused.contains(&b), "{refused}");
}

/// Takes away each right by itself, looks at a daemon that begins so, and gives it back. `served` are
/// the resources and `places` the namespaces that callers are to get. Gives what was taken.
async fn each_without(site: &Site, served: &[&str], places: &[String]) -> BTreeSet<String> {
    let rules: Vec<Value> = served.iter().map(|name| rule_to_list(name)).collect();
    account(&site.kube, &site.namespace, "viewer", json!(rules), true).await;
    let viewer = site.caller("viewer", "informerd").await;
    let mut taken = BTreeSet::new();
    for role in roles(site).await {
        for (index, rule) in role.rules.iter().enumerate() {
            for verb in texts(&rule["verbs"]) {
                let right = Right::of(rule, verb, &role.namespace);
                role.give(&site.kube, &without(&role.rules, index, verb))
                    .await;
                right.until(site, false).await;
                right.is_missed(site, &viewer, served, places).await;
                role.give(&site.kube, &role.rules).await;
                right.until(site, true).await;
                let name = format!("{verb} {} {}", right.resource, right.namespace);
                assert!(taken.insert(name.trim_end().to_owned()), "{name} twice");
            }
        }
    }
    taken
}

fn rule_to_list(name: &str) -> Value {
    let (resource, group) = name.split_once('.').unwrap_or((name, ""));
    json!({"apiGroups": [group], "resources": [resource], "verbs": ["list", "watch"]})
}

/// The rules without one verb of one of them.
fn without(rules: &[Value], index: usize, verb: &str) -> Vec<Value> {
    let mut left = rules.to_vec();
    let kept: Vec<&str> = texts(&rules[index]["verbs"]);
    left[index]["verbs"] = kept.into_iter().filter(|kept| *kept != verb).collect();
    left.retain(|rule| !list(&rule["verbs"]).is_empty());
    left
}

/// All roles that are bound to the account of the release. Those of Kubernetes itself nobody cuts: a
/// copy takes their place.
async fn roles(site: &Site) -> Vec<Role> {
    let subject = json!([
        {"kind": "ServiceAccount", "name": "informerd", "namespace": site.namespace}
    ]);
    let mut roles = Vec::new();
    for plural in ["clusterrolebindings", "rolebindings"] {
        let bindings = format!("{plural}.{GROUP}");
        let all = site.kube.get(&kube::collection(&bindings, "")).await;
        for binding in list(&all["items"]) {
            if binding["subjects"] == subject {
                roles.push(bound(site, binding).await);
            }
        }
    }
    roles
}

async fn bound(site: &Site, binding: &Value) -> Role {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let plural = match binding["roleRef"]["kind"].as_str() {
        Some("Role") => "roles",
        _ => "clusterroles",
    };
    let namespace = text(&binding["metadata"]["namespace"]);
    let name = text(&binding["roleRef"]["name"]);
    let path = kube::collection(&format!("{plural}.{GROUP}"), &namespace);
    let rules = site.kube.get(&format!("{path}/{name}")).await["rules"].clone();
    let mut role = Role {
        plural,
        namespace,
        name,
        rules: single_rules(&rules),
    };
    if role.name.starts_with("system:") {
        role.replace_by_copy(site, binding).await;
    }
    role
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

impl Role {
    async fn replace_by_copy(&mut self, site: &Site, binding: &Value) {
        let own = format!("{}:{}", site.namespace, self.name);
        let role = json!({
            "apiVersion": format!("{GROUP}/v1"), "kind": "ClusterRole",
            "metadata": {"name": own}, "rules": self.rules,
        });
        let roles = format!("clusterroles.{GROUP}");
        site.kube.create(&roles, "", role).await;
        let name = binding["metadata"]["name"].as_str().expect("a name");
        let bindings = format!("clusterrolebindings.{GROUP}");
        site.kube.delete(&bindings, "", name).await;
        let mut copy = binding.clone();
        copy["metadata"] = json!({"name": name});
        copy["roleRef"]["name"] = own.clone().into();
        site.kube.create(&bindings, "", copy).await;
        self.name = own;
    }

    async fn give(&self, kube: &Kube, rules: &[Value]) {
        let resource = format!("{}.{GROUP}", self.plural);
        let patch = json!({"rules": rules});
        kube.patch(&resource, &self.namespace, &self.name, patch)
            .await;
    }
}

impl Right {
    fn of(rule: &Value, verb: &str, namespace: &str) -> Self {
        let (resource, group) = (texts(&rule["resources"])[0], texts(&rule["apiGroups"])[0]);
        let full = [resource, group].join(".");
        Self {
            verb: verb.to_owned(),
            resource: full.trim_end_matches('.').to_owned(),
            namespace: namespace.to_owned(),
        }
    }

    /// Waits until the apiserver says that the daemon has it, or hasn't.
    async fn until(&self, site: &Site, held: bool) {
        let user = format!("system:serviceaccount:{}:informerd", site.namespace);
        // The only one that is for one object.
        let namespace = match self.resource.as_str() {
            "namespaces" => "kube-system",
            _ => &self.namespace,
        };
        let (verb, resource) = (&self.verb, &self.resource);
        until("the apiserver knows", || async {
            allowed(&site.kube, &user, verb, resource, namespace).await == held
        })
        .await;
    }

    /// What a daemon without it says.
    async fn is_missed(&self, site: &Site, viewer: &Caller, served: &[&str], places: &[String]) {
        let name = self.resource.as_str();
        if OPTIONAL.contains(&name) {
            self.only_the_log_names_it(site, viewer, served, places)
                .await;
        } else if served.contains(&name) {
            self.resource_is_named(site, viewer, served, places, name)
                .await;
        } else if name.ends_with("reviews.authentication.k8s.io")
            || name.ends_with("reviews.authorization.k8s.io")
        {
            self.readiness_names_it(site).await;
        } else {
            assert_eq!((self.verb.as_str(), name), ("get", "namespaces"));
            fails_to_start(site).await;
        }
    }

    /// Everything works; where changes can't be followed the log says so. A watch that begins with
    /// all there is needs no right to list.
    async fn only_the_log_names_it(
        &self,
        site: &Site,
        viewer: &Caller,
        served: &[&str],
        places: &[String],
    ) {
        let (_pod, daemon) = site.serve().await;
        ready(&daemon).await;
        if self.verb == "watch" {
            let place = match self.namespace.as_str() {
                "" => String::new(),
                namespace => format!(" in namespace {namespace}"),
            };
            let said = format!("when {}{place} change", self.resource);
            until(&said, || async { daemon.has_logged(&said) }).await;
        }
        let get = ["get", served[0], "-n", &places[0]];
        viewer.run(&get).await.fine();
        assert_eq!(daemon.page("/readyz").await.0, 200);
        daemon.kill();
    }

    /// One resource names what is missing; the others work, and it in other namespaces too.
    async fn resource_is_named(
        &self,
        site: &Site,
        viewer: &Caller,
        served: &[&str],
        places: &[String],
        missing: &str,
    ) {
        let (_pod, daemon) = site.serve().await;
        ready(&daemon).await;
        for place in places {
            let home = site.kube.get(&format!("/api/v1/namespaces/{place}")).await;
            let before = kube::version(&home).to_string();
            for resource in served {
                let here = self.namespace.is_empty() || self.namespace == *place;
                let get = ["get", resource, "-n", place];
                // The past is listed; the present is watched from its beginning on, and for that
                // the apiserver asks for no right to list.
                let resume = ["watch", resource, "-n", place, "--from", &before];
                let lacks = |verb: &str| {
                    missing == *resource && here && [verb, "watch"].contains(&&*self.verb)
                };
                for (verb, command) in [("watch", &get[..]), ("list", &resume)] {
                    if lacks(verb) {
                        self.is_named(viewer, command, resource).await;
                    } else if verb == "watch" {
                        viewer.run(command).await.fine();
                    }
                }
            }
        }
        daemon.kill();
    }

    /// The command is told that it is the daemon that lacks the right, and where.
    async fn is_named(&self, viewer: &Caller, command: &[&str], resource: &str) {
        let run = Run::start(&mut viewer.command(command));
        let named = format!("the daemon may not list and watch {resource}");
        until(&named, || async { run.err().contains(&named) }).await;
        assert!(run.err().contains(&self.namespace), "{}", run.err());
    }

    /// Without reviews nobody can be known or judged: the daemon isn't ready, and says which it lacks.
    async fn readiness_names_it(&self, site: &Site) {
        let (_pod, daemon) = site.serve().await;
        let plural = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
        let lacks = format!("{} {}", self.verb, plural(&self.resource));
        until("readiness names what is missing", || async {
            let (code, text) = daemon.page("/readyz").await;
            code == 503 && text.contains(&lacks) && text.contains("system:auth-delegator")
        })
        .await;
        let (_, text) = daemon.page("/readyz").await;
        let reviews = ["tokenreviews", "subjectaccessreviews"];
        let named = reviews.into_iter().filter(|name| text.contains(name));
        assert_eq!(
            named.collect::<Vec<_>>(),
            [plural(&self.resource)],
            "{text}"
        );
        daemon.kill();
    }
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
