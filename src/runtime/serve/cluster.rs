//! The way to the cluster, its identity, and how it is watched.

use sha2::{Digest as _, Sha256};
use tracing::info;

use super::buffers;
use crate::{
    cacher::Settings,
    reflector::{self, ApiClient, ConnectOptions, ReflectorOptions},
    resource::Reach,
    runtime::args::{ClusterArgs, ServeArgs},
    store::HistoryLimits,
    subscription::FeedLimits,
    view::Budget,
};

/// Finds the cluster and makes sure that somebody answers there.
///
/// # Errors
/// See [`reflector::ConnectError`].
pub(super) async fn connect(args: &ClusterArgs) -> anyhow::Result<ApiClient> {
    let options = ConnectOptions {
        kubeconfig: args.kubeconfig.clone(),
        context: args.context.clone(),
        ..ConnectOptions::default()
    };
    let upstream = reflector::connect(&options).await?;
    upstream.probe(options.connect_timeout).await?;
    info!(server = %upstream.server, origin = %upstream.origin, "connected");
    Ok(upstream.client)
}

/// What tokens are bound to: the operator's word, or else the uid of `kube-system`. Both give the
/// same for the same text.
///
/// # Errors
/// See [`reflector::IdentityError`].
pub(super) async fn id(args: &ClusterArgs, client: &ApiClient) -> anyhow::Result<[u8; 8]> {
    let uid = match &args.cluster_id {
        Some(id) => id.clone(),
        None => reflector::cluster_id(client).await?,
    };
    let mut id = [0; 8];
    id.copy_from_slice(&Sha256::digest(uid.as_bytes())[..8]);
    Ok(id)
}

/// How the cluster is watched.
pub(super) fn settings(args: &ServeArgs, cluster: [u8; 8], reach: Reach) -> Settings {
    Settings {
        limits: FeedLimits {
            history: HistoryLimits {
                bytes: args.history_bytes,
                age: args.history_age,
            },
            view_log_bytes: args.view_log_bytes,
            budget: Budget::new(buffers::allowed(args.buffer_memory)),
        },
        linger: args.linger,
        sync_deadline: args.sync_deadline,
        reflector: ReflectorOptions {
            keep_managed_fields: args.keep_managed_fields,
            ..ReflectorOptions::default()
        },
        cluster,
        reach,
    }
}
