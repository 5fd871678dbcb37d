//! From the bytes of certificate files to something that handshakes can use.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::{NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier},
};
use sha2::{Digest as _, Sha256};

use super::{
    TlsFiles,
    validity::{Validity, validity},
};

/// The files can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read.
    #[error("cannot read {}: {why}", .path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// A file isn't what it should be.
    #[error("{} holds no {what} in PEM that can be used{why}", .path.display())]
    Unusable {
        /// Which file.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
        /// The reason, or nothing.
        why: String,
    },
    /// The files don't belong together.
    #[error("{} is not the key of the certificate in {}", .key.display(), .certificate.display())]
    Mismatch {
        /// The key's file.
        key: PathBuf,
        /// The certificate's file.
        certificate: PathBuf,
    },
    /// The certificate is too old.
    #[error("the certificate in {} has expired", .path.display())]
    Expired {
        /// The certificate's file.
        path: PathBuf,
    },
    /// The certificate is for later, or the clock is slow.
    #[error("the certificate in {} is not valid yet", .path.display())]
    Early {
        /// The certificate's file.
        path: PathBuf,
    },
}

impl TlsError {
    /// The file to look at.
    pub fn path(&self) -> &Path {
        match self {
            Self::Unreadable { path, .. }
            | Self::Unusable { path, .. }
            | Self::Expired { path }
            | Self::Early { path } => path,
            Self::Mismatch { key, .. } => key,
        }
    }
}

/// What the files held when they were read. Not kept: a key is in memory once.
pub(super) struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

/// Equal if the contents are.
pub(super) type Fingerprint = [u8; 32];

/// What was made of the contents.
pub(super) struct Ready {
    pub(super) config: Arc<ServerConfig>,
    /// When the first certificate of the chain expires, in seconds since 1970.
    pub(super) expires: i64,
    /// Of the daemon's own certificate.
    own: Validity,
    /// The authorities of clients, as they are written.
    pub(super) clients: Fingerprint,
}

impl Contents {
    pub(super) async fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        Ok(Self {
            certificate: read(&files.certificate).await?,
            key: read(&files.key).await?,
            client_ca: match &files.client_ca {
                Some(path) => Some(read(path).await?),
                None => None,
            },
        })
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        let mut hash = Sha256::new();
        let parts = [
            Some(&self.certificate),
            Some(&self.key),
            self.client_ca.as_ref(),
        ];
        for part in parts.into_iter().flatten() {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.finalize().into()
    }

    /// Makes a configuration of them. Says nothing about dates.
    pub(super) fn check(&self, files: &TlsFiles) -> Result<Ready, TlsError> {
        let chain = certificates(&self.certificate, &files.certificate)?;
        let own = chain.first().and_then(|own| validity(own));
        let own = own.ok_or_else(|| TlsError::Unusable {
            path: files.certificate.clone(),
            what: "certificate",
            why: String::new(),
        })?;
        let ends = chain.iter().filter_map(|each| Some(validity(each)?.until));
        let expires = ends.fold(own.until, i64::min);
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|_| TlsError::Unusable {
            path: files.key.clone(),
            what: "private key",
            why: String::new(),
        })?;
        let config = self.config(files, chain, key)?;
        Ok(Ready {
            config: Arc::new(config),
            expires,
            own,
            clients: Sha256::digest(self.client_ca.as_deref().unwrap_or_default()).into(),
        })
    }

    fn config(
        &self,
        files: &TlsFiles,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<ServerConfig, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("ring supports both versions");
        let clients = match (&self.client_ca, &files.client_ca) {
            (Some(pem), Some(path)) => Some(verifier(pem, path, provider)?),
            _ => None,
        };
        let asks = clients.is_some();
        let builder = match clients {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder
            .with_single_cert(chain, key)
            .map_err(|error| refused(files, &error))?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        if asks {
            // A resumed session isn't verified again, and would outlive the client's certificate.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        Ok(config)
    }
}

impl Ready {
    /// Whether the daemon's own certificate is valid now. Those after it may be for clients that
    /// know an old authority only: they are none of their business who know the new one.
    ///
    /// # Errors
    /// [`TlsError::Expired`], [`TlsError::Early`].
    pub(super) fn valid_now(&self, files: &TlsFiles) -> Result<(), TlsError> {
        let (now, path) = (now(), files.certificate.clone());
        match self.own {
            Validity { until, .. } if until < now => Err(TlsError::Expired { path }),
            Validity { from, .. } if now < from => Err(TlsError::Early { path }),
            _ => Ok(()),
        }
    }

    /// Whether a certificate after a good one has expired.
    pub(super) fn is_partly_old(&self) -> bool {
        self.expires < now() && now() <= self.own.until
    }
}

/// Seconds since 1970.
fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| i64::try_from(now.as_secs()).unwrap_or(i64::MAX))
}

async fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let unreadable = |error: io::Error| TlsError::Unreadable {
        path: path.to_owned(),
        why: error.kind().to_string(),
    };
    tokio::fs::read(path).await.map_err(unreadable)
}

fn certificates(pem: &[u8], path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        _ => Err(TlsError::Unusable {
            path: path.to_owned(),
            what: "certificate",
            why: String::new(),
        }),
    }
}

fn verifier(
    pem: &[u8],
    path: &Path,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let unusable = |why: String| TlsError::Unusable {
        path: path.to_owned(),
        what: "certificate",
        why,
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem, path)? {
        let added = roots.add(certificate);
        added.map_err(|error| unusable(format!(": {error}")))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .allow_unauthenticated()
        .build()
        .map_err(|error| unusable(format!(": {error}")))
}

fn refused(files: &TlsFiles, error: &rustls::Error) -> TlsError {
    match error {
        rustls::Error::InconsistentKeys(_) => TlsError::Mismatch {
            key: files.key.clone(),
            certificate: files.certificate.clone(),
        },
        rustls::Error::InvalidCertificate(why) => TlsError::Unusable {
            path: files.certificate.clone(),
            what: "certificate",
            why: format!(": {why}"),
        },
        other => TlsError::Unusable {
            path: files.key.clone(),
            what: "private key",
            why: format!(": {other}"),
        },
    }
}
