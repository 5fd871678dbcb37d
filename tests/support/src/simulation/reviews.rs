//! Who may do what, as far as an apiserver tells others: TokenReview and SubjectAccessReview. The
//! simulation itself lets everybody do everything.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{cluster::Cluster, refusal::Refusal};

/// Whom a token stands for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Caller {
    /// User name.
    pub user: String,
    /// Uid.
    pub uid: String,
    /// Groups.
    pub groups: Vec<String>,
    /// Whom the token is for. Empty: whoever asks.
    pub audiences: Vec<String>,
}

/// The apiserver's own audience, which a review is about that names none.
pub const OWN_AUDIENCE: &str = "https://kubernetes.default.svc";

/// One permission.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rule {
    /// User or group.
    pub subject: String,
    /// Verbs; `*` for all.
    pub verbs: Vec<String>,
    /// Resources such as `deployments.apps`; `*` for all.
    pub resources: Vec<String>,
    /// Namespace; empty for the whole cluster.
    pub namespace: String,
    /// Names of objects; empty for all.
    pub names: Vec<String>,
    /// Fields that a selector must fix to these values, as the node authorizer wants it.
    pub fields: Vec<(String, String)>,
    /// Paths that are no resources; a `*` at the end stands for whatever follows.
    pub paths: Vec<String>,
}

impl Rule {
    /// Lets a user or group get, list and watch a resource; in all namespaces if `namespace` is
    /// empty.
    #[must_use]
    pub fn read(subject: &str, resource: &str, namespace: &str) -> Self {
        Self {
            subject: subject.to_owned(),
            verbs: ["get", "list", "watch"].map(str::to_owned).to_vec(),
            resources: vec![resource.to_owned()],
            namespace: namespace.to_owned(),
            ..Self::default()
        }
    }

    /// Lets a user or group get a path that is no resource.
    #[must_use]
    pub fn visit(subject: &str, path: &str) -> Self {
        Self {
            subject: subject.to_owned(),
            verbs: vec!["get".to_owned()],
            paths: vec![path.to_owned()],
            ..Self::default()
        }
    }

    /// Only the object of this name.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.names.push(name.to_owned());
        self
    }

    /// Only what a selector narrows to this value of a field.
    #[must_use]
    pub fn selected(mut self, field: &str, value: &str) -> Self {
        self.fields.push((field.to_owned(), value.to_owned()));
        self
    }

    fn allows(&self, subjects: &[&str], attributes: &Value) -> bool {
        let text = |field: &str| attributes[field].as_str().unwrap_or_default();
        let resource = match text("group") {
            "" => text("resource").to_owned(),
            group => format!("{}.{group}", text("resource")),
        };
        let lists =
            |list: &[String], wanted: &str| list.iter().any(|one| one == "*" || one == wanted);
        subjects.contains(&self.subject.as_str())
            && lists(&self.verbs, text("verb"))
            && lists(&self.resources, &resource)
            && (self.namespace.is_empty() || self.namespace == text("namespace"))
            && (self.names.is_empty() || self.names.iter().any(|name| name == text("name")))
            && self.fields.iter().all(|term| fixes(attributes, term))
    }
}

impl Rule {
    fn allows_path(&self, subjects: &[&str], attributes: &Value) -> bool {
        let text = |field: &str| attributes[field].as_str().unwrap_or_default();
        let covers = |known: &String| match known.strip_suffix('*') {
            Some(start) => text("path").starts_with(start),
            None => known == text("path"),
        };
        subjects.contains(&self.subject.as_str())
            && self.verbs.iter().any(|verb| verb == text("verb"))
            && self.paths.iter().any(covers)
    }
}

/// Whether the field selector of a review holds `field in (value)`.
fn fixes(attributes: &Value, (field, value): &(String, String)) -> bool {
    let requirements = attributes["fieldSelector"]["requirements"].as_array();
    requirements.into_iter().flatten().any(|requirement| {
        requirement["key"] == field.as_str()
            && requirement["operator"] == "In"
            && requirement["values"] == json!([value])
    })
}

/// How reviews are answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mood {
    /// As tokens and rules say.
    #[default]
    Honest,
    /// 500.
    Down,
    /// 403: the one who asks may not create reviews.
    Forbidden,
    /// Everything is allowed and denied at once.
    Torn,
    /// Every token is not authenticated, and has a user who may do everything.
    Impostor,
    /// Tokens are authenticated, without a word for whom they are.
    Unaware,
    /// Nothing is allowed, and the authorizer has failed.
    Failing,
    /// `allowed` and `authenticated` are words, not booleans.
    Wordy,
}

/// What reviews are answered from.
#[derive(Debug, Default)]
pub(super) struct Access {
    mood: Mood,
    tokens: BTreeMap<String, Caller>,
    rules: Vec<Rule>,
    /// How often was asked what a user may.
    asked: BTreeMap<String, usize>,
}

