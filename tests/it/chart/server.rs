//! What a real apiserver says to the chart: to each rendered set, and to helm's own install.

use std::{collections::BTreeSet, process::Stdio, sync::Arc};

use clap::Parser as _;
use informerd::runtime::Cli;
use informerd_support::control_plane::ControlPlane;
use libtest_mimic::Trial;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use super::{
    crds,
    helm::{self, Helm},
    read, real, value_sets,
};
use crate::{
    kube::Kube,
    stage::{Kind, Stage},
};

pub(super) fn trials() -> Vec<Trial> {
    vec![
        real("every_set_is_accepted", every_set_is_accepted),
        real("upgrades_keep_the_certificate", upgrades_keep_it),
        real("recipes_are_accepted", recipes_are_accepted),
    ]
}

pub(super) async fn plane() -> (Arc<ControlPlane>, Kube) {
    let Stage::Real(plane) = Stage::open(Kind::Real).await else {
        unreachable!("the shared one was asked for");
    };
    let kube = Kube::connect(&plane.kubeconfig()).await;
    (plane, kube)
}

pub(super) async fn ensure_namespace(kube: &Kube, name: &str) {
    let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    let created = kube.try_create("namespaces", "", object).await;
    let exists =
        |error: &kube::Error| matches!(error, kube::Error::Api(status) if status.code == 409);
    assert!(created.as_ref().err().is_none_or(exists), "{created:?}");
}

/// `kubectl apply` without effect, and with every unknown field an error.
async fn dry_run(plane: &ControlPlane, text: &str) -> Result<Vec<String>, String> {
    let mut child = plane
        .kubectl()
        .args(["apply", "--dry-run=server", "--validate=strict", "-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("kubectl runs");
    let mut input = child.stdin.take().expect("piped");
    input.write_all(text.as_bytes()).await.expect("read");
    drop(input);
    let output = child.wait_with_output().await.expect("kubectl ends");
    let printed = helm::text(&output)?;
    Ok(printed.lines().map(str::to_owned).collect())
}

async fn every_set_is_accepted(helm: Helm) {
    let (plane, kube) = plane().await;
    crds::install(&kube).await;
    for namespace in ["informerd", "informerd-full", "team-a", "team-b"] {
        ensure_namespace(&kube, namespace).await;
    }
    let mut kinds = BTreeSet::new();
    for (set, files) in value_sets() {
        let manifest = helm.template(&files, &[]);
        let accepted = dry_run(&plane, &manifest.text).await;
        let accepted = accepted.unwrap_or_else(|error| panic!("{set}: {error}"));
        // The release that another test has made by the same name would be configured.
        let taken = |line: &&String| line.ends_with("ed (server dry run)");
        let count = accepted.iter().filter(taken).count();
        assert_eq!(count, manifest.objects.len(), "{set}: {accepted:#?}");
        let all = manifest.objects.iter();
        kinds.extend(all.map(|o| o["kind"].as_str().expect("a kind").to_owned()));
    }
    assert!(kinds.len() >= 14, "kinds are missing: {kinds:?}");

    // The check itself can fail: a field that doesn't exist, in a built-in kind and in ours.
    for (set, right, wrong) in [
        ("default", "runAsNonRoot:", "runAsNonRot:"),
        ("cert-manager", "renewBefore:", "renewBefor:"),
        ("cert-manager", "scrapeTimeout:", "scrapeTimout:"),
    ] {
        let files = [format!("helm/informerd/ci/{set}-values.yaml")];
        let text = helm.template(&files, &[]).text;
        let refused = dry_run(&plane, &text.replace(right, wrong)).await;
        let refused = refused.expect_err("a wrong field is accepted");
        assert!(refused.contains(wrong.trim_end_matches(':')), "{refused}");
    }
}

/// What the recipes tell people to apply.
async fn recipes_are_accepted(_: Helm) {
    let (plane, kube) = plane().await;
    ensure_namespace(&kube, "shop").await;
    let recipes = read("docs/recipes.md");
    let blocks = recipes.split("```yaml\n").skip(1);
    let mut accepted = Vec::new();
    for block in blocks.filter_map(|block| block.split("```").next()) {
        let answer = dry_run(&plane, block).await;
        accepted.extend(answer.unwrap_or_else(|error| panic!("{error}\n{block}")));
    }
    assert!(accepted.len() >= 5, "recipes are missing: {accepted:#?}");
}

/// helm itself installs, upgrades and uninstalls; clients go on trusting what they trusted.
async fn upgrades_keep_it(helm: Helm) {
    let (plane, kube) = plane().await;
    let namespace = kube.namespace("chart-upgrade").await;
    let kubeconfig = plane.kubeconfig();
    let run = |verb: &str, more: &[&str]| {
        let mut arguments = vec![verb, "informerd"];
        if verb != "uninstall" {
            arguments.push("helm/informerd");
        }
        arguments.extend(["-n", namespace.as_str()]);
        arguments.extend(more);
        helm::text(&helm.run(Some(&kubeconfig), &arguments))
            .unwrap_or_else(|error| panic!("helm {verb}: {error}"))
    };
    let secret = format!("/api/v1/namespaces/{namespace}/secrets/informerd-tls");
    let authority = format!("/api/v1/namespaces/{namespace}/configmaps/informerd-ca");
    let deployment = format!("/apis/apps/v1/namespaces/{namespace}/deployments/informerd");

    let notes = run("install", &[]);
    assert!(notes.contains("helm test informerd"), "{notes}");
    let joined = notes.replace("\\\n", " ");
    let shown = joined.lines().map(str::trim);
    let shown = shown.filter(|line| line.starts_with("informerd watch"));
    let shown: Vec<Vec<&str>> = shown.map(|l| l.split_whitespace().collect()).collect();
    assert_eq!(shown.len(), 1, "{notes}");
    let understood = Cli::try_parse_from(&shown[0]);
    assert!(understood.is_ok(), "{:?}", understood.err());
    let first = kube.get(&secret).await["data"].clone();
    let trusted = kube.get(&authority).await["data"].clone();
    run("upgrade", &["--set", "replicas=3"]);
    let scaled = kube.get(&deployment).await;
    assert_eq!(scaled["spec"]["replicas"], 3, "the upgrade took place");
    assert_eq!(kube.get(&secret).await["data"], first);
    assert_eq!(kube.get(&authority).await["data"], trusted);

    // Whoever wants another one deletes the Secret.
    kube.delete("secrets", &namespace, "informerd-tls").await;
    run("upgrade", &[]);
    assert_ne!(kube.get(&secret).await["data"], first);
    assert_ne!(kube.get(&authority).await["data"], trusted);

    run("uninstall", &[]);
    let gone = kube.try_get(&deployment).await;
    let not_found =
        |error: &kube::Error| matches!(error, kube::Error::Api(status) if status.code == 404);
    assert!(gone.as_ref().err().is_some_and(not_found), "{gone:?}");
    let bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
    let left = kube.get(bindings).await;
    let ours = |binding: &&Value| binding.to_string().contains(&format!("{namespace}:"));
    let left = left["items"].as_array().expect("a list").iter().find(ours);
    assert_eq!(left, None, "no rights are left behind");
}
