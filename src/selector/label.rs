//! Label selectors: what they are, what they match and how they are written.

use std::{fmt, str::FromStr};

use super::SelectorError;
use crate::resource::Labels;

mod parse;
#[cfg(test)]
mod tests;

/// A Kubernetes label selector (k8s.io/apimachinery pkg/labels); all requirements must hold.
///
/// Kept in canonical form: requirements sorted by key, sets sorted, repetitions dropped, one way
/// of writing each operator. Selectors that differ in spelling alone are equal, and [`Display`]
/// writes the same text for them, which parses back to the same selector (if it keeps within the
/// limits: the canonical form of a text close to them can be a few bytes longer).
///
/// [`Display`]: fmt::Display
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct LabelSelector {
    requirements: Box<[LabelRequirement]>,
}

/// One condition on the labels of an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LabelRequirement {
    key: Box<str>,
    operator: LabelOperator,
}

/// What is asked of the label.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LabelOperator {
    /// `key in (a,b)`; also `key=a` and `key==a`. Sorted, without repetitions, not empty.
    In(Box<[Box<str>]>),
    /// `key notin (a,b)`; also `key!=a`. An object without the label matches. As sorted as `In`.
    NotIn(Box<[Box<str>]>),
    /// `key`: the label is there, with any value.
    Exists,
    /// `!key`: the label is not there.
    DoesNotExist,
    /// `key>5`: the label is there and is a larger integer.
    GreaterThan(i64),
    /// `key<5`: the label is there and is a smaller integer.
    LessThan(i64),
}

impl LabelSelector {
    /// Reads a selector. The empty one matches everything.
    ///
    /// # Errors
    /// Says what was expected and where; also if a key or value is not valid, or a limit of
    /// [`MAX_SELECTOR_BYTES`](super::MAX_SELECTOR_BYTES),
    /// [`MAX_REQUIREMENTS`](super::MAX_REQUIREMENTS) or
    /// [`MAX_SET_VALUES`](super::MAX_SET_VALUES) is exceeded.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        parse::parse(text).map(Self::from_requirements)
    }

    fn from_requirements(mut requirements: Vec<LabelRequirement>) -> Self {
        requirements.sort();
        requirements.dedup();
        Self {
            requirements: requirements.into(),
        }
    }

    /// Whether an object with these labels is selected.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.requirements.iter().all(|r| r.matches(labels))
    }

    /// Whether everything is selected.
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    /// The requirements in canonical order.
    pub fn requirements(&self) -> &[LabelRequirement] {
        &self.requirements
    }

    /// The labels that every selected object has, with their one possible value.
    ///
    /// What an index may be anchored on: an object that lacks one of these terms is not selected.
    pub fn equality_terms(&self) -> impl Iterator<Item = (&str, &str)> {
        self.requirements.iter().filter_map(|r| match &r.operator {
            LabelOperator::In(values) => match &**values {
                [value] => Some((&*r.key, &**value)),
                _ => None,
            },
            _ => None,
        })
    }
}

impl LabelRequirement {
    /// The key of the label.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What is asked of it.
    pub fn operator(&self) -> &LabelOperator {
        &self.operator
    }

    /// Whether the condition holds (`Requirement.Matches` upstream).
    pub fn matches(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.key);
        match &self.operator {
            LabelOperator::In(set) => value.is_some_and(|v| contains(set, v)),
            LabelOperator::NotIn(set) => value.is_none_or(|v| !contains(set, v)),
            LabelOperator::Exists => value.is_some(),
            LabelOperator::DoesNotExist => value.is_none(),
            LabelOperator::GreaterThan(bound) => integer(value).is_some_and(|v| v > *bound),
            LabelOperator::LessThan(bound) => integer(value).is_some_and(|v| v < *bound),
        }
    }
}

fn contains(set: &[Box<str>], value: &str) -> bool {
    set.binary_search_by(|v| (**v).cmp(value)).is_ok()
}

fn integer(value: Option<&str>) -> Option<i64> {
    value?.parse().ok()
}

impl FromStr for LabelSelector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        Self::parse(text)
    }
}

impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, requirement) in self.requirements.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            requirement.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for LabelRequirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        match &self.operator {
            LabelOperator::In(set) => match &**set {
                [value] => write!(f, "{key}={value}"),
                set => write!(f, "{key} in ({})", set.join(",")),
            },
            LabelOperator::NotIn(set) => match &**set {
                [value] => write!(f, "{key}!={value}"),
                set => write!(f, "{key} notin ({})", set.join(",")),
            },
            LabelOperator::Exists => f.write_str(key),
            LabelOperator::DoesNotExist => write!(f, "!{key}"),
            LabelOperator::GreaterThan(bound) => write!(f, "{key}>{bound}"),
            LabelOperator::LessThan(bound) => write!(f, "{key}<{bound}"),
        }
    }
}
