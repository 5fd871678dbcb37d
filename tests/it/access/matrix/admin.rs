//! The column of the admin service: the right to each of its pages is one to a path.

use informerd::proto::v1::{
    ExplainFilterRequest, ListSubscriptionsRequest, ListUpstreamsRequest,
    admin_service_client::AdminServiceClient,
};
use tonic::Status;

use super::{
    super::{
        calls::Line,
        cast::Identity,
        oracle::{self, Verdict},
    },
    Cell, Table, verdict,
};
use crate::request::named;

/// The pages, each with its path at the apiserver.
const PAGES: [&str; 3] = ["upstreams", "subscriptions", "filters"];

impl Table<'_> {
    /// Asks for each page.
    pub(super) async fn admin(&mut self, who: &Identity, line: &Line) {
        let mut cell = Cell::default();
        for page in PAGES {
            let path = format!("/informerd/admin/{page}");
            let expected = oracle::visits(self.cast, who, &path).await;
            let answer = show(line, page).await;
            let got = answer.as_ref().map_or_else(verdict, |()| Verdict::Allowed);
            if got != expected {
                let name = who.name;
                self.wrong.push(format!(
                    "{name} {page}: {got:?}, the apiserver says {expected:?}"
                ));
            }
            match got {
                Verdict::Allowed => cell.allowed += 1,
                _ => cell.refused += 1,
            }
            self.refusals.extend(answer.err());
        }
        self.cells.insert((who.name, "admin"), cell);
    }

    /// Only who was given the paths is shown the pages, whatever else anyone may read.
    pub(super) fn judge_admin(&self) {
        for ((name, way), cell) in &self.cells {
            if *way == "admin" {
                let all = PAGES.len() as u32;
                let expected = if *name == "operator" {
                    (all, 0)
                } else {
                    (0, all)
                };
                assert_eq!((cell.allowed, cell.refused), expected, "{name}");
            }
        }
        assert!(self.cells.contains_key(&("operator", "admin")));
    }
}

async fn show(line: &Line, page: &str) -> Result<(), Status> {
    let mut client = AdminServiceClient::new(line.0.clone());
    match page {
        "upstreams" => client
            .list_upstreams(ListUpstreamsRequest {})
            .await
            .map(drop),
        "subscriptions" => {
            let request = ListSubscriptionsRequest::default();
            client.list_subscriptions(request).await.map(drop)
        }
        _ => {
            let request = ExplainFilterRequest {
                resource: Some(named("configmaps")),
                filter: None,
            };
            client.explain_filter(request).await.map(drop)
        }
    }
}
