//! Addresses of daemons as people write them.

use std::{net::IpAddr, path::PathBuf};

use http::Uri;

use super::ConnectError;

/// Where a daemon listens that was told nothing else.
const USUAL_PORT: u16 = 7300;

/// How a daemon is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    Http(Uri),
    Https(Uri),
    Unix(PathBuf),
}

impl Address {
    /// `http://` may be left out of the address, and with it the port 7300.
    pub(super) fn parse(text: &str) -> Result<Self, ConnectError> {
        Self::read(text).ok_or_else(|| ConnectError::Address {
            address: text.to_owned(),
        })
    }

    fn read(text: &str) -> Option<Self> {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = PathBuf::from(path.strip_prefix("//").unwrap_or(path));
            let named = path.is_absolute() && path.file_name().is_some();
            return named.then_some(Self::Unix(path));
        }
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        let uri: Uri = match scheme {
            "" => format!("http://{rest}").parse().ok()?,
            _ => text.parse().ok()?,
        };
        let authority = uri.authority()?;
        let beyond = !matches!(uri.path(), "" | "/") || uri.query().is_some();
        if authority.host().is_empty() || authority.as_str().contains('@') || beyond {
            return None;
        }
        // An empty or a wrong port is no port.
        if uri.port().is_none() && authority.as_str() != authority.host() {
            return None;
        }
        match (scheme, uri.port()) {
            ("", None) => {
                let full = format!("http://{authority}:{USUAL_PORT}");
                full.parse().ok().map(Self::Http)
            }
            ("" | "http", _) => Some(Self::Http(uri)),
            ("https", _) => Some(Self::Https(uri)),
            _ => None,
        }
    }

    /// Whether nobody between the two ends can read along: by TLS, or because they are on one
    /// machine.
    pub(super) fn is_protected(&self) -> bool {
        let Self::Http(uri) = self else {
            return true;
        };
        let host = uri.host().unwrap_or_default();
        let ip = host.trim_start_matches('[').trim_end_matches(']').parse();
        host == "localhost" || ip.is_ok_and(|ip: IpAddr| ip.is_loopback())
    }

    /// What requests name as their origin. A socket has no name of its own.
    pub(super) fn uri(&self) -> Uri {
        match self {
            Self::Http(uri) | Self::Https(uri) => uri.clone(),
            Self::Unix(_) => Uri::from_static("http://localhost"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_where_a_token_is_safe() {
        for (text, safe) in [
            ("http://127.0.0.1:7300", true),
            ("[::1]", true),
            ("localhost", true),
            ("https://informerd.tools.svc", true),
            ("unix:/run/a.sock", true),
            ("http://10.0.0.1:7300", false),
            ("informerd.tools.svc", false),
            ("http://localhost.example.com:80", false),
            ("http://127.0.0.1.example.com", false),
        ] {
            let address = Address::parse(text).expect(text);
            assert_eq!(address.is_protected(), safe, "{text}");
        }
    }

    #[test]
    fn takes_addresses_as_people_write_them() {
        for (text, full) in [
            ("http://127.0.0.1:7300", "http://127.0.0.1:7300/"),
            ("127.0.0.1:7300", "http://127.0.0.1:7300/"),
            ("127.0.0.1:80", "http://127.0.0.1:80/"),
            ("informerd.tools.svc", "http://informerd.tools.svc:7300/"),
            ("[::1]", "http://[::1]:7300/"),
            ("http://[::1]:7300", "http://[::1]:7300/"),
            ("http://127.0.0.1", "http://127.0.0.1/"),
            ("https://127.0.0.1:7300/", "https://127.0.0.1:7300/"),
            ("https://informerd", "https://informerd/"),
        ] {
            let address = Address::parse(text).expect(text);
            assert_eq!(address.uri().to_string(), full, "{text}");
            let secure = matches!(address, Address::Https(_));
            assert_eq!(secure, text.starts_with("https:"), "{text}");
        }
        for text in ["unix:/run/a.sock", "unix:///run/a.sock"] {
            let expected = Address::Unix("/run/a.sock".into());
            assert_eq!(Address::parse(text).expect(text), expected);
        }
        for text in [
            "",
            "http://",
            "two words",
            "informerd.tools.svc:",
            "informerd:port",
            "ftp://informerd",
            "http://me@informerd",
            "http://informerd/path",
            "unix:",
            "unix:relative",
            "unix:/",
        ] {
            let error = Address::parse(text).expect_err(text).to_string();
            assert!(error.starts_with(&format!("`{text}` is no")), "{error}");
        }
    }
}
