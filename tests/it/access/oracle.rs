//! What the apiserver itself says to an identity.

use http::{Request, StatusCode};
use kube::{Client, Config, client::Body};
use serde_json::{Value, json};

use super::cast::{Cast, Identity, Target};
use crate::kube::collection;

/// An answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Unauthenticated,
    Forbidden,
    NotFound,
    Allowed,
}

impl Verdict {
    /// What both allow; otherwise what the first that does not says.
    fn and(self, other: Self) -> Self {
        if self == Self::Allowed { other } else { self }
    }
}

/// The apiserver's answer to one verb.
pub async fn verdict(cast: &Cast, who: &Identity, verb: &str, target: &Target) -> Verdict {
    match (&cast.config, &who.assumed) {
        (_, Some(verdict)) => *verdict,
        (Some(config), None) => direct(config, who, verb, target).await,
        (None, None) => reviewed(cast, who, verb, target).await,
    }
}

/// The apiserver's answer to a list and a watch.
pub async fn list_and_watch(cast: &Cast, who: &Identity, target: &Target) -> Verdict {
    let list = verdict(cast, who, "list", target).await;
    list.and(verdict(cast, who, "watch", target).await)
}

/// Whether the apiserver knows who calls.
pub async fn knows(cast: &Cast, who: &Identity) -> bool {
    match (&cast.config, &who.assumed) {
        (_, Some(verdict)) => *verdict != Verdict::Unauthenticated,
        // Discovery is for everybody who is authenticated, and for nobody else.
        (Some(config), None) => ask(config, who, "/api").await == StatusCode::OK,
        (None, None) => authenticated(cast, who).await,
    }
}

/// The apiserver's answer about a path that is no resource. Whoever may get it is told that there is
/// nothing; the others aren't.
pub async fn visits(cast: &Cast, who: &Identity, path: &str) -> Verdict {
    let Some(config) = &cast.config else {
        let attributes = json!({"nonResourceAttributes": {"path": path, "verb": "get"}});
        return said(cast, who, attributes).await;
    };
    if let Some(verdict) = who.assumed {
        return match verdict {
            Verdict::Unauthenticated => verdict,
            _ => Verdict::Forbidden,
        };
    }
    match ask(config, who, path).await {
        StatusCode::NOT_FOUND => Verdict::Allowed,
        StatusCode::FORBIDDEN if who.token.is_none() => Verdict::Unauthenticated,
        StatusCode::UNAUTHORIZED => Verdict::Unauthenticated,
        StatusCode::FORBIDDEN => Verdict::Forbidden,
        other => panic!("{} {path}: {other}", who.name),
    }
}

async fn direct(config: &Config, who: &Identity, verb: &str, target: &Target) -> Verdict {
    let mut path = collection(target.resource, target.namespace);
    let mut query = Vec::new();
    let mut fields = Vec::new();
    match verb {
        "get" => path = format!("{path}/{}", target.name),
        _ if !target.name.is_empty() => fields.push(format!("metadata.name={}", target.name)),
        _ => {}
    }
    if verb != "get" && !target.fields.is_empty() {
        fields.push(target.fields.clone());
    }
    if !fields.is_empty() {
        query.push(format!(
            "fieldSelector={}",
            fields.join(",").replace('=', "%3D").replace(',', "%2C")
        ));
    }
    if verb == "watch" {
        query.push("watch=true&timeoutSeconds=1".to_owned());
    }
    match ask(config, who, &format!("{path}?{}", query.join("&"))).await {
        StatusCode::OK => Verdict::Allowed,
        // Whoever is nobody is somebody there: system:anonymous, whom nobody has given rights.
        StatusCode::FORBIDDEN if who.token.is_none() => Verdict::Unauthenticated,
        StatusCode::UNAUTHORIZED => Verdict::Unauthenticated,
        StatusCode::FORBIDDEN => Verdict::Forbidden,
        StatusCode::NOT_FOUND => Verdict::NotFound,
        other => panic!("{} {verb} {target:?}: {other}", who.name),
    }
}

async fn ask(config: &Config, who: &Identity, path: &str) -> StatusCode {
    let mut config = config.clone();
    config.auth_info = kube::config::AuthInfo::default();
    config.auth_info.token = who.token.clone().map(Into::into);
    let client = Client::try_from(config).expect("a client");
    let request = Request::get(path).body(Body::empty()).expect("a request");
    client.send(request).await.expect("an answer").status()
}

async fn authenticated(cast: &Cast, who: &Identity) -> bool {
    token_review(cast, who).await["authenticated"] == json!(true)
}

async fn token_review(cast: &Cast, who: &Identity) -> Value {
    let Some(token) = &who.token else {
        return Value::Null;
    };
    let mut spec = json!({"token": token});
    if !cast.lax {
        spec["audiences"] = json!(["informerd"]);
    }
    let review = json!({"spec": spec});
    let path = "/apis/authentication.k8s.io/v1/tokenreviews";
    cast.kube.post(path, review).await["status"].take()
}

/// A simulated cluster lets everybody do everything, but tells who may what.
async fn reviewed(cast: &Cast, who: &Identity, verb: &str, target: &Target) -> Verdict {
    let (resource, group) = target
        .resource
        .split_once('.')
        .unwrap_or((target.resource, ""));
    let mut attributes = json!({
        "verb": verb, "group": group, "resource": resource,
        "namespace": target.namespace, "name": target.name,
    });
    if let Some((key, value)) = target.fields.split_once('=')
        && verb != "get"
    {
        let requirement = json!({"key": key, "operator": "In", "values": [value]});
        attributes["fieldSelector"] = json!({"requirements": [requirement]});
    }
    match said(cast, who, json!({"resourceAttributes": attributes})).await {
        Verdict::Allowed if target.resource == "gizmos" => Verdict::NotFound,
        verdict => verdict,
    }
}

/// What reviews say of an identity, given all of the question but who asks.
async fn said(cast: &Cast, who: &Identity, mut spec: Value) -> Verdict {
    let known = token_review(cast, who).await;
    if known["authenticated"] != json!(true) {
        return Verdict::Unauthenticated;
    }
    let user = &known["user"];
    spec["user"] = user["username"].clone();
    spec["uid"] = user["uid"].clone();
    spec["groups"] = user["groups"].clone();
    let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    let answer = cast.kube.post(path, json!({"spec": spec})).await;
    match answer["status"]["allowed"] == json!(true) {
        true => Verdict::Allowed,
        false => Verdict::Forbidden,
    }
}
