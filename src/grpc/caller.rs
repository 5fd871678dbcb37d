//! Who calls: from the headers and the connection of a request to a caller.

use http::{Extensions, HeaderMap, Request, header};
use tonic::Status;

use super::{
    audit,
    origin::{self, Origin},
    status,
};
use crate::{
    access::{Bearer, Credential, Gate, Refusal, StreamSlot},
    transport::Peer,
};

/// Finds out who calls, and notes it in the request. Headers that claim a user (`x-remote-user`,
/// `impersonate-user`) mean nothing.
pub(super) async fn recognise<B>(gate: &Gate, request: &mut Request<B>) -> Result<(), Refusal> {
    let credential = credential(request.headers(), request.extensions())?;
    let from = origin::address(request.extensions());
    let caller = gate.caller(credential, from).await?;
    // Nobody downstream needs the token.
    request.headers_mut().remove(header::AUTHORIZATION);
    request.extensions_mut().insert(caller);
    Ok(())
}

/// The certificate goes first, as in kube-apiserver.
fn credential(headers: &HeaderMap, extensions: &Extensions) -> Result<Option<Credential>, Refusal> {
    let peer = extensions.get::<Peer>();
    if let Some(der) = peer.and_then(|peer| peer.certificate.clone()) {
        return Ok(Some(Credential::Certificate(der)));
    }
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Refusal::Invalid(
            "there is more than one authorization header",
        ));
    }
    match value.to_str().ok().and_then(Bearer::of_header) {
        None => Ok(None),
        Some(None) => Err(Refusal::Invalid("the token is not well formed")),
        Some(Some(bearer)) => Ok(Some(Credential::Bearer(bearer))),
    }
}

/// Counts a stream that a caller opens.
pub(super) fn enter(gate: &Gate, origin: &Origin, call: &str) -> Result<StreamSlot, Status> {
    let slot = gate.enter(&origin.caller);
    slot.map_err(|refusal| refused(origin, call, &refusal))
}

/// Refuses a call, and notes that.
pub(super) fn refused(origin: &Origin, call: &str, refusal: &Refusal) -> Status {
    audit::refused(origin, call, refusal);
    status::refused(refusal)
}

/// Refuses a call whose caller is not known, and notes that.
pub(super) fn stranger<B>(request: &Request<B>, refusal: &Refusal) -> Status {
    let peer = origin::peer(request.extensions());
    audit::stranger(&peer, method(request.uri().path()), refusal);
    status::refused(refusal)
}

/// The methods that callers must be known for.
const METHODS: [&str; 9] = [
    "/informerd.v1.AdminService/ExplainFilter",
    "/informerd.v1.AdminService/ListSubscriptions",
    "/informerd.v1.AdminService/ListUpstreams",
    "/informerd.v1.ObjectService/GetObject",
    "/informerd.v1.ObjectService/ListObjects",
    "/informerd.v1.ResourceService/ListResources",
    "/informerd.v1.WatchService/Watch",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// The name of a method, for logs: a path is whatever a stranger likes.
fn method(path: &str) -> &'static str {
    let known = METHODS.iter().find(|method| **method == path);
    known.copied().unwrap_or("unknown")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::Remote;

    fn bearer(values: &[&str], extensions: &Extensions) -> Result<Option<&'static str>, Refusal> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, value.parse().expect("a header"));
        }
        headers.insert("x-remote-user", "admin".parse().expect("a header"));
        let found = credential(&headers, extensions)?;
        Ok(found.map(|credential| match credential {
            Credential::Bearer(_) => "bearer",
            Credential::Certificate(_) => "certificate",
        }))
    }

    #[test]
    fn finds_credentials_where_they_may_be() {
        let none = Extensions::new();
        assert_eq!(bearer(&[], &none), Ok(None));
        assert_eq!(bearer(&["Basic YTpi"], &none), Ok(None));
        assert_eq!(bearer(&["Bearer abc"], &none), Ok(Some("bearer")));
        assert!(bearer(&["Bearer"], &none).is_err());
        assert!(bearer(&["Bearer abc", "Bearer def"], &none).is_err());
        let mut known = Extensions::new();
        known.insert(Peer {
            remote: Remote::Unix,
            certificate: Some(b"der"[..].into()),
        });
        assert_eq!(bearer(&["Bearer abc"], &known), Ok(Some("certificate")));
    }

    #[test]
    fn methods_have_names_and_other_paths_have_none() {
        use prost_types::FileDescriptorSet;
        let set = <FileDescriptorSet as prost::Message>::decode(crate::proto::DESCRIPTOR_SET);
        let mut served = 0;
        for file in &set.expect("our own").file {
            for service in &file.service {
                for rpc in &service.method {
                    let name = format!("{}.{}", file.package(), service.name());
                    let path = format!("/{name}/{}", rpc.name());
                    assert_eq!(method(&path), path);
                    served += 1;
                }
            }
        }
        assert_eq!(served + 2, METHODS.len());
        assert_eq!(method("/a-text\nof-the-caller"), "unknown");
    }
}
