//! `AdminService`: what operators look at.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use prost::Message as _;
use tonic::{Request, Response, Status};

use super::{
    Offer,
    audit::Call,
    frames, offer,
    status::{closed, invalid},
    validate,
};
use crate::{
    access::Gate,
    cacher::{CacherSize, Cachers, Phase},
    proto::v1::{
        self, ExplainFilterRequest, ExplainFilterResponse, ListSubscriptionsRequest,
        ListSubscriptionsResponse, ListUpstreamsRequest, ListUpstreamsResponse,
        admin_service_server::AdminService,
    },
    resource::Source,
    selector::Query,
    view::{Anchor, QuerySize},
};

/// For the audit log.
const UPSTREAMS: &str = "/informerd.v1.AdminService/ListUpstreams";
const SUBSCRIPTIONS: &str = "/informerd.v1.AdminService/ListSubscriptions";
const EXPLAIN: &str = "/informerd.v1.AdminService/ExplainFilter";
/// What callers must be allowed to get, by a `nonResourceURLs` rule.
const PATH: &str = "/informerd/admin";
const PAGE_DEFAULT: usize = 500;
const PAGE_MAX: usize = 1000;
/// A page ends before its entries exceed this.
const PAGE_BYTES: usize = 1 << 20;

/// The admin service.
#[derive(Debug, Clone)]
pub(super) struct AdminApi {
    pub(super) gate: Gate,
    pub(super) offer: Arc<Offer>,
    pub(super) cachers: Arc<Cachers>,
}

#[tonic::async_trait]
impl AdminService for AdminApi {
    async fn list_upstreams(
        &self,
        request: Request<ListUpstreamsRequest>,
    ) -> Result<Response<ListUpstreamsResponse>, Status> {
        let mut call = Call::begins(request.extensions(), UPSTREAMS)?;
        let answer = self.upstreams(&mut call).await;
        call.ends(answer, |answer| answer.upstreams.len())
    }

    async fn list_subscriptions(
        &self,
        request: Request<ListSubscriptionsRequest>,
    ) -> Result<Response<ListSubscriptionsResponse>, Status> {
        let mut call = Call::begins(request.extensions(), SUBSCRIPTIONS)?;
        let answer = self.subscriptions(&mut call, request.into_inner()).await;
        call.ends(answer, |answer| answer.groups.len())
    }

    async fn explain_filter(
        &self,
        request: Request<ExplainFilterRequest>,
    ) -> Result<Response<ExplainFilterResponse>, Status> {
        let mut call = Call::begins(request.extensions(), EXPLAIN)?;
        let answer = self.explain(&mut call, request.into_inner()).await;
        call.ends(answer, |_| 1)
    }
}

impl AdminApi {
    async fn upstreams(&self, call: &mut Call) -> Result<ListUpstreamsResponse, Status> {
        self.admit(call, "upstreams").await?;
        let upstreams = self.cachers.sizes().into_iter().map(upstream).collect();
        Ok(ListUpstreamsResponse { upstreams })
    }

    async fn subscriptions(
        &self,
        call: &mut Call,
        request: ListSubscriptionsRequest,
    ) -> Result<ListSubscriptionsResponse, Status> {
        self.admit(call, "subscriptions").await?;
        let size = size(request.page_size)?;
        let after = after(&request.page_token)?;
        let mut groups: Vec<_> = self
            .cachers
            .queries()
            .into_iter()
            .map(|(source, size)| (place(&source, &size.query), source, size))
            .filter(|(place, ..)| *place > after)
            .collect();
        groups.sort_by(|(one, ..), (other, ..)| one.cmp(other));
        Ok(page(groups, size))
    }

    async fn explain(
        &self,
        call: &mut Call,
        request: ExplainFilterRequest,
    ) -> Result<ExplainFilterResponse, Status> {
        self.admit(call, "filters").await?;
        let named = offer::named(request.resource)?;
        let info = self.offer.look_up(&named).await?;
        let filter = request.filter.unwrap_or_default();
        let event_types = validate::event_types(&filter.event_types)?;
        let membership = validate::membership(&filter)?;
        call.is_about(&info.gvr, &membership);
        validate::namespaces(&info, &membership)?;
        let source = self.cachers.source(&info, membership.namespaces());
        let source = source.map_err(|why| closed(&why, std::time::Duration::ZERO))?;
        let queries = self.cachers.queries().into_iter();
        let same =
            queries.filter(|(own, size)| *own == source && *size.query.membership() == membership);
        let subscriptions = same.map(|(_, size)| size.readers as u64).sum();
        let (anchor, anchor_term) = anchor(Anchor::of(&membership));
        let fingerprint = membership.fingerprint();
        Ok(ExplainFilterResponse {
            resource: Some(frames::resource(&info.gvr)),
            anchor: anchor.into(),
            anchor_term,
            fingerprint: fingerprint.map(|byte| format!("{byte:02x}")).concat(),
            subscriptions,
            filter: Some(frames::filter(&Query::new(membership, event_types, false))),
        })
    }

