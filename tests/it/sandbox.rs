//! Processes that see another file system than this one, as containers do.

use std::{process::Command, sync::OnceLock};

/// `unshare` of util-linux with namespaces for users and mounts; its options and a command follow.
pub fn unshare() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount"]);
    command
}

/// Whether that works here. The text says what to do.
pub fn allowed() -> Result<(), String> {
    static ALLOWED: OnceLock<Result<(), String>> = OnceLock::new();
    let ask = || {
        let output = unshare().arg("true").output();
        let output = output.map_err(|error| format!("install util-linux: unshare: {error}"))?;
        if output.status.success() {
            return Ok(());
        }
        Err(format!(
            "user namespaces are forbidden here ({}); allow them, on Ubuntu by \
             sysctl kernel.apparmor_restrict_unprivileged_userns=0",
            String::from_utf8_lossy(&output.stderr).trim()
        ))
    };
    ALLOWED.get_or_init(ask).clone()
}
