//! Resume tokens.
//!
//! A token stands for a position of one query in one resource of one cluster. It carries no
//! authority and no secret: what it allows to continue is authorised anew. The checksum guards
//! against accidents, not against forgery; a forged token leads to no data that a fresh start
//! with the same filter would not.
//!
//! Layout before base64 (URL-safe, no padding): format `1` · cluster, 8 bytes · filter
//! fingerprint, 8 bytes · epoch, 4 bytes big endian · `group/version/resource`, `\0` ·
//! resourceVersion, `\0` · the first 4 bytes of the SHA-256 of all that stands before.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::resource::{Gvr, ResourceVersion};

const FORMAT: u8 = 1;
const CHECKSUM: usize = 4;
/// Longer texts can't be tokens; group, version and resource names and a version are far shorter.
const MAX_TEXT: usize = 2048;
/// Longer resourceVersions are none; messages repeat them.
const MAX_VERSION: usize = 128;

/// What all positions of one query in one resource have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// Identifies the cluster.
    pub cluster: [u8; 8],
    /// The resource.
    pub gvr: Gvr,
    /// Identifies the membership filter.
    pub filter: [u8; 8],
}

/// A position that was read out of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The line of positions that it belongs to.
    pub epoch: u32,
    /// Everything up to here was delivered or filtered out.
    pub version: ResourceVersion,
}

/// Why a token is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TokenError {
    /// It is none, or was changed on the way.
    #[error("not a resume token of informerd; pass the token as it was received")]
    Invalid,
    /// It belongs to another cluster.
    #[error("the token belongs to another cluster; start with a snapshot")]
    OtherCluster,
    /// It belongs to another resource.
    #[error("the token belongs to another resource; start with a snapshot")]
    OtherResource,
    /// It belongs to another filter.
    #[error("the token belongs to another filter; start with a snapshot or restore the filter")]
    OtherFilter,
}

impl Scope {
    /// Makes the token of a position.
    pub fn token(&self, position: &Position) -> String {
        let mut bytes = Vec::with_capacity(96);
        bytes.push(FORMAT);
        bytes.extend(self.cluster);
        bytes.extend(self.filter);
        bytes.extend(position.epoch.to_be_bytes());
        bytes.extend(resource_text(&self.gvr).as_bytes());
        bytes.push(0);
        bytes.extend(position.version.to_string().as_bytes());
        bytes.push(0);
        let checksum = checksum(&bytes);
        bytes.extend(checksum);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads the position out of a token.
    ///
    /// # Errors
    /// The token is damaged, or stands for something else than this scope.
    pub fn position(&self, token: &str) -> Result<Position, TokenError> {
        if token.len() > MAX_TEXT {
            return Err(TokenError::Invalid);
        }
        let bytes = URL_SAFE_NO_PAD
            .decode(token)
            .map_err(|_| TokenError::Invalid)?;
        let parsed = Parsed::new(&bytes).ok_or(TokenError::Invalid)?;
        if parsed.cluster != self.cluster {
            return Err(TokenError::OtherCluster);
        }
        if parsed.resource != resource_text(&self.gvr) {
            return Err(TokenError::OtherResource);
        }
        if parsed.filter != self.filter {
            return Err(TokenError::OtherFilter);
        }
        Ok(Position {
            epoch: parsed.epoch,
            version: ResourceVersion::new(parsed.version),
        })
    }
}

struct Parsed<'a> {
    cluster: [u8; 8],
    filter: [u8; 8],
    epoch: u32,
    resource: &'a str,
    version: &'a str,
}

impl<'a> Parsed<'a> {
    fn new(bytes: &'a [u8]) -> Option<Self> {
        let (body, sum) = bytes.split_last_chunk::<CHECKSUM>()?;
        if checksum(body) != *sum {
            return None;
        }
        let (format, rest) = body.split_first()?;
        let (cluster, rest) = rest.split_first_chunk::<8>()?;
        let (filter, rest) = rest.split_first_chunk::<8>()?;
        let (epoch, rest) = rest.split_first_chunk::<4>()?;
        let (resource, version) = std::str::from_utf8(rest)
            .ok()?
            .strip_suffix('\0')?
            .split_once('\0')?;
        let is_version = (1..=MAX_VERSION).contains(&version.len())
            && version.bytes().all(|byte| byte.is_ascii_graphic());
        (*format == FORMAT && is_version).then_some(Self {
            cluster: *cluster,
            filter: *filter,
            epoch: u32::from_be_bytes(*epoch),
            resource,
            version,
        })
    }
}

fn resource_text(gvr: &Gvr) -> String {
    format!("{}/{}/{}", gvr.group, gvr.version, gvr.resource)
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    let digest = Sha256::digest(bytes);
    let mut sum = [0; CHECKSUM];
    sum.copy_from_slice(&digest[..CHECKSUM]);
    sum
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scope() -> Scope {
        Scope {
            cluster: [7; 8],
            gvr: Gvr::new("apps", "v1", "deployments"),
            filter: [9; 8],
        }
    }

    fn position(version: &str) -> Position {
        Position {
            epoch: 3,
            version: ResourceVersion::new(version),
        }
    }

    #[test]
    fn says_what_it_was_made_for() {
        let token = scope().token(&position("42"));
        assert_eq!(scope().position(&token), Ok(position("42")));
        let refused = |scope: Scope| scope.position(&token).expect_err("another scope");
        assert_eq!(
            refused(Scope {
                cluster: [0; 8],
                ..scope()
            }),
            TokenError::OtherCluster
        );
        assert_eq!(
            refused(Scope {
                filter: [0; 8],
                ..scope()
            }),
            TokenError::OtherFilter
        );
        let pods = Gvr::new("", "v1", "pods");
        assert_eq!(
            refused(Scope {
                gvr: pods,
                ..scope()
            }),
            TokenError::OtherResource
        );
    }

    #[test]
    fn no_version_smuggles_a_text() {
        let long = "9".repeat(129);
        for version in ["", "1 2", "1\n", "é", "1\0", &long] {
            let token = scope().token(&position(version));
            assert_eq!(
                scope().position(&token),
                Err(TokenError::Invalid),
                "{version:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_position_survives(epoch: u32, version in "[a-z0-9]{1,40}") {
            let position = Position { epoch, version: ResourceVersion::new(&version) };
            prop_assert_eq!(scope().position(&scope().token(&position)), Ok(position));
        }

        #[test]
        fn any_changed_character_is_noticed(at in 0usize..80, to in "[A-Za-z0-9_-]") {
            let token = scope().token(&position("1234567"));
            let at = at % token.len();
            let mut changed = token.clone();
            changed.replace_range(at..=at, &to);
            prop_assume!(changed != token);
            // The last character of unpadded base64 has unused bits; those must be zero.
            prop_assert_eq!(scope().position(&changed), Err(TokenError::Invalid));
        }

        #[test]
        fn nonsense_is_refused(text in "\\PC{0,100}") {
            prop_assert_eq!(scope().position(&text), Err(TokenError::Invalid));
        }
    }
}
