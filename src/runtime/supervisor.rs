//! Long-lived tasks, all in one set: the end of any one ends the process with a reason.

use std::sync::Arc;

use anyhow::bail;
use futures::future::BoxFuture;
use tokio::{
    sync::mpsc,
    task::{JoinError, JoinSet},
};

use crate::cacher::Spawn;

/// Owns the tasks.
#[derive(Debug)]
pub(super) struct Supervisor {
    requests: mpsc::UnboundedReceiver<Task>,
    tasks: JoinSet<String>,
}

struct Task {
    name: String,
    future: BoxFuture<'static, ()>,
}

impl std::fmt::Debug for Task {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Task").field(&self.name).finish()
    }
}

impl Supervisor {
    /// Makes a supervisor and the handle by which others give it tasks.
    pub(super) fn new() -> (Self, Spawn) {
        let (sender, requests) = mpsc::unbounded_channel();
        let spawn: Spawn = Arc::new(move |name, future| {
            // Refused only when the supervisor is gone, and the process with it.
            let _ = sender.send(Task { name, future });
        });
        (
            Self {
                requests,
                tasks: JoinSet::new(),
            },
            spawn,
        )
    }

    /// Runs the tasks until one ends, which none should.
    ///
    /// # Errors
    /// Always; the error names the task.
    pub(super) async fn run(&mut self) -> anyhow::Result<()> {
        loop {
            tokio::select! {
                Some(task) = self.requests.recv() => {
                    self.tasks.spawn(async move {
                        task.future.await;
                        task.name
                    });
                }
                Some(ended) = self.tasks.join_next() => return describe(ended),
                else => return Ok(()),
            }
        }
    }
}

fn describe(ended: Result<String, JoinError>) -> anyhow::Result<()> {
    match ended {
        Ok(name) => bail!("task {name:?} ended, which it never should"),
        Err(error) => bail!("a task failed: {error}"),
    }
}
