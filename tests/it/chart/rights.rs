//! The rights that the chart gives: exactly those that its values name.

use std::collections::BTreeSet;

use libtest_mimic::Trial;
use serde_json::{Value, json};

use super::{
    helm::Helm,
    manifest::{Manifest, list, names, texts},
    trial, value_sets,
};

pub(super) fn trials() -> Vec<Trial> {
    vec![
        trial("rights_are_those_that_are_named", rights_are_those_named),
        trial("no_wildcard_anywhere", no_wildcard_anywhere),
        trial("secrets_only_where_named", secrets_only_where_named),
        trial("bindings_name_the_account", bindings_name_the_account),
        trial("roles_replace_the_cluster_role", roles_replace_it),
        trial("the_test_may_list_one_thing", the_test_may_list_one_thing),
        trial("the_test_is_there_if_it_can_pass", test_can_pass),
    ]
}

/// The only rule that isn't list and watch: the cluster's identity.
fn is_identity(rule: &Value) -> bool {
    *rule
        == json!({
            "apiGroups": [""], "resources": ["namespaces"],
            "resourceNames": ["kube-system"], "verbs": ["get"],
        })
}

/// Objects that give rights, which the daemon follows where it checks callers: in namespaces those
/// that live there.
fn role_kinds(manifest: &Manifest, scope: Option<&str>) -> BTreeSet<String> {
    let off = ["--ignore-role-changes", "--insecure-allow-anyone"];
    if manifest.arguments().iter().any(|flag| off.contains(flag)) {
        return BTreeSet::new();
    }
    let kinds: &[&str] = match scope {
        Some(_) => &["roles", "rolebindings"],
        None => &[
            "roles",
            "rolebindings",
            "clusterroles",
            "clusterrolebindings",
        ],
    };
    let full = |kind: &&str| format!("{kind}.rbac.authorization.k8s.io");
    kinds.iter().map(full).collect()
}

/// What may be listed and watched is what `--resources` says, in each namespace that is served;
/// and what gives rights.
fn rights_are_those_named(helm: &Helm) {
    let mut seen = 0;
    for (set, files) in value_sets() {
        let manifest = helm.template(&files, &[]);
        let named = manifest.argument("resources");
        let named = named.unwrap_or_else(|| panic!("{set}: nothing is named"));
        let named: BTreeSet<String> = named.split(',').map(str::to_owned).collect();
        assert!(!named.is_empty() && !named.contains(""), "{set}");
        if manifest.rules().is_empty() {
            assert_eq!(set, "existing-secret", "only there somebody else grants");
            continue;
        }
        let scopes: Vec<Option<&str>> = match manifest.argument("namespaces") {
            None => vec![None],
            Some(namespaces) => namespaces.split(',').map(Some).collect(),
        };
        for scope in scopes {
            let holds = |of: &Option<&str>| of.is_none() || *of == scope;
            let mut granted = BTreeSet::new();
            for (_, rule) in manifest.rules().into_iter().filter(|(of, _)| holds(of)) {
                if is_identity(rule) {
                    continue;
                }
                assert_eq!(texts(&rule["verbs"]), ["list", "watch"], "{set}: {rule}");
                assert!(rule["resourceNames"].is_null(), "{set}: {rule}");
                granted.extend(names(rule));
            }
            let wanted = &named | &role_kinds(&manifest, scope);
            assert_eq!(granted, wanted, "{set} in {scope:?}");
            seen += 1;
        }
        let identities = manifest.rules().into_iter().filter(|(_, r)| is_identity(r));
        let by_flag = usize::from(manifest.argument("cluster-id").is_none());
        assert_eq!(identities.count(), by_flag, "{set}");
    }
    assert!(seen >= 9, "too little was looked at: {seen}");
}

/// Neither the daemon's rights nor the test's.
fn no_wildcard_anywhere(helm: &Helm) {
    let mut rules = 0;
    for (set, files) in value_sets() {
        let manifest = helm.template(&files, &[]);
        for role in manifest.of("Role").chain(manifest.of("ClusterRole")) {
            for rule in list(&role["rules"]) {
                rules += 1;
                assert!(!rule.to_string().contains('*'), "{set}: {rule}");
                assert!(rule["nonResourceURLs"].is_null(), "{set}: {rule}");
            }
        }
    }
    assert!(rules > 20, "too little was looked at: {rules}");
}

fn secrets_only_where_named(helm: &Helm) {
    let mut with = Vec::new();
    for (set, files) in value_sets() {
        let manifest = helm.template(&files, &[]);
        let roles = manifest.of("Role").chain(manifest.of("ClusterRole"));
        let mut rules = roles.flat_map(|role| list(&role["rules"]));
        if rules.any(|rule| texts(&rule["resources"]).contains(&"secrets")) {
            with.push(set);
        }
    }
    assert_eq!(with, ["secrets"]);
}

