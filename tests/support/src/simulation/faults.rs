//! The fault script: what goes wrong, for which request, how often, and whether it really did.
//! A scripted fault that never bit makes a test prove nothing, so each one is counted.

use std::time::Duration;

use bytes::Bytes;
use serde_json::json;

use super::object::event_line;
use super::refusal::Refusal;

/// Which requests a fault is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// All of them.
    Any,
    /// Reading one object.
    Get,
    /// Lists.
    List,
    /// Lists with a continue token: the pages after the first.
    ListNext,
    /// All watches.
    Watch,
    /// Watches that begin with initial events, asked for or by default.
    WatchList,
    /// Watches that begin after a resourceVersion.
    WatchFrom,
    /// Everything that changes objects, and reviews.
    Write,
    /// Discovery, `/version` and the probes.
    Other,
}

/// One scripted fault.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// Resource such as `deployments.apps`; empty for all, and for [`Verb::Other`].
    pub resource: String,
    /// Which requests.
    pub verb: Verb,
    /// How many matching requests pass first.
    pub skip: u32,
    /// How many requests it strikes.
    pub times: u32,
    /// What happens.
    pub action: Action,
}

impl Fault {
    /// Strikes the next matching request, once.
    #[must_use]
    pub fn on(resource: &str, verb: Verb, action: Action) -> Self {
        Self {
            resource: resource.to_owned(),
            verb,
            skip: 0,
            times: 1,
            action,
        }
    }

    /// Lets `skip` matching requests pass first.
    #[must_use]
    pub fn skip(mut self, skip: u32) -> Self {
        self.skip = skip;
        self
    }

    /// Strikes `times` requests.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    fn covers(&self, resource: &str, kinds: &[Verb]) -> bool {
        (self.resource.is_empty() || self.resource == resource)
            && (self.verb == Verb::Any || kinds.contains(&self.verb))
    }
}

/// What a fault does to a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Answers this instead.
    Respond {
        /// HTTP status.
        status: u16,
        /// Headers besides the length.
        headers: Vec<(String, String)>,
        /// Body.
        body: Bytes,
    },
    /// Resets the connection without an answer.
    Reset,
    /// Never answers, and keeps the connection.
    Freeze,
    /// Answers late.
    Delay(Duration),
    /// Sends the body of a watch in pieces of `bytes`, with a pause after each.
    Drip {
        /// Size of a piece; at least 1.
        bytes: usize,
        /// Pause; zero only splits.
        pause: Duration,
    },
    /// Disrupts a watch after `after` events were sent on it, initial ones included.
    Stream {
        /// Events before.
        after: usize,
        /// How.
        disruption: Disruption,
    },
    /// Sends the initial-events-end annotation with the value `"false"`.
    BookmarkFalse,
    /// Never sends the initial-events-end bookmark.
    NoBookmark,
    /// Withholds the initial-events-end bookmark until this many further events of real writes
    /// have been sent on the watch.
    EventsBeforeEnd(usize),
}

impl Action {
    /// A refusal with a compact `Status` body.
    #[must_use]
    pub fn status(code: u16, reason: &str, message: &str) -> Self {
        let status = Refusal::new(code, reason, message).status();
        Self::respond(code, "application/json", status.to_string())
    }

    /// A refusal whose `Status` spans several lines.
    #[must_use]
    pub fn pretty_status(code: u16, reason: &str, message: &str) -> Self {
        let status = Refusal::new(code, reason, message).status();
        Self::respond(code, "application/json", format!("{status:#}\n"))
    }

    /// A page of a proxy.
    #[must_use]
    pub fn html(code: u16) -> Self {
        let page = "<!DOCTYPE html>\n<html><body>please log in</body></html>\n";
        Self::respond(code, "text/html", page.to_owned())
    }

    fn respond(status: u16, content_type: &str, body: String) -> Self {
        let headers = vec![("content-type".to_owned(), content_type.to_owned())];
        Self::Respond {
            status,
            headers,
            body: body.into(),
        }
    }

    /// Adds a header to a [`Action::Respond`]; others stay as they are.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Self::Respond { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// Disrupts a watch at its next event.
    #[must_use]
    pub fn stream(disruption: Disruption) -> Self {
        Self::Stream {
            after: 0,
            disruption,
        }
    }
}

/// What happens to an open watch. Scripted, those that tear a line wait for the next event, and
/// all others strike as soon as the events before them are sent. Through
/// [`Cluster::break_watches`](super::Cluster::break_watches) all but [`TornLine`](Self::TornLine)
/// and [`Swap`](Self::Swap) strike at once; a torn line is then that of a bookmark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Disruption {
    /// Clean end between two lines.
    End,
    /// Half a line, then a connection reset (RST).
    Reset,
    /// Half a line, then the connection closes without the end of the body.
    Abort,
    /// Half a line, then the clean end of the body.
    CutMidLine,
    /// The first half of the next event's line and a newline; later events follow.
    TornLine,
    /// Nothing more is sent, the connection stays.
    Freeze,
    /// These raw lines (without newline), then the stream goes on.
    Lines(Vec<Bytes>),
    /// These raw lines (without newline), then a clean end.
    LastLines(Vec<Bytes>),
    /// The last events once more, this many at most.
    Replay(usize),
    /// The next two events change places.
    Swap,
    /// A line of this many bytes that does not end, then silence.
    EndlessLine(usize),
}

