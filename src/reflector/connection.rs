//! One open watch: bytes in, batches of decoded lines out.

use std::time::Duration;

use futures::FutureExt as _;
use http_body_util::BodyExt as _;
use kube::client::Body;
use tokio::time::{Instant, timeout_at};

use super::{
    ReflectorOptions, ReflectorStats, Sink,
    decode::Decoder,
    lines::Lines,
    machine::{End, Input},
};

/// A batch ends after this many bytes even if more could be read without waiting, so that a burst
/// reaches readers while it is still going on.
const BATCH: usize = 1 << 20;

/// A watch-list must be complete after this many times its deadline.
const DEADLINES: u32 = 10;

/// A watch that the server has accepted.
pub(super) struct Connection {
    body: Body,
    lines: Lines,
    opened: Instant,
    heard: Instant,
    /// When the line that isn't complete yet began.
    partial: Option<Instant>,
    /// The end was met while draining; it is told after the lines before it.
    end: Option<End>,
}

/// Who hears of what a connection brings.
pub(super) struct Ears<'a> {
    pub(super) decoder: &'a Decoder,
    pub(super) options: &'a ReflectorOptions,
    pub(super) sink: &'a dyn Sink,
    pub(super) stats: &'a ReflectorStats,
}

impl Connection {
    pub(super) fn new(body: Body, max_line: usize) -> Self {
        let now = Instant::now();
        Self {
            body,
            lines: Lines::new(max_line),
            opened: now,
            heard: now,
            partial: None,
            end: None,
        }
    }

    /// Reads until at least one line is complete, or the connection is over. `initial`: the
    /// deadline of the initial state holds.
    ///
    /// Cancel safe: what was read stays.
    pub(super) async fn read(&mut self, initial: bool, ears: &Ears<'_>) -> Input {
        loop {
            if let Some(end) = self.end {
                return self.ended(end);
            }
            let (limit, meaning) = self.limit(initial, ears.options);
            match timeout_at(limit, self.body.frame()).await {
                Err(_) => return self.ended(meaning),
                Ok(frame) => self.take(frame, ears),
            };
            self.drain(ears);
            let lines = self.decode(ears);
            if !lines.is_empty() {
                let lived = self.lived();
                return Input::Lines { lines, lived };
            }
        }
    }

    /// When this connection is given up, and what that means.
    fn limit(&self, initial: bool, options: &ReflectorOptions) -> (Instant, End) {
        // A line that drips in is as dead as silence: both get the same time.
        let idle = self.partial.unwrap_or(self.heard) + options.idle_limit;
        if !initial {
            return (idle, End::Idle);
        }
        let silent = self.heard + options.initial_deadline;
        let whole = self.opened + options.initial_deadline * DEADLINES;
        (silent.min(whole).min(idle), End::InitialDeadline)
    }

    /// Takes what can be had without waiting.
    fn drain(&mut self, ears: &Ears<'_>) {
        let mut bytes = 0;
        while bytes < BATCH && self.end.is_none() {
            let Some(frame) = self.body.frame().now_or_never() else {
                return;
            };
            bytes += self.take(frame, ears);
        }
    }

    fn take(
        &mut self,
        frame: Option<Result<http_body::Frame<bytes::Bytes>, kube::Error>>,
        ears: &Ears<'_>,
    ) -> usize {
        let data = match frame {
            None => {
                self.end = Some(End::Closed);
                return 0;
            }
            Some(Err(error)) => {
                tracing::debug!(%error, "a watch broke");
                self.end = Some(End::Broken);
                return 0;
            }
            Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
        };
        if !data.is_empty() {
            self.heard = Instant::now();
            ears.sink.heard();
            ears.stats.count_bytes(data.len());
            self.lines.push(&data);
        }
        data.len()
    }

    fn decode(&mut self, ears: &Ears<'_>) -> Vec<super::machine::Line> {
        let mut lines = Vec::new();
        while let Some(line) = self.lines.next_line().transpose() {
            let event = line.and_then(|line| ears.decoder.line(&line));
            let failed = event.is_err();
            if let Ok(event) = &event {
                ears.stats.count_line(event);
            }
            lines.push(event);
            if failed {
                break;
            }
        }
        self.partial = match self.partial {
            Some(since) if lines.is_empty() => Some(since),
            _ => self.lines.is_partial().then_some(self.heard),
        };
        lines
    }

    fn ended(&self, end: End) -> Input {
        if self.lines.is_partial() {
            tracing::debug!("a watch ended in the middle of a line");
        }
        let lived = self.lived();
        Input::Ended { end, lived }
    }

    fn lived(&self) -> Duration {
        self.opened.elapsed()
    }
}
