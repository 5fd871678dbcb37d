//! The grammar of field selectors (k8s.io/apimachinery pkg/fields, `ParseSelector`).
//!
//! ```text
//! selector    = [ requirement ] { "," [ requirement ] }
//! requirement = PATH ( "=" | "==" | "!=" ) VALUE
//! ```
//!
//! As upstream, empty requirements are skipped, spaces belong to the value, and in a value `\`,
//! `,` and `=` stand only behind a `\`.

use super::{FieldOperator, FieldRequirement};
use crate::selector::{
    FieldPath, MAX_REQUIREMENTS, MAX_SELECTOR_BYTES, SelectorError, error::echo,
    syntax::check_length,
};

/// Longer ones first.
const OPERATORS: [(&str, FieldOperator); 3] = [
    ("!=", FieldOperator::NotEquals),
    ("==", FieldOperator::Equals),
    ("=", FieldOperator::Equals),
];

pub(super) fn parse(text: &str) -> Result<Vec<FieldRequirement>, SelectorError> {
    check_length(text, MAX_SELECTOR_BYTES, "selector")?;
    let mut requirements = Vec::new();
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with(',') {
            at += 1;
            continue;
        }
        if requirements.len() == MAX_REQUIREMENTS {
            let message = format!("selector has more than {MAX_REQUIREMENTS} requirements");
            return Err(SelectorError::new(at, message));
        }
        let (requirement, end) = requirement(text, at)?;
        requirements.push(requirement);
        at = end;
    }
    Ok(requirements)
}

/// The requirement that begins at `start`, and where it ends: at a comma or at the end.
fn requirement(text: &str, start: usize) -> Result<(FieldRequirement, usize), SelectorError> {
    let (path, after) = FieldPath::parse_prefix(text, start)?;
    let rest = &text[after..];
    let Some((sign, operator)) = OPERATORS.into_iter().find(|(o, _)| rest.starts_with(o)) else {
        return Err(no_operator(rest).shifted(after));
    };
    let from = after + sign.len();
    let (value, length) = value(&text[from..]).map_err(|e| e.shifted(from))?;
    let requirement = FieldRequirement {
        path,
        operator,
        value: value.into(),
    };
    Ok((requirement, from + length))
}

/// The value without its escapes, and its length with them.
fn value(rest: &str) -> Result<(String, usize), SelectorError> {
    let mut value = String::new();
    let mut chars = rest.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            ',' => return Ok((value, at)),
            '=' => {
                let message = r"found '=' in a value; write it as '\='";
                return Err(SelectorError::new(at, message));
            }
            '\\' => match chars.next() {
                Some((_, escaped @ ('\\' | ',' | '='))) => value.push(escaped),
                _ => {
                    let message = r"in a value '\' may stand before '\', ',' and '=' only";
                    return Err(SelectorError::new(at, message));
                }
            },
            c => value.push(c),
        }
    }
    Ok((value, rest.len()))
}

/// What to say if a path is not followed by an operator.
fn no_operator(rest: &str) -> SelectorError {
    let expected = "expected '=', '==' or '!='";
    let message = match rest.chars().next() {
        None => format!("found the end of the selector; {expected}"),
        Some(c) if c == ',' || c.is_whitespace() || matches!(c, '<' | '>' | '!' | '(') => {
            format!(
                "found {}; {expected}, the only operators of field selectors",
                echo(rest)
            )
        }
        Some(_) => format!(
            "found {}; {expected}, or '.' or '[' (put keys with other characters into ['...'])",
            echo(rest)
        ),
    };
    SelectorError::new(0, message)
}

/// A value as it is written in a selector.
pub(super) fn escape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        if matches!(c, '\\' | ',' | '=') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
