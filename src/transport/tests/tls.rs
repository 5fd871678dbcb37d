//! TLS as clients meet it: versions, protocols, certificates, and those who don't speak it.

use std::path::Path;

use futures::StreamExt as _;
use http::{HeaderName, HeaderValue};
use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
    version::{TLS12, TLS13},
};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    certificates::{Authority, Pair},
    raw::{HEADERS, Raw, request},
    *,
};
use crate::transport::TlsFiles;

const NAME: HeaderName = HeaderName::from_static("told");
const VALUE: HeaderValue = HeaderValue::from_static("again");

/// A server with a certificate, and what clients need to know of it.
struct Secure {
    server: Server,
    authority: Authority,
    clients: Authority,
    tls: Arc<Tls>,
    directory: tempfile::TempDir,
}

impl Secure {
    /// Serves on `/` whether and which certificate the client has shown.
    async fn start(limits: Limits) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let (authority, clients) = (Authority::new("root"), Authority::new("clients"));
        let files = files(
            directory.path(),
            &authority.server(&["localhost"]),
            &clients,
        );
        let stats = Arc::new(Stats::default());
        let tls = Tls::load(files, stats.clone()).await.expect("usable");
        let tls = Arc::new(tls);
        let service = tower::service_fn(
            |request: Request<Body>| -> BoxFuture<'static, Result<_, Infallible>> {
                let peer = request.extensions().get::<crate::transport::Peer>();
                let certificate = peer.expect("always there").certificate.clone();
                let shown = certificate.map_or_else(Bytes::new, |der| Bytes::copy_from_slice(&der));
                let body = match request.uri().path() {
                    "/endless" => endless(),
                    _ => Body::new(http_body_util::Full::from(shown)),
                };
                Box::pin(async { Ok(Response::new(body)) })
            },
        );
        Self {
            server: Server::start_with(limits, stats, Some(Arc::clone(&tls)), service).await,
            authority,
            clients,
            tls,
            directory,
        }
    }

    async fn connect(&self, client: &Client<'_>) -> std::io::Result<TlsStream<TcpStream>> {
        let socket = TcpStream::connect(self.server.addr).await?;
        client.connect(&self.authority, socket).await
    }

    /// A response that goes on for ever, past its first words.
    async fn endless(&self, client: &Client<'_>) -> h2::RecvStream {
        let stream = self.connect(client).await.expect("tls");
        let (sender, connection) = h2::client::handshake(stream).await.expect("http/2");
        tokio::spawn(connection);
        let mut sender = sender.ready().await.expect("room");
        let request = Request::get("https://localhost/endless").body(());
        let (response, _) = sender
            .send_request(request.expect("valid"), true)
            .expect("open");
        let mut body = response.await.expect("answered").into_body();
        body.data().await.expect("begun").expect("whole");
        body
    }

    /// What the server says of the certificate; `None` if it refuses the connection.
    async fn shown(&self, client: &Client<'_>) -> Option<Vec<u8>> {
        let stream = self.connect(client).await.ok()?;
        let (sender, connection) = h2::client::handshake(stream).await.ok()?;
        tokio::spawn(connection);
        let mut sender = sender.ready().await.ok()?;
        let request = Request::get("https://localhost/").body(()).expect("valid");
        let (response, _) = sender.send_request(request, true).ok()?;
        let mut body = response.await.ok()?.into_body();
        let mut all = Vec::new();
        while let Some(data) = body.data().await {
            all.extend_from_slice(&data.expect("whole"));
        }
        Some(all)
    }
}

/// Says one word and goes on for ever.
fn endless() -> Body {
    let first = std::future::ready(Ok::<_, Infallible>(data("begun")));
    let frames = futures::stream::once(first).chain(futures::stream::pending());
    Body::new(http_body_util::StreamBody::new(frames))
}

pub(super) fn files(directory: &Path, pair: &Pair, clients: &Authority) -> TlsFiles {
    let (certificate, key) = pair.write(directory, "server");
    let client_ca = directory.join("clients.crt");
    std::fs::write(&client_ca, &clients.pem).expect("writable");
    TlsFiles {
        certificate,
        key,
        client_ca: Some(client_ca),
    }
}

pub(super) struct Client<'a> {
    version: &'static SupportedProtocolVersion,
    alpn: &'a [&'a [u8]],
    certificate: Option<&'a Pair>,
}

impl Client<'_> {
    /// Makes a handshake with a server whose certificate is of this authority.
    pub(super) async fn connect<IO>(
        &self,
        authority: &Authority,
        io: IO,
    ) -> std::io::Result<TlsStream<IO>>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(authority.pem.as_bytes());
        roots.add(root.expect("pem")).expect("a certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[self.version])
            .expect("supported")
            .with_root_certificates(roots);
        let mut config = match self.certificate {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let chain = CertificateDer::from_pem_slice(pair.certificate.as_bytes());
                let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes());
                builder
                    .with_client_auth_cert(vec![chain.expect("pem")], key.expect("pem"))
                    .expect("a pair")
            }
        };
        config.alpn_protocols = self.alpn.iter().map(|name| name.to_vec()).collect();
        let name = ServerName::try_from("localhost").expect("a name");
        TlsConnector::from(Arc::new(config)).connect(name, io).await
    }
}

pub(super) const USUAL: Client<'_> = Client {
    version: &TLS13,
    alpn: &[b"h2"],
    certificate: None,
};

