//! A subscriber: reads one stream frame by frame and records all of it.

use std::{collections::VecDeque, time::Duration};

use informerd::proto::v1::{self, frame::Frame, watch_service_client::WatchServiceClient};
use informerd_support::{recorder::StreamRecorder, trace};
use tonic::{Request, Status, Streaming, transport::Channel};
use tonic_types::StatusExt as _;

use crate::request::Ask;

/// Longest wait for a frame that must come. Bookmarks come each second, so silence is an error
/// much sooner than this.
const PATIENCE: Duration = Duration::from_secs(60);

/// One stream.
pub struct Subscriber {
    pub name: String,
    stream: Streaming<v1::WatchResponse>,
    frames: VecDeque<v1::Frame>,
    recorder: Option<StreamRecorder>,
    token: Option<String>,
}

impl Subscriber {
    /// Opens a stream.
    pub async fn open(
        name: &str,
        channel: Channel,
        ask: &Ask,
        recorder: StreamRecorder,
    ) -> Result<Self, Status> {
        let mut client = WatchServiceClient::new(channel).max_decoding_message_size(64 << 20);
        let mut request = Request::new(ask.message.clone());
        if let Some(token) = &ask.shown {
            let value = format!("Bearer {token}").parse().expect("a header");
            request.metadata_mut().insert("authorization", value);
        }
        let opened = client.watch(request).await;
        match opened {
            Ok(response) => Ok(Self {
                name: name.to_owned(),
                stream: response.into_inner(),
                frames: VecDeque::new(),
                recorder: Some(recorder),
                token: None,
            }),
            Err(status) => {
                recorder.end(end(&status));
                Err(status)
            }
        }
    }

    /// The next frame, or how the stream ended.
    pub async fn next(&mut self) -> Result<Frame, Status> {
        loop {
            if let Some(frame) = self.frames.pop_front() {
                let Some(frame) = frame.frame else { continue };
                self.record(&frame);
                return Ok(frame);
            }
            let message = tokio::time::timeout(PATIENCE, self.stream.message())
                .await
                .unwrap_or_else(|_| panic!("{}: nothing for {PATIENCE:?}", self.name));
            match message {
                Ok(Some(message)) => self.frames.extend(message.frames),
                Ok(None) => return Err(self.ended(Status::ok(""))),
                Err(status) => return Err(self.ended(status)),
            }
        }
    }

    fn record(&mut self, frame: &Frame) {
        let frame = traced(frame);
        let token = match &frame {
            trace::Frame::Event(event) => &event.token,
            trace::Frame::SnapshotEnd { token, .. } | trace::Frame::Bookmark { token, .. } => token,
            trace::Frame::Reset { .. } => {
                self.token = None;
                ""
            }
            _ => "",
        };
        if !token.is_empty() {
            self.token = Some(token.to_owned());
        }
        if let Some(recorder) = &mut self.recorder {
            recorder.push(frame);
        }
    }

    fn ended(&mut self, status: Status) -> Status {
        if let Some(recorder) = self.recorder.take() {
            recorder.end(end(&status));
        }
        status
    }

    /// The next frame; the stream must not end.
    pub async fn frame(&mut self) -> Frame {
        let name = self.name.clone();
        self.next()
            .await
            .unwrap_or_else(|status| panic!("{name}: the stream ended: {status}"))
    }

    /// The next event; passes over bookmarks and news of upstream.
    pub async fn event(&mut self) -> v1::Event {
        loop {
            match self.frame().await {
                Frame::Event(event) => return event,
                Frame::Bookmark(_) | Frame::UpstreamState(_) | Frame::Started(_) => {}
                other => panic!("{}: an event was expected, not {other:?}", self.name),
            }
        }
    }

    /// The next event, which must be this one.
    pub async fn expect(&mut self, kind: v1::EventType, name: &str, version: u64) -> v1::Event {
        let event = self.event().await;
        let got = (
            event.r#type(),
            event.name.as_str(),
            event.resource_version.as_str(),
        );
        assert_eq!(
            got,
            (kind, name, version.to_string().as_str()),
            "{}",
            self.name
        );
        event
    }

    /// `Started`.
    pub async fn started(&mut self) -> v1::Started {
        match self.frame().await {
            Frame::Started(started) => started,
            other => panic!("{}: Started was expected, not {other:?}", self.name),
        }
    }

