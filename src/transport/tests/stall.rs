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

/// Reads what comes without ever giving window back; gives how much, and the end.
async fn read_on(
    body: &mut h2::RecvStream,
    up_to: usize,
) -> (usize, Option<Result<Option<HeaderMap>, h2::Error>>) {
    let mut read = 0;
    while read < up_to {
        match body.data().await {
            Some(Ok(data)) => read += data.len(),
            Some(Err(error)) => return (read, Some(Err(error))),
            None => return (read, Some(body.trailers().await)),
        }
    }
    (read, None)
}

#[tokio::test]
async fn a_reader_of_whole_messages_gets_a_status_and_its_neighbours_go_on() {
    bounded(async {
        let ((feed, gone), service) = one_fed();
        let limits = limits();
        let expected = limits.stall_trailers.clone();
        let server = Server::start(limits, service).await;
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(1_000);
        let client = server.client_with(&builder).await;
        feed.send(data(vec![b'x'; 1_000])).expect("open");
        let mut body = get(&client, "/fed")
            .await
            .await
            .expect("answered")
            .into_body();
        assert!(matches!(read_on(&mut body, 1_000).await, (1_000, None)));
        feed.send(data(vec![b'x'; 4_000])).expect("open");
        gone.await.expect("the body is dropped once stalled");
        assert_eq!(server.stats.stalled(), 1);
        assert_eq!(text(get(&client, "/other").await).await, "fine");

        let (read, end) = read_on(&mut body, 1).await;
        let trailers = end.expect("an end").expect("trailers, not a reset");
        assert_eq!((read, trailers), (0, Some(expected)));
        drop((client, body));
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn a_reader_that_takes_a_byte_now_and_then_is_a_stalled_one() {
    bounded(async {
        let ((feed, gone), service) = one_fed();
        let server = Server::start(limits(), service).await;
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(1_000);
        let client = server.client_with(&builder).await;
        feed.send(data(vec![b'x'; 4_000])).expect("open");
        let response = get(&client, "/fed").await.await.expect("answered");
        let mut body = response.into_body();
        let mut read = 0;
        // Far less than its time for a pause; for all of it that is far too slow.
        let mut ticks = tokio::time::interval(Duration::from_millis(5));
        let reading = async {
            while let Some(Ok(data)) = body.data().await {
                read += data.len();
                ticks.tick().await;
                if body.flow_control().release_capacity(1).is_err() {
                    break;
                }
            }
        };
        let (_, gone) = tokio::join!(reading, gone);
        gone.expect("the body is dropped");
        assert_eq!(server.stats.stalled(), 1);
        assert!(read < 4_000, "{read}");
        drop((client, body));
        server.finish().await;
    })
    .await;
}

/// One message in slices: after each the size hint tells how much is to come.
struct Sliced(Vec<Bytes>);

impl http_body::Body for Sliced {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.0.pop() {
            Some(slice) => Poll::Ready(Some(Ok(data(slice)))),
            None => Poll::Pending,
        }
    }

    fn size_hint(&self) -> http_body::SizeHint {
        let left: usize = self.0.iter().map(Bytes::len).sum();
        let mut hint = http_body::SizeHint::new();
        hint.set_lower(left as u64);
        hint
    }
}

// No client looks for a status inside a message.
#[tokio::test]
async fn a_reader_that_holds_half_a_message_is_reset() {
    const SLICE: usize = 40 * 1024;
    bounded(async {
        let slice = Bytes::from(vec![b'x'; SLICE]);
        let service = service(move |_| Response::new(Body::new(Sliced(vec![slice.clone(); 5]))));
        let server = Server::start(limits(), service).await;
        // Room for so many slices, and for one that is cut.
        for room in [SLICE, 2 * SLICE, 4 * SLICE, 2 * SLICE + 7] {
            let mut builder = h2::client::Builder::new();
            builder.initial_window_size(u32::try_from(room).expect("short"));
            builder.initial_connection_window_size(1 << 20);
            let client = server.client_with(&builder).await;
            let response = get(&client, "/").await.await.expect("answered");
            let mut body = response.into_body();
            let (read, end) = read_on(&mut body, usize::MAX).await;
            let error = end.expect("an end").expect_err("a reset, no trailers");
            assert_eq!(error.reason(), Some(h2::Reason::ENHANCE_YOUR_CALM));
            assert!(read <= room, "{read}");
        }
        assert_eq!(server.stats.stalled(), 4);
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

/// A server that hands out one fed response for each request, the first ones as shared.
async fn crowded(shared: usize, own: usize) -> (Server, Vec<Feeder>) {
    let (feeders, mut responses): (Vec<Feeder>, Vec<_>) = (0..shared + own).map(|_| fed()).unzip();
    for response in responses.iter_mut().take(shared) {
        response.extensions_mut().insert(crate::transport::Counted);
    }
    let responses = Arc::new(parking_lot::Mutex::new(responses));
    let limits = Limits {
        max_waiting: 10_000,
        stall: Duration::from_secs(60),
        ..limits()
    };
    let service = service(move |_| responses.lock().remove(0));
    (Server::start(limits, service).await, feeders)
}

#[tokio::test]
async fn the_reader_that_is_waited_for_longest_makes_room_and_shared_bytes_take_none() {
    bounded(async {
        let (server, feeders) = crowded(2, 3).await;
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(1_000);
        let client = server.client_with(&builder).await;
        let block = Bytes::from(vec![b'x'; 8_000]);
        let mut bodies = Vec::new();
        for (at, (feed, _)) in feeders.iter().enumerate() {
            let bytes = match at {
                0 | 1 => block.clone(),
                // Behind a whole message.
                2 => Bytes::from(vec![b'y'; 1_000]),
                _ => Bytes::from(vec![b'y'; 6_000]),
            };
            feed.send(Frame::data(bytes)).expect("open");
            let response = get(&client, "/").await.await.expect("answered");
            let mut body = response.into_body();
            assert!(matches!(read_on(&mut body, 1_000).await, (1_000, None)));
            if at == 2 {
                feed.send(data(vec![b'y'; 6_000])).expect("open");
            }
            bodies.push(body);
        }
        let mut bodies = bodies.into_iter();
        let shared = [bodies.next(), bodies.next()];
        let mut first = bodies.next().expect("the first of its own");
        let (_, end) = read_on(&mut first, 1).await;
        let trailers = end.expect("an end").expect("trailers, not a reset");
        assert_eq!(trailers, Some(limits().stall_trailers));
        let mut second = bodies.next().expect("the second");
        let (_, end) = read_on(&mut second, 1).await;
        let error = end.expect("an end").expect_err("a reset, no trailers");
        assert_eq!(error.reason(), Some(h2::Reason::ENHANCE_YOUR_CALM));
        assert_eq!((server.stats.crowded(), server.stats.stalled()), (2, 0));
        for (at, (feed, _)) in feeders.iter().enumerate() {
            assert_eq!(feed.is_closed(), (2..4).contains(&at), "{at}");
        }
        drop((client, shared, first, second, bodies, feeders));
        server.finish().await;
    })
    .await;
}
