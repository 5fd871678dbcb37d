//! Who may open one more connection: caps on all of them and on those of one address, and on how
//! fast one address may come.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Instant,
};

use parking_lot::Mutex;

use super::{Limits, Remote};

/// Counts open connections.
#[derive(Debug)]
pub(super) struct Admission {
    open: Arc<Mutex<Open>>,
    total: usize,
    per_source: usize,
    pace: Pace,
}

/// How fast one address may come: so many each second, and so many at once after a pause.
#[derive(Debug, Clone, Copy)]
struct Pace {
    per_second: f64,
    burst: f64,
}

/// Addresses are looked through for those that are long gone when there are so many.
const SWEEP: usize = 1_024;
/// Seconds of the pace that may be taken at once.
const BURST: f64 = 10.0;

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error("as many connections are open as may be")]
    Full,
    #[error("the address has as many connections as one may have")]
    Source,
    #[error("the address opens connections faster than one may")]
    Pace,
}

/// The place of one connection, free again when dropped.
#[derive(Debug)]
pub(super) struct Place {
    open: Arc<Mutex<Open>>,
    source: Option<Source>,
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    of: HashMap<Source, Visits>,
    sweep_at: usize,
}

/// What one address has open, and how many more it may open, as of `at`.
#[derive(Debug)]
struct Visits {
    open: usize,
    credit: f64,
    at: Instant,
}

/// Whom connections count against. In IPv6 a network of 64 bits: it is given out as a whole, and
/// whoever has one has all its addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Source {
    V4(Ipv4Addr),
    V6([u8; 8]),
}

impl Source {
    /// `None` for unix sockets, whose file says who may connect.
    fn of(remote: Remote) -> Option<Self> {
        let Remote::Tcp(address) = remote else {
            return None;
        };
        Some(match address.ip().to_canonical() {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => {
                let [a, b, c, d, e, f, g, h, ..] = address.octets();
                Self::V6([a, b, c, d, e, f, g, h])
            }
        })
    }
}

impl Pace {
    fn of(per_second: u32) -> Self {
        let per_second = match per_second {
            0 => f64::INFINITY,
            some => some.into(),
        };
        Self {
            per_second,
            burst: per_second * BURST,
        }
    }
}

impl Visits {
    fn new(pace: Pace, now: Instant) -> Self {
        Self {
            open: 0,
            credit: pace.burst,
            at: now,
        }
    }

    fn credit(&self, pace: Pace, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        // Of an infinite pace no time is nothing, not nothing times infinity.
        let earned = if passed > 0.0 {
            passed * pace.per_second
        } else {
            0.0
        };
        (self.credit + earned).min(pace.burst)
    }
}

impl Open {
    /// Forgets addresses that have nothing open and might as well be new.
    fn sweep(&mut self, pace: Pace, now: Instant) {
        if self.of.len() < self.sweep_at.max(SWEEP) {
            return;
        }
        self.of
            .retain(|_, visits| visits.open > 0 || visits.credit(pace, now) < pace.burst);
        self.sweep_at = 2 * self.of.len();
    }
}

