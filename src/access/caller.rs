//! Who has been recognised, and by what.

use std::{fmt, sync::Arc};

use super::{Bearer, Identity};

/// What somebody proves with who they are.
#[derive(Clone)]
pub enum Credential {
    /// A token.
    Bearer(Bearer),
    /// A client certificate (DER) that TLS has verified.
    Certificate(Arc<[u8]>),
}

/// Somebody who may ask. Only the [`Gate`](super::Gate) makes one.
#[derive(Debug, Clone)]
pub struct Caller {
    /// `None` where anyone may call.
    pub(super) known: Option<Known>,
}

#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) credential: Credential,
    pub(super) identity: Arc<Identity>,
}

impl Caller {
    /// Who it is; `None` where anyone may call.
    pub fn identity(&self) -> Option<&Identity> {
        self.known.as_ref().map(|known| &*known.identity)
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bearer(_) => "Bearer(..)",
            Self::Certificate(_) => "Certificate(..)",
        })
    }
}
