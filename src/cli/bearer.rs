//! The flags of commands that say which token is shown.

use std::{env, ffi::OsString, fmt, path::PathBuf};

use clap::Args;

use super::CliError;
use crate::client::{Bearer, ClientBuilder};

const TOKEN: &str = "INFORMERD_TOKEN";
const TOKEN_FILE: &str = "INFORMERD_TOKEN_FILE";

/// The token to show. What the environment names counts only without a flag, which the parser's
/// own variables don't do for two flags that exclude each other.
#[derive(Clone, Default, Args)]
pub struct BearerArgs {
    /// Token to show; other users of this machine can see it: --token-file is better
    /// [env: INFORMERD_TOKEN]
    #[arg(long, conflicts_with = "token_file", value_name = "TOKEN")]
    pub token: Option<String>,

    /// File with the token to show, read anew for each call [env: INFORMERD_TOKEN_FILE]
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

/// Where a token comes from.
#[cfg_attr(test, derive(Debug, PartialEq, Eq))]
enum Source {
    Token(String),
    File(PathBuf),
}

impl BearerArgs {
    pub(super) fn apply(&self, builder: ClientBuilder) -> Result<ClientBuilder, CliError> {
        let bearer = match self.source(|name| env::var_os(name))? {
            Some(Source::Token(token)) => {
                Bearer::token(&token).map_err(|e| CliError::Usage(e.to_string()))?
            }
            Some(Source::File(file)) => Bearer::file(file),
            None => return Ok(builder),
        };
        Ok(builder.bearer(bearer))
    }

    fn source(&self, env: impl Fn(&str) -> Option<OsString>) -> Result<Option<Source>, CliError> {
        let flag = |flags: &Self| {
            let token = flags.token.clone().map(Source::Token);
            token.or_else(|| flags.token_file.clone().map(Source::File))
        };
        if let Some(source) = flag(self) {
            return Ok(Some(source));
        }
        // Empty is unset, as for most programs.
        let set = |name| env(name).filter(|value| !value.is_empty());
        match (set(TOKEN), set(TOKEN_FILE)) {
            (None, None) => Ok(None),
            (None, Some(file)) => Ok(Some(Source::File(file.into()))),
            (Some(token), None) => match token.into_string() {
                Ok(token) => Ok(Some(Source::Token(token))),
                Err(_) => Err(CliError::Usage(format!("{TOKEN} is no text"))),
            },
            (Some(_), Some(_)) => Err(CliError::Usage(format!(
                "{TOKEN} and {TOKEN_FILE} are both set: unset one, or give a flag"
            ))),
        }
    }
}

/// Without the token.
impl fmt::Debug for BearerArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BearerArgs")
            .field("token", &self.token.as_ref().map(|_| ".."))
            .field("token_file", &self.token_file)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_beats_the_environment() {
        let token = |text: &str| Some(Source::Token(text.to_owned()));
        let file = |path: &str| Some(Source::File(path.into()));
        // Flags, then variables: each a token and a file.
        let rows = [
            ([None, None], [None, None], Some(None)),
            ([None, Some("f")], [Some("e"), None], Some(file("f"))),
            ([None, Some("f")], [Some("e"), Some("g")], Some(file("f"))),
            ([Some("t"), None], [None, Some("g")], Some(token("t"))),
            ([None, None], [Some("e"), None], Some(token("e"))),
            ([None, None], [Some(""), Some("g")], Some(file("g"))),
            ([None, None], [Some("e"), Some("g")], None),
        ];
        for (flags, set, expected) in rows {
            let given = BearerArgs {
                token: flags[0].map(str::to_owned),
                token_file: flags[1].map(PathBuf::from),
            };
            let env = |name: &str| set[usize::from(name == TOKEN_FILE)].map(OsString::from);
            assert_eq!(given.source(env).ok(), expected, "{flags:?} {set:?}");
        }
    }

    #[test]
    fn shows_no_token() {
        let args = BearerArgs {
            token: Some("secret-token".to_owned()),
            token_file: None,
        };
        let shown = format!("{args:?}");
        assert!(!shown.contains("secret"), "{shown}");
    }
}
