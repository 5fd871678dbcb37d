//! Which part of TLS failed, in one sentence each.

use std::{error::Error, io, path::PathBuf};

use rustls::{AlertDescription, CertificateError, InvalidMessage};

/// Why there is no trust between a client and a daemon. The subject of each sentence is the
/// daemon, unless it names a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsFailure {
    /// A file can't be read.
    #[error("cannot read {}: {why}", .path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// A file isn't what it should be.
    #[error("{} holds no {what} in PEM that can be used", .path.display())]
    Unusable {
        /// Which file.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
    },
    /// The files of the client's certificate don't belong together.
    #[error("{} is not the key of the certificate in {}", .key.display(), .certificate.display())]
    Mismatch {
        /// The key's file.
        key: PathBuf,
        /// The certificate's file.
        certificate: PathBuf,
    },
    /// The machine trusts nobody.
    #[error("this machine has no certificates of authorities; name a CA file")]
    NoRoots,
    /// The name of the server is none.
    #[error("`{name}` is no name that a certificate can be for; set the server name")]
    Name {
        /// As it was given, or the address's host.
        name: String,
    },
    /// The daemon's certificate leads to nobody whom the client trusts.
    #[error("its certificate is of an unknown authority; name the right CA file")]
    UnknownAuthority,
    /// The daemon's certificate is for another name.
    #[error(
        "its certificate is not for this name{other}; use one of its names, or set the server name"
    )]
    WrongName {
        /// The names that it is for, with the words around them; or nothing.
        other: String,
    },
    /// The daemon's certificate is too old.
    #[error("its certificate has expired")]
    Expired,
    /// The daemon's certificate is too new.
    #[error("its certificate is not valid yet; compare the clocks")]
    NotYetValid,
    /// The daemon's certificate is of no use for another reason.
    #[error("its certificate cannot be trusted: {0}")]
    Untrusted(String),
    /// The daemon doesn't accept the client's certificate, or wants one.
    #[error("it refuses the client certificate ({0})")]
    ClientRefused(String),
    /// The daemon speaks plaintext.
    #[error("it speaks no tls; use an `http://` address")]
    Plaintext,
    /// The daemon speaks TLS, and the client doesn't.
    #[error("it speaks tls; use an `https://` address")]
    Expected,
    /// What answers is no daemon.
    #[error("it speaks no http/2, so it is no informerd")]
    NoHttp2,
    /// The daemon hung up.
    #[error("it closed the connection during the tls handshake")]
    Closed,
    /// Anything else.
    #[error("the tls handshake failed: {0}")]
    Other(String),
}

impl TlsFailure {
    /// Looks for one in an error and what lies below it.
    pub(super) fn within(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(failure) = error.downcast_ref::<Self>() {
                return Some(failure.clone());
            }
            if let Some(error) = error.downcast_ref::<rustls::Error>() {
                return Some(Self::of(error));
            }
            // `source` of an io::Error leaves out what it was made of.
            let inner = error
                .downcast_ref::<io::Error>()
                .and_then(io::Error::get_ref);
            next = match inner {
                Some(inner) => Some(inner),
                None => error.source(),
            };
        }
        None
    }

    /// What a handshake ended with.
    pub(super) fn handshake(error: &io::Error) -> Self {
        match Self::within(error) {
            Some(failure) => failure,
            None if error.kind() == io::ErrorKind::UnexpectedEof => Self::Closed,
            None => Self::Other(error.kind().to_string()),
        }
    }

    fn of(error: &rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidCertificate(error) => Self::certificate(error),
            rustls::Error::AlertReceived(alert) => Self::alert(*alert),
            rustls::Error::InvalidMessage(
                InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
            ) => Self::Plaintext,
            other => Self::Other(other.to_string()),
        }
    }

    fn certificate(error: &CertificateError) -> Self {
        match error {
            CertificateError::UnknownIssuer => Self::UnknownAuthority,
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Self::NotYetValid
            }
            CertificateError::NotValidForName => Self::WrongName {
                other: String::new(),
            },
            CertificateError::NotValidForNameContext { presented, .. } => Self::WrongName {
                other: names(presented),
            },
            other => Self::Untrusted(other.to_string()),
        }
    }

    fn alert(alert: AlertDescription) -> Self {
        match alert {
            AlertDescription::NoApplicationProtocol => Self::NoHttp2,
            AlertDescription::CertificateRequired => Self::ClientRefused("none was sent".into()),
            AlertDescription::UnknownCA => Self::ClientRefused("unknown authority".into()),
            AlertDescription::CertificateExpired => Self::ClientRefused("expired".into()),
            AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            | AlertDescription::AccessDenied
            | AlertDescription::DecryptError => {
                Self::ClientRefused(format!("{alert:?}").to_lowercase())
            }
            other => Self::Other(format!("{other:?}").to_lowercase()),
        }
    }
}

/// The names of a certificate as rustls writes them: `DnsName("a")`, `IpAddress(127.0.0.1)`.
fn names(presented: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown = presented.iter().take(SHOWN).map(|name| {
        let inner = name.split_once('(').map_or(&**name, |(_, inner)| inner);
        inner.trim_end_matches(')').trim_matches('"')
    });
    match presented.len() {
        0 => String::new(),
        _ => format!(" but for {}", shown.collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_failure_below_the_layers() {
        let rustls = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let error = io::Error::new(io::ErrorKind::InvalidData, rustls);
        let outer = io::Error::other(error);
        assert_eq!(
            TlsFailure::within(&outer),
            Some(TlsFailure::UnknownAuthority)
        );
        assert_eq!(TlsFailure::within(&io::Error::other("something")), None);
        let eof = io::Error::new(io::ErrorKind::UnexpectedEof, "tls handshake eof");
        assert_eq!(TlsFailure::handshake(&eof), TlsFailure::Closed);
    }

    #[test]
    fn shows_the_names_of_a_certificate() {
        let presented = ["DnsName(\"a.b\")".to_owned(), "IpAddress(127.0.0.1)".into()];
        assert_eq!(names(&presented), " but for a.b, 127.0.0.1");
        assert_eq!(names(&[]), "");
    }
}
