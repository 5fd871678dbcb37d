//! A real kube-apiserver and etcd for one test, so that no claim rests on the simulation alone.
//!
//! Flags follow controller-runtime's envtest
//! (`pkg/internal/testing/controlplane/apiserver.go`), with bearer tokens instead of client
//! certificates and without request limits.

mod assets;
mod credentials;
mod error;
mod process;

use std::{
    fs, io,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    time::Duration,
};

use http::Request;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{self, Instant};

use self::process::Process;
pub use self::{
    assets::{Assets, KUBERNETES_VERSION, Missing},
    credentials::User,
    error::ControlPlaneError,
};

/// Longest wait for a component; a healthy one takes about 3 s on two idle cores.
const START_LIMIT: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(100);
/// A free port can be taken by someone else before the server binds it.
const PORT_ATTEMPTS: usize = 3;

/// What differs from the defaults.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Appended to the apiserver's flags; the last value of a flag wins. For example
    /// `--min-request-timeout=7` (short watches), `--feature-gates=WatchList=false`,
    /// `--watch-cache=false`, `--etcd-compaction-interval=10s`.
    pub apiserver_flags: Vec<String>,
    /// Appended to etcd's flags.
    pub etcd_flags: Vec<String>,
    /// Callers besides [`User::admin`].
    pub users: Vec<User>,
}

type Result<T> = std::result::Result<T, ControlPlaneError>;

/// A kube-apiserver with its own etcd on loopback. Both end, and all their files go, when it is
/// dropped.
#[derive(Debug)]
pub struct ControlPlane {
    // Fields drop in this order: the apiserver first, its store next, the files last.
    apiserver: Option<Process>,
    etcd: Option<Process>,
    root: TempDir,
    assets: Assets,
    options: Options,
    apiserver_port: u16,
    etcd_port: u16,
}

impl ControlPlane {
    /// The binaries that [`start`](Self::start) would use.
    ///
    /// # Errors
    /// [`Missing`], whose text names the remedy (`make envtest`).
    pub fn available() -> std::result::Result<Assets, Missing> {
        Assets::find()
    }

    /// Starts both components and returns when the apiserver is ready and the namespaces
    /// `default` and `kube-system` exist. Cancelling it leaves nothing behind.
    ///
    /// # Errors
    /// Any [`ControlPlaneError`]; one that comes from a component shows the end of its log.
    pub async fn start(options: Options) -> Result<Self> {
        let assets = Self::available()?;
        let root = TempDir::with_prefix("informerd-envtest-")?;
        let file = |name: &str| root.path().join(name);
        let mut users = vec![User::admin()];
        users.extend(options.users.iter().cloned());
        credentials::write_tokens(&file("tokens.csv"), &users)?;
        credentials::write_service_account_keys(&file("sa.key"), &file("sa.pub"))?;

        let mut plane = Self {
            apiserver: None,
            etcd: None,
            root,
            assets,
            options,
            apiserver_port: 0,
            etcd_port: 0,
        };
        plane.etcd_port = free_port()?;
        let mut attempts = 1;
        while let Err(error) = plane.start_etcd().await {
            plane.etcd_port = another_port(error, &mut attempts)?;
        }
        plane.apiserver_port = free_port()?;
        attempts = 1;
        while let Err(error) = plane.start_apiserver().await {
            plane.apiserver_port = another_port(error, &mut attempts)?;
        }
        let text = plane.kubeconfig_for(&User::admin())?;
        fs::write(plane.kubeconfig(), text)?;
        Ok(plane)
    }

