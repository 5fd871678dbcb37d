//! The knobs of a simulated cluster and what it has recorded: history, time travel, faults, requests.

use std::time::Duration;

use super::cluster::Cluster;
use super::faults::{Disruption, Fault, FaultReport};
use super::refusal::Refusal;
use super::resources::ResourceSpec;
use super::store::Table;
use crate::trace::{Truth, UpstreamRequest};

impl Cluster {
    /// Starts serving a resource, or serves it anew with an empty watch window.
    pub fn register(&self, spec: ResourceSpec) {
        self.change(|state| state.register(spec));
    }

    /// Deletes all objects of a resource, ends its watches and answers 404 from then on.
    ///
    /// # Errors
    /// 404 if it is not served.
    pub fn unregister(&self, resource: &str) -> Result<(), Refusal> {
        self.change(|state| state.unregister(resource))
    }

    /// Answers 410 to exact lists and continue tokens below `version`. Watches have their own
    /// window, see [`Cluster::forget_watch_history`].
    pub fn compact(&self, version: u64) {
        self.change(|state| state.compacted = state.compacted.max(version));
    }

    /// Answers 410 to watches of a resource from below `version`. Exact lists outlive this, as
    /// etcd's history outlives the watch cache.
    ///
    /// # Errors
    /// 404 if it is not served.
    pub fn forget_watch_history(&self, resource: &str, version: u64) -> Result<(), Refusal> {
        self.change(|state| {
            state.table(resource)?;
            let table = state.tables.get_mut(resource);
            table
                .into_iter()
                .for_each(|table| table.floor = table.floor.max(version));
            Ok(())
        })
    }

    /// Goes back to the state at `version`: an etcd restored from a backup. Revisions are used
    /// again, open watches end. With `bump > 0` they go on at `version + bump` instead, with all
    /// before marked as compacted (`etcdutl snapshot restore --bump-revision --mark-compacted`).
    ///
    /// # Errors
    /// 410 for a version that is compacted or in the future.
    pub fn rewind(&self, version: u64, bump: u64) -> Result<(), Refusal> {
        self.change(|state| state.rewind(version, bump))
    }

    /// Shows readers nothing newer than `version`, as an apiserver that lags behind; `None`
    /// shows everything again. Single objects are not held back.
    pub fn hold_at(&self, version: Option<u64>) {
        self.change(|state| state.hold = version);
    }

    /// Keeps only this many writes per resource; older ones leave the watch window, are
    /// compacted, and disappear from [`Cluster::truth`]. Without a limit memory grows for ever.
    pub fn limit_history(&self, writes: usize) {
        self.change(|state| state.history = Some(writes.max(1)));
    }

    /// Sends a bookmark on every open watch of a resource that allows them.
    pub fn bookmark_now(&self, resource: &str) {
        self.change(|state| {
            state
                .tables
                .get_mut(resource)
                .into_iter()
                .for_each(|table| table.bookmarks_asked += 1);
        });
    }

    /// Changes the pause between bookmarks, on open watches after their next wake-up.
    pub fn set_bookmark_interval(&self, pause: Duration) {
        self.reconfigure(|options| options.bookmark_interval = pause);
        self.change(|_| ());
    }

    /// Turns watches with initial events on or off for requests to come.
    pub fn set_watch_list(&self, on: bool) {
        self.reconfigure(|options| options.watch_list = on);
    }

    /// Disrupts all watches of a resource that are open now.
    pub fn break_watches(&self, resource: &str, how: Disruption) {
        self.change(|state| {
            state
                .tables
                .get_mut(resource)
                .into_iter()
                .for_each(|table| table.breaks.push(how.clone()));
        });
    }

    /// Adds a fault to the end of the script.
    pub fn inject(&self, fault: Fault) {
        self.script(|script| script.inject(fault));
    }

    /// Takes back what is left of all faults; those that have struck stay on record.
    pub fn withdraw_faults(&self) {
        self.script(|script| script.withdraw());
    }

    /// All faults that were ever injected, with how often each one struck.
    #[must_use]
    pub fn faults_bitten(&self) -> Vec<FaultReport> {
        self.script(|script| script.reports())
    }

    /// The faults that have not struck as often as they were meant to: a test should end with
    /// this being empty.
    #[must_use]
    pub fn faults_unbitten(&self) -> Vec<FaultReport> {
        let mut reports = self.faults_bitten();
        reports.retain(|report| report.bitten < report.fault.times);
        reports
    }

    /// Every write of a resource on the present timeline; empty for unknown resources.
    #[must_use]
    pub fn truth(&self, resource: &str) -> Truth {
        self.read(|state| {
            state
                .tables
                .get(resource)
                .map(Table::truth)
                .unwrap_or_default()
        })
    }

    /// What [`Cluster::truth`] said before each [`Cluster::rewind`], oldest first.
    #[must_use]
    pub fn abandoned_truths(&self, resource: &str) -> Vec<Truth> {
        self.read(|state| {
            let of_it = state
                .abandoned
                .iter()
                .filter(|truth| truth.resource == resource);
            of_it.cloned().collect()
        })
    }

    /// Every request that reached a server of this cluster, in order of arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<UpstreamRequest> {
        self.journal().requests()
    }

    /// Stops writing requests down, for runs without an end.
    pub fn stop_recording(&self) {
        self.journal().turn_off();
    }

    /// Watches of a resource that are open now.
    #[must_use]
    pub fn open_watches(&self, resource: &str) -> usize {
        self.journal().watches(resource).0
    }

    /// Watches of a resource that were open at the same time at most.
    #[must_use]
    pub fn max_open_watches(&self, resource: &str) -> usize {
        self.journal().watches(resource).1
    }
}
