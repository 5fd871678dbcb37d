//! The driver against a scripted apiserver.

use tokio::sync::mpsc;

use super::*;
use crate::reflector::{
    RestartReason,
    testing::{
        Act, Notes, PATIENCE, Server, answer, bookmark, event, list, open_watch, pod, pods, source,
        status,
    },
};

/// A running reflector; dropping it stops it.
struct Running {
    server: Server,
    notes: mpsc::UnboundedReceiver<String>,
    stats: Arc<ReflectorStats>,
    task: tokio::task::JoinHandle<Infallible>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Running {
    async fn note(&mut self) -> String {
        let next = tokio::time::timeout(PATIENCE, self.notes.recv()).await;
        next.expect("a note in time").expect("the reflector lives")
    }

    async fn notes<const N: usize>(&mut self, want: [&str; N]) {
        for want in want {
            assert_eq!(self.note().await, want);
        }
    }
}

fn quick() -> ReflectorOptions {
    let ms = Duration::from_millis;
    ReflectorOptions {
        watch_list: false,
        backoff_base: ms(2),
        backoff_cap: ms(20),
        reconnect_jitter: ms(2),
        ..ReflectorOptions::default()
    }
}

async fn run(options: ReflectorOptions, answers: Vec<Vec<Act>>) -> Running {
    let server = Server::answering(answers).await;
    let (sink, notes) = Notes::new();
    let stats = Arc::new(ReflectorStats::default());
    let reflector = Reflector {
        client: server.client.clone(),
        source: source(&pods()),
        options,
        sink,
        stats: stats.clone(),
        rng: fastrand::Rng::with_seed(1),
    };
    let task = tokio::spawn(reflector.run());
    Running {
        server,
        notes,
        stats,
        task,
    }
}

#[tokio::test]
async fn lists_pages_watches_and_resumes() {
    let answers = vec![
        answer(200, list(&[pod("b", 2)], 10, "to ken")),
        answer(200, list(&[pod("a", 1)], 10, "")),
        vec![
            Act::Head(200, ""),
            Act::Body(event("ADDED", "c", 11) + &event("DELETED", "c", 12) + &bookmark(15, "")),
            Act::End,
        ],
        open_watch(event("MODIFIED", "a", 16)),
    ];
    let mut running = run(quick(), answers).await;
    running
        .notes([
            "replace [a b] @10",
            "healthy",
            "apply +c@11 -c@12 =15",
            "apply ~a@16",
        ])
        .await;
    assert_eq!(running.server.request().await, "/api/v1/pods?limit=500");
    assert_eq!(
        running.server.request().await,
        "/api/v1/pods?limit=500&continue=to%20ken"
    );
    let request = running.server.request().await;
    assert!(
        request.starts_with("/api/v1/pods?watch=true&allowwatchbookmarks=true&"),
        "{request}"
    );
    let versions = [request, running.server.request().await].map(|request| {
        let at = request
            .split_once("&resourceversion=")
            .map(|(_, rest)| rest);
        at.and_then(|rest| rest.split('&').next())
            .map(str::to_owned)
    });
    assert_eq!(versions, [Some("10".into()), Some("15".into())]);
    let stats = &running.stats;
    assert_eq!((stats.lists(), stats.watches()), (2, 2));
    assert_eq!((stats.events(), stats.bookmarks()), (3, 1));
    assert_eq!(stats.restarts(RestartReason::Closed), 1);
}

#[tokio::test]
async fn f41_watch_list_then_f1_f2_a_cut_line() {
    let cut = event("ADDED", "half", 9);
    for clean in [true, false] {
        let mut second = vec![
            Act::Head(200, ""),
            Act::Body(event("ADDED", "a", 1) + &event("ADDED", "b", 2) + &event("DELETED", "a", 3)),
            Act::Body(bookmark(7, "true") + &event("ADDED", "c", 8) + &cut[..cut.len() - 1]),
        ];
        if clean {
            second.push(Act::End);
        }
        let answers = vec![second, open_watch(&*cut)];
        let options = ReflectorOptions {
            watch_list: true,
            ..quick()
        };
        let mut running = run(options, answers).await;
        running
            .notes(["replace [b] @7", "healthy", "apply +c@8", "apply +half@9"])
            .await;
        let first = running.server.request().await;
        assert!(
            first.contains("sendinitialevents=true&resourceversionmatch=notolderthan"),
            "{first}"
        );
        let second = running.server.request().await;
        assert!(second.contains("&resourceversion=8&"), "{second}");
    }
}

#[tokio::test]
async fn f40_an_initial_state_without_an_end_falls_back() {
    let options = ReflectorOptions {
        watch_list: true,
        initial_deadline: Duration::from_millis(50),
        ..quick()
    };
    let answers = vec![
        open_watch(event("ADDED", "a", 1)),
        answer(200, list(&[pod("b", 2)], 10, "")),
    ];
    let mut running = run(options, answers).await;
    running.notes(["replace [b] @10"]).await;
    assert_eq!(running.stats.restarts(RestartReason::Fallback), 1);
}

#[tokio::test]
async fn f3_f19_f7_bad_lines_and_a_pretty_410() {
    let pretty = "{\n  \"kind\": \"Status\",\n  \"reason\": \"Expired\",\n  \"code\": 410\n}\n";
    let answers = vec![
        answer(200, list(&[], 10, "")),
        open_watch(
            event("ADDED", "a", 11) + "{\"type\":\"ADDED\",\"obj\n" + &event("ADDED", "b", 13),
        ),
        answer(410, pretty),
        answer(200, list(&[pod("a", 11), pod("b", 13)], 20, "")),
        open_watch(bookmark(21, "")),
    ];
    let mut running = run(quick(), answers).await;
    running
        .notes([
            "replace [] @10",
            "healthy",
            "apply +a@11",
            "replace [a b] @20",
            "apply =21",
        ])
        .await;
    let stats = &running.stats;
    assert_eq!(stats.malformed(), 1);
    assert_eq!(stats.restarts(RestartReason::Expired), 1);
}

#[tokio::test]
async fn f10_a_silent_watch_is_opened_again() {
    let options = ReflectorOptions {
        idle_limit: Duration::from_millis(300),
        ..quick()
    };
    let silent = vec![Act::Head(200, ""), Act::Hold];
    let answers = vec![
        answer(200, list(&[], 10, "")),
        silent,
        open_watch(event("ADDED", "a", 11)),
    ];
    let mut running = run(options, answers).await;
    running
        .notes(["replace [] @10", "healthy", "apply +a@11"])
        .await;
    assert!(running.stats.restarts(RestartReason::Idle) >= 1);
}

#[tokio::test]
async fn f11_a_line_that_drips_in_is_given_up() {
    let options = ReflectorOptions {
        idle_limit: Duration::from_millis(300),
        ..quick()
    };
    let mut drip = vec![Act::Head(200, "")];
    drip.extend((0..1000).map(|_| Act::Drip));
    let answers = vec![
        answer(200, list(&[], 10, "")),
        drip,
        open_watch(event("ADDED", "a", 11)),
    ];
    let mut running = run(options, answers).await;
    running
        .notes(["replace [] @10", "healthy", "apply +a@11"])
        .await;
    assert!(running.stats.restarts(RestartReason::Idle) >= 1);
}

#[tokio::test]
async fn f25_troubles_are_told_once_each_and_heal() {
    let options = ReflectorOptions {
        response_timeout: Duration::from_secs(1),
        ..quick()
    };
    let answers = vec![
        vec![],
        vec![Act::Hold],
        answer(500, "<html>"),
        answer(503, status(503, "ServiceUnavailable")),
        answer(200, "<html>log in</html>"),
        answer(403, status(403, "Forbidden")),
        answer(404, "404 page not found"),
        // The version's own document is asked for.
        answer(200, r#"{"resources":[{"name":"nodes","kind":"Node"}]}"#),
        vec![
            Act::Head(200, "content-encoding: gzip\r\n"),
            Act::Body("x".into()),
            Act::End,
        ],
        answer(200, list(&[], 10, "")),
        open_watch(bookmark(10, "")),
    ];
    let mut running = run(options, answers).await;
    running
        .notes([
            "unreachable",
            "server_error",
            "bad_answer",
            "forbidden",
            "not_served",
            "server_error",
            "replace [] @10",
            "healthy",
        ])
        .await;
}

#[tokio::test]
async fn f12_an_endless_line_is_cut() {
    let options = ReflectorOptions {
        max_line: 1000,
        ..quick()
    };
    let answers = vec![
        answer(200, list(&[], 10, "")),
        open_watch("x".repeat(2000)),
        answer(200, list(&[], 11, "")),
    ];
    let mut running = run(options, answers).await;
    running
        .notes(["replace [] @10", "healthy", "desynced", "replace [] @11"])
        .await;
}

#[tokio::test]
async fn a_large_page_is_decoded_too() {
    let pods: Vec<_> = (0..4000).map(|n| pod(&format!("p{n:04}"), n + 1)).collect();
    let body = list(&pods, 5000, "");
    assert!(body.len() > LARGE_PAGE);
    let mut running = run(quick(), vec![answer(200, body)]).await;
    let note = running.note().await;
    assert!(note.starts_with("replace [p0000 p0001 ") && note.ends_with(" p3999] @5000"));
}

#[tokio::test]
async fn dropping_it_closes_the_connection() {
    let answers = vec![answer(200, list(&[], 10, "")), open_watch(bookmark(11, ""))];
    let mut running = run(quick(), answers).await;
    running
        .notes(["replace [] @10", "healthy", "apply =11"])
        .await;
    running.server.request().await;
    running.server.request().await;
    running.task.abort();
    assert_eq!(running.server.request().await, "closed");
}
