//! Reads from the cache: versions, pages, and the way from a list to a watch.

use informerd::proto::v1::{
    self, EventType::Modified, GetObjectRequest, ListObjectsRequest, ListObjectsResponse,
    StartOutcome, object_service_client::ObjectServiceClient,
};
use serde_json::json;
use tonic::{Code, Status, service::interceptor::InterceptedService, transport::Channel};

use super::scenarios;
use crate::{
    request::{Ask, Bearer, named},
    stage::Kind,
    subscriber::{number, reason},
    wait::until,
    world::{World, quick},
};

scenarios![
    k75_get_and_versions,
    k75_pages_show_one_state,
    k75_page_token_expires,
    k75_list_then_watch
];

const MAPS: &str = "configmaps";

struct Reader<'a> {
    client: ObjectServiceClient<InterceptedService<Channel, Bearer>>,
    world: &'a World,
}

impl<'a> Reader<'a> {
    fn new(world: &'a World) -> Self {
        Self {
            client: ObjectServiceClient::with_interceptor(world.channel(), world.bearer()),
            world,
        }
    }

    async fn get(&self, name: &str, min: &str) -> Result<v1::GetObjectResponse, Status> {
        let request = GetObjectRequest {
            resource: Some(named(MAPS)),
            namespace: self.world.namespace.clone(),
            name: name.into(),
            min_resource_version: min.into(),
        };
        let response = self.client.clone().get_object(request).await?;
        Ok(response.into_inner())
    }

    /// All config maps of the scenario.
    fn request(&self) -> ListObjectsRequest {
        let ask = Ask::of(MAPS).namespace(&self.world.namespace);
        ListObjectsRequest {
            resource: ask.message.resource,
            filter: ask.message.filter,
            ..ListObjectsRequest::default()
        }
    }

    async fn list(&self, request: ListObjectsRequest) -> Result<ListObjectsResponse, Status> {
        let response = self.client.clone().list_objects(request).await?;
        Ok(response.into_inner())
    }

    async fn refused(&self, request: ListObjectsRequest) -> (Code, String) {
        let refused = self.list(request).await.expect_err("must be refused");
        (refused.code(), reason(&refused))
    }
}

fn names(page: &ListObjectsResponse) -> Vec<&str> {
    page.objects
        .iter()
        .map(|object| object.name.as_str())
        .collect()
}

/// `RunTestGet` and the resourceVersion part of `RunTestList`
/// (staging/src/k8s.io/apiserver/pkg/storage/testing/store_tests.go).
async fn k75_get_and_versions(kind: Kind) {
    let world = World::new(kind, "k75-get", &[MAPS], &[]).await;
    let created = world.create_map("there", json!({})).await;
    let watched = Ask::of(MAPS).namespace(&world.namespace);
    // It isn't read from here on.
    let watched = watched.bookmarks(std::time::Duration::from_secs(60));
    let watcher = world.synced("watcher", &watched, 1).await;
    let reader = Reader::new(&world);

    for min in ["", "0", &created.to_string()] {
        let got = reader.get("there", min).await.expect("it exists");
        let object = got.object.expect("an object");
        assert_eq!(object.resource_version, created.to_string());
        assert!(number(&got.resource_version) >= created, "min {min:?}");
        let listed = reader.request();
        let listed = reader.list(ListObjectsRequest {
            min_resource_version: min.into(),
            ..listed
        });
        let listed = listed.await.expect("a list");
        assert!(number(&listed.resource_version) >= created, "min {min:?}");
        assert_eq!(listed.objects, [object], "min {min:?}");
    }
    // A read that asks for an own write sees it, however fast it comes.
    for step in 1..=20 {
        let written = world.touch_map("there", &step.to_string()).await;
        let got = reader.get("there", &written.to_string()).await;
        let object = got.expect("it exists").object.expect("an object");
        assert_eq!(object.resource_version, written.to_string());
    }
    let missing = reader.get("nowhere", "").await.expect_err("there is none");
    let expected = (Code::NotFound, "OBJECT_NOT_FOUND".to_owned());
    assert_eq!((missing.code(), reason(&missing)), expected);
    let table = [
        ("-1", Code::InvalidArgument),
        ("abc", Code::InvalidArgument),
        ("1.5", Code::InvalidArgument),
        ("9000000000000000000", Code::OutOfRange),
    ];
    for (min, code) in table {
        let refused = reader.get("there", min).await.expect_err("refused");
        let listed = reader.refused(ListObjectsRequest {
            min_resource_version: min.into(),
            ..reader.request()
        });
        let listed = listed.await;
        assert_eq!((refused.code(), reason(&refused)), listed, "{min}");
        assert_eq!(listed.0, code, "{min}");
        if code == Code::OutOfRange {
            assert_eq!(listed.1, "RESOURCE_VERSION_TOO_LARGE");
        }
    }
    drop(watcher);
    world.finish(&quick(1)).await;
}

