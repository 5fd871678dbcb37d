//! The flags of commands that say which token is shown.

use std::path::PathBuf;

use clap::Args;

use super::CliError;
use crate::client::{Bearer, ClientBuilder};

/// The token to show.
#[derive(Debug, Clone, Default, Args)]
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
