//! An HTTP/2 client that sends what it is told, so that calls can be wrong in any way.

use std::{net::SocketAddr, time::Duration};

use bytes::{BufMut as _, Bytes, BytesMut};
use h2::{Reason, client::SendRequest};
use http::{HeaderMap, Request, StatusCode, request};
use prost::Message;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tonic::Status;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection.
#[derive(Clone)]
pub struct Http2 {
    sender: SendRequest<Bytes>,
    address: SocketAddr,
}

/// A complete answer.
#[derive(Debug)]
pub struct Answer {
    pub http: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub trailers: HeaderMap,
}

impl Answer {
    /// The gRPC status, wherever it stands.
    pub fn status(&self) -> Status {
        Status::from_header_map(&self.trailers)
            .or_else(|| Status::from_header_map(&self.headers))
            .unwrap_or_else(|| panic!("no grpc-status: {self:?}"))
    }
}

/// The headers of a call as a well-behaved client sends them.
pub fn head(address: SocketAddr, path: &str) -> request::Builder {
    Request::post(format!("http://{address}{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
}

/// A length-prefixed message.
pub fn framed(compressed: bool, message: &[u8]) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_u8(compressed.into());
    bytes.put_u32(u32::try_from(message.len()).expect("short"));
    bytes.put_slice(message);
    bytes.freeze()
}

/// A message as one call carries it.
pub fn message(message: &impl Message) -> Bytes {
    framed(false, &message.encode_to_vec())
}

impl Http2 {
    /// Connects.
    pub async fn connect(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).await.expect("accepted");
        Self::over(socket, address).await
    }

    /// Speaks on a connection that there is.
    pub async fn over<IO>(io: IO, address: SocketAddr) -> Self
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = h2::client::Builder::new()
            .handshake::<_, Bytes>(io)
            .await
            .expect("http/2");
        tokio::spawn(connection);
        Self { sender, address }
    }

    /// The headers of a call on this connection.
    pub fn head(&self, path: &str) -> request::Builder {
        head(self.address, path)
    }

    /// Sends a whole request and reads the whole answer.
    pub async fn send(&self, head: request::Builder, body: Bytes) -> Result<Answer, h2::Error> {
        let answer = self.exchange(head, body);
        tokio::time::timeout(PATIENCE, answer)
            .await
            .expect("an answer in time")
    }

    /// Sends a whole request with trailers behind it, and reads the whole answer.
    pub async fn send_with_trailers(
        &self,
        head: request::Builder,
        body: Bytes,
        trailers: HeaderMap,
    ) -> Result<Answer, h2::Error> {
        let mut sender = self.sender.clone().ready().await?;
        let request = head.body(()).expect("a request");
        let (response, mut sending) = sender.send_request(request, false)?;
        // A stream that was answered before it was read takes no more; the answer stands.
        let _ = sending.send_data(body, false);
        let _ = sending.send_trailers(trailers);
        tokio::time::timeout(PATIENCE, Self::read(response))
            .await
            .expect("an answer in time")
    }

    async fn exchange(&self, head: request::Builder, body: Bytes) -> Result<Answer, h2::Error> {
        let (response, _sending) = self.open(head, body).await?;
        Self::read(response).await
    }

    /// Sends a whole request and reads the answer up to its first message, or to its end.
    pub async fn begin(&self, head: request::Builder, body: Bytes) -> Result<Answer, h2::Error> {
        let begun = async {
            let (response, _sending) = self.open(head, body).await?;
            let (head, mut stream) = response.await?.into_parts();
            let (body, trailers) = match stream.data().await {
                Some(data) => (data?, None),
                None => (Bytes::new(), stream.trailers().await?),
            };
            Ok(Answer {
                http: head.status,
                headers: head.headers,
                body,
                trailers: trailers.unwrap_or_default(),
            })
        };
        tokio::time::timeout(PATIENCE, begun)
            .await
            .expect("an answer in time")
    }

    /// Sends the head of a request and nothing after it, and reads the whole answer.
    pub async fn send_head(&self, head: request::Builder) -> Result<Answer, h2::Error> {
        let mut sender = self.sender.clone().ready().await?;
        let request = head.body(()).expect("a request");
        let (response, _sending) = sender.send_request(request, false)?;
        tokio::time::timeout(PATIENCE, Self::read(response))
            .await
            .expect("an answer in time")
    }

    async fn read(response: h2::client::ResponseFuture) -> Result<Answer, h2::Error> {
        let (head, mut stream) = response.await?.into_parts();
        let mut bytes = BytesMut::new();
        while let Some(data) = stream.data().await {
            let data = match data {
                // RFC 9113, 8.1: the whole answer came before the whole request was read.
                Err(error) if error.reason() == Some(Reason::NO_ERROR) => break,
                data => data?,
            };
            stream.flow_control().release_capacity(data.len())?;
            bytes.extend_from_slice(&data);
        }
        let trailers = match stream.trailers().await {
            Err(error) if error.reason() == Some(Reason::NO_ERROR) => None,
            trailers => trailers?,
        };
        Ok(Answer {
            http: head.status,
            headers: head.headers,
            body: bytes.freeze(),
            trailers: trailers.unwrap_or_default(),
        })
    }

    /// Sends a whole request; the stream is open until its answer is dropped.
    pub async fn open(
        &self,
        head: request::Builder,
        body: Bytes,
    ) -> Result<(h2::client::ResponseFuture, h2::SendStream<Bytes>), h2::Error> {
        let mut sender = self.sender.clone().ready().await?;
        let request = head.body(()).expect("a request");
        let (response, mut sending) = sender.send_request(request, false)?;
        // A stream that was answered and closed before it was read takes no body; the answer stands.
        sending.send_data(body, true).ok();
        Ok((response, sending))
    }
}