    /// Whether whoever calls may see this page.
    async fn admit(&self, call: &mut Call, page: &str) -> Result<(), Status> {
        let path = format!("{PATH}/{page}");
        let visit = self.gate.visit(&call.origin().caller, &path, "get").await;
        visit.map_err(|refusal| call.refused(&refusal))
    }
}

fn upstream(size: CacherSize) -> v1::Upstream {
    let version = |text: String| {
        if size.pulse.synced {
            text
        } else {
            String::new()
        }
    };
    let phase = match size.phase {
        Phase::Asleep => v1::UpstreamPhase::Asleep,
        Phase::Starting => v1::UpstreamPhase::Starting,
        Phase::Healthy => v1::UpstreamPhase::Healthy,
        Phase::Degraded => v1::UpstreamPhase::Degraded,
        Phase::Forbidden => v1::UpstreamPhase::Forbidden,
        Phase::NotServed => v1::UpstreamPhase::NotServed,
    };
    v1::Upstream {
        resource: Some(frames::resource(size.source.gvr())),
        namespace: size.source.namespace().unwrap_or_default().to_owned(),
        phase: phase.into(),
        synced: size.pulse.synced,
        resource_version: version(size.pulse.version.to_string()),
        oldest_resource_version: version(size.floor.to_string()),
        epoch: size.epoch.to_string(),
        silence: Some(frames::duration(size.silence)),
        objects: size.feed.objects as u64,
        history_changes: size.feed.history_changes as u64,
        history_bytes: size.feed.history_bytes as u64,
        queries: size.feed.views as u64,
        subscriptions: size.feed.subscriptions as u64,
        lists: size.stats.lists(),
        watches: size.stats.watches(),
    }
}

/// Where a query stands in the list: by resource, namespace and its own text.
type Place = (String, String, String, String, String);

fn place(source: &Source, query: &Query) -> Place {
    let gvr = source.gvr();
    (
        gvr.group.clone(),
        gvr.version.clone(),
        gvr.resource.clone(),
        source.namespace().unwrap_or_default().to_owned(),
        query.to_string(),
    )
}

fn size(asked: u32) -> Result<usize, Status> {
    match usize::try_from(asked).unwrap_or(usize::MAX) {
        0 => Ok(PAGE_DEFAULT),
        size if size <= PAGE_MAX => Ok(size),
        _ => {
            let description = format!("must be at most {PAGE_MAX}");
            Err(invalid("page_size", "INVALID_OPTION", description))
        }
    }
}

/// A page token is the place of the last entry.
fn after(token: &str) -> Result<Place, Status> {
    if token.is_empty() {
        return Ok(Place::default());
    }
    let bytes = URL_SAFE_NO_PAD.decode(token).ok();
    let place = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    place.ok_or_else(|| {
        let description = "is no token of this list; pass it as it was received";
        invalid("page_token", "TOKEN_INVALID", description)
    })
}

fn page(groups: Vec<(Place, Source, QuerySize)>, size: usize) -> ListSubscriptionsResponse {
    let total = groups.len();
    let mut page = ListSubscriptionsResponse::default();
    let mut bytes = 0;
    let mut last = None;
    for (place, source, query) in groups {
        let group = group(&source, &query);
        bytes += group.encoded_len();
        if page.groups.len() == size || (bytes > PAGE_BYTES && !page.groups.is_empty()) {
            break;
        }
        page.groups.push(group);
        last = Some(place);
    }
    if let Some(last) = last.filter(|_| page.groups.len() < total) {
        let text = serde_json::to_vec(&last).expect("strings are json");
        page.next_page_token = URL_SAFE_NO_PAD.encode(text);
    }
    page
}

fn group(source: &Source, size: &QuerySize) -> v1::SubscriptionGroup {
    v1::SubscriptionGroup {
        resource: Some(frames::resource(source.gvr())),
        filter: Some(frames::filter(&size.query)),
        include_old_object: size.query.include_old(),
        subscriptions: size.readers as u64,
        log_bytes: size.log_bytes as u64,
    }
}

fn anchor(anchor: Anchor<'_>) -> (v1::FilterAnchor, String) {
    match anchor {
        Anchor::Names(names) => (v1::FilterAnchor::Names, names.join(",")),
        Anchor::Label(key, value) => (v1::FilterAnchor::Label, format!("{key}={value}")),
        Anchor::Field(path, value) => (v1::FilterAnchor::Field, format!("{path}={value}")),
        Anchor::Namespaces(namespaces) => (v1::FilterAnchor::Namespaces, namespaces.join(",")),
        Anchor::None => (v1::FilterAnchor::None, String::new()),
    }
}
