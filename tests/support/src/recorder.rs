//! Collects what many concurrent subscribers receive into one `Run`, so that validators can judge
//! it afterwards, also from a file.

mod file;

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

pub use file::{LoadError, load, save};

use crate::trace::{End, Filter, Frame, Run, Start, StreamTrace, Truth, UpstreamRequest};

/// Collects streams; clones share one collection.
#[derive(Debug, Clone)]
pub struct Recorder {
    begun: Instant,
    streams: Arc<Mutex<Vec<Option<StreamTrace>>>>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new()
    }
}

impl Recorder {
    /// A recorder whose run begins now.
    #[must_use]
    pub fn new() -> Self {
        Self::since(Instant::now())
    }

    /// A recorder whose run began at `begun`; give the upstream's record the same instant.
    #[must_use]
    pub fn since(begun: Instant) -> Self {
        Self {
            begun,
            streams: Arc::default(),
        }
    }

    /// Time since the start of the run.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Begins to record one stream. Its place in the run is that of this call.
    #[must_use]
    pub fn stream(
        &self,
        subscriber: &str,
        filter: Filter,
        start: Start,
        bookmark_interval: Duration,
    ) -> StreamRecorder {
        let mut streams = self.streams.lock();
        streams.push(None);
        let trace = StreamTrace {
            subscriber: subscriber.to_owned(),
            filter,
            start,
            bookmark_interval,
            frames: Vec::new(),
            end: None,
            timeout: None,
            ended: None,
        };
        StreamRecorder {
            recorder: self.clone(),
            place: streams.len() - 1,
            trace: Some(trace),
        }
    }

    /// The streams that have ended or were dropped so far, in the order in which they began,
    /// together with the truth and the upstream's record. A stream that is still open isn't
    /// part of it.
    #[must_use]
    pub fn run(&self, truth: Truth, requests: Vec<UpstreamRequest>) -> Run {
        let streams = self.streams.lock().iter().flatten().cloned().collect();
        Run {
            truth,
            requests,
            streams,
            ..Run::default()
        }
    }
}

/// Records one stream; what it holds is saved when it ends or is dropped.
#[derive(Debug)]
pub struct StreamRecorder {
    recorder: Recorder,
    place: usize,
    trace: Option<StreamTrace>,
}

impl StreamRecorder {
    /// Notes the planned length that was asked for.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.open().timeout = Some(timeout);
        self
    }

    /// Notes a frame as received now.
    pub fn push(&mut self, frame: Frame) {
        let now = self.recorder.elapsed();
        self.open().frames.push((now, frame));
    }

    /// The last token received; what to resume from.
    #[must_use]
    pub fn last_token(&self) -> Option<String> {
        let frames = &self
            .trace
            .as_ref()
            .expect("a stream is open until it ends")
            .frames;
        frames.iter().rev().find_map(|(_, frame)| match frame {
            Frame::Event(event) if !event.token.is_empty() => Some(event.token.clone()),
            Frame::SnapshotEnd { token, .. } | Frame::Bookmark { token, .. } => Some(token.clone()),
            _ => None,
        })
    }

    /// The stream ended with this status.
    pub fn end(mut self, end: End) {
        self.open().end = Some(end);
    }

    fn open(&mut self) -> &mut StreamTrace {
        self.trace.as_mut().expect("a stream is open until it ends")
    }
}

impl Drop for StreamRecorder {
    fn drop(&mut self) {
        if let Some(mut trace) = self.trace.take() {
            trace.ended = Some(self.recorder.elapsed());
            self.recorder.streams.lock()[self.place] = Some(trace);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_kept_in_order_also_when_dropped() {
        let recorder = Recorder::new();
        let stream = |name| {
            recorder.stream(
                name,
                Filter::default(),
                Start::Snapshot,
                Duration::from_secs(1),
            )
        };
        let (first, mut second) = (stream("first"), stream("second"));
        second.push(Frame::Bookmark {
            version: 4,
            token: "t4".into(),
        });
        second.push(Frame::Draining);
        assert_eq!(second.last_token().as_deref(), Some("t4"));
        std::thread::spawn(move || drop(second))
            .join()
            .expect("the thread ends");
        assert_eq!(recorder.run(Truth::default(), vec![]).streams.len(), 1);
        first.end(End {
            code: "OK".into(),
            reason: String::new(),
            message: String::new(),
        });
        let run = recorder.run(Truth::default(), vec![]);
        let names: Vec<_> = run
            .streams
            .iter()
            .map(|stream| stream.subscriber.as_str())
            .collect();
        assert_eq!(names, ["first", "second"]);
        assert_eq!(run.streams[1].frames.len(), 2);
    }
}
