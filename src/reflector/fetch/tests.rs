//! Reads of the past against a scripted apiserver.

use super::*;
use crate::reflector::testing::{
    Act, Server, answer, bookmark, event, list, open_watch, pod, pods, source, status, text,
};

fn fetcher(server: &Server) -> Fetcher {
    Fetcher {
        client: server.client.clone(),
        source: source(&pods()),
        options: ReflectorOptions::default(),
    }
}

fn rv(version: u64) -> ResourceVersion {
    ResourceVersion::new(&version.to_string())
}

async fn replay(first: Vec<Act>, from: u64, until: u64) -> Result<Vec<String>, FetchError> {
    let server = Server::answering(vec![first, answer(200, "")]).await;
    let deltas = fetcher(&server).replay(&rv(from), &rv(until)).await?;
    Ok(deltas.iter().map(text).collect())
}

#[tokio::test]
async fn an_exact_list_has_the_version_asked_for() {
    let pages = vec![
        answer(200, list(&[pod("b", 2)], 7, "t")),
        answer(200, list(&[pod("a", 1)], 7, "")),
    ];
    let mut server = Server::answering(pages).await;
    let (objects, version) = fetcher(&server).exact_list(&rv(7)).await.expect("a list");
    let names: Vec<_> = objects.iter().map(|object| object.name()).collect();
    assert_eq!((names, version), (vec!["a", "b"], rv(7)));
    assert_eq!(
        server.request().await,
        "/api/v1/pods?limit=500&resourceversion=7&resourceversionmatch=exact"
    );
    assert_eq!(server.request().await, "/api/v1/pods?limit=500&continue=t");
}

#[tokio::test]
async fn an_exact_list_is_refused_or_true() {
    for (body, want) in [
        (answer(410, status(410, "Expired")), FetchError::Expired),
        (answer(200, list(&[], 8, "")), FetchError::Expired),
        (answer(403, status(403, "Forbidden")), FetchError::Forbidden),
        (
            answer(500, status(500, "InternalError")),
            FetchError::Unavailable("status 500 InternalError".into()),
        ),
    ] {
        let server = Server::answering(vec![body]).await;
        assert_eq!(fetcher(&server).exact_list(&rv(7)).await, Err(want));
    }
}

#[tokio::test]
async fn a_replay_ends_with_its_last_event() {
    let stream = event("ADDED", "old", 5) + &event("ADDED", "a", 6) + &event("DELETED", "a", 8);
    assert_eq!(
        replay(open_watch(&*stream), 5, 8).await,
        Ok(vec!["+a@6".into(), "-a@8".into()])
    );
    assert_eq!(
        replay(open_watch(&*stream), 5, 7).await,
        Ok(vec!["+a@6".into()])
    );
    assert_eq!(replay(open_watch(&*stream), 8, 8).await, Ok(vec![]));
}

#[tokio::test]
async fn a_replay_ends_with_a_bookmark() {
    let stream = event("ADDED", "a", 6) + &bookmark(6, "") + &bookmark(7, "");
    assert_eq!(
        replay(open_watch(stream), 5, 7).await,
        Ok(vec!["+a@6".into()])
    );
}

#[tokio::test]
async fn a_replay_goes_on_where_the_server_closed_it() {
    let answers = vec![
        answer(200, event("ADDED", "a", 6) + &event("MODIFIED", "a", 7)),
        answer(200, event("DELETED", "a", 8)),
        open_watch(event("ADDED", "b", 9)),
    ];
    let mut server = Server::answering(answers).await;
    let deltas = fetcher(&server).replay(&rv(5), &rv(9)).await;
    let told: Vec<_> = deltas.expect("whole").iter().map(text).collect();
    assert_eq!(told, ["+a@6", "~a@7", "-a@8", "+b@9"]);
    for from in [5, 7, 8] {
        let request = server.request().await;
        assert!(
            request.contains(&format!("&resourceversion={from}&")),
            "{request}"
        );
    }
}

#[tokio::test]
async fn a_replay_is_whole_or_fails() {
    let expired = "{\"type\":\"ERROR\",\"object\":".to_owned() + &status(410, "Expired") + "}\n";
    assert_eq!(
        replay(open_watch(expired), 5, 9).await,
        Err(FetchError::Expired)
    );
    assert_eq!(
        replay(answer(410, status(410, "Gone")), 5, 9).await,
        Err(FetchError::Expired)
    );
    for stream in [
        event("ADDED", "a", 6),
        event("ADDED", "a", 6) + "garbage\n" + &event("ADDED", "b", 9),
        event("ADDED", "a", 7) + &event("ADDED", "b", 6) + &event("ADDED", "b", 9),
    ] {
        let got = replay(answer(200, stream), 5, 9).await;
        assert!(matches!(got, Err(FetchError::Unavailable(_))), "{got:?}");
    }
}
