//! What the audit log tells of streams and calls, field by field.

use std::time::Duration;

use informerd::proto::v1::{
    GetObjectRequest, ListObjectsRequest, ListUpstreamsRequest,
    admin_service_client::AdminServiceClient,
};
use serde_json::{Map, Value, json};

use super::{
    calls::Line,
    cast::{A, B, Cast},
};
use crate::{
    conformance::scenarios,
    daemon::Daemon,
    http2::{Http2, message},
    kube,
    request::{Ask, named},
    stage::Kind,
    wait::until,
};

scenarios![
    audit_tells_why_streams_end_and_what_was_delivered,
    audit_tells_each_call_with_its_outcome,
    audit_tells_of_streams_that_a_shutdown_cuts,
];

const WATCH: &str = "/informerd.v1.WatchService/Watch";

fn maps() -> Ask {
    Ask::of("configmaps").namespace(A)
}

fn get(name: &str) -> GetObjectRequest {
    GetObjectRequest {
        resource: Some(named("configmaps")),
        namespace: A.to_owned(),
        name: name.to_owned(),
        ..Default::default()
    }
}

/// The fields of the lines with this message, without those of who calls: these are checked here.
fn told(daemon: &Daemon, message: &str) -> Vec<Value> {
    let log = daemon.log();
    let lines = log.lines().filter_map(|line| fields(line, message));
    lines.collect()
}

fn fields(line: &str, message: &str) -> Option<Value> {
    let line: Value = serde_json::from_str(line).ok()?;
    let mut fields: Map<String, Value> = line["fields"].as_object()?.clone();
    (fields.remove("message")? == message).then_some(())?;
    assert!(line["target"].as_str()?.starts_with("audit"), "{line}");
    let user = fields
        .remove("user")
        .and_then(|user| Some(user.as_str()?.to_owned()));
    assert!(user.is_some_and(|user| !user.is_empty()), "{line}");
    let peer = fields
        .remove("peer")
        .and_then(|peer| Some(peer.as_str()?.to_owned()));
    assert!(
        peer.is_some_and(|peer| peer.starts_with("127.0.0.1:")),
        "{line}"
    );
    if !message.ends_with("refused") {
        assert!(
            fields.remove("uid").is_some_and(|uid| uid.is_string()),
            "{line}"
        );
        assert!(
            fields
                .remove("groups")
                .is_some_and(|groups| groups.is_u64()),
            "{line}"
        );
    }
    Some(fields.into())
}

/// Waits until these are the lines, in whatever order.
async fn expect(daemon: &Daemon, message: &str, mut expected: Vec<Value>) {
    let place = |line: &Value| ["call", "selector", "reason"].map(|key| line[key].to_string());
    let sorted = |lines: &mut Vec<Value>| lines.sort_by_key(place);
    sorted(&mut expected);
    until(message, || async {
        told(daemon, message).len() >= expected.len()
    })
    .await;
    let mut lines = told(daemon, message);
    sorted(&mut lines);
    assert_eq!(lines, expected, "{message}");
}

fn stream(outcome: &str, rest: Value) -> Value {
    let mut line = json!({
        "resource": "configmaps/v1",
        "namespaces": A,
        "selector": format!("namespaces: {A}"),
        "outcome": outcome,
    });
    for (key, value) in rest.as_object().into_iter().flatten() {
        line[key] = value.clone();
    }
    line
}

/// Ended as planned, left by the client, out of time, and cut because nothing is read. The last
/// one was given a message of three events and took a part of it, which is none.
async fn audit_tells_why_streams_end_and_what_was_delivered(kind: Kind) {
    let cast = Cast::assemble(kind).await;
    let daemon = Daemon::guarded(&cast.stage.kubeconfig(), &["--stall-limit", "1s"]).await;
    let token = cast.usable("ns-viewer").await;
    let line = Line::new(&daemon.connect().await, Some(&token));

    let mut planned = line.watch(&maps().timeout(Duration::from_secs(1))).await;
    let planned = planned.as_mut().expect("allowed").end().await;
    assert_eq!((planned.0.len(), planned.1.code()), (2, tonic::Code::Ok));
    let mut left = line.watch(&maps()).await.expect("allowed");
    left.snapshot().await.expect("a snapshot");
    drop(left);
    let raw = Http2::connect(daemon.address()).await;
    let head = |timeout: &str| {
        let bearer = format!("Bearer {token}");
        let head = raw.head(WATCH).header("authorization", bearer);
        head.header("grpc-timeout", timeout)
    };
    let late = raw.send(head("500m"), message(&maps().message)).await;
    let late = late.expect("an answer").status();
    assert_eq!(late.code(), tonic::Code::DeadlineExceeded);

    let large = kube::config_map("large", json!({}), json!({"text": "x".repeat(200_000)}));
    let made = cast.kube.create("configmaps", A, large).await;
    let known = GetObjectRequest {
        min_resource_version: kube::version(&made).to_string(),
        ..get("large")
    };
    line.get(known).await.expect("allowed");
    let unread = raw.open(head("1H"), message(&maps().message)).await;
    let ended =
        |reason: &str, events: u64| stream("ended", json!({"reason": reason, "events": events}));
    let expected = vec![
        ended("timeout", 2),
        ended("client", 2),
        ended("deadline", 2),
        ended("stalled", 0),
    ];
    expect(&daemon, "audit: stream ends", expected).await;
    expect(
        &daemon,
        "audit: stream begins",
        vec![stream("allowed", json!({})); 4],
    )
    .await;
    for reason in ["timeout", "client", "deadline", "stalled"] {
        let labels = format!("reason=\"{reason}\"");
        let ended = daemon.metric("informerd_streams_ended_total", &labels);
        assert!((ended.await - 1.0).abs() < 0.1, "{reason}");
    }
    drop(unread);
}

