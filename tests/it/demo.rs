//! `informerd demo` and `informerd simulate`: the real binary, judged by what it prints, and by
//! kubectl.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::mpsc::{self, Receiver},
    time::Duration,
};

use informerd_support::control_plane::ControlPlane;
use libtest_mimic::Trial;

use crate::stage::{self, Kind};

/// Longest wait for a line.
const LIMIT: Duration = Duration::from_secs(60);

/// All tests of this file.
pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test("demo::proves_its_claims_and_ends", || {
            proves_its_claims_and_ends();
            Ok(())
        }),
        Trial::test("demo::sums_up_at_a_signal", || {
            sums_up_at_a_signal();
            Ok(())
        }),
        Trial::test("demo::writes_over_nothing", || {
            writes_over_nothing();
            Ok(())
        }),
        Trial::test("demo::a_reader_may_leave", || {
            a_reader_may_leave();
            Ok(())
        }),
        stage::trial(Kind::Real, "simulate_serves_kubectl", || {
            simulate_serves_kubectl();
            Ok(())
        }),
    ]
}

fn informerd(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_informerd"));
    command.args(arguments).stdin(Stdio::null());
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

/// A process whose lines are read as they come. Killed when dropped.
struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let stdout = child.stdout.take().expect("piped");
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    /// Waits for a line that holds `part`.
    fn line(&self, part: &str) -> String {
        let mut others = Vec::new();
        loop {
            match self.lines.recv_timeout(LIMIT) {
                Ok(line) if line.contains(part) => return line,
                Ok(line) => others.push(line),
                Err(error) => panic!("no line with {part:?}: {error}; {}", others.join("\n")),
            }
        }
    }

    /// Asks it to end, as Ctrl-C does.
    fn interrupt(&self) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-INT", &pid]).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill -INT {pid}");
    }

    /// Its exit code, and the lines that nobody has read yet.
    fn ended(mut self) -> (Option<i32>, String) {
        let lines: Vec<String> = self.lines.iter().collect();
        let status = self.child.wait().expect("a child");
        (status.code(), lines.join("\n"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The figure of a subscriber in the summary: `column` counts from the right end.
fn figure(output: &str, name: &str, column: usize) -> usize {
    let row = output
        .lines()
        .find(|line| line.trim_start().starts_with(name) && line.starts_with("  "))
        .unwrap_or_else(|| panic!("no row of {name} in\n{output}"));
    let figure = row.split_whitespace().rev().nth(column);
    figure
        .and_then(|figure| figure.parse().ok())
        .unwrap_or_else(|| panic!("no figure in {row:?}"))
}

fn proves_its_claims_and_ends() {
    let run = informerd(&["demo", "--for", "8s", "--pace", "50ms"]).output();
    let Output {
        status,
        stdout,
        stderr,
    } = run.expect("it runs");
    let (stdout, stderr) = (text(&stdout), text(&stderr));
    assert_eq!(status.code(), Some(0), "{stdout}\n{stderr}");
    assert_eq!(stderr, "", "nothing went wrong");
    assert!(!stdout.contains('\u{1b}'), "a pipe gets no colours");
    assert!(!stdout.contains("FAILED"), "{stdout}");
    for claim in [
        "each filter got exactly its own changes",
        "nothing came twice",
        "more subscribers got the same as the table",
        "a token continued where the canary left",
        "one watch at the apiserver carried all 104 streams",
    ] {
        let claimed = stdout
            .lines()
            .any(|line| line.starts_with("  ok ") && line.contains(claim));
        assert!(claimed, "{claim:?} is missing in\n{stdout}");
    }
    assert!(stdout.contains("# outcome RESUMED"), "{stdout}");
    assert!(stdout.contains("1 open, at most 1 at a time"), "{stdout}");

    // The summary says what the lines above it show.
    let count = |of: &dyn Fn(&str) -> bool| stdout.lines().filter(|line| of(line)).count();
    let types = ["ADDED ", "MODIFIED ", "DELETED "];
    let rows = count(&|line| types.iter().any(|kind| line.starts_with(kind)));
    assert!(rows >= 10, "only {rows} changes in\n{stdout}");
    for (name, shown) in [
        ("everything", rows),
        ("canary", count(&|line| line.starts_with("  └ canary "))),
        ("node-a", count(&|line| line.starts_with("  └ node-a "))),
    ] {
        let (changes, compared) = (figure(&stdout, name, 1), figure(&stdout, name, 0));
        assert_eq!((changes, compared), (shown, shown), "{name} in\n{stdout}");
    }
}

fn sums_up_at_a_signal() {
    let home = tempfile::tempdir().expect("a directory");
    let kubeconfig = home.path().join("kubeconfig");
    let file = kubeconfig.to_str().expect("a plain path");
    let somewhere = ["--listen", "127.0.0.1:0", "--kubeconfig-out", file];
    let demo = [&["demo", "--pace", "50ms"], &somewhere[..]].concat();
    let demo = Running::start(informerd(&demo));
    demo.line("export INFORMERD_SERVER=http://127.0.0.1:");
    demo.line("ADDED/snapshot");
    assert!(kubeconfig.exists());
    demo.line("outcome RESUMED");
    demo.interrupt();
    let (code, rest) = demo.ended();
    assert_eq!(code, Some(0), "{rest}");
    assert!(!kubeconfig.exists(), "it would lead nowhere now");
    assert!(rest.contains("What happened in"), "{rest}");
    assert!(
        rest.contains("a token continued where the canary left"),
        "{rest}"
    );
    assert!(!rest.contains("FAILED"), "{rest}");
}

/// A kubeconfig of somebody else stays what it is.
fn writes_over_nothing() {
    let home = tempfile::tempdir().expect("a directory");
    let kubeconfig = home.path().join("config");
    let held = "apiVersion: v1\nkind: Config\n";
    std::fs::write(&kubeconfig, held).expect("writable");
    let file = kubeconfig.to_str().expect("a plain path");
    for command in ["demo", "simulate"] {
        let arguments = [command, "--for", "1s", "--kubeconfig-out", file];
        let run = informerd(&arguments).output().expect("it runs");
        assert_eq!(run.status.code(), Some(1), "{run:?}");
        let stderr = text(&run.stderr);
        assert!(stderr.contains("choose another file"), "{stderr}");
        let kept = std::fs::read_to_string(&kubeconfig).expect("readable");
        assert_eq!(kept, held, "{command}");
    }
}

fn a_reader_may_leave() {
    let mut command = informerd(&["demo", "--pace", "50ms"]);
    let demo = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut demo = demo.spawn().expect("it starts");
    let mut line = String::new();
    let stdout = demo.stdout.take().expect("piped");
    BufReader::new(stdout)
        .read_line(&mut line)
        .expect("a first line");
    let Output { status, stderr, .. } = demo.wait_with_output().expect("a child");
    assert_eq!((status.code(), text(&stderr).as_str()), (Some(0), ""));
}

/// A kubectl that writes nothing outside `home`.
fn kubectl(home: &Path, arguments: &[&str]) -> Command {
    let assets = ControlPlane::available().expect("skipped without");
    let mut command = Command::new(assets.binary("kubectl"));
    command
        .env_clear()
        .env("HOME", home)
        .arg("--kubeconfig")
        .arg(home.join("kubeconfig"))
        .arg("--cache-dir")
        .arg(home.join("cache"))
        .args(arguments)
        .stdin(Stdio::null());
    command
}

fn simulate_serves_kubectl() {
    let home = tempfile::tempdir().expect("a directory");
    let kubeconfig = home.path().join("kubeconfig");
    let kubeconfig = kubeconfig.to_str().expect("a plain path");
    // Nothing changes by itself, so that the watch below tells only what kubectl did.
    let arguments = ["simulate", "--pace", "0", "--kubeconfig-out", kubeconfig];
    let simulation = Running::start(informerd(&arguments));
    simulation.line("informerd serve --kubeconfig");
    let run = |arguments: &[&str]| {
        let run = kubectl(home.path(), arguments).output();
        let run = run.expect("kubectl runs");
        let (stdout, stderr) = (text(&run.stdout), text(&run.stderr));
        assert!(run.status.success(), "{arguments:?}: {stdout}{stderr}");
        stdout
    };
    let pods = run(&["get", "pods", "-A", "-o", "name"]);
    assert_eq!(pods.lines().count(), 10, "{pods}");

    let seen = "jsonpath={.type} {.object.metadata.name} {.object.metadata.labels.track}{\"\\n\"}";
    let watch = ["get", "pods", "-n", "shop", "--watch", "-o", seen];
    let watch = [&watch[..], &["--output-watch-events", "-l", "team=x"]].concat();
    let labels = "--labels=team=x";
    run(&["run", "first", "-n", "shop", "--image=example", labels]);
    let watch = Running::start(kubectl(home.path(), &watch));
    assert_eq!(watch.line("first"), "ADDED first ");
    run(&["run", "extra", "-n", "shop", "--image=example", labels]);
    assert_eq!(watch.line("extra"), "ADDED extra ");
    run(&["label", "pod", "extra", "-n", "shop", "track=canary"]);
    assert_eq!(watch.line("extra"), "MODIFIED extra canary");
    run(&["delete", "pod", "extra", "-n", "shop", "--timeout=30s"]);
    watch.line("DELETED extra canary");

    simulation.interrupt();
    assert_eq!(simulation.ended().0, Some(0));
}
