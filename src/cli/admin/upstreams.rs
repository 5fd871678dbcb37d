//! `informerd admin upstreams`: one row for each watch at the apiserver.

use serde::Serialize;

use super::{Column, Entry, name, size};
use crate::{
    cli::age,
    proto::v1::{Upstream, UpstreamPhase},
};

pub(super) const COLUMNS: [Column; 14] = [
    ("RESOURCE", false),
    ("NAMESPACE", false),
    ("STATE", false),
    ("SILENCE", false),
    ("OBJECTS", false),
    ("CHANGES", false),
    ("BYTES", false),
    ("QUERIES", false),
    ("STREAMS", false),
    ("VERSION", true),
    ("OLDEST", true),
    ("EPOCH", true),
    ("LISTS", true),
    ("WATCHES", true),
];

pub(super) fn row(upstream: &Upstream) -> Row<'_> {
    let silence = upstream.silence.as_ref();
    Row {
        resource: name(upstream.resource.as_ref()),
        namespace: &upstream.namespace,
        state: state(upstream),
        synced: upstream.synced,
        silence_seconds: silence.map(|silence| silence.seconds),
        objects: upstream.objects,
        history_changes: upstream.history_changes,
        history_bytes: upstream.history_bytes,
        queries: upstream.queries,
        streams: upstream.subscriptions,
        resource_version: &upstream.resource_version,
        oldest_resource_version: &upstream.oldest_resource_version,
        epoch: &upstream.epoch,
        lists: upstream.lists,
        watches: upstream.watches,
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row<'a> {
    resource: String,
    namespace: &'a str,
    state: &'static str,
    synced: bool,
    silence_seconds: Option<i64>,
    objects: u64,
    history_changes: u64,
    history_bytes: u64,
    queries: u64,
    streams: u64,
    resource_version: &'a str,
    oldest_resource_version: &'a str,
    epoch: &'a str,
    lists: u64,
    watches: u64,
}

impl Entry for Row<'_> {
    fn cells(&self) -> Vec<String> {
        vec![
            self.resource.clone(),
            if self.namespace.is_empty() {
                "*"
            } else {
                self.namespace
            }
            .to_owned(),
            self.state.to_owned(),
            self.silence_seconds.map_or_else(String::new, age::human),
            self.objects.to_string(),
            self.history_changes.to_string(),
            size(self.history_bytes),
            self.queries.to_string(),
            self.streams.to_string(),
            self.resource_version.to_owned(),
            self.oldest_resource_version.to_owned(),
            self.epoch.to_owned(),
            self.lists.to_string(),
            self.watches.to_string(),
        ]
    }
}

fn state(upstream: &Upstream) -> &'static str {
    match upstream.phase() {
        UpstreamPhase::Asleep => "asleep",
        UpstreamPhase::Starting => "starting",
        UpstreamPhase::Healthy => "healthy",
        UpstreamPhase::Degraded => "degraded",
        UpstreamPhase::Forbidden => "forbidden",
        UpstreamPhase::NotServed => "not served",
        UpstreamPhase::Unspecified => "unknown",
    }
}
