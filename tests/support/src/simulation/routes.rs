//! From a request to its answer: which resource, which verb, which fault it meets.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::mpsc;

use super::cluster::Cluster;
use super::discovery;
use super::faults::{Action, FaultId, Verb};
use super::journal::Receipt;
use super::output::{Link, Output, Torn};
use super::query::{Query, WatchQuery, WatchStart};
use super::refusal::Refusal;
use super::resources::ResourceSpec;
use super::reviews;
use super::store::not_served;
use super::subresources;
use super::verbs::{body, objects};
use super::watch::Watch;

/// One request, read to its end.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: Query,
    pub(super) accept: String,
    pub(super) content_type: String,
    pub(super) user_agent: String,
    pub(super) body: Bytes,
}

/// Its answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Payload,
}

/// Whole, or as it comes.
#[derive(Debug)]
pub(super) enum Payload {
    Whole(Bytes),
    Stream(mpsc::Receiver<Result<Bytes, Torn>>),
}

impl Answer {
    pub(super) fn whole(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        let headers = vec![("content-type".to_owned(), content_type.to_owned())];
        Self {
            status,
            headers,
            body: Payload::Whole(body.into()),
        }
    }

    pub(super) fn json(status: u16, value: &Value) -> Self {
        Self::whole(status, "application/json", value.to_string())
    }

    fn refused(refusal: &Refusal) -> Self {
        let mut answer = Self::json(refusal.code, &refusal.status());
        if let Some(seconds) = refusal.details["retryAfterSeconds"].as_u64() {
            answer
                .headers
                .push(("retry-after".to_owned(), seconds.to_string()));
        }
        answer
    }
}

/// What a path under `/api` or `/apis` names.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) spec: ResourceSpec,
    /// Empty for all, and for cluster-scoped resources.
    pub(super) namespace: String,
    /// Empty for the collection.
    pub(super) name: String,
    pub(super) subresource: String,
}

impl Target {
    /// `None` for paths that name no served resource.
    pub(super) fn find(cluster: &Cluster, path: &str) -> Option<Self> {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let (group, version, rest) = match parts.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return None,
        };
        let (namespace, rest) = match rest {
            ["namespaces", namespace, inner, ..] if !matches!(*inner, "status" | "finalize") => {
                (*namespace, &rest[2..])
            }
            _ => ("", rest),
        };
        let (resource, name, subresource) = match rest {
            [resource] => (*resource, "", ""),
            [resource, name] => (*resource, *name, ""),
            [resource, name, subresource] => (*resource, *name, *subresource),
            _ => return None,
        };
        let id = if group.is_empty() {
            resource.to_owned()
        } else {
            format!("{resource}.{group}")
        };
        let spec = cluster.read(|state| state.table(&id).ok().map(|table| table.spec.clone()))?;
        let fits = spec.version == version
            && (spec.namespaced || namespace.is_empty())
            && (subresource.is_empty()
                || subresources::of(&spec)
                    .iter()
                    .any(|known| known.name == subresource));
        fits.then(|| Self {
            spec,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            subresource: subresource.to_owned(),
        })
    }
}

/// The verb as discovery and RBAC name it.
fn verb(request: &Request, target: &Target) -> &'static str {
    match (request.method.as_str(), target.name.is_empty()) {
        ("GET" | "HEAD", _) if request.query.flag("watch") => "watch",
        ("GET" | "HEAD", true) => "list",
        ("GET" | "HEAD", false) => "get",
        ("POST", _) => "create",
        ("PUT", false) => "update",
        ("PATCH", false) => "patch",
        ("DELETE", true) => "deletecollection",
        ("DELETE", false) => "delete",
        _ => "",
    }
}

/// The resource and the verb of a request; both are empty where there are none.
pub(super) fn names(target: Option<&Target>, request: &Request) -> (String, &'static str) {
    match (target, reviews::resource(&request.path)) {
        (Some(target), _) => (target.spec.id(), verb(request, target)),
        (None, Some(review)) => (review.to_owned(), "create"),
        (None, None) => (String::new(), ""),
    }
}

fn kinds(cluster: &Cluster, request: &Request, verb: &str) -> Vec<Verb> {
    match verb {
        "get" => vec![Verb::Get],
        "list" if request.query.get("continue").is_empty() => vec![Verb::List],
        "list" => vec![Verb::List, Verb::ListNext],
        "watch" => match WatchQuery::parse(&request.query, cluster.options().watch_list) {
            Ok(query) if query.marked => vec![Verb::Watch, Verb::WatchList],
            Ok(WatchQuery {
                start: WatchStart::After(_),
                ..
            }) => vec![Verb::Watch, Verb::WatchFrom],
            _ => vec![Verb::Watch],
        },
        "" => vec![Verb::Other],
        _ => vec![Verb::Write],
    }
}

