//! A session from its first frame to its end.

use std::{fs, path::Path, sync::Arc};

use parking_lot::Mutex;
use tonic::Code;

use super::*;
use crate::{
    cli::output::{EventPrinter, Format},
    proto::v1::{self, Resource},
};

#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Paper {
    fn text(&self) -> String {
        let bytes = self.0.lock();
        String::from_utf8(anstream::adapter::strip_bytes(&bytes).into_vec()).expect("text")
    }
}

/// A reader that left.
struct Broken;

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn names() -> EventPrinter {
    let resource = Resource {
        kind: "Pod".into(),
        ..Default::default()
    };
    EventPrinter::new(Some(Format::Name), &resource, true)
}

fn event(name: &str) -> Result<Step, CallError> {
    Ok(Step::Event(v1::Event {
        name: name.into(),
        ..Default::default()
    }))
}

fn snapshot_end() -> Result<Step, CallError> {
    Ok(Step::SnapshotEnd(v1::SnapshotEnd {
        count: 1,
        resource_version: "9".into(),
        ..Default::default()
    }))
}

fn refused(reason: &str) -> CallError {
    CallError {
        code: Code::InvalidArgument,
        reason: reason.into(),
        ..CallError::unavailable("the token is of another filter")
    }
}

fn state(path: &Path) -> Option<State> {
    Some(State::open(path).expect("readable"))
}

#[tokio::test]
async fn events_remarks_and_the_position_each_go_their_way() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("state");
    let (out, err) = (Paper::default(), Paper::default());
    let session = Session::new(
        Box::new(BufWriter::new(out.clone())),
        Box::new(err.clone()),
        names(),
        state(&path),
    );
    let watch = Steps::scripted(vec![
        (event("a"), None),
        (snapshot_end(), Some("t1")),
        (event("b"), Some("t2")),
        (event("c"), Some("t3")),
    ]);
    session.run(watch).await.expect("ends in good order");
    assert_eq!(out.text(), "pod/a\npod/b\npod/c\n");
    assert_eq!(err.text(), "# 1 object at resourceVersion 9; watching\n");
    assert_eq!(fs::read_to_string(&path).expect("written"), "t3\n");
}

#[tokio::test]
async fn a_position_is_never_ahead_of_the_output() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("state");
    let session = Session::new(
        Box::new(BufWriter::new(Broken)),
        Box::new(Paper::default()),
        names(),
        state(&path),
    );
    let watch = Steps::scripted(vec![(event("a"), Some("t1"))]);
    let error = session.run(watch).await.expect_err("nobody reads");
    assert_eq!(error.code(), 0, "{error}");
    assert!(!path.exists());
}

#[tokio::test]
async fn a_token_of_another_watch_is_explained() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("state");
    let run = |state: Option<State>, reason: &str| {
        let out = Box::new(Paper::default());
        let session = Session::new(out.clone(), out, names(), state);
        session.run(Steps::scripted(vec![(Err(refused(reason)), None)]))
    };
    fs::write(&path, "t1\n").expect("written");
    let error = run(state(&path), "TOKEN_MISMATCH")
        .await
        .expect_err("refused");
    let text = error.to_string();
    assert!(text.ends_with("delete it to start anew"), "{text}");
    assert!(text.contains(&*path.to_string_lossy()), "{text}");
    assert_eq!(error.code(), 1);
    let other = run(state(&path), "INVALID_SELECTOR").await;
    assert!(matches!(other, Err(CliError::Call(_))), "{other:?}");
    let without = run(None, "TOKEN_MISMATCH").await;
    assert!(matches!(without, Err(CliError::Call(_))), "{without:?}");
}
