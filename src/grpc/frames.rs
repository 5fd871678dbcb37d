//! Frames of one stream alone, and the framing of messages.

use std::time::{Duration, SystemTime};

use bytes::{BufMut, Bytes, BytesMut};
use prost::{
    Message as _,
    encoding::{decode_key, decode_varint},
};

use crate::{
    proto::v1::{self, frame::Frame},
    resource::Gvr,
    selector::{EventType, Query},
    subscription::{Control, Outcome, ResetReason, UpstreamHealth},
};

/// The five bytes that stand before each gRPC message: not compressed, and its length.
pub(super) fn prefix(length: usize) -> Bytes {
    let mut bytes = BytesMut::with_capacity(5);
    bytes.put_u8(0);
    bytes.put_u32(u32::try_from(length).expect("messages stay far below 4 GiB"));
    bytes.freeze()
}

/// What `Started` repeats of the request.
#[derive(Debug, Clone)]
pub(super) struct Echo {
    pub(super) gvr: Gvr,
    pub(super) query: Query,
    pub(super) bookmark_interval: Duration,
}

/// How many frames encoded events are. Only their lengths are looked at.
pub(super) fn count(slices: &[Bytes]) -> u64 {
    let mut count = 0;
    for slice in slices {
        let mut rest = &slice[..];
        while !rest.is_empty() {
            let length = decode_key(&mut rest).and_then(|_| decode_varint(&mut rest));
            let length = length.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX));
            rest = rest.get(length..).unwrap_or_default();
            count += 1;
        }
    }
    count
}

/// Encodes a control frame as a message of its own.
pub(super) fn control(control: Control, echo: &Echo) -> Bytes {
    let frame = match control {
        Control::Started { outcome, epoch } => Frame::Started(v1::Started {
            resource: Some(resource(&echo.gvr)),
            filter: Some(filter(&echo.query)),
            outcome: start_outcome(outcome).into(),
            epoch,
            bookmark_interval: Some(duration(echo.bookmark_interval)),
        }),
        Control::SnapshotEnd {
            version,
            token,
            count,
        } => Frame::SnapshotEnd(v1::SnapshotEnd {
            resource_version: version.to_string(),
            resume_token: token,
            count,
        }),
        Control::Bookmark {
            version,
            token,
            silence,
        } => Frame::Bookmark(v1::Bookmark {
            resource_version: version.to_string(),
            resume_token: token,
            upstream_silence: Some(duration(silence)),
        }),
        Control::Reset { reason, epoch } => Frame::Reset(v1::Reset {
            reason: reset_reason(reason).into(),
            epoch,
        }),
        Control::Upstream { health, since } => Frame::UpstreamState(v1::UpstreamState {
            health: upstream_health(health).into(),
            since: Some(timestamp(since)),
        }),
        Control::Draining { reconnect_delay } => Frame::Draining(v1::Draining {
            reconnect_delay: Some(duration(reconnect_delay)),
        }),
    };
    let response = v1::WatchResponse {
        frames: vec![v1::Frame { frame: Some(frame) }],
    };
    response.encode_to_vec().into()
}

pub(super) fn resource(gvr: &Gvr) -> v1::GroupVersionResource {
    v1::GroupVersionResource {
        group: gvr.group.clone(),
        version: gvr.version.clone(),
        resource: gvr.resource.clone(),
    }
}

pub(super) fn filter(query: &Query) -> v1::Filter {
    let membership = query.membership();
    let types = [
        (EventType::Added, v1::EventType::Added),
        (EventType::Modified, v1::EventType::Modified),
        (EventType::Deleted, v1::EventType::Deleted),
    ];
    let chosen = types
        .into_iter()
        .filter(|(kind, _)| query.event_types().contains(*kind));
    let event_types = if query.event_types().is_all() {
        Vec::new()
    } else {
        chosen.map(|(_, kind)| kind.into()).collect()
    };
    v1::Filter {
        namespaces: texts(membership.namespaces()),
        names: texts(membership.names()),
        label_selector: membership.labels().to_string(),
        field_selector: membership.fields().to_string(),
        event_types,
    }
}

fn texts(entries: &[Box<str>]) -> Vec<String> {
    entries.iter().map(|entry| entry.to_string()).collect()
}

pub(super) fn duration(duration: Duration) -> prost_types::Duration {
    prost_types::Duration::try_from(duration).expect("times are bounded by hours")
}

fn timestamp(time: SystemTime) -> prost_types::Timestamp {
    prost_types::Timestamp::from(time)
}

fn start_outcome(outcome: Outcome) -> v1::StartOutcome {
    match outcome {
        Outcome::Snapshot => v1::StartOutcome::Snapshot,
        Outcome::Resumed => v1::StartOutcome::Resumed,
        Outcome::Resynced => v1::StartOutcome::Resynced,
        Outcome::FromNow => v1::StartOutcome::FromNow,
    }
}

/// The label of a start in metrics.
pub(super) fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Snapshot => "snapshot",
        Outcome::Resumed => "resumed",
        Outcome::Resynced => "resynced",
        Outcome::FromNow => "from_now",
    }
}

fn reset_reason(reason: ResetReason) -> v1::ResetReason {
    match reason {
        ResetReason::Expired => v1::ResetReason::Expired,
        ResetReason::Lagged => v1::ResetReason::Lagged,
        ResetReason::Rewound => v1::ResetReason::Rewound,
    }
}

fn upstream_health(health: UpstreamHealth) -> v1::UpstreamHealth {
    match health {
        UpstreamHealth::Healthy => v1::UpstreamHealth::Healthy,
        UpstreamHealth::Degraded => v1::UpstreamHealth::Degraded,
    }
}
