//! What every gRPC client finds: reflection, health, limits, and grpcurl as a client that knows
//! nothing of this project.

use std::{path::PathBuf, process::Output, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use informerd::proto::v1::{ListResourcesRequest, resource_service_client::ResourceServiceClient};
use informerd_support::control_plane::ControlPlane;
use prost::Message as _;
use serde_json::{Value, json};
use tonic::Code;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::{
    conformance::scenarios,
    request::Ask,
    stage::Kind,
    subscriber::reason,
    world::{World, quick},
};

scenarios![
    reflection_describes_every_service,
    health_follows_the_daemon,
    resources_are_listed_in_order,
    grpcurl_lists_and_watches,
    streams_above_the_limit_wait,
];

const SERVICES: [&str; 4] = [
    "informerd.v1.WatchService",
    "informerd.v1.ObjectService",
    "informerd.v1.ResourceService",
    "informerd.v1.AdminService",
];

/// Asks one version of the reflection service all questions of this test.
macro_rules! reflect {
    ($version:ident, $channel:expr) => {{
        use tonic_reflection::pb::$version::{
            ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
            server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
        };
        let ask = |question| ServerReflectionRequest {
            host: String::new(),
            message_request: Some(question),
        };
        let questions = [
            ask(MessageRequest::ListServices(String::new())),
            ask(MessageRequest::FileContainingSymbol(SERVICES[0].into())),
            ask(MessageRequest::FileContainingSymbol("nobody.Knows".into())),
        ];
        let mut client = ServerReflectionClient::new($channel);
        let answers = client
            .server_reflection_info(tokio_stream::iter(questions))
            .await;
        let mut answers = answers.expect("answered").into_inner();
        let (mut services, mut files, mut errors) = (Vec::new(), Vec::new(), Vec::new());
        while files.is_empty() || services.is_empty() || errors.is_empty() {
            // An unknown symbol may end the stream instead of being answered.
            match answers.message().await {
                Ok(Some(answer)) => match answer.message_response.expect("an answer") {
                    MessageResponse::ListServicesResponse(list) => {
                        services.extend(list.service.into_iter().map(|service| service.name));
                    }
                    MessageResponse::FileDescriptorResponse(list) => {
                        files.extend(list.file_descriptor_proto);
                    }
                    MessageResponse::ErrorResponse(error) => errors.push(error.error_code),
                    other => panic!("unexpected: {other:?}"),
                },
                Ok(None) => panic!("ended early"),
                Err(status) => errors.push(status.code() as i32),
            }
        }
        assert_eq!(errors, [Code::NotFound as i32]);
        (services, files)
    }};
}

/// Both versions that tools ask for.
async fn reflection_describes_every_service(kind: Kind) {
    let world = World::new(kind, "reflection", &[], &[]).await;
    for (services, files) in [
        reflect!(v1, world.channel()),
        reflect!(v1alpha, world.channel()),
    ] {
        for service in SERVICES.iter().chain(&["grpc.health.v1.Health"]) {
            assert!(services.iter().any(|s| s == service), "{services:?}");
        }
        let file = prost_types::FileDescriptorProto::decode(&files[0][..]).expect("a descriptor");
        let watch = file.service.iter().find(|s| s.name() == "WatchService");
        let method = &watch.expect("the service").method[0];
        assert_eq!(method.name(), "Watch");
        assert!(method.server_streaming() && !method.client_streaming());
        assert_eq!(method.input_type(), ".informerd.v1.WatchRequest");
    }
    world.finish(&quick(0)).await;
}

/// By group, version and name, in whatever order the apiserver tells them.
async fn resources_are_listed_in_order(kind: Kind) {
    let world = World::new(kind, "order", &[], &[]).await;
    let mut client = ResourceServiceClient::new(world.channel());
    let listed = client.list_resources(ListResourcesRequest {}).await;
    let listed = listed.expect("answered").into_inner().resources;
    let names: Vec<_> = listed
        .into_iter()
        .map(|resource| resource.resource.expect("a name"))
        .map(|name| (name.group, name.version, name.resource))
        .collect();
    let pods = |name: &(String, String, String)| (name.0.as_str(), name.2.as_str()) == ("", "pods");
    assert!(names.iter().any(pods) && names.is_sorted(), "{names:#?}");
    world.finish(&quick(0)).await;
}

/// SERVING from the first moment on, and not any more while draining; who watches it doesn't hold
/// up the end.
async fn health_follows_the_daemon(kind: Kind) {
    let world = World::new(kind, "health", &[], &["--drain", "1h"]).await;
    let mut client = HealthClient::new(world.channel());
    let request = |service: &str| HealthCheckRequest {
        service: service.into(),
    };
    let mut watches = Vec::new();
    for service in SERVICES.iter().chain(&[""]) {
        let checked = client.check(request(service)).await.expect("answered");
        assert_eq!(checked.into_inner().status(), ServingStatus::Serving);
        let watch = client.watch(request(service)).await.expect("answered");
        let mut watch = watch.into_inner();
        let first = watch.message().await.expect("open").expect("open");
        assert_eq!(first.status(), ServingStatus::Serving);
        watches.push(watch);
    }
    let unknown = client.check(request("nobody.Knows")).await;
    assert_eq!(unknown.expect_err("unknown").code(), Code::NotFound);
    world.daemon.terminate();
    for mut watch in watches {
        let next = watch.message().await.expect("told before the end");
        assert_eq!(next.expect("open").status(), ServingStatus::NotServing);
        let end = watch.message().await.expect_err("it ends");
        assert_eq!(end.code(), Code::Unavailable, "{end:?}");
        assert_eq!(reason(&end), "DRAINING");
    }
    assert_eq!(world.daemon.ended().await, Some(0));
}

/// The built grpcurl. Where there is none the test says so; in CI that is a failure.
fn grpcurl() -> Option<PathBuf> {
    let assets = ControlPlane::available();
    let binary = assets.ok().map(|assets| assets.binary("grpcurl"));
    let binary = binary.filter(|binary| binary.exists());
    if binary.is_none() {
        assert!(std::env::var_os("CI").is_none(), "grpcurl is not built");
        eprintln!("skipping grpcurl: run `make envtest`");
    }
    binary
}

async fn call(binary: &PathBuf, arguments: &[&str]) -> Output {
    let output = tokio::process::Command::new(binary)
        .arg("-plaintext")
        .args(arguments)
        .kill_on_drop(true)
        .output();
    tokio::time::timeout(Duration::from_secs(60), output)
        .await
        .expect("grpcurl ends")
        .expect("grpcurl runs")
}

fn out(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// A client that learns all it knows by reflection.
async fn grpcurl_lists_and_watches(kind: Kind) {
    let Some(grpcurl) = grpcurl() else { return };
    let world = World::new(kind, "grpcurl", &[], &[]).await;
    let address = world.daemon.address().to_string();
    let listed = out(&call(&grpcurl, &[&address, "list"]).await);
    for service in SERVICES {
        assert!(listed.lines().any(|line| line == service), "{listed}");
    }
    let described = &[address.as_str(), "describe", SERVICES[0]];
    let described = out(&call(&grpcurl, described).await);
    assert!(described.contains("rpc Watch"), "{described}");
    assert!(
        described.contains("Watch opens one subscription"),
        "comments travel"
    );

    world.create_map("cm", json!({"a": "b"})).await;
    let request = json!({
        "resource": {"resource": "configmaps"},
        "filter": {"namespaces": [world.namespace], "labelSelector": "a=b"},
        "timeout": "5s",
    });
    let request = request.to_string();
    let method = "informerd.v1.WatchService/Watch";
    let watched = out(&call(&grpcurl, &["-d", &request, &address, method]).await);
    let messages = serde_json::Deserializer::from_str(&watched).into_iter::<Value>();
    let frames: Vec<Value> = messages
        .flat_map(|message| message.expect("json")["frames"].take().as_array().cloned())
        .flatten()
        .collect();
    assert_eq!(frames[0]["started"]["outcome"], "START_OUTCOME_SNAPSHOT");
    let event = frames.iter().find_map(|frame| frame.get("event"));
    let event = event.unwrap_or_else(|| panic!("no event: {watched}"));
    assert_eq!(event["type"], "EVENT_TYPE_ADDED");
    let object = STANDARD.decode(event["object"].as_str().expect("base64"));
    let object: Value = serde_json::from_slice(&object.expect("base64")).expect("json");
    assert_eq!(
        (&object["kind"], &object["metadata"]["name"]),
        (&json!("ConfigMap"), &json!("cm"))
    );
    let last = frames.last().expect("frames");
    assert!(last.get("bookmark").is_some(), "the planned end: {last}");

    let bad = r#"{"resource": {"resource": "po"}}"#;
    let refused = call(&grpcurl, &["-d", bad, &address, method]).await;
    assert!(!refused.status.success());
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    for word in [
        "InvalidArgument",
        "INVALID_RESOURCE",
        "resource.resource",
        "pods",
    ] {
        assert!(said.contains(word), "{word} is missing: {said}");
    }
    world.finish(&quick(0)).await;
}

/// One connection can't have more streams than the operator allows; well-behaved clients wait.
async fn streams_above_the_limit_wait(kind: Kind) {
    let arguments = ["--streams-per-connection", "2"];
    let world = World::new(kind, "limit", &["configmaps"], &arguments).await;
    let ask = Ask::of("configmaps").namespace(&world.namespace);
    let first = world.synced("first", &ask, 0).await;
    let mut second = world.synced("second", &ask, 0).await;
    let mut third = Box::pin(world.watch("third", &ask));
    let fence = world.create_map("cm", json!({})).await;
    tokio::select! {
        _ = &mut third => panic!("a third stream was opened"),
        _ = second.events_until(fence) => {}
    }
    // A connection of its own has room.
    let channel = world.daemon.connect().await;
    let other = world.try_watch_on("other", &ask, channel).await;
    let mut other = other.expect("accepted");
    assert_eq!(other.snapshot().await.0.len(), 1);
    drop((first, other));
    let mut third = third.await;
    assert_eq!(third.snapshot().await.0.len(), 1);
    drop((second, third));
    world.finish(&quick(2)).await;
}
