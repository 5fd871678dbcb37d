//! The client against a real connection.

use std::sync::Arc;

use parking_lot::Mutex;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use prost::Message as _;
use server::Reply;

use super::*;
use crate::proto::v1::{frame::Frame, watch_request::Start};

mod server;

#[tokio::test]
async fn a_channel_can_come_from_the_program() {
    let list = v1::ListResourcesResponse::default();
    let address = server::serve(move |_, _| Reply::status(std::slice::from_ref(&list), "0")).await;
    let endpoint =
        tonic::transport::Endpoint::from_shared(format!("http://{address}")).expect("an address");
    let client = Client::from_channel(endpoint.connect_lazy());
    assert_eq!(client.resources().await, Ok(vec![]));
}

#[tokio::test]
async fn says_why_nothing_was_reached() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound port").to_string();
    drop(listener);
    let error = Client::connect(&address).await.expect_err("nobody listens");
    assert_eq!(
        error.to_string(),
        format!("cannot reach informerd at {address}: connection refused")
    );
}

#[tokio::test]
async fn a_lazy_client_says_why_too() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound port").to_string();
    drop(listener);
    let client = Client::lazy(&address).expect("an address");
    let error = client.resources().await.expect_err("nobody listens");
    assert!(error.is_unavailable());
    assert_eq!(error.to_string(), "connection refused");
}

fn batch(frames: Vec<Frame>) -> v1::WatchResponse {
    let frames = frames.into_iter();
    v1::WatchResponse {
        frames: frames.map(|f| v1::Frame { frame: Some(f) }).collect(),
    }
}

fn event(name: &str, token: &str) -> Frame {
    Frame::Event(v1::Event {
        name: name.into(),
        resume_token: token.into(),
        ..Default::default()
    })
}

#[tokio::test]
async fn a_watch_continues_on_a_real_connection() {
    let requests: Arc<Mutex<Vec<v1::WatchRequest>>> = Arc::default();
    let seen = Arc::clone(&requests);
    let address = server::serve(move |path, request| {
        assert_eq!(path, "/informerd.v1.WatchService/Watch");
        let request = v1::WatchRequest::decode(request).expect("a request");
        let mut seen = seen.lock();
        seen.push(request);
        let started = || Frame::Started(v1::Started::default());
        match seen.len() {
            1 => Reply::cut(&[batch(vec![started(), event("a", "t1")])]),
            2 => Reply::status(&[batch(vec![started(), event("b", "t2")])], "14"),
            _ => Reply::open(&[batch(vec![started(), event("c", "t3")])]),
        }
    })
    .await;
    let client = Client::connect(&address.to_string()).await.expect("served");
    let mut watch = client.steps(WatchBuilder::new("", "v1", "pods").from_now());
    let mut names = Vec::new();
    while names.len() < 3 {
        if let Step::Event(event) = watch.next().await.expect("goes on").expect("no error") {
            names.push(event.name);
        }
    }
    assert_eq!(names, ["a", "b", "c"]);
    assert_eq!(watch.token(), Some("t3"));
    let requests = requests.lock();
    let starts: Vec<_> = requests.iter().map(|r| r.start.clone()).collect();
    let token = |t: &str| Some(Start::ResumeToken(t.into()));
    let now = Some(Start::Now(v1::NowStart {}));
    assert_eq!(starts, [now, token("t1"), token("t2")]);
}

fn config_map(name: &str, version: &str, token: &str) -> Frame {
    let object = format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}"}},"data":{{"at":"{version}"}}}}"#
    );
    Frame::Event(v1::Event {
        r#type: v1::EventType::Added.into(),
        namespace: "t".into(),
        name: name.into(),
        uid: name.into(),
        resource_version: version.into(),
        resume_token: token.into(),
        object: object.into(),
        ..Default::default()
    })
}

