//! `informerd demo`: a simulated cluster, a daemon and its subscribers in one process, so that a
//! person sees within seconds what it is for.
//!
//! Nothing is staged but the cluster: the daemon is the real one on a real socket, subscribers use
//! the public client, and what the summary claims is compared with the cluster's own log.

mod absence;
mod judge;
mod screen;
mod subscriber;
mod world;

use std::time::Duration;

use anyhow::Context as _;
use futures::{
    StreamExt as _,
    stream::{BoxStream, SelectAll},
};
use tokio::time::{self, Instant, MissedTickBehavior};

use self::{
    absence::Absence,
    screen::Screen,
    subscriber::{Arrival, Subscriber, connect, seen},
    world::World,
};
use super::{
    args::{DemoArgs, LogArgs},
    simulate::{End, until},
    telemetry,
};
use crate::client::Step;

/// The subscriber whose events make the table.
const ALL: usize = 0;
/// The subscriber that leaves and comes back.
const CANARY: usize = 1;
/// Subscribers with a name; the crowd comes after them.
const NAMED: usize = 3;
/// Subscribers with the same filter as [`ALL`], on one connection.
const CROWD: usize = 100;
/// When the canary leaves, at the latest after a third of the demo.
const LEAVE_AFTER: Duration = Duration::from_secs(5);
/// Bound on everything that is waited for.
const PATIENCE: Duration = Duration::from_secs(15);
/// Between two changes when the time is over before the canary is back.
const HURRY: Duration = Duration::from_millis(20);

/// Runs the demo until its time is over or a signal comes.
///
/// # Errors
/// The daemon or a subscriber failed, or a claim of the summary does not hold.
pub(super) async fn run(args: DemoArgs) -> anyhow::Result<()> {
    telemetry::init(&LogArgs::quiet());
    let world = World::start(&args).await?;
    let mut show = Show {
        screen: Screen::new(),
        audience: SelectAll::new(),
        subscribers: subscribers(),
        absence: Absence::ToCome,
        began: Instant::now(),
        closing: None,
        world,
    };
    let result = show.play(&args).await;
    drop(show.audience);
    show.world.stop().await;
    match result {
        Err(error) if is_broken_pipe(&error) => Ok(()),
        result => result,
    }
}

fn subscribers() -> Vec<Subscriber> {
    let mut all = vec![
        Subscriber::new("everything", "", ""),
        Subscriber::new("canary", "track=canary", ""),
        Subscriber::new("node-a", "", "spec.nodeName=node-a"),
    ];
    all.extend((0..CROWD).map(|_| Subscriber::new("crowd", "", "")));
    all
}

/// A reader of the output that has seen enough is no failure.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let io = cause.downcast_ref::<std::io::Error>();
        io.is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
    })
}

/// Everything on the stage.
struct Show {
    world: World,
    screen: Screen,
    /// The open streams of all subscribers.
    audience: SelectAll<BoxStream<'static, Arrival>>,
    subscribers: Vec<Subscriber>,
    absence: Absence,
    began: Instant,
    /// The version of the last change that counts, once the end has come.
    closing: Option<u64>,
}

impl Show {
    async fn play(&mut self, args: &DemoArgs) -> anyhow::Result<()> {
        self.open(args).await?;
        let leave_after = args
            .length
            .map_or(LEAVE_AFTER, |length| LEAVE_AFTER.min(length / 3));
        let end = self.go_on(args, leave_after).await?;
        if end == End::Time {
            self.hurry().await?;
        }
        self.close().await
    }

    /// Brings everybody in, before anything changes.
    async fn open(&mut self, args: &DemoArgs) -> anyhow::Result<()> {
        self.screen.header(&self.world, args)?;
        let mut client = connect(self.world.daemon).await?;
        for index in 0..self.subscribers.len() {
            // The crowd shares the connection of its first.
            if index <= NAMED {
                client = connect(self.world.daemon).await?;
            }
            let stream = self.subscribers[index].open(index, client.clone());
            self.audience.push(stream);
        }
        let all_began = |show: &Self| show.subscribers.iter().all(|s| s.began.is_some());
        self.attend(all_began)
            .await
            .context("not every subscriber got its snapshot")?;
        self.screen.began(&self.subscribers)
    }

