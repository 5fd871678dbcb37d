//! By whom questions are counted.

use std::net::{IpAddr, Ipv6Addr};

/// On whose behalf a question is asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::access) enum Asker {
    /// A user who is known, by name.
    User(Box<str>),
    /// Whoever is at this address and has not been recognised; of IPv6 a network of 64 bits, which
    /// is given out as a whole.
    Host(IpAddr),
    /// Whoever is on this machine.
    Local,
}

impl Asker {
    pub(in crate::access) fn user(name: &str) -> Self {
        Self::User(name.into())
    }

    /// Somebody at an address; without one, on a unix socket.
    pub(in crate::access) fn at(address: Option<IpAddr>) -> Self {
        match address.map(|address| address.to_canonical()) {
            None => Self::Local,
            Some(IpAddr::V4(address)) => Self::Host(address.into()),
            Some(IpAddr::V6(address)) => {
                let network = Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX));
                Self::Host(network.into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_64_bits_is_one_asker() {
        let at = |text: &str| Asker::at(Some(text.parse().expect("an address")));
        assert_eq!(at("2001:db8::1"), at("2001:db8::2:3"));
        assert_ne!(at("2001:db8::1"), at("2001:db8:0:1::1"));
        assert_eq!(at("::ffff:10.0.0.1"), at("10.0.0.1"));
        assert_ne!(at("10.0.0.1"), at("10.0.0.2"));
        assert_ne!(at("10.0.0.1"), Asker::at(None));
    }
}
