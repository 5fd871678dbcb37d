//! A client that sees what others hide: raw lines, and how exactly a body ended.

use std::io;

use informerd_support::simulation::{Cluster, Options, Server};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// How a body ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    Clean,
    Torn,
    Reset,
}

/// A cluster with its server.
pub(crate) struct Fixture {
    pub(crate) cluster: Cluster,
    pub(crate) server: Server,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        Self::with(Options::default()).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        let cluster = Cluster::new(options);
        let server = Server::start(cluster.clone(), "127.0.0.1:0")
            .await
            .expect("loopback can be bound");
        Self { cluster, server }
    }

    /// Creates a config map with one label and returns its version.
    pub(crate) fn create(&self, name: &str, app: &str) -> u64 {
        let object = json!({ "metadata": { "name": name, "labels": { "app": app } } });
        version_of(
            &self
                .cluster
                .create("configmaps", object)
                .expect("the name is free"),
        )
    }

    pub(crate) fn relabel(&self, name: &str, app: &str) -> u64 {
        let change = json!({ "metadata": { "labels": { "app": app } } });
        version_of(
            &self
                .cluster
                .patch("configmaps", "default", name, &change)
                .expect("it exists"),
        )
    }

    pub(crate) fn delete(&self, name: &str) -> u64 {
        version_of(
            &self
                .cluster
                .delete("configmaps", "default", name)
                .expect("it exists"),
        )
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        self.request("GET", path, "application/json", "").await
    }

    pub(crate) async fn request(
        &self,
        method: &str,
        path: &str,
        kind: &str,
        body: &str,
    ) -> (u16, Value) {
        let mut response = self
            .send(method, path, kind, body)
            .await
            .expect("the server answers");
        let text = response.rest().await.expect("the body is complete");
        (
            response.status,
            serde_json::from_slice(&text).unwrap_or_default(),
        )
    }

    pub(crate) async fn watch(&self, query: &str) -> Response {
        let path = format!("/api/v1/namespaces/default/configmaps?watch=1&{query}");
        self.send("GET", &path, "", "")
            .await
            .expect("the server answers")
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        kind: &str,
        body: &str,
    ) -> io::Result<Response> {
        let mut stream = TcpStream::connect(self.server.addr()).await?;
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\naccept: application/json\r\n\
             content-type: {kind}\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(head.as_bytes()).await?;
        Response::read(BufReader::new(stream)).await
    }
}

pub(crate) fn version_of(object: &Value) -> u64 {
    let text = object["metadata"]["resourceVersion"].as_str();
    text.and_then(|text| text.parse().ok())
        .expect("every object has a version")
}

/// An answer whose body is read bit by bit.
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<String>,
    stream: BufReader<TcpStream>,
    chunked: bool,
    length: usize,
    buffer: Vec<u8>,
    pub(crate) chunks: Vec<usize>,
}

impl Response {
    async fn read(mut stream: BufReader<TcpStream>) -> io::Result<Self> {
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            match line.trim() {
                "" => break,
                header => headers.push(header.to_lowercase()),
            }
        }
        let status = headers[0]
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok());
        let length = headers
            .iter()
            .find_map(|header| header.strip_prefix("content-length: "));
        Ok(Self {
            status: status.expect("a status line has a code"),
            chunked: headers
                .iter()
                .any(|header| header == "transfer-encoding: chunked"),
            length: length.and_then(|text| text.parse().ok()).unwrap_or(0),
            headers,
            stream,
            buffer: Vec::new(),
            chunks: Vec::new(),
        })
    }

    /// Takes the next piece of the body in; how it ended if it did.
    async fn fill(&mut self) -> Option<End> {
        let taken = match self.chunked {
            true => self.chunk().await,
            false => self.whole().await,
        };
        match taken {
            Ok(0) => Some(End::Clean),
            Ok(_) => None,
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Some(End::Reset),
            Err(_) => Some(End::Torn),
        }
    }

    async fn whole(&mut self) -> io::Result<usize> {
        let length = std::mem::take(&mut self.length);
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes).await?;
        self.buffer.extend_from_slice(&bytes);
        Ok(length)
    }

    async fn chunk(&mut self) -> io::Result<usize> {
        let mut size = String::new();
        self.stream.read_line(&mut size).await?;
        let size = usize::from_str_radix(size.trim(), 16).map_err(io::Error::other)?;
        let mut bytes = vec![0; size + 2];
        self.stream.read_exact(&mut bytes).await?;
        self.buffer.extend_from_slice(&bytes[..size]);
        self.chunks.push(size);
        Ok(size)
    }

    /// The rest of the body if it ends properly.
    pub(crate) async fn rest(&mut self) -> Result<Vec<u8>, End> {
        loop {
            match self.fill().await {
                None => {}
                Some(End::Clean) => return Ok(std::mem::take(&mut self.buffer)),
                Some(end) => return Err(end),
            }
        }
    }

    /// The next line, or what is left with how the body ended.
    pub(crate) async fn line(&mut self) -> Result<Vec<u8>, (Vec<u8>, End)> {
        loop {
            if let Some(at) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let rest = self.buffer.split_off(at + 1);
                let mut line = std::mem::replace(&mut self.buffer, rest);
                line.pop();
                return Ok(line);
            }
            if let Some(end) = self.fill().await {
                return Err((std::mem::take(&mut self.buffer), end));
            }
        }
    }

    /// The next event in short: `ADDED a@5`, `BOOKMARK @7`, `ERROR 410`.
    pub(crate) async fn event(&mut self) -> String {
        let value = self.value().await;
        let (kind, object) = (value["type"].as_str().unwrap_or("?"), &value["object"]);
        if kind == "ERROR" {
            return format!("ERROR {}", object["code"]);
        }
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        format!("{kind} {name}@{}", version_of(object))
    }

    pub(crate) async fn value(&mut self) -> Value {
        let line = self.line().await.expect("a line comes");
        serde_json::from_slice(&line).expect("the line is JSON")
    }

    /// That the body ends now, and how.
    pub(crate) async fn end(&mut self) -> End {
        let (rest, end) = self.line().await.expect_err("the body ends");
        assert_eq!(String::from_utf8_lossy(&rest), "", "nothing is left over");
        end
    }
}
