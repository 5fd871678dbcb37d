//! A token that must not be shown.

use std::{fmt, sync::Arc};

use zeroize::Zeroizing;

/// A bearer token. Its text is in no `Debug` output, error or log; it leaves only in a TokenReview,
/// and is overwritten when the last one who has it lets go.
#[derive(Clone, PartialEq, Eq)]
pub struct Bearer(Arc<Zeroizing<Box<str>>>);

impl Bearer {
    /// Longest token that is looked at. Tokens of service accounts have about 1 KiB, those of
    /// OIDC providers with many groups a few.
    pub const MAX_BYTES: usize = 12 * 1024;

    /// Takes a token; `None` if it is empty, too long or not in the alphabet of RFC 6750, section 2.1.
    pub fn new(token: &str) -> Option<Self> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b);
        let fits = (1..=Self::MAX_BYTES).contains(&token.len()) && token.bytes().all(allowed);
        fits.then(|| Self(Arc::new(Zeroizing::new(token.into()))))
    }

    /// Reads the value of an `authorization` header: `Bearer`, in any case, and the token. `None`
    /// if it is of another kind.
    pub fn of_header(value: &str) -> Option<Option<Self>> {
        let (kind, token) = value.trim().split_once(' ').unwrap_or((value.trim(), ""));
        kind.eq_ignore_ascii_case("bearer")
            .then(|| Self::new(token.trim()))
    }

    /// The token itself.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_nothing() {
        let bearer = Bearer::new("secret-token").expect("a token");
        assert_eq!(format!("{bearer:?}"), "Bearer(..)");
    }

    #[test]
    fn is_overwritten_when_dropped() {
        fn wiped(_: &impl zeroize::ZeroizeOnDrop) {}
        wiped(&*Bearer::new("secret-token").expect("a token").0);
    }

    #[test]
    fn reads_headers() {
        let token = |value| Bearer::of_header(value).map(|b| b.map(|b| b.expose().to_owned()));
        assert_eq!(token("Bearer a.b-c"), Some(Some("a.b-c".to_owned())));
        assert_eq!(token("bearer  a=="), Some(Some("a==".to_owned())));
        assert_eq!(token("Basic YTpi"), None);
        for bad in [
            "Bearer",
            "Bearer ",
            "Bearer a b",
            "Bearer a,b",
            "Bearer \u{e9}",
        ] {
            assert_eq!(token(bad), Some(None), "{bad:?}");
        }
        let long = format!("Bearer {}", "x".repeat(Bearer::MAX_BYTES + 1));
        assert_eq!(token(&long), Some(None));
    }
}
