//! Floods, oversized input and panics: one client's trouble stays its own.

use super::{
    raw::{
        DATA, ENHANCE_YOUR_CALM, GOAWAY, HEADERS, REFUSED_STREAM, RST_STREAM, Raw, SETTINGS,
        lying_request, request, reset,
    },
    *,
};

#[tokio::test]
async fn a_stream_above_the_limit_is_refused() {
    bounded(async {
        let limits = Limits {
            max_concurrent_streams: 2,
            ..Limits::default()
        };
        let never = tower::service_fn(
            |_: Request<Body>| -> BoxFuture<'static, Result<Response<Body>, Infallible>> {
                Box::pin(std::future::pending())
            },
        );
        let server = Server::start(limits, never).await;
        let mut raw = Raw::connect(server.addr, &[]).await;
        let settings = raw.next_of(SETTINGS).await.expect("sent first");
        let advertised = settings.payload.chunks(6).any(|s| s == [0, 3, 0, 0, 0, 2]);
        assert!(advertised, "{settings:?}");
        for stream in [1, 3, 5] {
            raw.send(&request(stream, "/")).await;
        }
        let refused = raw.next_of(RST_STREAM).await.expect("refused");
        assert_eq!((refused.stream, refused.code()), (5, REFUSED_STREAM));
        assert_eq!(server.stats.open_streams(), 2);
        drop(raw);
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn a_rapid_reset_flood_ends_its_connection_and_no_other() {
    bounded(async {
        let server = Server::start(Limits::default(), service(|_| full("fine"))).await;
        let bystander = server.client().await;
        let mut raw = Raw::connect(server.addr, &[]).await;
        let flood: Vec<u8> = (0..5_000)
            .flat_map(|n| [request(2 * n + 1, "/"), reset(2 * n + 1)].concat())
            .collect();
        raw.send(&flood).await;
        let goaway = raw.next_of(GOAWAY).await.expect("told why");
        assert_eq!(goaway.code(), ENHANCE_YOUR_CALM);
        assert_eq!(text(get(&bystander, "/").await).await, "fine");
        drop((raw, bystander));
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn a_flood_of_forced_resets_ends_its_connection() {
    bounded(async {
        let limits = Limits {
            max_local_error_reset_streams: 8,
            ..Limits::default()
        };
        let server = Server::start(limits, service(|_| full("fine"))).await;
        let mut raw = Raw::connect(server.addr, &[]).await;
        let flood: Vec<u8> = (0..100).flat_map(|n| lying_request(2 * n + 1)).collect();
        raw.send(&flood).await;
        let goaway = raw.next_of(GOAWAY).await.expect("told why");
        assert_eq!(goaway.code(), ENHANCE_YOUR_CALM);
        drop(raw);
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn oversized_headers_are_answered_not_served() {
    bounded(async {
        let server = Server::start(Limits::default(), service(|_| full("fine"))).await;
        let client = server.client().await;
        let request = Request::get("http://test/")
            .header("large", "x".repeat(20_000))
            .body(())
            .expect("valid");
        let mut sender = client.clone().ready().await.expect("open");
        let (response, _) = sender.send_request(request, true).expect("open");
        let status = response.await.expect("answered").status();
        assert_eq!(status, http::StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        assert_eq!(text(get(&client, "/").await).await, "fine");
        drop((client, sender));
        server.finish().await;
    })
    .await;
}

/// A body that panics after its first frame.
struct Panicking(bool);

impl http_body::Body for Panicking {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        assert!(!self.0, "a body panics");
        self.0 = true;
        Poll::Ready(Some(Ok(data("first"))))
    }
}

#[tokio::test]
async fn a_panic_resets_its_own_stream_only() {
    bounded(async {
        let (feeder, fed) = fed();
        let fed = Arc::new(parking_lot::Mutex::new(Some(fed)));
        let service = service(move |path| match path {
            "/call" => panic!("a call panics"),
            "/body" => Response::new(Body::new(Panicking(false))),
            "/fed" => fed.lock().take().expect("asked for once"),
            _ => full("fine"),
        });
        let server = Server::start(Limits::default(), service).await;
        let mut raw = Raw::connect(server.addr, &[]).await;
        raw.send(&request(1, "/fed")).await;
        raw.next_of(HEADERS).await.expect("answered");
        for (stream, path) in [(3, "/call"), (5, "/body")] {
            raw.send(&request(stream, path)).await;
            let reset = raw.next_of(RST_STREAM).await.expect("reset");
            assert_eq!((reset.stream, reset.code()), (stream, 2));
        }
        assert_eq!(server.stats.panics(), 2);
        feeder.0.send(data("alive")).expect("open");
        let frame = raw.next_of(DATA).await.expect("the connection lives");
        assert_eq!((frame.stream, &frame.payload[..]), (1, &b"alive"[..]));
        drop((raw, feeder));
        server.finish().await;
    })
    .await;
}
