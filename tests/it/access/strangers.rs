//! What callers whom nobody knows can write into the log: little, and nothing of their own.

use crate::{
    conformance::scenarios,
    daemon::Daemon,
    http2::{Http2, message},
    request::Ask,
    stage::{Kind, Simulated, Stage},
    wait::until,
};

scenarios![access_of_strangers_is_told_sparingly: "the same daemon on either"];

const TEXT: &str = "text-of-a-stranger";
/// Far more than are told in the time that they take.
const CALLS: usize = 2000;

fn lines(daemon: &Daemon) -> Vec<String> {
    let log = daemon.log();
    let audit = log.lines().filter(|line| line.contains("call refused"));
    audit.map(str::to_owned).collect()
}

async fn access_of_strangers_is_told_sparingly(_: Kind) {
    let stage = Stage::Simulated(Simulated::start().await);
    let daemon = Daemon::guarded(&stage.kubeconfig(), &[]).await;
    let client = Http2::connect(daemon.address()).await;
    let body = message(&Ask::of("configmaps").message);
    let paths = [
        format!("/{TEXT}"),
        "/informerd.v1.WatchService/Watch".to_owned(),
    ];
    for path in paths.iter().cycle().take(CALLS) {
        let answer = client.send(client.head(path), body.clone()).await;
        let status = answer.expect("an answer").status();
        assert_eq!(status.code(), tonic::Code::Unauthenticated, "{path}");
    }
    for call in ["unknown", &paths[1]] {
        let told = format!(r#""call":"{call}""#);
        until("some are told", || async {
            lines(&daemon).iter().any(|line| line.contains(&told))
        })
        .await;
    }
    assert!(lines(&daemon).len() < CALLS / 2, "not all are told");
    assert!(!daemon.log().contains(TEXT), "a stranger has written");
}
