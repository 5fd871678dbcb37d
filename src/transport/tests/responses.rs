//! What comes out of a service arrives, unary and streaming.

use http::HeaderMap;
use http_body_util::BodyExt as _;
use tonic::service::Routes;
use tonic_health::{
    ServingStatus,
    pb::{HealthCheckRequest, health_check_response, health_client::HealthClient},
};

use super::*;
use crate::transport::{Peer, Remote};

#[tokio::test]
async fn a_tonic_service_is_served_to_a_tonic_client() {
    bounded(async {
        let (reporter, health) = tonic_health::server::health_reporter();
        let server = Server::start(Limits::default(), Routes::new(health)).await;
        let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{}", server.addr));
        let channel = endpoint.expect("valid").connect().await.expect("accepted");
        let mut client = HealthClient::new(channel);
        let asked = || HealthCheckRequest {
            service: String::new(),
        };
        let serving = health_check_response::ServingStatus::Serving as i32;
        let reply = client.check(asked()).await.expect("unary");
        assert_eq!(reply.into_inner().status, serving);

        let mut stream = client.watch(asked()).await.expect("stream").into_inner();
        let first = stream.message().await.expect("open").expect("a message");
        assert_eq!(first.status, serving);
        reporter
            .set_service_status("", ServingStatus::NotServing)
            .await;
        let second = stream.message().await.expect("open").expect("a message");
        assert_ne!(second.status, serving);

        let unknown = client.check(HealthCheckRequest {
            service: "no such".into(),
        });
        let code = unknown.await.expect_err("unknown service").code();
        assert_eq!(code, tonic::Code::NotFound);
        drop((client, stream));
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn prefix_and_payload_leave_as_one_frame() {
    bounded(async {
        let ((feed, _gone), service) = one_fed();
        let server = Server::start(Limits::default(), service).await;
        let client = server.client().await;
        feed.send(data("12345")).expect("open");
        feed.send(data(vec![b'x'; 600])).expect("open");
        let response = get(&client, "/fed").await.await.expect("answered");
        let mut body = response.into_body();
        let first = body.data().await.expect("data").expect("open");
        assert_eq!(first.len(), 605);
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().expect("valid"));
        feed.send(data("tail")).expect("open");
        feed.send(Frame::trailers(trailers.clone())).expect("open");
        assert_eq!(body.data().await.expect("data").expect("open"), "tail");
        assert!(body.data().await.is_none());
        assert_eq!(body.trailers().await.expect("open"), Some(trailers));
        drop((client, body));
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn a_body_far_larger_than_every_window_arrives_whole() {
    bounded(async {
        let ((feed, _gone), service) = one_fed();
        let server = Server::start(Limits::default(), service).await;
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(1_000);
        let client = server.client_with(&builder).await;
        let sent: String = (0..100_000).map(|n| format!("{n},")).collect();
        let mut left = Bytes::from(sent.clone());
        while !left.is_empty() {
            let part = left.split_to(left.len().min(150_000));
            feed.send(data(part)).expect("open");
        }
        drop(feed);
        assert_eq!(text(get(&client, "/fed").await).await, sent);
        drop(client);
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn a_request_body_arrives_and_gives_window_back() {
    bounded(async {
        let echo = tower::service_fn(
            |request: Request<Body>| -> BoxFuture<'static, Result<_, Infallible>> {
                Box::pin(async move {
                    let peer = request.extensions().get::<Peer>().cloned();
                    let remote = peer.expect("every request has one").remote;
                    assert!(matches!(remote, Remote::Tcp(from) if from.ip().is_loopback()));
                    let body = request.into_body().collect().await.expect("whole");
                    let mark = body.trailers().and_then(|map| map.get("mark")).cloned();
                    let mut response = Response::new(Body::empty());
                    let headers = response.headers_mut();
                    headers.insert("mark", mark.expect("sent"));
                    headers.insert("size", body.to_bytes().len().into());
                    Ok(response)
                })
            },
        );
        let server = Server::start(Limits::default(), echo).await;
        let mut client = server.client().await;
        let request = Request::post("http://test/").body(()).expect("valid");
        let (response, mut send) = client.send_request(request, false).expect("open");
        // More than the stream's receive window, so it stops for ever if none is given back.
        let size = 300_000;
        send.send_data(Bytes::from(vec![1; size]), false)
            .expect("open");
        let mut trailers = HeaderMap::new();
        trailers.insert("mark", "end".parse().expect("valid"));
        send.send_trailers(trailers).expect("open");
        let response = response.await.expect("answered");
        assert_eq!(response.headers()["size"], size.to_string());
        assert_eq!(response.headers()["mark"], "end");
        assert!(response.body().is_end_stream());
        drop((client, response, send));
        server.finish().await;
    })
    .await;
}
