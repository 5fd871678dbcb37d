//! The driver: does what the machine says.

use std::{convert::Infallible, fmt, sync::Arc, time::Duration};

use super::{
    Health, ReflectorOptions, ReflectorStats, Sink,
    connection::{Connection, Ears},
    decode::{DecodeError, Decoder, Page},
    discovery,
    machine::{Effect, Input, Machine, Next, Step},
    request::{Answer, ListQuery, MAX_PAGE, RequestError, get, list_uri, read, watch_uri},
};
use crate::resource::{ResourceVersion, Source};

/// Pages of more bytes than this are decoded beside the async threads.
const LARGE_PAGE: usize = 256 << 10;

/// Keeps a [`Sink`] up to date with one resource, in the whole cluster or in one namespace.
pub struct Reflector {
    /// Client without retries of its own ([`connect()`](super::connect()) makes such ones).
    pub client: kube::Client,
    /// What to watch, as discovery has confirmed it.
    pub source: Source,
    /// Limits and times.
    pub options: ReflectorOptions,
    /// Who is told.
    pub sink: Arc<dyn Sink>,
    /// What is counted.
    pub stats: Arc<ReflectorStats>,
    /// Randomness of backoff and timeouts; a seed makes a test repeatable.
    pub rng: fastrand::Rng,
}

impl Reflector {
    /// Runs until it is dropped, which closes the connection. Never fails: every trouble is told to
    /// the sink and tried again.
    pub async fn run(mut self) -> Infallible {
        let decoder = Decoder::new(self.source.info(), self.options.keep_managed_fields);
        let mut machine = Machine::new(self.options.clone());
        let mut next = Next::Wait(Duration::ZERO);
        let mut connection = None;
        loop {
            if !matches!(next, Next::Read { .. }) {
                connection = None;
            }
            let input = match next {
                Next::Wait(wait) => {
                    tokio::time::sleep(wait).await;
                    Input::Waited
                }
                Next::List {
                    continue_token,
                    limit,
                } => self.list(&decoder, continue_token, limit).await,
                Next::Watch { from, timeout } => {
                    let (input, opened) = self.watch(from.as_ref(), timeout).await;
                    connection = opened;
                    input
                }
                Next::Confirm => {
                    Input::Served(discovery::is_served(&self.client, self.source.gvr()).await)
                }
                Next::Read { initial } => {
                    let connection = connection.as_mut().expect("only an open watch is read");
                    connection.read(initial, &self.ears(&decoder)).await
                }
            };
            let step = machine.step(input, &mut self.rng);
            next = self.tell(step);
        }
    }

    fn ears<'a>(&'a self, decoder: &'a Decoder) -> Ears<'a> {
        Ears {
            decoder,
            options: &self.options,
            sink: &*self.sink,
            stats: &self.stats,
        }
    }

    async fn watch(
        &self,
        from: Option<&ResourceVersion>,
        timeout: Duration,
    ) -> (Input, Option<Connection>) {
        self.stats.count_watch();
        let uri = watch_uri(&self.source, from, timeout);
        match self.get(&uri).await {
            Ok(Answer::Accepted(response)) => {
                let connection = Connection::new(response.into_body(), self.options.max_line);
                (Input::Opened, Some(connection))
            }
            Ok(Answer::Refused(status)) => (Input::Refused(status), None),
            Err(error) => (self.unreachable(&error), None),
        }
    }

    async fn list(
        &self,
        decoder: &Decoder,
        continue_token: Option<String>,
        limit: Option<u32>,
    ) -> Input {
        self.stats.count_list();
        let query = ListQuery {
            limit,
            continue_token: continue_token.as_deref(),
            exact: None,
        };
        let body = match self.get(&list_uri(&self.source, &query)).await {
            Ok(Answer::Accepted(response)) => response.into_body(),
            Ok(Answer::Refused(status)) => return Input::Refused(status),
            Err(error) => return self.unreachable(&error),
        };
        let heard = |data: &[u8]| {
            self.sink.heard();
            self.stats.count_bytes(data.len());
        };
        match read(body, self.options.idle_limit, MAX_PAGE, heard).await {
            Ok(body) => Input::Page(decode_page(decoder, body).await),
            Err(error) => self.unreachable(&error),
        }
    }

    async fn get(&self, uri: &str) -> Result<Answer, RequestError> {
        let limit = self.options.response_timeout;
        get(&self.client, uri, super::request::JSON, limit).await
    }

    fn unreachable(&self, error: &RequestError) -> Input {
        tracing::debug!(resource = %self.source, %error, "no answer from the apiserver");
        Input::Unreachable
    }

    fn tell(&self, step: Step) -> Next {
        let resource = &self.source;
        for effect in step.effects {
            self.stats.count_effect(&effect);
            match effect {
                Effect::Replace {
                    objects,
                    version,
                    rewound,
                } => {
                    tracing::debug!(%resource, %version, rewound, objects = objects.len(), "synced");
                    self.sink.replace(objects, version, rewound);
                }
                Effect::Apply(deltas) => self.sink.apply(deltas),
                Effect::Health(health) => {
                    match health {
                        _ if self.options.quiet => {}
                        Health::Healthy => tracing::info!(%resource, "up to date"),
                        Health::Degraded { reason } => {
                            tracing::warn!(%resource, %reason, "not up to date");
                        }
                    }
                    self.sink.health(health);
                }
                Effect::Restart(reason) => {
                    tracing::debug!(%resource, reason = reason.as_str(), "starting again");
                }
                Effect::Duplicates(count) => {
                    tracing::debug!(%resource, count, "dropped events that had been seen");
                }
                Effect::Malformed(error) => tracing::warn!(%resource, %error, "bad answer"),
            }
        }
        step.next
    }
}

/// Decodes a page without holding up other tasks.
pub(super) async fn decode_page(
    decoder: &Decoder,
    body: bytes::Bytes,
) -> Result<Page, DecodeError> {
    if body.len() < LARGE_PAGE {
        return decoder.page(&body);
    }
    let decoder = decoder.clone();
    let decoding = tokio::task::spawn_blocking(move || decoder.page(&body));
    // Decoding doesn't panic, so only the end of the process can keep it from finishing.
    let lost = DecodeError::Malformed { column: 0 };
    decoding.await.unwrap_or(Err(lost))
}

impl fmt::Debug for Reflector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reflector")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
