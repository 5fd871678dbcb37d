//! What is wrong with a selector or a filter, and where.

use thiserror::Error;

/// Longest part of the input that a message repeats, in bytes.
const MAX_ECHO: usize = 128;

/// A selector that can't be understood.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message} (at byte {position})")]
pub struct SelectorError {
    /// Byte offset in the selector, counted from zero; at most its length.
    pub position: usize,
    /// What was found and what was expected; lowercase, without the position.
    pub message: String,
}

impl SelectorError {
    pub(super) fn new(position: usize, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { position, message }
    }

    /// The same fault, seen from a text in which this one begins at `by`.
    pub(super) fn shifted(mut self, by: usize) -> Self {
        self.position += by;
        self
    }
}

/// A filter that can't be accepted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{field}: {message}{}", At(*position))]
pub struct FilterError {
    /// Path of the field in the request, for example `filter.namespaces[2]`.
    pub field: String,
    /// Byte offset in the value of the field, if one place is to blame.
    pub position: Option<usize>,
    /// What was wrong and what to change; lowercase, without the position.
    pub message: String,
}

impl FilterError {
    pub(super) fn of(field: impl Into<String>, error: SelectorError) -> Self {
        Self {
            field: field.into(),
            position: Some(error.position),
            message: error.message,
        }
    }
}

struct At(Option<usize>);

impl std::fmt::Display for At {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(position) => write!(f, " (at byte {position})"),
            None => Ok(()),
        }
    }
}

/// Input as a message may repeat it: quoted, without control characters, at most 128 bytes.
pub(crate) fn echo(input: &str) -> String {
    const END: &str = "...\"";
    let mut out = String::from("\"");
    for c in input.chars() {
        let escaped = c.escape_debug();
        let width: usize = escaped.clone().map(char::len_utf8).sum();
        if out.len() + width + END.len() > MAX_ECHO {
            out.push_str(END);
            return out;
        }
        out.extend(escaped);
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn echoes_are_short_and_escaped() {
        assert_eq!(echo("a\nb\"\u{1b}\0"), r#""a\nb\"\u{1b}\0""#);
        for input in ["x".repeat(1000), "\u{7}".repeat(1000), "함".repeat(1000)] {
            let echo = echo(&input);
            assert!(echo.len() <= MAX_ECHO, "{} bytes", echo.len());
            assert!(echo.ends_with("...\""));
        }
    }

    #[test]
    fn the_position_is_told_only_if_there_is_one() {
        let error = FilterError::of("filter.names[0]", SelectorError::new(3, "bad"));
        assert_eq!(error.to_string(), "filter.names[0]: bad (at byte 3)");
        let error = FilterError {
            position: None,
            ..error
        };
        assert_eq!(error.to_string(), "filter.names[0]: bad");
    }
}
