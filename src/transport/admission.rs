//! Who may open one more connection: caps on all of them and on those of one address.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use parking_lot::Mutex;

use super::{Limits, Remote};

/// Counts open connections.
#[derive(Debug)]
pub(super) struct Admission {
    open: Arc<Mutex<Open>>,
    total: usize,
    per_source: usize,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error("as many connections are open as may be")]
    Full,
    #[error("the address has as many connections as one may have")]
    Source,
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
    of: HashMap<Source, usize>,
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

impl Admission {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            open: Arc::default(),
            total: limits.max_connections,
            per_source: limits.max_connections_per_address,
        }
    }

    /// Takes a place.
    pub(super) fn admit(&self, remote: Remote) -> Result<Place, Refused> {
        let source = Source::of(remote);
        let mut open = self.open.lock();
        if open.total >= self.total {
            return Err(Refused::Full);
        }
        if let Some(source) = source {
            let count = open.of.get(&source).copied().unwrap_or(0);
            if count >= self.per_source {
                return Err(Refused::Source);
            }
            open.of.insert(source, count + 1);
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
        let entry = self.source.map(|source| open.of.entry(source));
        if let Some(Entry::Occupied(mut count)) = entry {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
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
        let admit = |remote| admission.admit(remote);
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
        assert_eq!((open.total, open.of.len()), (0, 0), "nothing is kept");
    }
}
