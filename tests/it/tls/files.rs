//! A daemon's certificate files, mounted as the kubelet mounts a Secret.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::certificates::{Authority, Pair};
use crate::daemon::Daemon;

/// What the certificates of the tests are for.
pub const NAMES: [&str; 2] = ["localhost", "127.0.0.1"];

const FILES: [&str; 4] = ["tls.crt", "tls.key", "ca.crt", "clients.crt"];

/// `tls.crt`, `tls.key`, `ca.crt` and `clients.crt`: links into `..data`, which is itself a link
/// to the directory that is in force.
pub struct Mounted {
    directory: TempDir,
    generation: u32,
}

impl Mounted {
    /// Mounts a certificate, the authority that it is of, and that of clients.
    pub fn new(pair: &Pair, authority: &Authority, clients: &Authority) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        for name in FILES {
            let link = directory.path().join(name);
            symlink(format!("..data/{name}"), link).expect("a link");
        }
        let mut mounted = Self {
            directory,
            generation: 0,
        };
        mounted.swap([&pair.certificate, &pair.key, &authority.pem, &clients.pem]);
        mounted
    }

    /// Puts other contents in force, all at once.
    pub fn swap(&mut self, contents: [&str; 4]) {
        self.generation += 1;
        let name = format!("..generation-{}", self.generation);
        let fresh = self.path(&name);
        fs::create_dir(&fresh).expect("writable");
        for (name, content) in FILES.iter().zip(contents) {
            fs::write(fresh.join(name), content).expect("writable");
        }
        let link = self.path("..data_tmp");
        symlink(&name, &link).expect("a link");
        fs::rename(&link, self.path("..data")).expect("swapped");
        let old = self.path(&format!("..generation-{}", self.generation - 1));
        let _ = fs::remove_dir_all(old);
    }

    /// Removes a file from what is in force.
    pub fn lose(&self, name: &str) {
        fs::remove_file(self.path("..data").join(name)).expect("it was there");
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a client's pair beside it; gives their paths.
    pub fn client(&self, name: &str, pair: &Pair) -> (PathBuf, PathBuf) {
        pair.write(self.directory.path(), name)
    }

    /// The flags of a daemon that uses them.
    pub fn flags(&self) -> Vec<String> {
        let flags = [
            ("--tls-cert", "tls.crt"),
            ("--tls-key", "tls.key"),
            ("--client-ca", "clients.crt"),
        ];
        let flags = flags.map(|(flag, name)| [flag.to_owned(), text(&self.path(name))]);
        flags.into_iter().flatten().collect()
    }

    /// A connection without anything in it yet.
    pub async fn dial(&self, daemon: &Daemon) -> TlsStream<TcpStream> {
        self.dial_as(daemon, None).await
    }

    /// The same, with a client's certificate if there is one.
    pub async fn dial_as(&self, daemon: &Daemon, pair: Option<&Pair>) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_file(self.path("ca.crt")).expect("a certificate");
        roots.add(root).expect("a certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots);
        let mut config = match pair {
            None => config.with_no_client_auth(),
            Some(pair) => {
                let certificate = CertificateDer::from_pem_slice(pair.certificate.as_bytes());
                let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes());
                let chain = vec![certificate.expect("a certificate")];
                let config = config.with_client_auth_cert(chain, key.expect("a key"));
                config.expect("a pair")
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        let socket = TcpStream::connect(daemon.address())
            .await
            .expect("accepted");
        let name = ServerName::try_from("localhost").expect("a name");
        let connector = TlsConnector::from(Arc::new(config));
        connector.connect(name, socket).await.expect("tls")
    }
}

/// A path as an argument.
pub fn text(path: &Path) -> String {
    path.to_str().expect("text").to_owned()
}

/// Strings as arguments.
pub fn borrowed(flags: &[String]) -> Vec<&str> {
    flags.iter().map(String::as_str).collect()
}
