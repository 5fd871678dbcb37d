//! A subscriber that reads all the time, as real ones do, while a scenario goes on writing.

use informerd::proto::v1::{self, EventCause, EventType, frame::Frame};
use tokio::{sync::watch, task::JoinHandle};
use tonic::Status;

use crate::{
    request::Ask,
    subscriber::{Subscriber, number},
    world::World,
};

/// A stream that is being read.
pub struct Tail {
    pub started: v1::Started,
    name: String,
    fence: watch::Sender<u64>,
    task: JoinHandle<(Vec<Frame>, Option<Status>)>,
}

/// What a stream has shown after `Started`.
pub struct Read {
    pub name: String,
    pub frames: Vec<Frame>,
    /// How it ended, if the server ended it.
    pub end: Option<Status>,
}

impl Tail {
    /// Opens a stream that must begin, and reads on.
    pub async fn open(world: &World, name: &str, ask: &Ask) -> Self {
        let subscriber = world.watch(name, ask).await;
        Self::begin(subscriber).await
    }

    /// Reads a stream from its very beginning on.
    pub async fn begin(mut subscriber: Subscriber) -> Self {
        let started = subscriber.started().await;
        let (fence, told) = watch::channel(u64::MAX);
        Self {
            started,
            name: subscriber.name.clone(),
            fence,
            task: tokio::spawn(follow(subscriber, told)),
        }
    }

    /// Everything up to a version; stops reading there.
    pub async fn until(self, version: u64) -> Read {
        self.fence.send_replace(version);
        let (frames, end) = self.task.await.expect("reading does not panic");
        Read {
            name: self.name,
            frames,
            end,
        }
    }
}

/// Reads until the end, or until a frame says that everything up to the fence was told.
async fn follow(
    mut subscriber: Subscriber,
    mut fence: watch::Receiver<u64>,
) -> (Vec<Frame>, Option<Status>) {
    let mut frames = Vec::new();
    let mut reached = 0;
    loop {
        let told = fence.wait_for(|fence| *fence <= reached);
        let next = tokio::select! {
            // It can't fail: the sender outlives the task, or nobody wants its result.
            _ = told => return (frames, None),
            next = subscriber.next() => next,
        };
        match next {
            Ok(frame) => {
                reached = position(&frame).unwrap_or(reached);
                frames.push(frame);
            }
            Err(status) => return (frames, Some(status)),
        }
    }
}

/// What a frame says to have told completely.
fn position(frame: &Frame) -> Option<u64> {
    match frame {
        Frame::Event(event) if !event.resume_token.is_empty() => {
            Some(number(&event.resource_version))
        }
        Frame::SnapshotEnd(end) => Some(number(&end.resource_version)),
        Frame::Bookmark(bookmark) => Some(number(&bookmark.resource_version)),
        _ => None,
    }
}

impl Read {
    fn of(&self, wanted: impl Fn(&v1::Event) -> bool) -> Vec<(EventType, String)> {
        self.all()
            .filter(|event| wanted(event))
            .map(|event| (event.r#type(), event.name.clone()))
            .collect()
    }

    /// All events, those of snapshots too.
    pub fn all(&self) -> impl Iterator<Item = &v1::Event> {
        self.frames.iter().filter_map(|frame| match frame {
            Frame::Event(event) => Some(event),
            _ => None,
        })
    }

    /// Types and names of the snapshot's events.
    pub fn snapshot(&self) -> Vec<(EventType, String)> {
        self.of(|event| event.cause() == EventCause::Snapshot)
    }

    /// Types and names of all other events.
    pub fn changes(&self) -> Vec<(EventType, String)> {
        self.of(|event| event.cause() != EventCause::Snapshot)
    }

    /// The versions of all events outside of snapshots.
    pub fn versions(&self) -> Vec<u64> {
        self.all()
            .filter(|event| event.cause() != EventCause::Snapshot)
            .map(|event| number(&event.resource_version))
            .collect()
    }

    /// The ends of snapshots.
    pub fn snapshot_ends(&self) -> Vec<&v1::SnapshotEnd> {
        let ends = self.frames.iter().filter_map(|frame| match frame {
            Frame::SnapshotEnd(end) => Some(end),
            _ => None,
        });
        ends.collect()
    }

    /// The reasons of resets.
    pub fn resets(&self) -> Vec<v1::ResetReason> {
        let resets = self.frames.iter().filter_map(|frame| match frame {
            Frame::Reset(reset) => Some(reset.reason()),
            _ => None,
        });
        resets.collect()
    }
}
