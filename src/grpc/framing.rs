//! What must hold of a call before anyone looks at its message, and the refusals of the library
//! below in the words of this API.

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use tonic::{Code, Status, body::Body};

use super::status::{explained, refuse};
use crate::proto::codec::malformed;

/// Largest request message. Filters are limited to a fraction of it.
pub(super) const REQUEST_BYTES: usize = 64 * 1024;

/// The answer to a call that can't be read at all.
pub(super) fn refused(headers: &HeaderMap) -> Option<Response<Body>> {
    if !is_grpc(headers) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Some(response);
    }
    match headers.get("grpc-encoding").map(HeaderValue::as_bytes) {
        None | Some(b"identity") => None,
        Some(_) => {
            let message = "requests must not be compressed";
            let mut response = refuse(Code::Unimplemented, "COMPRESSION", message).into_http();
            let accepted = HeaderValue::from_static("identity");
            response
                .headers_mut()
                .insert("grpc-accept-encoding", accepted);
            Some(response)
        }
    }
}

/// The gRPC specification: anything else is answered with 415.
fn is_grpc(headers: &HeaderMap) -> bool {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .map_or(&b""[..], |value| value.as_bytes());
    content_type == b"application/grpc"
        || content_type.starts_with(b"application/grpc+")
        || content_type.starts_with(b"application/grpc;")
}

/// Gives the refusals that never reached a service their reason. `tonic` tells them apart by code
/// alone, but for one: a compressed message without an encoding, which is INTERNAL by the gRPC
/// specification, where a missing or cut message is the caller's mistake.
pub(super) fn explain(response: Response<Body>) -> Response<Body> {
    let Some(status) = Status::from_header_map(response.headers()) else {
        return response;
    };
    if explained(&status) {
        return response;
    }
    let message = match status.code() {
        Code::Unimplemented => {
            let message = "there is no such method; reflection tells those that there are";
            return refuse(Code::Unimplemented, "UNKNOWN_METHOD", message).into_http();
        }
        Code::OutOfRange => {
            let message = format!("the request is larger than {} KiB", REQUEST_BYTES / 1024);
            return refuse(Code::OutOfRange, "MESSAGE_TOO_LARGE", message).into_http();
        }
        Code::Internal => status.message(),
        _ => return response,
    };
    if message.contains("compress") {
        let message = "the message is marked as compressed, and the call names no encoding";
        return refuse(Code::Internal, "COMPRESSION", message).into_http();
    }
    incomplete().into_http()
}

/// A call without a whole message.
pub(super) fn incomplete() -> Status {
    malformed("is missing or incomplete; send one whole message")
}
