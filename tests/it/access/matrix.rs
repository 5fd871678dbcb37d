//! Every identity by every way of reading: the daemon's answer is the apiserver's, cell by cell.

mod admin;
mod losers;

use std::collections::BTreeMap;

use informerd::proto::v1::{Availability, GetObjectRequest, ListObjectsRequest};
use tonic::{Code, Status};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest,
};

use super::{
    calls::Line,
    canary,
    cast::{Cast, Identity, Target, targets},
    oracle::{self, Verdict},
};
use crate::{
    conformance::scenarios,
    daemon::Daemon,
    request::{Ask, named},
    stage::Kind,
    subscriber::reason,
};

scenarios![access_matrix];

/// Ways of reading that name a resource.
const WAYS: [&str; 6] = ["snapshot", "live", "resume", "by name", "get", "list"];

/// What each identity must have been shown in each of [`WAYS`]: both answers, or one of them.
const SHOWN: [(&str, Shown); 12] = [
    ("none", Shown::Nothing),
    ("garbage", Shown::Nothing),
    ("expired", Shown::Nothing),
    ("other-audience", Shown::Nothing),
    ("ns-viewer", Shown::Both),
    ("cluster-viewer", Shown::Both),
    ("names-only", Shown::NamesOnly),
    ("operator", Shown::Nothing),
    ("apiserver-audience", Shown::ByMode),
    ("selector-only", Shown::ByMode),
    ("revoked", Shown::NoLonger),
    ("deleted", Shown::NoLonger),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Nothing,
    Both,
    /// Both where a name can be given.
    NamesOnly,
    /// Nothing in the strict mode; otherwise both.
    ByMode,
    /// Nothing, since a stream was open. Played in the strict mode.
    NoLonger,
}

impl Shown {
    fn fits(self, way: &str, lax: bool, cell: Cell) -> bool {
        let both = cell.allowed > 0 && cell.refused > 0;
        let nothing = cell.allowed == 0 && cell.refused > 0;
        match self {
            Self::Nothing => nothing,
            Self::Both => both,
            Self::NamesOnly if way == "by name" || way == "get" => both,
            Self::NamesOnly => nothing,
            Self::ByMode if lax => both,
            Self::ByMode | Self::NoLonger => nothing,
        }
    }
}

/// How often an identity was allowed something and refused something.
#[derive(Debug, Clone, Copy, Default)]
struct Cell {
    allowed: u32,
    refused: u32,
}

/// One mode of the daemon.
struct Table<'a> {
    cast: &'a Cast,
    daemon: Daemon,
    boss: Line,
    cells: BTreeMap<(&'static str, &'static str), Cell>,
    refusals: Vec<Status>,
    wrong: Vec<String>,
}

async fn access_matrix(kind: Kind) {
    let mut cast = Cast::assemble(kind).await;
    for lax in [false, true] {
        cast.lax = lax;
        let arguments: &[&str] = if lax {
            &["--accept-apiserver-audience"]
        } else {
            &["--recheck-interval", "1s"]
        };
        let daemon = Daemon::guarded(&cast.stage.kubeconfig(), arguments).await;
        let channel = daemon.connect().await;
        let boss = cast.usable("boss").await;
        let mut table = Table {
            boss: Line::new(&channel, Some(&boss)),
            cast: &cast,
            daemon,
            cells: BTreeMap::new(),
            refusals: Vec::new(),
            wrong: Vec::new(),
        };
        let mut identities = cast.identities().await;
        for who in &identities {
            let line = Line::new(&channel, who.token.as_deref());
            table.row(who, &line).await;
        }
        if !lax {
            identities.extend(table.losers(&channel).await);
        }
        let tokens: Vec<_> = identities.into_iter().filter_map(|who| who.token).collect();
        table.judge(&tokens, kind).await;
    }
}

