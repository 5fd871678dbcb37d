//! Files that are replaced, by good ones and by bad ones.

use std::{fs, path::Path};

use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _};

use super::*;
use crate::transport::tests::certificates::{Authority, Pair};

/// Files in a directory, and the TLS that is made of them.
struct Live {
    directory: tempfile::TempDir,
    authority: Authority,
    tls: Tls,
}

impl Live {
    async fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let authority = Authority::new("root");
        let files = files(directory.path(), &authority.server(&["a"]));
        let tls = Tls::load(files, Arc::default()).await.expect("usable");
        Self {
            directory,
            authority,
            tls,
        }
    }

    fn write(&self, pair: &Pair) {
        pair.write(self.directory.path(), "server");
    }

    /// Acts on the files as they are; tells whether they are in use now.
    async fn take(&self) -> bool {
        let before = Arc::clone(&self.tls.current.read().config);
        let contents = Contents::read(&self.tls.files).await;
        self.tls.replace(contents, follow::Due::New);
        !Arc::ptr_eq(&before, &self.tls.current.read().config)
    }
}

fn files(directory: &Path, pair: &Pair) -> TlsFiles {
    let (certificate, key) = pair.write(directory, "server");
    TlsFiles {
        certificate,
        key,
        client_ca: None,
    }
}

async fn refused(files: TlsFiles) -> String {
    let refused = Tls::load(files, Arc::default()).await;
    refused.expect_err("unusable").to_string()
}

#[tokio::test]
async fn good_files_are_taken_and_bad_ones_change_nothing() {
    let live = Live::start().await;
    let (one, two) = (live.authority.server(&["a"]), live.authority.server(&["b"]));
    live.write(&one);
    assert!(live.take().await);

    live.write(&live.authority.expired(&["a"]));
    assert!(!live.take().await, "expired");
    live.write(&live.authority.early(&["a"]));
    assert!(!live.take().await, "for later");
    live.write(&Pair {
        key: two.key.clone(),
        ..one
    });
    assert!(!live.take().await, "mismatching");
    for (name, text) in [("server.key", "no key"), ("server.crt", "")] {
        live.write(&two);
        fs::write(live.directory.path().join(name), text).expect("writable");
        assert!(!live.take().await, "{name}");
    }
    fs::remove_file(live.directory.path().join("server.crt")).expect("there");
    assert!(!live.take().await, "unreadable");

    live.write(&two);
    assert!(live.take().await);
    let stats = &live.tls.stats;
    assert_eq!((stats.tls_reloads(), stats.tls_reloads_refused()), (2, 6));
    // 4096-01-01, and not that of the expired one.
    assert_eq!(stats.certificate_expiry(), Some(67_090_118_400));
}

#[tokio::test]
async fn an_old_authority_behind_a_good_certificate_refuses_nothing() {
    let live = Live::start().await;
    let mut pair = live.authority.server(&["a"]);
    pair.certificate += &live.authority.expired(&["cross"]).certificate;
    live.write(&pair);
    assert!(live.take().await);
    // What is to be looked at is told all the same.
    assert_eq!(live.tls.stats.certificate_expiry(), Some(1_009_843_200));
}

#[tokio::test]
async fn what_is_only_untimely_is_judged_again_and_told_once() {
    let live = Live::start().await;
    let judge = async |due| {
        let contents = Contents::read(&live.tls.files).await;
        live.tls.replace(contents, due)
    };
    live.write(&live.authority.early(&["a"]));
    assert!(judge(follow::Due::New).await);
    assert!(judge(follow::Due::Again).await);
    assert_eq!(live.tls.stats.tls_reloads_refused(), 1);
    live.write(&live.authority.server(&["a"]));
    assert!(!judge(follow::Due::Again).await);
    assert_eq!(live.tls.stats.tls_reloads(), 1);
}

#[tokio::test]
async fn an_expired_certificate_is_served_until_there_is_a_better_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let authority = Authority::new("root");
    let files = files(directory.path(), &authority.expired(&["a"]));
    let tls = Tls::load(files, Arc::default()).await.expect("usable");
    assert_eq!(tls.stats.certificate_expiry(), Some(1_009_843_200));
}

