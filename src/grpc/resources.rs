//! `ResourceService`: what can be watched here.

use std::sync::Arc;

use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use tonic::{Request, Response, Status};

use super::{Offer, audit::Call, frames};
use crate::{
    access::{Caller, Gate, Refusal},
    cacher::{Cachers, UpstreamStanding},
    proto::v1::{
        self, ListResourcesRequest, ListResourcesResponse, resource_service_server::ResourceService,
    },
    resource::ResourceInfo,
};

/// For the audit log.
const CALL: &str = "/informerd.v1.ResourceService/ListResources";
/// Resources that are asked about at once, one question each: a few, so that a call that leads to
/// hundreds stands in nobody's way.
const AT_ONCE: usize = 8;

/// The resource service.
#[derive(Debug, Clone)]
pub(super) struct ResourceApi {
    pub(super) gate: Gate,
    pub(super) offer: Arc<Offer>,
    pub(super) cachers: Arc<Cachers>,
}

#[tonic::async_trait]
impl ResourceService for ResourceApi {
    async fn list_resources(
        &self,
        request: Request<ListResourcesRequest>,
    ) -> Result<Response<ListResourcesResponse>, Status> {
        let mut call = Call::begins(request.extensions(), CALL)?;
        let answer = self.list(&mut call).await;
        call.ends(answer, |answer| answer.resources.len())
    }
}

impl ResourceApi {
    async fn list(&self, call: &mut Call) -> Result<ListResourcesResponse, Status> {
        let all = self.offer.all().await?;
        let caller = call.origin().caller.clone();
        let mut described = Vec::with_capacity(all.len());
        for (info, availability) in all {
            described.push(self.describe(&caller, info, availability).boxed());
        }
        let resources = stream::iter(described).buffered(AT_ONCE);
        let resources = resources.try_collect().await;
        let resources = resources.map_err(|refusal| call.refused(&refusal))?;
        Ok(ListResourcesResponse { resources })
    }

    async fn describe(
        &self,
        caller: &Caller,
        info: ResourceInfo,
        availability: v1::Availability,
    ) -> Result<v1::Resource, Refusal> {
        let availability = match availability {
            v1::Availability::Available => self.available(caller, &info).await?,
            other => other,
        };
        Ok(v1::Resource {
            resource: Some(frames::resource(&info.gvr)),
            kind: info.kind,
            namespaced: info.namespaced,
            short_names: info.short_names,
            preferred: info.preferred,
            availability: availability.into(),
        })
    }

    /// What stands in the way of a resource that is offered, if anything does.
    async fn available(
        &self,
        caller: &Caller,
        info: &ResourceInfo,
    ) -> Result<v1::Availability, Refusal> {
        let places = self.cachers.places(info);
        if !self.may(caller, info, &places).await? {
            return Ok(v1::Availability::Forbidden);
        }
        // Trouble in namespaces of others is none of this caller's.
        let UpstreamStanding { refused, watched } = self.cachers.standing(&info.gvr);
        let hit = !refused.is_empty() && self.may(caller, info, &refused).await?;
        let spared = hit && !watched.is_empty() && self.may(caller, info, &watched).await?;
        Ok(if hit && !spared {
            v1::Availability::ForbiddenUpstream
        } else {
            v1::Availability::Available
        })
    }

    /// Whether the caller may follow the resource in one of these namespaces.
    async fn may<S: AsRef<str>>(
        &self,
        caller: &Caller,
        info: &ResourceInfo,
        places: &[S],
    ) -> Result<bool, Refusal> {
        self.gate.may_subscribe(caller, &info.gvr, places).await
    }
}
