//! Where a server can listen: a TCP address or a unix socket.

use std::{fmt, net::SocketAddr, path::PathBuf, str::FromStr};

/// What to listen on: `IP:PORT`, or `unix:/path`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A TCP address; port 0 stands for any that is free.
    Tcp(SocketAddr),
    /// An absolute path.
    Unix(PathBuf),
}

/// The text is no address to listen on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no address to listen on: write IP:PORT, or unix: and an absolute path")]
pub struct AddressError(String);

impl Address {
    /// Whether only this machine reaches it.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let refuse = || AddressError(text.to_owned());
        let Some(path) = text.strip_prefix("unix:") else {
            return text.parse().map(Self::Tcp).map_err(|_| refuse());
        };
        // `unix:///path` is the same in gRPC's naming.
        let path = path.strip_prefix("//").unwrap_or(path);
        let path = PathBuf::from(path);
        if !path.is_absolute() || path.file_name().is_none() {
            return Err(refuse());
        }
        Ok(Self::Unix(path))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_addresses_and_says_them_again() {
        for (text, shown, local) in [
            ("127.0.0.1:7300", "127.0.0.1:7300", true),
            ("[::1]:0", "[::1]:0", true),
            ("[::ffff:127.0.0.1]:1", "[::ffff:127.0.0.1]:1", true),
            ("0.0.0.0:7300", "0.0.0.0:7300", false),
            ("[::]:7300", "[::]:7300", false),
            ("unix:/run/a.sock", "unix:/run/a.sock", true),
            ("unix:///run/a.sock", "unix:/run/a.sock", true),
        ] {
            let address: Address = text.parse().expect(text);
            assert_eq!(address.to_string(), shown);
            assert_eq!(address.is_local(), local, "{text}");
        }
        for text in [
            "",
            "7300",
            "localhost:7300",
            "unix:",
            "unix:a.sock",
            "unix:/",
            "unix://host",
        ] {
            let error = text.parse::<Address>().expect_err(text).to_string();
            assert!(error.starts_with(&format!("`{text}` is no")), "{error}");
        }
    }
}
