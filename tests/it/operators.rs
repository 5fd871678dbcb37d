//! What operators are shown: upstreams, queries and what a filter costs; never an object.

use informerd::proto::v1::{
    EventType, ExplainFilterRequest, Filter, FilterAnchor, ListSubscriptionsRequest,
    ListUpstreamsRequest, SubscriptionGroup, Upstream, UpstreamPhase,
    admin_service_client::AdminServiceClient,
};
use serde_json::json;
use tonic::{Code, Status, transport::Channel};

use crate::{
    bad_input::refusal::{invalid, judge, refused},
    conformance::scenarios,
    daemon::Daemon,
    request::{Ask, named},
    stage::Kind,
    subscriber::number,
    wait::until,
    world::{World, quick},
};

scenarios![
    upstreams_are_told_with_what_they_hold,
    subscriptions_are_told_by_query,
    filters_are_explained,
];

const MAPS: &str = "configmaps";

async fn upstreams(channel: &Channel) -> Vec<Upstream> {
    let mut client = AdminServiceClient::new(channel.clone());
    let listed = client.list_upstreams(ListUpstreamsRequest {}).await;
    listed.expect("answered").into_inner().upstreams
}

/// From nobody through a subscriber to nobody again, in the two namespaces that are served.
async fn upstreams_are_told_with_what_they_hold(kind: Kind) {
    let mut world = World::new(kind, "upstreams", &[MAPS], &[]).await;
    let (a, b) = (world.namespace.clone(), "upstreams-b".to_owned());
    let served = format!("{a},{b}");
    let arguments = ["--namespaces", &*served, "--linger", "1s"];
    let daemon = Daemon::start(&world.stage.kubeconfig(), &arguments).await;
    world.replace_daemon(daemon).await;
    let channel = world.channel();
    assert_eq!(upstreams(&channel).await, []);
    for name in ["one", "two"] {
        world.create_map(name, json!({})).await;
    }
    let ask = Ask::of(MAPS).namespace(&a);
    let one = world.synced("one", &ask, 2).await;
    let two = world.synced("two", &ask.clone().labels("a=b"), 0).await;
    let mut reader = world.synced("again", &ask, 2).await;
    let last = world.touch_map("one", "1").await;
    reader.events_until(last).await;
    let empty = world.synced("empty", &Ask::of(MAPS).namespace(&b), 0).await;
    until("both watches are established", || async {
        let told = upstreams(&channel).await;
        let healthy = |one: &Upstream| one.phase() == UpstreamPhase::Healthy;
        told.len() == 2 && told.iter().all(healthy)
    })
    .await;
    let told = upstreams(&channel).await;
    let [first, second] = &told[..] else {
        panic!("{told:#?}");
    };
    assert_eq!(
        (first.namespace.as_str(), second.namespace.as_str()),
        (&*a, &*b)
    );
    assert_eq!(
        first.resource.as_ref().map(|r| r.resource.as_str()),
        Some(MAPS)
    );
    assert!(
        first.synced && number(&first.resource_version) >= last,
        "{first:?}"
    );
    assert!(number(&first.oldest_resource_version) < last, "{first:?}");
    assert_eq!((first.objects, second.objects), (2, 0));
    assert_eq!((first.queries, first.subscriptions), (2, 3));
    assert!(
        first.history_changes >= 1 && first.history_bytes > 0,
        "{first:?}"
    );
    assert_eq!((first.watches, first.epoch.as_str()), (1, "0"));
    assert!(first.silence.is_some());
    drop((one, two, reader, empty));
    until("nothing is watched any more", || async {
        let told = upstreams(&channel).await;
        told.iter()
            .all(|one| one.phase() == UpstreamPhase::Asleep && !one.synced)
    })
    .await;
    assert_eq!(upstreams(&channel).await[0].resource_version, "");
    let mut expectation = quick(1);
    expectation.collections = 2;
    world.finish(&expectation).await;
}

async fn groups(channel: &Channel, page_size: u32) -> Vec<SubscriptionGroup> {
    let mut client = AdminServiceClient::new(channel.clone());
    let mut all = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListSubscriptionsRequest {
            page_size,
            page_token,
        };
        let page = client.list_subscriptions(request).await;
        let page = page.expect("answered").into_inner();
        assert!(page.groups.len() <= page_size as usize);
        all.extend(page.groups);
        if page.next_page_token.is_empty() {
            return all;
        }
        page_token = page.next_page_token;
    }
}

