//! The token that a client shows with its calls.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::Interceptor,
};

/// A token, or the file that holds it.
///
/// A file is read anew for each call and each stream, so tokens that are replaced before they
/// expire, as the kubelet does with projected ones, need no further care.
#[derive(Clone, PartialEq, Eq)]
pub struct Bearer(Source);

#[derive(Clone, PartialEq, Eq)]
enum Source {
    Token(MetadataValue<Ascii>),
    File(Arc<Path>),
}

/// No token can be shown.
#[derive(Debug, thiserror::Error)]
pub enum BearerError {
    /// The file can't be read.
    #[error("the token file {} can't be read: {cause}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// What was given is none. It is not repeated here.
    #[error("what is given as a token is none; it must be one line of visible characters")]
    Malformed,
}

impl Bearer {
    /// Shows this token.
    ///
    /// # Errors
    /// [`BearerError::Malformed`].
    pub fn token(token: &str) -> Result<Self, BearerError> {
        Ok(Self(Source::Token(header(token)?)))
    }

    /// Shows what is in this file, at each call.
    pub fn file(path: impl AsRef<Path>) -> Self {
        Self(Source::File(path.as_ref().into()))
    }

    /// The header's value.
    pub(crate) fn value(&self) -> Result<MetadataValue<Ascii>, BearerError> {
        match &self.0 {
            Source::Token(value) => Ok(value.clone()),
            Source::File(path) => {
                let text = std::fs::read_to_string(path);
                let text = text.map_err(|cause| BearerError::Unreadable {
                    path: path.to_path_buf(),
                    cause,
                })?;
                header(&text)
            }
        }
    }
}

fn header(token: &str) -> Result<MetadataValue<Ascii>, BearerError> {
    let token = token.trim();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(BearerError::Malformed);
    }
    let value = format!("Bearer {token}").parse();
    let mut value: MetadataValue<Ascii> = value.map_err(|_| BearerError::Malformed)?;
    // HTTP/2 must not put it into its compression tables, and `Debug` not into logs.
    value.set_sensitive(true);
    Ok(value)
}

/// Shows the token with each call.
#[derive(Debug, Clone)]
pub(crate) struct Show(pub(crate) Option<Bearer>);

impl Interceptor for Show {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(bearer) = &self.0 {
            // Whoever waits may find it there later.
            let value = bearer
                .value()
                .map_err(|e| Status::unavailable(e.to_string()))?;
            request.metadata_mut().insert("authorization", value);
        }
        Ok(request)
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Token(_) => f.write_str("Bearer(..)"),
            Source::File(path) => write!(f, "Bearer({})", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(bearer: &Bearer) -> Result<String, String> {
        let value = bearer.value().map_err(|error| error.to_string())?;
        Ok(value.to_str().expect("text").to_owned())
    }

    #[test]
    fn a_file_is_read_each_time() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("token");
        let bearer = Bearer::file(&path);
        assert!(
            shown(&bearer)
                .expect_err("no file")
                .contains("can't be read")
        );
        std::fs::write(&path, "one\n").expect("writable");
        assert_eq!(shown(&bearer), Ok("Bearer one".to_owned()));
        std::fs::write(&path, "two").expect("writable");
        assert_eq!(shown(&bearer), Ok("Bearer two".to_owned()));
        std::fs::write(&path, "\n").expect("writable");
        assert!(shown(&bearer).is_err());
    }

    #[test]
    fn a_token_is_not_shown_to_people() {
        let bearer = Bearer::token("top-secret").expect("a token");
        assert_eq!(shown(&bearer), Ok("Bearer top-secret".to_owned()));
        let value = bearer.value().expect("a value");
        assert!(!format!("{bearer:?} {value:?}").contains("secret"));
        let error = Bearer::token("top secret\n x").expect_err("two words");
        assert!(!format!("{error:?} {error}").contains("secret"));
    }
}
