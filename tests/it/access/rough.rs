//! Requests in bytes, so that their headers can be what no library would send.

use tokio::io::{AsyncRead, AsyncWrite};

use crate::raw::{DATA, GOAWAY, HEADERS, RST_STREAM, Raw, frame};

/// A header as it stands in HPACK, without its tables.
fn literal(name: &[u8], value: &[u8]) -> Vec<u8> {
    [&[0], &text(name)[..], &text(value)].concat()
}

fn text(bytes: &[u8]) -> Vec<u8> {
    [&length(bytes.len())[..], bytes].concat()
}

/// RFC 7541, 5.1, with a prefix of seven bits.
fn length(number: usize) -> Vec<u8> {
    let Some(mut rest) = number.checked_sub(127) else {
        return vec![u8::try_from(number).expect("below 127")];
    };
    let mut bytes = vec![127];
    while rest >= 128 {
        bytes.push(u8::try_from(rest % 128).expect("seven bits") | 128);
        rest /= 128;
    }
    bytes.push(u8::try_from(rest).expect("seven bits"));
    bytes
}

/// A call with just these headers, in their order, and one message.
pub fn call(headers: &[(&[u8], &[u8])], message: &[u8]) -> Vec<u8> {
    let block: Vec<_> = headers
        .iter()
        .map(|(name, value)| literal(name, value))
        .collect();
    let (end_headers, end_stream) = (4, 1);
    [
        frame(HEADERS, end_headers, 1, &block.concat()),
        frame(DATA, end_stream, 1, message),
    ]
    .concat()
}

/// What became of a call.
#[derive(Debug, PartialEq, Eq)]
pub enum Fate {
    /// Reset, or its connection ended.
    Reset,
    /// Headers and nothing else: a refusal.
    Refused,
    /// There is a message.
    Answered,
}

/// Makes a call on a connection of its own.
pub async fn fate<IO>(io: IO, call: &[u8]) -> Fate
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let mut raw = Raw::over(io, &[]).await;
    raw.send(call).await;
    let mut headers = false;
    loop {
        match raw.next().await {
            Some(frame) if frame.kind == HEADERS => {
                headers = true;
                if frame.flags & 1 == 1 {
                    return Fate::Refused;
                }
            }
            Some(frame) if frame.kind == DATA => return Fate::Answered,
            Some(frame) if [RST_STREAM, GOAWAY].contains(&frame.kind) => return Fate::Reset,
            Some(_) => {}
            None => {
                assert!(!headers, "an answer without an end");
                return Fate::Reset;
            }
        }
    }
}
