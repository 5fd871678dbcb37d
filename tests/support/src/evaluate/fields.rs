//! Kubernetes field selector syntax (apimachinery `fields/selector.go`) over any path, written
//! anew for the judge.

use serde_json::Value;

/// One term of a field selector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Term {
    path: Vec<Step>,
    equal: bool,
    value: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

impl Term {
    /// Whether the object's value at the path meets the term. Absent, null, objects and arrays
    /// compare as the empty string, numbers and booleans by their JSON text.
    pub(super) fn matches(&self, object: &Value) -> bool {
        let found = self.path.iter().try_fold(object, |value, step| match step {
            Step::Key(key) => value.as_object()?.get(key),
            Step::Index(index) => value.as_array()?.get(*index),
        });
        let text = match found {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            Some(Value::Bool(truth)) => truth.to_string(),
            _ => String::new(),
        };
        (text == self.value) == self.equal
    }
}

/// Parses a selector; empty terms mean nothing, as in Kubernetes.
pub(super) fn parse(selector: &str) -> Vec<Term> {
    let mut terms = Vec::new();
    let mut rest = selector;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix(',') {
            rest = after;
            continue;
        }
        let (path, after) = path(rest, selector);
        let (equal, after) = if let Some(after) = after.strip_prefix("!=") {
            (false, after)
        } else if let Some(after) = after.strip_prefix("==").or_else(|| after.strip_prefix('=')) {
            (true, after)
        } else {
            panic!("field selector {selector:?}: wanted an operator at {after:?}")
        };
        let (value, after) = value(after, selector);
        terms.push(Term { path, equal, value });
        rest = after;
    }
    terms
}

/// Reads `a.b['c.d/e'][0]`.
fn path<'a>(text: &'a str, selector: &str) -> (Vec<Step>, &'a str) {
    let mut steps = Vec::new();
    let mut rest = text;
    loop {
        if let Some(inner) = rest.strip_prefix('[') {
            let quote = inner.chars().next().filter(|c| matches!(c, '\'' | '"'));
            let closing = quote.map_or("]".to_owned(), |quote| format!("{quote}]"));
            let inner = &inner[quote.map_or(0, char::len_utf8)..];
            let end = inner
                .find(&closing)
                .unwrap_or_else(|| panic!("field selector {selector:?}: {closing:?} is missing"));
            steps.push(match quote {
                Some(_) => Step::Key(inner[..end].to_owned()),
                None => Step::Index(inner[..end].parse().unwrap_or_else(|_| {
                    panic!(
                        "field selector {selector:?}: {:?} is no index",
                        &inner[..end]
                    )
                })),
            });
            rest = &inner[end + closing.len()..];
        } else {
            let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/' | '$');
            let end = rest.find(|c| !inside(c)).unwrap_or(rest.len());
            assert!(
                end > 0,
                "field selector {selector:?}: wanted a name at {rest:?}"
            );
            steps.push(Step::Key(rest[..end].to_owned()));
            rest = &rest[end..];
        }
        match rest.chars().next() {
            Some('.') => rest = &rest[1..],
            Some('[') => {}
            _ => return (steps, rest),
        }
    }
}

/// Reads a value up to the next bare comma, with its escapes taken away.
fn value<'a>(text: &'a str, selector: &str) -> (String, &'a str) {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '\\' => match characters.next() {
                Some((_, escaped @ ('\\' | ',' | '='))) => value.push(escaped),
                _ => panic!("field selector {selector:?}: only \\\\ \\, \\= are escapes"),
            },
            ',' => return (value, &text[at..]),
            '=' => panic!("field selector {selector:?}: a bare = in a value"),
            other => value.push(other),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(selector: &str) -> bool {
        let object = json!({
            "metadata": {"name": "a", "labels": {"a.b/c": "x"}, "annotations": {"k": "p,q=r\\s"}},
            "spec": {"nodeName": "n1", "replicas": 3, "paused": true, "none": null,
                     "containers": [{"image": "i:1"}]},
        });
        parse(selector).iter().all(|term| term.matches(&object))
    }

    #[test]
    fn terms_match_over_any_path() {
        for selector in [
            "",
            "spec.nodeName=n1",
            "spec.nodeName==n1",
            "spec.nodeName!=n2",
            "metadata.labels['a.b/c']=x",
            "metadata.labels[\"a.b/c\"]=x",
            "spec.containers[0].image!=y",
            "spec.containers[0].image=i:1",
            "spec.replicas=3",
            "spec.paused=true",
            "spec.none=",
            "spec.absent=",
            "spec.absent.deep!=x",
            "spec.containers=",
            "spec=",
            "metadata.annotations.k=p\\,q\\=r\\\\s",
            "metadata.name=a,spec.replicas!=4",
            "spec.containers[1].image=",
        ] {
            assert!(check(selector), "{selector:?} should match");
        }
        for selector in [
            "spec.nodeName=",
            "spec.absent=x",
            "spec.replicas=3.0",
            "spec.absent!=",
            "metadata.name=a,spec.replicas=4",
            "spec.containers[0].image=i",
        ] {
            assert!(!check(selector), "{selector:?} should not match");
        }
    }

    #[test]
    fn malformed_selectors_panic() {
        for selector in [
            "a", "=b", "a=b=c", "a[x]=1", "a['x=1", "a=\\x", "a..b=1", "a b=1",
        ] {
            assert!(
                std::panic::catch_unwind(|| parse(selector)).is_err(),
                "{selector:?} should be refused"
            );
        }
    }
}
