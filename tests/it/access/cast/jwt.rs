//! Signs tokens of service accounts as the apiserver does, for dates that it would not give.

use std::time::SystemTime;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use informerd_support::control_plane::ControlPlane;
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use serde_json::json;

/// The apiserver's own key.
pub struct Signer {
    pub issuer: String,
    pair: EcdsaKeyPair,
}

impl Signer {
    pub fn of(plane: &ControlPlane) -> Self {
        let pem = std::fs::read_to_string(plane.directory().join("sa.key")).expect("a key");
        let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let der = STANDARD.decode(body).expect("base64");
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, &der, &SystemRandom::new());
        Self {
            issuer: format!("{}/", plane.url()),
            pair: pair.expect("a P-256 key"),
        }
    }

    /// A token for us and the apiserver that expires so many seconds from now.
    pub fn sign(&self, namespace: &str, account: &str, uid: &str, expires: i64) -> String {
        let now = SystemTime::UNIX_EPOCH
            .elapsed()
            .expect("after 1970")
            .as_secs();
        let now = i64::try_from(now).expect("a date");
        let claims = json!({
            "iss": self.issuer,
            "aud": ["informerd", self.issuer],
            "sub": format!("system:serviceaccount:{namespace}:{account}"),
            "iat": now - 3600, "nbf": now - 3600, "exp": now + expires,
            "kubernetes.io": {
                "namespace": namespace,
                "serviceaccount": {"name": account, "uid": uid},
            },
        });
        let header = json!({"alg": "ES256", "typ": "JWT"});
        let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes());
        let signature = signature.expect("the key signs");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }
}
