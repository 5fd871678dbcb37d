//! What the commands say when they can't do their work: one sentence, and the right exit code.

use super::run::run;
use crate::{
    bad_input::sentence,
    conformance::scenarios,
    stage::Kind,
    world::{World, quick},
};

scenarios![cli_refusals_of_the_daemon, cli_nobody_listens];

/// Arguments, exit code, and what the sentence must hold.
type Row<'a> = (&'a [&'a str], i32, &'a [&'a str]);

async fn check(server: &str, (arguments, code, parts): Row<'_>) {
    let all = [arguments, &["--server", server]].concat();
    let ended = run(&all).await;
    assert_eq!(ended.code, Some(code), "{arguments:?}: {ended:?}");
    assert_eq!(ended.out, "", "{arguments:?}");
    let said = ended.err.strip_prefix("error: ").expect(&ended.err);
    for part in parts {
        assert!(said.contains(part), "{arguments:?} lacks {part:?}: {said}");
    }
    // What clap says of wrong flags has a form of its own.
    if code != 2 {
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines.len(), 1, "{arguments:?}: {said}");
        sentence(lines[0], "").unwrap_or_else(|wrong| panic!("{wrong}: {said}"));
    }
}

/// Exit code 1 for what the server refuses, 2 for what makes no sense.
async fn cli_refusals_of_the_daemon(kind: Kind) {
    let world = World::new(kind, "cli-refusals", &[], &[]).await;
    let server = world.daemon.address().to_string();
    let rows: [Row<'_>; 17] = [
        (&["watch", "podz"], 1, &["`podz`", "did you mean pods"]),
        (
            &["get", "deploymets"],
            1,
            &["did you mean deployments.apps"],
        ),
        (
            &["watch", "zzzzzz"],
            1,
            &["`informerd resources` lists all"],
        ),
        (&["watch", "secrets"], 1, &["secrets", "--resources"]),
        (
            &["get", "cs"],
            1,
            &["componentstatuses", "can't be watched"],
        ),
        (
            &["watch", "pods", "-l", "a in (b"],
            1,
            &["label_selector", "(at byte 7)"],
        ),
        (&["get", "pods", "-l", "a=b=c"], 1, &["(at byte 3)"]),
        (
            &["watch", "pods", "--field-selector", "a>b"],
            1,
            &["field_selector", "(at byte 1)"],
        ),
        (
            &["watch", "pods", "-n", "NO"],
            1,
            &["namespaces[0]", "lowercase"],
        ),
        (
            &["watch", "pods", "--from", "999999999999"],
            1,
            &["in the future"],
        ),
        (&["watch", "pods", "--include-old"], 2, &["-o jsonl"]),
        (&["get", "pods", "web", "-A"], 2, &["one namespace"]),
        (&["get", "pods", "web", "-l", "a=b"], 2, &["leave one out"]),
        (&["watch"], 2, &["<RESOURCE>"]),
        (&["watch", "pods", "-o", "xml"], 2, &["xml", "jsonl"]),
        (&["watch", "pods", "--timeout", "soon"], 2, &["30s"]),
        (
            &["watch", "pods", "-n", "a", "-A"],
            2,
            &["--all-namespaces"],
        ),
    ];
    for row in rows {
        check(&server, row).await;
    }
    world.finish(&quick(0)).await;
}

/// Exit code 3 when there is no daemon, 2 when there can be none.
async fn cli_nobody_listens(_: Kind) {
    // A port that was free a moment ago and that nobody else is given soon.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    drop(listener);
    let remedy = &["cannot reach informerd", "informerd serve", "--server"];
    for arguments in [&["watch", "pods"][..], &["get", "pods"], &["resources"]] {
        check(&address, (arguments, 3, remedy)).await;
    }
    check("not an address", (&["resources"], 2, &["not an address"])).await;
    check("", (&["resources"], 2, &["address"])).await;
}
