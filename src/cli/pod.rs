//! The state of a pod in the few words that people know from kubectl.
//!
//! The rules are those of `printPod` (kubernetes/kubernetes
//! pkg/printers/internalversion/printers.go).

use jiff::Timestamp;
use serde_json::Value;

use super::age;

/// What the columns READY, STATUS and RESTARTS show.
#[derive(Debug, PartialEq)]
pub(crate) struct PodSummary {
    pub(crate) ready: String,
    pub(crate) status: String,
    pub(crate) restarts: String,
}

#[derive(Default)]
struct Count {
    ready: usize,
    total: usize,
    restarts: u64,
    last_restart: Option<Timestamp>,
}

impl Count {
    fn add_restarts(&mut self, container: &Value) {
        self.restarts += container["restartCount"].as_u64().unwrap_or(0);
        let finished = &container["lastState"]["terminated"]["finishedAt"];
        let finished = finished.as_str().and_then(|time| time.parse().ok());
        self.last_restart = self.last_restart.max(finished);
    }
}

pub(crate) fn summary(pod: &Value, now: Timestamp) -> PodSummary {
    let status = &pod["status"];
    let mut count = Count {
        total: list(&pod["spec"]["containers"]).len(),
        ..Default::default()
    };
    let phase = status["phase"].as_str().unwrap_or("Unknown");
    let mut words = text(&status["reason"]).unwrap_or(phase).to_owned();
    if condition(status, "PodScheduled").and_then(|c| c["reason"].as_str())
        == Some("SchedulingGated")
    {
        words = "SchedulingGated".to_owned();
    }
    let init = init_containers(pod, &mut count);
    if init.is_none() || is_true(status, "Initialized") {
        main_containers(status, &mut count, &mut words);
    } else if let Some(init) = init {
        words = init;
    }
    if pod["metadata"]["deletionTimestamp"].is_string() {
        if status["reason"] == "NodeLost" {
            words = "Unknown".to_owned();
        } else if !matches!(phase, "Succeeded" | "Failed") {
            words = "Terminating".to_owned();
        }
    }
    PodSummary {
        ready: format!("{}/{}", count.ready, count.total),
        status: words,
        restarts: match count.last_restart {
            Some(last) if count.restarts > 0 => {
                let ago = age::human(now.as_second() - last.as_second());
                format!("{} ({ago} ago)", count.restarts)
            }
            _ => count.restarts.to_string(),
        },
    }
}

/// Counts the init containers; tells in words where initialisation stands if it isn't over.
fn init_containers(pod: &Value, count: &mut Count) -> Option<String> {
    let specs = list(&pod["spec"]["initContainers"]);
    let is_sidecar = |name: &Value| {
        let spec = specs.iter().find(|spec| spec["name"] == *name);
        spec.is_some_and(|spec| spec["restartPolicy"] == "Always")
    };
    count.total += specs.iter().filter(|s| is_sidecar(&s["name"])).count();
    let mut all = Count::default();
    let mut words = None;
    for (i, container) in list(&pod["status"]["initContainerStatuses"])
        .iter()
        .enumerate()
    {
        all.add_restarts(container);
        let sidecar = is_sidecar(&container["name"]);
        if sidecar {
            count.add_restarts(container);
        }
        let state = &container["state"];
        let terminated = &state["terminated"];
        if terminated["exitCode"] == 0 {
            continue;
        }
        if sidecar && container["started"] == true {
            count.ready += usize::from(container["ready"] == true);
            continue;
        }
        words = Some(match text(&state["waiting"]["reason"]) {
            _ if terminated.is_object() => format!("Init:{}", ended(terminated)),
            Some(reason) if reason != "PodInitializing" => format!("Init:{reason}"),
            _ => format!("Init:{i}/{}", specs.len()),
        });
        break;
    }
    if words.is_some() && !is_true(&pod["status"], "Initialized") {
        count.restarts = all.restarts;
        count.last_restart = all.last_restart;
    }
    words
}

fn main_containers(status: &Value, count: &mut Count, words: &mut String) {
    let mut running = false;
    for container in list(&status["containerStatuses"]).iter().rev() {
        count.add_restarts(container);
        let state = &container["state"];
        if let Some(reason) = text(&state["waiting"]["reason"]) {
            *words = reason.to_owned();
        } else if state["terminated"].is_object() {
            *words = ended(&state["terminated"]);
        } else if container["ready"] == true && state["running"].is_object() {
            running = true;
            count.ready += 1;
        }
    }
    if words == "Completed" && running {
        let ready = is_true(status, "Ready");
        *words = if ready { "Running" } else { "NotReady" }.to_owned();
    }
}

