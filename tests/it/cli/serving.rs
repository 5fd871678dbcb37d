//! `informerd serve` where it can't: one lowercase sentence that says what to change.

use super::run::{Ended, Run, informerd};
use crate::{
    bad_input::sentence,
    conformance::scenarios,
    stage::{Kind, Stage},
};

scenarios![cli_serve_says_why_it_does_not, cli_serve_ends_by_signal];

const PORTS: [&str; 4] = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];

async fn serve(arguments: &[&str]) -> Ended {
    let mut command = informerd(&["serve"]);
    // Flags go before the environment.
    command
        .env("INFORMERD_LISTEN", "127.0.0.1:0")
        .env("INFORMERD_ADMIN_LISTEN", "127.0.0.1:0")
        .env("INFORMERD_LOG", "warn")
        .args(arguments);
    Run::start(&mut command).end().await
}

/// Each row: arguments, exit code, and what the sentence must hold.
async fn cli_serve_says_why_it_does_not(kind: Kind) {
    let stage = Stage::open(kind).await;
    let kubeconfig = stage.kubeconfig();
    let good = kubeconfig.to_str().expect("text");
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).expect("writable");
        path.to_str().expect("text").to_owned()
    };
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = taken
        .local_addr()
        .map(|address| (address.to_string(), taken));
    let (taken, _listener) = taken.expect("bound");
    let unreachable = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let nobody = unreachable.local_addr().expect("bound");
    drop(unreachable);
    let dead = informerd_support::simulation::kubeconfig(nobody);
    let dead = file("dead", &dead);
    let nonsense = file("nonsense", "this: [is no kubeconfig");
    let occupied = format!("unix:{nonsense}");
    let directory_path = directory.path().to_str().expect("text");
    let rows: [(&[&str], i32, &[&str]); 17] = [
        (
            &["--kubeconfig", &dead],
            1,
            &["can't be reached", "is the cluster running?"],
        ),
        (
            &["--kubeconfig", "/nowhere/config"],
            1,
            &["/nowhere/config", "can't be read"],
        ),
        (&["--kubeconfig", directory_path], 1, &["kubeconfig"]),
        (&["--kubeconfig", &nonsense], 1, &["kubeconfig"]),
        (
            &["--kubeconfig", good, "--context", "nobody"],
            1,
            &["no context \"nobody\"", "it has"],
        ),
        (
            &["--kubeconfig", good, "--resources", "Pods"],
            1,
            &["\"Pods\"", "deployments.apps"],
        ),
        (
            &["--kubeconfig", good, "--listen", &taken],
            1,
            &["cannot listen", "--listen"],
        ),
        (
            &["--kubeconfig", good, "--admin-listen", &taken],
            1,
            &["--admin-listen"],
        ),
        (
            &["--listen", "0.0.0.0:0"],
            1,
            &["loopback", "--tls-cert", "--insecure-plaintext"],
        ),
        (
            &["--kubeconfig", good, "--token-audience", ""],
            1,
            &["--token-audience", "informerd"],
        ),
        (
            &["--listen", "localhost:7300"],
            2,
            &["`localhost:7300`", "IP:PORT", "unix:"],
        ),
        (&["--listen", "unix:relative"], 2, &["absolute path"]),
        (
            &["--kubeconfig", good, "--listen", &occupied],
            1,
            &["cannot listen on unix:", "no socket"],
        ),
        (&["--tls-cert", &nonsense], 2, &["--tls-key"]),
        (
            &["--tls-cert", &nonsense, "--tls-key", &nonsense],
            1,
            &["--tls-cert", "nonsense holds no certificate"],
        ),
        (&["--history-bytes", "64MB"], 2, &["64MB", "64Mi"]),
        (&["--linger", "soon"], 2, &["soon", "5m"]),
    ];
    for (arguments, code, parts) in rows {
        let ended = serve(arguments).await;
        assert_eq!(ended.code, Some(code), "{arguments:?}: {ended:?}");
        let said = ended
            .err
            .strip_prefix("error: ")
            .expect(&ended.err)
            .trim_end();
        for part in parts {
            assert!(said.contains(part), "{arguments:?} lacks {part:?}: {said}");
        }
        if code == 1 {
            assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
            sentence(said, "").unwrap_or_else(|wrong| panic!("{wrong}: {said}"));
        }
    }
    // Without a home, a kubeconfig and a pod there is no cluster.
    let homeless = serve(&[]).await;
    assert_eq!(homeless.code, Some(1), "{homeless:?}");
    assert!(homeless.err.contains("no cluster found"), "{homeless:?}");
}

/// A log for people says where it serves; SIGTERM is a planned end.
async fn cli_serve_ends_by_signal(kind: Kind) {
    let stage = Stage::open(kind).await;
    let kubeconfig = stage.kubeconfig();
    for signal in ["TERM", "INT"] {
        let mut command = informerd(&["serve"]);
        command.args(PORTS).arg("--kubeconfig").arg(&kubeconfig);
        let run = Run::start(&mut command);
        crate::wait::until("it serves", || async { run.err().contains("serving") }).await;
        assert!(
            !run.err().contains('\u{1b}'),
            "no colours in a pipe: {}",
            run.err()
        );
        run.signal(signal).await;
        let ended = run.end().await;
        assert_eq!((ended.code, ended.out.as_str()), (Some(0), ""), "{ended:?}");
        assert!(ended.err.contains("drain"), "{ended:?}");
    }
}
