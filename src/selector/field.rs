//! Field selectors over any path: what they are, what they match and how they are written.

use std::{fmt, str::FromStr};

use super::{FieldPath, SelectorError};
use crate::resource::Object;

mod parse;
#[cfg(test)]
mod tests;

/// A Kubernetes field selector (k8s.io/apimachinery pkg/fields); all requirements must hold.
///
/// The syntax of requirements is upstream's; the fields are any [`FieldPath`] instead of the few
/// that the apiserver knows per resource. Kept in canonical form like a
/// [`LabelSelector`](super::LabelSelector).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct FieldSelector {
    requirements: Box<[FieldRequirement]>,
}

/// One condition on a field of an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldRequirement {
    path: FieldPath,
    operator: FieldOperator,
    value: Box<str>,
}

/// How a field is compared. A field that is absent compares as the empty string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FieldOperator {
    /// `path=value`, `path==value`.
    Equals,
    /// `path!=value`.
    NotEquals,
}

impl FieldSelector {
    /// Reads a selector. The empty one matches everything.
    ///
    /// # Errors
    /// Says what was expected and where; also if a limit of
    /// [`MAX_SELECTOR_BYTES`](super::MAX_SELECTOR_BYTES) or
    /// [`MAX_REQUIREMENTS`](super::MAX_REQUIREMENTS) is exceeded.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let mut requirements = parse::parse(text)?;
        requirements.sort();
        requirements.dedup();
        Ok(Self {
            requirements: requirements.into(),
        })
    }

    /// Whether the object is selected.
    pub fn matches(&self, object: &Object) -> bool {
        self.requirements.iter().all(|r| r.matches(object))
    }

    /// Whether everything is selected.
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    /// The requirements in canonical order.
    pub fn requirements(&self) -> &[FieldRequirement] {
        &self.requirements
    }

    /// The fields whose value is fixed, with that value.
    ///
    /// What an index may be anchored on: an object whose [`FieldPath::value`] differs in one of
    /// them is not selected. The value may be empty, which an absent field has too.
    pub fn equality_terms(&self) -> impl Iterator<Item = (&FieldPath, &str)> {
        self.requirements
            .iter()
            .filter(|r| r.operator == FieldOperator::Equals)
            .map(|r| (&r.path, &*r.value))
    }
}

impl FieldRequirement {
    /// The field.
    pub fn path(&self) -> &FieldPath {
        &self.path
    }

    /// How it is compared.
    pub fn operator(&self) -> FieldOperator {
        self.operator
    }

    /// What it is compared with, without escapes.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether the condition holds.
    pub fn matches(&self, object: &Object) -> bool {
        let equal = self.path.value(object) == *self.value;
        equal == (self.operator == FieldOperator::Equals)
    }
}

impl FromStr for FieldSelector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        Self::parse(text)
    }
}

impl fmt::Display for FieldSelector {
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

impl fmt::Display for FieldRequirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operator = match self.operator {
            FieldOperator::Equals => "=",
            FieldOperator::NotEquals => "!=",
        };
        write!(f, "{}{operator}{}", self.path, parse::escape(&self.value))
    }
}
