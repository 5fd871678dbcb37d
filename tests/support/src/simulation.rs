//! A kube-apiserver imitation on real sockets: the upstream of every test and of the demo. It
//! keeps the truth that subscribers are judged by, and goes wrong on demand.
//!
//! [`Cluster`] is the state with all its knobs, [`Server`] puts it on the network, [`Fault`]
//! scripts what goes wrong, [`Life`] makes things happen.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use informerd_support::simulation::{Cluster, Server, kubeconfig};
//! use serde_json::json;
//!
//! let cluster = Cluster::default();
//! let server = Server::start(cluster.clone(), "127.0.0.1:0").await?;
//! cluster.create("configmaps", json!({ "metadata": { "name": "a" }, "data": { "k": "v" } }))?;
//! std::fs::write("kubeconfig", kubeconfig(server.addr()))?;
//! assert_eq!(cluster.truth("configmaps").commits.len(), 1);
//! server.stop().await;
//! # Ok(())
//! # }
//! ```

mod cluster;
mod control;
mod discovery;
mod faults;
mod journal;
mod life;
mod list;
mod metadata;
mod object;
mod output;
mod patch;
mod protobuf;
mod query;
mod refusal;
mod resources;
mod reviews;
mod routes;
mod selector;
mod server;
mod store;
mod subresources;
mod verbs;
mod watch;
mod writes;

pub use cluster::{Cluster, Options};
pub use faults::{Action, Disruption, Fault, FaultReport, Verb};
pub use life::{Happening, Life};
pub use patch::PatchKind;
pub use refusal::Refusal;
pub use resources::{ResourceSpec, built_in};
pub use reviews::{Caller, Mood, OWN_AUDIENCE, Rule};
pub use selector::Selector;
pub use server::{Server, kubeconfig};
pub use writes::Preconditions;
