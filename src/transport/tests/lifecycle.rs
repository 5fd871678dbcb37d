//! Cancels, drains, caps and keepalive: how streams and connections end.

use tokio::io::AsyncReadExt as _;

use super::{
    raw::{GOAWAY, HEADERS, PING, Raw, SETTINGS, frame, request},
    *,
};

const ACK: u8 = 1;

#[tokio::test]
async fn a_cancelled_stream_drops_its_body() {
    bounded(async {
        let ((feed, gone), service) = one_fed();
        let server = Server::start(Limits::default(), service).await;
        let client = server.client().await;
        let response = get(&client, "/fed").await.await.expect("answered");
        drop(response);
        gone.await.expect("dropped");
        assert!(feed.is_closed());
        assert_eq!(text(get(&client, "/other").await).await, "fine");
        drop(client);
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn a_request_that_is_cancelled_before_its_answer_is_dropped() {
    bounded(async {
        let (dropped, gone) = oneshot::channel::<()>();
        let dropped = Arc::new(parking_lot::Mutex::new(Some(dropped)));
        let (started, mut running) = mpsc::unbounded_channel();
        let never = tower::service_fn(
            move |_: Request<Body>| -> BoxFuture<'static, Result<Response<Body>, Infallible>> {
                let held = dropped.lock().take();
                let started = started.clone();
                Box::pin(async move {
                    let _held = held;
                    let _ = started.send(());
                    std::future::pending().await
                })
            },
        );
        let server = Server::start(Limits::default(), never).await;
        let client = server.client().await;
        let response = get(&client, "/").await;
        running.recv().await.expect("started");
        drop(response);
        gone.await.expect_err("dropped without a message");
        drop(client);
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn a_vanished_client_drops_its_bodies() {
    bounded(async {
        let ((_feed, gone), service) = one_fed();
        let server = Server::start(Limits::default(), service).await;
        let mut raw = Raw::connect(server.addr, &[]).await;
        raw.send(&request(1, "/fed")).await;
        raw.next_of(HEADERS).await.expect("answered");
        drop(raw);
        gone.await.expect("dropped");
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn a_drain_lets_open_streams_end_and_takes_no_new_connection() {
    bounded(async {
        let ((feed, _gone), service) = one_fed();
        let server = Server::start(Limits::default(), service).await;
        let mut raw = Raw::connect(server.addr, &[]).await;
        let client = server.client().await;
        let response = get(&client, "/fed").await.await.expect("answered");
        raw.send(&request(1, "/other")).await;
        raw.next_of(HEADERS).await.expect("answered");

        server.drain.cancel();
        let goaway = raw.next_of(GOAWAY).await.expect("told to go");
        assert_eq!(goaway.code(), 0);
        let refused = TcpStream::connect(server.addr).await;
        assert!(refused.is_err(), "the listener is closed");
        assert!(!server.task.is_finished());

        feed.send(data("the end")).expect("still open");
        drop((feed, raw));
        let mut body = response.into_body();
        assert_eq!(body.data().await.expect("data").expect("open"), "the end");
        assert!(body.data().await.is_none());
        drop((body, client));
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn a_drain_ends_at_its_deadline() {
    bounded(async {
        let ((feed, gone), service) = one_fed();
        let limits = Limits {
            drain_deadline: Duration::from_millis(50),
            ..Limits::default()
        };
        let server = Server::start(limits, service).await;
        let client = server.client().await;
        let response = get(&client, "/fed").await.await.expect("answered");
        server.finish().await;
        gone.await.expect("dropped");
        let mut body = response.into_body();
        assert!(matches!(body.data().await, None | Some(Err(_))));
        drop(feed);
    })
    .await;
}

#[tokio::test]
async fn a_silent_connection_is_closed_at_the_handshake_limit() {
    bounded(async {
        let limits = Limits {
            handshake: Duration::from_millis(50),
            ..Limits::default()
        };
        let server = Server::start(limits, service(|_| full("fine"))).await;
        let mut socket = TcpStream::connect(server.addr).await.expect("accepted");
        socket
            .read_to_end(&mut Vec::new())
            .await
            .expect("a clean end");
        assert_eq!(server.stats.silent(), 1);

        let mut socket = TcpStream::connect(server.addr).await.expect("accepted");
        let wrong = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
        tokio::io::AsyncWriteExt::write_all(&mut socket, wrong)
            .await
            .expect("open");
        let mut told = Vec::new();
        socket.read_to_end(&mut told).await.expect("a clean end");
        assert_eq!(told.get(3), Some(&SETTINGS), "it sees what is spoken");
        drop(socket);
        let stats = Arc::clone(&server.stats);
        server.finish().await;
        assert_eq!(stats.wrong_prefaces(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_peer_that_answers_no_ping_is_dropped() {
    bounded(async {
        let limits = Limits {
            keepalive_interval: Duration::from_millis(30),
            keepalive_timeout: Duration::from_secs(1),
            ..Limits::default()
        };
        let server = Server::start(limits, service(|_| full("fine"))).await;
        let mut raw = Raw::connect(server.addr, &[]).await;
        for _ in 0..3 {
            let ping = raw.next_of(PING).await.expect("asked");
            assert_eq!(ping.flags & ACK, 0);
            raw.send(&frame(PING, ACK, 0, &ping.payload)).await;
        }
        raw.send(&request(1, "/")).await;
        raw.next_of(HEADERS).await.expect("alive while it answers");
        assert_eq!(server.stats.keepalive_timeouts(), 0);
        while raw.next().await.is_some() {}
        assert_eq!(server.stats.keepalive_timeouts(), 1);
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn connections_above_the_cap_are_closed_and_room_is_reused() {
    bounded(async {
        let limits = Limits {
            max_connections: 1,
            ..Limits::default()
        };
        let server = Server::start(limits, service(|_| full("fine"))).await;
        let client = server.client().await;
        assert_eq!(text(get(&client, "/").await).await, "fine");
        let mut second = Raw::connect(server.addr, &[]).await;
        assert!(second.next().await.is_none());
        assert_eq!(server.stats.refused(), 1);
        drop(client);
        loop {
            let mut raw = Raw::connect(server.addr, &[]).await;
            if raw.next().await.is_some() {
                break;
            }
        }
        assert_eq!(server.stats.accepted(), 2);
        server.finish().await;
    })
    .await;
}

// However readily its client answers PINGs.
#[tokio::test]
async fn a_connection_that_nobody_calls_on_ends_and_one_with_a_stream_stays() {
    bounded(async {
        let ((feed, _gone), service) = one_fed();
        let server = Server::start(
            Limits {
                idle: Duration::from_millis(500),
                keepalive_interval: Duration::from_millis(10),
                ..Limits::default()
            },
            service,
        )
        .await;
        let busy = server.client().await;
        let response = get(&busy, "/fed").await.await.expect("answered");
        let mut body = response.into_body();
        let socket = TcpStream::connect(server.addr).await.expect("accepted");
        let (unused, connection) = h2::client::handshake(socket).await.expect("http/2");
        connection.await.expect("a clean end");
        assert_eq!(server.stats.idle(), 1);
        feed.send(data("still")).expect("open");
        let next = body.data().await.expect("data").expect("open");
        assert_eq!(next, "still");
        // From the end of its last stream on it is no better.
        drop(feed);
        while let Some(rest) = body.data().await {
            assert!(rest.is_ok(), "{rest:?}");
        }
        while server.stats.open_connections() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(server.stats.idle(), 2);
        drop((unused, body, busy));
        server.finish().await;
    })
    .await;
}
