//! What stands beside the chart and must not drift from it.

use std::process::Command;

use libtest_mimic::Trial;

use super::{path, read};

pub(super) fn trials() -> Vec<Trial> {
    let all: [(&str, fn()); 3] = [
        ("readme_is_fresh", readme_is_fresh),
        ("versions_agree", versions_agree),
        ("the_image_is_built_from_what_it_gets", image_context),
    ];
    let trial = |(name, run): (&str, fn())| {
        Trial::test(format!("chart::{name}"), move || {
            run();
            Ok(())
        })
    };
    all.into_iter().map(trial).collect()
}

/// The generator's own check, and that it can fail.
fn readme_is_fresh() {
    let check = |root: &std::path::Path| {
        let script = root.join("hack/chart-readme.sh");
        let output = Command::new("bash").arg(script).arg("--check").output();
        let output = output.expect("bash runs");
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let (fresh, said) = check(&path("."));
    assert!(fresh, "{said}");

    let copy = tempfile::tempdir().expect("a directory");
    for name in [
        "hack/lib.sh",
        "hack/chart-readme.sh",
        "helm/informerd/README.head.md",
        "helm/informerd/README.md",
        "helm/informerd/values.yaml",
    ] {
        let target = copy.path().join(name);
        std::fs::create_dir_all(target.parent().expect("a parent")).expect("writable");
        let mut text = read(name);
        if name.ends_with("values.yaml") {
            text = text.replace("replicas: 2", "replicas: 5");
        }
        std::fs::write(target, text).expect("writable");
    }
    let (fresh, said) = check(copy.path());
    assert!(!fresh && said.contains("is stale"), "{said}");
}

/// One version each of the product and of Rust.
fn versions_agree() {
    let chart = read("helm/informerd/Chart.yaml");
    let version = env!("CARGO_PKG_VERSION");
    for line in [
        format!("version: {version}"),
        format!("appVersion: {version}"),
    ] {
        assert!(chart.lines().any(|l| l == line), "Chart.yaml lacks {line}");
    }
    let toolchain = read("rust-toolchain.toml");
    let channel = toolchain
        .lines()
        .find_map(|l| l.strip_prefix("channel = \""));
    let channel = channel.expect("a channel").trim_end_matches('"');
    let argument = format!("ARG RUST_VERSION={channel}");
    let dockerfile = read("Dockerfile");
    assert!(dockerfile.lines().any(|l| l == argument), "{argument}");
}

/// Whatever the Dockerfile copies and runs passes .dockerignore, and so do the sources.
fn image_context() {
    let ignore = read(".dockerignore");
    let passes: Vec<&str> = ignore.lines().filter_map(|l| l.strip_prefix('!')).collect();
    for file in &passes {
        assert!(path(file).exists(), ".dockerignore lets pass {file}");
    }
    let needed = [
        "Cargo.toml",
        "Cargo.lock",
        "build.rs",
        "rust-toolchain.toml",
        "proto/informerd/v1/watch.proto",
        "src/main.rs",
        "tests/support/Cargo.toml",
        "hack/static.sh",
        "hack/lib.sh",
    ];
    for file in needed {
        assert!(path(file).exists(), "{file}");
        let passed = passes
            .iter()
            .any(|p| file == *p || file.starts_with(&format!("{p}/")));
        assert!(passed, ".dockerignore keeps {file} out");
    }
    assert!(read("Dockerfile").contains("USER 65532:65532"));
}
