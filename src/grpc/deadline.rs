//! Deadlines that callers set by `grpc-timeout`.
//!
//! Callers keep their own deadlines and reset the stream; this one frees what a caller waits for
//! when the reset gets lost on the way, for example in a proxy.

use std::{future::Future, pin::pin, time::Duration};

use http::{HeaderMap, Response};
use tokio::time::{Instant, sleep_until, timeout_at};
use tonic::{Code, Status, body::Body};

use super::{bounded::until, status::refuse};
use crate::transport::Fate;

/// Whoever waits longer has no deadline.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// Answers a call within the deadline that its headers name, if they name one. Whoever hears its
/// fate is told of one that is over.
pub(super) async fn within<F, E>(
    timeout: Option<Duration>,
    fate: Fate,
    call: F,
) -> Result<Response<Body>, E>
where
    F: Future<Output = Result<Response<Body>, E>>,
{
    let Some(timeout) = timeout else {
        return call.await;
    };
    let deadline = Instant::now() + timeout;
    let mut call = pin!(call);
    match timeout_at(deadline, call.as_mut()).await {
        Ok(response) => Ok(response?.map(|body| {
            until(body, async move {
                sleep_until(deadline).await;
                exceeded(&fate)
            })
        })),
        Err(_) => Ok(exceeded(&fate).into_http()),
    }
}

/// The `grpc-timeout` of the gRPC specification: up to eight digits and a unit. What is malformed
/// is no deadline.
pub(super) fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let fits = (1..=8).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    let number: u64 = fits.then(|| digits.parse().ok())??;
    let timeout = match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    };
    (timeout <= LONGEST).then_some(timeout)
}

/// Told before the call or its body is dropped.
fn exceeded(fate: &Fate) -> Status {
    fate.end("deadline");
    let message = "the deadline of the call is over";
    refuse(Code::DeadlineExceeded, "DEADLINE_EXCEEDED", message)
}

#[cfg(test)]
mod tests {
    use http_body::Frame;
    use http_body_util::BodyExt as _;

    use super::*;

    const SOON: Duration = Duration::from_millis(1);

    #[test]
    fn reads_what_the_specification_allows() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", text.parse().expect("a header"));
            timeout(&headers)
        };
        assert_eq!(timeout(&HeaderMap::new()), None);
        assert_eq!(read("1H"), Some(Duration::from_secs(3600)));
        assert_eq!(read("20M"), Some(Duration::from_secs(1200)));
        assert_eq!(read("3S"), Some(Duration::from_secs(3)));
        assert_eq!(read("200m"), Some(Duration::from_millis(200)));
        assert_eq!(read("7u"), Some(Duration::from_micros(7)));
        assert_eq!(read("0n"), Some(Duration::ZERO));
        for odd in [
            "",
            "S",
            "5",
            "-1S",
            "+1S",
            "1s",
            "123456789S",
            "99999999H",
            "1 S",
        ] {
            assert_eq!(read(odd), None, "{odd:?}");
        }
    }

    async fn ends(timeout: Duration, body: Body) -> HeaderMap {
        let call = async { Ok::<_, Status>(Response::new(body)) };
        let response = within(Some(timeout), Fate::default(), call)
            .await
            .expect("answered");
        let collected = response.into_body().collect().await.expect("whole");
        collected.trailers().cloned().unwrap_or_default()
    }

    #[tokio::test]
    async fn a_stream_ends_at_its_deadline() {
        let endless = Body::new(http_body_util::StreamBody::new(futures::stream::pending::<
            Result<Frame<bytes::Bytes>, Status>,
        >()));
        let trailers = ends(SOON, endless).await;
        let status = Status::from_header_map(&trailers).expect("a status");
        assert_eq!(status.code(), Code::DeadlineExceeded);
        assert!(ends(SOON, Body::empty()).await.is_empty());
    }

    #[tokio::test]
    async fn a_wait_ends_at_its_deadline() {
        let call = std::future::pending::<Result<Response<Body>, Status>>();
        let response = within(Some(SOON), Fate::default(), call).await;
        let headers = response.expect("answered").headers().clone();
        let status = Status::from_header_map(&headers).expect("a status");
        assert_eq!(status.code(), Code::DeadlineExceeded);
    }
}