#[tokio::test]
async fn both_versions_are_spoken_and_no_other_protocol_inside() {
    bounded(async {
        let secure = Secure::start(Limits::default()).await;
        let mut refused = 0;
        for version in [&TLS12, &TLS13] {
            for (alpn, served) in [
                (&[&b"h2"[..]][..], true),
                (&[], true),
                (&[b"http/1.1", b"h2"], true),
                (&[b"http/1.1"], false),
            ] {
                let client = Client {
                    version,
                    alpn,
                    ..USUAL
                };
                let shown = secure.shown(&client).await;
                assert_eq!(shown, served.then(Vec::new), "{version:?} {alpn:?}");
                refused += u64::from(!served);
            }
        }
        let stats = Arc::clone(&secure.server.stats);
        secure.server.finish().await;
        assert_eq!(stats.tls_failures(), refused);
        assert!(stats.certificate_expiry().is_some());
    })
    .await;
}

#[tokio::test]
async fn a_client_is_known_by_a_certificate_of_the_right_authority() {
    bounded(async {
        let secure = Secure::start(Limits::default()).await;
        let good = secure.clients.client("alice", "admins");
        let foreign = Authority::new("clients").client("alice", "admins");
        let server = secure.clients.server(&["localhost"]);
        let expired = secure.clients.expired_client("alice");
        for version in [&TLS12, &TLS13] {
            for (pair, served) in [
                (&good, true),
                (&foreign, false),
                (&server, false),
                (&expired, false),
            ] {
                let client = Client {
                    version,
                    certificate: Some(pair),
                    ..USUAL
                };
                let shown = secure.shown(&client).await;
                assert_eq!(shown, served.then(|| pair.der.clone()), "{version:?}");
            }
        }
        let stats = Arc::clone(&secure.server.stats);
        secure.server.finish().await;
        assert_eq!(stats.tls_failures(), 6);
    })
    .await;
}

#[tokio::test]
async fn new_authorities_end_what_was_let_in_by_the_old_ones() {
    bounded(async {
        let limits = Limits {
            outdated_trailers: || [(NAME, VALUE)].into_iter().collect(),
            ..Limits::default()
        };
        let secure = Secure::start(limits).await;
        let pair = secure.clients.client("alice", "admins");
        let known = Client {
            certificate: Some(&pair),
            ..USUAL
        };
        let mut told = secure.endless(&known).await;
        let unnamed = secure.endless(&USUAL).await;
        let path = secure.directory.path().join("clients.crt");
        std::fs::write(path, &Authority::new("others").pem).expect("writable");
        secure.tls.look_again().await;
        let trailers = told.trailers().await.expect("a clean end");
        assert_eq!(trailers.expect("some").get(&NAME), Some(&VALUE));
        // By its own end, long before the time that it has for that.
        while secure.server.stats.open_connections() > 1 {
            tokio::task::yield_now().await;
        }
        assert_eq!(secure.shown(&known).await, None, "not known any more");
        assert!(!unnamed.is_end_stream(), "nobody else is touched");
        drop(unnamed);
        secure.server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn who_speaks_no_tls_or_nothing_is_closed() {
    bounded(async {
        let limits = Limits {
            handshake: Duration::from_millis(200),
            ..Limits::default()
        };
        let secure = Secure::start(limits).await;
        let addr = secure.server.addr;
        let mut plain = Raw::connect(addr, &[]).await;
        // An alert of TLS, then the end.
        let mut answer = Vec::new();
        let _ = plain.0.read_to_end(&mut answer).await;
        assert_eq!(answer.first(), Some(&0x15), "{answer:?}");
        drop(plain);

        let mut silent = TcpStream::connect(addr).await.expect("accepted");
        assert_eq!(silent.read(&mut [0]).await.expect("a clean end"), 0);
        let mut half = secure.connect(&USUAL).await.expect("tls");
        let _ = half.read_to_end(&mut Vec::new()).await;
        let stats = Arc::clone(&secure.server.stats);
        secure.server.finish().await;
        assert_eq!(stats.silent(), 2, "one before TLS, one after it");
        assert_eq!(stats.tls_failures(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_crowd_that_says_nothing_keeps_nobody_out() {
    bounded(async {
        let limits = Limits {
            max_handshakes: 3,
            handshake: Duration::from_secs(600),
            ..Limits::default()
        };
        let secure = Secure::start(limits).await;
        let mut crowd = Vec::new();
        for _ in 0..20 {
            let silent = TcpStream::connect(secure.server.addr).await;
            crowd.push(silent.expect("accepted"));
        }
        assert_eq!(secure.shown(&USUAL).await, Some(Vec::new()));
        for silent in &mut crowd[..17] {
            assert_eq!(silent.read(&mut [0]).await.expect("made room"), 0);
        }
        assert!(secure.server.stats.displaced() >= 17);
        drop(crowd);
        secure.server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn a_raw_client_is_served_over_tls_too() {
    bounded(async {
        let secure = Secure::start(Limits::default()).await;
        let stream = secure.connect(&USUAL).await.expect("tls");
        let mut raw = Raw::over(stream, &[]).await;
        for stream in [1, 3] {
            raw.send(&request(stream, "/")).await;
            raw.next_of(HEADERS).await.expect("answered");
        }
        drop(raw);
        secure.server.finish().await;
    })
    .await;
}
