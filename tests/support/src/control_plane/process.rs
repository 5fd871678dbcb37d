//! Child processes that can't outlive the test process, with their output kept for failures.

use std::{
    env, fs,
    fs::OpenOptions,
    io,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{OnceLock, mpsc},
    thread,
};

/// Lines of a log that a failure shows.
const TAIL_LINES: usize = 25;

/// A running child; killed when dropped.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `program` with both outputs appended to `log`.
    ///
    /// # Errors
    /// What the operating system said about the log file or the program.
    pub(super) fn spawn(program: &Path, arguments: &[String], log: &Path) -> io::Result<Self> {
        let output = OpenOptions::new().create(true).append(true).open(log)?;
        let mut command = bound_to_this_process(program);
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        Ok(Self {
            child: spawn_from_the_lasting_thread(command)?,
            log: log.to_path_buf(),
        })
    }

    /// The process id. It stays the program's own: setpriv replaces itself by it.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How the child ended, or `None` while it runs.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// The last lines that the child wrote.
    pub(super) fn tail(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        tail(&String::from_utf8_lossy(&text), TAIL_LINES)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only for a child that is already gone and reaped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// `Drop` does not run when the test process is killed; where the kernel offers it (util-linux's
/// setpriv), the child then dies with its parent.
fn bound_to_this_process(program: &Path) -> Command {
    match on_path("setpriv") {
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", "KILL", "--"]).arg(program);
            command
        }
        None => Command::new(program),
    }
}

fn on_path(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?)
        .map(|directory| directory.join(name))
        .find(|candidate| candidate.is_file())
}

type Job = (Command, mpsc::Sender<io::Result<Child>>);

/// The death signal follows the *thread* that forked (prctl(2), PR_SET_PDEATHSIG), and test
/// threads and runtime workers end early; so one thread that never ends does all forks.
fn spawn_from_the_lasting_thread(command: Command) -> io::Result<Child> {
    static JOBS: OnceLock<mpsc::Sender<Job>> = OnceLock::new();
    let jobs = JOBS.get_or_init(|| {
        let (sender, receiver) = mpsc::channel::<Job>();
        thread::spawn(move || {
            for (mut command, answer) in receiver {
                // The asker may have been cancelled; the child then ends unseen with the process.
                let _ = answer.send(command.spawn());
            }
        });
        sender
    });
    let (answer, answered) = mpsc::channel();
    jobs.send((command, answer))
        .map_err(|_| io::Error::other("the spawning thread is gone"))?;
    answered
        .recv()
        .map_err(|_| io::Error::other("the spawning thread is gone"))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_the_end_of_the_text() {
        assert_eq!(tail("a\nb\nc\n", 2), "b\nc");
        assert_eq!(tail("a\n", 2), "a");
        assert_eq!(tail("", 2), "");
    }

    #[test]
    fn a_child_outlives_the_thread_that_asked_for_it_and_dies_with_its_handle() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let log = root.path().join("log");
        let program = on_path("tail").expect("tail is part of every test machine");
        let arguments = ["-f".to_owned(), "/dev/null".to_owned()];
        let mut process = thread::scope(|scope| {
            scope
                .spawn(|| Process::spawn(&program, &arguments, &log).expect("tail starts"))
                .join()
                .expect("spawning does not panic")
        });
        assert_eq!(process.ended(), None);
        let directory = PathBuf::from(format!("/proc/{}", process.child.id()));
        let running = directory.is_dir();
        drop(process);
        assert!(
            !running || !directory.is_dir(),
            "the child survived its handle"
        );
    }
}
