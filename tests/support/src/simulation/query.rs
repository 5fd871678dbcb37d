//! The query of a list or watch, parsed and checked as kube-apiserver does
//! (apimachinery `pkg/apis/meta/internalversion/validation`).

use super::refusal::Refusal;
use super::selector::Selector;

/// Decoded query parameters in their order.
#[derive(Debug, Clone, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        });
        Self(pairs.collect())
    }

    /// The first value of a parameter; empty if it is absent.
    pub(super) fn get(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value.as_str())
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        matches!(self.get(name), "true" | "1" | "True")
    }

    fn number(&self, name: &str) -> Result<Option<u64>, Refusal> {
        match self.get(name) {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| {
                Refusal::bad_request(format!("invalid {name} \"{text}\": write a whole number"))
            }),
        }
    }

    pub(super) fn selector(&self) -> Result<Selector, Refusal> {
        Selector::parse(self.get("labelSelector"), self.get("fieldSelector"))
    }
}

fn decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let digits: Vec<u8> = bytes.by_ref().take(2).collect();
                let code = std::str::from_utf8(&digits).ok();
                out.push(
                    code.and_then(|code| u8::from_str_radix(code, 16).ok())
                        .unwrap_or(b'?'),
                );
            }
            other => out.push(other),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Which version a list shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ListAt {
    /// The newest, once this one is reached.
    NotOlderThan(u64),
    Exact(u64),
}

/// A list request.
#[derive(Debug, Clone)]
pub(super) struct ListQuery {
    pub(super) at: ListAt,
    /// 0 for no limit.
    pub(super) limit: usize,
    pub(super) token: String,
    pub(super) selector: Selector,
}

impl ListQuery {
    pub(super) fn parse(query: &Query) -> Result<Self, Refusal> {
        let matching = query.get("resourceVersionMatch");
        let version = query.number("resourceVersion")?;
        let token = query.get("continue").to_owned();
        let mut limit = query.number("limit")?.unwrap_or(0);
        if !query.get("sendInitialEvents").is_empty() {
            return Err(Refusal::invalid(
                "sendInitialEvents",
                "sendInitialEvents is forbidden for list",
            ));
        }
        check_match(matching, version, &token)?;
        if !token.is_empty() && version.is_some_and(|version| version > 0) {
            let text = "specifying resource version is not allowed when using continue";
            return Err(Refusal::bad_request(text));
        }
        let at = match (matching, version.unwrap_or(0)) {
            ("Exact", version) => ListAt::Exact(version),
            // Paged lists at a version were exact before there was a word for it.
            ("", version) if version > 0 && limit > 0 => ListAt::Exact(version),
            (_, version) => ListAt::NotOlderThan(version),
        };
        if version == Some(0) {
            // The watch cache answers "0" and knows no pages.
            limit = 0;
        }
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(Self {
            at,
            limit,
            token,
            selector: query.selector()?,
        })
    }
}

fn check_match(matching: &str, version: Option<u64>, token: &str) -> Result<(), Refusal> {
    let field = "resourceVersionMatch";
    let refuse = |why: &str| Err(Refusal::invalid(field, why));
    match matching {
        "" => Ok(()),
        "Exact" | "NotOlderThan" if version.is_none() => {
            refuse("resourceVersionMatch is forbidden unless resourceVersion is provided")
        }
        "Exact" | "NotOlderThan" if !token.is_empty() => {
            refuse("resourceVersionMatch is forbidden when continue is provided")
        }
        "Exact" if version == Some(0) => {
            refuse("resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"")
        }
        "Exact" | "NotOlderThan" => Ok(()),
        _ => refuse("supported values: \"Exact\", \"NotOlderThan\""),
    }
}

/// Where a watch begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WatchStart {
    /// With the current objects, once this version is reached.
    Initial(u64),
    /// With the next change.
    Now,
    /// After a version.
    After(u64),
}

/// A watch request.
#[derive(Debug, Clone)]
pub(super) struct WatchQuery {
    pub(super) start: WatchStart,
    /// Whether the end of the initial events is marked, if bookmarks are allowed.
    pub(super) marked: bool,
    pub(super) bookmarks: bool,
    /// Seconds.
    pub(super) timeout: Option<u64>,
    pub(super) selector: Selector,
}

