//! The daemon under test: the real binary as a child process.

use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, mpsc},
    thread::JoinHandle,
    time::Duration,
};

use informerd::client::Client;
use parking_lot::Mutex;
use serde_json::Value;
use tonic::transport::{Channel, Endpoint};

/// Longest wait for a daemon to serve.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A running daemon. Killed when dropped, unless it is [lent](Daemon::lent).
pub struct Daemon {
    /// None: somebody else's.
    child: Option<Child>,
    addresses: Vec<String>,
    admin: SocketAddr,
    /// The authority of its certificate, if it has one.
    trust: Option<PathBuf>,
    log: Arc<Mutex<Vec<String>>>,
    /// Ends when the log does.
    reading: Option<JoinHandle<()>>,
}

impl Daemon {
    /// Starts a daemon on free ports and waits until it serves. It serves anyone. The authority of
    /// a certificate (`--tls-cert`) is expected beside it, as `ca.crt`.
    pub async fn start(kubeconfig: &Path, arguments: &[&str]) -> Self {
        Self::start_at(kubeconfig, "127.0.0.1:0", arguments).await
    }

    /// Starts a daemon on a given address.
    pub async fn start_at(kubeconfig: &Path, address: &str, arguments: &[&str]) -> Self {
        let open = [&["--insecure-allow-anyone"], arguments].concat();
        Self::run(kubeconfig, address, &open).await
    }

    /// Starts a daemon on free ports that asks the apiserver about its callers.
    pub async fn guarded(kubeconfig: &Path, arguments: &[&str]) -> Self {
        Self::run(kubeconfig, "127.0.0.1:0", arguments).await
    }

    async fn run(kubeconfig: &Path, address: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_informerd"));
        command
            .arg("serve")
            .args(["--listen", address, "--admin-listen", "127.0.0.1:0"])
            .args(["--log-format", "json", "--log", "info,informerd=debug"])
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .args(arguments);
        let mut daemon = Self::spawn(command).await;
        daemon.trust = trust(arguments);
        daemon
    }

    /// Starts a prepared command, which must log in JSON, and waits until it serves.
    pub async fn spawn(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary is built");
        let stderr = child.stderr.take().expect("piped");
        let log = Arc::new(Mutex::new(Vec::new()));
        let (sender, serving) = mpsc::channel();
        let kept = log.clone();
        let reading = std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if let Some(addresses) = serving_line(&line) {
                    let _ = sender.send(addresses);
                }
                kept.lock().push(line);
            }
        });
        let waited = tokio::task::spawn_blocking(move || serving.recv_timeout(START_LIMIT));
        match waited.await.expect("waiting does not panic") {
            Ok((addresses, admin)) => Self {
                child: Some(child),
                addresses,
                admin,
                trust: None,
                log,
                reading: Some(reading),
            },
            Err(_) => {
                let _ = child.kill();
                panic!(
                    "the daemon does not serve; its log:\n{}",
                    log.lock().join("\n")
                );
            }
        }
    }

    /// The same daemon for somebody who looks at it and doesn't end it.
    pub fn lent(&self) -> Self {
        Self {
            child: None,
            addresses: self.addresses.clone(),
            admin: self.admin,
            trust: self.trust.clone(),
            log: self.log.clone(),
            reading: None,
        }
    }

    fn child(&mut self) -> &mut Child {
        self.child.as_mut().expect("it is not lent")
    }

    /// Where it serves gRPC over TCP.
    pub fn address(&self) -> SocketAddr {
        let mut tcp = self.addresses.iter().filter_map(|each| each.parse().ok());
        tcp.next().expect("it listens on a port")
    }

    /// Where it serves gRPC, in the order of its flags.
    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.log.lock().join("\n")
    }

    /// A connection of its own.
    pub async fn connect(&self) -> Channel {
        if let Some(trust) = &self.trust {
            let client = Client::builder(format!("https://{}", self.address())).ca_file(trust);
            let client = client
                .connect()
                .await
                .expect("the daemon accepts connections");
            return client.channel();
        }
        Endpoint::from_shared(format!("http://{}", self.address()))
            .expect("a valid address")
            .initial_connection_window_size(16 << 20)
            .initial_stream_window_size(4 << 20)
            .connect()
            .await
            .expect("the daemon accepts connections")
    }

    /// Whether a line of its log holds this text.
    pub fn has_logged(&self, text: &str) -> bool {
        self.log.lock().iter().any(|line| line.contains(text))
    }

    /// A page of the admin port.
    pub async fn page(&self, path: &str) -> (u16, String) {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut socket = tokio::net::TcpStream::connect(self.admin)
            .await
            .expect("admin port");
        let request = format!("GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n");
        socket
            .write_all(request.as_bytes())
            .await
            .expect("writable");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.expect("readable");
        let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        (status.expect("a status line"), body.to_owned())
    }

    /// The sum of a metric over all its labels that contain `labels`.
    pub async fn metric(&self, name: &str, labels: &str) -> f64 {
        let (_, text) = self.page("/metrics").await;
        text.lines()
            .filter(|line| {
                let rest = line.strip_prefix(name);
                rest.is_some_and(|r| r.starts_with(['{', ' '])) && line.contains(labels)
            })
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("it is not lent").id()
    }

    /// Its memory that is resident, in KiB.
    pub fn resident(&self) -> u64 {
        let path = format!("/proc/{}/status", self.pid());
        let status = std::fs::read_to_string(path).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        number.and_then(|text| text.parse().ok()).expect("a number")
    }

    /// Asks it to stop, as the kubelet does.
    pub fn terminate(&self) {
        let pid = self.pid().to_string();
        let status = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "kill -TERM {pid}"
        );
    }

    /// Waits for its end; gives its exit code.
    pub async fn ended(mut self) -> Option<i32> {
        let waited = tokio::task::spawn_blocking(move || self.child().wait());
        waited
            .await
            .expect("waiting does not panic")
            .expect("a child")
            .code()
    }

    /// Waits for its end; gives its exit code and all that it has logged.
    pub async fn ended_with_log(mut self) -> (Option<i32>, Vec<String>) {
        let (log, reading) = (self.log.clone(), self.reading.take());
        let code = self.ended().await;
        let read = tokio::task::spawn_blocking(|| reading.map(JoinHandle::join));
        let read = read.await.expect("waiting does not panic");
        assert!(read.is_some_and(|read| read.is_ok()), "the log is whole");
        let log = log.lock().clone();
        (code, log)
    }

    /// Kills it without warning.
    pub fn kill(mut self) {
        let _ = self.child().kill();
        let _ = self.child().wait();
    }

    /// Kills it without warning; another one is to take its place.
    pub fn crash(&mut self) {
        let _ = self.child().kill();
        let _ = self.child().wait();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            let log = self.log.lock();
            let tail = log.len().saturating_sub(30);
            eprintln!("--- the daemon's log\n{}\n---", log[tail..].join("\n"));
        }
    }
}

fn trust(arguments: &[&str]) -> Option<PathBuf> {
    let flag = arguments.iter().position(|each| *each == "--tls-cert")?;
    Some(Path::new(arguments.get(flag + 1)?).with_file_name("ca.crt"))
}

fn serving_line(line: &str) -> Option<(Vec<String>, SocketAddr)> {
    let entry: Value = serde_json::from_str(line).ok()?;
    let fields = &entry["fields"];
    (fields["message"] == "serving").then_some(())?;
    let addresses = fields["address"].as_str()?.split(',').map(str::to_owned);
    Some((addresses.collect(), fields["admin"].as_str()?.parse().ok()?))
}
