//! Floods of well-formed frames, and readers that take one byte at a time.

use super::{
    raw::{
        CONTINUATION, DATA, ENHANCE_YOUR_CALM, GOAWAY, HEADERS, PING, PRIORITY, Raw, SETTINGS,
        WINDOW_UPDATE, endless_headers, frame, open_request, request,
    },
    *,
};

const ACK: u8 = 1;

/// Small allowances, so that floods are short. Time gives none back.
fn limits() -> Limits {
    Limits {
        empty_frames_burst: 100,
        empty_frames_per_second: 0,
        ..Limits::default()
    }
}

#[tokio::test]
async fn floods_that_carry_nothing_end_their_connection_and_no_other() {
    let unknown = frame(0x20, 0, 0, b"grease");
    let floods = [
        ("ping", frame(PING, 0, 0, &[0; 8])),
        ("settings", frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0])),
        ("priority", frame(PRIORITY, 0, 3, &[0, 0, 0, 0, 9])),
        ("data", frame(DATA, 0, 1, &[])),
        ("unknown", unknown),
    ];
    bounded(async {
        let ((feed, _gone), service) = one_fed();
        let server = Server::start(limits(), service).await;
        let bystander = server.client().await;
        let response = get(&bystander, "/fed").await.await.expect("answered");
        let mut body = response.into_body();
        let mut flooded = 0;
        for (name, flood) in &floods {
            let mut raw = Raw::connect(server.addr, &[]).await;
            raw.send(&open_request(1, "/other")).await;
            raw.send(&flood.repeat(2_000)).await;
            let goaway = raw.next_of(GOAWAY).await.expect(name);
            assert_eq!(goaway.code(), ENHANCE_YOUR_CALM, "{name}");
            flooded += 1;
            feed.send(data(*name)).expect("open");
            let next = body.data().await.expect("data").expect("open");
            assert_eq!(next, *name);
        }
        // `h2` itself ends some of them.
        assert!(server.stats.floods() >= 3, "{:?}", server.stats);
        assert_eq!(flooded, floods.len());
        drop((bystander, body, feed));
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn pings_for_received_data_are_no_flood() {
    const ROUNDS: u32 = 1_000;
    bounded(async {
        let ((feed, _gone), service) = one_fed();
        let server = Server::start(limits(), service).await;
        let mut raw = Raw::connect(server.addr, &[]).await;
        raw.send(&request(1, "/fed")).await;
        raw.next_of(HEADERS).await.expect("answered");
        for round in 0..ROUNDS {
            feed.send(data(vec![7; 60])).expect("open");
            raw.next_of(DATA).await.expect("data");
            let payload = u64::from(round).to_be_bytes();
            raw.send(&frame(PING, 0, 0, &payload)).await;
            let pong = raw.next_of(PING).await.expect("answered");
            assert_eq!((pong.flags & ACK, &pong.payload[..]), (ACK, &payload[..]));
        }
        assert_eq!(server.stats.floods(), 0);
        drop((raw, feed));
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn headers_without_end_are_cut_off() {
    bounded(async {
        let server = Server::start(Limits::default(), service(|_| full("fine"))).await;
        let bystander = server.client().await;
        let mut raw = Raw::connect(server.addr, &[]).await;
        raw.send(&endless_headers(1)).await;
        // A literal header of 1,000 bytes, never indexed.
        let header = [&[0x10, 1, b'a', 0x7f, 0xe9, 0x06][..], &[b'x'; 1_000]].concat();
        let more = frame(CONTINUATION, 0, 1, &header);
        raw.send(&more.repeat(2_000)).await;
        while raw.next().await.is_some() {}
        assert_eq!(text(get(&bystander, "/").await).await, "fine");
        drop((raw, bystander));
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn who_takes_one_byte_at_a_time_holds_up_nobody() {
    const EVENTS: usize = 200;
    bounded(async {
        let ((slow_feed, _), slow) = fed();
        let ((fast_feed, _), fast) = fed();
        let responses = parking_lot::Mutex::new(vec![fast, slow]);
        let responses = Arc::new(responses);
        let service = service(move |_| responses.lock().pop().expect("two"));
        let server = Server::start(Limits::default(), service).await;
        let mut raw = Raw::connect(server.addr, &[(4, 1)]).await;
        raw.send(&request(1, "/")).await;
        raw.next_of(HEADERS).await.expect("answered");
        let client = server.client().await;
        let response = get(&client, "/").await.await.expect("answered");
        let mut body = response.into_body();
        for event in 0..EVENTS {
            let event = format!("event {event};");
            slow_feed.send(data(event.clone())).expect("open");
            fast_feed.send(data(event.clone())).expect("open");
            let got = body.data().await.expect("data").expect("open");
            body.flow_control()
                .release_capacity(got.len())
                .expect("open");
            assert_eq!(got, event);
        }
        let mut slowly = Vec::new();
        while slowly.len() < 20 {
            let got = raw.next_of(DATA).await.expect("one more");
            assert_eq!(got.payload.len(), 1);
            slowly.extend(got.payload);
            raw.send(&frame(WINDOW_UPDATE, 0, 1, &1u32.to_be_bytes()))
                .await;
        }
        assert_eq!(slowly, b"event 0;event 1;even");
        drop((raw, body, client, slow_feed, fast_feed));
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn one_address_has_its_share_of_connections() {
    bounded(async {
        let limits = Limits {
            max_connections_per_address: 2,
            ..Limits::default()
        };
        let server = Server::start(limits, service(|_| full("fine"))).await;
        let clients = [server.client().await, server.client().await];
        for client in &clients {
            assert_eq!(text(get(client, "/").await).await, "fine");
        }
        let mut third = Raw::connect(server.addr, &[]).await;
        assert!(third.next().await.is_none(), "closed");
        assert_eq!(server.stats.refused_source(), 1);
        assert_eq!(text(get(&clients[0], "/").await).await, "fine");
        drop((clients, third));
        server.finish().await;
    })
    .await;
}
