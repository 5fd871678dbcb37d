//! The sending side of one streamed answer, which is also where faults strike it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::cluster::Cluster;
use super::faults::{Action, Disruption, FaultId};

/// Lets what was sent before a reset leave the process, which a reset would otherwise discard.
const FLUSH: Duration = Duration::from_millis(20);
/// Lines that a replay can go back to.
const RECENT: usize = 64;

/// The body must not end properly.
#[derive(Debug, thiserror::Error)]
#[error("the fault script ends this connection")]
pub(super) struct Torn;

/// What the answering side knows of the connection under it.
#[derive(Debug, Default)]
pub(super) struct Link {
    reset: AtomicBool,
}

impl Link {
    /// Makes the connection end with RST instead of FIN.
    pub(super) fn reset_at_end(&self) {
        self.reset.store(true, Ordering::Release);
    }

    pub(super) fn ends_with_reset(&self) -> bool {
        self.reset.load(Ordering::Acquire)
    }
}

/// Nothing more can be sent.
#[derive(Debug)]
pub(super) struct Gone;

#[derive(Debug)]
struct Plan {
    fault: Option<FaultId>,
    after: usize,
    disruption: Disruption,
}

#[derive(Debug)]
pub(super) struct Output {
    cluster: Cluster,
    link: Arc<Link>,
    pieces: mpsc::Sender<Result<Bytes, Torn>>,
    plan: Option<Plan>,
    pace: Option<(usize, Duration)>,
    sent: usize,
    recent: VecDeque<Bytes>,
    /// The first of two events that change places, and the fault that asked for it.
    swapped: Option<(Option<FaultId>, Bytes)>,
}

impl Output {
    /// The two ends of an answer that a fault may strike.
    pub(super) fn open(
        cluster: Cluster,
        link: Arc<Link>,
        fault: Option<(FaultId, Action)>,
    ) -> (Self, mpsc::Receiver<Result<Bytes, Torn>>) {
        let (pieces, body) = mpsc::channel(32);
        let (mut plan, mut pace) = (None, None);
        match fault {
            Some((id, Action::Stream { after, disruption })) => {
                plan = Some(Plan {
                    fault: Some(id),
                    after,
                    disruption,
                });
            }
            Some((id, Action::Drip { bytes, pause })) => {
                cluster.script(|script| script.bite(id));
                pace = Some((bytes.max(1), pause));
            }
            _ => {}
        }
        let (recent, swapped) = (VecDeque::new(), None);
        (
            Self {
                cluster,
                link,
                pieces,
                plan,
                pace,
                sent: 0,
                recent,
                swapped,
            },
            body,
        )
    }

    /// Events sent so far.
    pub(super) fn sent(&self) -> usize {
        self.sent
    }

    /// Ends when the reader is gone.
    pub(super) async fn closed(&self) {
        self.pieces.closed().await;
    }

    pub(super) fn bite(&self, fault: FaultId) {
        self.cluster.script(|script| script.bite(fault));
    }

    /// Sends one event.
    pub(super) async fn event(&mut self, line: Bytes) -> Result<(), Gone> {
        self.settle().await?;
        if let Some((fault, first)) = self.swapped.take() {
            self.counted(line).await?;
            self.counted(first).await?;
            fault.into_iter().for_each(|fault| self.bite(fault));
            return Ok(());
        }
        match self.plan.take_if(|plan| plan.after <= self.sent) {
            Some(plan) => self.strike_at(plan, line).await,
            None => self.counted(line).await,
        }
    }

    /// Strikes with what needs no further event, if it is due.
    pub(super) async fn settle(&mut self) -> Result<(), Gone> {
        let due = |plan: &mut Plan| plan.after <= self.sent && !plan.disruption.needs_line();
        match self.plan.take_if(due) {
            Some(plan) => {
                plan.fault.into_iter().for_each(|fault| self.bite(fault));
                self.strike(plan.disruption).await
            }
            None => Ok(()),
        }
    }

    /// Strikes from outside; `line` is torn where no event is at hand.
    pub(super) async fn break_now(
        &mut self,
        disruption: Disruption,
        line: Bytes,
    ) -> Result<(), Gone> {
        let plan = Plan {
            fault: None,
            after: 0,
            disruption,
        };
        match plan.disruption {
            Disruption::TornLine | Disruption::Swap => {
                self.plan = Some(plan);
                Ok(())
            }
            _ if plan.disruption.needs_line() => self.strike_at(plan, line).await,
            _ => self.strike(plan.disruption).await,
        }
    }

    async fn counted(&mut self, line: Bytes) -> Result<(), Gone> {
        self.sent += 1;
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(line.clone());
        self.raw(line).await
    }

    async fn strike_at(&mut self, plan: Plan, line: Bytes) -> Result<(), Gone> {
        if plan.disruption == Disruption::Swap {
            self.swapped = Some((plan.fault, line));
            return Ok(());
        }
        plan.fault.into_iter().for_each(|fault| self.bite(fault));
        let half = line.slice(..line.len() / 2);
        self.raw(half).await?;
        match plan.disruption {
            Disruption::TornLine => self.raw(Bytes::from_static(b"\n")).await,
            Disruption::CutMidLine => Err(Gone),
            disruption => {
                if disruption == Disruption::Reset {
                    self.link.reset_at_end();
                }
                self.tear().await
            }
        }
    }

    async fn strike(&mut self, disruption: Disruption) -> Result<(), Gone> {
        match disruption {
            Disruption::Lines(lines) => self.lines(lines).await,
            Disruption::LastLines(lines) => {
                self.lines(lines).await?;
                Err(Gone)
            }
            Disruption::Replay(count) => {
                let skip = self.recent.len().saturating_sub(count);
                for line in self.recent.clone().into_iter().skip(skip) {
                    self.raw(line).await?;
                }
                Ok(())
            }
            Disruption::EndlessLine(bytes) => {
                self.raw(Bytes::from_static(br#"{"type":"ADDED","object":{"x":""#))
                    .await?;
                let piece = Bytes::from_static(&[b'x'; 1 << 14]);
                for _ in 0..bytes.div_ceil(piece.len()) {
                    self.raw(piece.clone()).await?;
                }
                self.silence().await
            }
            Disruption::Freeze => self.silence().await,
            _ => Err(Gone),
        }
    }

    async fn lines(&mut self, lines: Vec<Bytes>) -> Result<(), Gone> {
        for line in lines {
            self.raw(line).await?;
            self.raw(Bytes::from_static(b"\n")).await?;
        }
        Ok(())
    }

    async fn silence(&mut self) -> Result<(), Gone> {
        self.closed().await;
        Err(Gone)
    }

    async fn tear(&mut self) -> Result<(), Gone> {
        tokio::time::sleep(FLUSH).await;
        // The reader may be gone already, which is the end too.
        let _ = self.pieces.send(Err(Torn)).await;
        Err(Gone)
    }

    /// Sends bytes that are not counted as an event.
    pub(super) async fn raw(&mut self, bytes: Bytes) -> Result<(), Gone> {
        let Some((size, pause)) = self.pace else {
            return self.pieces.send(Ok(bytes)).await.map_err(|_| Gone);
        };
        let mut rest = bytes;
        while !rest.is_empty() {
            let piece = rest.split_to(size.min(rest.len()));
            self.pieces.send(Ok(piece)).await.map_err(|_| Gone)?;
            match pause {
                Duration::ZERO => tokio::task::yield_now().await,
                pause => tokio::time::sleep(pause).await,
            }
        }
        Ok(())
    }
}
