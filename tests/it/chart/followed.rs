//! What README.md, the chart's notes and the manuals tell a platform team to type is typed, in their
//! order and word for word. What can't be is named here, with the reason.

use std::{net::TcpListener, path::PathBuf, process::Stdio};

use libtest_mimic::Trial;
use serde_json::{Value, json};
use tokio::process::Command;

use super::{
    contained,
    helm::Helm,
    install::plays_the_test,
    path,
    pod::Pod,
    read,
    server::{ensure_namespace, plane},
    site::{Site, ready},
    terminal::Terminal,
};
use crate::{
    cli::run::Run,
    kube,
    readme::{section, shell_lines},
    wait::until,
};

pub(super) fn trials() -> Vec<Trial> {
    vec![contained("the_manuals_are_followed", followed)]
}

/// The chart's ports, which nobody is told to change.
const PORTS: [u16; 2] = [7300, 7301];

async fn followed(helm: Helm) {
    until("nobody else has the chart's ports", || async {
        PORTS
            .iter()
            .all(|port| TcpListener::bind(("0.0.0.0", *port)).is_ok())
    })
    .await;
    let (plane, _) = plane().await;
    let terminal = Terminal::open(&plane, &helm);
    let lines = shell_lines(section(&read("README.md"), "Install it in a cluster"));
    let [image, install, test] = lines.as_slice() else {
        panic!("another install section: {lines:?}");
    };
    let manual = read("docs/operations.md");
    let repeated = shell_lines(section(&manual, "Install"));
    assert_eq!(repeated, [install.as_str(), test], "both say the same");

    image_is_refused_with_a_way_out(&terminal, image).await;
    let notes = terminal.run(install).await;
    let site = Site::adopt(helm, "informerd", PORTS[0]).await;
    let (_pod, daemon) = site.serve().await;
    ready(&daemon).await;
    let (said, ()) = futures::join!(terminal.run(test), plays_the_test(&site));
    assert!(said.contains("Succeeded"), "{said}");

    notes_are_followed(&terminal, &site, &notes).await;
    recipes_are_followed(&terminal, &site).await;
    terminal
        .run("helm uninstall informerd --namespace informerd")
        .await;
}

/// `make image` needs docker or buildah, and these the network: both are outside of tests. The
/// binary that it puts into the image is the one that plays the pod here, where `hack/test.sh` has
/// built it.
async fn image_is_refused_with_a_way_out(terminal: &Terminal, line: &str) {
    assert_eq!(line, "make image");
    let nowhere = "BUILDER=docker DOCKER_HOST=unix:///nonexistent make image";
    let output = terminal.output(nowhere).await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{said}");
    let ways = ["make static", "docker-buildx", "DOCKER_HOST"];
    assert!(ways.iter().any(|way| said.contains(way)), "{said}");
}

/// The commands that helm shows after the install.
async fn notes_are_followed(terminal: &Terminal, site: &Site, notes: &str) {
    // Whose rights the reader has is up to the reader.
    for line in [
        "kubectl create serviceaccount reader",
        "kubectl create role reader --verb=list,watch --resource=configmaps",
        "kubectl create rolebinding reader --role=reader --serviceaccount=default:reader",
    ] {
        terminal.run(line).await;
    }
    let map = kube::config_map("noted", json!({}), json!({}));
    site.kube.create("configmaps", "default", map).await;
    let joined = notes.replace("\\\n", " ");
    let mut seen = Vec::new();
    for line in joined.lines().filter_map(|line| line.strip_prefix("  ")) {
        let line = line.trim();
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            // Played above.
            ["helm", "test", ..] => {}
            // The kubelet's part: here the pod has the port on this machine already.
            [
                "kubectl",
                "-n",
                "informerd",
                "port-forward",
                "svc/informerd",
                "7300",
                "&",
            ] => {}
            ["kubectl", "-n", ..] => drop(terminal.run(line).await),
            ["kubectl", "create", "token", "SERVICE_ACCOUNT", ..] => {
                let line = line.replace("SERVICE_ACCOUNT", "reader");
                terminal.run(&line).await;
            }
            ["informerd", "watch", ..] => {
                let mut watch = Run::start(&mut terminal.command(line));
                while !watch.line().await.contains("noted") {}
            }
            // The address.
            [url] if url.starts_with("https://") => continue,
            other => panic!("nothing follows {other:?}"),
        }
        seen.push(words[0].to_owned());
    }
    assert_eq!(seen, ["helm", "kubectl", "kubectl", "kubectl", "informerd"]);
}

