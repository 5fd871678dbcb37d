//! Label and field selectors by the apiserver's rules, written for the judge alone: it must not
//! share a parser with the daemon it judges.

use serde_json::Value;

use super::refusal::Refusal;

/// A parsed pair of selectors; the default matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<(String, bool, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Requirement {
    Exists(String),
    Absent(String),
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
}

impl Selector {
    /// Parses both selectors as they stand in a query.
    ///
    /// # Errors
    /// 400 for text that is not a selector.
    pub fn parse(labels: &str, fields: &str) -> Result<Self, Refusal> {
        let labels = split_terms(labels)
            .iter()
            .map(|term| requirement(term))
            .collect::<Option<_>>()
            .ok_or_else(|| {
                Refusal::bad_request("unable to parse requirement: write a valid label selector")
            })?;
        let fields = split_escaped(fields, ',')
            .iter()
            .filter(|term| !term.is_empty())
            .map(|term| field_term(term))
            .collect::<Option<_>>()
            .ok_or_else(|| Refusal::bad_request("invalid field selector: write path=value"))?;
        Ok(Self { labels, fields })
    }

    /// Selects only the object of this name.
    pub(super) fn pin_name(&mut self, name: &str) {
        self.fields
            .push(("metadata.name".to_owned(), true, name.to_owned()));
    }

    /// Whether there is nothing to check.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// Whether `object` is selected. An absent field compares as the empty string; `!=` and
    /// `notin` hold for absent labels.
    #[must_use]
    pub fn matches(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        let label = |key: &String| labels.get(key).and_then(Value::as_str);
        self.labels.iter().all(|requirement| match requirement {
            Requirement::Exists(key) => label(key).is_some(),
            Requirement::Absent(key) => label(key).is_none(),
            Requirement::In(key, values) => {
                label(key).is_some_and(|value| values.iter().any(|known| known == value))
            }
            Requirement::NotIn(key, values) => {
                label(key).is_none_or(|value| values.iter().all(|known| known != value))
            }
        }) && self
            .fields
            .iter()
            .all(|(path, equal, value)| (field(object, path) == *value) == *equal)
    }
}

fn field(object: &Value, path: &str) -> String {
    let found = path.split('.').fold(object, |inner, key| &inner[key]);
    match found {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Terms between commas, where those inside parentheses don't count.
fn split_terms(text: &str) -> Vec<String> {
    let mut terms = vec![String::new()];
    let mut depth = 0_i32;
    for letter in text.chars() {
        depth += i32::from(letter == '(') - i32::from(letter == ')');
        match (letter, terms.last_mut()) {
            (',', _) if depth == 0 => terms.push(String::new()),
            (_, Some(last)) => last.push(letter),
            (_, None) => {}
        }
    }
    terms.retain(|term| !term.trim().is_empty());
    terms
}

fn requirement(term: &str) -> Option<Requirement> {
    let term = term.trim();
    if let Some(key) = term.strip_prefix('!') {
        return key_of(key).map(Requirement::Absent);
    }
    if let Some(list) = term.strip_suffix(')') {
        let (head, values) = list.split_once('(')?;
        let values = values
            .split(',')
            .map(|value| value.trim().to_owned())
            .collect();
        let mut words = head.split_whitespace();
        let key = key_of(words.next()?)?;
        return match words.next()? {
            "in" => Some(Requirement::In(key, values)),
            "notin" => Some(Requirement::NotIn(key, values)),
            _ => None,
        };
    }
    for (operator, equal) in [("!=", false), ("==", true), ("=", true)] {
        if let Some((key, value)) = term.split_once(operator) {
            let (key, values) = (key_of(key)?, vec![value.trim().to_owned()]);
            return Some(if equal {
                Requirement::In(key, values)
            } else {
                Requirement::NotIn(key, values)
            });
        }
    }
    key_of(term).map(Requirement::Exists)
}

fn key_of(text: &str) -> Option<String> {
    let text = text.trim();
    let legal = |letter: char| letter.is_ascii_alphanumeric() || "-_./".contains(letter);
    (!text.is_empty() && text.chars().all(legal)).then(|| text.to_owned())
}

fn field_term(term: &str) -> Option<(String, bool, String)> {
    for (operator, equal) in [("!=", false), ("==", true), ("=", true)] {
        if let Some((path, value)) = term.split_once(operator) {
            let value = unescape(value)?;
            return (!path.is_empty()).then(|| (path.trim().to_owned(), equal, value));
        }
    }
    None
}

/// Splits at `separator` where no backslash stands before it (apimachinery
/// `pkg/fields/selector.go` escapes `\`, `,` and `=`).
fn split_escaped(text: &str, separator: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut escaped = false;
    for letter in text.chars() {
        if letter == separator && !escaped {
            parts.push(String::new());
        } else if let Some(last) = parts.last_mut() {
            last.push(letter);
        }
        escaped = letter == '\\' && !escaped;
    }
    parts
}

fn unescape(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => out.push(letters.next().filter(|next| "\\,=".contains(*next))?),
            '=' => return None,
            _ => out.push(letter),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::Selector;
    use serde_json::json;

    fn check(labels: &str, fields: &str) -> bool {
        let pod = json!({
            "metadata": { "name": "web", "labels": { "app": "web", "tier": "front" } },
            "spec": { "nodeName": "a,b", "hostNetwork": true },
        });
        Selector::parse(labels, fields)
            .expect("the selector parses")
            .matches(&pod)
    }

    #[test]
    fn labels_follow_the_set_rules() {
        for yes in [
            "",
            "app",
            "app=web",
            "app==web",
            "app!=db",
            "x!=1",
            "!x",
            "app in (a, web)",
            "x notin (1),tier=front",
        ] {
            assert!(check(yes, ""), "{yes}");
        }
        for no in [
            "x",
            "app=db",
            "app!=web",
            "!app",
            "app in (a)",
            "app notin (web)",
            "x=1",
        ] {
            assert!(!check(no, ""), "{no}");
        }
    }

    #[test]
    fn fields_reach_any_path() {
        for yes in [
            "metadata.name=web",
            "spec.nodeName=a\\,b",
            "spec.hostNetwork=true",
            "status.phase=",
            "status.phase!=Running,metadata.name==web",
        ] {
            assert!(check("", yes), "{yes}");
        }
        for no in ["metadata.name!=web", "spec.nodeName=a", "status.phase!="] {
            assert!(!check("", no), "{no}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for (labels, fields) in [
            ("a b", ""),
            ("a in b)", ""),
            ("=x", ""),
            ("", "name"),
            ("", "=x"),
        ] {
            let refused = Selector::parse(labels, fields).expect_err("it is no selector");
            assert_eq!(refused.code, 400, "{labels} {fields}");
        }
    }
}