impl Admission {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            open: Arc::default(),
            total: limits.max_connections,
            per_source: limits.max_connections_per_address,
            pace: Pace::of(limits.max_connections_per_second),
        }
    }

    /// Takes a place.
    pub(super) fn admit(&self, remote: Remote, now: Instant) -> Result<Place, Refused> {
        let source = Source::of(remote);
        let mut open = self.open.lock();
        if open.total >= self.total {
            return Err(Refused::Full);
        }
        if let Some(source) = source {
            open.sweep(self.pace, now);
            let fresh = || Visits::new(self.pace, now);
            let visits = open.of.entry(source).or_insert_with(fresh);
            if visits.open >= self.per_source {
                return Err(Refused::Source);
            }
            visits.credit = visits.credit(self.pace, now);
            visits.at = now;
            if visits.credit < 1.0 {
                return Err(Refused::Pace);
            }
            visits.credit -= 1.0;
            visits.open += 1;
        }
        open.total += 1;
        drop(open);
        Ok(Place {
            open: Arc::clone(&self.open),
            source,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.open.lock();
        open.total -= 1;
        let visits = self.source.and_then(|source| open.of.get_mut(&source));
        if let Some(visits) = visits {
            visits.open -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn tcp(address: &str) -> Remote {
        Remote::Tcp((address.parse::<IpAddr>().expect(address), 1).into())
    }

    #[test]
    fn an_address_has_its_share_and_a_network_of_ipv6_is_one() {
        let admission = Admission::new(&Limits {
            max_connections: 6,
            max_connections_per_address: 2,
            ..Limits::default()
        });
        let now = Instant::now();
        let admit = |remote| admission.admit(remote, now);
        let held = [
            admit(tcp("10.0.0.1")).expect("free"),
            admit(tcp("::ffff:10.0.0.1")).expect("free"),
            admit(tcp("2001:db8::1")).expect("free"),
            admit(tcp("2001:db8::ffff:1")).expect("free"),
        ];
        for more in ["10.0.0.1", "::ffff:10.0.0.1", "2001:db8:0:0:9::"] {
            assert_eq!(admit(tcp(more)).expect_err(more), Refused::Source);
        }
        let others = [
            admit(Remote::Unix).expect("exempt"),
            admit(tcp("10.0.0.2")).expect("another"),
        ];
        assert_eq!(admit(Remote::Unix).expect_err("full"), Refused::Full);
        drop(held);
        let again = [tcp("10.0.0.1"), tcp("2001:db8:0:0:9::"), Remote::Unix].map(admit);
        assert!(again.iter().all(Result::is_ok), "{again:?}");
        drop((others, again));
        let open = admission.open.lock();
        let held: usize = open.of.values().map(|visits| visits.open).sum();
        assert_eq!((open.total, held), (0, 0), "nothing is kept");
    }

    fn paced(per_second: u32) -> Admission {
        Admission::new(&Limits {
            max_connections_per_second: per_second,
            ..Limits::default()
        })
    }

    #[test]
    fn an_address_that_comes_too_fast_waits_and_no_other_pays_for_it() {
        let (admission, now) = (paced(20), Instant::now());
        let visit = |address, at| admission.admit(tcp(address), at).map(drop);
        for _ in 0..200 {
            visit("10.0.0.1", now).expect("within the burst");
        }
        assert_eq!(visit("10.0.0.1", now), Err(Refused::Pace));
        assert_eq!(visit("10.0.0.2", now), Ok(()));
        assert!(admission.admit(Remote::Unix, now).is_ok(), "exempt");
        let later = now + Duration::from_millis(50);
        assert_eq!(visit("10.0.0.1", later), Ok(()));
        assert_eq!(visit("10.0.0.1", later), Err(Refused::Pace));
    }

    #[test]
    fn without_a_pace_nobody_waits() {
        let (admission, now) = (paced(0), Instant::now());
        for step in 0..5_000 {
            let at = now + Duration::from_micros(step / 2);
            let visit = admission.admit(tcp("10.0.0.1"), at);
            assert!(visit.is_ok(), "{visit:?}");
        }
    }

    #[test]
    fn addresses_that_are_gone_are_forgotten() {
        let (admission, now) = (paced(20), Instant::now());
        let visit = |number: u32, at| {
            let address = IpAddr::from(Ipv4Addr::from_bits(number));
            admission.admit(Remote::Tcp((address, 1).into()), at)
        };
        let stays = visit(0, now).expect("free");
        for number in 1..u32::try_from(SWEEP).expect("small") {
            drop(visit(number, now));
        }
        assert_eq!(admission.open.lock().of.len(), SWEEP);
        drop(visit(u32::MAX, now + Duration::from_secs(1)));
        assert_eq!(admission.open.lock().of.len(), 2, "who stays, and who came");
        drop(stays);
    }
}