/// Reads and pages of operators: answered, failed and refused.
async fn audit_tells_each_call_with_its_outcome(kind: Kind) {
    let cast = Cast::assemble(kind).await;
    let daemon = Daemon::guarded(&cast.stage.kubeconfig(), &[]).await;
    let channel = daemon.connect().await;
    let viewer = cast.usable("ns-viewer").await;
    let line = Line::new(&channel, Some(&viewer));
    line.get(get("one")).await.expect("allowed");
    line.get(get("none")).await.expect_err("there is none");
    let list = |namespace: &str| ListObjectsRequest {
        resource: Some(named("configmaps")),
        filter: Ask::of("configmaps").namespace(namespace).message.filter,
        ..Default::default()
    };
    let listed = line.list(list(A)).await.expect("allowed").objects.len();
    line.list(list(B)).await.expect_err("forbidden");
    let resources = line.resources().await.expect("allowed").len();
    line.watch(&maps().token("nonsense"))
        .await
        .err()
        .expect("no token");
    let mut admin = AdminServiceClient::new(line.0.clone());
    let refused = admin.list_upstreams(ListUpstreamsRequest {}).await;
    refused.expect_err("forbidden");
    let operator = Line::new(&channel, Some(&cast.usable("operator").await));
    let mut admin = AdminServiceClient::new(operator.0);
    let upstreams = admin.list_upstreams(ListUpstreamsRequest {}).await;
    let upstreams = upstreams.expect("allowed").into_inner().upstreams.len();

    let call = |call: &str, about: &str, rest: Value| {
        let mut line = match about {
            "" => json!({}),
            about => stream("", json!({"selector": about})),
        };
        line["call"] = format!("/informerd.v1.{call}").into();
        for (key, value) in rest.as_object().into_iter().flatten() {
            line[key] = value.clone();
        }
        line
    };
    let (all, one) = (format!("namespaces: {A}"), "; names: ");
    let answered = |objects: usize| json!({"outcome": "answered", "objects": objects});
    let failed = |reason: &str| json!({"outcome": "failed", "reason": reason});
    let expected = vec![
        call(
            "ObjectService/GetObject",
            &format!("{all}{one}one"),
            answered(1),
        ),
        call("ObjectService/ListObjects", &all, answered(listed)),
        call("ResourceService/ListResources", "", answered(resources)),
        call("AdminService/ListUpstreams", "", answered(upstreams)),
    ];
    expect(&daemon, "audit: call answered", expected).await;
    let expected = vec![
        call(
            "ObjectService/GetObject",
            &format!("{all}{one}none"),
            failed("object_not_found"),
        ),
        call("WatchService/Watch", &all, failed("token_invalid")),
    ];
    expect(&daemon, "audit: call failed", expected).await;
    let mut refused = told(&daemon, "audit: call refused");
    for line in &mut refused {
        let detail = line["detail"].take();
        assert!(
            detail
                .as_str()
                .is_some_and(|text| text.contains(" cannot ")),
            "{detail}"
        );
    }
    let forbidden = json!({"outcome": "refused", "reason": "access_denied", "detail": null});
    let expected = [
        call("ObjectService/ListObjects", "", forbidden.clone()),
        call("AdminService/ListUpstreams", "", forbidden),
    ];
    assert_eq!(refused, expected);
}

/// The second signal leaves no time to say anything to anybody, but to the log.
async fn audit_tells_of_streams_that_a_shutdown_cuts(kind: Kind) {
    let cast = Cast::assemble(kind).await;
    let daemon = Daemon::guarded(
        &cast.stage.kubeconfig(),
        &["--drain-accept", "1h", "--drain", "3h"],
    )
    .await;
    let token = cast.usable("ns-viewer").await;
    let line = Line::new(&daemon.connect().await, Some(&token));
    let mut open = line.watch(&maps()).await.expect("allowed");
    open.snapshot().await.expect("a snapshot");
    daemon.terminate();
    until("it is leaving", || async {
        daemon.page("/readyz").await.0 == 503
    })
    .await;
    daemon.terminate();
    let (code, log) = daemon.ended_with_log().await;
    assert_eq!(code, Some(0));
    let ends: Vec<_> = log
        .iter()
        .filter_map(|line| fields(line, "audit: stream ends"))
        .collect();
    let expected = stream("ended", json!({"reason": "shutdown", "events": 2}));
    assert_eq!(ends, [expected]);
}