    /// `https://127.0.0.1:PORT`; the same for the whole life.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.apiserver_port)
    }

    /// A kubeconfig file of [`User::admin`].
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.file("kubeconfig")
    }

    /// The text of a kubeconfig for `user`.
    ///
    /// # Errors
    /// When the apiserver never got as far as making its certificate.
    pub fn kubeconfig_for(&self, user: &User) -> Result<String> {
        Ok(credentials::kubeconfig(&self.url(), &self.ca_pem()?, user))
    }

    /// The file of [`ca_pem`](Self::ca_pem).
    #[must_use]
    pub fn ca_file(&self) -> PathBuf {
        self.file("certs/apiserver.crt")
    }

    /// The certificate chain to trust, in PEM.
    ///
    /// # Errors
    /// When the apiserver never got as far as making it.
    pub fn ca_pem(&self) -> Result<String> {
        Ok(fs::read_to_string(self.ca_file())?)
    }

    /// A client of [`User::admin`].
    ///
    /// # Errors
    /// When TLS can't be set up.
    pub async fn client(&self) -> Result<kube::Client> {
        self.client_for(&User::admin()).await
    }

    /// A client of `user`.
    ///
    /// # Errors
    /// When TLS can't be set up.
    pub async fn client_for(&self, user: &User) -> Result<kube::Client> {
        let config = credentials::client_config(&self.kubeconfig_for(user)?).await?;
        Ok(kube::Client::try_from(config)?)
    }

    /// A `kubectl` that talks to this control plane and writes nothing outside its directory.
    #[must_use]
    pub fn kubectl(&self) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(self.assets.binary("kubectl"));
        command
            .arg("--kubeconfig")
            .arg(self.kubeconfig())
            .arg("--cache-dir")
            .arg(self.file("kubectl-cache"))
            .kill_on_drop(true);
        command
    }

    /// The apiserver's process id, or `None` while it is stopped.
    #[must_use]
    pub fn apiserver_pid(&self) -> Option<u32> {
        self.apiserver.as_ref().map(Process::id)
    }

    /// Kills the apiserver, as a crash would. Nothing happens when it doesn't run.
    pub fn stop_apiserver(&mut self) {
        self.apiserver = None;
    }

    /// Starts the apiserver on its port and data, and waits until it is ready. A running one is
    /// killed first. Cancelling leaves it starting.
    ///
    /// # Errors
    /// [`ControlPlaneError::Ended`] and [`ControlPlaneError::NotReady`] with the end of the log.
    pub async fn start_apiserver(&mut self) -> Result<()> {
        self.apiserver = None;
        let log = self.file("kube-apiserver.log");
        let binary = self.assets.binary("kube-apiserver");
        self.apiserver = Some(Process::spawn(&binary, &self.apiserver_flags(), &log)?);
        let deadline = Instant::now() + START_LIMIT;
        let mut ticks = time::interval(POLL);
        loop {
            ticks.tick().await;
            let Err(error) = self.probe_apiserver().await else {
                return Ok(());
            };
            check("kube-apiserver", &mut self.apiserver, deadline, &error)?;
        }
    }

    /// Kills etcd. Nothing happens when it doesn't run.
    pub fn stop_etcd(&mut self) {
        self.etcd = None;
    }

    /// Starts etcd on its port and data, and waits until it answers. A running one is killed
    /// first. Cancelling leaves it starting.
    ///
    /// # Errors
    /// [`ControlPlaneError::Ended`] and [`ControlPlaneError::NotReady`] with the end of the log.
    pub async fn start_etcd(&mut self) -> Result<()> {
        self.etcd = None;
        let log = self.file("etcd.log");
        let binary = self.assets.binary("etcd");
        self.etcd = Some(Process::spawn(&binary, &self.etcd_flags(), &log)?);
        let deadline = Instant::now() + START_LIMIT;
        let mut ticks = time::interval(POLL);
        loop {
            ticks.tick().await;
            let Err(error) = self.etcd_revision().await else {
                return Ok(());
            };
            check("etcd", &mut self.etcd, deadline, &error)?;
        }
    }

    /// The store's newest revision, which is what the apiserver calls a resourceVersion.
    ///
    /// # Errors
    /// When etcd does not answer.
    pub async fn etcd_revision(&self) -> Result<u64> {
        let answer = self.etcd_call("/v3/maintenance/status", &json!({})).await?;
        let revision = answer["header"]["revision"]
            .as_str()
            .and_then(|text| text.parse().ok());
        revision.ok_or(ControlPlaneError::NoRevision(answer))
    }

    /// Forgets all of etcd's history before its newest revision, which it returns: an exact LIST
    /// at an older one then gets 410. A watch may still be served from the apiserver's own cache
    /// (unless it runs with `--watch-cache=false`, or has been restarted).
    ///
    /// # Errors
    /// When etcd does not answer, or has been compacted there already.
    pub async fn compact(&self) -> Result<u64> {
        let revision = self.etcd_revision().await?;
        let request = json!({ "revision": revision.to_string(), "physical": true });
        self.etcd_call("/v3/kv/compaction", &request).await?;
        Ok(revision)
    }

    /// The directory of logs, keys and data.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.root.path()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    async fn probe_apiserver(&self) -> Result<()> {
        let client = self.client().await?;
        for path in [
            "/readyz",
            "/api/v1/namespaces/kube-system",
            "/api/v1/namespaces/default",
        ] {
            let request = Request::get(path)
                .body(Vec::new())
                .map_err(io::Error::other)?;
            client.request_text(request).await?;
        }
        Ok(())
    }

    /// etcd's JSON gateway.
    async fn etcd_call(&self, path: &str, body: &Value) -> Result<Value> {
        let uri = format!("http://127.0.0.1:{}", self.etcd_port);
        let client =
            kube::Client::try_from(kube::Config::new(uri.parse().map_err(io::Error::other)?))?;
        let request = Request::post(path)
            .header("content-type", "application/json")
            .body(body.to_string().into_bytes())
            .map_err(io::Error::other)?;
        Ok(client.request(request).await?)
    }

    fn etcd_flags(&self) -> Vec<String> {
        let client = format!("http://127.0.0.1:{}", self.etcd_port);
        let mut flags = vec![
            format!("--data-dir={}", self.file("etcd").display()),
            format!("--listen-client-urls={client}"),
            format!("--advertise-client-urls={client}"),
            "--listen-peer-urls=http://127.0.0.1:0".to_owned(),
            "--unsafe-no-fsync".to_owned(),
        ];
        flags.extend(self.options.etcd_flags.iter().cloned());
        flags
    }

    fn apiserver_flags(&self) -> Vec<String> {
        let file = |name: &str| self.file(name).display().to_string();
        let mut flags = vec![
            format!("--etcd-servers=http://127.0.0.1:{}", self.etcd_port),
            format!("--secure-port={}", self.apiserver_port),
            format!("--service-account-issuer={}/", self.url()),
            format!("--cert-dir={}", file("certs")),
            format!("--token-auth-file={}", file("tokens.csv")),
            format!("--service-account-key-file={}", file("sa.pub")),
            format!("--service-account-signing-key-file={}", file("sa.key")),
        ];
        flags.extend(FIXED_APISERVER_FLAGS.iter().map(ToString::to_string));
        flags.extend(self.options.apiserver_flags.iter().cloned());
        flags
    }
}

