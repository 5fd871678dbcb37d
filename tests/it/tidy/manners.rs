//! Habits that reviewers would otherwise have to watch for.

use super::{
    Samples,
    source::{Source, line, words},
};

/// Test files that may sleep, each with the reason why no event can be waited for instead.
const SLEEPERS: &[(&str, &str)] = &[
    (
        "examples/resilient_watch.rs",
        "its pause between two attempts is what it shows",
    ),
    (
        "src/reflector/testing.rs",
        "the scripted server drips bytes: the pause is what is tested",
    ),
    (
        "tests/it/wait.rs",
        "other processes announce nothing; this is the one place that looks again and again",
    ),
];

/// Rooms that own the life of tasks.
const SPAWNERS: &[&str] = &["runtime", "transport"];

/// Each Rust file opens with the reason for its existence.
pub(super) fn opening_line(sources: &[Source]) -> Vec<String> {
    let silent = |source: &&Source| source.is_rust() && !source.text.starts_with("//! ");
    let complain = |source: &Source| format!("{}: does not open with a `//!` line", source.path);
    sources.iter().filter(silent).map(complain).collect()
}

/// Tests wait for events, not for time.
pub(super) fn sleeping(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources.iter().filter(|source| source.is_rust()) {
        if SLEEPERS.iter().any(|(path, _)| *path == source.path) {
            continue;
        }
        let code = source.test_code();
        for word in ["sleep", "sleep_until", "sleep_ms"] {
            complaints.extend(calls(&code, word).map(|at| {
                let line = line(&code, at);
                format!(
                    "{}:{line}: waits for time: wait for what it stands for",
                    source.path
                )
            }));
        }
    }
    complaints
}

/// Where `word` is called.
fn calls<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    words(code, word).filter(move |at| code[at + word.len()..].trim_start().starts_with('('))
}

/// A test that does not run protects nothing.
pub(super) fn ignored(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources.iter().filter(|source| source.is_rust()) {
        let code: String = source.code.chars().filter(|c| !c.is_whitespace()).collect();
        let attribute = code.contains("#[ignore]") || code.contains("#[ignore=");
        if attribute || code.contains("with_ignored_flag(true)") {
            complaints.push(format!(
                "{}: ignores a test: repair or delete it",
                source.path
            ));
        }
    }
    complaints
}

/// A broken invariant is named by `expect`, everything else is an error of the signature.
pub(super) fn unwrap(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources
        .iter()
        .filter(|source| source.path.starts_with("src/"))
    {
        let code = &source.product;
        let bad = words(code, "unwrap").filter(|&at| code[..at].trim_end().ends_with('.'));
        complaints.extend(
            bad.map(|at| format!("{}:{}: unwrap in the product", source.path, line(code, at))),
        );
    }
    complaints
}

/// Long-lived tasks start where their end is noticed.
pub(super) fn spawn(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources
        .iter()
        .filter(|source| source.path.starts_with("src/"))
    {
        if source.room().is_some_and(|room| SPAWNERS.contains(&room)) {
            continue;
        }
        let code = &source.product;
        let bad = words(code, "spawn").filter(|&at| {
            let before = code[..at].trim_end();
            ["tokio::", "task::", "thread::"]
                .iter()
                .any(|path| before.ends_with(path))
        });
        complaints.extend(bad.map(|at| {
            format!(
                "{}:{}: spawns a detached task: leave it to `runtime`",
                source.path,
                line(code, at)
            )
        }));
    }
    complaints
}

/// `hack/test.sh` names each integration test file of the judge, so that none is left out.
pub(super) fn unlisted_tests(sources: &[Source]) -> Vec<String> {
    let script = sources.iter().find(|source| source.path == "hack/test.sh");
    let script = script.map_or("", |source| source.text.as_str());
    let mut complaints = Vec::new();
    for source in sources {
        let name = source.path.strip_prefix("tests/support/tests/");
        let Some(name) = name.and_then(|name| name.strip_suffix(".rs")) else {
            continue;
        };
        if !name.contains('/') && !script.contains(&format!("--test {name} ")) {
            complaints.push(format!(
                "{}: add `--test {name}` to hack/test.sh",
                source.path
            ));
        }
    }
    complaints
}

/// Each direct dependency has its reason in `docs/dependencies.md`.
pub(super) fn dependencies(sources: &[Source]) -> Vec<String> {
    let page = sources
        .iter()
        .find(|source| source.path == "docs/dependencies.md");
    let rows = page.map_or("", |page| page.text.as_str()).lines();
    let reasoned: Vec<&str> = rows
        .filter_map(|row| row.strip_prefix('|')?.split('|').next())
        .flat_map(|cell| cell.split(',').map(str::trim))
        .collect();
    let mut complaints = Vec::new();
    for source in sources
        .iter()
        .filter(|source| source.path.ends_with("Cargo.toml"))
    {
        let mut section = "";
        for line in source.text.lines() {
            if line.starts_with('[') {
                section = line;
            }
            let name = line.split([' ', '=', '.']).next().unwrap_or(line);
            let listed = section.ends_with("dependencies]") && line.contains('=');
            if listed && !line.starts_with('#') && !reasoned.contains(&name) {
                let path = &source.path;
                complaints.push(format!(
                    "{path}: `{name}` has no reason in docs/dependencies.md"
                ));
            }
        }
    }
    complaints
}

