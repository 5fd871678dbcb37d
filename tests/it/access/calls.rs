//! Calls to the daemon with a token, or without one.

use std::{collections::VecDeque, time::Duration};

use informerd::proto::v1::{
    self, frame::Frame, object_service_client::ObjectServiceClient,
    resource_service_client::ResourceServiceClient, watch_service_client::WatchServiceClient,
};
use tonic::{
    Request, Status, Streaming,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::Channel,
};

use crate::request::Ask;

/// Longest wait for a frame or an end that must come.
const PATIENCE: Duration = Duration::from_secs(90);

/// Shows a token with every call.
#[derive(Clone)]
pub struct Show(Option<MetadataValue<Ascii>>);

impl Interceptor for Show {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.0 {
            request
                .metadata_mut()
                .insert("authorization", value.clone());
        }
        Ok(request)
    }
}

/// A connection on which somebody calls.
#[derive(Clone)]
pub struct Line(pub InterceptedService<Channel, Show>);

impl Line {
    pub fn new(channel: &Channel, token: Option<&str>) -> Self {
        let value = token.map(|token| format!("Bearer {token}").parse().expect("a header"));
        Self(InterceptedService::new(channel.clone(), Show(value)))
    }

    /// Opens a stream; accepted means that it has started.
    pub async fn watch(&self, ask: &Ask) -> Result<Stream, Status> {
        let mut client = WatchServiceClient::new(self.0.clone());
        let stream = client.watch(ask.message.clone()).await?.into_inner();
        let mut stream = Stream {
            stream,
            frames: VecDeque::new(),
        };
        match stream.next().await? {
            Frame::Started(_) => Ok(stream),
            other => panic!("the first frame is {other:?}"),
        }
    }

    pub async fn get(&self, request: v1::GetObjectRequest) -> Result<v1::Object, Status> {
        let mut client = ObjectServiceClient::new(self.0.clone());
        let answer = client.get_object(request).await?.into_inner();
        Ok(answer.object.expect("an object"))
    }

    pub async fn list(
        &self,
        request: v1::ListObjectsRequest,
    ) -> Result<v1::ListObjectsResponse, Status> {
        let mut client = ObjectServiceClient::new(self.0.clone());
        Ok(client.list_objects(request).await?.into_inner())
    }

    pub async fn resources(&self) -> Result<Vec<v1::Resource>, Status> {
        let answer = ResourceServiceClient::new(self.0.clone())
            .list_resources(v1::ListResourcesRequest {})
            .await?;
        Ok(answer.into_inner().resources)
    }
}

/// A stream that has started.
pub struct Stream {
    stream: Streaming<v1::WatchResponse>,
    frames: VecDeque<v1::Frame>,
}

impl Stream {
    /// The next frame, or how the stream ended.
    pub async fn next(&mut self) -> Result<Frame, Status> {
        loop {
            if let Some(frame) = self.frames.pop_front() {
                let Some(frame) = frame.frame else { continue };
                return Ok(frame);
            }
            let message = tokio::time::timeout(PATIENCE, self.stream.message()).await;
            match message.expect("a frame in time")? {
                Some(message) => self.frames.extend(message.frames),
                None => return Err(Status::ok("")),
            }
        }
    }

    /// Reads a snapshot: the names, and the token behind it.
    pub async fn snapshot(&mut self) -> Result<(Vec<String>, String), Status> {
        let mut names = Vec::new();
        loop {
            match self.next().await? {
                Frame::Event(event) => names.push(event.name),
                Frame::SnapshotEnd(end) => return Ok((names, end.resume_token)),
                _ => {}
            }
        }
    }

    /// The next event; an end is an error.
    pub async fn event(&mut self) -> Result<v1::Event, Status> {
        loop {
            if let Frame::Event(event) = self.next().await? {
                return Ok(event);
            }
        }
    }

    /// Waits for the word that upstream is degraded; no event may come before.
    pub async fn degraded(&mut self) {
        loop {
            match self.next().await.expect("the stream goes on") {
                Frame::UpstreamState(state) if state.health() == v1::UpstreamHealth::Degraded => {
                    return;
                }
                Frame::Event(event) => panic!("not to be seen: {event:?}"),
                _ => {}
            }
        }
    }

    /// The next bookmark's version; no event may come before.
    pub async fn bookmark(&mut self) -> String {
        loop {
            match self.next().await.expect("the stream goes on") {
                Frame::Bookmark(bookmark) => return bookmark.resource_version,
                Frame::Event(event) => panic!("not to be seen: {event:?}"),
                _ => {}
            }
        }
    }

    /// Reads on until the end: the events before it, and how it ended.
    pub async fn end(&mut self) -> (Vec<v1::Event>, Status) {
        let mut events = Vec::new();
        loop {
            match self.event().await {
                Ok(event) => events.push(event),
                Err(status) => return (events, status),
            }
        }
    }
}
