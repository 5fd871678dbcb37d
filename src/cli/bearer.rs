//! The flags of commands that say which token is shown.

use std::{fmt, path::PathBuf};

use clap::Args;

use super::CliError;
use crate::client::{Bearer, ClientBuilder};

/// The token to show.
#[derive(Clone, Default, Args)]
pub struct BearerArgs {
    /// Token to show; other users of this machine can see it: --token-file is better
    #[arg(
        long,
        env = "INFORMERD_TOKEN",
        hide_env_values = true,
        conflicts_with = "token_file",
        value_name = "TOKEN"
    )]
    pub token: Option<String>,

    /// File with the token to show, read anew for each call
    #[arg(long, env = "INFORMERD_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

impl BearerArgs {
    pub(super) fn apply(&self, builder: ClientBuilder) -> Result<ClientBuilder, CliError> {
        let bearer = match (&self.token, &self.token_file) {
            (Some(token), _) => Bearer::token(token).map_err(|e| CliError::Usage(e.to_string()))?,
            (None, Some(file)) => Bearer::file(file),
            (None, None) => return Ok(builder),
        };
        Ok(builder.bearer(bearer))
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
    fn shows_no_token() {
        let args = BearerArgs {
            token: Some("secret-token".to_owned()),
            token_file: None,
        };
        let shown = format!("{args:?}");
        assert!(!shown.contains("secret"), "{shown}");
    }
}
