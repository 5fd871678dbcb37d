//! Names for secrets and questions that can't be turned back.

use std::fmt;

use ring::{
    digest::{SHA256, digest as hash},
    hmac,
    rand::{SecureRandom as _, SystemRandom},
};

/// What something is remembered by; says nothing about it to whoever lacks the process's key.
pub(super) type Key = [u8; 32];

/// What stands for a long text that is no secret.
pub(super) type Digest = [u8; 32];

/// The SHA-256 of a text.
pub(super) fn digest(text: &[u8]) -> Digest {
    let mut digest = Digest::default();
    digest.copy_from_slice(hash(&SHA256, text).as_ref());
    digest
}

/// Makes [`Key`]s: HMAC-SHA256 under a key that only this process has and never tells.
#[derive(Clone)]
pub(super) struct Keyring(hmac::Key);

impl Keyring {
    pub(super) fn new() -> Self {
        let mut secret = [0; 32];
        SystemRandom::new()
            .fill(&mut secret)
            .expect("the system has random numbers, without which TLS would not work either");
        Self(hmac::Key::new(hmac::HMAC_SHA256, &secret))
    }

    /// The name of a sequence of parts. Each goes in with its length, so that no two sequences
    /// read the same.
    pub(super) fn key<'a>(&self, parts: impl IntoIterator<Item = &'a [u8]>) -> Key {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut key = [0; 32];
        key.copy_from_slice(context.sign().as_ref());
        key
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyring(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_together() {
        let ring = Keyring::new();
        let key = |parts: &[&str]| ring.key(parts.iter().map(|part| part.as_bytes()));
        assert_eq!(key(&["ab", "c"]), key(&["ab", "c"]));
        assert_ne!(key(&["ab", "c"]), key(&["a", "bc"]));
        assert_ne!(key(&["ab"]), key(&["ab", ""]));
    }

    #[test]
    fn another_process_has_other_names() {
        let key = |ring: Keyring| ring.key([&b"token"[..]]);
        assert_ne!(key(Keyring::new()), key(Keyring::new()));
    }
}
