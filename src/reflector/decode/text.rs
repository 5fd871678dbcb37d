//! Strings of an object, without a copy where that is possible.

use std::borrow::Cow;

use serde::Deserialize;

/// A string that is borrowed when it holds no escapes.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);