impl WatchQuery {
    /// `watch_list` is the feature gate.
    pub(super) fn parse(query: &Query, watch_list: bool) -> Result<Self, Refusal> {
        let matching = query.get("resourceVersionMatch");
        let asked = query.get("sendInitialEvents");
        // Upstream an unreadable version is told as 500 here, and as 400 by lists.
        let version = query
            .number("resourceVersion")
            .map_err(|refused| Refusal::new(500, "", refused.message));
        let version = version?.unwrap_or(0);
        if !asked.is_empty() && !watch_list {
            return Err(Refusal::invalid(
                "sendInitialEvents",
                "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled",
            ));
        }
        if !asked.is_empty() && matching != "NotOlderThan" {
            return Err(Refusal::invalid(
                "resourceVersionMatch",
                "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
            ));
        }
        if asked.is_empty() && !matching.is_empty() {
            return Err(Refusal::invalid(
                "resourceVersionMatch",
                "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
            ));
        }
        if !query.get("continue").is_empty() {
            return Err(Refusal::invalid(
                "continue",
                "continue is forbidden for watch",
            ));
        }
        let initial = query.flag("sendInitialEvents");
        let start = match (initial, version) {
            (true, version) => WatchStart::Initial(version),
            (false, 0) if asked.is_empty() => WatchStart::Initial(0),
            (false, 0) => WatchStart::Now,
            (false, version) => WatchStart::After(version),
        };
        Ok(Self {
            start,
            marked: watch_list && matches!(start, WatchStart::Initial(_)),
            bookmarks: query.flag("allowWatchBookmarks"),
            timeout: query
                .number("timeoutSeconds")?
                .filter(|seconds| *seconds > 0),
            selector: query.selector()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{ListAt, ListQuery, Query, WatchQuery, WatchStart};

    fn list(text: &str) -> Result<ListAt, u16> {
        ListQuery::parse(&Query::parse(text))
            .map(|query| query.at)
            .map_err(|refused| refused.code)
    }

    fn watch(text: &str, gate: bool) -> Result<(WatchStart, bool), u16> {
        let parsed = WatchQuery::parse(&Query::parse(text), gate);
        parsed
            .map(|query| (query.start, query.marked))
            .map_err(|refused| refused.code)
    }

    #[test]
    fn lists_choose_their_version() {
        for (text, expected) in [
            ("", Ok(ListAt::NotOlderThan(0))),
            ("resourceVersion=0&limit=5", Ok(ListAt::NotOlderThan(0))),
            ("resourceVersion=7", Ok(ListAt::NotOlderThan(7))),
            ("resourceVersion=7&limit=5", Ok(ListAt::Exact(7))),
            (
                "resourceVersion=7&limit=5&resourceVersionMatch=NotOlderThan",
                Ok(ListAt::NotOlderThan(7)),
            ),
            (
                "resourceVersion=7&resourceVersionMatch=Exact",
                Ok(ListAt::Exact(7)),
            ),
            ("resourceVersion=0&resourceVersionMatch=Exact", Err(422)),
            ("resourceVersionMatch=Exact", Err(422)),
            ("resourceVersion=7&resourceVersionMatch=Newest", Err(422)),
            ("sendInitialEvents=true", Err(422)),
            ("resourceVersion=x", Err(400)),
            ("resourceVersion=7&continue=x", Err(400)),
        ] {
            assert_eq!(list(text), expected, "{text}");
        }
    }

    #[test]
    fn watches_choose_their_start() {
        let explicit = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan";
        let quiet = "sendInitialEvents=false&resourceVersionMatch=NotOlderThan";
        for (text, gate, expected) in [
            ("", true, Ok((WatchStart::Initial(0), true))),
            (
                "resourceVersion=0",
                true,
                Ok((WatchStart::Initial(0), true)),
            ),
            (
                "resourceVersion=0",
                false,
                Ok((WatchStart::Initial(0), false)),
            ),
            ("resourceVersion=7", true, Ok((WatchStart::After(7), false))),
            (explicit, true, Ok((WatchStart::Initial(0), true))),
            (explicit, false, Err(422)),
            (quiet, true, Ok((WatchStart::Now, false))),
            ("sendInitialEvents=true", true, Err(422)),
            ("resourceVersion=x", true, Err(500)),
            (
                "resourceVersion=7&resourceVersionMatch=NotOlderThan",
                true,
                Err(422),
            ),
        ] {
            assert_eq!(watch(text, gate), expected, "{text}");
        }
    }

    #[test]
    fn values_are_percent_decoded() {
        let query = Query::parse("labelSelector=a%3Db%2Cc+in+%28d%29&flag");
        assert_eq!(query.get("labelSelector"), "a=b,c in (d)");
        assert_eq!(query.get("flag"), "");
    }
}
