//! A scripted apiserver on loopback and a sink that writes down what it is told.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

use super::{Delta, Health, Sink};
use crate::resource::{Gvr, Object, Reach, ResourceInfo, ResourceVersion, Source};

/// Long enough for any machine; a test that waits this long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What the server does with one request.
pub(crate) enum Act {
    /// The head of a chunked response; the text holds further header lines.
    Head(u16, &'static str),
    /// A piece of the body.
    Body(String),
    /// One byte of a line, and a pause that is shorter than any limit.
    Drip,
    /// The clean end.
    End,
    /// Nothing more, until the client closes; then the request says so.
    Hold,
}

type Script = Box<dyn Fn(&str) -> Vec<Act> + Send + Sync>;

/// Answers each request by the script. An answer without `End` or `Hold` breaks off.
pub(crate) struct Server {
    pub(crate) client: kube::Client,
    requests: mpsc::UnboundedReceiver<String>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(script: impl Fn(&str) -> Vec<Act> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let address = listener.local_addr().expect("bound");
        let (sender, requests) = mpsc::unbounded_channel();
        let script: Arc<Script> = Arc::new(Box::new(script));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, script.clone(), sender.clone()));
            }
        });
        let url = format!("http://{address}").parse().expect("a url");
        let mut config = kube::Config::new(url);
        config.default_retry = false;
        Self {
            client: kube::Client::try_from(config).expect("a client"),
            requests,
            task,
        }
    }

    /// A server that answers the first requests one by one and holds all others.
    pub(crate) async fn answering(answers: Vec<Vec<Act>>) -> Self {
        let answers = Mutex::new(answers.into_iter());
        Self::start(move |_| {
            let next = answers.lock().next();
            next.unwrap_or_else(|| vec![Act::Hold])
        })
        .await
    }

    /// The path and query of the next request; `closed` after a `Hold` that the client closed.
    pub(crate) async fn request(&mut self) -> String {
        let next = tokio::time::timeout(PATIENCE, self.requests.recv()).await;
        next.expect("a request in time").expect("the server lives")
    }

    /// Requests so far that nobody has asked for.
    pub(crate) fn pending(&mut self) -> usize {
        std::iter::from_fn(|| self.requests.try_recv().ok()).count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, script: Arc<Script>, log: mpsc::UnboundedSender<String>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8_lossy(&head).to_lowercase();
    assert!(head.contains("accept-encoding: identity"), "{head}");
    let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
    // Nobody listens once the test is over.
    let _ = log.send(target.clone());
    for act in script(&target) {
        let text = match act {
            Act::Head(code, more) => format!(
                "HTTP/1.1 {code} X\r\ntransfer-encoding: chunked\r\nconnection: close\r\n{more}\r\n"
            ),
            Act::Body(text) => format!("{:x}\r\n{text}\r\n", text.len()),
            Act::Drip => {
                tokio::time::sleep(Duration::from_millis(20)).await;
                "1\r\nx\r\n".to_owned()
            }
            Act::End => "0\r\n\r\n".to_owned(),
            Act::Hold => {
                while stream.read_u8().await.is_ok() {}
                let _ = log.send("closed".to_owned());
                return;
            }
        };
        if stream.write_all(text.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// An answer of one piece.
pub(crate) fn answer(code: u16, body: impl Into<String>) -> Vec<Act> {
    vec![Act::Head(code, ""), Act::Body(body.into()), Act::End]
}

/// A watch that says this and stays open.
pub(crate) fn open_watch(body: impl Into<String>) -> Vec<Act> {
    vec![Act::Head(200, ""), Act::Body(body.into()), Act::Hold]
}

pub(crate) fn event(kind: &str, name: &str, version: u64) -> String {
    let object = pod(name, version);
    format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n")
}

pub(crate) fn pod(name: &str, version: u64) -> String {
    format!(
        r#"{{"kind":"Pod","apiVersion":"v1","metadata":{{"name":"{name}","namespace":"n","resourceVersion":"{version}"}}}}"#
    )
}

pub(crate) fn bookmark(version: u64, end: &str) -> String {
    format!(
        "{{\"type\":\"BOOKMARK\",\"object\":{{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{{\"resourceVersion\":\"{version}\",\"annotations\":{{\"k8s.io/initial-events-end\":\"{end}\"}}}}}}}}\n"
    )
}

pub(crate) fn list(pods: &[String], version: u64, continue_token: &str) -> String {
    let items = pods.join(",");
    format!(
        r#"{{"kind":"PodList","apiVersion":"v1","metadata":{{"resourceVersion":"{version}","continue":"{continue_token}"}},"items":[{items}]}}"#
    )
}

pub(crate) fn status(code: u16, reason: &str) -> String {
    format!(r#"{{"kind":"Status","code":{code},"reason":"{reason}"}}"#)
}

pub(crate) fn pods() -> ResourceInfo {
    ResourceInfo {
        gvr: Gvr::new("", "v1", "pods"),
        kind: "Pod".into(),
        namespaced: true,
        watchable: true,
        preferred: true,
        short_names: Vec::new(),
    }
}

/// All of a resource's objects.
pub(crate) fn source(info: &ResourceInfo) -> Source {
    let all: [&str; 0] = [];
    Reach::default()
        .source(info, &all)
        .expect("the whole cluster is in reach")
}

pub(crate) fn text(delta: &Delta) -> String {
    match delta {
        Delta::Added(object) => format!("+{}@{}", object.name(), object.version()),
        Delta::Modified(object) => format!("~{}@{}", object.name(), object.version()),
        Delta::Deleted(object) => format!("-{}@{}", object.name(), object.version()),
        Delta::Bookmark(version) => format!("={version}"),
    }
}

/// A sink that sends on each call as a line of text.
pub(crate) struct Notes(mpsc::UnboundedSender<String>);

impl Notes {
    pub(crate) fn new() -> (Arc<Self>, mpsc::UnboundedReceiver<String>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Arc::new(Self(sender)), receiver)
    }

    fn note(&self, text: String) {
        // The test may have seen enough.
        let _ = self.0.send(text);
    }
}

impl Sink for Notes {
    fn replace(&self, objects: Vec<Arc<Object>>, version: ResourceVersion, rewound: bool) {
        let names: Vec<_> = objects.iter().map(|object| object.name()).collect();
        let rewound = if rewound { " rewound" } else { "" };
        self.note(format!("replace [{}] @{version}{rewound}", names.join(" ")));
    }

    fn apply(&self, events: Vec<Delta>) {
        let events: Vec<_> = events.iter().map(text).collect();
        self.note(format!("apply {}", events.join(" ")));
    }

    fn health(&self, health: Health) {
        self.note(match health {
            Health::Healthy => "healthy".to_owned(),
            Health::Degraded { reason } => reason.as_str().to_owned(),
        });
    }

    fn heard(&self) {}
}
