//! Kubernetes label selectors (apimachinery `labels/selector.go`), written anew for the judge.

use serde_json::Value;

/// One requirement of a label selector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    Exists,
    Absent,
    In(Vec<String>),
    NotIn(Vec<String>),
}

impl Requirement {
    /// Whether the object's labels meet the requirement. An absent key meets `!=` and `notin`.
    pub(super) fn matches(&self, object: &Value) -> bool {
        let value = object["metadata"]["labels"]
            .get(&self.key)
            .and_then(Value::as_str);
        match &self.test {
            Test::Exists => value.is_some(),
            Test::Absent => value.is_none(),
            Test::In(set) => value.is_some_and(|value| set.iter().any(|one| one == value)),
            Test::NotIn(set) => !value.is_some_and(|value| set.iter().any(|one| one == value)),
        }
    }
}

/// Parses a selector; the empty one has no requirements.
pub(super) fn parse(selector: &str) -> Vec<Requirement> {
    let mut scanner = Scanner {
        text: selector,
        at: 0,
    };
    let mut requirements = Vec::new();
    scanner.space();
    if scanner.rest().is_empty() {
        return requirements;
    }
    loop {
        requirements.push(scanner.requirement());
        scanner.space();
        if scanner.rest().is_empty() {
            return requirements;
        }
        scanner.expect(",");
    }
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn fail(&self, wanted: &str) -> ! {
        panic!(
            "label selector {:?}: wanted {wanted} at byte {}",
            self.text, self.at
        )
    }

    fn space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn take(&mut self, symbol: &str) -> bool {
        self.space();
        let found = self.rest().starts_with(symbol);
        if found {
            self.at += symbol.len();
        }
        found
    }

    fn expect(&mut self, symbol: &str) {
        if !self.take(symbol) {
            self.fail(&format!("{symbol:?}"));
        }
    }

    /// The next run of characters that keys and values consist of; may be empty.
    fn word(&mut self) -> &'a str {
        self.space();
        let rest = self.rest();
        let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
        let end = rest.find(|c| !inside(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn key(&mut self) -> String {
        match self.word() {
            "" => self.fail("a key"),
            key => key.to_owned(),
        }
    }

    fn requirement(&mut self) -> Requirement {
        if self.take("!") {
            return Requirement {
                key: self.key(),
                test: Test::Absent,
            };
        }
        let key = self.key();
        let test = if self.take("!=") {
            Test::NotIn(vec![self.word().to_owned()])
        } else if self.take("==") || self.take("=") {
            Test::In(vec![self.word().to_owned()])
        } else {
            match self.word() {
                "" => Test::Exists,
                "in" => Test::In(self.set()),
                "notin" => Test::NotIn(self.set()),
                _ => self.fail("an operator"),
            }
        };
        Requirement { key, test }
    }

    fn set(&mut self) -> Vec<String> {
        self.expect("(");
        let mut values = vec![self.word().to_owned()];
        while self.take(",") {
            values.push(self.word().to_owned());
        }
        self.expect(")");
        values
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(selector: &str) -> bool {
        let object =
            json!({"metadata": {"labels": {"app": "web", "a.b/c": "x", "in": "", "n": "1"}}});
        parse(selector)
            .iter()
            .all(|requirement| requirement.matches(&object))
    }

    #[test]
    fn selectors_match_as_in_kubernetes() {
        for selector in [
            "",
            "app=web",
            "app == web",
            "a.b/c=x",
            "app!=api",
            "none!=api",
            "app",
            "!none",
            "app in (api, web)",
            "app notin (api)",
            "none notin (api)",
            "in=",
            "in in (,b)",
            "app=web,n=1 , !none",
            "in",
            "app in(web)",
        ] {
            assert!(check(selector), "{selector:?} should match");
        }
        for selector in [
            "app=",
            "app!=web",
            "none",
            "!app",
            "none in (web)",
            "app notin (web,api)",
            "none=",
            "app=web,n=2",
            "in!=",
        ] {
            assert!(!check(selector), "{selector:?} should not match");
        }
    }

    #[test]
    fn malformed_selectors_panic() {
        for selector in [
            "a,", ",a", "a in", "a in (b", "a b", "=b", "a=b=c", "a in b", "!", "a>1",
        ] {
            assert!(
                std::panic::catch_unwind(|| parse(selector)).is_err(),
                "{selector:?} should be refused"
            );
        }
    }
}
