//! The rows of those who may at first, and lose their right or their account under an open stream.

use tonic::{Code, transport::Channel};

use super::{
    super::{
        calls::Line,
        cast::{A, Identity, Target},
        oracle::{self, Verdict},
    },
    Table,
};
use crate::{request::Ask, wait::until};

impl Table<'_> {
    /// Plays them; gives who they were.
    pub(super) async fn losers(&mut self, channel: &Channel) -> Vec<Identity> {
        let mut losers = Vec::new();
        for (name, code) in [
            ("revoked", Code::PermissionDenied),
            ("deleted", Code::Unauthenticated),
        ] {
            let who = Identity {
                name,
                token: Some(self.cast.usable(name).await),
                assumed: None,
            };
            let line = Line::new(channel, who.token.as_deref());
            self.loses(&who, &line, code).await;
            self.row(&who, &line).await;
            losers.push(who);
        }
        losers
    }

    async fn loses(&mut self, who: &Identity, line: &Line, code: Code) {
        let maps = Ask::of("configmaps").namespace(A);
        let mut stream = line.watch(&maps).await.expect("allowed at first");
        stream.snapshot().await.expect("a snapshot");
        match code {
            Code::PermissionDenied => self.cast.revoke(who.name).await,
            _ => self.cast.delete(who).await,
        }
        let (_, status) = stream.end().await;
        assert_eq!(status.code(), code, "{status:?}");
        self.refusals.push(status);
        let target = Target {
            resource: "configmaps",
            namespace: A,
            ..Target::default()
        };
        until("the apiserver remembers it no longer", || async {
            oracle::list_and_watch(self.cast, who, &target).await != Verdict::Allowed
        })
        .await;
    }
}