/// `RunTestListContinuation`, `...WithFilter`, `RunTestListPaginationRareObject`: all pages are of
/// the first one's state, whatever is written meanwhile; and what a page token must fit.
async fn k75_pages_show_one_state(kind: Kind) {
    let world = World::new(kind, "k75-pages", &[MAPS], &[]).await;
    let mut last = 0;
    let names_of = |range: std::ops::Range<u32>| range.map(|at| format!("m-{at:02}"));
    for (at, name) in (0..).zip(names_of(0..25)) {
        let rare = if at % 12 == 5 { "yes" } else { "no" };
        last = world.create_map(&name, json!({"rare": rare})).await;
    }
    let reader = Reader::new(&world);
    let first = ListObjectsRequest {
        page_size: 7,
        min_resource_version: last.to_string(),
        ..reader.request()
    };
    let mut page = reader.list(first.clone()).await.expect("the first page");
    let (version, resume) = (page.resource_version.clone(), page.resume_token.clone());
    let mut seen: Vec<String> = Vec::new();
    for round in 0.. {
        seen.extend(names(&page).into_iter().map(str::to_owned));
        assert_eq!(
            (&page.resource_version, &page.resume_token),
            (&version, &resume)
        );
        if page.next_page_token.is_empty() {
            break;
        }
        assert_eq!(page.objects.len(), 7);
        // Everything that comes, changes and goes between the pages is not in them.
        world.delete_map(&format!("m-{:02}", 24 - round)).await;
        world.touch_map("m-20", &round.to_string()).await;
        let written = world.create_map(&format!("m-1{round}x"), json!({})).await;
        let reached = reader.get("m-20", &written.to_string()).await;
        reached.expect("the cache gets there");
        let token = page.next_page_token.clone();
        page = reader
            .list(following(&first, &token))
            .await
            .expect("a page");
        let twice = reader.list(following(&first, &token)).await;
        assert_eq!(twice.expect("the same page"), page);
    }
    let expected: Vec<String> = names_of(0..25).collect();
    assert_eq!(seen, expected);

    let mut rare = reader.request();
    rare.filter.get_or_insert_default().label_selector = "rare=yes".into();
    rare.page_size = 2;
    let page = reader.list(rare.clone()).await.expect("a page");
    assert_eq!(names(&page), ["m-05", "m-17"]);
    assert_eq!(page.next_page_token, "", "nothing that matches is left");
    rare.page_size = 1;
    let page = reader.list(rare.clone()).await.expect("a page");
    assert_eq!(names(&page), ["m-05"]);
    let page = reader.list(following(&rare, &page.next_page_token)).await;
    let page = page.expect("the last page");
    assert_eq!(
        (names(&page), page.next_page_token.as_str()),
        (vec!["m-17"], "")
    );

    assert_misfits(&reader, &first, &rare).await;
    let watched = Ask::of(MAPS).namespace(&world.namespace);
    drop(world.synced("watcher", &watched, 25).await);
    world.finish(&quick(1)).await;
}

fn following(request: &ListObjectsRequest, token: &str) -> ListObjectsRequest {
    ListObjectsRequest {
        page_token: token.into(),
        min_resource_version: String::new(),
        ..request.clone()
    }
}

