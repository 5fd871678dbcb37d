//! What only `GetObject` and `ListObjects` can be asked wrongly.

use informerd::proto::v1::{GetObjectRequest, GroupVersionResource, ListObjectsRequest};
use tonic::Code;

use super::refusal::{Call, check, invalid, refused};
use crate::{
    conformance::scenarios,
    request::named,
    stage::Kind,
    world::{World, quick},
};

scenarios![get_object_names, list_objects_pages];

fn get(resource: GroupVersionResource, namespace: &str, name: &str) -> Call {
    Call::Get(GetObjectRequest {
        resource: Some(resource),
        namespace: namespace.into(),
        name: name.into(),
        ..Default::default()
    })
}

/// Rows B24, B25 and B29 for one object.
async fn get_object_names(kind: Kind) {
    let world = World::new(kind, "get", &[], &[]).await;
    let channel = world.channel();
    let (label, name) = ("a".repeat(64), "a".repeat(254));
    let rows = [
        ("configmaps", "", "cm", "namespace"),
        ("configmaps", "Default", "cm", "namespace"),
        ("configmaps", "../x", "cm", "namespace"),
        ("configmaps", "a\0", "cm", "namespace"),
        ("configmaps", label.as_str(), "cm", "namespace"),
        ("namespaces", "default", "default", "namespace"),
        ("configmaps", "default", "", "name"),
        ("configmaps", "default", ".", "name"),
        ("configmaps", "default", "..", "name"),
        ("configmaps", "default", "a/b", "name"),
        ("configmaps", "default", "%2e%2e", "name"),
        ("configmaps", "default", name.as_str(), "name"),
        ("namespaces", "", "", "name"),
    ];
    for (resource, namespace, name, field) in rows {
        let input = format!("{namespace}{name}");
        let call = get(named(resource), namespace, name);
        check(&channel, call, &input, invalid("INVALID_NAME", field)).await;
    }
    let missing = refused(Code::NotFound, "OBJECT_NOT_FOUND");
    let long = "a".repeat(253);
    for (resource, namespace, name) in [
        ("configmaps", "default", "nobody"),
        ("configmaps", "nowhere", "nobody"),
        ("configmaps", "default", "a b"),
        ("configmaps", "default", "a\nb\u{1b}[31m"),
        ("configmaps", "default", long.as_str()),
        ("namespaces", "", "nobody"),
    ] {
        let call = get(named(resource), namespace, name);
        check(&channel, call, name, missing).await;
    }
    for text in ["abc", "-1", "1.5"] {
        let call = Call::Get(GetObjectRequest {
            resource: Some(named("namespaces")),
            name: "default".into(),
            min_resource_version: text.into(),
            ..Default::default()
        });
        let expected = invalid("INVALID_RESOURCE_VERSION", "min_resource_version");
        check(&channel, call, text, expected).await;
    }
    world.finish(&quick(0)).await;
}

/// A page token fixes the state: no other may be asked for with it.
async fn list_objects_pages(kind: Kind) {
    use informerd::proto::v1::object_service_client::ObjectServiceClient;
    let world = World::new(kind, "pages", &[], &[]).await;
    let channel = world.channel();
    for name in ["a", "b"] {
        world.create_map(name, serde_json::json!({})).await;
    }
    let filter = |selector: &str| informerd::proto::v1::Filter {
        namespaces: vec![world.namespace.clone()],
        label_selector: selector.into(),
        ..Default::default()
    };
    let request = ListObjectsRequest {
        resource: Some(named("configmaps")),
        filter: Some(filter("")),
        page_size: 1,
        ..Default::default()
    };
    // Both objects are there once a version that is newer has been reached.
    let fence = world.fence("configmaps").await.to_string();
    let mut client = ObjectServiceClient::new(channel.clone());
    let first = ListObjectsRequest {
        min_resource_version: fence,
        ..request.clone()
    };
    let first = client.list_objects(first).await.expect("listed");
    let token = first.into_inner().next_page_token;
    assert!(!token.is_empty(), "a second page was expected");

    let next = ListObjectsRequest {
        page_token: token.clone(),
        ..request
    };
    let second = client.list_objects(next.clone()).await.expect("listed");
    assert_eq!(second.into_inner().objects[0].name, "b");

    let both = ListObjectsRequest {
        min_resource_version: "1".into(),
        ..next.clone()
    };
    let expected = invalid("INVALID_OPTION", "min_resource_version");
    check(&channel, Call::List(both), &token, expected).await;

    let other = ListObjectsRequest {
        filter: Some(filter("a=b")),
        ..next.clone()
    };
    let expected = invalid("TOKEN_MISMATCH", "page_token");
    check(&channel, Call::List(other), &token, expected).await;

    let damaged = invalid("TOKEN_INVALID", "page_token");
    let resume = token.split('.').next().unwrap_or_default();
    for bad in [
        resume,
        &token[1..],
        &format!("{resume}.*"),
        &format!("{resume}._w"),
    ] {
        let list = ListObjectsRequest {
            page_token: bad.into(),
            ..next.clone()
        };
        check(&channel, Call::List(list), bad, damaged).await;
    }
    world.finish(&quick(0)).await;
}