/// The namespace `shop` of the recipes: what they say is applied, and its two pods run with what the
/// daemon and the apiserver gave them.
async fn recipes_are_followed(terminal: &Terminal, site: &Site) {
    let recipes = read("docs/recipes.md");
    ensure_namespace(&site.kube, "shop").await;
    for line in shell_lines(section(&recipes, "The authority's certificate")) {
        terminal.run(&line).await;
    }
    let blocks = |language: &str| -> Vec<String> {
        let begin = format!("```{language}\n");
        let blocks = recipes.split(&begin).skip(1);
        let blocks = blocks.map(|block| block.split("```").next().unwrap_or_default());
        blocks.map(str::to_owned).collect()
    };
    for (number, block) in blocks("yaml").iter().enumerate() {
        let file = format!("recipe-{number}.yaml");
        terminal.write(&file, block);
        terminal.run(&format!("kubectl apply -f {file}")).await;
    }
    let pod = kube::pod("web-1", json!({"app": "web"}));
    site.kube.create("pods", "shop", pod).await;

    let path = "/apis/apps/v1/namespaces/shop/deployments/web-watcher";
    let deployment = site.kube.get(path).await;
    let watcher = site
        .pod_in("shop", &deployment["spec"]["template"]["spec"])
        .await;
    if let Some(python) = python().await {
        terminal.write("recipe.py", &blocks("python").concat());
        let program = [python, terminal.file("recipe.py")];
        watches_from_python(&watcher, &program).await;
    }
    let legacy = site.kube.get("/api/v1/namespaces/shop/pods/legacy").await;
    let sidecar = site.pod_in("shop", &legacy["spec"]).await;
    watches_from_a_sidecar(&sidecar).await;
}

/// The Python of the recipe in the pod of the recipe; it is ready when the file of its probe is there.
async fn watches_from_python(pod: &Pod, program: &[PathBuf; 2]) {
    let mut command = pod.program("watcher", program);
    command.env("PYTHONPATH", path("clients/python/src"));
    command.env("PYTHONUNBUFFERED", "1");
    let mut run = start(command);
    until("the program is ready", || async {
        assert!(!run.err().contains("Traceback"), "{}", run.err());
        pod.file("watcher/ready").exists()
    })
    .await;
    while run.line().await != "ADDED shop/web-1" {}
}

/// The command line as the init container of the recipe.
async fn watches_from_a_sidecar(pod: &Pod) {
    let mut run = start(pod.container("events"));
    let event: Value = serde_json::from_str(&run.line().await).expect("JSON");
    assert_eq!(
        (&event["type"], &event["name"]),
        (&json!("ADDED"), &json!("web-1"))
    );
    until("the position is kept", || async {
        pod.file("watcher/position").exists()
    })
    .await;
}

fn start(command: std::process::Command) -> Run {
    let mut command = Command::from(command);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    Run::start(command.kill_on_drop(true))
}

/// The interpreter with what the Python client needs, which `make test` has made before. Without it
/// the recipe in Python is left out, in CI it fails.
async fn python() -> Option<PathBuf> {
    let output = Command::new("bash")
        .arg(path("hack/python.sh"))
        .arg("interpreter")
        .output();
    let output = output.await.expect("bash runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let found = text.lines().last().map(PathBuf::from);
    assert!(
        found.is_some() || std::env::var_os("CI").is_none(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    found
}
