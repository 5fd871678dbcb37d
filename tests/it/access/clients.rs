//! The clients of this repository as callers: token files that change, and certificates.

use std::{path::Path, time::Duration};

use futures::StreamExt as _;
use informerd::{
    client::{Bearer, CallError, Client, Step, WatchBuilder},
    proto::v1::{Filter, ListObjectsRequest},
};
use informerd_support::simulation::{Caller, Rule};
use serde_json::json;
use tonic::Code;

use super::{
    canary,
    cast::{A, Cast},
};
use crate::{
    cli::run::run,
    conformance::scenarios,
    daemon::Daemon,
    request::named,
    stage::Kind,
    tls::{
        certificates::Authority,
        files::{Mounted, NAMES, borrowed},
    },
};

scenarios![
    access_outlives_a_token_in_a_file: "a token of ten minutes is the shortest that a real one gives",
    access_by_certificate: "the daemon verifies certificates by itself",
    access_from_the_command_line,
];

/// Longest wait for a step that must come.
const PATIENCE: Duration = Duration::from_secs(60);

fn maps() -> ListObjectsRequest {
    ListObjectsRequest {
        resource: Some(named("configmaps")),
        filter: Some(Filter {
            namespaces: vec![A.to_owned()],
            ..Filter::default()
        }),
        ..ListObjectsRequest::default()
    }
}

fn caller(user: &str) -> Option<Caller> {
    Some(Caller {
        user: user.to_owned(),
        audiences: vec!["informerd".to_owned()],
        ..Caller::default()
    })
}

/// A token that expires under a stream is replaced in its file, and the watch goes on.
async fn access_outlives_a_token_in_a_file(kind: Kind) {
    let cast = Cast::assemble(kind).await;
    let cluster = cast.stage.simulated().expect("simulated").clone();
    cluster.set_rules(vec![Rule::read("ann", "configmaps", A)]);
    cluster.set_token("the-first-token", caller("ann"));
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("token");
    std::fs::write(&file, "the-first-token\n").expect("writable");
    let arguments = ["--recheck-interval", "500ms"];
    let daemon = Daemon::guarded(&cast.stage.kubeconfig(), &arguments).await;
    let address = daemon.address().to_string();
    let client = Client::builder(&address).bearer(Bearer::file(&file));
    let client = client.connect().await.expect("connected");
    let builder = WatchBuilder::new("", "v1", "configmaps").namespace(A);
    let mut steps = client.steps(builder.clone());
    until_step(&mut steps, |step| matches!(step, Step::SnapshotEnd(_))).await;

    cluster.set_token("the-second-token", caller("ann"));
    std::fs::write(&file, "the-second-token\n").expect("writable");
    cluster.set_token("the-first-token", None);
    let refused = |step: &Step| match step {
        Step::Disconnected { error, .. } => error.reason == "CREDENTIALS_INVALID",
        _ => false,
    };
    until_step(&mut steps, refused).await;
    let patch = json!({"data": {"step": "later"}});
    cast.kube.patch("configmaps", A, "one", patch).await;
    let later = |step: &Step| match step {
        Step::Event(event) => event.name == "one",
        Step::Reset(reset) => panic!("nothing was lost: {reset:?}"),
        _ => false,
    };
    until_step(&mut steps, later).await;

    // Without a newer token it ends.
    let fixed = Bearer::token("the-second-token").expect("a token");
    let fixed = Client::builder(&address).bearer(fixed).connect().await;
    let mut fixed = fixed.expect("connected").steps(builder);
    until_step(&mut fixed, |step| matches!(step, Step::SnapshotEnd(_))).await;
    cluster.set_token("the-second-token", None);
    let ended = async {
        loop {
            match fixed.next().await {
                Some(Ok(_)) => {}
                other => return other,
            }
        }
    };
    let ended = tokio::time::timeout(PATIENCE, ended).await.expect("an end");
    let error = ended.expect("with an error").expect_err("not fine");
    assert_eq!(error.code, Code::Unauthenticated);
    let tokens = ["the-first-token", "the-second-token"].map(str::to_owned);
    canary::unseen(&daemon, &tokens, &[]).await;
}

/// Reads on until a step is there.
async fn until_step(steps: &mut informerd::client::Steps, mut wanted: impl FnMut(&Step) -> bool) {
    let reading = async {
        while let Some(step) = steps.next().await {
            if wanted(&step.expect("the watch goes on")) {
                return;
            }
        }
        panic!("the watch ended");
    };
    let read = tokio::time::timeout(PATIENCE, reading).await;
    read.expect("the step comes");
}