    /// Life goes on until the end comes.
    async fn go_on(&mut self, args: &DemoArgs, leave_after: Duration) -> anyhow::Result<End> {
        self.began = Instant::now();
        let mut end = std::pin::pin!(until(args.length));
        let mut ticks = time::interval(args.pace.max(Duration::from_millis(1)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                end = &mut end => return Ok(end),
                Some(arrival) = self.audience.next() => self.arrived(arrival)?,
                _ = ticks.tick() => self.tick(leave_after).await?,
                error = self.world.daemon_ended() => return Err(error),
            }
        }
    }

    /// Plays the rest of the canary's absence when the time was short.
    async fn hurry(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let mut ticks = time::interval(HURRY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.absence.is_over() {
            tokio::select! {
                () = time::sleep_until(deadline) => return Ok(()),
                Some(arrival) = self.audience.next() => self.arrived(arrival)?,
                _ = ticks.tick() => self.tick(Duration::ZERO).await?,
                error = self.world.daemon_ended() => return Err(error),
            }
        }
        Ok(())
    }

    /// Lets everybody receive what has happened, then sums up.
    async fn close(&mut self) -> anyhow::Result<()> {
        let lasted = self.began.elapsed();
        let last = self.world.last_version();
        self.closing = Some(last);
        self.come_back_at_the_end().await?;
        let everybody_has_all = |show: &Self| {
            let on_its_way = matches!(show.absence, Absence::Back(_));
            !on_its_way && show.subscribers.iter().all(|each| each.position >= last)
        };
        // Who has not got everything by then will fail the claims, with a better reason.
        let patience = self.attend(everybody_has_all).await;
        let verdict = judge::verdict(&self.world, &self.subscribers, &self.absence, last);
        self.screen.summary(&self.subscribers, &verdict, lasted)?;
        patience.and_then(|()| verdict.into_result())
    }

    /// Takes what comes until `done`; fails when it takes too long.
    async fn attend(&mut self, done: impl Fn(&Self) -> bool) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !done(self) {
            tokio::select! {
                () = time::sleep_until(deadline) => {
                    anyhow::bail!("a subscriber is still behind after {PATIENCE:?}");
                }
                Some(arrival) = self.audience.next() => self.arrived(arrival)?,
                error = self.world.daemon_ended() => return Err(error),
            }
        }
        Ok(())
    }

    fn arrived(&mut self, (index, step, token): Arrival) -> anyhow::Result<()> {
        let name = self.subscribers[index].name;
        let step = step.with_context(|| format!("the stream of {name} ended"))?;
        if let (Step::Event(event), Some(closing)) = (&step, self.closing)
            && seen(event).version > closing
        {
            return Ok(());
        }
        self.subscribers[index].take(&step, token);
        match &step {
            Step::Event(event) if index == ALL => {
                let position = self.subscribers[ALL].position;
                self.screen.row(event, position)?;
            }
            Step::Event(event) if index < NAMED && self.subscribers[index].began.is_some() => {
                let position = self.subscribers[ALL].position;
                self.screen.also(name, event, position)?;
            }
            Step::Disconnected { error, .. } => {
                self.screen
                    .remark(&format!("{name} lost its stream: {error}"))?;
            }
            _ => {}
        }
        if index == CANARY {
            self.canary_has(&step)?;
        }
        Ok(())
    }

    /// One more change in the cluster, or a step of the canary's absence.
    async fn tick(&mut self, leave_after: Duration) -> anyhow::Result<()> {
        match &mut self.absence {
            Absence::ToCome if self.began.elapsed() >= leave_after => self.canary_leaves()?,
            Absence::Away(away) => {
                away.ticks += 1;
                if away.ticks % 2 == 1 {
                    self.world.turn_a_canary();
                } else {
                    self.world.life.step();
                }
                self.canary_comes_back().await?;
            }
            _ => {
                self.world.life.step();
            }
        }
        Ok(())
    }
}
