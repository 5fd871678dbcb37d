//! Lists: consistent pages pinned to the version of the first one, put together from the texts
//! that the objects already have.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde_json::{Value, json};

use super::cluster::Cluster;
use super::object::Object;
use super::query::{ListAt, ListQuery};
use super::refusal::Refusal;
use super::resources::ResourceSpec;

/// The body of a list. `namespace` is empty for all of them.
pub(super) async fn list(
    cluster: &Cluster,
    spec: &ResourceSpec,
    namespace: &str,
    query: &ListQuery,
) -> Result<Bytes, Refusal> {
    if query.token.is_empty() {
        let (ListAt::NotOlderThan(version) | ListAt::Exact(version)) = query.at;
        cluster.fresh(version).await?;
    }
    let resource = spec.id();
    let page = cluster.read(|state| {
        let visible = state.visible();
        let (version, start) = match (Token::parse(&query.token)?, query.at) {
            (Some(token), _) => (token.version.unwrap_or(visible), token.start),
            (None, ListAt::Exact(version)) => (version, String::new()),
            (None, ListAt::NotOlderThan(_)) => (visible, String::new()),
        };
        let found = state.objects_at(state.table(&resource)?, version, &start);
        let objects = found.map_err(|refused| match query.token.as_str() {
            "" => refused,
            _ => Refusal::continue_expired(
                Token {
                    version: None,
                    start,
                }
                .text(),
            ),
        })?;
        let selected = objects.into_iter().filter(|object| {
            (namespace.is_empty() || object.metadata("namespace") == namespace)
                && query.selector.matches(&object.value)
        });
        let mut objects: Vec<_> = selected.collect();
        let rest = match query.limit {
            0 => Vec::new(),
            limit => objects.split_off(limit.min(objects.len())),
        };
        Ok(Page {
            version,
            next: rest.first().map(|object| key(object)),
            remaining: rest.len(),
            objects,
        })
    })?;
    Ok(render(spec, &page, query.selector.is_empty()))
}

struct Page {
    version: u64,
    objects: Vec<std::sync::Arc<Object>>,
    /// Key of the first object of the next page.
    next: Option<String>,
    remaining: usize,
}

fn key(object: &Object) -> String {
    super::store::key_of(object.metadata("namespace"), object.metadata("name"))
}

fn render(spec: &ResourceSpec, page: &Page, counted: bool) -> Bytes {
    let mut metadata = json!({ "resourceVersion": page.version.to_string() });
    if let Some(start) = page.next.clone() {
        metadata["continue"] = json!(
            Token {
                version: Some(page.version),
                start
            }
            .text()
        );
        // Not told for selected lists, as the rest is not evaluated upstream.
        if counted {
            metadata["remainingItemCount"] = json!(page.remaining);
        }
    }
    let head = json!({
        "kind": format!("{}List", spec.kind), "apiVersion": spec.api_version(), "metadata": metadata,
    });
    let mut body = head.to_string().into_bytes();
    body.pop();
    body.extend_from_slice(br#","items":["#);
    for (at, object) in page.objects.iter().enumerate() {
        if at > 0 {
            body.push(b',');
        }
        if spec.custom {
            body.extend_from_slice(&object.text());
        } else {
            body.push(b'{');
            body.extend_from_slice(&object.untyped_tail());
        }
    }
    body.extend_from_slice(b"]}\n");
    body.into()
}

/// What a continue token says.
struct Token {
    /// `None` goes on inconsistently, at the newest state.
    version: Option<u64>,
    start: String,
}

impl Token {
    fn text(&self) -> String {
        let version = self.version.map_or(json!(-1), |version| json!(version));
        let text = json!({ "v": "meta.k8s.io/v1", "rv": version, "start": self.start }).to_string();
        URL_SAFE_NO_PAD.encode(text)
    }

    fn parse(text: &str) -> Result<Option<Self>, Refusal> {
        if text.is_empty() {
            return Ok(None);
        }
        let decoded = URL_SAFE_NO_PAD.decode(text).ok();
        let value = decoded.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
        let token = value.and_then(|value| {
            let start = value["start"].as_str()?.to_owned();
            Some(Self {
                version: value["rv"].as_u64(),
                start,
            })
        });
        token
            .map(Some)
            .ok_or_else(|| Refusal::bad_request("continue key is not valid"))
    }
}
