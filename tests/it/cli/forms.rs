//! The forms of output, of `watch` and of `get`, and the list of resources.

use serde_json::{Value, json};

use super::run::{Ended, run};
use crate::{
    conformance::scenarios,
    stage::Kind,
    world::{World, quick},
};

scenarios![
    cli_watch_writes_every_form,
    cli_get_reads_from_the_cache,
    cli_resources_lists_what_can_be_watched,
];

/// A world with one object, and the words that ask for it.
struct Asker {
    world: World,
    server: String,
    version: String,
}

impl Asker {
    async fn new(kind: Kind, name: &str) -> Self {
        let world = World::new(kind, name, &[], &[]).await;
        let version = world.create_map("cm", json!({"app": "web"})).await;
        Self {
            server: world.daemon.address().to_string(),
            version: version.to_string(),
            world,
        }
    }

    async fn ask(&self, command: &[&str]) -> Ended {
        let place = ["--server", &self.server, "-n", &self.world.namespace];
        run(&[command, &place].concat()).await
    }

    /// The one object, as it must be.
    fn check(&self, object: &Value) {
        let metadata = &object["metadata"];
        let got = [
            &object["kind"],
            &metadata["name"],
            &metadata["resourceVersion"],
        ];
        let version = json!(self.version);
        assert_eq!(
            got,
            [&json!("ConfigMap"), &json!("cm"), &version],
            "{object}"
        );
        assert_eq!(object["data"]["step"], "0");
    }
}

fn documents(text: &str) -> Vec<Value> {
    let values = serde_json::Deserializer::from_str(text).into_iter();
    values.map(|value| value.expect(text)).collect()
}

/// `-o wide`, `json`, `yaml`, `jsonl` and `name`; `--timeout` is a planned end.
async fn cli_watch_writes_every_form(kind: Kind) {
    let asker = Asker::new(kind, "cli-forms").await;
    let watch = |format| {
        let asker = &asker;
        let arguments = ["watch", "cm", "cm", "--timeout", "1s", "-o", format];
        async move { asker.ask(&arguments).await.fine() }
    };
    let wide = watch("wide").await;
    let words: Vec<Vec<&str>> = wide
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(words[0][..3], ["EVENT", "NAMESPACE", "NAME"]);
    let namespace = asker.world.namespace.as_str();
    assert_eq!(words[1][..3], ["ADDED/snapshot", namespace, "cm"]);
    assert_eq!(words.len(), 2, "{wide}");

    let json = documents(&watch("json").await);
    assert_eq!(json.len(), 1);
    asker.check(&json[0]);

    let yaml = watch("yaml").await;
    assert!(
        yaml.starts_with("---\n") && yaml.contains("kind: ConfigMap"),
        "{yaml}"
    );

    let jsonl = watch("jsonl").await;
    assert_eq!(jsonl.lines().count(), 1, "one line each: {jsonl}");
    let event = &documents(&jsonl)[0];
    asker.check(&event["object"]);
    assert_eq!(event["type"], "ADDED");
    assert_eq!(event["cause"], "SNAPSHOT");
    assert_eq!(event["namespace"], namespace);
    assert_eq!(event["resourceVersion"], asker.version);
    assert_eq!(event["token"], Value::Null, "no token inside a snapshot");

    assert_eq!(watch("name").await, "configmap/cm\n");
    asker.world.finish(&quick(0)).await;
}

/// `informerd get`: lists, one object, and nothing.
async fn cli_get_reads_from_the_cache(kind: Kind) {
    let asker = Asker::new(kind, "cli-get").await;
    let table = asker.ask(&["get", "cm", "-l", "app=web"]).await.fine();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 2, "{table}");
    assert!(
        lines[0].starts_with("NAME") && lines[1].starts_with("cm"),
        "{table}"
    );

    let one = asker.ask(&["get", "ConfigMap", "cm", "-o", "json"]).await;
    asker.check(&documents(&one.fine())[0]);
    let all = asker.ask(&["get", "cm", "-l", "app", "-o", "json"]).await;
    let list = &documents(&all.fine())[0];
    assert_eq!(list["kind"], "List");
    asker.check(&list["items"][0]);
    let lines = asker.ask(&["get", "cm", "-l", "app", "-o", "jsonl"]).await;
    asker.check(&documents(&lines.fine())[0]);
    let names = asker.ask(&["get", "cm", "-l", "app", "-o", "name"]).await;
    assert_eq!(names.fine(), "configmap/cm\n");
    let yaml = asker.ask(&["get", "cm", "cm", "-o", "yaml"]).await.fine();
    assert!(yaml.contains("kind: ConfigMap"), "{yaml}");

    let nothing = asker.ask(&["get", "cm", "-l", "app=none"]).await;
    let said = format!(
        "no resources found in namespace {}\n",
        asker.world.namespace
    );
    assert_eq!((nothing.code, nothing.out.as_str()), (Some(0), ""));
    assert_eq!(nothing.err, said);
    let missing = asker.ask(&["get", "cm", "nobody"]).await;
    assert_eq!((missing.code, missing.out.as_str()), (Some(1), ""));
    assert!(
        missing.err.starts_with("error: there is no "),
        "{missing:?}"
    );
    asker.world.finish(&quick(0)).await;
}

/// `informerd resources`.
async fn cli_resources_lists_what_can_be_watched(kind: Kind) {
    let world = World::new(kind, "cli-resources", &[], &[]).await;
    let server = world.daemon.address().to_string();
    let table = run(&["resources", "--server", &server]).await.fine();
    let row = |name: &str| {
        let line = table
            .lines()
            .find(|line| line.split(' ').next() == Some(name));
        line.unwrap_or_else(|| panic!("{name} is missing:\n{table}"))
    };
    assert!(table.starts_with("NAME"), "{table}");
    assert!(row("pods").ends_with("yes") && row("pods").contains(" po "));
    assert!(row("secrets").ends_with("no, disabled"));
    assert!(row("componentstatuses").ends_with("no, not watchable"));
    assert!(row("deployments").contains("apps/v1"));
    let json = run(&["resources", "--server", &server, "-o", "json"]).await;
    let rows = &documents(&json.fine())[0];
    let pods = rows.as_array().expect("a list").iter();
    let pods = pods.filter(|row| row["name"] == "pods" && row["apiVersion"] == "v1");
    assert_eq!(pods.count(), 1);
    world.finish(&quick(0)).await;
}
