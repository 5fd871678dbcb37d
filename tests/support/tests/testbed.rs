//! The testbed as its users hold it: a child process with two pipes.

use std::{
    env,
    io::{self, BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio},
};

use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_informerd-testbed");
/// Exit code for missing binaries.
const NOT_BUILT: i32 = 3;

struct Testbed {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    description: Value,
}

impl Testbed {
    /// The testbed when it serves, or `None` with a printed reason; in CI that is a failure.
    fn start(arguments: &[&str]) -> Option<Self> {
        let mut child = Command::new(BINARY)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary is built");
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut testbed = Self {
            child,
            stdin,
            stdout,
            description: Value::Null,
        };
        let Some(description) = testbed.line() else {
            let status = testbed.child.wait().expect("a child");
            let missing = status.code() == Some(NOT_BUILT) && env::var_os("CI").is_none();
            assert!(missing, "the testbed ended with {status}");
            // Written past the capture of the test runner: a skip must be seen.
            let _ = writeln!(io::stderr(), "skipped: see the testbed's error above");
            return None;
        };
        testbed.description = description;
        Some(testbed)
    }

    fn line(&mut self) -> Option<Value> {
        let mut line = String::new();
        let read = self.stdout.read_line(&mut line).expect("text");
        (read > 0).then(|| serde_json::from_str(&line).expect("a line of JSON"))
    }

    fn ask(&mut self, line: &str) -> Value {
        let stdin = self.stdin.as_mut().expect("open");
        writeln!(stdin, "{line}").expect("the testbed reads");
        self.line().expect("each command is answered")
    }

    fn text(&self, name: &str) -> &str {
        self.description[name].as_str().expect("a string")
    }

    fn pid(&self) -> u64 {
        self.description["apiserver_pid"]
            .as_u64()
            .expect("a number")
    }
}

impl Drop for Testbed {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command_line(pid: u64) -> Option<String> {
    let text = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    (!text.is_empty()).then(|| String::from_utf8_lossy(&text).replace('\0', " "))
}

/// `/proc` is Linux's; elsewhere only the directory tells whether something is left.
fn assert_runs(pid: u64, expected: bool) {
    if Path::new("/proc/self").exists() {
        let line = command_line(pid);
        let runs = line
            .as_ref()
            .is_some_and(|line| line.contains("kube-apiserver"));
        assert_eq!(runs, expected, "process {pid}: {line:?}");
    }
}

fn kubectl(testbed: &Testbed, arguments: &[&str]) -> Output {
    let assets = informerd_support::control_plane::ControlPlane::available();
    Command::new(assets.expect("it has started").binary("kubectl"))
        .args(["--server", testbed.text("url")])
        .args(["--certificate-authority", testbed.text("ca_file")])
        .args(["--kubeconfig", testbed.text("kubeconfig")])
        .args(["--cache-dir", testbed.text("directory")])
        .args(arguments)
        .output()
        .expect("kubectl runs")
}

#[test]
fn commands_are_answered_and_nothing_is_left_at_the_end_of_stdin() {
    let Some(mut testbed) = Testbed::start(&["--apiserver-flag", "--min-request-timeout=7"]) else {
        return;
    };
    let first = testbed.pid();
    assert_runs(first, true);
    if let Some(line) = command_line(first) {
        assert!(line.contains("--min-request-timeout=7"), "{line}");
    }
    let found = kubectl(&testbed, &["get", "namespace", "default", "-o", "name"]);
    assert_eq!(
        String::from_utf8_lossy(&found.stdout),
        "namespace/default\n"
    );

    let answer = testbed.ask(r#"{"do":"pid"}"#);
    assert_eq!(answer, json!({ "done": "pid", "apiserver_pid": first }));
    let answer = testbed.ask(r#"{"do":"compact"}"#);
    assert!(answer["revision"].as_u64() > Some(1), "{answer}");
    let answer = testbed.ask(r#"{"do":"dance"}"#);
    assert!(answer["error"].is_string(), "{answer}");
    let answer = testbed.ask(r#"{"do":"stop-apiserver"}"#);
    assert_eq!(answer, json!({ "done": "stop-apiserver" }));
    assert_runs(first, false);
    let answer = testbed.ask(r#"{"do":"pid"}"#);
    assert_eq!(answer["apiserver_pid"], Value::Null);
    let answer = testbed.ask(r#"{"do":"start-apiserver"}"#);
    let second = answer["apiserver_pid"].as_u64().expect("a number");
    assert_ne!(second, first);
    assert_runs(second, true);

    let directory = PathBuf::from(testbed.text("directory"));
    assert!(directory.is_dir());
    testbed.stdin = None;
    let status = testbed.child.wait().expect("a child");
    assert!(status.success(), "{status}");
    assert_runs(second, false);
    assert!(!directory.exists(), "{} is left", directory.display());
}

#[test]
fn sigterm_ends_it_while_stdin_is_open() {
    let Some(mut testbed) = Testbed::start(&[]) else {
        return;
    };
    let pid = testbed.child.id().to_string();
    let sent = Command::new("kill").args(["-TERM", &pid]).status();
    assert!(
        sent.is_ok_and(|status| status.success()),
        "kill -TERM {pid}"
    );
    let status = testbed.child.wait().expect("a child");
    assert!(status.success(), "{status}");
    assert_runs(testbed.pid(), false);
    assert!(!Path::new(testbed.text("directory")).exists());
}

#[test]
fn help_teaches_and_wrong_usage_points_to_it() {
    let help = Command::new(BINARY).arg("--help").output().expect("runs");
    let text = String::from_utf8_lossy(&help.stdout);
    assert!(help.status.success(), "{}", help.status);
    for word in [
        "--apiserver-flag",
        "KUBEBUILDER_ASSETS",
        r#"{"do":"compact"}"#,
    ] {
        assert!(text.contains(word), "{word} is not in:\n{text}");
    }

    let wrong = Command::new(BINARY).arg("--frob").output().expect("runs");
    assert_eq!(wrong.status.code(), Some(2));
    let text = String::from_utf8_lossy(&wrong.stderr);
    assert!(text.contains("--frob") && text.contains("--help"), "{text}");
}

#[test]
fn missing_binaries_have_an_exit_code_and_a_remedy() {
    let output = Command::new(BINARY)
        .env("KUBEBUILDER_ASSETS", env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("runs");
    assert_eq!(output.status.code(), Some(NOT_BUILT));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("make envtest"), "{text}");
}