/// Self test of [`dependencies`].
pub(super) const DEPENDENCY_SAMPLES: Samples = Samples {
    refused: &[
        &[
            ("Cargo.toml", "[dependencies]\nb = \"1\""),
            ("docs/dependencies.md", "| a | D | b |"),
        ],
        &[(
            "tests/support/Cargo.toml",
            "[dev-dependencies]\nb.workspace = true",
        )],
    ],
    accepted: &[&[
        (
            "Cargo.toml",
            "[package]\nname = \"x\"\n[build-dependencies]\nb = { version = \"1\" }",
        ),
        ("docs/dependencies.md", "| a, b | D | why |"),
    ]],
};

/// Self test of [`opening_line`].
pub(super) const OPENING_SAMPLES: Samples = Samples {
    refused: &[
        &[("src/a.rs", "use std::fs;")],
        &[("src/a.rs", "// Comment.\n//! Late.")],
        &[("build.rs", "")],
    ],
    accepted: &[
        &[("src/a.rs", "//! Why.")],
        &[("hack/test.sh", "#!/bin/sh")],
    ],
};

/// Self test of [`sleeping`].
pub(super) const SLEEP_SAMPLES: Samples = Samples {
    refused: &[
        &[("tests/it/a.rs", "fn f() { thread::sleep(D); }")],
        &[(
            "tests/support/tests/a.rs",
            "async fn f() { sleep_until (d).await }",
        )],
        &[(
            "src/a.rs",
            "#[cfg(test)]\nmod tests { fn f() { tokio::time::sleep(D) } }",
        )],
        &[("src/a/tests.rs", "fn f() { sleep(D) }")],
    ],
    accepted: &[
        &[("tests/it/a.rs", "fn f() { asleep(); } // sleep(1)")],
        &[(
            "src/a.rs",
            "async fn f() { sleep(D).await }\n#[cfg(test)]\nmod tests {}",
        )],
        &[(
            "tests/support/src/a.rs",
            "async fn delay() { sleep(D).await }",
        )],
    ],
};

/// Self test of [`ignored`].
pub(super) const IGNORED_SAMPLES: Samples = Samples {
    refused: &[
        &[("tests/it/a.rs", "#[test]\n#[ignore]\nfn f() {}")],
        &[("src/a.rs", "#[ignore = \"slow\"]\nfn f() {}")],
        &[("tests/it/a.rs", "Trial::test(n, f).with_ignored_flag(true)")],
    ],
    accepted: &[&[("src/a.rs", "// #[ignore]\nfn f() { \"#[ignore]\"; }")]],
};

/// Self test of [`unwrap`].
pub(super) const UNWRAP_SAMPLES: Samples = Samples {
    refused: &[
        &[("src/a.rs", "fn f() { g().unwrap(); }")],
        &[(
            "src/a.rs",
            "#[cfg(test)]\nmod tests {}\nfn f() { g()\n .unwrap() }",
        )],
    ],
    accepted: &[
        &[("src/a.rs", "fn f() { g().unwrap_or(1); } // .unwrap()")],
        &[(
            "src/a.rs",
            "#[cfg(test)]\nmod tests { fn f() { g().unwrap() } }",
        )],
        &[("tests/it/a.rs", "fn f() { g().unwrap() }")],
    ],
};

/// Self test of [`spawn`].
pub(super) const SPAWN_SAMPLES: Samples = Samples {
    refused: &[
        &[("src/cacher.rs", "fn f() { tokio::spawn(g()); }")],
        &[(
            "src/cacher/a.rs",
            "use tokio::task; fn f() { task::spawn(g()); }",
        )],
        &[("src/grpc.rs", "use tokio::spawn;")],
    ],
    accepted: &[
        &[("src/runtime/a.rs", "fn f() { tokio::spawn(g()); }")],
        &[(
            "src/cacher.rs",
            "fn f(set: JoinSet) { set.spawn(g()); task::spawn_blocking(h); }",
        )],
        &[(
            "src/grpc.rs",
            "#[cfg(test)]\nmod tests { fn f() { tokio::spawn(g()); } }",
        )],
    ],
};

/// Self test of [`unlisted_tests`].
pub(super) const UNLISTED_SAMPLES: Samples = Samples {
    refused: &[
        &[
            ("tests/support/tests/a.rs", ""),
            ("hack/test.sh", "--test ab \n"),
        ],
        &[("tests/support/tests/a.rs", "")],
    ],
    accepted: &[&[
        ("tests/support/tests/a.rs", ""),
        ("hack/test.sh", "--test a --lib\n"),
    ]],
};
