//! One run of the binary.

use std::{process::Stdio, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    task::JoinHandle,
};

/// Longest wait for a line, or for the end.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    /// What was not read line by line before.
    pub out: String,
    pub err: String,
}

impl Ended {
    /// The output of a run that must have succeeded.
    pub fn fine(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.out
    }
}

/// A command that runs.
pub struct Run {
    child: Child,
    out: Lines<BufReader<ChildStdout>>,
    err: Arc<Mutex<String>>,
    reader: JoinHandle<()>,
}

/// `informerd` with arguments, and with nothing of this process's environment.
pub fn informerd(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_informerd"));
    command
        .args(arguments)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Runs a command to its end.
pub async fn run(arguments: &[&str]) -> Ended {
    Run::start(&mut informerd(arguments)).end().await
}

impl Run {
    /// Starts a command.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.spawn().expect("the binary is built");
        let out = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
        let err = Arc::new(Mutex::new(String::new()));
        let kept = err.clone();
        let reader = tokio::spawn(async move {
            let mut line = String::new();
            while stderr.read_line(&mut line).await.is_ok_and(|n| n > 0) {
                kept.lock().push_str(&line);
                line.clear();
            }
        });
        Self {
            child,
            out,
            err,
            reader,
        }
    }

    /// The next line of its output.
    pub async fn line(&mut self) -> String {
        let line = tokio::time::timeout(PATIENCE, self.out.next_line()).await;
        match line.map(|line| line.expect("text")) {
            Ok(Some(line)) => line,
            Ok(None) => panic!("no more output; stderr: {}", self.err.lock()),
            Err(_) => panic!("no line within {PATIENCE:?}; stderr: {}", self.err.lock()),
        }
    }

    /// The words of the next line.
    pub async fn words(&mut self) -> Vec<String> {
        let line = self.line().await;
        line.split_whitespace().map(str::to_owned).collect()
    }

    /// What it has said on stderr so far.
    pub fn err(&self) -> String {
        self.err.lock().clone()
    }

    /// Asks it to end, as Ctrl-C or the kubelet do.
    pub async fn signal(&self, name: &str) {
        let pid = self.child.id().expect("it runs").to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status().await;
        assert!(sent.is_ok_and(|status| status.success()), "kill {pid}");
    }

    /// Waits for the end.
    pub async fn end(mut self) -> Ended {
        let mut out = String::new();
        let ending = async {
            while let Some(line) = self.out.next_line().await.expect("text") {
                out.push_str(&line);
                out.push('\n');
            }
            let mut rest = self.out.into_inner();
            rest.read_to_string(&mut out).await.expect("text");
            let status = self.child.wait().await.expect("a child");
            self.reader.await.expect("no panic");
            status.code()
        };
        let code = tokio::time::timeout(PATIENCE, ending).await;
        let err = self.err.lock().clone();
        let code = code.unwrap_or_else(|_| panic!("no end within {PATIENCE:?}; stderr: {err}"));
        Ended { code, out, err }
    }
}