/// CN is the user, O the groups; a certificate counts before a token.
async fn access_by_certificate(kind: Kind) {
    let cast = Cast::assemble(kind).await;
    let cluster = cast.stage.simulated().expect("simulated").clone();
    let rules = ["dev", "tom"].map(|subject| Rule::read(subject, "configmaps", A));
    cluster.set_rules(rules.to_vec());
    cluster.set_token("token-of-tom", caller("tom"));
    let (root, clients) = (Authority::new("root"), Authority::new("clients"));
    let mounted = Mounted::new(&root.server(&NAMES), &root, &clients);
    let flags = mounted.flags();
    let daemon = Daemon::guarded(&cast.stage.kubeconfig(), &borrowed(&flags)).await;
    let address = format!("https://{}", daemon.address());
    let builder = || Client::builder(&address).ca_file(mounted.path("ca.crt"));
    let jane = mounted.client("jane", &clients.client("jane", "dev"));
    let joe = mounted.client("joe", &clients.client("joe", "ops"));
    let nameless = mounted.client("nameless", &clients.client("", "dev"));
    let tom = || Bearer::token("token-of-tom").expect("a token");
    let ask = async |client: informerd::client::ClientBuilder| -> Result<usize, CallError> {
        let client = client.connect().await.expect("connected");
        client.list(maps()).await.map(|list| list.objects.len())
    };
    let code = |answer: Result<usize, CallError>| answer.map_err(|error| error.reason);

    assert_eq!(
        code(ask(builder().client_certificate(jane.0, jane.1)).await),
        Ok(2)
    );
    let with_joe = || builder().client_certificate(&joe.0, &joe.1);
    assert_eq!(code(ask(with_joe()).await), Err("ACCESS_DENIED".to_owned()));
    assert_eq!(
        code(ask(with_joe().bearer(tom())).await),
        Err("ACCESS_DENIED".to_owned())
    );
    assert_eq!(code(ask(builder().bearer(tom())).await), Ok(2));
    assert_eq!(
        code(ask(builder()).await),
        Err("CREDENTIALS_MISSING".to_owned())
    );
    let nameless = builder().client_certificate(nameless.0, nameless.1);
    assert_eq!(
        code(ask(nameless).await),
        Err("CREDENTIALS_INVALID".to_owned())
    );
    canary::audited(&daemon, &["access_denied", r#""user":"joe""#]).await;
    canary::unseen(&daemon, &["token-of-tom".to_owned()], &[]).await;
}

/// `--token-file` and `--token`; without either the daemon says what is missing.
async fn access_from_the_command_line(kind: Kind) {
    let cast = Cast::assemble(kind).await;
    let daemon = Daemon::guarded(&cast.stage.kubeconfig(), &[]).await;
    let server = daemon.address().to_string();
    let token = cast.usable("ns-viewer").await;
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("token");
    std::fs::write(&file, &token).expect("writable");
    let text = |path: &Path| path.to_str().expect("text").to_owned();
    let file = text(&file);
    let get = ["get", "cm", "-n", A, "--server", &server];
    let out = run(&[&get[..], &["--token-file", &file]].concat())
        .await
        .fine();
    assert!(out.contains("one") && out.contains("two"), "{out}");
    let out = run(&[&get[..], &["--token", &token]].concat()).await.fine();
    assert!(out.contains("one"), "{out}");

    let elsewhere = [
        "get",
        "cm",
        "-n",
        "default",
        "--server",
        &server,
        "--token-file",
        &file,
    ];
    let missing = text(&directory.path().join("none"));
    let exposed = [
        "get",
        "cm",
        "--server",
        "informerd.tools.svc",
        "--token-file",
        &file,
    ];
    let rows: [(&[&str], i32, &str); 4] = [
        (&get, 1, "no credentials"),
        (&elsewhere, 1, "cannot list resource"),
        (
            &[&get[..], &["--token-file", &missing]].concat(),
            1,
            "can't be read",
        ),
        (&exposed, 2, "would travel unprotected"),
    ];
    for (arguments, code, part) in rows {
        let ended = run(arguments).await;
        assert_eq!(ended.code, Some(code), "{ended:?}");
        assert!(ended.err.contains(part), "{ended:?}");
        assert!(!ended.err.contains(&token), "{ended:?}");
    }
    canary::unseen(&daemon, &[token], &[]).await;
}
