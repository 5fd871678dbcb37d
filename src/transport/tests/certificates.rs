//! Certificates for tests, made when they are needed. The integration tests have them from here.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

/// An authority that signs what it is asked to.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate.
    pub(crate) pem: String,
}

/// A certificate and its key.
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
    pub(crate) der: Vec<u8>,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().expect("a key");
        let own = parameters.self_signed(&key).expect("a certificate");
        Self {
            pem: own.pem(),
            issuer: Issuer::new(parameters, key),
        }
    }

    /// For a server with these names or addresses.
    pub(crate) fn server(&self, names: &[&str]) -> Pair {
        self.sign(server(names))
    }

    /// The same, and long over.
    pub(crate) fn expired(&self, names: &[&str]) -> Pair {
        let mut parameters = server(names);
        parameters.not_before = date_time_ymd(2001, 1, 1);
        parameters.not_after = date_time_ymd(2002, 1, 1);
        self.sign(parameters)
    }

    /// The same, and not valid before a time to come.
    pub(crate) fn early(&self, names: &[&str]) -> Pair {
        let mut parameters = server(names);
        parameters.not_before = date_time_ymd(4000, 1, 1);
        self.sign(parameters)
    }

    /// For a client.
    pub(crate) fn client(&self, user: &str, group: &str) -> Pair {
        self.sign(client(user, group))
    }

    /// The same, and long over.
    pub(crate) fn expired_client(&self, user: &str) -> Pair {
        let mut parameters = client(user, "");
        parameters.not_after = date_time_ymd(2002, 1, 1);
        self.sign(parameters)
    }

    fn sign(&self, parameters: CertificateParams) -> Pair {
        let key = KeyPair::generate().expect("a key");
        let made = parameters.signed_by(&key, &self.issuer);
        let made = made.expect("a certificate");
        Pair {
            certificate: made.pem(),
            key: key.serialize_pem(),
            der: made.der().to_vec(),
        }
    }
}

impl Pair {
    /// Writes both into a directory, as `NAME.crt` and `NAME.key`.
    pub(crate) fn write(&self, directory: &Path, name: &str) -> (PathBuf, PathBuf) {
        let certificate = directory.join(format!("{name}.crt"));
        let key = directory.join(format!("{name}.key"));
        std::fs::write(&certificate, &self.certificate).expect("writable");
        std::fs::write(&key, &self.key).expect("writable");
        (certificate, key)
    }
}

fn server(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut parameters = CertificateParams::new(names).expect("valid names");
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    parameters
}

fn client(user: &str, group: &str) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    let name = &mut parameters.distinguished_name;
    name.push(DnType::CommonName, user);
    name.push(DnType::OrganizationName, group);
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    parameters
}
