//! What can be done to a running control plane from outside.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::control_plane::{ControlPlane, ControlPlaneError};

// Braces, because serde refuses unknown fields of structs only.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
enum Command {
    Pid {},
    StopApiserver {},
    StartApiserver {},
    Compact {},
}

/// Follows one command, given as a line of JSON, and says how it went. An error is an answer: the
/// next command may still do.
pub(super) async fn answer(plane: &mut ControlPlane, line: &str) -> Value {
    let done = match read(line) {
        Ok(command) => follow(plane, command)
            .await
            .map_err(|error| error.to_string()),
        Err(complaint) => Err(complaint),
    };
    done.unwrap_or_else(|error| json!({ "error": error }))
}

fn read(line: &str) -> Result<Command, String> {
    serde_json::from_str(line).map_err(|error| {
        format!("no command: {error}; send one as {{\"do\":\"pid\"}}, see --help for all of them")
    })
}

async fn follow(plane: &mut ControlPlane, command: Command) -> Result<Value, ControlPlaneError> {
    Ok(match command {
        Command::Pid {} => json!({ "done": "pid", "apiserver_pid": plane.apiserver_pid() }),
        Command::StopApiserver {} => {
            plane.stop_apiserver();
            json!({ "done": "stop-apiserver" })
        }
        Command::StartApiserver {} => {
            plane.start_apiserver().await?;
            json!({ "done": "start-apiserver", "apiserver_pid": plane.apiserver_pid() })
        }
        Command::Compact {} => {
            let revision = plane.compact().await?;
            json!({ "done": "compact", "revision": revision })
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_has_its_name() {
        for (name, command) in [
            ("pid", Command::Pid {}),
            ("stop-apiserver", Command::StopApiserver {}),
            ("start-apiserver", Command::StartApiserver {}),
            ("compact", Command::Compact {}),
        ] {
            let line = json!({ "do": name }).to_string();
            assert_eq!(read(&line), Ok(command), "{line}");
        }
    }

    #[test]
    fn what_is_no_command_is_refused_with_the_names_of_all() {
        let complaint = read(r#"{"do":"dance"}"#).expect_err("no such command");
        assert!(complaint.contains("`dance`"), "{complaint}");
        assert!(complaint.contains("`start-apiserver`"), "{complaint}");
        for line in ["", "pid", "{}", "[]", r#"{"do":"pid","twice":true}"#] {
            let complaint = read(line).expect_err(line);
            assert!(complaint.contains("see --help"), "{complaint}");
        }
    }
}