impl Cluster {
    /// Makes a token known, or with `None` unknown again, to TokenReviews.
    pub fn set_token(&self, token: &str, caller: Option<Caller>) {
        self.access(|access| match caller {
            Some(caller) => drop(access.tokens.insert(token.to_owned(), caller)),
            None => drop(access.tokens.remove(token)),
        });
    }

    /// How many SubjectAccessReviews there were about a user.
    #[must_use]
    pub fn access_reviews_of(&self, user: &str) -> usize {
        self.access(|access| access.asked.get(user).copied().unwrap_or_default())
    }

    /// Answers reviews in this way from now on.
    pub fn set_mood(&self, mood: Mood) {
        self.access(|access| access.mood = mood);
    }

    /// Replaces all permissions that SubjectAccessReviews know of.
    pub fn set_rules(&self, rules: Vec<Rule>) {
        self.access(|access| access.rules = rules);
    }
}

const TOKENS: &str = "tokenreviews.authentication.k8s.io";
const ACCESS: &str = "subjectaccessreviews.authorization.k8s.io";

/// The resource of a review, for faults and the journal.
pub(super) fn resource(path: &str) -> Option<&'static str> {
    match path {
        "/apis/authentication.k8s.io/v1/tokenreviews" => Some(TOKENS),
        "/apis/authorization.k8s.io/v1/subjectaccessreviews" => Some(ACCESS),
        _ => None,
    }
}

/// The review with its status.
pub(super) fn answer(
    cluster: &Cluster,
    resource: &str,
    mut review: Value,
) -> Result<Value, Refusal> {
    let spec = review["spec"].clone();
    let (mood, mut status) = cluster.access(|access| {
        let status = match resource {
            TOKENS => token_status(access, &spec),
            _ => {
                let user = spec["user"].as_str().unwrap_or_default();
                *access.asked.entry(user.to_owned()).or_default() += 1;
                access_status(access, &spec)
            }
        };
        (access.mood, status)
    });
    match mood {
        Mood::Honest => {}
        Mood::Down => return Err(Refusal::new(500, "InternalError", "reviews are down")),
        Mood::Forbidden => return Err(Refusal::new(403, "Forbidden", "no reviews for you")),
        _ if resource == TOKENS => lie_about_token(mood, &mut status),
        _ => lie_about_access(mood, &mut status),
    }
    if !review.is_object() {
        review = json!({});
    }
    review["status"] = status;
    Ok(review)
}

fn lie_about_token(mood: Mood, status: &mut Value) {
    match mood {
        Mood::Impostor => {
            let user = json!({ "username": "root", "groups": ["system:masters"] });
            let audiences = ["informerd", OWN_AUDIENCE];
            *status = json!({ "authenticated": false, "user": user, "audiences": audiences });
        }
        Mood::Unaware => {
            status
                .as_object_mut()
                .map(|status| status.remove("audiences"));
        }
        Mood::Wordy => status["authenticated"] = json!("true"),
        _ => {}
    }
}

fn lie_about_access(mood: Mood, status: &mut Value) {
    match mood {
        Mood::Torn => *status = json!({ "allowed": true, "denied": true }),
        Mood::Failing => *status = json!({ "allowed": false, "evaluationError": "webhook down" }),
        Mood::Wordy => status["allowed"] = json!("true"),
        _ => {}
    }
}

fn token_status(access: &Access, spec: &Value) -> Value {
    let unknown = || json!({ "user": {}, "error": "[invalid bearer token]" });
    let token = spec["token"].as_str();
    let Some(caller) = token.and_then(|token| access.tokens.get(token)) else {
        return unknown();
    };
    let own = [Value::from(OWN_AUDIENCE)];
    let asked = match spec["audiences"].as_array() {
        Some(asked) if !asked.is_empty() => &asked[..],
        _ => &own,
    };
    let meant = |audience: &&Value| {
        let known = |one: &String| *audience == one.as_str();
        caller.audiences.is_empty() || caller.audiences.iter().any(known)
    };
    let audiences: Vec<_> = asked.iter().filter(meant).collect();
    if audiences.is_empty() {
        return unknown();
    }
    let mut groups = caller.groups.clone();
    groups.push("system:authenticated".to_owned());
    json!({
        "authenticated": true,
        "user": { "username": caller.user, "uid": caller.uid, "groups": groups },
        "audiences": audiences,
    })
}

fn access_status(access: &Access, spec: &Value) -> Value {
    let groups = spec["groups"].as_array().into_iter().flatten();
    let mut subjects: Vec<&str> = groups.filter_map(Value::as_str).collect();
    subjects.extend(spec["user"].as_str());
    let mut rules = access.rules.iter();
    let allowed = match &spec["nonResourceAttributes"] {
        Value::Null => rules.any(|rule| rule.allows(&subjects, &spec["resourceAttributes"])),
        path => rules.any(|rule| rule.allows_path(&subjects, path)),
    };
    json!({ "allowed": allowed })
}
