//! The protobuf codec of this package's services.
//!
//! Differs from `tonic_prost`'s in two ways: a message that can't be decoded is the caller's
//! mistake (INVALID_ARGUMENT, not INTERNAL), and no call reserves more memory than it needs.

use std::marker::PhantomData;

use prost::Message;
use tonic::{
    Code, Status,
    codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
};
use tonic_types::{ErrorDetails, StatusExt as _};

/// Bytes reserved for a call's messages; grows as needed.
const BUFFER: usize = 512;
/// Encoded bytes that are sent without waiting for more.
const YIELD: usize = 16 * 1024;

/// Encodes `T`, decodes `U`.
#[derive(Debug)]
pub struct StrictCodec<T, U> {
    kinds: PhantomData<(T, U)>,
}

impl<T, U> Default for StrictCodec<T, U> {
    fn default() -> Self {
        Self { kinds: PhantomData }
    }
}

impl<T, U> Codec for StrictCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = StrictEncoder<T>;
    type Decoder = StrictDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        StrictEncoder { kind: PhantomData }
    }

    fn decoder(&mut self) -> Self::Decoder {
        StrictDecoder::default()
    }
}

/// Encodes `T`.
#[derive(Debug)]
pub struct StrictEncoder<T> {
    kind: PhantomData<T>,
}

impl<T: Message> Encoder for StrictEncoder<T> {
    type Item = T;
    type Error = Status;

    fn encode(&mut self, item: T, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        item.encode(buffer).expect("the buffer grows as needed");
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(BUFFER, YIELD)
    }
}

/// Decodes `U`.
#[derive(Debug)]
pub struct StrictDecoder<U> {
    kind: PhantomData<U>,
}

impl<U> Default for StrictDecoder<U> {
    fn default() -> Self {
        Self { kind: PhantomData }
    }
}

impl<U: Message + Default> Decoder for StrictDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        U::decode(buffer)
            .map(Some)
            .map_err(|error| undecodable(&error))
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(BUFFER, YIELD)
    }
}

fn undecodable(error: &prost::DecodeError) -> Status {
    malformed(format!(
        "is not valid protobuf of the expected type: {error}"
    ))
}

/// INVALID_ARGUMENT about a message as a whole.
pub fn malformed(description: impl Into<String>) -> Status {
    const WHOLE: &str = "message";
    let description = description.into();
    let text = format!("{WHOLE}: {description}");
    let mut details = ErrorDetails::new();
    details.add_bad_request_violation(WHOLE, description);
    details.set_error_info("MALFORMED_MESSAGE", "informerd", []);
    Status::with_error_details(Code::InvalidArgument, text, details)
}
