//! Why a control plane did not start, with the end of the log that says it.

use std::{io, process::ExitStatus};

use serde_json::Value;
use thiserror::Error;

use super::{START_LIMIT, assets::Missing};

/// Why a control plane did not start, or did not do what was asked.
#[derive(Debug, Error)]
pub enum ControlPlaneError {
    /// The binaries are not there.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// A file, port or process was refused by the operating system.
    #[error("can't set up the control plane: {0}")]
    Io(#[from] io::Error),
    /// The generated kubeconfig was refused.
    #[error("the generated kubeconfig is unusable: {0}")]
    Kubeconfig(#[from] kube::config::KubeconfigError),
    /// A request failed.
    #[error("request to the control plane failed: {0}")]
    Request(#[from] kube::Error),
    /// A component ended instead of starting.
    #[error("{component} ended with {status}; its last lines:\n{tail}")]
    Ended {
        /// `etcd` or `kube-apiserver`.
        component: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// The end of its log.
        tail: String,
    },
    /// A component did not become ready in two minutes.
    #[error("{component} is not ready after {} s: {last}; its last lines:\n{tail}", START_LIMIT.as_secs())]
    NotReady {
        /// `etcd` or `kube-apiserver`.
        component: &'static str,
        /// What the last probe said.
        last: String,
        /// The end of its log.
        tail: String,
    },
    /// etcd answered without a revision.
    #[error("etcd's answer holds no revision: {0}")]
    NoRevision(Value),
}
