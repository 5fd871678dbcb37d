//! What is no filter, and what looks wrong but is none of our business to refuse.

use informerd::proto::v1::Filter;

use super::refusal::{Call, accepted, check, invalid};
use crate::{
    conformance::scenarios,
    request::named,
    stage::Kind,
    world::{World, quick},
};

scenarios![
    b23_b27_namespaces,
    b29_names,
    b30_b32_label_selectors,
    b33_b34_field_selectors,
    b35_contradictions_match_nothing,
    b42_event_types,
];

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn numbered(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|i| format!("{prefix}{i}")).collect()
}

/// Rows B23 to B27; B28 needs access control.
async fn b23_b27_namespaces(kind: Kind) {
    let world = World::new(kind, "b23", &[], &[]).await;
    let channel = world.channel();
    let long = "a".repeat(64);
    let bad: [(Vec<String>, &'static str); 9] = [
        (texts(&[""]), "filter.namespaces[0]"),
        (texts(&["a", ""]), "filter.namespaces[1]"),
        (texts(&["A"]), "filter.namespaces[0]"),
        (texts(&["a.b"]), "filter.namespaces[0]"),
        (texts(&["../x"]), "filter.namespaces[0]"),
        (texts(&["a", "-b"]), "filter.namespaces[1]"),
        (texts(&[&long]), "filter.namespaces[0]"),
        (numbered("n", 101), "filter.namespaces"),
        (numbered("n", 5_000), "filter.namespaces"),
    ];
    for (namespaces, field) in bad {
        let input = namespaces.join("");
        let filter = Filter {
            namespaces,
            ..Default::default()
        };
        for call in Call::filtered(named("configmaps"), filter) {
            check(&channel, call, &input, invalid("INVALID_FILTER", field)).await;
        }
    }
    let one = || Filter {
        namespaces: texts(&["default"]),
        ..Default::default()
    };
    for resource in ["nodes", "namespaces"] {
        for call in Call::filtered(named(resource), one()) {
            let expected = invalid("INVALID_FILTER", "filter.namespaces");
            check(&channel, call, "", expected).await;
        }
    }
    for namespaces in [
        texts(&[]),
        texts(&["default", "default"]),
        texts(&["nobody-made-this"]),
        numbered("n", 100),
    ] {
        let filter = Filter {
            namespaces,
            ..Default::default()
        };
        for call in Call::filtered(named("configmaps"), filter) {
            accepted(&channel, call).await;
        }
    }
    world.finish(&quick(0)).await;
}

/// Row B29.
async fn b29_names(kind: Kind) {
    let world = World::new(kind, "b29", &[], &[]).await;
    let channel = world.channel();
    let long = "a".repeat(254);
    let bad: [(Vec<String>, &'static str); 7] = [
        (texts(&[""]), "filter.names[0]"),
        (texts(&["."]), "filter.names[0]"),
        (texts(&["a", ".."]), "filter.names[1]"),
        (texts(&["a/b"]), "filter.names[0]"),
        (texts(&["%2e%2e"]), "filter.names[0]"),
        (texts(&[&long]), "filter.names[0]"),
        (numbered("n", 101), "filter.names"),
    ];
    for (names, field) in bad {
        let input = names.join("");
        let filter = Filter {
            names,
            ..Default::default()
        };
        for call in Call::filtered(named("configmaps"), filter) {
            check(&channel, call, &input, invalid("INVALID_FILTER", field)).await;
        }
    }
    let longest = "a".repeat(253);
    for name in [longest.as_str(), "system:node:a", "Grossschreibung", "a b"] {
        let filter = Filter {
            names: texts(&[name]),
            ..Default::default()
        };
        for call in Call::filtered(named("configmaps"), filter) {
            accepted(&channel, call).await;
        }
    }
    world.finish(&quick(0)).await;
}

/// Rows B30 and B32, after apimachinery's `selector_test.go`.
async fn b30_b32_label_selectors(kind: Kind) {
    let world = World::new(kind, "b30", &[], &[]).await;
    let channel = world.channel();
    let keys = |n: usize| numbered("k", n).join(",");
    let bad = [
        "a in (b".to_owned(),
        "!".into(),
        "=b".into(),
        "a=b=c".into(),
        "a=b,".into(),
        ",a=b".into(),
        "x nott in (y)".into(),
        "a=b\0".into(),
        "x<a".into(),
        format!("{}=b", "k".repeat(64)),
        format!("{}/k=b", "p".repeat(254)),
        format!("a={}", "v".repeat(64)),
        keys(65),
        format!("a in ({})", keys(257)),
        "x".repeat(4_097),
        format!("a={}", "b".repeat(50_000)),
    ];
    for label_selector in bad {
        let input = label_selector.clone();
        let filter = Filter {
            label_selector,
            ..Default::default()
        };
        for call in Call::filtered(named("configmaps"), filter) {
            let expected = invalid("INVALID_SELECTOR", "filter.label_selector");
            let text = check(&channel, call, &input, expected).await;
            assert!(text.contains("(at byte "), "no position: {text}");
        }
    }
    let good = [
        "a==".to_owned(),
        "a in ()".into(),
        "a in (b,)".into(),
        " \t\r\n".into(),
        "a\n=\nb".into(),
        "x>1,z<5".into(),
        keys(64),
        format!("a in ({})", keys(256)),
    ];
    for label_selector in good {
        let filter = Filter {
            label_selector,
            ..Default::default()
        };
        for call in Call::filtered(named("configmaps"), filter) {
            accepted(&channel, call).await;
        }
    }
    world.finish(&quick(0)).await;
}

/// Rows B33 and B34. Any path of any resource is legal here, unlike upstream.
async fn b33_b34_field_selectors(kind: Kind) {
    let world = World::new(kind, "b33", &[], &[]).await;
    let channel = world.channel();
    let bad = [
        "metadata.name in (a)".to_owned(),
        "a>b".into(),
        "metadata.name".into(),
        "=b".into(),
        r"a=b\c".into(),
        r"a=b\".into(),
        "a..b=c".into(),
        "a['b=c".into(),
        format!("{}=x", ["a"; 65].join(".")),
        numbered("a=", 65).join(","),
        format!("a={}", "b".repeat(4_100)),
    ];
    for field_selector in bad {
        let input = field_selector.clone();
        let filter = Filter {
            field_selector,
            ..Default::default()
        };
        for call in Call::filtered(named("configmaps"), filter) {
            let expected = invalid("INVALID_SELECTOR", "filter.field_selector");
            let text = check(&channel, call, &input, expected).await;
            assert!(text.contains("(at byte "), "no position: {text}");
        }
    }
    let good = [
        "",
        "spec.foo=1",
        "metadata.name==a",
        r"metadata.name=a\,b\=c\\d",
        "metadata.annotations['example.com/owner']=me",
        "a=b,,c=d,",
    ];
    for field_selector in good {
        let filter = Filter {
            field_selector: field_selector.into(),
            ..Default::default()
        };
        for call in Call::filtered(named("configmaps"), filter) {
            accepted(&channel, call).await;
        }
    }
    world.finish(&quick(0)).await;
}

/// Row B35: contradictions are fine, they match nothing.
async fn b35_contradictions_match_nothing(kind: Kind) {
    let world = World::new(kind, "b35", &["configmaps"], &[]).await;
    let here = world.create_map("cm", serde_json::json!({"a": "b"})).await;
    let ask = crate::request::Ask::of("configmaps").namespace(&world.namespace);
    let asks = [
        ask.clone().fields("metadata.namespace=elsewhere"),
        ask.clone().name("cm").fields("metadata.name!=cm"),
        ask.clone().labels("a=b,a!=b"),
        ask.clone().labels("a,!a"),
    ];
    for (at, ask) in asks.iter().enumerate() {
        let name = format!("nothing-{at}");
        let mut subscriber = world.synced(&name, ask, 0).await;
        subscriber.quiet_until(here).await;
    }
    let all = world.synced("all", &ask, 1).await;
    drop(all);
    world.finish(&quick(1)).await;
}

/// Row B42.
async fn b42_event_types(kind: Kind) {
    let world = World::new(kind, "b42", &[], &[]).await;
    let channel = world.channel();
    let filter = |event_types: &[i32]| Filter {
        event_types: event_types.to_vec(),
        ..Default::default()
    };
    let bad: [(&[i32], &str); 4] = [
        (&[0], "filter.event_types[0]"),
        (&[1, 4], "filter.event_types[1]"),
        (&[-1], "filter.event_types[0]"),
        (&[3, 2, i32::MAX], "filter.event_types[2]"),
    ];
    for (types, field) in bad {
        let [watch, _] = Call::filtered(named("configmaps"), filter(types));
        check(&channel, watch, "", invalid("INVALID_FILTER", field)).await;
    }
    for types in [&[][..], &[1, 1, 1], &[3, 2, 1]] {
        let [watch, _] = Call::filtered(named("configmaps"), filter(types));
        accepted(&channel, watch).await;
    }
    let [_, list] = Call::filtered(named("configmaps"), filter(&[1]));
    let expected = invalid("INVALID_FILTER", "filter.event_types");
    check(&channel, list, "", expected).await;
    world.finish(&quick(0)).await;
}
