//! S9: nothing but a token or a certificate says who calls, however it is dressed up.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue, request::Builder};
use informerd::proto::v1::{
    Availability, GetObjectRequest, ListObjectsRequest, ListResourcesRequest,
    ListResourcesResponse, ListUpstreamsRequest,
};
use prost::Message as _;
use tonic::{Code, Status};

use super::{
    canary,
    cast::{A, B, Cast},
    rough::{Fate, call, fate},
};
use crate::{
    conformance::scenarios,
    daemon::Daemon,
    http2::{Answer, Http2, message},
    request::{Ask, named},
    stage::Kind,
    subscriber::reason,
    tls::{
        certificates::{Authority, Pair},
        files::{Mounted, NAMES, borrowed},
    },
};

scenarios![s9_headers_smuggle_nobody_in];

const LIST: &str = "/informerd.v1.ObjectService/ListObjects";
const GET: &str = "/informerd.v1.ObjectService/GetObject";
const WATCH: &str = "/informerd.v1.WatchService/Watch";
const RESOURCES: &str = "/informerd.v1.ResourceService/ListResources";
const UPSTREAMS: &str = "/informerd.v1.AdminService/ListUpstreams";

/// Who may read one namespace, and whom it would like to be.
const LOW: &str = "ns-viewer";
const HIGH: &str = "cluster-viewer";