fn snapshot_end(version: &str) -> Frame {
    Frame::SnapshotEnd(v1::SnapshotEnd {
        resource_version: version.into(),
        resume_token: format!("t{version}"),
        ..Default::default()
    })
}

#[tokio::test]
async fn a_reflected_watch_outlives_a_reset_on_a_real_connection() {
    let calls = std::sync::atomic::AtomicUsize::new(0);
    let address = server::serve(move |_, request| {
        let request = v1::WatchRequest::decode(request).expect("a request");
        let resource = request.resource.expect("a resource");
        assert_eq!(
            (&*resource.version, &*resource.resource),
            ("v1", "configmaps")
        );
        let started = Frame::Started(v1::Started::default());
        let (a, b) = (config_map("a", "1", ""), config_map("b", "2", ""));
        match calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
            0 => Reply::status(&[batch(vec![started, a, b, snapshot_end("5")])], "14"),
            1 => {
                assert_eq!(request.start, Some(Start::ResumeToken("t5".into())));
                let reset = Frame::Reset(v1::Reset::default());
                let c = config_map("c", "8", "");
                Reply::open(&[batch(vec![started, reset, a, c, snapshot_end("9")])])
            }
            more => panic!("call {more}"),
        }
    })
    .await;
    let client = Client::connect(&address.to_string()).await.expect("served");
    let watch = client.watch::<ConfigMap>().namespace("t").open();
    let (store, mut events) = watch.reflect();
    let (mut told, mut ends) = (Vec::new(), 0);
    while ends < 2 {
        match events.next().await.expect("goes on").expect("no error") {
            Event::SnapshotEnd(_) => ends += 1,
            event => told.extend(event.change().map(|(kind, c)| format!("{kind} {}", c.name))),
        }
    }
    // Without a reason for the reset no version proves that `a` is what it was.
    let expected = ["ADDED a", "ADDED b", "MODIFIED a", "DELETED b", "ADDED c"];
    assert_eq!(told, expected);
    let data = |name: &str| store.get("t", name).and_then(|c| c.data.clone());
    assert_eq!(data("c").expect("held")["at"], "8");
    assert_eq!((store.len(), data("b")), (2, None));
    let handle = events.stop_handle();
    let (end, ()) = tokio::join!(events.next(), async { handle.stop() });
    assert!(end.is_none());
    assert_eq!(store.len(), 2, "still readable");
}

#[tokio::test]
async fn an_error_of_the_server_comes_through() {
    let address = server::serve(|_, _| Reply::status(&[] as &[v1::WatchResponse], "7")).await;
    let client = Client::connect(&address.to_string()).await.expect("served");
    let mut watch = client.steps(WatchBuilder::new("", "v1", "pods"));
    let error = watch.next().await.expect("an item").expect_err("refused");
    assert_eq!(error.code, Code::PermissionDenied);
    assert_eq!(error.to_string(), "as scripted");
}

#[tokio::test]
async fn a_list_reads_all_pages() {
    let address = server::serve(|_, request| {
        let request = v1::ListObjectsRequest::decode(request).expect("a request");
        let (name, next, min) = match request.page_token.as_str() {
            "" => ("a", "p2", "5"),
            "p2" => ("b", "", ""),
            other => panic!("page {other}"),
        };
        assert_eq!(request.min_resource_version, min);
        let page = v1::ListObjectsResponse {
            objects: vec![v1::Object {
                name: name.into(),
                ..Default::default()
            }],
            resource_version: "9".into(),
            next_page_token: next.into(),
            resume_token: "t9".into(),
        };
        Reply::status(&[page], "0")
    })
    .await;
    let client = Client::connect(&address.to_string()).await.expect("served");
    let request = v1::ListObjectsRequest {
        min_resource_version: "5".into(),
        ..Default::default()
    };
    let list = client.list(request).await.expect("two pages");
    let names: Vec<_> = list.objects.iter().map(|o| o.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(list.resume_token, "t9");
}