/// Equal queries are one, however they are spelled; pages lose and repeat none.
async fn subscriptions_are_told_by_query(kind: Kind) {
    let world = World::new(kind, "subscriptions", &[MAPS, "pods"], &[]).await;
    let channel = world.channel();
    let maps = Ask::of(MAPS).namespace(&world.namespace);
    let pods = Ask::of("pods").namespace(&world.namespace);
    let asks = [
        maps.clone().labels("a=b,c"),
        maps.clone().labels("c,a in (b)"),
        maps.clone().types(&[EventType::Deleted]),
        pods.clone(),
        pods.fields("spec.nodeName=x"),
    ];
    let mut open = Vec::new();
    for (at, ask) in asks.iter().enumerate() {
        open.push(world.synced(&format!("{at}"), ask, 0).await);
    }
    for page_size in [1, 2, 100] {
        let told = groups(&channel, page_size).await;
        let brief: Vec<_> = told
            .iter()
            .map(|group| {
                let filter = group.filter.clone().unwrap_or_default();
                let resource = group.resource.clone().unwrap_or_default().resource;
                let selectors = filter.label_selector + &filter.field_selector;
                (
                    resource,
                    selectors,
                    filter.event_types.len(),
                    group.subscriptions,
                )
            })
            .collect();
        let row = |resource: &str, selectors: &str, types, count| {
            (resource.to_owned(), selectors.to_owned(), types, count)
        };
        let expected = [
            row(MAPS, "a=b,c", 0, 2),
            row(MAPS, "", 1, 1),
            row("pods", "", 0, 1),
            row("pods", "spec.nodeName=x", 0, 1),
        ];
        assert_eq!(brief, expected, "{page_size} at a time");
    }
    let refuse = async |request: ListSubscriptionsRequest| {
        let mut client = AdminServiceClient::new(channel.clone());
        client
            .list_subscriptions(request)
            .await
            .expect_err("refused")
    };
    let wrong = ListSubscriptionsRequest {
        page_token: "bm9uc2Vuc2U".into(),
        ..Default::default()
    };
    let expected = invalid("TOKEN_INVALID", "page_token");
    judge(&refuse(wrong).await, "", expected).expect("a good refusal");
    let wrong = ListSubscriptionsRequest {
        page_size: 1001,
        ..Default::default()
    };
    let expected = invalid("INVALID_OPTION", "page_size");
    judge(&refuse(wrong).await, "", expected).expect("a good refusal");
    drop(open);
    world.finish(&quick(0)).await;
}

async fn explain(
    world: &World,
    resource: &str,
    filter: Filter,
) -> Result<(FilterAnchor, String, String, u64), Status> {
    let mut client = AdminServiceClient::new(world.channel());
    let request = ExplainFilterRequest {
        resource: Some(named(resource)),
        filter: Some(filter),
    };
    let told = client.explain_filter(request).await?.into_inner();
    let filter = told.filter.clone().unwrap_or_default();
    assert_eq!(told.fingerprint.len(), 16, "{told:?}");
    let selectors = format!("{};{}", filter.label_selector, filter.field_selector);
    Ok((
        told.anchor(),
        told.anchor_term,
        selectors,
        told.subscriptions,
    ))
}

/// The canonical form, what finds the filter, and who has it open; refusals as of a watch.
async fn filters_are_explained(kind: Kind) {
    let world = World::new(kind, "explain", &[MAPS], &[]).await;
    let of = |labels: &str, fields: &str| Filter {
        label_selector: labels.into(),
        field_selector: fields.into(),
        ..Default::default()
    };
    let in_namespace = Filter {
        namespaces: vec!["b".into(), "a".into()],
        ..Default::default()
    };
    let by_name = Filter {
        names: vec!["x".into()],
        ..of("a=b", "")
    };
    let rows = [
        (by_name, FilterAnchor::Names, "x", "a=b;"),
        (
            of("c,a in (b)", "d=e"),
            FilterAnchor::Label,
            "a=b",
            "a=b,c;d=e",
        ),
        (
            of("a!=b", "data.x=1"),
            FilterAnchor::Field,
            "data.x=1",
            "a!=b;data.x=1",
        ),
        (in_namespace, FilterAnchor::Namespaces, "a,b", ";"),
        (
            of("a notin (b,c)", ""),
            FilterAnchor::None,
            "",
            "a notin (b,c);",
        ),
    ];
    for (filter, anchor, term, canonical) in rows {
        let told = explain(&world, MAPS, filter).await.expect("valid");
        assert_eq!(told, (anchor, term.into(), canonical.into(), 0));
    }
    let ask = Ask::of(MAPS).namespace(&world.namespace);
    let all = world.synced("all", &ask, 0).await;
    let some = world
        .synced("some", &ask.clone().types(&[EventType::Added]), 0)
        .await;
    let filter = ask.message.filter.clone().unwrap_or_default();
    let (.., subscriptions) = explain(&world, MAPS, filter).await.expect("valid");
    assert_eq!(subscriptions, 2);
    for (resource, filter, expected) in [
        (
            MAPS,
            of("a=(", ""),
            invalid("INVALID_SELECTOR", "filter.label_selector"),
        ),
        (
            "podz",
            of("", ""),
            refused(Code::NotFound, "RESOURCE_NOT_SERVED"),
        ),
        (
            "secrets",
            of("", ""),
            refused(Code::PermissionDenied, "RESOURCE_DISABLED"),
        ),
    ] {
        let refused = explain(&world, resource, filter)
            .await
            .expect_err("refused");
        judge(&refused, "", expected).expect("a good refusal");
    }
    drop((all, some));
    world.finish(&quick(0)).await;
}
