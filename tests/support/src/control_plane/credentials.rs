//! The files by which an apiserver knows its callers, and by which callers know the apiserver.

use std::{fs, io, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use serde_json::json;

/// Someone whom the apiserver knows by a bearer token (`--token-auth-file`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// User name, for example `alice`; it has no rights until RBAC gives it some.
    pub name: String,
    /// Bearer token.
    pub token: String,
    /// Group names; `system:masters` may do everything.
    pub groups: Vec<String>,
}

impl User {
    /// The one who may do everything.
    #[must_use]
    pub fn admin() -> Self {
        Self {
            name: "admin".to_owned(),
            token: "admin-token".to_owned(),
            groups: vec!["system:masters".to_owned()],
        }
    }
}

/// Writes the token file: one line `token,user,uid,"group1,group2"` for each user.
pub(super) fn write_tokens(path: &Path, users: &[User]) -> io::Result<()> {
    let lines: String = users
        .iter()
        .map(|user| {
            let groups = user.groups.join(",");
            format!("{0},{1},{1},\"{groups}\"\n", user.token, user.name)
        })
        .collect();
    fs::write(path, lines)
}

/// Writes a fresh P-256 key pair for service-account tokens: the private key as PKCS #8, and the
/// public key apart, because the apiserver reads public keys from SEC 1 private keys only.
pub(super) fn write_service_account_keys(private: &Path, public: &Path) -> io::Result<()> {
    let random = SystemRandom::new();
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).map_err(refused)?;
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).map_err(refused)?;
    fs::write(private, pem("PRIVATE KEY", document.as_ref()))?;
    let spki = [SPKI_P256_PREFIX, pair.public_key().as_ref()].concat();
    fs::write(public, pem("PUBLIC KEY", &spki))
}

/// ring's errors are no `std::error::Error` in this feature set.
fn refused(error: impl ToString) -> io::Error {
    io::Error::other(error.to_string())
}

/// What precedes the 65 bytes of an uncompressed P-256 point in a SubjectPublicKeyInfo (RFC 5480).
const SPKI_P256_PREFIX: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(64) {
        out.extend(line.iter().copied().map(char::from));
        out.push('\n');
    }
    out + &format!("-----END {label}-----\n")
}

/// A kubeconfig with one context, as JSON (which is YAML).
pub(super) fn kubeconfig(url: &str, ca_pem: &str, user: &User) -> String {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "envtest",
        "clusters": [{
            "name": "envtest",
            "cluster": { "server": url, "certificate-authority-data": STANDARD.encode(ca_pem) },
        }],
        "users": [{ "name": user.name, "user": { "token": user.token } }],
        "contexts": [{
            "name": "envtest",
            "context": { "cluster": "envtest", "user": user.name, "namespace": "default" },
        }],
    })
    .to_string()
}

/// The client configuration of a kubeconfig's text.
pub(super) async fn client_config(text: &str) -> Result<kube::Config, KubeconfigError> {
    let parsed = Kubeconfig::from_yaml(text)?;
    kube::Config::from_custom_kubeconfig(parsed, &KubeConfigOptions::default()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pem_lines_are_64_wide_and_decode_again() {
        let der: Vec<u8> = (0..100).collect();
        let text = pem("PUBLIC KEY", &der);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "-----BEGIN PUBLIC KEY-----");
        assert_eq!(lines[1].len(), 64);
        let body = lines[1..lines.len() - 1].concat();
        assert_eq!(STANDARD.decode(body).expect("base64"), der);
    }

    #[test]
    fn a_token_line_quotes_the_groups() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let path = root.path().join("tokens.csv");
        let user = User {
            name: "alice".to_owned(),
            token: "t".to_owned(),
            groups: vec!["a".to_owned(), "b".to_owned()],
        };
        write_tokens(&path, &[user]).expect("a temporary directory is writable");
        let text = fs::read_to_string(&path).expect("just written");
        assert_eq!(text, "t,alice,alice,\"a,b\"\n");
    }
}
