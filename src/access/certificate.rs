//! From a client certificate to a user: CN is the name, every O a group.
//!
//! As `CommonNameUserConversion` in apiserver's `pkg/authentication/request/x509`. Whether the
//! certificate is to be trusted has been decided by TLS before; this only reads.

use std::time::{Duration, SystemTime};

use thiserror::Error;
use x509_cert::{
    Certificate,
    attr::AttributeTypeAndValue,
    der::{
        Decode as _, Tag, Tagged as _,
        asn1::{Ia5StringRef, ObjectIdentifier, PrintableStringRef, Utf8StringRef},
    },
};

use super::Identity;

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const ORGANIZATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.10");

/// Why a certificate names nobody.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CertificateError {
    /// It is no certificate.
    #[error("the client certificate can't be read")]
    Unreadable,
    /// It has no common name.
    #[error("the client certificate has no common name, which would be the user's")]
    Nameless,
}

/// Whom a certificate (DER) stands for, and until when.
///
/// # Errors
/// See [`CertificateError`].
pub(super) fn identity(der: &[u8]) -> Result<(Identity, SystemTime), CertificateError> {
    let certificate = Certificate::from_der(der).map_err(|_| CertificateError::Unreadable)?;
    let certificate = certificate.tbs_certificate;
    let mut username = None;
    let mut groups = Vec::new();
    for attribute in certificate.subject.0.iter().flat_map(|name| name.0.iter()) {
        // Go takes the last of several common names, and all organizations.
        if attribute.oid == COMMON_NAME {
            username = Some(text(attribute)?);
        } else if attribute.oid == ORGANIZATION {
            groups.push(text(attribute)?);
        }
    }
    let username = username.filter(|name| !name.is_empty());
    let username = username.ok_or(CertificateError::Nameless)?;
    if !has_place(&username, &groups) {
        groups.push(Identity::AUTHENTICATED.to_owned());
    }
    let identity = Identity {
        username,
        groups,
        ..Identity::default()
    };
    let end = certificate.validity.not_after.to_unix_duration();
    // The last second is still valid.
    let end = SystemTime::UNIX_EPOCH + end + Duration::from_secs(1);
    Ok((identity, end))
}

/// Whether the apiserver's `AuthenticatedGroupAdder` leaves a user's groups as they are: it is
/// among the authenticated already, or says that it is not.
fn has_place(username: &str, groups: &[String]) -> bool {
    let places = [Identity::AUTHENTICATED, Identity::UNAUTHENTICATED];
    username == Identity::ANONYMOUS || groups.iter().any(|group| places.contains(&&**group))
}

/// The value of a name. Other kinds of strings than these three are history.
fn text(attribute: &AttributeTypeAndValue) -> Result<String, CertificateError> {
    let value = &attribute.value;
    let text = match value.tag() {
        Tag::Utf8String => value
            .decode_as::<Utf8StringRef<'_>>()
            .map(|s| s.to_string()),
        Tag::PrintableString => value
            .decode_as::<PrintableStringRef<'_>>()
            .map(|s| s.to_string()),
        Tag::Ia5String => value.decode_as::<Ia5StringRef<'_>>().map(|s| s.to_string()),
        _ => return Err(CertificateError::Unreadable),
    };
    text.map_err(|_| CertificateError::Unreadable)
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    use super::*;

    /// Made with `openssl req -x509 -newkey ec -subj "$1" -days 36500`.
    fn der(text: &str) -> Vec<u8> {
        STANDARD.decode(text).expect("base64")
    }

    #[test]
    fn the_common_name_is_the_user_and_organizations_are_groups() {
        let (identity, end) = identity(&der(JANE)).expect("a user");
        assert_eq!(identity.username, "jane");
        assert_eq!(identity.groups, ["dev", "ops", "system:authenticated"]);
        assert!(end > SystemTime::UNIX_EPOCH);
    }

    #[test]
    fn who_says_that_it_is_nobody_is_not_among_the_authenticated() {
        let place = |username: &str, group: &str| has_place(username, &[group.to_owned()]);
        assert!(!place("jane", "dev"));
        assert!(place("jane", "system:authenticated"));
        assert!(place("jane", "system:unauthenticated"));
        assert!(place("system:anonymous", "dev"));
    }

    #[test]
    fn without_a_name_there_is_nobody() {
        assert_eq!(identity(&der(NAMELESS)), Err(CertificateError::Nameless));
        assert_eq!(identity(b"no"), Err(CertificateError::Unreadable));
        let mut cut = der(JANE);
        cut.truncate(cut.len() / 2);
        assert_eq!(identity(&cut), Err(CertificateError::Unreadable));
    }

    const JANE: &str = concat!(
        "MIIBrTCCAVOgAwIBAgIUNKskcTYKWwUSXgGtS1zznMJhpCwwCgYIKoZIzj0EAwIwKzEMMAoGA1UECgwDZGV2",
        "MQwwCgYDVQQKDANvcHMxDTALBgNVBAMMBGphbmUwIBcNMjYxMTI2MTUyNjA4WhgPMjEyNjExMDIxNTI2MDha",
        "MCsxDDAKBgNVBAoMA2RldjEMMAoGA1UECgwDb3BzMQ0wCwYDVQQDDARqYW5lMFkwEwYHKoZIzj0CAQYIKoZI",
        "zj0DAQcDQgAEy3fHeEE3LcU+VShqxDAF+QiF9ZI8UUKZwjcxpq+89BsPT8DZkFjiIS4GFbXRzewRz7teI9Ru",
        "jkUkhidHuWgzSqNTMFEwHQYDVR0OBBYEFKe7MuXihBU1pURf8kEYOirm+cPIMB8GA1UdIwQYMBaAFKe7MuXi",
        "hBU1pURf8kEYOirm+cPIMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIgJaA3jFpai3cDd5ZL",
        "npU6BMRoSJBbkRu2QhoaVA9vK/ECIQD2x78TjweXFht0JnfgU3xtgQgrDEryNkJ8EGbdmFVdPA==",
    );
    const NAMELESS: &str = concat!(
        "MIIBcjCCARmgAwIBAgIUfZ113HXeLPoyLTvw20sSCuIjtvYwCgYIKoZIzj0EAwIwDjEMMAoGA1UECgwDZGV2",
        "MCAXDTI2MTEyNjE1MjYwOFoYDzIxMjYxMTAyMTUyNjA4WjAOMQwwCgYDVQQKDANkZXYwWTATBgcqhkjOPQIB",
        "BggqhkjOPQMBBwNCAATjEs4jPIXIc75E1MilhRiubUK500R7vuM16l8JJ066etm/zlo+s8GjFm5gQoVsPFja",
        "j1YlEA6RFkIYSF/Af0l+o1MwUTAdBgNVHQ4EFgQU037tzE/mQ2LEjFAiB8UPLrR3y+QwHwYDVR0jBBgwFoAU",
        "037tzE/mQ2LEjFAiB8UPLrR3y+QwDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNHADBEAiAr7vva6TmJ",
        "BNA4Pp+bPCzegQH2CTVVj8MXHmhEVNxhnQIgO+f7mqmA1VSPh8O4FEKCzAjYpRxSSyDNkpfTq3mMkk8=",
    );
}
