//! The record of every request: what came, what was answered and when the answer ended, so that
//! "one upstream watch" can be judged and not believed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

use crate::trace::UpstreamRequest;

#[derive(Debug)]
pub(super) struct Journal {
    started: Instant,
    pages: Mutex<Pages>,
}

#[derive(Debug, Default)]
struct Pages {
    requests: Vec<UpstreamRequest>,
    /// Open watches now and at most, by resource.
    open: HashMap<String, (usize, usize)>,
    /// Nothing is written down while off; watches are still counted.
    off: bool,
}

impl Journal {
    pub(super) fn new(started: Instant) -> Self {
        Self {
            started,
            pages: Mutex::default(),
        }
    }

    pub(super) fn turn_off(&self) {
        let mut pages = self.pages.lock();
        pages.off = true;
        pages.requests = Vec::new();
    }

    /// Writes a request down; the returned guard tells its status and, when dropped, its end.
    pub(super) fn arrive(self: &Arc<Self>, resource: &str, verb: &str, uri: &str) -> Receipt {
        let mut pages = self.pages.lock();
        let mut at = None;
        if !pages.off {
            at = Some(pages.requests.len());
            pages.requests.push(UpstreamRequest {
                resource: resource.to_owned(),
                verb: verb.to_owned(),
                uri: uri.to_owned(),
                status: 0,
                started: self.started.elapsed(),
                ended: None,
            });
        }
        Receipt {
            journal: Arc::clone(self),
            at,
            watching: None,
        }
    }

    pub(super) fn requests(&self) -> Vec<UpstreamRequest> {
        self.pages.lock().requests.clone()
    }

    /// Open watches of a resource, now and at most so far.
    pub(super) fn watches(&self, resource: &str) -> (usize, usize) {
        self.pages
            .lock()
            .open
            .get(resource)
            .copied()
            .unwrap_or_default()
    }
}

/// One request under way.
#[derive(Debug)]
pub(super) struct Receipt {
    journal: Arc<Journal>,
    at: Option<usize>,
    watching: Option<String>,
}

impl Receipt {
    pub(super) fn answered(&self, status: u16) {
        let mut pages = self.journal.pages.lock();
        if let Some(request) = self.at.and_then(|at| pages.requests.get_mut(at)) {
            request.status = status;
        }
    }

    pub(super) fn watches(&mut self, resource: &str) {
        let mut pages = self.journal.pages.lock();
        let (open, most) = pages.open.entry(resource.to_owned()).or_default();
        *open += 1;
        *most = (*most).max(*open);
        self.watching = Some(resource.to_owned());
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        let mut pages = self.journal.pages.lock();
        let ended = self.journal.started.elapsed();
        if let Some(request) = self.at.and_then(|at| pages.requests.get_mut(at)) {
            request.ended = Some(ended);
        }
        if let Some((open, _)) = self
            .watching
            .take()
            .and_then(|name| pages.open.get_mut(&name))
        {
            *open -= 1;
        }
    }
}
