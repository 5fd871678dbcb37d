//! Finds clients that send frames which make work and carry nothing.
//!
//! `h2` answers PING and SETTINGS by itself and shows neither. Their headers are counted on the
//! way in: each such frame costs credit, which comes back with time and with every byte that is
//! sent to the client. That is what gRPC does too: libraries probe the bandwidth with a PING for
//! the data they receive, as fast as the network allows.

use std::time::{Duration, Instant};

/// Bytes to send that pay for one frame. An event with its headers is larger; the answer to a
/// PING (17 bytes) doesn't pay for it.
const PRICE: u64 = 64;
const PREFACE: usize = 24;
const HEAD: usize = 9;

const DATA: u8 = 0;
const PRIORITY: u8 = 2;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;
/// END_STREAM of DATA and ACK of the others are the same bit.
const END_OR_ACK: u8 = 1;

/// How many frames without content a client may send.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowance {
    pub(super) burst: u32,
    pub(super) per_second: u32,
}

/// Follows the bytes of one connection.
#[derive(Debug)]
pub(super) struct Meter {
    head: [u8; HEAD],
    have: usize,
    /// Bytes until the next frame.
    skip: usize,
    allowance: Allowance,
    credit: u64,
    filled: Instant,
}

impl Meter {
    pub(super) fn new(allowance: Allowance, now: Instant) -> Self {
        Self {
            head: [0; HEAD],
            have: 0,
            skip: PREFACE,
            allowance,
            credit: u64::from(allowance.burst) * PRICE,
            filled: now,
        }
    }

    /// Notes bytes that were sent.
    pub(super) fn sent(&mut self, bytes: usize) {
        let most = u64::from(self.allowance.burst) * PRICE;
        self.credit = most.min(self.credit.saturating_add(bytes as u64));
    }

    /// Notes bytes that came in; false if the client has overdrawn. `now` is asked for only when
    /// there is something to pay.
    pub(super) fn received(&mut self, bytes: &[u8], now: impl FnOnce() -> Instant) -> bool {
        let frames = self.count(bytes);
        if frames == 0 {
            return true;
        }
        self.fill(now());
        match self.credit.checked_sub(frames * PRICE) {
            Some(rest) => {
                self.credit = rest;
                true
            }
            None => false,
        }
    }

    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.filled);
        let rate = u128::from(self.allowance.per_second) * u128::from(PRICE);
        let earned = passed.as_micros() * rate / Duration::from_secs(1).as_micros();
        if earned > 0 {
            self.filled = now;
            self.sent(usize::try_from(earned).unwrap_or(usize::MAX));
        }
    }

    /// How many frames without content begin in these bytes.
    fn count(&mut self, mut bytes: &[u8]) -> u64 {
        let mut count = 0;
        while !bytes.is_empty() {
            if self.skip > 0 {
                let skipped = self.skip.min(bytes.len());
                self.skip -= skipped;
                bytes = &bytes[skipped..];
                continue;
            }
            let taken = (HEAD - self.have).min(bytes.len());
            self.head[self.have..self.have + taken].copy_from_slice(&bytes[..taken]);
            self.have += taken;
            bytes = &bytes[taken..];
            if self.have == HEAD {
                self.have = 0;
                let [a, b, c, kind, flags, ..] = self.head;
                self.skip = u32::from_be_bytes([0, a, b, c]) as usize;
                count += u64::from(is_empty(kind, flags, self.skip));
            }
        }
        count
    }
}

fn is_empty(kind: u8, flags: u8, len: usize) -> bool {
    match kind {
        DATA => len == 0 && flags & END_OR_ACK == 0,
        PING | SETTINGS => flags & END_OR_ACK == 0,
        PRIORITY => true,
        kind => kind > CONTINUATION,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOWANCE: Allowance = Allowance {
        burst: 10,
        per_second: 5,
    };

    fn frame(kind: u8, flags: u8, len: u8) -> Vec<u8> {
        let mut frame = vec![0, 0, len, kind, flags, 0, 0, 0, 1];
        frame.resize(HEAD + usize::from(len), 0xff);
        frame
    }

    fn meter(now: Instant) -> Meter {
        let mut meter = Meter::new(ALLOWANCE, now);
        assert!(meter.received(&[6; PREFACE], || unreachable!("nothing to pay")));
        meter
    }

    #[test]
    fn counts_the_same_however_the_bytes_are_cut() {
        let frames = [
            (frame(PING, 0, 8), 1),
            (frame(PING, 1, 8), 0),
            (frame(SETTINGS, 0, 12), 1),
            (frame(SETTINGS, 1, 0), 0),
            (frame(DATA, 0, 0), 1),
            (frame(DATA, 1, 0), 0),
            (frame(DATA, 0, 200), 0),
            (frame(1, 4, 30), 0),
            (frame(8, 0, 4), 0),
            (frame(PRIORITY, 0, 5), 1),
            (frame(0x17, 0, 3), 1),
        ];
        let expected: u64 = frames.iter().map(|(_, count)| count).sum();
        let bytes: Vec<u8> = frames.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
        for size in 1..=bytes.len() {
            let mut meter = meter(Instant::now());
            let counted: u64 = bytes.chunks(size).map(|part| meter.count(part)).sum();
            assert_eq!(counted, expected, "in parts of {size}");
        }
    }

    #[test]
    fn a_flood_overdraws_and_time_and_traffic_pay() {
        let now = Instant::now();
        let ping = frame(PING, 0, 8);
        let burst = ping.repeat(10);
        let mut meter = meter(now);
        assert!(meter.received(&burst, || now));
        assert!(!meter.received(&ping, || now));
        let later = now + Duration::from_secs(1);
        assert!(meter.received(&ping.repeat(5), || later));
        assert!(!meter.received(&ping, || later));
        meter.sent(64);
        assert!(meter.received(&ping, || later));
        meter.sent(17 * 3);
        assert!(!meter.received(&ping, || later), "answers don't pay");
        let much_later = later + Duration::from_secs(3600);
        assert!(!meter.received(&ping.repeat(11), || much_later), "capped");
    }
}