impl Disruption {
    pub(super) fn needs_line(&self) -> bool {
        use Disruption::{Abort, CutMidLine, Reset, Swap, TornLine};
        matches!(self, Reset | Abort | CutMidLine | TornLine | Swap)
    }

    /// An ERROR event with this `Status`, then the end, as the apiserver does.
    #[must_use]
    pub fn error(code: u16, reason: &str, message: &str) -> Self {
        Self::LastLines(vec![error_line(&Refusal::new(code, reason, message))])
    }

    /// One raw line.
    #[must_use]
    pub fn line(text: impl Into<Bytes>) -> Self {
        Self::Lines(vec![text.into()])
    }

    /// The ERROR that follows the deletion of an object whose stored data is corrupt (KEP-3926).
    #[must_use]
    pub fn unsafe_delete() -> Self {
        let text = "saw a DELETED event, but object data is corrupt";
        let mut refusal = Refusal::new(500, "StoreReadError", text);
        *refusal.details =
            json!({ "causes": [{ "reason": "UnexpectedServerResponse", "message": text }] });
        Self::LastLines(vec![error_line(&refusal)])
    }
}

/// The ERROR event of a refusal, without newline.
pub(super) fn error_line(refusal: &Refusal) -> Bytes {
    let line = event_line("ERROR", &refusal.status().to_string().into());
    line.slice(..line.len() - 1)
}

/// How a fault fared.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultReport {
    /// The fault as it was injected.
    pub fault: Fault,
    /// How many requests or streams it has struck.
    pub bitten: u32,
}

/// Names a fault of one script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FaultId(usize);

/// All faults of one cluster, in the order in which they were injected.
#[derive(Debug, Default)]
pub(super) struct Script {
    faults: Vec<(FaultReport, u32, u32)>,
}

impl Script {
    pub(super) fn inject(&mut self, fault: Fault) {
        let (skip, times) = (fault.skip, fault.times);
        self.faults
            .push((FaultReport { fault, bitten: 0 }, skip, times));
    }

    /// Takes the fault that this request meets: the first covering one that has strikes left and
    /// nobody to let pass. `kinds` are all verbs that describe the request.
    pub(super) fn take(&mut self, resource: &str, kinds: &[Verb]) -> Option<(FaultId, Action)> {
        for (at, (report, skip, times)) in self.faults.iter_mut().enumerate() {
            if *times == 0 || !report.fault.covers(resource, kinds) {
                continue;
            }
            if *skip > 0 {
                *skip -= 1;
                continue;
            }
            *times -= 1;
            return Some((FaultId(at), report.fault.action.clone()));
        }
        None
    }

    pub(super) fn withdraw(&mut self) {
        for (report, _, times) in &mut self.faults {
            report.fault.times -= std::mem::take(times);
        }
    }

    pub(super) fn bite(&mut self, FaultId(at): FaultId) {
        if let Some((report, _, _)) = self.faults.get_mut(at) {
            report.bitten += 1;
        }
    }

    pub(super) fn reports(&self) -> Vec<FaultReport> {
        self.faults
            .iter()
            .map(|(report, _, _)| report.clone())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Action, Fault, Script, Verb};

    #[test]
    fn a_fault_lets_requests_pass_and_then_strikes_its_times() {
        let mut script = Script::default();
        script.inject(
            Fault::on("pods", Verb::List, Action::Freeze)
                .skip(1)
                .times(2),
        );
        script.inject(Fault::on("", Verb::Any, Action::Reset).times(1));
        let mut meet = |resource, verb| script.take(resource, &[verb]).map(|(_, action)| action);
        assert_eq!(
            meet("pods", Verb::List),
            Some(Action::Reset),
            "the first list passes the first fault"
        );
        assert_eq!(meet("nodes", Verb::List), None);
        assert_eq!(meet("pods", Verb::Watch), None);
        assert_eq!(meet("pods", Verb::List), Some(Action::Freeze));
        assert_eq!(meet("pods", Verb::List), Some(Action::Freeze));
        assert_eq!(meet("pods", Verb::List), None);
    }

    #[test]
    fn what_was_taken_back_strikes_no_more() {
        let mut script = Script::default();
        script.inject(Fault::on("pods", Verb::List, Action::Freeze).times(9));
        let (id, _) = script.take("pods", &[Verb::List]).expect("strikes left");
        script.bite(id);
        script.withdraw();
        assert_eq!(script.take("pods", &[Verb::List]), None);
        let report = &script.reports()[0];
        assert_eq!((report.bitten, report.fault.times), (1, 1));
    }

    #[test]
    fn only_a_strike_counts() {
        let mut script = Script::default();
        script.inject(Fault::on("", Verb::Any, Action::Freeze).times(2));
        let (id, _) = script
            .take("pods", &[Verb::Get])
            .expect("the fault covers everything");
        assert_eq!(script.reports()[0].bitten, 0);
        script.bite(id);
        assert_eq!(script.reports()[0].bitten, 1);
    }
}
