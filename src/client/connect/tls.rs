//! The client's side of TLS.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};
use tokio::{net::TcpStream, task::spawn_blocking};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::failure::TlsFailure;

/// Whom to trust and what to show, as files.
#[derive(Debug, Clone)]
pub(super) struct Tls {
    pub(super) ca_file: Option<PathBuf>,
    pub(super) identity: Option<(PathBuf, PathBuf)>,
    pub(super) server_name: Option<String>,
}

impl Tls {
    /// Reads all files. Blocks, shortly.
    pub(super) fn read(&self) -> Result<ClientConfig, TlsFailure> {
        let roots = match &self.ca_file {
            Some(path) => named_roots(path)?,
            None => machine_roots()?,
        };
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring supports both versions")
            .with_root_certificates(roots);
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let shown =
                    builder.with_client_auth_cert(certificates(certificate)?, private(key)?);
                shown.map_err(|error| refused(certificate, key, &error))?
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(config)
    }

    /// The handshake with the server of this name or address.
    pub(super) async fn connect(
        &self,
        host: &str,
        socket: TcpStream,
    ) -> Result<TlsStream<TcpStream>, TlsFailure> {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let name = self.server_name.as_deref().unwrap_or(host);
        let server = ServerName::try_from(name.to_owned()).map_err(|_| TlsFailure::Name {
            name: name.to_owned(),
        })?;
        let tls = self.clone();
        // Anew each time: the files may have been replaced.
        let config = spawn_blocking(move || tls.read()).await;
        let config = config.map_err(|error| TlsFailure::Other(error.to_string()))??;
        let handshake = TlsConnector::from(Arc::new(config)).connect(server, socket);
        handshake
            .await
            .map_err(|error| TlsFailure::handshake(&error))
    }
}

fn named_roots(path: &Path) -> Result<RootCertStore, TlsFailure> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        let added = roots.add(certificate);
        added.map_err(|_| unusable(path, "certificate"))?;
    }
    Ok(roots)
}

/// Certificates of the machine that can't be used are left out: there are always some.
fn machine_roots() -> Result<RootCertStore, TlsFailure> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(TlsFailure::NoRoots);
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFailure> {
    let pem = read(path)?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        _ => Err(unusable(path, "certificate")),
    }
}

fn private(path: &Path) -> Result<PrivateKeyDer<'static>, TlsFailure> {
    PrivateKeyDer::from_pem_slice(&read(path)?).map_err(|_| unusable(path, "private key"))
}

fn read(path: &Path) -> Result<Vec<u8>, TlsFailure> {
    fs::read(path).map_err(|error| TlsFailure::Unreadable {
        path: path.to_owned(),
        why: error.kind().to_string(),
    })
}

fn unusable(path: &Path, what: &'static str) -> TlsFailure {
    TlsFailure::Unusable {
        path: path.to_owned(),
        what,
    }
}

fn refused(certificate: &Path, key: &Path, error: &rustls::Error) -> TlsFailure {
    match error {
        rustls::Error::InconsistentKeys(_) => TlsFailure::Mismatch {
            key: key.to_owned(),
            certificate: certificate.to_owned(),
        },
        rustls::Error::InvalidCertificate(_) => unusable(certificate, "certificate"),
        _ => unusable(key, "private key"),
    }
}
