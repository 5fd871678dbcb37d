//! `ResourceService`: what can be watched here.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::{Offer, frames};
use crate::{
    cacher::Cachers,
    proto::v1::{
        self, Availability, ListResourcesRequest, ListResourcesResponse,
        resource_service_server::ResourceService,
    },
};

/// The resource service.
#[derive(Debug, Clone)]
pub(super) struct ResourceApi {
    pub(super) offer: Arc<Offer>,
    pub(super) cachers: Arc<Cachers>,
}

#[tonic::async_trait]
impl ResourceService for ResourceApi {
    async fn list_resources(
        &self,
        _: Request<ListResourcesRequest>,
    ) -> Result<Response<ListResourcesResponse>, Status> {
        let all = self.offer.all().await?;
        let resources = all
            .into_iter()
            .map(|(info, availability)| v1::Resource {
                resource: Some(frames::resource(&info.gvr)),
                kind: info.kind,
                namespaced: info.namespaced,
                short_names: info.short_names,
                preferred: info.preferred,
                availability: match availability {
                    Availability::Available if self.cachers.is_forbidden(&info.gvr) => {
                        Availability::ForbiddenUpstream.into()
                    }
                    other => other.into(),
                },
            })
            .collect();
        Ok(Response::new(ListResourcesResponse { resources }))
    }
}
