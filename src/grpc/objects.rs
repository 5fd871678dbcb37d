//! `ObjectService`: reads from the cache that feeds the watches.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use tonic::{Code, Request, Response, Status};

use super::{
    Offer,
    audit::Call,
    offer,
    status::{closed, invalid, invalid_token, refuse},
    validate,
};
use crate::{
    access::{self, Gate, Get, Grant, List, Named, Right},
    cacher::{Cachers, Lease},
    proto::v1::{
        self, GetObjectRequest, GetObjectResponse, ListObjectsRequest, ListObjectsResponse,
        object_service_server::ObjectService,
    },
    resource::{Key, Object, ResourceInfo, ResourceVersion},
    selector::{FilterSpec, Membership, echo},
    store::{Objects, Scan},
    subscription::{Closed, Position, Scope, TokenError},
};

/// For the audit log.
const GET: &str = "/informerd.v1.ObjectService/GetObject";
const LIST: &str = "/informerd.v1.ObjectService/ListObjects";
const PAGE_DEFAULT: usize = 500;
const PAGE_MAX: usize = 5000;
/// When a caller that came too late is to ask elsewhere.
const RECONNECT: Duration = Duration::from_secs(1);
/// Most objects looked at before others have a turn.
const STEP_OBJECTS: u64 = 4096;
/// A page ends before its objects exceed this.
const PAGE_BYTES: usize = 1024 * 1024;

/// The object service.
#[derive(Debug, Clone)]
pub(super) struct ObjectApi {
    pub(super) gate: Gate,
    pub(super) offer: Arc<Offer>,
    pub(super) cachers: Arc<Cachers>,
}

#[tonic::async_trait]
impl ObjectService for ObjectApi {
    async fn get_object(
        &self,
        request: Request<GetObjectRequest>,
    ) -> Result<Response<GetObjectResponse>, Status> {
        let mut call = Call::begins(request.extensions(), GET)?;
        let answer = self.get(&mut call, request.into_inner()).await;
        call.ends(answer, |_| 1)
    }

    async fn list_objects(
        &self,
        request: Request<ListObjectsRequest>,
    ) -> Result<Response<ListObjectsResponse>, Status> {
        let mut call = Call::begins(request.extensions(), LIST)?;
        let answer = self.list(&mut call, request.into_inner()).await;
        call.ends(answer, |answer| answer.objects.len())
    }
}

impl ObjectApi {
    async fn get(
        &self,
        call: &mut Call,
        mut request: GetObjectRequest,
    ) -> Result<GetObjectResponse, Status> {
        let named = offer::named(request.resource.take())?;
        let membership = object_membership(&request)?;
        let grant = self.grant::<Get>(call, named, membership).await?;
        let key = object_key(&request, grant.info())?;
        let min = validate::min_version("min_resource_version", &request.min_resource_version)?;
        let lease = self.state(&grant, min.as_ref()).await?;
        let (object, version) = lease.feed().get(&key);
        let object = object.filter(|object| grant.membership().matches(object));
        let object = object.ok_or_else(|| {
            let gvr = &grant.info().gvr;
            let message = format!("there is no {gvr} {}", echo(key.as_str()));
            refuse(Code::NotFound, "OBJECT_NOT_FOUND", message)
        })?;
        Ok(GetObjectResponse {
            object: Some(message(&object)),
            resource_version: version.to_string(),
        })
    }

    async fn list(
        &self,
        call: &mut Call,
        request: ListObjectsRequest,
    ) -> Result<ListObjectsResponse, Status> {
        let named = offer::named(request.resource)?;
        let filter = request.filter.unwrap_or_default();
        if !filter.event_types.is_empty() {
            let description = "has no meaning for a list, leave it empty";
            return Err(invalid("filter.event_types", "INVALID_FILTER", description));
        }
        let membership = validate::membership(&filter)?;
        let grant = self.grant::<List>(call, named, membership).await?;
        validate::namespaces(grant.info(), grant.membership())?;
        let scope = validate::scope(&grant, self.cachers.cluster());
        let min = validate::min_version("min_resource_version", &request.min_resource_version)?;
        let page = Page::parse(&request.page_token, request.page_size, &scope)?;
        if page.from.is_some() && min.is_some() {
            let description = "must be empty when a page token is given, which fixes the version";
            return Err(invalid(
                "min_resource_version",
                "INVALID_OPTION",
                description,
            ));
        }
        let lease = self.state(&grant, min.as_ref()).await?;
        if let Some((position, _)) = &page.from {
            // The first page may come from a replica that is further on.
            let reached = lease.reached(&position.version).await;
            reached.map_err(|why| closed(&why, RECONNECT))?;
        }
        let (objects, position) = page.state(&lease).map_err(|why| closed(&why, RECONNECT))?;
        let membership = grant.membership();
        Ok(page.answer(objects, membership, &scope, &position).await)
    }

    /// Asks whether the caller may, and only then whether there is such a resource.
    async fn grant<R: Right>(
        &self,
        call: &mut Call,
        resource: Named,
        membership: Membership,
    ) -> Result<Grant<R>, Status> {
        let scope = access::Scope {
            resource,
            membership,
        };
        let permit = self.gate.permit::<R>(&call.origin().caller, scope).await;
        let permit = permit.map_err(|refusal| call.refused(&refusal))?;
        let grant = self.offer.find(permit).await?;
        call.is_about(&grant.info().gvr, grant.membership());
        Ok(grant)
    }

