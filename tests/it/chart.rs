//! The Helm chart: what it renders, what an apiserver says to that, and what stands beside it.

mod alerts;
mod conformance;
mod crds;
mod documents;
mod followed;
mod helm;
mod install;
mod manifest;
mod needed;
mod pod;
mod rights;
mod schema;
mod scopes;
mod server;
mod shape;
mod site;
mod terminal;

use std::{fs, future::Future, path::PathBuf, time::Duration};

use libtest_mimic::{Failed, Trial};

use self::helm::Helm;
pub use self::{
    conformance::{Guest, admit},
    pod::binary,
};
use crate::{
    sandbox,
    stage::{self, Kind},
};

/// Helm, kubectl or the daemon hang: nothing here takes longer on its own.
const LIMIT: Duration = Duration::from_secs(300);

/// The trials of this room.
pub fn trials() -> Vec<Trial> {
    let mut all = documents::trials();
    all.extend(alerts::trials());
    all.extend(conformance::trials());
    all.extend(followed::trials());
    all.extend(install::trials());
    all.extend(needed::trials());
    all.extend(rights::trials());
    all.extend(schema::trials());
    all.extend(scopes::trials());
    all.extend(server::trials());
    all.extend(shape::trials());
    all
}

/// Ends what the trials share.
pub fn close() {
    stage::block_on(conformance::close());
}

/// A file of the repository.
fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The text of a file of the repository.
fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The sets of values that the chart is tested with, by name; each with the files to pass to helm.
fn value_sets() -> Vec<(String, Vec<String>)> {
    let directory = fs::read_dir(path("helm/informerd/ci")).expect("the chart has sets of values");
    let mut sets: Vec<_> = directory
        .map(|entry| {
            let file = entry.expect("readable").file_name();
            let file = file.into_string().expect("plain names");
            let name = file
                .strip_suffix("-values.yaml")
                .expect("*-values.yaml only");
            let mut files = vec![format!("helm/informerd/ci/{file}")];
            if name == "ha" {
                files.insert(0, "helm/informerd/values-ha.yaml".to_owned());
            }
            (name.to_owned(), files)
        })
        .collect();
    sets.sort();
    sets
}

/// A test that needs helm. Without it the test is skipped; in CI that is a failure.
fn trial(name: &str, run: fn(&Helm)) -> Trial {
    let helm = Helm::find();
    let skipped = helm.is_err() && std::env::var_os("CI").is_none();
    Trial::test(format!("chart::{name}"), move || {
        run(&helm?);
        Ok(())
    })
    .with_ignored_flag(skipped)
}

/// A test that needs helm, the real apiserver and containers.
fn contained<F>(name: &str, run: fn(Helm) -> F) -> Trial
where
    F: Future<Output = ()> + Send + 'static,
{
    playing(name, sandbox::allowed().and_then(|()| Helm::find()), run)
}

/// A test that needs helm and the real apiserver.
fn real<F>(name: &str, run: fn(Helm) -> F) -> Trial
where
    F: Future<Output = ()> + Send + 'static,
{
    playing(name, Helm::find(), run)
}

fn playing<F>(name: &str, helm: Result<Helm, String>, run: fn(Helm) -> F) -> Trial
where
    F: Future<Output = ()> + Send + 'static,
{
    let skipped = helm.is_err() && std::env::var_os("CI").is_none();
    let trial = stage::trial(Kind::Real, &format!("chart::{name}"), move || {
        let run = run(helm?);
        stage::block_on(async { tokio::time::timeout(LIMIT, run).await })
            .map_err(|_| Failed::from(format!("not over after {LIMIT:?}")))
    });
    let skipped = skipped || trial.has_ignored_flag();
    trial.with_ignored_flag(skipped)
}
