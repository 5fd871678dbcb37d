//! The account of one stream: what it was, what it was given, and how it ended.

use std::collections::VecDeque;

use super::{Counters, audit::Trail, counters::EndLabels, frames::Echo, origin::Origin};
use crate::access::StreamSlot;

/// Keeps account of a stream, until it ends in whatever way.
pub(super) struct Account {
    pub(super) counters: Counters,
    origin: Origin,
    pub(super) echo: Echo,
    /// How the stream itself says that it ends.
    reason: Option<&'static str>,
    tally: Tally,
    _slot: StreamSlot,
}

impl Account {
    pub(super) fn open(counters: Counters, origin: Origin, echo: Echo, slot: StreamSlot) -> Self {
        counters.open.inc();
        let account = Self {
            counters,
            origin,
            echo,
            reason: None,
            tally: Tally::default(),
            _slot: slot,
        };
        account.trail().begins();
        account
    }

    /// Notes a message with so many events that the transport will take.
    pub(super) fn message(&mut self, bytes: usize, events: u64) {
        self.tally.settle(self.origin.fate.delivered());
        self.tally.take(bytes, events);
    }

    /// Notes how the stream ends, if nothing comes between.
    pub(super) fn ends(&mut self, reason: &'static str) {
        self.reason = Some(reason);
    }

    fn trail(&self) -> Trail<'_> {
        Trail {
            origin: &self.origin,
            gvr: &self.echo.gvr,
            query: &self.echo.query,
        }
    }

    /// What the transport knows comes first: a stream that was about to end may have been cut.
    fn reason(&self) -> &'static str {
        let known = self.origin.fate.reason().or(self.reason);
        known.unwrap_or(match std::thread::panicking() {
            true => "panic",
            false => "shutdown",
        })
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.tally.settle(self.origin.fate.delivered());
        self.counters.open.dec();
        let reason = self.reason();
        let labels = EndLabels { reason };
        self.counters.ended.get_or_create(&labels).inc();
        self.trail().ends(reason, self.tally.delivered);
    }
}

/// Counts the events of messages that were handed over to their last byte. Holds those of one step
/// of the transport.
#[derive(Debug, Default)]
struct Tally {
    /// Bytes taken so far.
    taken: u64,
    /// Where messages with events end, and how many events they have.
    in_hand: VecDeque<(u64, u64)>,
    delivered: u64,
}

impl Tally {
    fn take(&mut self, bytes: usize, events: u64) {
        self.taken += bytes as u64;
        if events > 0 {
            self.in_hand.push_back((self.taken, events));
        }
    }

    /// `bytes` were handed over in all.
    fn settle(&mut self, bytes: u64) {
        while let Some((end, events)) = self.in_hand.front()
            && *end <= bytes
        {
            self.delivered += events;
            self.in_hand.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_count_when_their_message_is_whole() {
        let mut tally = Tally::default();
        tally.take(10, 0);
        tally.take(100, 3);
        tally.take(50, 2);
        for (bytes, delivered) in [(0, 0), (109, 0), (110, 3), (159, 3), (160, 5)] {
            tally.settle(bytes);
            assert_eq!(tally.delivered, delivered, "after {bytes} bytes");
        }
        tally.take(1, 1);
        tally.settle(160);
        assert_eq!((tally.delivered, tally.in_hand.len()), (5, 1));
        tally.settle(161);
        assert_eq!((tally.delivered, tally.in_hand.len()), (6, 0));
    }
}
