//! Watch the pods of a namespace through every kind of trouble.
//!
//! Shows what is left to do about errors: a position that can't be continued means to start anew,
//! an object that can't be read is passed over, everything else means to try again after a while,
//! from the token of the last event. Restarts of the daemon and of the apiserver don't show here,
//! the stream just continues. Without `fail_on_expired` the watch would start anew by itself and
//! say so with an `Event::Reset`.
//!
//! Run it with a daemon at `INFORMERD_SERVER` (127.0.0.1:7300 unless set), end it with Ctrl-C.
//! RESOURCE_VERSION is the last one that an earlier run has printed:
//! `cargo run --example resilient_watch [NAMESPACE [RESOURCE_VERSION]]`

use std::{env, time::Duration};

use futures::StreamExt as _;
use informerd::client::{Client, WatchError};
use k8s_openapi::api::core::v1::Pod;

const MAX_RETRIES: u32 = 5;

/// Where the next attempt begins.
enum Start {
    Snapshot,
    Version(String),
    Token(String),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = env::args().skip(1);
    let namespace = arguments.next().unwrap_or_else(|| "default".to_owned());
    let mut start = arguments.next().map_or(Start::Snapshot, Start::Version);
    let server = env::var("INFORMERD_SERVER").unwrap_or_else(|_| "127.0.0.1:7300".to_owned());

    let mut retries = 0;
    loop {
        println!("Starting watch (attempt {})", retries + 1);
        let watched = watch(&server, &namespace, &mut start, &mut retries).await;
        let Err(error) = watched else {
            return Ok(());
        };
        println!("Watch error: {error:#}");
        if must_start_anew(&error) {
            println!("Resource version expired, restarting watch");
            start = Start::Snapshot;
            continue;
        }
        retries += 1;
        if retries == MAX_RETRIES {
            println!("Max retries exceeded, giving up");
            return Err(error);
        }
        let wait = Duration::from_secs(2_u64.pow(retries).min(30));
        println!("Retrying in {} seconds...", wait.as_secs());
        tokio::time::sleep(wait).await;
    }
}

/// Prints each event, and notes how far it has come.
async fn watch(
    server: &str,
    namespace: &str,
    start: &mut Start,
    retries: &mut u32,
) -> anyhow::Result<()> {
    let client = Client::connect(server).await?;
    let watch = client.watch::<Pod>().namespace(namespace).fail_on_expired();
    let watch = match start {
        Start::Snapshot => watch,
        Start::Version(version) => watch.from_resource_version(version.as_str()),
        Start::Token(token) => watch.from_token(token.as_str()),
    };
    let mut pods = watch.open();
    while let Some(event) = pods.next().await {
        match event {
            Ok(event) => {
                if let Some((kind, pod)) = event.change() {
                    println!("{kind}: {} (rv: {})", pod.name, pod.resource_version);
                    *retries = 0;
                }
            }
            // Of one object; the watch goes on.
            Err(error) if !error.ends_watch() => println!("Watch error: {error}"),
            Err(error) => return Err(error.into()),
        }
        if let Some(token) = pods.token() {
            *start = Start::Token(token.to_owned());
        }
    }
    Ok(())
}

fn must_start_anew(error: &anyhow::Error) -> bool {
    matches!(
        error.downcast_ref::<WatchError>(),
        Some(WatchError::Call(error)) if error.must_start_anew()
    )
}
