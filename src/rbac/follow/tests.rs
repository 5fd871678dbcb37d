//! Followers before a scripted apiserver.

use tokio::sync::mpsc;

use super::*;
use crate::reflector::testing::{Act, PATIENCE, Server, answer, status};

const BINDING: &str = r#"{"kind":"RoleBinding","apiVersion":"rbac.authorization.k8s.io/v1","metadata":{"name":"one","namespace":"a","resourceVersion":"7"},"roleRef":{"kind":"Role","name":"reader"},"subjects":[{"kind":"User","name":"ann"}]}"#;

fn end_of_list() -> String {
    r#"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"8","annotations":{"k8s.io/initial-events-end":"true"}}}}"#.to_owned() + "\n"
}

fn event(kind: &str) -> String {
    format!("{{\"type\":\"{kind}\",\"object\":{BINDING}}}\n")
}

/// A watch that shows the binding, then says this and stays open.
fn watch(more: &str) -> Vec<Act> {
    let body = event("ADDED") + &end_of_list() + more;
    vec![Act::Head(200, ""), Act::Body(body), Act::Hold]
}

/// Follows before a server; gives whom it tells of.
async fn follow_all(
    reach: &[&str],
    script: impl Fn(&str) -> Vec<Act> + Send + Sync + 'static,
) -> (
    Server,
    mpsc::UnboundedReceiver<Whom>,
    tokio::task::JoinHandle<()>,
) {
    let server = Server::start(script).await;
    let (sender, told) = mpsc::unbounded_channel();
    let tell: Tell = Arc::new(move |whom| {
        let _ = sender.send(whom);
    });
    let (client, reach) = (server.client.clone(), Reach::parse(reach).expect("valid"));
    let task = tokio::spawn(async move {
        follow(client, &reach, Duration::from_millis(5), tell).await;
    });
    (server, told, task)
}

async fn next(told: &mut mpsc::UnboundedReceiver<Whom>) -> Whom {
    loop {
        let whom = tokio::time::timeout(PATIENCE, told.recv()).await;
        let whom = whom.expect("in time").expect("it follows");
        if !whom.is_empty() {
            return whom;
        }
    }
}

fn everybody(namespace: &str) -> Whom {
    let mut whom = Whom::default();
    whom.add_everybody(namespace);
    whom
}

fn ann() -> Whom {
    let mut whom = Whom::default();
    whom.add_user("a", "ann");
    whom
}

#[tokio::test]
async fn all_kinds_are_watched_and_changes_told() {
    let (mut server, mut told, task) =
        follow_all(&[], |target| match target.contains("/rolebindings") {
            true => watch(&event("DELETED").replace("\"7\"", "\"9\"")),
            false => vec![Act::Hold],
        })
        .await;
    let mut paths = Vec::new();
    for _ in 0..4 {
        let request = server.request().await;
        paths.push(request.split('?').next().map(str::to_owned));
    }
    paths.sort();
    let root = "/apis/rbac.authorization.k8s.io/v1";
    let kinds = [
        "clusterrolebindings",
        "clusterroles",
        "rolebindings",
        "roles",
    ];
    assert_eq!(paths, kinds.map(|kind| Some(format!("{root}/{kind}"))));
    assert_eq!(next(&mut told).await, everybody(""));
    assert_eq!(next(&mut told).await, ann());
    task.abort();
}

#[tokio::test]
async fn what_may_not_be_watched_is_tried_again() {
    let tries = Mutex::new(0);
    let (_server, mut told, task) = follow_all(&["a"], move |target| {
        if !target.contains("/namespaces/a/rolebindings") {
            return answer(403, status(403, "Forbidden"));
        }
        let mut tries = tries.lock();
        *tries += 1;
        match *tries {
            ..3 => answer(403, status(403, "Forbidden")),
            _ => watch(""),
        }
    })
    .await;
    assert_eq!(next(&mut told).await, everybody("a"));
    task.abort();
}

#[test]
fn namespaces_are_watched_apart_and_the_cluster_once() {
    let reach = Reach::parse(&["b", "a"]).expect("valid");
    let sources = sources(&reach);
    let paths: Vec<_> = sources.iter().map(|(_, source)| source.subject()).collect();
    let group = "rbac.authorization.k8s.io";
    assert_eq!(
        paths,
        [
            format!("roles.{group} in namespace a"),
            format!("roles.{group} in namespace b"),
            format!("rolebindings.{group} in namespace a"),
            format!("rolebindings.{group} in namespace b"),
            format!("clusterroles.{group}"),
            format!("clusterrolebindings.{group}"),
        ]
    );
}
