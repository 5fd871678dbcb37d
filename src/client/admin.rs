//! What operators ask a daemon.

use super::{CallError, Client, MESSAGE_LIMIT, wire::Wire};
use crate::proto::v1::{
    ExplainFilterRequest, ExplainFilterResponse, ListSubscriptionsRequest, ListUpstreamsRequest,
    SubscriptionGroup, Upstream, admin_service_client::AdminServiceClient,
};

/// Largest page that the daemon gives.
const PAGE_SIZE: u32 = 1_000;

impl Client {
    /// Lists what the daemon watches at the apiserver. Needs `get` on the non-resource path
    /// `/informerd/admin/upstreams`.
    pub async fn upstreams(&self) -> Result<Vec<Upstream>, CallError> {
        let response = self.admin().list_upstreams(ListUpstreamsRequest {}).await?;
        Ok(response.into_inner().upstreams)
    }

    /// Lists the distinct queries that streams have open, over all pages; each page shows its own
    /// moment. Needs `get` on `/informerd/admin/subscriptions`.
    pub async fn subscriptions(&self) -> Result<Vec<SubscriptionGroup>, CallError> {
        let mut client = self.admin();
        let mut groups = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = ListSubscriptionsRequest {
                page_size: PAGE_SIZE,
                page_token,
            };
            let page = client.list_subscriptions(request).await?.into_inner();
            groups.extend(page.groups);
            if page.next_page_token.is_empty() {
                return Ok(groups);
            }
            page_token = page.next_page_token;
        }
    }

    /// Asks what the daemon makes of a filter. Needs `get` on `/informerd/admin/filters`.
    pub async fn explain_filter(
        &self,
        request: ExplainFilterRequest,
    ) -> Result<ExplainFilterResponse, CallError> {
        let response = self.admin().explain_filter(request).await?;
        Ok(response.into_inner())
    }

    fn admin(&self) -> AdminServiceClient<Wire> {
        AdminServiceClient::new(self.wire()).max_decoding_message_size(MESSAGE_LIMIT)
    }
}
