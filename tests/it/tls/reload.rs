//! F55: certificates are rotated, expired, unreadable and mismatching while streams are open.

use std::time::Duration;

use informerd::{client::Client, proto::v1::EventType::Modified};
use serde_json::json;

use super::{
    certificates::Authority,
    files::{Mounted, NAMES, borrowed},
};
use crate::{
    conformance::scenarios,
    request::Ask,
    stage::Kind,
    subscriber::Subscriber,
    wait::until,
    world::{World, quick},
};

scenarios![
    f55_certificates_are_replaced_under_open_streams,
    f55_what_cannot_be_used_changes_nothing,
    f55_the_authority_of_clients_is_replaced
];

/// Bookmarks for streams that aren't read all the time, so that silence isn't taken for one.
const CALM: Duration = Duration::from_secs(120);

async fn reloads(world: &World, outcome: &str, count: f64) {
    let labels = format!("outcome=\"{outcome}\"");
    until(&format!("{count} reloads are {outcome}"), || async {
        let reloads = world.daemon.metric("informerd_tls_reloads_total", &labels);
        reloads.await >= count
    })
    .await;
}

/// Changes the object; everybody is told.
async fn alive(world: &World, step: &str, subscribers: &mut [Subscriber]) {
    let version = world.touch_map("cm", step).await;
    for subscriber in subscribers {
        subscriber.expect(Modified, "cm", version).await;
    }
}

async fn opened(world: &World, name: &str) -> Subscriber {
    let ask = Ask::of("configmaps")
        .namespace(&world.namespace)
        .bookmarks(CALM);
    let channel = world.daemon.connect().await;
    let opened = world.try_watch_on(name, &ask, channel).await;
    let mut subscriber = opened.expect("accepted");
    assert_eq!(subscriber.snapshot().await.0.len(), 1);
    subscriber
}

async fn f55_certificates_are_replaced_under_open_streams(kind: Kind) {
    let (first, second) = (Authority::new("first"), Authority::new("second"));
    let mut mounted = Mounted::new(&first.server(&NAMES), &first, &first);
    let flags = mounted.flags();
    let world = World::new(kind, "f55", &["configmaps"], &borrowed(&flags)).await;
    world.create_map("cm", json!({})).await;
    let mut subscribers = vec![opened(&world, "old").await];
    let kept = mounted.path("first.crt");
    std::fs::write(&kept, &first.pem).expect("writable");

    let pair = second.server(&NAMES);
    mounted.swap([&pair.certificate, &pair.key, &second.pem, &first.pem]);
    reloads(&world, "taken", 1.0).await;
    subscribers.push(opened(&world, "new").await);
    alive(&world, "1", &mut subscribers).await;
    let address = format!("https://{}", world.daemon.address());
    let old = Client::builder(address).ca_file(&kept).connect().await;
    let refused = old.expect_err("the old certificate is gone").to_string();
    assert!(refused.contains("unknown authority"), "{refused}");
    alive(&world, "2", &mut subscribers).await;
    drop(subscribers);
    world.finish(&quick(4)).await;
}

async fn f55_what_cannot_be_used_changes_nothing(kind: Kind) {
    let root = Authority::new("root");
    let pair = root.server(&NAMES);
    let mut mounted = Mounted::new(&pair, &root, &root);
    let flags = mounted.flags();
    let world = World::new(kind, "f55", &["configmaps"], &borrowed(&flags)).await;
    world.create_map("cm", json!({})).await;
    let mut subscribers = vec![opened(&world, "old").await];
    let (expired, other) = (root.expired(&NAMES), root.server(&NAMES));
    let bad = [
        ("has expired", [&expired.certificate, &expired.key]),
        ("is not the key of", [&pair.certificate, &other.key]),
        ("no private key", [&pair.certificate, &pair.certificate]),
        ("cannot read", [&other.certificate, &other.key]),
    ];
    for (at, (complaint, [certificate, key])) in bad.into_iter().enumerate() {
        mounted.swap([certificate, key, &root.pem, &root.pem]);
        if complaint == "cannot read" {
            mounted.lose("tls.key");
        }
        reloads(&world, "refused", at as f64 + 1.0).await;
        until(complaint, || async {
            world.daemon.log().contains(complaint)
        })
        .await;
        subscribers.push(opened(&world, complaint).await);
        alive(&world, complaint, &mut subscribers).await;
    }
    assert!(!world.daemon.log().contains("PRIVATE KEY"));
    mounted.swap([&other.certificate, &other.key, &root.pem, &root.pem]);
    reloads(&world, "taken", 1.0).await;
    subscribers.push(opened(&world, "healed").await);
    alive(&world, "healed", &mut subscribers).await;
    drop(subscribers);
    world.finish(&quick(10)).await;
}

async fn f55_the_authority_of_clients_is_replaced(kind: Kind) {
    let (root, first, second) = (
        Authority::new("root"),
        Authority::new("first"),
        Authority::new("second"),
    );
    let pair = root.server(&NAMES);
    let mut mounted = Mounted::new(&pair, &root, &first);
    let flags = mounted.flags();
    let world = World::new(kind, "f55", &["configmaps"], &borrowed(&flags)).await;
    let before = mounted.client("before", &first.client("a", "g"));
    let after = mounted.client("after", &second.client("a", "g"));
    let ca = mounted.path("ca.crt");
    let address = format!("https://{}", world.daemon.address());
    let ask = |(certificate, key): &(std::path::PathBuf, std::path::PathBuf)| {
        let client = Client::builder(&address).ca_file(&ca);
        let client = client.client_certificate(certificate, key);
        async move {
            let client = client.connect().await.map_err(|error| error.to_string())?;
            let asked = client.resources().await.map_err(|error| error.to_string());
            asked.map(drop)
        }
    };
    assert_eq!(ask(&before).await, Ok(()));
    let open = Client::builder(&address).ca_file(&ca);
    let open = open.client_certificate(&before.0, &before.1).connect();
    let open = open.await.expect("known");
    open.resources().await.expect("answered");
    let refused = ask(&after).await.expect_err("of nobody known");
    assert!(
        refused.contains("refuses the client certificate"),
        "{refused}"
    );
    mounted.swap([&pair.certificate, &pair.key, &root.pem, &second.pem]);
    reloads(&world, "taken", 1.0).await;
    assert_eq!(ask(&after).await, Ok(()));
    // An open connection gives no longer what a new one would not.
    until("the old connection is closed", || async {
        open.resources().await.is_err()
    })
    .await;
    let refused = ask(&before).await.expect_err("not known any more");
    assert!(
        refused.contains("refuses the client certificate"),
        "{refused}"
    );
    world.finish(&quick(0)).await;
}
