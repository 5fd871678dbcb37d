//! The smallest gRPC server: HTTP/2 on loopback with answers that a test wrote down.

use std::{net::SocketAddr, sync::Arc};

use bytes::{BufMut as _, Bytes, BytesMut};
use prost::Message;
use tokio::net::{TcpListener, TcpStream};

/// What to answer to one call.
pub(crate) struct Reply {
    messages: Vec<Bytes>,
    end: End,
}

enum End {
    Status(&'static str, &'static str),
    Cut,
    Open,
}

impl Reply {
    /// Messages, then a status.
    pub(crate) fn status(messages: &[impl Message], code: &'static str) -> Self {
        Self::new(messages, End::Status(code, "as%20scripted"))
    }

    /// Messages, then an end without a status, as a proxy may cause it.
    pub(crate) fn cut(messages: &[impl Message]) -> Self {
        Self::new(messages, End::Cut)
    }

    /// Messages, then silence.
    pub(crate) fn open(messages: &[impl Message]) -> Self {
        Self::new(messages, End::Open)
    }

    fn new(messages: &[impl Message], end: End) -> Self {
        let frame = |message: &_| {
            let body = Message::encode_to_vec(message);
            let mut bytes = BytesMut::new();
            bytes.put_u8(0);
            bytes.put_u32(body.len().try_into().expect("small"));
            bytes.put_slice(&body);
            bytes.freeze()
        };
        Self {
            messages: messages.iter().map(frame).collect(),
            end,
        }
    }
}

type Handler = dyn Fn(&str, Bytes) -> Reply + Send + Sync;

/// Serves until the runtime ends. The handler gets the path and the request message.
pub(crate) async fn serve(
    handler: impl Fn(&str, Bytes) -> Reply + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound port");
    let handler: Arc<Handler> = Arc::new(handler);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(connection(socket, Arc::clone(&handler)));
        }
    });
    address
}

async fn connection(socket: TcpStream, handler: Arc<Handler>) -> Result<(), h2::Error> {
    let mut connection = h2::server::handshake(socket).await?;
    while let Some(call) = connection.accept().await {
        let (request, respond) = call?;
        tokio::spawn(answer(request, respond, Arc::clone(&handler)));
    }
    Ok(())
}

async fn answer(
    request: http::Request<h2::RecvStream>,
    mut respond: h2::server::SendResponse<Bytes>,
    handler: Arc<Handler>,
) -> Result<(), h2::Error> {
    let (head, mut body) = request.into_parts();
    let mut message = BytesMut::new();
    while let Some(chunk) = body.data().await {
        message.extend_from_slice(&chunk?);
    }
    let reply = handler(head.uri.path(), message.freeze().slice(5..));
    let response = http::Response::builder()
        .header("content-type", "application/grpc")
        .body(())
        .expect("a response");
    let mut send = respond.send_response(response, false)?;
    for message in reply.messages {
        send.send_data(message, false)?;
    }
    match reply.end {
        End::Status(code, text) => {
            let mut trailers = http::HeaderMap::new();
            trailers.insert("grpc-status", http::HeaderValue::from_static(code));
            trailers.insert("grpc-message", http::HeaderValue::from_static(text));
            send.send_trailers(trailers)
        }
        End::Cut => send.send_data(Bytes::new(), true),
        End::Open => std::future::pending().await,
    }
}
