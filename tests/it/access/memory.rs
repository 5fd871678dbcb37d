//! The daemon's memory holds tokens: nobody is to be given it.

use crate::{
    conformance::scenarios,
    daemon::Daemon,
    stage::{Kind, Simulated, Stage},
};

scenarios![access_to_the_memory_is_for_those_who_are_allowed_it: "the same daemon on either"];

/// What the kernel says of core files of a process, softly and hard.
fn cores(process: &str) -> Vec<String> {
    let limits = std::fs::read_to_string(format!("/proc/{process}/limits"));
    let limits = limits.expect("readable by everybody");
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let line = line.expect("each process has one").split_whitespace();
    line.skip(4).take(2).map(str::to_owned).collect()
}

async fn access_to_the_memory_is_for_those_who_are_allowed_it(_: Kind) {
    let stage = Stage::Simulated(Simulated::start().await);
    let sealed = Daemon::guarded(&stage.kubeconfig(), &[]).await;
    assert_eq!(cores(&sealed.pid().to_string()), ["0", "0"]);
    let open = Daemon::guarded(&stage.kubeconfig(), &["--allow-core-dumps"]).await;
    assert_eq!(cores(&open.pid().to_string()), cores("self"), "inherited");
}
