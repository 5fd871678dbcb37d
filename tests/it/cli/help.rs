//! `--help` and `--version`: what a newcomer reads first.

use super::run::run;
use crate::{conformance::scenarios, stage::Kind};

scenarios![cli_help_shows_by_example];

/// Every command shows itself at work, within the width of a terminal.
async fn cli_help_shows_by_example(_: Kind) {
    let commands: [(&[&str], &str); 7] = [
        (&[], "informerd watch pods"),
        (&["serve"], "informerd serve --"),
        (&["watch"], "informerd watch pods -o jsonl"),
        (&["get"], "informerd get pods"),
        (&["resources"], "informerd resources -o"),
        (&["admin"], "informerd admin upstreams"),
        (&["admin", "explain"], "informerd admin explain"),
    ];
    for (command, example) in commands {
        for flag in ["--help", "-h"] {
            let help = run(&[command, &[flag]].concat()).await.fine();
            assert!(help.contains("Usage: informerd"), "{command:?}: {help}");
            assert!(
                help.contains(example),
                "{command:?} lacks {example:?}: {help}"
            );
            let wide = help.lines().find(|line| line.chars().count() > 100);
            assert_eq!(wide, None, "{command:?}");
            assert!(!help.contains('\u{1b}'), "no colours in a pipe: {help}");
        }
    }
    for command in ["watch", "get", "resources", "admin"] {
        let help = run(&[command, "--help"]).await.fine();
        assert!(help.contains("Exit codes:"), "{command}: {help}");
    }
    let version = run(&["--version"]).await.fine();
    assert_eq!(
        version,
        format!("informerd {}\n", env!("CARGO_PKG_VERSION"))
    );
    let nothing = run(&[]).await;
    assert_eq!(nothing.code, Some(2), "{nothing:?}");
    assert!(nothing.err.contains("Usage: informerd"), "{nothing:?}");
    let unknown = run(&["wach", "pods"]).await;
    assert_eq!(unknown.code, Some(2), "{unknown:?}");
    assert!(
        unknown.err.contains("watch"),
        "the near command: {unknown:?}"
    );
}