type Headers = Vec<(&'static str, String)>;

struct Scene {
    kind: Kind,
    cast: Cast,
    daemon: Daemon,
    mounted: Mounted,
    clients: Authority,
    low: String,
    high: String,
}

impl Scene {
    async fn new(kind: Kind) -> Self {
        let cast = Cast::assemble(kind).await;
        let (root, clients) = (Authority::new("root"), Authority::new("clients"));
        let mounted = Mounted::new(&root.server(&NAMES), &root, &clients);
        let flags = mounted.flags();
        let daemon = Daemon::guarded(&cast.stage.kubeconfig(), &borrowed(&flags)).await;
        let (low, high) = (cast.usable(LOW).await, cast.usable(HIGH).await);
        Self {
            kind,
            cast,
            daemon,
            mounted,
            clients,
            low,
            high,
        }
    }

    /// The name of an account's user.
    fn user(&self, account: &str) -> String {
        match self.kind {
            Kind::Simulated => account.to_owned(),
            Kind::Real | Kind::Installed { .. } => {
                format!("system:serviceaccount:{A}:{account}")
            }
        }
    }

    fn certificate(&self, account: &str) -> Pair {
        self.clients.client(&self.user(account), "nobodys")
    }

    async fn line(&self, pair: Option<&Pair>) -> Http2 {
        let io = self.mounted.dial_as(&self.daemon, pair).await;
        Http2::over(io, self.daemon.address()).await
    }

    /// Everything that is said by whoever likes to be somebody else, but in `authorization`.
    fn claims(&self) -> Vec<Headers> {
        let (user, bearer) = (self.user(HIGH), format!("Bearer {}", self.high));
        let encoded = URL_SAFE_NO_PAD.encode(&self.high);
        let masters = || "system:masters".to_owned();
        vec![
            vec![("x-remote-user", user.clone())],
            vec![
                ("x-remote-user", user.clone()),
                ("x-remote-uid", "0".into()),
                ("x-remote-group", masters()),
                ("x-remote-group", "system:authenticated".into()),
                ("x-remote-extra-scopes", "all".into()),
            ],
            vec![("impersonate-user", user.clone())],
            vec![
                ("impersonate-user", user.clone()),
                ("impersonate-uid", "0".into()),
                ("impersonate-group", masters()),
                ("impersonate-extra-scopes", "all".into()),
            ],
            vec![
                ("x-forwarded-for", "127.0.0.1".into()),
                ("x-forwarded-host", "localhost".into()),
                ("x-forwarded-user", user.clone()),
                ("x-forwarded-groups", masters()),
                ("x-forwarded-access-token", self.high.clone()),
                ("x-forwarded-client-cert", format!("Subject=\"CN={user}\"")),
                ("x-auth-request-user", user.clone()),
                ("x-ssl-client-s-dn", format!("CN={user}")),
            ],
            vec![("forwarded", format!("for=127.0.0.1;by={user}"))],
            vec![
                ("proxy-authorization", bearer.clone()),
                ("x-authorization", bearer.clone()),
                ("x-original-authorization", bearer.clone()),
                ("grpc-metadata-authorization", bearer.clone()),
                ("cookie", format!("authorization={bearer}")),
            ],
            vec![("authorization-bin", URL_SAFE_NO_PAD.encode(&bearer))],
            vec![
                ("user-bin", URL_SAFE_NO_PAD.encode(&user)),
                ("impersonate-user-bin", URL_SAFE_NO_PAD.encode(&user)),
            ],
            // How a browser shows kube-apiserver its token.
            vec![(
                "sec-websocket-protocol",
                format!("base64url.bearer.authorization.k8s.io.{encoded}"),
            )],
            vec![
                ("x-original-url", UPSTREAMS.into()),
                ("x-rewrite-url", UPSTREAMS.into()),
                ("x-http-method-override", "GET".into()),
                ("host", user),
            ],
        ]
    }
}

fn list(namespace: &str) -> ListObjectsRequest {
    ListObjectsRequest {
        resource: Some(named("configmaps")),
        filter: Ask::of("configmaps").namespace(namespace).message.filter,
        ..ListObjectsRequest::default()
    }
}

fn with(mut head: Builder, headers: &Headers) -> Builder {
    for (name, value) in headers {
        head = head.header(*name, value);
    }
    head
}

fn bearer(token: &str) -> Headers {
    vec![("authorization", format!("Bearer {token}"))]
}

async fn listed(line: &Http2, headers: &Headers, namespace: &str) -> Status {
    let head = with(line.head(LIST), headers);
    let answer = line.send(head, message(&list(namespace))).await;
    answer.expect("answered").status()
}

/// Whether the answers are those of a user's own rights, and name it.
fn assert_own(own: &Status, other: &Status, user: &str, what: &str) {
    assert_eq!(own.code(), Code::Ok, "{what}: {own:?}");
    assert_eq!(other.code(), Code::PermissionDenied, "{what}: {other:?}");
    assert_eq!(reason(other), "ACCESS_DENIED", "{what}");
    let named = format!("user {user:?} cannot list");
    assert!(other.message().starts_with(&named), "{what}: {other:?}");
}

async fn s9_headers_smuggle_nobody_in(kind: Kind) {
    let scene = Scene::new(kind).await;
    let certificate = scene.certificate(LOW);
    by_token(&scene).await;
    by_certificate(&scene, &certificate).await;
    by_every_service(&scene).await;
    by_paths(&scene).await;
    by_malformed_headers(&scene).await;
    // Nobody was taken for the other one, in any of it.
    let [low, high] = [LOW, HIGH].map(|account| scene.user(account));
    let [low_line, high_line] = [&low, &high].map(|user| format!("\"user\":{user:?}"));
    canary::audited(&scene.daemon, &[&low_line]).await;
    assert!(!canary::is_audited(&scene.daemon, &[&high_line]));
    let tokens = [scene.low.clone(), scene.high.clone()];
    canary::unseen(&scene.daemon, &tokens, &[]).await;

    // Of a certificate and a token, the certificate counts, as in kube-apiserver.
    let line = scene.line(Some(&scene.certificate(HIGH))).await;
    for namespace in [A, B] {
        let status = listed(&line, &bearer(&scene.low), namespace).await;
        assert_eq!(status.code(), Code::Ok, "{status:?}");
    }
    let pods = Ask::of("services").namespace(B).message;
    let head = with(line.head(WATCH), &bearer(&scene.low));
    let answer = line.begin(head, message(&pods)).await.expect("answered");
    assert!(answer.status().message().contains(&high), "{answer:?}");
    canary::audited(&scene.daemon, &[&high_line]).await;
    drop(scene.cast);
}

async fn by_token(scene: &Scene) {
    let line = scene.line(None).await;
    let low = scene.user(LOW);
    for claims in scene.claims() {
        let headers = [bearer(&scene.low), claims.clone()].concat();
        let own = listed(&line, &headers, A).await;
        let other = listed(&line, &headers, B).await;
        assert_own(&own, &other, &low, &format!("{claims:?}"));
        let nobody = listed(&line, &claims, A).await;
        assert_eq!(reason(&nobody), "CREDENTIALS_MISSING", "{claims:?}");
    }
    let (low_token, high_token) = (&scene.low, &scene.high);
    let more_than_one = [
        [bearer(low_token), bearer(high_token)].concat(),
        [bearer(high_token), bearer(low_token)].concat(),
        [bearer(low_token), bearer(low_token)].concat(),
        vec![(
            "authorization",
            format!("Bearer {low_token}, Bearer {high_token}"),
        )],
        vec![("authorization", format!("Bearer {low_token} {high_token}"))],
    ];
    for headers in more_than_one {
        for namespace in [A, B] {
            let status = listed(&line, &headers, namespace).await;
            assert_eq!(reason(&status), "CREDENTIALS_INVALID", "{status:?}");
        }
    }
    let mut trailers = HeaderMap::new();
    let late = HeaderValue::from_str(&format!("Bearer {high_token}")).expect("a header");
    trailers.insert("authorization", late);
    let send = async |headers: &Headers, namespace: &str| {
        let (head, body) = (with(line.head(LIST), headers), message(&list(namespace)));
        let answer = line.send_with_trailers(head, body, trailers.clone()).await;
        answer.expect("answered").status()
    };
    let own = send(&bearer(low_token), A).await;
    let other = send(&bearer(low_token), B).await;
    assert_own(&own, &other, &low, "trailers");
    let nobody = send(&Headers::new(), A).await;
    assert_eq!(reason(&nobody), "CREDENTIALS_MISSING", "{nobody:?}");
}

/// With a certificate of one's own, whatever `authorization` says.
async fn by_certificate(scene: &Scene, pair: &Pair) {
    let line = scene.line(Some(pair)).await;
    let high = &scene.high;
    let mut claims = scene.claims();
    claims.extend([
        bearer(high),
        bearer("garbage"),
        [bearer(high), bearer(high)].concat(),
        [bearer(&scene.low), bearer(high)].concat(),
        vec![("authorization", format!("Basic {high}"))],
    ]);
    for claims in claims {
        let own = listed(&line, &claims, A).await;
        let other = listed(&line, &claims, B).await;
        assert_own(&own, &other, &scene.user(LOW), &format!("{claims:?}"));
    }
}

/// All claims at once, on every service.
async fn by_every_service(scene: &Scene) {
    let line = scene.line(None).await;
    let mut headers = bearer(&scene.low);
    headers.extend(scene.claims().concat());
    let call = async |path: &str, body| -> Answer {
        let answer = line.begin(with(line.head(path), &headers), body).await;
        answer.expect("answered")
    };
    let get = GetObjectRequest {
        resource: Some(named("configmaps")),
        namespace: B.to_owned(),
        name: "one".to_owned(),
        ..GetObjectRequest::default()
    };
    let watch = Ask::of("configmaps").namespace(B).message;
    let everywhere = Ask::of("configmaps").message;
    let upstreams = ListUpstreamsRequest::default();
    for (path, body) in [
        (GET, message(&get)),
        (WATCH, message(&watch)),
        (WATCH, message(&everywhere)),
        (UPSTREAMS, message(&upstreams)),
    ] {
        let answer = call(path, body).await;
        let status = answer.status();
        assert_eq!(reason(&status), "ACCESS_DENIED", "{path}: {answer:?}");
        assert!(status.message().contains(&scene.user(LOW)), "{status:?}");
    }
    let resources = async |headers: &Headers| {
        let (head, body) = (
            with(line.head(RESOURCES), headers),
            &ListResourcesRequest {},
        );
        let answer = line.begin(head, message(body)).await.expect("answered");
        ListResourcesResponse::decode(&answer.body[5..]).expect("a message")
    };
    let own = resources(&bearer(&scene.low)).await;
    assert_eq!(resources(&headers).await, own);
    let mut maps = own.resources.iter().filter(|one| one.kind == "ConfigMap");
    assert!(maps.all(|maps| maps.availability() == Availability::Forbidden));
}

/// Paths and authorities that look like others.
async fn by_paths(scene: &Scene) {
    let line = scene.line(None).await;
    let low = scene.user(LOW);
    let query = format!("{LIST}?access_token={}", scene.high);
    for namespace in [A, B] {
        let head = with(line.head(&query), &bearer(&scene.low));
        let answer = line.send(head, message(&list(namespace))).await;
        let status = answer.expect("answered").status();
        match (namespace, status.code()) {
            (A, Code::Ok) | (_, Code::Unimplemented) => {}
            (B, Code::PermissionDenied) => assert!(status.message().contains(&low)),
            _ => panic!("{namespace}: {status:?}"),
        }
    }
    let authority = format!("http://{HIGH}:{}@localhost{LIST}", &scene.high[..40]);
    for namespace in [A, B] {
        let head = http::Request::post(&authority);
        let head = head.header("content-type", "application/grpc");
        let head = with(head, &bearer(&scene.low));
        let answer = line.send(head, message(&list(namespace))).await;
        // Not every server takes a name of a user there.
        let Ok(answer) = answer else { continue };
        let status = answer.status();
        assert_eq!(status.code() == Code::Ok, namespace == A, "{status:?}");
    }
    // What strangers may call is no way to what they may not.
    let health = "/grpc.health.v1.Health/";
    for detour in ["..", "%2e%2e", "Check/..", "Check/%2e%2e", ".", "/"] {
        for path in [LIST, WATCH, UPSTREAMS] {
            let path = format!("{health}{detour}{path}");
            let answer = line.send(line.head(&path), message(&list(A))).await;
            let answer = answer.expect("answered");
            assert_eq!(answer.status().code(), Code::Unimplemented, "{path}");
            assert!(answer.body.is_empty(), "{path}: {answer:?}");
        }
    }
}

/// Headers that HTTP/2 forbids (RFC 9113, 8.1 to 8.3), with a good token of one's own.
async fn by_malformed_headers(scene: &Scene) {
    let own = format!("Bearer {}", scene.low);
    let other = format!("Bearer {}", scene.high);
    let injected = format!("x\r\nauthorization: {other}");
    let (own, other): (&[u8], &[u8]) = (own.as_bytes(), other.as_bytes());
    let good: Vec<(&[u8], &[u8])> = vec![
        (b":method", b"POST"),
        (b":scheme", b"https"),
        (b":path", LIST.as_bytes()),
        (b":authority", b"localhost"),
        (b"content-type", b"application/grpc"),
        (b"te", b"trailers"),
        (b"authorization", own),
    ];
    let made = async |headers: &[(&[u8], &[u8])], namespace: &str| {
        let io = scene.mounted.dial(&scene.daemon).await;
        fate(io, &call(headers, &message(&list(namespace)))).await
    };
    assert_eq!(made(&good, A).await, Fate::Answered, "nothing is wrong");
    assert_eq!(made(&good, B).await, Fate::Refused);
    let wrong: [(&[u8], &[u8]); 11] = [
        (b"Authorization", other),
        (b"AUTHORIZATION", other),
        (b"authorization ", other),
        (b"authorization:", other),
        (b":path", UPSTREAMS.as_bytes()),
        (b":authority", b"elsewhere"),
        (b":authorization", other),
        (b"", other),
        (b"connection", b"authorization"),
        (b"transfer-encoding", b"chunked"),
        (b"x-note", injected.as_bytes()),
    ];
    for added in wrong {
        let name = String::from_utf8_lossy(added.0).into_owned();
        let last = [&good[..], &[added]].concat();
        assert_eq!(made(&last, A).await, Fate::Reset, "{name:?} at the end");
        let first = [&[added], &good[..]].concat();
        assert_eq!(made(&first, A).await, Fate::Reset, "{name:?} in front");
    }
}