/// Every binding is of this release's account and of a role that exists or that Kubernetes has.
fn bindings_name_the_account(helm: &Helm) {
    for (set, files) in value_sets() {
        let manifest = helm.template(&files, &[]);
        let account = manifest.pod()["serviceAccountName"].as_str();
        let account = account.expect("an account");
        let namespace = &manifest.one("Deployment")["metadata"]["namespace"];
        let bindings = manifest
            .installed("RoleBinding")
            .chain(manifest.installed("ClusterRoleBinding"));
        let mut delegated = 0;
        for binding in bindings {
            let subjects = json!([
                {"kind": "ServiceAccount", "name": account, "namespace": namespace}
            ]);
            assert_eq!(binding["subjects"], subjects, "{set}");
            let role = &binding["roleRef"];
            if role["name"] == "system:auth-delegator" {
                delegated += 1;
                continue;
            }
            let roles = manifest.installed("Role");
            let exists = roles.chain(manifest.installed("ClusterRole")).any(|of| {
                of["kind"] == role["kind"]
                    && of["metadata"]["name"] == role["name"]
                    && of["metadata"]["namespace"] == binding["metadata"]["namespace"]
            });
            assert!(exists, "{set}: {role}");
        }
        let wanted = !["existing-secret", "insecure"].contains(&set.as_str());
        assert_eq!(delegated, usize::from(wanted), "{set}");
    }
}

/// With namespaces, only what has none is granted cluster-wide.
fn roles_replace_it(helm: &Helm) {
    let cluster_wide = |manifest: &Manifest| -> BTreeSet<String> {
        let rules = manifest.rules().into_iter();
        rules
            .filter(|(of, rule)| of.is_none() && !is_identity(rule))
            .flat_map(|(_, rule)| names(rule))
            .collect()
    };
    let file = |set: &str| vec![format!("helm/informerd/ci/{set}-values.yaml")];
    let both = helm.template(&file("namespaced"), &[]);
    assert_eq!(cluster_wide(&both), BTreeSet::from(["nodes".to_owned()]));
    let places: Vec<_> = both.installed("Role").collect();
    assert_eq!(places.len(), 2, "{places:#?}");

    let none = helm.template(&file("roles-only"), &[]);
    assert_eq!(none.installed("ClusterRole").count(), 0);
    assert_eq!(none.installed("ClusterRoleBinding").count(), 1, "reviews");
    assert_eq!(none.installed("Role").count(), 1);

    let nobody = helm.template(&file("insecure"), &[]);
    let bindings = nobody.installed("ClusterRoleBinding");
    assert_eq!(bindings.count(), 1, "nothing to review");
}

/// The pod of `helm test` gets a right of its own, and never to read secrets.
fn the_test_may_list_one_thing(helm: &Helm) {
    for (set, files) in value_sets() {
        let manifest = helm.template(&files, &[]);
        let hooks = |kind| -> Vec<&Value> {
            let all = manifest.of(kind);
            all.filter(|o| o["metadata"]["annotations"]["helm.sh/hook"] == "test")
                .collect()
        };
        let roles = hooks("Role");
        if set == "minimal" {
            assert!(roles.is_empty() && hooks("Pod").is_empty());
            continue;
        }
        assert_eq!((roles.len(), hooks("Pod").len()), (1, 1), "{set}");
        assert_eq!(hooks("ClusterRole").len(), 0, "{set}");
        let rules = list(&roles[0]["rules"]);
        assert_eq!(rules.len(), 1, "{set}");
        assert_eq!(texts(&rules[0]["verbs"]), ["list"], "{set}");
        let names = names(&rules[0]);
        assert!(names.len() == 1 && !names.contains("secrets"), "{set}");
    }
}

/// Over plaintext clients show no token, and what has no namespace can't be granted by its Role.
fn test_can_pass(helm: &Helm) {
    let plaintext = "tls.mode=\"disabled\"";
    let none = helm.template(&[], &[plaintext]);
    for kind in ["Pod", "Role", "RoleBinding"] {
        assert_eq!(none.of(kind).count(), 0, "{kind}");
    }
    assert_eq!(none.of("ServiceAccount").count(), 1, "the daemon's own");
    let anyone = helm.template(&[], &[plaintext, "access.insecureAllowAnyone=true"]);
    assert_eq!(anyone.of("Pod").count(), 1);

    for (resources, listed) in [
        (r#"["nodes", "secrets", "pods"]"#, Some("pods")),
        (
            r#"["widgets.example.com", "jobs.batch"]"#,
            Some("jobs.batch"),
        ),
        (
            r#"["secrets", "widgets.example.com"]"#,
            Some("widgets.example.com"),
        ),
        (r#"["nodes"]"#, None),
        (r#"["servicecidrs.networking.k8s.io", "secrets"]"#, None),
    ] {
        let manifest = helm.template(&[], &[&format!("resources={resources}")]);
        let role = manifest.of("Role").next();
        let granted = role.map(|role| names(&role["rules"][0]));
        let wanted = listed.map(|name| BTreeSet::from([name.to_owned()]));
        assert_eq!(granted, wanted, "{resources}");
        let pod = manifest.of("Pod").next().expect("the test");
        let containers = list(&pod["spec"]["containers"]).iter();
        let asks = containers.flat_map(|container| texts(&container["args"]));
        let asks: Vec<_> = asks.collect();
        match listed {
            Some(name) => assert_eq!(asks, ["get", name, "-n", "informerd"]),
            None => assert_eq!(asks, ["resources"]),
        }
    }
}
