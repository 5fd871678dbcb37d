//! Label selectors against the cases of k8s.io/apimachinery pkg/labels (selector_test.go).

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> LabelSelector {
    LabelSelector::parse(text).unwrap_or_else(|e| panic!("{text:?}: {e}"))
}

/// What is accepted, and its canonical form.
const GOOD: &[(&str, &str)] = &[
    ("", ""),
    (" \t\r\n", ""),
    ("x=a,y=b,z=c", "x=a,y=b,z=c"),
    ("x!=a,y=b", "x!=a,y=b"),
    ("x=", "x="),
    ("x= ", "x="),
    ("x==", "x="),
    ("x=,z= ", "x=,z="),
    ("x= ,z= ", "x=,z="),
    ("!x", "!x"),
    ("! x", "!x"),
    ("x>1", "x>1"),
    ("x>1,z<5", "x>1,z<5"),
    ("x>007", "x>7"),
    ("x=a,a=x", "a=x,x=a"),
    ("\rx", "x"),
    (
        "this-is-a-dns.domain.com/key-with-dash",
        "this-is-a-dns.domain.com/key-with-dash",
    ),
    (
        "this-is-another-dns.domain.com/key-with-dash in (so,what)",
        "this-is-another-dns.domain.com/key-with-dash in (so,what)",
    ),
    (
        "0.1.2.domain/99 notin (10.10.100.1, tick.tack.clock)",
        "0.1.2.domain/99 notin (10.10.100.1,tick.tack.clock)",
    ),
    ("foo  in\t (abc)", "foo=abc"),
    ("x notin\n (abc)", "x!=abc"),
    ("x  notin\t\t\t(def,abc)", "x notin (abc,def)"),
    ("x in (abc,def)", "x in (abc,def)"),
    ("x in(abc,def)", "x in (abc,def)"),
    ("x in (abc,)", "x in (,abc)"),
    ("x in ()", "x="),
    ("x in (a,,b,a)", "x in (,a,b)"),
    (
        "x notin (abc,def),bar,z in (),w",
        "bar,w,x notin (abc,def),z=",
    ),
    ("x,y in (a)", "x,y=a"),
    ("x=a,y!=b,z in (h,i,j)", "x=a,y!=b,z in (h,i,j)"),
    ("x notin ( )", "x!="),
    ("x notin (, a)", "x notin (,a)"),
    ("a ", "a"),
    ("a in (x,y,notin, z,in)", "a in (in,notin,x,y,z)"),
    ("notin=in", "notin=in"),
    ("in in (in)", "in=in"),
    ("in", "in"),
    ("!notin", "!notin"),
    ("1foo in (bar),1234 in (bar)", "1234=bar,1foo=bar"),
    ("x=a,x==a,x in (a)", "x=a"),
    ("x==jkl,x,x!=a", "x=jkl,x!=a,x"),
];