const FIXED_APISERVER_FLAGS: [&str; 11] = [
    "--bind-address=127.0.0.1",
    "--advertise-address=127.0.0.1",
    "--endpoint-reconciler-type=none",
    "--service-cluster-ip-range=10.0.0.0/24",
    "--allow-privileged=true",
    "--authorization-mode=Node,RBAC",
    // Nobody makes the token secrets that this plug-in waits for.
    "--disable-admission-plugins=ServiceAccount",
    "--enable-priority-and-fairness=false",
    "--max-requests-inflight=0",
    "--max-mutating-requests-inflight=0",
    "--shutdown-delay-duration=0s",
];

/// Says why a component that isn't ready yet never will be.
fn check(
    component: &'static str,
    process: &mut Option<Process>,
    deadline: Instant,
    last: &ControlPlaneError,
) -> Result<()> {
    let Some(process) = process else {
        return Ok(());
    };
    if let Some(status) = process.ended() {
        let tail = process.tail();
        return Err(ControlPlaneError::Ended {
            component,
            status,
            tail,
        });
    }
    if Instant::now() >= deadline {
        let (last, tail) = (last.to_string(), process.tail());
        return Err(ControlPlaneError::NotReady {
            component,
            last,
            tail,
        });
    }
    Ok(())
}

/// Another port when someone else was faster to bind the last one, else the error itself.
fn another_port(error: ControlPlaneError, attempts: &mut usize) -> Result<u16> {
    let taken = matches!(
        &error,
        ControlPlaneError::Ended { tail, .. } if tail.contains("address already in use")
    );
    if !taken || *attempts >= PORT_ATTEMPTS {
        return Err(error);
    }
    *attempts += 1;
    Ok(free_port()?)
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}