/// Answers one request; `None` means that the connection is to be dropped without an answer.
pub(super) async fn answer(
    cluster: &Cluster,
    link: &Arc<Link>,
    request: Request,
    receipt: &mut Receipt,
) -> Option<Answer> {
    let target = Target::find(cluster, &request.path);
    let (resource, verb) = names(target.as_ref(), &request);
    let kinds = kinds(cluster, &request, verb);
    let fault = cluster.script(|script| script.take(&resource, &kinds));
    let mut fault = match meet(cluster, link, fault).await {
        Met::Answer(answer) => return Some(answer),
        Met::Drop => return None,
        Met::Later(fault) => fault,
    };
    let Some(target) = target else {
        return Some(other(cluster, &request));
    };
    let answered = match verb {
        _ if !target.spec.allows(verb) => Err(Refusal::method_not_allowed()),
        "watch" => {
            let opened = watch(cluster, link, &target, &request, fault.take()).await;
            opened.inspect(|_| receipt.watches(&resource))
        }
        _ => objects(cluster, &target, &request, verb).await,
    };
    let answer = answered.unwrap_or_else(|refusal| Answer::refused(&refusal));
    Some(match fault {
        Some(fault) => struck(cluster, link, answer, fault),
        None => answer,
    })
}

/// What a fault leaves to do.
enum Met {
    Answer(Answer),
    Drop,
    /// The fault, if it strikes the body.
    Later(Option<(FaultId, Action)>),
}

/// Lets a fault strike before the request is looked at.
async fn meet(cluster: &Cluster, link: &Link, fault: Option<(FaultId, Action)>) -> Met {
    let Some((id, action)) = fault else {
        return Met::Later(None);
    };
    let bite = || cluster.script(|script| script.bite(id));
    match action {
        Action::Respond {
            status,
            headers,
            body,
        } => {
            bite();
            Met::Answer(Answer {
                status,
                headers,
                body: Payload::Whole(body),
            })
        }
        Action::Reset => {
            bite();
            link.reset_at_end();
            Met::Drop
        }
        Action::Freeze => {
            bite();
            std::future::pending().await
        }
        Action::Delay(pause) => {
            bite();
            tokio::time::sleep(pause).await;
            Met::Later(None)
        }
        body => Met::Later(Some((id, body))),
    }
}

fn other(cluster: &Cluster, request: &Request) -> Answer {
    match request.path.trim_end_matches('/') {
        "/healthz" | "/livez" | "/readyz" => return Answer::whole(200, "text/plain", "ok"),
        _ => {}
    }
    if let Some(resource) = reviews::resource(&request.path) {
        let answered = body(request).and_then(|review| reviews::answer(cluster, resource, review));
        return match answered {
            Ok(review) => Answer::json(201, &review),
            Err(refusal) => Answer::refused(&refusal),
        };
    }
    match discovery::document(cluster, &request.path, &request.accept) {
        Some((content_type, value)) => Answer::whole(200, &content_type, value.to_string()),
        None if discovery::serves_version_of(cluster, &request.path) => {
            Answer::refused(&not_served())
        }
        // Nobody at all answers for such a path, so nobody says it with a Status.
        None => Answer::whole(404, "text/plain; charset=utf-8", "404 page not found\n"),
    }
}

async fn watch(
    cluster: &Cluster,
    link: &Arc<Link>,
    target: &Target,
    request: &Request,
    fault: Option<(FaultId, Action)>,
) -> Result<Answer, Refusal> {
    let mut query = WatchQuery::parse(&request.query, cluster.options().watch_list)?;
    if !target.name.is_empty() {
        query.selector.pin_name(&target.name);
    }
    let (output, body) = Output::open(cluster.clone(), Arc::clone(link), fault.clone());
    let watch = Watch {
        cluster: cluster.clone(),
        spec: target.spec.clone(),
        namespace: target.namespace.clone(),
        query,
        fault: fault.filter(|(_, action)| {
            matches!(
                action,
                Action::BookmarkFalse | Action::NoBookmark | Action::EventsBeforeEnd(_)
            )
        }),
    };
    let begun = watch.begin().await;
    // Ends with the body, which the connection owns.
    tokio::spawn(watch.run(begun, output));
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    Ok(Answer {
        status: 200,
        headers,
        body: Payload::Stream(body),
    })
}

/// Lets a fault for streams strike a whole body.
fn struck(cluster: &Cluster, link: &Arc<Link>, answer: Answer, fault: (FaultId, Action)) -> Answer {
    let Payload::Whole(body) = answer.body else {
        return answer;
    };
    let (mut output, pieces) = Output::open(cluster.clone(), Arc::clone(link), Some(fault));
    tokio::spawn(async move {
        // The reader sees the end in any case.
        let _ = output.event(body).await;
    });
    Answer {
        body: Payload::Stream(pieces),
        ..answer
    }
}