impl Table<'_> {
    /// Asks for everything in every way.
    async fn row(&mut self, who: &Identity, line: &Line) {
        for target in targets() {
            for way in WAYS {
                self.ask(who, line, way, &target).await;
            }
        }
        self.resources(who, line).await;
        self.services(who, line).await;
        self.admin(who, line).await;
    }

    /// Fills one cell with one more answer.
    async fn ask(&mut self, who: &Identity, line: &Line, way: &'static str, target: &Target) {
        // Each way has targets of its own kind.
        let fits = match way {
            "get" => !target.name.is_empty() && target.fields.is_empty(),
            "by name" => !target.name.is_empty(),
            _ => target.name.is_empty(),
        };
        if !fits {
            return;
        }
        let expected = match way {
            "get" => oracle::verdict(self.cast, who, "get", target).await,
            "list" => oracle::verdict(self.cast, who, "list", target).await,
            _ => oracle::list_and_watch(self.cast, who, target).await,
        };
        let answer = self.answer(line, way, target).await;
        let got = answer.as_ref().map_or_else(verdict, |_| Verdict::Allowed);
        // A resume needs a token, which only an existing resource gives.
        let token = way == "resume" && target.resource == "gizmos";
        if got != expected && !token {
            let said = answer.as_ref().err();
            self.wrong.push(format!(
                "{} {way} {target:?}: {got:?}, the apiserver says {expected:?} ({said:?})",
                who.name
            ));
        }
        let cell = self.cells.entry((who.name, way)).or_default();
        match got {
            Verdict::Allowed => cell.allowed += 1,
            Verdict::NotFound => {}
            _ => cell.refused += 1,
        }
        self.refusals.extend(answer.err());
    }

    async fn answer(&self, line: &Line, way: &str, target: &Target) -> Result<(), Status> {
        let filter = || ask(target).message.filter;
        match way {
            "get" => {
                let request = GetObjectRequest {
                    resource: Some(named(target.resource)),
                    namespace: target.namespace.to_owned(),
                    name: target.name.to_owned(),
                    ..GetObjectRequest::default()
                };
                let object = line.get(request).await?;
                assert_eq!(object.name, target.name);
            }
            "list" => {
                let request = ListObjectsRequest {
                    resource: Some(named(target.resource)),
                    filter: filter(),
                    ..ListObjectsRequest::default()
                };
                let list = line.list(request).await?;
                let names = list.objects.iter().map(|object| object.name.as_str());
                within(target, list.objects.len(), names);
            }
            "live" => drop(line.watch(&ask(target).now()).await?),
            "resume" => {
                let mut boss = match self.boss.watch(&ask(target)).await {
                    Ok(boss) => boss,
                    // There is nothing to resume.
                    Err(_) => return line.watch(&ask(target)).await.map(drop),
                };
                let (_, token) = boss.snapshot().await.expect("a snapshot");
                drop(line.watch(&ask(target).token(&token)).await?);
            }
            _ => {
                let mut stream = line.watch(&ask(target)).await?;
                let (names, _) = stream.snapshot().await.expect("a snapshot");
                within(target, names.len(), names.iter().map(String::as_str));
            }
        }
        Ok(())
    }

    /// What the daemon says of resources is what it does.
    async fn resources(&mut self, who: &Identity, line: &Line) {
        let mut cell = Cell::default();
        let known = oracle::knows(self.cast, who).await;
        match line.resources().await {
            Err(status) => {
                cell.refused += 1;
                assert!(!known, "{}: {status}", who.name);
                assert_eq!(status.code(), Code::Unauthenticated, "{}", who.name);
                self.refusals.push(status);
            }
            Ok(all) => {
                assert!(known, "{} is nobody, and is shown resources", who.name);
                for resource in ["configmaps", "pods", "services"] {
                    let core = |r: &&informerd::proto::v1::Resource| {
                        r.resource
                            .as_ref()
                            .is_some_and(|n| n.resource == resource && n.group.is_empty())
                    };
                    let said = all.iter().find(core).expect("served").availability();
                    let target = Target {
                        resource,
                        ..Target::default()
                    };
                    let expected = match oracle::list_and_watch(self.cast, who, &target).await {
                        Verdict::Allowed => Availability::Available,
                        _ => Availability::Forbidden,
                    };
                    if said != expected {
                        self.wrong
                            .push(format!("{} resources {resource}: {said:?}", who.name));
                    }
                    match said {
                        Availability::Available => cell.allowed += 1,
                        _ => cell.refused += 1,
                    }
                }
            }
        }
        self.cells.insert((who.name, "resources"), cell);
    }

    /// Reflection is for everybody who is known, health for everybody.
    async fn services(&mut self, who: &Identity, line: &Line) {
        let question = ServerReflectionRequest {
            host: String::new(),
            message_request: Some(MessageRequest::ListServices(String::new())),
        };
        let mut client = ServerReflectionClient::new(line.0.clone());
        let answer = client
            .server_reflection_info(tokio_stream::iter([question]))
            .await;
        let known = oracle::knows(self.cast, who).await;
        let code = answer.as_ref().map_or_else(Status::code, |_| Code::Ok);
        let expected = if known {
            Code::Ok
        } else {
            Code::Unauthenticated
        };
        assert_eq!(code, expected, "{} reflection", who.name);
        let cell = Cell {
            allowed: known.into(),
            refused: (!known).into(),
        };
        self.cells.insert((who.name, "reflection"), cell);
        let mut health = HealthClient::new(line.0.clone());
        let answer = health.check(HealthCheckRequest::default()).await;
        assert!(answer.is_ok(), "{} health", who.name);
        let cell = Cell {
            allowed: 1,
            refused: 0,
        };
        self.cells.insert((who.name, "health"), cell);
    }

    /// Every cell is right, is filled, and shows what it is there to show.
    async fn judge(self, tokens: &[String], kind: Kind) {
        let lax = self.cast.lax;
        let text = self.text(kind);
        assert!(self.wrong.is_empty(), "{text}\n{}", self.wrong.join("\n"));
        for (name, shown) in SHOWN {
            if lax && shown == Shown::NoLonger {
                continue;
            }
            for way in WAYS {
                let cell = self.cells.get(&(name, way)).copied().unwrap_or_default();
                let vacuous = !shown.fits(way, lax, cell);
                assert!(!vacuous, "{name} {way} shows too little: {cell:?}\n{text}");
            }
            for way in ["resources", "reflection", "health"] {
                assert!(
                    self.cells.contains_key(&(name, way)),
                    "{name} {way} is empty"
                );
            }
        }
        self.judge_admin();
        for status in &self.refusals {
            assert!(!reason(status).is_empty(), "{status:?}");
        }
        let refused = [r#""outcome":"refused""#, "access_denied"];
        canary::audited(&self.daemon, &refused).await;
        canary::audited(&self.daemon, &["stream begins", "cluster-viewer"]).await;
        canary::unseen(&self.daemon, tokens, &self.refusals).await;
    }

    /// The table for people; kept beside the test's other files.
    fn text(&self, kind: Kind) -> String {
        let ways: Vec<_> = WAYS
            .into_iter()
            .chain(["resources", "reflection", "health", "admin"])
            .collect();
        let mut text = format!("| allowed/refused | {} |\n", ways.join(" | "));
        let played =
            |(name, _): &(&'static str, Shown)| self.cells.contains_key(&(*name, "health"));
        for (name, _) in SHOWN.iter().filter(|row| played(row)) {
            let cell = |way: &&'static str| {
                let cell = self.cells.get(&(name, *way)).copied().unwrap_or_default();
                format!("{}/{}", cell.allowed, cell.refused)
            };
            let cells: Vec<_> = ways.iter().map(cell).collect();
            text += &format!("| {name} | {} |\n", cells.join(" | "));
        }
        let mode = if self.cast.lax { "lax" } else { "strict" };
        let file = format!("access-matrix-{kind:?}-{mode}.md").to_lowercase();
        let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(file);
        std::fs::write(file, &text).expect("writable");
        text
    }
}

