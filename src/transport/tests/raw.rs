//! An HTTP/2 client that does exactly what a test says, right or wrong.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const PRIORITY: u8 = 2;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

pub(super) const REFUSED_STREAM: u32 = 7;
pub(super) const ENHANCE_YOUR_CALM: u32 = 11;

const END_HEADERS: u8 = 4;
const END_STREAM_END_HEADERS: u8 = 5;

#[derive(Debug)]
pub(super) struct RawFrame {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    pub(super) payload: Vec<u8>,
}

impl RawFrame {
    /// The error code of RST_STREAM or GOAWAY.
    pub(super) fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        let code = self.payload[at..at + 4].try_into();
        u32::from_be_bytes(code.expect("four bytes"))
    }
}

pub(super) struct Raw<IO = TcpStream>(pub(super) IO);

impl Raw {
    pub(super) async fn connect(addr: SocketAddr, settings: &[(u16, u32)]) -> Self {
        let socket = TcpStream::connect(addr).await.expect("accepted");
        Self::over(socket, settings).await
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Raw<IO> {
    /// Begins HTTP/2 on a connection.
    pub(super) async fn over(io: IO, settings: &[(u16, u32)]) -> Self {
        let mut raw = Self(io);
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        raw.send(preface).await;
        let mut payload = Vec::new();
        for (id, value) in settings {
            payload.extend_from_slice(&id.to_be_bytes());
            payload.extend_from_slice(&value.to_be_bytes());
        }
        raw.send(&frame(SETTINGS, 0, 0, &payload)).await;
        raw
    }

    /// Writes bytes; a server that has hung up already is a result to be read, not an error.
    pub(super) async fn send(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes).await;
        let _ = self.0.flush().await;
    }

    /// The next frame, or `None` at the end of the connection.
    pub(super) async fn next(&mut self) -> Option<RawFrame> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await.ok()?;
        let len = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; len as usize];
        self.0.read_exact(&mut payload).await.ok()?;
        Some(RawFrame {
            kind: head[3],
            flags: head[4],
            stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
            payload,
        })
    }

    /// Skips to the next frame of a kind.
    pub(super) async fn next_of(&mut self, kind: u8) -> Option<RawFrame> {
        loop {
            let frame = self.next().await?;
            if frame.kind == kind {
                return Some(frame);
            }
        }
    }
}

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).expect("short").to_be_bytes();
    let mut bytes = vec![len[1], len[2], len[3], kind, flags];
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// `GET http://a/<path>` in HPACK without the dynamic table.
pub(super) fn request(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_STREAM_END_HEADERS, stream, &get(path))
}

/// A request whose body is to follow.
pub(super) fn open_request(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &get(path))
}

/// A request whose headers are to go on in CONTINUATION frames.
pub(super) fn endless_headers(stream: u32) -> Vec<u8> {
    frame(HEADERS, 0, stream, &get("/"))
}

/// A request that announces a body and has none: an error of its stream, which the server must
/// reset.
pub(super) fn lying_request(stream: u32) -> Vec<u8> {
    let content_length_5 = [0x0f, 0x0d, 1, b'5'];
    let block = [get("/"), content_length_5.to_vec()].concat();
    frame(HEADERS, END_STREAM_END_HEADERS, stream, &block)
}

fn get(path: &str) -> Vec<u8> {
    let mut block = vec![0x82, 0x86, 0x01, 1, b'a', 0x04];
    block.push(u8::try_from(path.len()).expect("short"));
    block.extend_from_slice(path.as_bytes());
    block
}

pub(super) fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &8u32.to_be_bytes())
}
