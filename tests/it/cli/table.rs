//! `informerd watch` for people.

use serde_json::json;

use super::run::{Run, informerd, run};
use crate::{
    conformance::scenarios,
    kube::pod,
    stage::{Kind, Stage},
    wait::until,
    world::{World, quick},
};

scenarios![
    cli_watch_tells_the_life_of_a_pod,
    cli_watch_selects_and_spans_namespaces,
    cli_watch_colours_only_where_wanted,
];

/// What somebody does to pods: by kubectl where there is one that fits.
struct Hands<'a>(&'a World);

impl Hands<'_> {
    async fn kubectl(&self, arguments: &[&str]) -> bool {
        let Stage::Real(plane) = &self.0.stage else {
            return false;
        };
        let mut command = plane.kubectl();
        command.args(["-n", &self.0.namespace]).args(arguments);
        let output = command.output().await.expect("kubectl runs");
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        true
    }

    async fn create(&self, name: &str) {
        let image = "--image=example.com/main:1";
        if !self.kubectl(&["run", name, image]).await {
            let object = pod(name, json!({"run": name}));
            self.0.kube.create("pods", &self.0.namespace, object).await;
        }
    }

    async fn label(&self, name: &str) {
        if !self.kubectl(&["label", "pod", name, "tier=a"]).await {
            let patch = json!({"metadata": {"labels": {"tier": "a"}}});
            self.0
                .kube
                .patch("pods", &self.0.namespace, name, patch)
                .await;
        }
    }

    async fn delete(&self, name: &str) {
        let now = ["delete", "pod", name, "--now", "--wait=false"];
        if !self.kubectl(&now).await {
            self.0.kube.delete("pods", &self.0.namespace, name).await;
        }
    }
}

/// Snapshot, creation, change and deletion, line by line, and a planned end by a signal.
async fn cli_watch_tells_the_life_of_a_pod(kind: Kind) {
    let world = World::new(kind, "cli-life", &[], &[]).await;
    let (hands, namespace) = (Hands(&world), world.namespace.as_str());
    hands.create("old").await;
    let server = world.daemon.address().to_string();
    let arguments = ["watch", "pods", "-n", namespace, "--server", &server];
    let mut watch = Run::start(&mut informerd(&arguments));
    let header = watch.words().await;
    assert_eq!(header[..4], ["EVENT", "NAMESPACE", "NAME", "READY"]);
    let first = watch.words().await;
    assert_eq!(first[..3], ["ADDED/snapshot", namespace, "old"]);
    until("the snapshot is complete", || async {
        watch.err().contains("1 object at resourceVersion")
    })
    .await;

    hands.create("web").await;
    assert_eq!(watch.words().await[..3], ["ADDED", namespace, "web"]);
    hands.label("web").await;
    assert_eq!(watch.words().await[..3], ["MODIFIED", namespace, "web"]);
    hands.delete("web").await;
    let mut last = watch.words().await;
    // A real deletion may be announced by a change of the object.
    while last[0] == "MODIFIED" {
        last = watch.words().await;
    }
    assert_eq!(last[..3], ["DELETED", namespace, "web"]);

    watch.signal("TERM").await;
    let ended = watch.end().await;
    assert_eq!((ended.code, ended.out.as_str()), (Some(0), ""), "{ended:?}");
    assert!(
        ended.err.lines().all(|line| line.starts_with("# ")),
        "{ended:?}"
    );
    world.finish(&quick(0)).await;
}

/// `-l`, names, `-A`, `--event-types`, `--no-headers`, and what enters and leaves a selector.
async fn cli_watch_selects_and_spans_namespaces(kind: Kind) {
    let world = World::new(kind, "cli-select", &[], &[]).await;
    let server = world.daemon.address().to_string();
    let name = format!("cm-{}", world.namespace);
    let base = ["watch", "cm", "--server", &server, "--no-headers"];
    let label = format!("cli={}", world.namespace);
    let mut all = Run::start(informerd(&base).args(["-A", &name]));
    let mut chosen = Run::start(informerd(&base).args(["-A", "-l", &label]));
    let deleted = ["-n", &world.namespace, "--event-types", "deleted"];
    let mut deleted = Run::start(informerd(&base).args(deleted));
    for watch in [&all, &chosen, &deleted] {
        until("the snapshot is complete", || async {
            watch.err().contains("; watching")
        })
        .await;
    }
    world.create_map(&name, json!({})).await;
    assert_eq!(all.words().await[0], "ADDED");
    world
        .label_map(&name, json!({"cli": world.namespace}))
        .await;
    assert_eq!(all.words().await[0], "MODIFIED");
    let entered = ["ADDED/entered", world.namespace.as_str(), name.as_str()];
    assert_eq!(chosen.words().await[..3], entered);
    world.label_map(&name, json!({"cli": "no"})).await;
    assert_eq!(all.words().await[0], "MODIFIED");
    assert_eq!(chosen.words().await[0], "DELETED/left");
    world.delete_map(&name).await;
    assert_eq!(all.words().await[0], "DELETED");
    assert_eq!(deleted.words().await[0], "DELETED");
    for watch in [all, chosen, deleted] {
        watch.signal("INT").await;
        assert_eq!(watch.end().await.fine(), "");
    }
    world.finish(&quick(0)).await;
}

/// A pipe gets plain text; NO_COLOR goes before everything that asks for colours.
async fn cli_watch_colours_only_where_wanted(kind: Kind) {
    let world = World::new(kind, "cli-colour", &[], &[]).await;
    world.create_map("cm", json!({})).await;
    let server = world.daemon.address().to_string();
    let arguments = [
        "watch",
        "cm",
        "cm",
        "--server",
        &server,
        "--timeout",
        "1s",
        "-n",
        &world.namespace,
    ];
    let plain = run(&arguments).await;
    assert!(plain.out.contains("ADDED/snapshot"), "{plain:?}");
    let coloured = |out: &str| out.contains('\u{1b}');
    assert!(!coloured(&plain.out) && !coloured(&plain.err), "{plain:?}");

    let forced = Run::start(informerd(&arguments).env("CLICOLOR_FORCE", "1"));
    let forced = forced.end().await;
    assert!(coloured(&forced.out), "{forced:?}");

    let mut command = informerd(&arguments);
    command.env("CLICOLOR_FORCE", "1").env("NO_COLOR", "1");
    let none = Run::start(&mut command).end().await;
    assert!(!coloured(&none.out) && !coloured(&none.err), "{none:?}");
    assert!(none.fine().contains("ADDED/snapshot"));
    world.finish(&quick(0)).await;
}
