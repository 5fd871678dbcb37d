//! What stands beside the chart and must not drift from it.

use std::{fmt::Write as _, fs, process::Command};

use clap::{Arg, CommandFactory as _};
use informerd::runtime::Cli;
use libtest_mimic::Trial;

use super::{path, read};

pub(super) fn trials() -> Vec<Trial> {
    let all: [(&str, fn()); 4] = [
        ("operations_names_every_flag", operations_names_every_flag),
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
        fs::create_dir_all(target.parent().expect("a parent")).expect("writable");
        let mut text = read(name);
        if name.ends_with("values.yaml") {
            text = text.replace("replicas: 2", "replicas: 5");
        }
        fs::write(target, text).expect("writable");
    }
    let (fresh, said) = check(copy.path());
    assert!(!fresh && said.contains("is stale"), "{said}");
}

/// The table of flags is what the command line says of itself.
fn operations_names_every_flag() {
    const FILE: &str = "docs/operations.md";
    const HEAD: &str = "| flag | variable | default | meaning |\n|---|---|---|---|\n";
    let kept = read(FILE);
    let (before, rest) = kept.split_once(HEAD).expect("the table of flags");
    let (_, after) = rest.split_once("\n\n").expect("the table ends");
    let table = flags();
    let fresh = format!("{before}{HEAD}{}\n{after}", table);
    if std::env::var_os("INFORMERD_UPDATE_SNAPSHOTS").is_some() {
        fs::write(path(FILE), &fresh).expect("writable");
        return;
    }
    let stale: Vec<&str> = table.lines().filter(|row| !kept.contains(row)).collect();
    assert!(
        kept == fresh,
        "{FILE} lacks {stale:#?}, or has what is no flag any more; run the test again with \
         INFORMERD_UPDATE_SNAPSHOTS=1 and commit the file"
    );
}

fn flags() -> String {
    let command = Cli::command();
    let serve = command.find_subcommand("serve").expect("the daemon");
    let mut rows = String::new();
    let mut count = 0;
    for flag in serve.get_arguments() {
        let Some(name) = flag.get_long().filter(|name| *name != "help") else {
            continue;
        };
        count += 1;
        let variable = flag.get_env().and_then(|name| name.to_str());
        let variable = variable.unwrap_or_else(|| panic!("--{name} has no twin"));
        let help = flag.get_help().map(ToString::to_string).unwrap_or_default();
        writeln!(
            rows,
            "| `--{name}` | `{variable}` | {} | {} |",
            default(flag),
            help.replace('\n', " ")
        )
        .expect("a string takes all");
    }
    assert!(count > 15, "too little was found: {count}");
    rows
}

fn default(flag: &Arg) -> String {
    if !flag.get_action().takes_values() {
        return "off".to_owned();
    }
    let values: Vec<_> = flag
        .get_default_values()
        .iter()
        .filter_map(|v| v.to_str())
        .collect();
    match values.as_slice() {
        [] => String::new(),
        values => format!("`{}`", values.join(",")),
    }
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
