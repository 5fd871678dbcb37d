//! One row of bad input: a call, and what every refusal of it must hold.

use informerd::proto::v1::{
    self, object_service_client::ObjectServiceClient, watch_service_client::WatchServiceClient,
};
use tonic::{Code, Status, transport::Channel};
use tonic_types::StatusExt as _;

use crate::subscriber::code_name;

/// Longest sentence that a person reads to its end.
const SENTENCE: usize = 512;
/// Longest piece of a caller's own words in it.
const ECHO: usize = 128;

/// A call that may be refused.
#[derive(Debug, Clone)]
pub enum Call {
    Watch(v1::WatchRequest),
    Get(v1::GetObjectRequest),
    List(v1::ListObjectsRequest),
}

impl Call {
    /// Makes it; of a stream only the first message counts.
    pub async fn make(self, channel: &Channel) -> Result<(), Status> {
        let mut objects = ObjectServiceClient::new(channel.clone());
        match self {
            Self::Watch(request) => {
                let mut client = WatchServiceClient::new(channel.clone());
                let mut stream = client.watch(request).await?.into_inner();
                stream.message().await.map(drop)
            }
            Self::Get(request) => objects.get_object(request).await.map(drop),
            Self::List(request) => objects.list_objects(request).await.map(drop),
        }
    }

    /// All three kinds of calls about a resource.
    pub fn about(resource: &v1::GroupVersionResource) -> [Self; 3] {
        let resource = Some(resource.clone());
        [
            Self::Watch(v1::WatchRequest {
                resource: resource.clone(),
                ..Default::default()
            }),
            Self::Get(v1::GetObjectRequest {
                resource: resource.clone(),
                name: "name".into(),
                ..Default::default()
            }),
            Self::List(v1::ListObjectsRequest {
                resource,
                ..Default::default()
            }),
        ]
    }

    /// Both kinds of calls that take a filter.
    pub fn filtered(resource: v1::GroupVersionResource, filter: v1::Filter) -> [Self; 2] {
        let (resource, filter) = (Some(resource), Some(filter));
        [
            Self::Watch(v1::WatchRequest {
                resource: resource.clone(),
                filter: filter.clone(),
                ..Default::default()
            }),
            Self::List(v1::ListObjectsRequest {
                resource,
                filter,
                ..Default::default()
            }),
        ]
    }
}

/// How a call must be refused.
#[derive(Debug, Clone, Copy)]
pub struct Refusal {
    pub code: Code,
    pub reason: &'static str,
    /// Path of the field to blame; empty where none is.
    pub field: &'static str,
}

/// INVALID_ARGUMENT with its reason and field.
pub const fn invalid(reason: &'static str, field: &'static str) -> Refusal {
    Refusal {
        code: Code::InvalidArgument,
        reason,
        field,
    }
}

/// Another code with its reason.
pub const fn refused(code: Code, reason: &'static str) -> Refusal {
    Refusal {
        code,
        reason,
        field: "",
    }
}

/// Makes a call that must be refused; `input` is what is wrong in it. Gives the text.
pub async fn check(channel: &Channel, call: Call, input: &str, expected: Refusal) -> String {
    let shown: String = format!("{call:?}").chars().take(400).collect();
    match call.make(channel).await {
        Ok(()) => panic!("accepted: {shown}"),
        Err(status) => {
            judge(&status, input, expected).unwrap_or_else(|wrong| {
                panic!("{wrong}\n  answer: {status:?}\n  call: {shown}");
            });
            status.message().to_owned()
        }
    }
}

/// Makes a call that must be accepted.
pub async fn accepted(channel: &Channel, call: Call) {
    let shown: String = format!("{call:?}").chars().take(400).collect();
    if let Err(status) = call.make(channel).await {
        panic!("refused: {status:?}\n  call: {shown}");
    }
}

/// What is wrong with a refusal, if anything is.
pub fn judge(status: &Status, input: &str, expected: Refusal) -> Result<(), String> {
    if status.code() != expected.code {
        return Err(format!("not {}", code_name(expected.code)));
    }
    let details = status.get_error_details();
    let info = details.error_info().ok_or("no ErrorInfo")?;
    if (info.reason.as_str(), info.domain.as_str()) != (expected.reason, "informerd") {
        return Err(format!("ErrorInfo is not {}", expected.reason));
    }
    let violations = details.bad_request().map(|b| b.field_violations.as_slice());
    let fields: Vec<&str> = violations
        .unwrap_or_default()
        .iter()
        .map(|violation| violation.field.as_str())
        .collect();
    let blamed = Vec::from_iter((!expected.field.is_empty()).then_some(expected.field));
    if fields != blamed {
        return Err(format!("blames {fields:?}, not {blamed:?}"));
    }
    let waits = matches!(status.code(), Code::Unavailable | Code::ResourceExhausted);
    if waits && details.retry_info().is_none() {
        return Err("no RetryInfo".into());
    }
    sentence(status.message(), input)
}

/// Whether a text is a short lowercase sentence that repeats little of the input.
pub fn sentence(text: &str, input: &str) -> Result<(), String> {
    if text.is_empty() || text.len() > SENTENCE {
        return Err(format!("the message has {} bytes", text.len()));
    }
    if text.starts_with(char::is_uppercase) || text.ends_with('.') {
        return Err("the message is no lowercase sentence without full stop".into());
    }
    if text.chars().any(char::is_control) {
        return Err("the message holds control characters".into());
    }
    let mut pieces = text.as_bytes().windows(ECHO + 1);
    let contains = |piece: &[u8]| input.as_bytes().windows(ECHO + 1).any(|own| own == piece);
    if input.len() > ECHO && pieces.any(contains) {
        return Err("the message repeats more than 128 bytes of the input".into());
    }
    Ok(())
}
