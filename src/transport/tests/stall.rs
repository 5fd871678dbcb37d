//! Readers that don't read.

use http::HeaderMap;

use super::{
    raw::{Raw, WINDOW_UPDATE, frame, request},
    *,
};

/// Short waits, and the trailers that the caller of this room would supply.
fn limits() -> Limits {
    let mut stall_trailers = HeaderMap::new();
    stall_trailers.insert("grpc-status", "8".parse().expect("valid"));
    stall_trailers.insert("grpc-message", "slow consumer".parse().expect("valid"));
    Limits {
        stall: Duration::from_millis(50),
        stall_finish: Duration::from_millis(50),
        stall_linger: Duration::from_millis(50),
        stall_trailers,
        ..Limits::default()
    }
}

#[tokio::test]
async fn a_reader_without_window_gets_a_status_and_its_neighbours_go_on() {
    bounded(async {
        let ((feed, gone), service) = one_fed();
        let limits = limits();
        let expected = limits.stall_trailers.clone();
        let server = Server::start(limits, service).await;
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(1_000);
        let client = server.client_with(&builder).await;
        feed.send(data(vec![b'x'; 5_000])).expect("open");
        let response = get(&client, "/fed").await.await.expect("answered");
        gone.await.expect("the body is dropped once stalled");
        assert_eq!(server.stats.stalled(), 1);
        assert_eq!(text(get(&client, "/other").await).await, "fine");

        // Reads what was sent without ever giving window back.
        let mut body = response.into_body();
        let mut read = 0;
        while let Some(data) = body.data().await {
            read += data.expect("ended by trailers, not by a reset").len();
        }
        assert_eq!(read, 1_000);
        assert_eq!(body.trailers().await.expect("open"), Some(expected));
        drop((client, body));
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn a_reader_that_comes_back_gets_a_whole_message_before_the_status() {
    bounded(async {
        let ((feed, gone), service) = one_fed();
        let limits = Limits {
            stall_finish: Duration::from_secs(60),
            ..limits()
        };
        let expected = limits.stall_trailers.clone();
        let server = Server::start(limits, service).await;
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(1_000);
        let client = server.client_with(&builder).await;
        feed.send(data(vec![b'x'; 5_000])).expect("open");
        let response = get(&client, "/fed").await.await.expect("answered");
        gone.await.expect("the body is dropped once stalled");

        let mut body = response.into_body();
        let mut read = 0;
        while let Some(data) = body.data().await {
            let len = data.expect("ended by trailers, not by a reset").len();
            body.flow_control().release_capacity(len).expect("open");
            read += len;
        }
        assert_eq!(read, 5_000);
        assert_eq!(body.trailers().await.expect("open"), Some(expected));
        drop((client, body));
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn a_reader_with_a_huge_window_that_never_reads_the_socket_is_cut() {
    bounded(async {
        let ((feed, gone), service) = one_fed();
        // Far more than kernels buffer for a socket; one allocation, shared.
        let block = Bytes::from(vec![0; 32 * 1024]);
        for _ in 0..2_000 {
            feed.send(data(block.clone())).expect("open");
        }
        let limits = Limits {
            keepalive_interval: Duration::from_secs(1),
            keepalive_timeout: Duration::from_secs(1),
            ..limits()
        };
        let server = Server::start(limits, service).await;
        let largest = (1 << 31) - 1;
        let mut raw = Raw::connect(server.addr, &[(4, largest)]).await;
        let more = (largest - 65_535).to_be_bytes();
        raw.send(&frame(WINDOW_UPDATE, 0, 0, &more)).await;
        raw.send(&request(1, "/fed")).await;
        // Nothing is read from here on; the stream and its connection come to their end.
        gone.await.expect("the body is dropped once stalled");
        assert_eq!(server.stats.stalled(), 1);
        let stats = Arc::clone(&server.stats);
        server.finish().await;
        assert_eq!(stats.keepalive_timeouts(), 1);
        drop((raw, feed));
    })
    .await;
}

#[tokio::test]
async fn an_idle_stream_is_no_stalled_one() {
    bounded(async {
        let ((feed, _gone), service) = one_fed();
        let limits = Limits {
            stall: Duration::ZERO,
            ..limits()
        };
        let server = Server::start(limits, service).await;
        let client = server.client().await;
        let response = get(&client, "/fed").await.await.expect("answered");
        // Two round trips while the fed stream is open and silent.
        for _ in 0..2 {
            assert_eq!(text(get(&client, "/other").await).await, "fine");
        }
        feed.send(data("late")).expect("still open");
        let mut body = response.into_body();
        assert_eq!(body.data().await.expect("data").expect("open"), "late");
        assert_eq!(server.stats.stalled(), 0);
        drop((client, body, feed));
        server.finish().await;
    })
    .await;
}