async fn assert_misfits(
    reader: &Reader<'_>,
    first: &ListObjectsRequest,
    rare: &ListObjectsRequest,
) {
    let page = reader.list(first.clone()).await.expect("a page");
    let token = page.next_page_token;
    let refused = |reason: &str| (Code::InvalidArgument, reason.to_owned());
    let other_filter = reader.refused(following(rare, &token)).await;
    assert_eq!(other_filter, refused("TOKEN_MISMATCH"));
    let with_version = ListObjectsRequest {
        min_resource_version: "5".into(),
        ..following(first, &token)
    };
    let with_version = reader.refused(with_version).await;
    assert_eq!(with_version, refused("INVALID_OPTION"));
    for damaged in [
        "x",
        &token[1..],
        &token.replace('.', ""),
        &format!("{token}!"),
    ] {
        let damaged = reader.refused(following(first, damaged)).await;
        assert_eq!(damaged, refused("TOKEN_INVALID"));
    }
    let resume = reader.refused(following(first, &page.resume_token)).await;
    assert_eq!(resume, refused("TOKEN_INVALID"));
    let large = ListObjectsRequest {
        page_size: 5001,
        ..first.clone()
    };
    assert_eq!(reader.refused(large).await, refused("INVALID_OPTION"));
    let mut types = first.clone();
    types.filter.get_or_insert_default().event_types = vec![1];
    assert_eq!(reader.refused(types).await, refused("INVALID_FILTER"));
}

/// `RunTestConsistentList` / continue after compaction: pages of a state that is no longer known
/// are refused, never made up.
async fn k75_page_token_expires(kind: Kind) {
    let world = World::new(kind, "k75-old", &[MAPS], &["--history-bytes", "64Ki"]).await;
    for name in ["a", "b", "c"] {
        world.create_map(name, json!({})).await;
    }
    let watched = Ask::of(MAPS).namespace(&world.namespace);
    let mut watcher = world.synced("watcher", &watched, 3).await;
    let reader = Reader::new(&world);
    let first = ListObjectsRequest {
        page_size: 1,
        ..reader.request()
    };
    let page = reader.list(first.clone()).await.expect("a page");
    assert_eq!(names(&page), ["a"]);
    let next = following(&first, &page.next_page_token);
    let same = reader.list(next.clone()).await.expect("still known");
    assert_eq!(names(&same), ["b"]);
    let large = "x".repeat(20_000);
    let mut refused = None;
    for step in 0..20 {
        let written = world.touch_map("c", &format!("{step}{large}")).await;
        watcher.expect(Modified, "c", written).await;
        if let Err(status) = reader.list(next.clone()).await {
            refused = Some(status);
            break;
        }
    }
    let refused = refused.expect("the history is much smaller than what was written");
    assert_eq!(refused.code(), Code::OutOfRange);
    assert_eq!(reason(&refused), "RESOURCE_EXPIRED");
    let again = reader.list(first).await.expect("a new list begins");
    assert_eq!(names(&again), ["a"]);
    drop(watcher);
    world.finish(&quick(4)).await;
}

/// The informer's pattern: list, then watch from there. Nothing is lost or repeated in between.
async fn k75_list_then_watch(kind: Kind) {
    let world = World::new(kind, "k75-watch", &[MAPS], &[]).await;
    let ask = Ask::of(MAPS).namespace(&world.namespace).labels("own=yes");
    let mut last = 0;
    for name in ["a", "b"] {
        last = world.create_map(name, json!({"own": "yes"})).await;
    }
    let reader = Reader::new(&world);
    let mut request = reader.request();
    request.filter.clone_from(&ask.message.filter);
    request.min_resource_version = last.to_string();
    let list = reader.list(request.clone()).await.expect("a list");
    assert_eq!(names(&list), ["a", "b"]);
    let before = [
        world.touch_map("a", "1").await,
        world.label_map("b", json!({"own": "no"})).await,
    ];
    let there = before[1].to_string();
    let reached = async || reader.get("b", &there).await.is_ok();
    until("the cache has what was written after the list", reached).await;

    let resumed = ask.clone().token(&list.resume_token);
    let version = number(&list.resource_version);
    let mut watcher = world.watch_after_list("watcher", &resumed, version).await;
    assert_eq!(watcher.started().await.outcome(), StartOutcome::Resumed);
    watcher.expect(Modified, "a", before[0]).await;
    watcher.expect(v1::EventType::Deleted, "b", before[1]).await;
    let later = world.touch_map("a", "2").await;
    watcher.expect(Modified, "a", later).await;
    // The token of a list is good for its own filter alone.
    let other = Ask::of(MAPS).namespace(&world.namespace);
    let refused = world
        .try_watch("other", &other.token(&list.resume_token))
        .await;
    let refused = refused.err().expect("another filter");
    assert_eq!(reason(&refused), "TOKEN_MISMATCH");
    drop(watcher);
    world
        .finish(&quick(3).requiring(&["STARTED RESUMED"]))
        .await;
}