    /// Reads up to the end of a snapshot; gives its objects.
    pub async fn snapshot(&mut self) -> (Vec<v1::Event>, v1::SnapshotEnd) {
        let mut objects = Vec::new();
        loop {
            match self.frame().await {
                Frame::Event(event) => {
                    assert_eq!(event.cause(), v1::EventCause::Snapshot, "{}", self.name);
                    objects.push(event);
                }
                Frame::SnapshotEnd(end) => return (objects, end),
                Frame::Started(_) | Frame::UpstreamState(_) | Frame::Reset(_) => {}
                other => panic!("{}: unexpected in a snapshot: {other:?}", self.name),
            }
        }
    }

    /// Reads until a bookmark says that nothing up to `version` is missing; no event may come.
    pub async fn quiet_until(&mut self, version: u64) {
        loop {
            match self.frame().await {
                Frame::Bookmark(bookmark) if number(&bookmark.resource_version) >= version => {
                    return;
                }
                Frame::Bookmark(_) | Frame::UpstreamState(_) => {}
                other => panic!("{}: nothing was expected, but {other:?}", self.name),
            }
        }
    }

    /// Reads all events until everything up to `version` was told.
    pub async fn events_until(&mut self, version: u64) -> Vec<v1::Event> {
        let mut events = Vec::new();
        loop {
            match self.frame().await {
                Frame::Event(event) => {
                    let reached = number(&event.resource_version) >= version;
                    events.push(event);
                    if reached {
                        return events;
                    }
                }
                Frame::Bookmark(bookmark) if number(&bookmark.resource_version) >= version => {
                    return events;
                }
                _ => {}
            }
        }
    }

    /// Reads to the end of the stream, whatever comes before.
    pub async fn end(&mut self) -> Status {
        loop {
            if let Err(status) = self.next().await {
                return status;
            }
        }
    }

    /// The newest token that was handed out.
    pub fn token(&self) -> String {
        self.token
            .clone()
            .unwrap_or_else(|| panic!("{}: no token yet", self.name))
    }
}

/// A resourceVersion as the number that it is on both kinds of clusters.
pub fn number(version: &str) -> u64 {
    version
        .parse()
        .unwrap_or_else(|_| panic!("{version:?} is no number"))
}

/// `ErrorInfo.reason` of a status.
pub fn reason(status: &Status) -> String {
    status
        .get_error_details()
        .error_info()
        .map_or_else(String::new, |info| info.reason.clone())
}

fn end(status: &Status) -> trace::End {
    trace::End {
        code: code_name(status.code()).to_owned(),
        reason: reason(status),
        message: status.message().to_owned(),
    }
}

/// The name of a code as the specification writes it.
pub fn code_name(code: tonic::Code) -> &'static str {
    use tonic::Code;
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// The part of an enum value's name behind its prefix.
fn value(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_owned()
}

fn traced(frame: &Frame) -> trace::Frame {
    match frame {
        Frame::Started(started) => trace::Frame::Started {
            outcome: value(started.outcome().as_str_name(), "START_OUTCOME_"),
            epoch: started.epoch.clone(),
        },
        Frame::Event(event) => trace::Frame::Event(trace::Event {
            kind: value(event.r#type().as_str_name(), "EVENT_TYPE_"),
            cause: value(event.cause().as_str_name(), "EVENT_CAUSE_"),
            namespace: event.namespace.clone(),
            name: event.name.clone(),
            uid: event.uid.clone(),
            version: number(&event.resource_version),
            token: event.resume_token.clone(),
            object: String::from_utf8(event.object.to_vec()).expect("json is text"),
            old_object: String::from_utf8(event.old_object.to_vec()).expect("json is text"),
        }),
        Frame::SnapshotEnd(end) => trace::Frame::SnapshotEnd {
            version: number(&end.resource_version),
            token: end.resume_token.clone(),
            count: end.count,
        },
        Frame::Bookmark(bookmark) => trace::Frame::Bookmark {
            version: number(&bookmark.resource_version),
            token: bookmark.resume_token.clone(),
        },
        Frame::Reset(reset) => trace::Frame::Reset {
            reason: value(reset.reason().as_str_name(), "RESET_REASON_"),
            epoch: reset.epoch.clone(),
        },
        Frame::UpstreamState(state) => {
            trace::Frame::UpstreamState(value(state.health().as_str_name(), "UPSTREAM_HEALTH_"))
        }
        Frame::Draining(_) => trace::Frame::Draining,
    }
}
