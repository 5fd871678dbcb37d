//! What happens to identities while they have streams open.

use informerd_support::simulation::Rule;
use serde_json::json;

use super::{A, Cast, Identity, rules};

const BINDINGS: &str = "rolebindings.rbac.authorization.k8s.io";

impl Cast {
    /// Takes an account's rights away.
    pub async fn revoke(&self, account: &str) {
        if let Some(cluster) = self.stage.simulated() {
            cluster.set_rules(self.rules_without(account));
            return;
        }
        self.kube.delete(BINDINGS, A, account).await;
    }

    /// What a simulated cluster knows when an account has lost its rights.
    pub fn rules_without(&self, account: &str) -> Vec<Rule> {
        let mut left = rules();
        left.retain(|rule| rule.subject != account);
        left
    }

    /// Undoes [`Cast::revoke`].
    pub async fn give_back(&self, account: &str) {
        if let Some(cluster) = self.stage.simulated() {
            cluster.set_rules(rules());
            return;
        }
        let binding = json!({
            "metadata": {"name": account},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": account,
            },
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": A}],
        });
        self.kube.create(BINDINGS, A, binding).await;
    }

    /// Deletes an account, and with it its tokens.
    pub async fn delete(&self, who: &Identity) {
        match (self.stage.simulated(), &who.token) {
            (Some(cluster), Some(token)) => cluster.set_token(token, None),
            _ => drop(self.kube.delete("serviceaccounts", A, who.name).await),
        }
    }
}
