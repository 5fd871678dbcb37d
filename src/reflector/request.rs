//! Requests to an apiserver, without retries, and their answers as they are.

use std::{fmt::Write as _, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use kube::client::Body;

use super::decode::status;
use crate::resource::{ResourceVersion, Source, Status};

/// Longest body of an error that is read.
const MAX_ERROR: usize = 1 << 20;

/// Longest body of a list that is read.
pub(super) const MAX_PAGE: usize = 1 << 30;

pub(super) const JSON: &str = "application/json";

/// What a server said.
pub(super) enum Answer {
    /// 200, and the body to come.
    Accepted(Response<Body>),
    /// Anything else.
    Refused(Status),
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum RequestError {
    #[error("the request can't be written: {0}")]
    Invalid(#[from] http::Error),
    #[error("{0}")]
    Client(#[from] kube::Error),
    #[error("no answer within {0:?}")]
    Slow(Duration),
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
}

/// Asks for `uri`, a path with its query. `limit`: how long response headers may take.
pub(super) async fn get(
    client: &kube::Client,
    uri: &str,
    accept: &str,
    limit: Duration,
) -> Result<Answer, RequestError> {
    let request = Request::get(uri)
        .header(header::ACCEPT, accept)
        // A compressed watch can only be read member by member (kube-rs/kube#2079).
        .header(header::ACCEPT_ENCODING, "identity")
        .body(Body::empty())?;
    let response = within(limit, client.send(request)).await??;
    let encoding = response.headers().get(header::CONTENT_ENCODING);
    if encoding.is_some_and(|encoding| encoding != "identity") {
        return Ok(Answer::Refused(Status {
            message: "the answer is encoded although identity was asked for".to_owned(),
            ..Status::default()
        }));
    }
    if response.status() == StatusCode::OK {
        return Ok(Answer::Accepted(response));
    }
    let (head, body) = response.into_parts();
    let retry_after = head.headers.get(header::RETRY_AFTER);
    let retry_after = retry_after.and_then(|value| value.to_str().ok());
    // The code alone decides most; a body that doesn't come must not hide it.
    let body = read(body, limit, MAX_ERROR, |_| ())
        .await
        .unwrap_or_default();
    Ok(Answer::Refused(status(
        head.status.as_u16(),
        retry_after,
        &body,
    )))
}

/// Reads a whole body. `idle`: the longest time between two pieces; `heard` is told of each.
pub(super) async fn read(
    mut body: Body,
    idle: Duration,
    cap: usize,
    mut heard: impl FnMut(&[u8]),
) -> Result<Bytes, RequestError> {
    let mut all = BytesMut::new();
    while let Some(frame) = within(idle, body.frame()).await? {
        if let Ok(data) = frame?.into_data() {
            heard(&data);
            if all.len() + data.len() > cap {
                return Err(RequestError::TooLong(cap));
            }
            all.extend_from_slice(&data);
        }
    }
    Ok(all.freeze())
}

/// Asks for `uri` and reads the answer.
pub(super) async fn get_all(
    client: &kube::Client,
    uri: &str,
    accept: &str,
    limit: Duration,
) -> Result<Result<Bytes, Status>, RequestError> {
    match get(client, uri, accept, limit).await? {
        Answer::Accepted(response) => {
            let body = read(response.into_body(), limit, MAX_PAGE, |_| ()).await?;
            Ok(Ok(body))
        }
        Answer::Refused(status) => Ok(Err(status)),
    }
}

/// A refusal in a few words, without the server's message: that may name objects.
pub(super) fn describe(status: &Status) -> String {
    if status.reason.is_empty() {
        format!("status {}", status.code)
    } else {
        format!("status {} {}", status.code, status.reason)
    }
}

async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Result<T, RequestError> {
    tokio::time::timeout(limit, work)
        .await
        .map_err(|_| RequestError::Slow(limit))
}

/// The query of a list.
#[derive(Default)]
pub(super) struct ListQuery<'a> {
    pub(super) limit: Option<u32>,
    pub(super) continue_token: Option<&'a str>,
    /// With `resourceVersionMatch=Exact`. Not to be combined with `continue_token`.
    pub(super) exact: Option<&'a ResourceVersion>,
}

pub(super) fn list_uri(source: &Source, query: &ListQuery<'_>) -> String {
    let mut uri = Uri::new(source);
    if let Some(limit) = query.limit {
        uri.pair("limit", &limit.to_string());
    }
    if let Some(token) = query.continue_token {
        uri.pair("continue", token);
    }
    if let Some(version) = query.exact {
        uri.pair("resourceVersion", &version.to_string());
        uri.pair("resourceVersionMatch", "Exact");
    }
    uri.text
}

/// `from`: `None` for a watch-list. `timeout` is rounded up to whole seconds.
pub(super) fn watch_uri(
    source: &Source,
    from: Option<&ResourceVersion>,
    timeout: Duration,
) -> String {
    let mut uri = Uri::new(source);
    uri.pair("watch", "true");
    uri.pair("allowWatchBookmarks", "true");
    if let Some(from) = from {
        uri.pair("resourceVersion", &from.to_string());
    } else {
        uri.pair("sendInitialEvents", "true");
        uri.pair("resourceVersionMatch", "NotOlderThan");
    }
    let seconds = timeout.as_millis().div_ceil(1000).max(1);
    uri.pair("timeoutSeconds", &seconds.to_string());
    uri.text
}

struct Uri {
    text: String,
    first: bool,
}

impl Uri {
    fn new(source: &Source) -> Self {
        Self {
            text: source.collection_path(),
            first: true,
        }
    }

    fn pair(&mut self, key: &str, value: &str) {
        self.text.push(if self.first { '?' } else { '&' });
        self.first = false;
        self.text.push_str(key);
        self.text.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                self.text.push(char::from(byte));
            } else {
                write!(self.text, "%{byte:02X}").expect("a string takes all writes");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        reflector::testing::{pods, source},
        resource::{Gvr, Reach, ResourceInfo},
    };

    #[test]
    fn uris_are_what_the_apiserver_knows() {
        let pods = source(&pods());
        assert_eq!(
            list_uri(
                &pods,
                &ListQuery {
                    limit: Some(500),
                    continue_token: Some("a+b/c=&"),
                    exact: None,
                }
            ),
            "/api/v1/pods?limit=500&continue=a%2Bb%2Fc%3D%26"
        );
        let info = ResourceInfo {
            gvr: Gvr::new("apps", "v1", "deployments"),
            ..super::super::testing::pods()
        };
        let reach = Reach::parse(&["shop"]).expect("valid");
        let deployments = reach.source(&info, &["shop"]).expect("served");
        let version = ResourceVersion::new("7");
        let exact = ListQuery {
            exact: Some(&version),
            ..ListQuery::default()
        };
        assert_eq!(
            list_uri(&deployments, &exact),
            "/apis/apps/v1/namespaces/shop/deployments\
             ?resourceVersion=7&resourceVersionMatch=Exact"
        );
        assert_eq!(
            watch_uri(&pods, Some(&version), Duration::from_millis(300_001)),
            "/api/v1/pods?watch=true&allowWatchBookmarks=true&resourceVersion=7&timeoutSeconds=301"
        );
        assert_eq!(
            watch_uri(&pods, None, Duration::from_secs(5)),
            "/api/v1/pods?watch=true&allowWatchBookmarks=true&sendInitialEvents=true\
             &resourceVersionMatch=NotOlderThan&timeoutSeconds=5"
        );
    }
}
