//! What the Rust client says when there is no trust: which part failed.

use informerd::client::{Client, ClientBuilder};

use super::{
    certificates::Authority,
    files::{Mounted, NAMES, borrowed, text},
};
use crate::{
    bad_input::sentence,
    conformance::scenarios,
    daemon::Daemon,
    stage::{Kind, Stage},
    wait::until,
};

scenarios![
    tls_clients_say_which_part_failed,
    tls_client_certificates,
    tls_an_expired_certificate_is_told_by_both_sides
];

/// Connects and asks for something.
async fn ask(client: ClientBuilder) -> Result<(), String> {
    let client = client.connect().await.map_err(|error| error.to_string())?;
    let asked = client.resources().await.map_err(|error| error.to_string());
    asked.map(drop)
}

async fn refused(client: ClientBuilder, part: &str) {
    let said = ask(client).await.expect_err(part);
    assert!(said.contains(part), "{said:?} lacks {part:?}");
    sentence(&said, "").unwrap_or_else(|wrong| panic!("{wrong}: {said}"));
}

async fn tls_clients_say_which_part_failed(kind: Kind) {
    let stage = Stage::open(kind).await;
    let root = Authority::new("root");
    let mounted = Mounted::new(
        &root.server(&["informerd.tools", "localhost"]),
        &root,
        &root,
    );
    let flags = mounted.flags();
    let daemon = Daemon::start(&stage.kubeconfig(), &borrowed(&flags)).await;
    let plain = Daemon::start(&stage.kubeconfig(), &[]).await;
    let ca = mounted.path("ca.crt");
    let (other, empty) = (mounted.path("other.crt"), mounted.path("empty.crt"));
    std::fs::write(&other, Authority::new("other").pem).expect("writable");
    std::fs::write(&empty, "").expect("writable");
    let port = daemon.address().port();
    let secure = || Client::builder(format!("https://localhost:{port}"));
    let by_address = || Client::builder(format!("https://127.0.0.1:{port}")).ca_file(&ca);

    assert_eq!(ask(secure().ca_file(&ca)).await, Ok(()));
    assert_eq!(
        ask(by_address().server_name("informerd.tools")).await,
        Ok(())
    );
    refused(
        by_address(),
        "not for this name but for informerd.tools, localhost",
    )
    .await;
    refused(by_address().server_name("a b"), "`a b` is no name").await;
    refused(secure().ca_file(&other), "unknown authority").await;
    refused(secure(), "authorit").await;
    refused(
        secure().ca_file(mounted.path("none")),
        "none: entity not found",
    )
    .await;
    refused(secure().ca_file(&empty), "empty.crt holds no certificate").await;
    let http = || Client::builder(format!("localhost:{port}"));
    refused(http(), "it speaks tls; use an `https://` address").await;
    refused(
        http().ca_file(&ca),
        "certificates say nothing about localhost",
    )
    .await;
    let https = format!("https://{}", plain.address());
    refused(Client::builder(https).ca_file(&ca), "it speaks no tls").await;
    let nobody = mounted.path("nobody.sock");
    let nobody = Client::builder(format!("unix:{}", text(&nobody)));
    refused(nobody, "nobody.sock: entity not found").await;
}

async fn tls_client_certificates(kind: Kind) {
    let stage = Stage::open(kind).await;
    let (root, clients) = (Authority::new("root"), Authority::new("clients"));
    let mounted = Mounted::new(&root.server(&NAMES), &root, &clients);
    let flags = mounted.flags();
    let daemon = Daemon::start(&stage.kubeconfig(), &borrowed(&flags)).await;
    let good = mounted.client("good", &clients.client("alice", "admins"));
    let foreign = mounted.client("foreign", &root.client("alice", "admins"));
    let expired = mounted.client("expired", &clients.expired_client("alice"));
    let address = format!("https://{}", daemon.address());
    let anonymous = || Client::builder(&address).ca_file(mounted.path("ca.crt"));

    assert_eq!(ask(anonymous()).await, Ok(()));
    let with = |(certificate, key)| anonymous().client_certificate(certificate, key);
    assert_eq!(ask(with(good.clone())).await, Ok(()));
    refused(
        with(foreign.clone()),
        "it refuses the client certificate (unknown authority)",
    )
    .await;
    refused(with(expired), "it refuses the client certificate (expired)").await;
    refused(with((good.0, foreign.1)), "foreign.key is not the key of").await;
    until("both are counted", || async {
        let failed = daemon.metric("informerd_handshakes_failed_total", "reason=\"tls\"");
        failed.await >= 2.0
    })
    .await;
    until("nobody is connected", || async {
        daemon.metric("informerd_connections_open", "").await == 0.0
    })
    .await;
}

async fn tls_an_expired_certificate_is_told_by_both_sides(kind: Kind) {
    let stage = Stage::open(kind).await;
    let root = Authority::new("root");
    let mounted = Mounted::new(&root.expired(&NAMES), &root, &root);
    let flags = mounted.flags();
    let daemon = Daemon::start(&stage.kubeconfig(), &borrowed(&flags)).await;
    until("it is warned", || async {
        daemon.log().contains("has expired")
    })
    .await;
    let client = Client::builder(format!("https://{}", daemon.address()));
    refused(
        client.ca_file(mounted.path("ca.crt")),
        "its certificate has expired",
    )
    .await;
    let expiry = "informerd_tls_certificate_expiry_timestamp_seconds";
    assert_eq!(daemon.metric(expiry, "").await, 1_009_843_200.0);
}
