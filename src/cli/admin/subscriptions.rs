//! `informerd admin subscriptions`: one row for each distinct query.

use serde::Serialize;

use super::{Column, Entry, FilterRow, name, size};
use crate::proto::v1::SubscriptionGroup;

pub(super) const COLUMNS: [Column; 6] = [
    ("RESOURCE", false),
    ("NAMESPACES", false),
    ("FILTER", false),
    ("STREAMS", false),
    ("BYTES", false),
    ("OLD OBJECTS", true),
];

pub(super) fn row(group: &SubscriptionGroup) -> Row<'_> {
    Row {
        resource: name(group.resource.as_ref()),
        filter: FilterRow::of(group.filter.as_ref()),
        include_old_object: group.include_old_object,
        streams: group.subscriptions,
        log_bytes: group.log_bytes,
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row<'a> {
    resource: String,
    filter: FilterRow<'a>,
    include_old_object: bool,
    streams: u64,
    log_bytes: u64,
}

impl Entry for Row<'_> {
    fn cells(&self) -> Vec<String> {
        vec![
            self.resource.clone(),
            self.filter.namespaces(),
            self.filter.words(),
            self.streams.to_string(),
            size(self.log_bytes),
            self.include_old_object.to_string(),
        ]
    }
}
