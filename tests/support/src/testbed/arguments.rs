//! The command line, and the text that teaches it.

use thiserror::Error;

/// What `--help` prints.
pub const HELP: &str = r#"A real kube-apiserver with its own etcd on loopback, for tests in any language.

usage: informerd-testbed [--apiserver-flag FLAG]...

  --apiserver-flag FLAG   appended to the apiserver's flags, for example
                          --apiserver-flag=--min-request-timeout=7; may be repeated
  -h, --help              this text

The binaries are those of $KUBEBUILDER_ASSETS, else of `make envtest`.

When the apiserver is ready, one line on stdout says where it is:
  {"kubeconfig":"/…/kubeconfig","url":"https://127.0.0.1:40001",
   "ca_file":"/…/apiserver.crt","apiserver_pid":4711,"directory":"/…"}

Then each line on stdin is a command, answered by one line on stdout, in order:
  {"do":"pid"}               {"done":"pid","apiserver_pid":4711}   null while stopped
  {"do":"stop-apiserver"}    {"done":"stop-apiserver"}   killed, as a crash would
  {"do":"start-apiserver"}   {"done":"start-apiserver","apiserver_pid":4712}   ready again, on the
                             same port and data; a running one is killed first
  {"do":"compact"}           {"done":"compact","revision":231}   older history is forgotten
  anything else              {"error":"…"}

It ends at the end of stdin, on SIGTERM and on SIGINT. Its processes and files are gone then.

exit codes: 0 ended as asked, 1 failed, 2 wrong usage, 3 the binaries are missing
"#;

/// A command line that can't be followed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum WrongUsage {
    #[error("unknown argument {0:?}: see --help")]
    Unknown(String),
    #[error("--apiserver-flag has no value: append one, for example --min-request-timeout=7")]
    NoValue,
}

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arguments {
    Help,
    Serve { apiserver_flags: Vec<String> },
}

impl Arguments {
    /// Reads the arguments that follow the program's name.
    pub(super) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, WrongUsage> {
        let mut apiserver_flags = Vec::new();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            if argument == "--help" || argument == "-h" {
                return Ok(Self::Help);
            }
            let Some(value) = argument.strip_prefix("--apiserver-flag") else {
                return Err(WrongUsage::Unknown(argument));
            };
            let value = match value.strip_prefix('=') {
                Some(value) => Some(value.to_owned()),
                None if value.is_empty() => arguments.next(),
                None => return Err(WrongUsage::Unknown(argument)),
            };
            apiserver_flags.push(value.filter(|v| !v.is_empty()).ok_or(WrongUsage::NoValue)?);
        }
        Ok(Self::Serve { apiserver_flags })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, WrongUsage> {
        Arguments::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn flags_are_kept_in_order_in_both_spellings() {
        let parsed = parse("--apiserver-flag --a=1 --apiserver-flag=--b").expect("valid");
        let apiserver_flags = vec!["--a=1".to_owned(), "--b".to_owned()];
        assert_eq!(parsed, Arguments::Serve { apiserver_flags });
        assert_eq!(parse("--apiserver-flag=--a --help"), Ok(Arguments::Help));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (line, error) in [
            ("--frob", WrongUsage::Unknown("--frob".to_owned())),
            (
                "--apiserver-flags=x",
                WrongUsage::Unknown("--apiserver-flags=x".to_owned()),
            ),
            ("--apiserver-flag", WrongUsage::NoValue),
            ("--apiserver-flag=", WrongUsage::NoValue),
        ] {
            assert_eq!(parse(line), Err(error), "{line}");
        }
    }
}
