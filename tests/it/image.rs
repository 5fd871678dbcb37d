//! The binary of the image: static, with the list of its crates, and at home in an empty directory.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::{Command, Output},
};

use libtest_mimic::Trial;

use crate::sandbox;

/// Where `hack/test.sh` has put what `hack/static.sh` made.
const VARIABLE: &str = "INFORMERD_STATIC";

/// Gets the binary's bytes, and where they are.
type Check = fn(Vec<u8>, PathBuf);

/// The trials of this file.
pub fn trials() -> Vec<Trial> {
    let all: [(&str, Check); 3] = [
        ("needs_no_loader_and_names_its_crates", needs_no_loader),
        ("runs_with_nothing_around_it", runs_alone),
        ("plays_the_demo", plays_the_demo),
    ];
    all.into_iter()
        .map(|(name, run)| {
            let binary = env::var_os(VARIABLE).map(PathBuf::from);
            let alone = (name != "runs_with_nothing_around_it") || sandbox::allowed().is_ok();
            let skipped = (binary.is_none() || !alone) && env::var_os("CI").is_none();
            Trial::test(format!("image::{name}"), move || {
                let binary = binary.ok_or("INFORMERD_STATIC names no binary: see hack/test.sh")?;
                run(fs::read(&binary)?, binary);
                Ok(())
            })
            .with_ignored_flag(skipped)
        })
        .collect()
}

/// The types of an ELF file's program headers (System V ABI, 64 bits, little endian).
fn segments(elf: &[u8]) -> Vec<u32> {
    let number = |at: usize, length: usize| {
        let bytes = &elf[at..at + length];
        bytes
            .iter()
            .rev()
            .fold(0_usize, |n, &b| n << 8 | usize::from(b))
    };
    assert_eq!(&elf[..6], b"\x7fELF\x02\x01", "64 bits, little endian");
    let (offset, size, count) = (number(32, 8), number(54, 2), number(56, 2));
    let types = (0..count).map(|index| number(offset + index * size, 4));
    types
        .map(|of| u32::try_from(of).expect("4 bytes"))
        .collect()
}

fn needs_no_loader(elf: Vec<u8>, _: PathBuf) {
    const LOAD: u32 = 1;
    const INTERPRETER: u32 = 3;
    let found = segments(&elf);
    assert!(found.contains(&LOAD), "{found:?}");
    assert!(
        !found.contains(&INTERPRETER),
        "it asks for a dynamic loader"
    );
    // This test's own binary is not static: the question can be answered with yes.
    let own = fs::read(env!("CARGO_BIN_EXE_informerd")).expect("readable");
    assert!(segments(&own).contains(&INTERPRETER));
    let audited = elf.windows(8).any(|bytes| bytes == b".dep-v0\0");
    assert!(audited, "scanners find no list of crates in it");
}

fn text(output: Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// As in the image: no files but itself.
fn runs_alone(elf: Vec<u8>, _: PathBuf) {
    sandbox::allowed().expect("a root of its own");
    let root = tempfile::tempdir().expect("a directory");
    let alone = root.path().join("informerd");
    fs::write(&alone, elf).expect("writable");
    fs::set_permissions(&alone, fs::Permissions::from_mode(0o755)).expect("ours");
    let version = sandbox::unshare()
        .arg("--root")
        .arg(root.path())
        .args(["/informerd", "--version"])
        .output();
    let version = text(version.expect("unshare of util-linux runs"));
    assert_eq!(
        version,
        format!("informerd {}\n", env!("CARGO_PKG_VERSION"))
    );
}

/// The whole daemon, a cluster and its judge.
fn plays_the_demo(_: Vec<u8>, binary: PathBuf) {
    let demo = Command::new(binary)
        .args(["demo", "--for", "3s", "--listen", "127.0.0.1:0"])
        .env_clear()
        .output();
    let said = text(demo.expect("it runs"));
    assert!(said.contains("  ok     a token continued"), "{said}");
}