#[tokio::test]
async fn what_cannot_be_used_is_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    let authority = Authority::new("root");
    let (certificate, key) = authority.server(&["a"]).write(directory.path(), "one");
    let (_, other) = authority.server(&["a"]).write(directory.path(), "two");
    fs::write(path("empty"), "").expect("writable");
    fs::write(
        path("garbage"),
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    )
    .expect("writable");
    let good = TlsFiles {
        certificate,
        key,
        client_ca: None,
    };
    let with = |change: fn(&mut TlsFiles, PathBuf), name: &str| {
        let mut files = good.clone();
        change(&mut files, path(name));
        files
    };
    let certificate = |name| with(|files, path| files.certificate = path, name);
    let key = |name| with(|files, path| files.key = path, name);
    let client_ca = |name| with(|files, path| files.client_ca = Some(path), name);
    for (files, expected) in [
        (certificate("none"), "none: entity not found"),
        (
            certificate("empty"),
            "empty holds no certificate in PEM that can be used",
        ),
        (
            certificate("garbage"),
            "garbage holds no certificate in PEM that can be used",
        ),
        (
            key("empty"),
            "empty holds no private key in PEM that can be used",
        ),
        (key("two.key"), "one.crt"),
        (client_ca("none"), "none: entity not found"),
        (
            client_ca("garbage"),
            "garbage holds no certificate in PEM that can be used: ",
        ),
    ] {
        let said = refused(files).await;
        assert!(said.contains(expected), "{said} lacks {expected}");
    }
    let mismatch = refused(key("two.key")).await;
    let told = format!("{} is not the key of the certificate", other.display());
    assert!(mismatch.starts_with(&told), "{mismatch}");
}

/// Verifying what a client shows costs as much as signing for it, and takes a turn as well.
#[tokio::test]
async fn what_clients_show_is_verified_in_a_turn() {
    let directory = tempfile::tempdir().expect("a directory");
    let (authority, clients) = (Authority::new("root"), Authority::new("clients"));
    let mut files = files(directory.path(), &authority.server(&["localhost"]));
    let client_ca = directory.path().join("clients.crt");
    fs::write(&client_ca, &clients.pem).expect("writable");
    files.client_ca = Some(client_ca);
    let tls = Tls::load(files, Arc::default()).await.expect("usable");

    let jane = clients.client("jane", "team");
    let (near, far) = tokio::io::duplex(1 << 20);
    let connecting =
        client(&authority, &jane).connect(ServerName::try_from("localhost").expect("a name"), far);
    let (mut connecting, mut accepting) = (pin!(connecting), pin!(tls.accept(near)));
    assert!(
        futures::poll!(connecting.as_mut()).is_pending(),
        "the hello"
    );
    assert!(
        futures::poll!(accepting.as_mut()).is_pending(),
        "the answer"
    );
    let all = u32::try_from(TURNS).expect("a few");
    let taken = tls.turns.acquire_many(all).await.expect("none is held");
    connecting.await.expect("the client is done");
    for _ in 0..3 {
        assert!(futures::poll!(accepting.as_mut()).is_pending(), "no turn");
    }
    drop(taken);
    let (_, shown) = accepting.await.expect("let in");
    let shown = shown.expect("a certificate").certificate;
    assert_eq!(*shown, *jane.der);
}

fn client(authority: &Authority, shown: &Pair) -> tokio_rustls::TlsConnector {
    let mut roots = rustls::RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(authority.pem.as_bytes());
    roots.add(root.expect("a certificate")).expect("usable");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("both")
        .with_root_certificates(roots);
    let key = PrivateKeyDer::from_pem_slice(shown.key.as_bytes()).expect("a key");
    let chain = CertificateDer::from_pem_slice(shown.certificate.as_bytes());
    let config = config.with_client_auth_cert(vec![chain.expect("a certificate")], key);
    Arc::new(config.expect("they fit")).into()
}
