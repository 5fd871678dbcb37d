//! The grammar of label selectors (k8s.io/apimachinery pkg/labels, `Parse`).
//!
//! ```text
//! selector    = [ requirement { "," requirement } ]
//! requirement = KEY | "!" KEY
//!             | KEY ( "=" | "==" | "!=" | ">" | "<" ) [ VALUE ]
//!             | KEY ( "in" | "notin" ) "(" [ VALUE ] { "," [ VALUE ] } ")"
//! ```
//!
//! As upstream, space, tab, CR and LF may stand between any two tokens, a value that is left out
//! is the empty one, and `in` and `notin` are ordinary words except where an operator is due.

use super::{LabelOperator, LabelRequirement};
use crate::selector::{
    MAX_REQUIREMENTS, MAX_SELECTOR_BYTES, MAX_SET_VALUES, SelectorError,
    error::echo,
    syntax::{check_label_key, check_label_value, check_length},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    End,
    Word(&'a str),
    Symbol(&'static str),
}

/// Longer ones first.
const SYMBOLS: [&str; 9] = ["==", "!=", "=", "!", "(", ")", ",", ">", "<"];

pub(super) fn parse(text: &str) -> Result<Vec<LabelRequirement>, SelectorError> {
    check_length(text, MAX_SELECTOR_BYTES, "selector")?;
    Parser { text, at: 0 }.selector()
}

struct Parser<'a> {
    text: &'a str,
    /// Where the next token or the space before it begins.
    at: usize,
}

impl<'a> Parser<'a> {
    /// The next token and where it begins.
    fn peek(&self) -> (usize, Token<'a>) {
        let rest = self.text[self.at..].trim_start_matches(is_space);
        let at = self.text.len() - rest.len();
        if rest.is_empty() {
            return (at, Token::End);
        }
        if let Some(symbol) = SYMBOLS.into_iter().find(|s| rest.starts_with(s)) {
            return (at, Token::Symbol(symbol));
        }
        let end = rest
            .find(|c| is_space(c) || "=!(),><".contains(c))
            .unwrap_or(rest.len());
        (at, Token::Word(&rest[..end]))
    }

    fn next(&mut self) -> (usize, Token<'a>) {
        let (at, token) = self.peek();
        self.at = at
            + match token {
                Token::End => 0,
                Token::Word(text) => text.len(),
                Token::Symbol(text) => text.len(),
            };
        (at, token)
    }

    fn selector(mut self) -> Result<Vec<LabelRequirement>, SelectorError> {
        let mut requirements = Vec::new();
        if self.peek().1 == Token::End {
            return Ok(requirements);
        }
        loop {
            if requirements.len() == MAX_REQUIREMENTS {
                let message = format!("selector has more than {MAX_REQUIREMENTS} requirements");
                return Err(SelectorError::new(self.peek().0, message));
            }
            requirements.push(self.requirement()?);
            match self.next() {
                (_, Token::End) => return Ok(requirements),
                (_, Token::Symbol(",")) => {}
                other => return Err(unexpected(other, "',' or the end of the selector")),
            }
        }
    }

    fn requirement(&mut self) -> Result<LabelRequirement, SelectorError> {
        let negated = self.peek().1 == Token::Symbol("!");
        if negated {
            self.next();
        }
        let key = match self.next() {
            (at, Token::Word(key)) => {
                check_label_key(key).map_err(|e| e.shifted(at))?;
                key
            }
            other if negated => return Err(unexpected(other, "a label key after '!'")),
            other => return Err(unexpected(other, "a label key or '!'")),
        };
        let operator = if negated {
            LabelOperator::DoesNotExist
        } else {
            self.operator()?
        };
        Ok(LabelRequirement {
            key: key.into(),
            operator,
        })
    }

    fn operator(&mut self) -> Result<LabelOperator, SelectorError> {
        if matches!(self.peek().1, Token::End | Token::Symbol(",")) {
            return Ok(LabelOperator::Exists);
        }
        match self.next() {
            (_, Token::Symbol("=" | "==")) => self.value().map(|v| LabelOperator::In(v.into())),
            (_, Token::Symbol("!=")) => self.value().map(|v| LabelOperator::NotIn(v.into())),
            (_, Token::Symbol(">")) => self.bound().map(LabelOperator::GreaterThan),
            (_, Token::Symbol("<")) => self.bound().map(LabelOperator::LessThan),
            (_, Token::Word("in")) => self.set().map(LabelOperator::In),
            (_, Token::Word("notin")) => self.set().map(LabelOperator::NotIn),
            other => Err(unexpected(
                other,
                "'=', '==', '!=', 'in', 'notin', '>', '<', ',' or the end of the selector",
            )),
        }
    }

    /// The one value of `=`, `==` and `!=`.
    fn value(&mut self) -> Result<[Box<str>; 1], SelectorError> {
        match self.peek() {
            (_, Token::End | Token::Symbol(",")) => Ok(["".into()]),
            (at, Token::Word(value)) => {
                self.next();
                check_label_value(value).map_err(|e| e.shifted(at))?;
                Ok([value.into()])
            }
            other => Err(unexpected(other, "a label value")),
        }
    }

    /// The integer of `>` and `<`. It must be a label value too, so it has no sign.
    fn bound(&mut self) -> Result<i64, SelectorError> {
        let at = self.peek().0;
        let [value] = self.value()?;
        value.parse().map_err(|_| {
            let message = format!("found {}; expected a 64-bit integer", echo(&value));
            SelectorError::new(at, message)
        })
    }

    /// The set of `in` and `notin`.
    fn set(&mut self) -> Result<Box<[Box<str>]>, SelectorError> {
        match self.next() {
            (_, Token::Symbol("(")) => {}
            other => return Err(unexpected(other, "'('")),
        }
        let mut values: Vec<Box<str>> = Vec::new();
        loop {
            let (at, token) = self.peek();
            if values.len() == MAX_SET_VALUES {
                let message = format!("set has more than {MAX_SET_VALUES} values");
                return Err(SelectorError::new(at, message));
            }
            let value = if let Token::Word(value) = token {
                self.next();
                check_label_value(value).map_err(|e| e.shifted(at))?;
                value
            } else {
                ""
            };
            values.push(value.into());
            match self.next() {
                (_, Token::Symbol(",")) => {}
                (_, Token::Symbol(")")) => break,
                other => return Err(unexpected(other, "',' or ')'")),
            }
        }
        values.sort();
        values.dedup();
        Ok(values.into())
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn unexpected((at, token): (usize, Token<'_>), expected: &str) -> SelectorError {
    let found = match token {
        Token::End => "the end of the selector".to_owned(),
        Token::Word(text) => echo(text),
        Token::Symbol(text) => format!("'{text}'"),
    };
    SelectorError::new(at, format!("found {found}; expected {expected}"))
}