    /// A state that is complete and new enough. The lease keeps it from being dropped.
    async fn state<R>(
        &self,
        grant: &Grant<R>,
        min: Option<&ResourceVersion>,
    ) -> Result<Lease, Status> {
        let lease = self.cachers.lease(grant);
        let lease = lease.map_err(|why| closed(&why, RECONNECT))?;
        lease
            .readable()
            .await
            .map_err(|why| closed(&why, RECONNECT))?;
        if let Some(min) = min {
            lease
                .reached(min)
                .await
                .map_err(|why| closed(&why, RECONNECT))?;
        }
        Ok(lease)
    }
}

fn object_key(request: &GetObjectRequest, info: &ResourceInfo) -> Result<Key, Status> {
    let (namespace, name) = (request.namespace.as_str(), request.name.as_str());
    let refused = |field: &str, description: &str| Err(invalid(field, "INVALID_NAME", description));
    match (info.namespaced, namespace.is_empty()) {
        (true, true) => return refused("namespace", "is required for a namespaced resource"),
        (false, false) => {
            return refused("namespace", "must be empty, the resource is cluster-scoped");
        }
        _ => {}
    }
    Ok(Key::new(namespace, name))
}

/// The one object as a condition, by the rules for filters, told of this message's fields.
fn object_membership(request: &GetObjectRequest) -> Result<Membership, Status> {
    let (namespace, name) = (request.namespace.as_str(), request.name.as_str());
    if name.is_empty() {
        return Err(invalid("name", "INVALID_NAME", "is required"));
    }
    let namespaces: Vec<String> = (!namespace.is_empty())
        .then(|| namespace.into())
        .into_iter()
        .collect();
    let names = [name.to_owned()];
    let spec = FilterSpec {
        namespaces: &namespaces,
        names: &names,
        ..FilterSpec::default()
    };
    Membership::new(spec).map_err(|error| {
        let field = if error.field.starts_with("filter.names[") {
            "name"
        } else {
            "namespace"
        };
        invalid(field, "INVALID_NAME", error.message)
    })
}

fn message(object: &Object) -> v1::Object {
    v1::Object {
        namespace: object.namespace().to_owned(),
        name: object.name().to_owned(),
        uid: object.uid().to_owned(),
        resource_version: object.version().to_string(),
        object: object.json().clone(),
    }
}

/// Which part of a list is asked for.
struct Page {
    size: usize,
    /// The state of the first page, and the last key that was shown.
    from: Option<(Position, Key)>,
}

impl Page {
    /// A page token is the resume token of the list's state, a dot, and the last key in base64.
    fn parse(token: &str, size: u32, scope: &Scope) -> Result<Self, Status> {
        let size = match usize::try_from(size).unwrap_or(usize::MAX) {
            0 => PAGE_DEFAULT,
            size if size <= PAGE_MAX => size,
            _ => {
                let description = format!("must be at most {PAGE_MAX}");
                return Err(invalid("page_size", "INVALID_OPTION", description));
            }
        };
        if token.is_empty() {
            return Ok(Self { size, from: None });
        }
        let read = || -> Result<(Position, Key), TokenError> {
            let (token, key) = token.split_once('.').ok_or(TokenError::Invalid)?;
            let key = URL_SAFE_NO_PAD
                .decode(key)
                .map_err(|_| TokenError::Invalid)?;
            let key = String::from_utf8(key).map_err(|_| TokenError::Invalid)?;
            Ok((scope.position(token)?, Key::from_text(&key)))
        };
        let from = read().map_err(|error| invalid_token("page_token", &error))?;
        Ok(Self {
            size,
            from: Some(from),
        })
    }

    /// The state to read: the current one, or that of the first page.
    fn state(&self, lease: &Lease) -> Result<(Objects, Position), Closed> {
        match &self.from {
            None => Ok(lease.feed().objects()),
            Some((position, _)) => {
                let objects = lease.feed().objects_at(position)?;
                Ok((objects, position.clone()))
            }
        }
    }

    /// Gives way to others on long stretches without matches. Cancel safe.
    async fn answer(
        &self,
        objects: Objects,
        membership: &Membership,
        scope: &Scope,
        position: &Position,
    ) -> ListObjectsResponse {
        let low = match &self.from {
            Some((_, last)) => last.successor(),
            None => Key::from_text(""),
        };
        let (namespaces, names) = (membership.namespaces(), membership.names());
        let mut scan = Scan::new(objects, namespaces, names, low);
        let mut page: Vec<v1::Object> = Vec::new();
        let (mut bytes, mut rested) = (0, 0);
        let mut last = None;
        let mut more = false;
        while let Some(object) = scan.peek() {
            if membership.matches(object) {
                bytes += object.json().len();
                if page.len() == self.size || (bytes > PAGE_BYTES && !page.is_empty()) {
                    more = true;
                    break;
                }
                page.push(message(object));
                last = Some(object.key().clone());
            }
            scan.advance();
            if scan.visited() >= rested + STEP_OBJECTS {
                rested = scan.visited();
                tokio::task::yield_now().await;
            }
        }
        let token = scope.token(position);
        let next_page_token = match last.filter(|_| more) {
            Some(last) => format!("{token}.{}", URL_SAFE_NO_PAD.encode(last.as_str())),
            None => String::new(),
        };
        ListObjectsResponse {
            objects: page,
            resource_version: position.version.to_string(),
            next_page_token,
            resume_token: token,
        }
    }
}
