//! Compares an object's raw JSON text with the truth. Parsing both sides would hide exactly what
//! must be seen: key order, damaged integers, doubled keys.

use serde_json::{Number, Value};

/// The first difference between `text` and `expected`, with its path; `None` if there is none.
///
/// Keys must come in the order of `expected`. Integers of up to 64 bits must be spelled exactly;
/// other numbers must denote the same value, as the truth no longer knows their spelling. Space
/// between tokens and the way in which characters of strings are escaped mean nothing.
pub(crate) fn first_difference(text: &str, expected: &Value) -> Option<String> {
    let mut walk = Walk {
        text,
        at: 0,
        path: Vec::new(),
    };
    let found = walk.value(expected).and_then(|()| match walk.peek() {
        None => Ok(()),
        Some(_) => Err(walk.differs("the end of the object", walk.rest())),
    });
    found.err()
}

struct Walk<'a> {
    text: &'a str,
    at: usize,
    path: Vec<String>,
}

impl<'a> Walk<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&mut self) -> Option<u8> {
        let space = |c: char| matches!(c, ' ' | '\n' | '\r' | '\t');
        self.at += self.rest().len() - self.rest().trim_start_matches(space).len();
        self.rest().bytes().next()
    }

    fn differs(&self, expected: &str, got: &str) -> String {
        let short = |text: &str| text.chars().take(60).collect::<String>();
        let path = if self.path.is_empty() {
            "the object"
        } else {
            &self.path.join(".")
        };
        format!(
            "at {path}: expected {}, got {}",
            short(expected),
            short(got)
        )
    }

    fn eat(&mut self, symbol: u8) -> Result<(), String> {
        if self.peek() == Some(symbol) {
            self.at += 1;
            return Ok(());
        }
        Err(self.differs(&format!("{:?}", char::from(symbol)), self.rest()))
    }

    fn value(&mut self, expected: &Value) -> Result<(), String> {
        self.peek();
        match expected {
            Value::Object(fields) => {
                self.eat(b'{')?;
                for (index, (key, value)) in fields.iter().enumerate() {
                    if index > 0 {
                        self.comma(&format!("then key {key:?}"))?;
                    }
                    self.key(key)?;
                    self.path.push(key.clone());
                    self.value(value)?;
                    self.path.pop();
                }
                self.close(b'}')
            }
            Value::Array(values) => {
                self.eat(b'[')?;
                for (index, value) in values.iter().enumerate() {
                    self.path.push(format!("[{index}]"));
                    if index > 0 {
                        self.comma("another element")?;
                    }
                    self.value(value)?;
                    self.path.pop();
                }
                self.close(b']')
            }
            Value::String(text) => {
                let got = self.string()?;
                if got == *text {
                    Ok(())
                } else {
                    Err(self.differs(text, &got))
                }
            }
            Value::Number(number) => self.number(number),
            Value::Bool(_) | Value::Null => {
                let word = expected.to_string();
                let found = self.rest().starts_with(&word);
                self.at += if found { word.len() } else { 0 };
                if found {
                    Ok(())
                } else {
                    Err(self.differs(&word, self.rest()))
                }
            }
        }
    }

    fn comma(&mut self, wanted: &str) -> Result<(), String> {
        if self.peek() == Some(b',') {
            self.at += 1;
            return Ok(());
        }
        Err(self.differs(wanted, self.rest()))
    }

    fn close(&mut self, symbol: u8) -> Result<(), String> {
        if self.peek() == Some(symbol) {
            self.at += 1;
            return Ok(());
        }
        Err(self.differs("nothing more", self.rest()))
    }

    fn key(&mut self, expected: &str) -> Result<(), String> {
        self.peek();
        let got = self.string()?;
        if got != expected {
            return Err(self.differs(&format!("key {expected:?}"), &format!("key {got:?}")));
        }
        self.eat(b':')
    }

    fn string(&mut self) -> Result<String, String> {
        let rest = self.rest();
        let mut escaped = false;
        let end = rest.bytes().enumerate().skip(1).find(|(_, byte)| {
            let ends = *byte == b'"' && !escaped;
            escaped = *byte == b'\\' && !escaped;
            ends
        });
        let token = end.map_or(rest, |(end, _)| &rest[..=end]);
        let parsed = serde_json::from_str(token);
        let parsed = parsed.map_err(|_| self.differs("a string", rest))?;
        self.at += token.len();
        Ok(parsed)
    }

    fn number(&mut self, expected: &Number) -> Result<(), String> {
        let rest = self.rest();
        let inside = |c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E');
        let token = &rest[..rest.find(|c| !inside(c)).unwrap_or(rest.len())];
        let spelled = expected.to_string();
        let same = if expected.is_f64() {
            let short = token.parse::<i64>().is_ok() || token.parse::<u64>().is_ok();
            (!short || token == "-0") && token.parse().ok() == expected.as_f64()
        } else {
            token == spelled
        };
        if !same {
            return Err(self.differs(&spelled, if token.is_empty() { rest } else { token }));
        }
        self.at += token.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRUTH: &str = r#"{"a":9007199254740993,"b":[1.5,-2,true,null],"c":{"d":"é<\n","e":""}}"#;

    fn difference(text: &str) -> Option<String> {
        first_difference(text, &serde_json::from_str(TRUTH).expect("valid"))
    }

    #[test]
    fn the_same_object_has_no_difference() {
        assert_eq!(difference(TRUTH), None);
        assert_eq!(
            difference(&TRUTH.replace('é', "\\u00e9").replace('<', "\\u003c")),
            None
        );
        assert_eq!(
            difference(&TRUTH.replace(',', " ,\n ").replace("1.5", "15e-1")),
            None
        );
    }

    #[test]
    fn each_damage_is_a_difference() {
        for (from, to) in [
            ("9007199254740993", "9007199254740992"),
            ("9007199254740993", "9007199254740993.0"),
            ("9007199254740993", "\"9007199254740993\""),
            ("1.5", "1"),
            ("-2", "-2.0"),
            ("true", "false"),
            ("null", "0"),
            (",null", ""),
            ("null", "null,null"),
            ("\"e\":\"\"", "\"e\":\"x\""),
            (",\"e\":\"\"", ""),
            ("\"e\":\"\"", "\"e\":\"\",\"f\":1"),
            ("\"d\":\"é<\\n\",\"e\":\"\"", "\"e\":\"\",\"d\":\"é<\\n\""),
            ("}}", "}"),
            ("}}", "}}}"),
        ] {
            let damaged = TRUTH.replace(from, to);
            assert_ne!(damaged, TRUTH, "{from} must occur");
            assert!(difference(&damaged).is_some(), "{from} became {to} unseen");
        }
    }
}
