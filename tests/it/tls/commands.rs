//! The commands over every kind of connection, by flags and by the environment.

use serde_json::json;

use super::{
    certificates::Authority,
    files::{Mounted, NAMES, borrowed, text},
};
use crate::{
    cli::run::{Ended, Run, informerd},
    conformance::scenarios,
    stage::Kind,
    world::{World, quick},
};

/// Variables of the environment.
type Variables<'a> = &'a [(&'a str, &'a str)];

scenarios![cli_over_every_connection];

async fn get(world: &World, arguments: &[&str], environment: Variables<'_>) -> Ended {
    let mut command = informerd(&["get", "configmaps", "-n", &world.namespace, "-o", "name"]);
    command.args(arguments).envs(environment.iter().copied());
    Run::start(&mut command).end().await
}

async fn cli_over_every_connection(kind: Kind) {
    let (root, clients) = (Authority::new("root"), Authority::new("clients"));
    let mounted = Mounted::new(&root.server(&NAMES), &root, &clients);
    let socket = format!("unix:{}", text(&mounted.path("grpc.sock")));
    let mut flags = mounted.flags();
    flags.extend(["--listen".to_owned(), socket.clone()]);
    let world = World::new(kind, "cli-tls", &["configmaps"], &borrowed(&flags)).await;
    world.create_map("cm", json!({})).await;
    let server = format!("https://{}", world.daemon.address());
    let ca = text(&mounted.path("ca.crt"));
    let pair = mounted.client("alice", &clients.client("alice", "admins"));
    let (certificate, key) = (text(&pair.0), text(&pair.1));
    let pair = mounted.client("mallory", &root.client("alice", "admins"));
    let (foreign, foreign_key) = (text(&pair.0), text(&pair.1));

    let fine: [(&[&str], Variables<'_>); 5] = [
        (&["--server", &server, "--ca-file", &ca], &[]),
        (&["--server", &socket], &[]),
        (
            &[
                "--server",
                &server,
                "--tls-server-name",
                "localhost",
                "--client-cert",
                &certificate,
            ],
            &[("INFORMERD_CA_FILE", &ca), ("INFORMERD_CLIENT_KEY", &key)],
        ),
        (
            &[],
            &[("INFORMERD_SERVER", &server), ("INFORMERD_CA_FILE", &ca)],
        ),
        (&[], &[("INFORMERD_SERVER", &socket)]),
    ];
    for (arguments, environment) in fine {
        let got = get(&world, arguments, environment).await;
        assert_eq!(got.fine(), "configmap/cm\n", "{arguments:?}");
    }
    let bad: [(&[&str], i32, &str); 6] = [
        (&["--server", &server], 1, "authorit"),
        (
            &["--server", &server, "--ca-file", &certificate],
            1,
            "authority",
        ),
        (
            &[
                "--server",
                &server,
                "--ca-file",
                &ca,
                "--tls-server-name",
                "other",
            ],
            1,
            "not for this name but for localhost, 127.0.0.1",
        ),
        (
            &["--server", &socket, "--ca-file", &ca],
            2,
            "say nothing about unix:",
        ),
        (
            &["--server", &server, "--client-cert", &certificate],
            2,
            "--client-key",
        ),
        (
            &[
                "--server",
                &server,
                "--ca-file",
                &ca,
                "--client-cert",
                &foreign,
                "--client-key",
                &foreign_key,
            ],
            1,
            "refuses the client certificate",
        ),
    ];
    for (arguments, code, part) in bad {
        let got = get(&world, arguments, &[]).await;
        assert_eq!((got.code, &*got.out), (Some(code), ""), "{got:?}");
        assert!(got.err.contains(part), "{got:?} lacks {part}");
    }
    world.finish(&quick(0)).await;
}