fn ended(terminated: &Value) -> String {
    match (text(&terminated["reason"]), terminated["signal"].as_i64()) {
        (Some(reason), _) => reason.to_owned(),
        (None, Some(signal)) if signal != 0 => format!("Signal:{signal}"),
        _ => format!("ExitCode:{}", terminated["exitCode"].as_i64().unwrap_or(0)),
    }
}

fn is_true(status: &Value, kind: &str) -> bool {
    condition(status, kind).is_some_and(|condition| condition["status"] == "True")
}

/// A condition of a status by its type.
pub(crate) fn condition<'a>(status: &'a Value, kind: &str) -> Option<&'a Value> {
    list(&status["conditions"])
        .iter()
        .find(|condition| condition["type"] == kind)
}

/// The elements of a list; none where there is no list.
pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A text that isn't empty.
pub(crate) fn text(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn words(pod: Value) -> [String; 3] {
        let now = "2026-01-01T01:00:00Z".parse().expect("a timestamp");
        let summary = summary(&pod, now);
        [summary.ready, summary.status, summary.restarts]
    }

    #[test]
    fn speaks_like_kubectl() {
        let running = json!({"ready": true, "restartCount": 0, "state": {"running": {}}});
        let crash = json!({
            "ready": false, "restartCount": 3,
            "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"finishedAt": "2026-01-01T00:55:00Z"}},
        });
        let done = json!({"ready": false, "state": {"terminated": {"reason": "Completed"}}});
        let killed = json!({"state": {"terminated": {"signal": 9, "exitCode": 137}}});
        let pod = |phase: &str, statuses: Value| {
            let containers = vec![json!({}); statuses.as_array().map_or(1, Vec::len).max(1)];
            json!({"spec": {"containers": containers},
                   "status": {"phase": phase, "containerStatuses": statuses}})
        };
        let mut deleted = pod("Running", json!([running]));
        deleted["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        let mut evicted = pod("Failed", json!([]));
        evicted["status"]["reason"] = json!("Evicted");
        let mut gated = pod("Pending", json!([]));
        gated["status"]["conditions"] =
            json!([{"type": "PodScheduled", "reason": "SchedulingGated", "status": "False"}]);
        let table = [
            (pod("Pending", json!([])), ["0/1", "Pending", "0"]),
            (pod("Running", json!([running])), ["1/1", "Running", "0"]),
            (
                pod("Running", json!([running, crash])),
                ["1/2", "CrashLoopBackOff", "3 (5m ago)"],
            ),
            (pod("Succeeded", json!([done])), ["0/1", "Completed", "0"]),
            (
                pod("Running", json!([done, running])),
                ["1/2", "NotReady", "0"],
            ),
            (pod("Failed", json!([killed])), ["0/1", "Signal:9", "0"]),
            (deleted, ["1/1", "Terminating", "0"]),
            (evicted, ["0/1", "Evicted", "0"]),
            (gated, ["0/1", "SchedulingGated", "0"]),
            (json!({}), ["0/0", "Unknown", "0"]),
        ];
        for (pod, expected) in table {
            assert_eq!(words(pod.clone()), expected, "{pod}");
        }
    }

    #[test]
    fn tells_where_initialisation_stands() {
        let pod = |statuses: Value| {
            json!({
                "spec": {
                    "containers": [{}],
                    "initContainers": [
                        {"name": "one"}, {"name": "mesh", "restartPolicy": "Always"}
                    ],
                },
                "status": {"phase": "Pending", "initContainerStatuses": statuses},
            })
        };
        let ended = json!({"name": "one", "state": {"terminated": {"exitCode": 0}}});
        let failed =
            json!({"name": "one", "restartCount": 2, "state": {"terminated": {"exitCode": 4}}});
        let pulling = json!({"name": "one", "state": {"waiting": {"reason": "ImagePullBackOff"}}});
        let begins = json!({"name": "one", "state": {"waiting": {"reason": "PodInitializing"}}});
        let mesh = json!({"name": "mesh", "started": true, "ready": true, "restartCount": 1});
        let table = [
            (json!([begins]), ["0/2", "Init:0/2", "0"]),
            (json!([pulling]), ["0/2", "Init:ImagePullBackOff", "0"]),
            (json!([failed]), ["0/2", "Init:ExitCode:4", "2"]),
            (json!([ended, {"name": "mesh"}]), ["0/2", "Init:1/2", "0"]),
            (json!([ended, mesh]), ["1/2", "Pending", "1"]),
        ];
        for (statuses, expected) in table {
            assert_eq!(words(pod(statuses.clone())), expected, "{statuses}");
        }
    }
}
