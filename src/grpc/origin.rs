//! Where a call comes from, and from whom.

use std::net::IpAddr;

use http::Extensions;
use tonic::Status;

use super::status;
use crate::{
    access::{Caller, Refusal},
    transport::{Fate, Peer, Remote},
};

/// Who calls, and from where.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    pub(super) caller: Caller,
    peer: Option<Remote>,
    /// What becomes of the answer.
    pub(super) fate: Fate,
}

impl Origin {
    /// Of a request whose caller has been [recognised](super::caller::recognise).
    pub(super) fn of(extensions: &Extensions) -> Result<Self, Status> {
        let caller = extensions.get::<Caller>().cloned();
        Ok(Self {
            caller: caller.ok_or_else(|| status::refused(&Refusal::Missing))?,
            peer: remote(extensions),
            fate: Fate::of(extensions),
        })
    }

    /// The user's name, for logs.
    pub(super) fn user(&self) -> &str {
        let identity = self.caller.identity();
        identity.map_or("-", |known| &known.username)
    }

    /// What tells the user from earlier ones of the same name, for logs.
    pub(super) fn uid(&self) -> &str {
        let identity = self.caller.identity();
        identity.map_or("", |known| &known.uid)
    }

    /// How many groups the user is in, for logs.
    pub(super) fn groups(&self) -> usize {
        let identity = self.caller.identity();
        identity.map_or(0, |known| known.groups.len())
    }

    /// Where the call comes from, for logs.
    pub(super) fn peer(&self) -> String {
        text(self.peer)
    }
}

/// Where a request comes from whose caller is not known, for logs.
pub(super) fn peer(extensions: &Extensions) -> String {
    text(remote(extensions))
}

/// The address that a request comes from; `None` from a unix socket.
pub(super) fn address(extensions: &Extensions) -> Option<IpAddr> {
    match remote(extensions)? {
        Remote::Tcp(address) => Some(address.ip()),
        Remote::Unix => None,
    }
}

fn remote(extensions: &Extensions) -> Option<Remote> {
    extensions.get::<Peer>().map(|peer| peer.remote)
}

fn text(peer: Option<Remote>) -> String {
    peer.map_or_else(|| "-".to_owned(), |peer| peer.to_string())
}