/// A target as a watch.
fn ask(target: &Target) -> Ask {
    let mut ask = Ask::of(target.resource).fields(&target.fields);
    if !target.namespace.is_empty() {
        ask = ask.namespace(target.namespace);
    }
    if !target.name.is_empty() {
        ask = ask.name(target.name);
    }
    ask
}

/// What was shown is what was asked for: each object here has one of the names below.
fn within<'a>(target: &Target, count: usize, mut names: impl Iterator<Item = &'a str>) {
    if target.name.is_empty() {
        // There are no services; some may be allowed to see that.
        assert!(
            count > 0 || target.resource == "services",
            "{target:?}: nothing was shown"
        );
    } else {
        assert!(names.all(|name| name == target.name), "{target:?}");
    }
}

/// A refusal in the oracle's words.
fn verdict(status: &Status) -> Verdict {
    match (status.code(), reason(status).as_str()) {
        (Code::Unauthenticated, "CREDENTIALS_MISSING" | "CREDENTIALS_INVALID") => {
            Verdict::Unauthenticated
        }
        (Code::PermissionDenied, "ACCESS_DENIED") => Verdict::Forbidden,
        (Code::NotFound, "RESOURCE_NOT_SERVED" | "OBJECT_NOT_FOUND") => Verdict::NotFound,
        _ => panic!("no answer of the matrix: {status:?}"),
    }
}
