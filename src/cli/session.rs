//! Brings the steps of one watch to stdout, stderr and the state file.

use std::{
    future,
    io::{self, BufWriter, Write},
    time::Instant,
};

use futures::StreamExt as _;
use jiff::Timestamp;
use owo_colors::OwoColorize as _;
use tokio::time;

use super::{CliError, notice::Notices, output::EventPrinter, state::State, table};
use crate::client::{CallError, Step, Steps};

/// One run of `informerd watch`.
pub(crate) struct Session {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    printer: EventPrinter,
    notices: Notices,
    state: Option<State>,
    /// Whether `out` holds something that the reader hasn't seen.
    dirty: bool,
}

impl Session {
    pub(crate) fn on_terminal(printer: EventPrinter, state: Option<State>, coloured: bool) -> Self {
        let out: Box<dyn Write + Send> = if coloured {
            Box::new(BufWriter::new(anstream::stdout()))
        } else {
            // Objects go out as they are, without a look for colours to strip.
            Box::new(BufWriter::new(io::stdout()))
        };
        Self::new(out, Box::new(anstream::stderr()), printer, state)
    }

    fn new(
        out: Box<dyn Write + Send>,
        err: Box<dyn Write + Send>,
        printer: EventPrinter,
        state: Option<State>,
    ) -> Self {
        Self {
            out,
            err,
            printer,
            notices: Notices::default(),
            state,
            dirty: false,
        }
    }

    /// Runs until the watch ends, or until the process is asked to end.
    pub(crate) async fn run(mut self, mut watch: Steps) -> Result<(), CliError> {
        let mut stop = std::pin::pin!(asked_to_end());
        let result = loop {
            let due = self.state.as_ref().and_then(|s| s.due(Instant::now()));
            let step = tokio::select! {
                biased;
                () = &mut stop => break Ok(()),
                step = watch.next() => step,
                // Nothing more is at hand: what was written is shown.
                () = future::ready(()), if self.dirty => {
                    self.flush()?;
                    continue;
                }
                () = time::sleep_until(due.unwrap_or_else(Instant::now).into()), if due.is_some() => {
                    self.save()?;
                    continue;
                }
            };
            match step {
                None => break Ok(()),
                Some(Err(error)) => break Err(self.explain(error)),
                Some(Ok(step)) => self.take(&step, watch.token())?,
            }
        };
        self.save()?;
        result
    }

    fn take(&mut self, step: &Step, token: Option<&str>) -> Result<(), CliError> {
        if let Step::Event(event) = step {
            self.dirty = true;
            self.printer.event(&mut self.out, event, Timestamp::now())?;
        }
        if let Some(text) = self.notices.text(step) {
            self.flush()?;
            let text = format!("# {}", table::printable(&text));
            // Remarks are a courtesy: the watch goes on when nobody takes them.
            let _ = writeln!(self.err, "{}", text.dimmed());
        }
        let now = Instant::now();
        if let Some(state) = &mut self.state {
            state.note(token);
            if state.due(now).is_some_and(|due| due <= now) {
                self.save()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), CliError> {
        self.dirty = false;
        Ok(self.out.flush()?)
    }

    /// Keeps the position; only after the output, which it must never be ahead of.
    fn save(&mut self) -> Result<(), CliError> {
        self.flush()?;
        let Some(state) = &mut self.state else {
            return Ok(());
        };
        state.save(Instant::now()).map_err(|error| CliError::State {
            path: state.path().display().to_string(),
            error,
        })
    }

    fn explain(&self, error: CallError) -> CliError {
        match &self.state {
            Some(state)
                if state.token().is_some()
                    && matches!(&*error.reason, "TOKEN_MISMATCH" | "TOKEN_INVALID") =>
            {
                CliError::ForeignState {
                    path: state.path().display().to_string(),
                    error,
                }
            }
            _ => CliError::Call(error),
        }
    }
}

/// Ends with the first Ctrl-C or, on Unix, SIGTERM.
async fn asked_to_end() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    // Without a handler the signal ends the process by itself.
    if tokio::signal::ctrl_c().await.is_err() {
        future::pending::<()>().await;
    }
}

#[cfg(test)]
#[path = "session/tests.rs"]
mod tests;
