//! Tables of faults, each with what it may cost and what it shows.

use informerd_support::simulation::Fault;

use super::{Asked, Calm, Storm};
use crate::{stage::Kind, wait::until, world::quick};

/// One row of a table: faults, and what they may cost.
pub struct Row {
    pub name: &'static str,
    pub faults: Vec<Fault>,
    pub asked: Asked,
    /// What must occur in the streams, and what must not.
    pub shows: &'static [&'static str],
    pub hides: &'static [&'static str],
    /// Metrics that must have counted something.
    pub counted: &'static [&'static str],
}

/// Plays the rows of a table.
pub async fn play(kind: Kind, rows: Vec<Row>) {
    for row in rows {
        row.play(kind).await;
    }
}

impl Row {
    /// Plays one row.
    pub async fn play(self, kind: Kind) -> Calm {
        let mut storm = Storm::brew(kind, self.name, &[]).await;
        let from = storm.cluster.revision();
        self.faults
            .into_iter()
            .for_each(|fault| storm.cluster.inject(fault));
        storm.subscribe().await;
        storm.blow();
        storm.struck().await;
        storm.asked(self.asked).await;
        storm.caught_up().await;
        if self.asked.syncs > 1 {
            let to = storm.cluster.revision();
            storm.world.excuse_gap(from, to);
        }
        // What comes afterwards is told as ever.
        let after = storm.cluster.revision() + 20;
        until("the writer writes on", || async {
            storm.cluster.revision() > after
        })
        .await;
        for metric in self.counted {
            let name = format!("informerd_{metric}_total");
            let count = storm.world.daemon.metric(&name, "configmaps").await;
            assert!(count > 0.0, "{}: {metric} counts nothing", self.name);
        }
        let calm = storm.calm(&quick(50).requiring(self.shows)).await;
        assert_eq!(
            calm.asked, self.asked,
            "{}: {:#?}",
            self.name, calm.requests
        );
        calm.without(self.hides);
        calm
    }
}