/// What is refused, where, and a part of the reason.
const BAD: &[(&str, usize, &str)] = &[
    ("x=a||y=b", 3, "has \"|\""),
    ("x==a==b", 4, "',' or the end"),
    ("a=b=c", 3, "',' or the end"),
    ("!x=a", 2, "',' or the end"),
    ("x<a", 2, "64-bit integer"),
    ("x>", 2, "64-bit integer"),
    ("x>9223372036854775808", 2, "64-bit integer"),
    ("x>-1", 2, "begin and end"),
    ("x,,y", 2, "a label key or '!'"),
    (",x,y", 0, "a label key or '!'"),
    ("x nott in (y)", 2, "'notin'"),
    ("a in (xyz),", 11, "a label key or '!'"),
    ("a in (xyz)b notin ()", 10, "',' or the end"),
    ("a in (xyz abc)", 10, "',' or ')'"),
    ("a in (b", 7, "',' or ')'"),
    ("a notin(", 8, "',' or ')'"),
    ("a (", 2, "'notin'"),
    ("a in b", 5, "'('"),
    ("a in", 4, "'('"),
    ("a in (b=c)", 7, "',' or ')'"),
    ("(", 0, "a label key"),
    ("=b", 0, "a label key"),
    ("!", 1, "a label key after '!'"),
    ("!!x", 1, "a label key after '!'"),
    ("x y", 2, "'notin'"),
    ("x=,y=b c", 7, "',' or the end"),
    ("a\0=b", 1, r#"has "\0""#),
    ("함=a", 0, "has \"함\""),
    ("x,y=ā", 4, "has \"ā\""),
    ("ok,only/one/slash", 11, "more than one '/'"),
    ("Example.com/abc", 0, "lowercase"),
    ("a.-b/abc", 2, "begin and end"),
    ("/simple", 0, "prefix of the label key is empty"),
    ("example.com/", 12, "no name after the prefix"),
];

#[test]
fn reads_and_writes_what_upstream_reads() {
    for (text, canonical) in GOOD {
        assert_eq!(parse(text).to_string(), *canonical, "{text:?}");
        assert_eq!(parse(canonical), parse(text), "{text:?}");
    }
}

#[test]
fn refuses_what_upstream_refuses() {
    for (text, position, reason) in BAD {
        let error = LabelSelector::parse(text).expect_err(text);
        assert_eq!(error.position, *position, "{text:?}: {error}");
        assert!(error.message.contains(reason), "{text:?}: {error}");
    }
}

#[test]
fn holds_the_limits() {
    let keys = |n: usize| {
        (0..n)
            .map(|i| format!("k{i}"))
            .collect::<Vec<_>>()
            .join(",")
    };
    assert_eq!(parse(&keys(64)).requirements().len(), 64);
    let error = LabelSelector::parse(&keys(65)).expect_err("too many");
    assert!(error.message.contains("more than 64 requirements"));
    assert_eq!(error.position, keys(64).len() + 1);

    parse(&format!("x in ({})", keys(256)));
    let error = LabelSelector::parse(&format!("x in ({})", keys(257))).expect_err("too many");
    assert!(error.message.contains("more than 256 values"));

    let padded = |n: usize| format!("x{}", " ".repeat(n - 1));
    assert_eq!(parse(&padded(4096)).to_string(), "x");
    let error = LabelSelector::parse(&padded(4097)).expect_err("too long");
    assert_eq!(error.position, 4096);
    LabelSelector::parse(&"x".repeat(100_000)).expect_err("too long");

    assert!(LabelSelector::parse(&"a".repeat(63)).is_ok());
    assert!(LabelSelector::parse(&"a".repeat(64)).is_err());
    assert!(LabelSelector::parse(&format!("{}/a", "a".repeat(253))).is_ok());
    assert!(LabelSelector::parse(&format!("{}/a", "a".repeat(254))).is_err());
    assert!(LabelSelector::parse(&format!("x={}", "a".repeat(63))).is_ok());
    assert!(LabelSelector::parse(&format!("x={}", "a".repeat(64))).is_err());
}

#[test]
fn matches_what_upstream_matches() {
    type Case = (&'static str, &'static [(&'static str, &'static str)], bool);
    const FOO_BAZ: &[(&str, &str)] = &[("foo", "bar"), ("baz", "blah")];
    let cases: &[Case] = &[
        ("", &[("x", "y")], true),
        ("x=y", &[("x", "y")], true),
        ("x=y,z=w", &[("x", "y"), ("z", "w")], true),
        ("x!=y,z!=w", &[("x", "z"), ("z", "a")], true),
        ("notin=in", &[("notin", "in")], true),
        ("x", &[("x", "z")], true),
        ("!x", &[("y", "z")], true),
        ("x>1", &[("x", "2")], true),
        ("x<1", &[("x", "0")], true),
        ("x=z", &[], false),
        ("x=", &[], false),
        ("x=", &[("x", "")], true),
        ("x=y", &[("x", "z")], false),
        ("x=y,z=w", &[("x", "w"), ("z", "w")], false),
        ("x!=y,z!=w", &[("x", "z"), ("z", "w")], false),
        ("x", &[("y", "z")], false),
        ("!x", &[("x", "z")], false),
        ("x>1", &[("x", "0")], false),
        ("x>1", &[("x", "1")], false),
        ("x>1", &[], false),
        ("x<1", &[("x", "2")], false),
        ("z>1", &[("z", "v2")], false),
        ("foo=bar,baz=blah", FOO_BAZ, true),
        ("foo=blah", FOO_BAZ, false),
        ("foo=bar,foobar=bar,baz=blah", FOO_BAZ, false),
        (
            "x in (foo),y notin (alpha)",
            &[("x", "foo"), ("y", "baz")],
            true,
        ),
        (
            "x in (foo),y in (alpha)",
            &[("x", "foo"), ("y", "baz")],
            false,
        ),
        ("x notin (),y", &[("y", "")], true),
        ("!x,y", &[("y", "")], true),
        ("x notin (),!y", &[("y", "")], false),
        ("x in ()", &[("y", "baz")], false),
        ("a notin (x)", &[], true),
        ("a!=x", &[("b", "x")], true),
    ];
    for (text, labels, expected) in cases {
        let labels: Labels = labels.iter().copied().collect();
        assert_eq!(
            parse(text).matches(&labels),
            *expected,
            "{text:?} {labels:?}"
        );
    }
}

#[test]
fn anchors_are_equalities() {
    let selector = parse("b in (2,1),a=x,c!=y,d,e in (z,z),f>1");
    let terms: Vec<_> = selector.equality_terms().collect();
    assert_eq!(terms, [("a", "x"), ("e", "z")]);
}

/// A requirement as the generator made it, for an evaluator that shares nothing with the parser.
#[derive(Debug, Clone)]
struct Made {
    key: String,
    operator: &'static str,
    values: Vec<String>,
}

impl Made {
    fn text(&self, space: &str) -> String {
        let Self {
            key,
            operator,
            values,
        } = self;
        match *operator {
            "" => format!("{space}{key}{space}"),
            "!" => format!("{space}!{space}{key}{space}"),
            "in" | "notin" => {
                let values = values.join(&format!("{space},{space}"));
                format!("{space}{key} {space}{operator}{space}({space}{values}{space}){space}")
            }
            _ => format!("{space}{key}{space}{operator}{space}{}{space}", values[0]),
        }
    }

    fn holds(&self, labels: &BTreeMap<String, String>) -> bool {
        let have = labels.get(&self.key);
        let listed = have.is_some_and(|v| self.values.contains(v));
        let number = |v: &String| v.parse::<i64>().ok();
        match self.operator {
            "" => have.is_some(),
            "!" => have.is_none(),
            "=" | "==" | "in" => listed,
            "!=" | "notin" => !listed,
            ">" => have
                .and_then(number)
                .is_some_and(|v| Some(v) > number(&self.values[0])),
            "<" => have
                .and_then(number)
                .is_some_and(|v| Some(v) < number(&self.values[0])),
            other => panic!("no operator {other:?}"),
        }
    }
}

fn made() -> impl Strategy<Value = Made> {
    let operator = prop::sample::select(vec!["", "!", "=", "==", "!=", "in", "notin", ">", "<"]);
    let words = prop::collection::vec("[ab]?|[0-3]", 1..4);
    ("[a-c]|in|p/[ab]", operator, words, 0..4u8).prop_map(|(key, operator, values, number)| {
        let values = match operator {
            ">" | "<" => vec![number.to_string()],
            "=" | "==" | "!=" => values[..1].to_vec(),
            _ => values,
        };
        Made {
            key,
            operator,
            values,
        }
    })
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in ".{0,40}|[abin=!<>(), \t\n/.]{0,24}") {
        match LabelSelector::parse(&text) {
            Ok(selector) => {
                let canonical = selector.to_string();
                let again = LabelSelector::parse(&canonical).expect("canonical text is readable");
                prop_assert_eq!(again.to_string(), canonical);
                prop_assert_eq!(again, selector);
            }
            Err(error) => prop_assert!(text.is_char_boundary(error.position), "{}", error),
        }
    }

    #[test]
    fn agrees_with_a_naive_evaluator(
        made in prop::collection::vec(made(), 0..5),
        labels in prop::collection::btree_map("[a-c]|in|p/[ab]", "[ab]?|[0-3]", 0..5),
        space in "[ \t\r\n]{0,2}",
    ) {
        let text: Vec<_> = made.iter().map(|m| m.text(&space)).collect();
        let selector = parse(&text.join(","));
        let expected = made.iter().all(|m| m.holds(&labels));
        let have: Labels = labels.clone().into_iter().collect();
        prop_assert_eq!(selector.matches(&have), expected, "{:?}", text);

        let mut shuffled = made.clone();
        shuffled.reverse();
        let text: Vec<_> = shuffled.iter().map(|m| m.text("")).collect();
        prop_assert_eq!(parse(&text.join(",")), selector.clone());
        prop_assert_eq!(parse(&selector.to_string()), selector);
    }
}
