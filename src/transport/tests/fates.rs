//! What services are told of their responses, whatever becomes of these.

use super::{
    raw::{DATA, HEADERS, PING, Raw, frame, request},
    *,
};
use crate::transport::Fate;

/// What was told when a body was dropped: the reason, and how much was delivered.
type Told = (Option<&'static str>, u64);

/// A body that is fed, and looks at its fate when it is dropped.
struct Watched {
    fed: Fed,
    fate: Fate,
    told: mpsc::UnboundedSender<Told>,
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.fed).poll_frame(cx)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.told.send((self.fate.reason(), self.fate.delivered()));
    }
}

/// A server whose responses all are fed the same first bytes and stay open.
struct Scene {
    server: Server,
    fates: mpsc::UnboundedReceiver<Told>,
    feeds: mpsc::UnboundedReceiver<mpsc::UnboundedSender<Frame<Bytes>>>,
}

impl Scene {
    async fn start(limits: Limits) -> Self {
        let (told, fates) = mpsc::unbounded_channel();
        let (fed, feeds) = mpsc::unbounded_channel();
        let service = tower::service_fn(
            move |request: Request<Body>| -> BoxFuture<'static, Result<_, Infallible>> {
                let (feed, frames) = mpsc::unbounded_channel();
                feed.send(data(vec![b'x'; 1_000])).expect("open");
                fed.send(feed).expect("the test goes on");
                let body = Watched {
                    fed: Fed {
                        frames,
                        dropped: None,
                    },
                    fate: Fate::of(request.extensions()),
                    told: told.clone(),
                };
                Box::pin(async { Ok(Response::new(Body::new(body))) })
            },
        );
        Self {
            server: Server::start(limits, service).await,
            fates,
            feeds,
        }
    }

    async fn told(&mut self) -> Told {
        self.fates.recv().await.expect("the service is there")
    }

    /// A client that has the first bytes and does nothing by itself.
    async fn raw(&mut self) -> Raw {
        let mut raw = Raw::connect(self.server.addr, &[]).await;
        raw.send(&request(1, "/")).await;
        raw.next_of(HEADERS).await.expect("answered");
        raw.next_of(DATA).await.expect("the first bytes");
        raw
    }
}

#[tokio::test]
async fn a_client_that_leaves_is_told_from_one_that_was_ended() {
    bounded(async {
        let limits = Limits {
            empty_frames_burst: 100,
            empty_frames_per_second: 0,
            ..Limits::default()
        };
        let mut scene = Scene::start(limits).await;
        let client = scene.server.client().await;
        let response = get(&client, "/").await.await.expect("answered");
        drop(response);
        assert_eq!(scene.told().await.0, Some("client"), "reset");
        drop(scene.raw().await);
        assert_eq!(scene.told().await, (Some("client"), 1_000), "gone");

        let mut raw = scene.raw().await;
        raw.send(&frame(PING, 0, 0, &[0; 8]).repeat(2_000)).await;
        assert_eq!(scene.told().await, (Some("flood"), 1_000));
        let mut raw = scene.raw().await;
        raw.send(&frame(DATA, 0, 0, b"of no stream")).await;
        assert_eq!(scene.told().await, (Some("protocol_error"), 1_000));
        drop(client);
        scene.server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn a_client_that_is_silent_or_takes_nothing_is_told_as_such() {
    bounded(async {
        let short = Duration::from_millis(50);
        let mut scene = Scene::start(Limits {
            keepalive_interval: short,
            keepalive_timeout: short,
            ..Limits::default()
        })
        .await;
        let _raw = scene.raw().await;
        assert_eq!(scene.told().await, (Some("no_answer"), 1_000));
        scene.server.finish().await;

        let mut scene = Scene::start(Limits {
            stall: short,
            stall_linger: short,
            ..Limits::default()
        })
        .await;
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(1_000);
        let client = scene.server.client_with(&builder).await;
        let response = get(&client, "/").await.await.expect("answered");
        let feed = scene.feeds.recv().await.expect("called");
        feed.send(data(vec![b'y'; 5])).expect("open");
        assert_eq!(scene.told().await, (Some("stalled"), 1_000));
        drop((client, response));
        scene.server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn of_an_end_of_ours_nothing_is_told() {
    bounded(async {
        let mut scene = Scene::start(Limits {
            drain_deadline: Duration::from_millis(50),
            ..Limits::default()
        })
        .await;
        let raw = scene.raw().await;
        drop(scene.feeds.recv().await.expect("called"));
        assert_eq!(scene.told().await, (None, 1_000), "the body has ended");
        drop(raw);
        let _raw = scene.raw().await;
        scene.server.drain.cancel();
        assert_eq!(scene.told().await, (None, 1_000), "dropped by the drain");
        scene.server.finish().await;
    })
    .await;
}
