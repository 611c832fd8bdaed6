//! The one error a person reads: what failed, why, and what to do.
//!
//! Modules below the edge have small enums of their own; they become an [`Error`] where the sentence for a person is
//! written. [`Kind`] decides the exit code, in one `match`.

use std::fmt;

/// A `Result` whose error is meant for a person.
pub type Result<T> = std::result::Result<T, Error>;

/// What sort of end an error is; decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The work could not be done.
    Failed,
    /// The command line or the configuration is wrong; nothing was tried.
    Usage,
    /// The work finished, but something was left out and was listed.
    Partial,
    /// The service or the token endpoint refused the credentials.
    Credentials,
    /// Another logweir has in hand what a person wants to change.
    Locked,
    /// A person or the service manager asked to stop.
    Interrupted,
    /// The reader of our standard output went away: a quiet, successful end.
    OutputClosed,
}

impl Kind {
    /// The process exit code of this kind; the table stands in README.
    pub fn exit_code(self) -> u8 {
        match self {
            Kind::OutputClosed => 0,
            Kind::Failed => 1,
            Kind::Usage => 2,
            Kind::Partial => 3,
            Kind::Credentials => 4,
            Kind::Locked => 5,
            Kind::Interrupted => 130,
        }
    }
}

/// An error in the three lines a person needs: what failed, the cause, a hint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    kind: Kind,
    what: String,
    cause: Option<String>,
    hint: Option<String>,
}

impl Error {
    /// Starts an error: `what` is a clause such as "cannot read /var/log/x".
    pub fn new(kind: Kind, what: impl Into<String>) -> Error {
        Error { kind, what: what.into(), cause: None, hint: None }
    }

    /// An error of kind [`Kind::Failed`].
    pub fn failed(what: impl Into<String>) -> Error {
        Error::new(Kind::Failed, what)
    }

    /// An error of kind [`Kind::Usage`].
    pub fn usage(what: impl Into<String>) -> Error {
        Error::new(Kind::Usage, what)
    }

    /// Adds the cause: one sentence, without a newline.
    #[must_use]
    pub fn cause(mut self, cause: impl fmt::Display) -> Error {
        self.cause = Some(cause.to_string());
        self
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Error {
        self.hint = Some(hint.into());
        self
    }

    /// The kind, which decides the exit code.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What failed.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// Why, where known.
    pub fn cause_text(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// What to do, where known.
    pub fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The error in one line, for the ledger and for log lines.
    pub fn one_line(&self) -> String {
        match &self.cause {
            Some(cause) => format!("{}: {cause}", self.what),
            None => self.what.clone(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.what)?;
        if let Some(cause) = &self.cause {
            write!(f, "\ncause: {cause}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renders_what_cause_and_hint_on_a_line_each() {
        let error = Error::failed("cannot read x").cause("permission denied").hint("run as the log user");
        assert_eq!(error.to_string(), "error: cannot read x\ncause: permission denied\nhint: run as the log user");
        assert_eq!(error.one_line(), "cannot read x: permission denied");
    }

    #[test]
    fn exit_codes_are_those_of_the_table_in_readme() {
        let table = [
            (Kind::OutputClosed, 0),
            (Kind::Failed, 1),
            (Kind::Usage, 2),
            (Kind::Partial, 3),
            (Kind::Credentials, 4),
            (Kind::Locked, 5),
            (Kind::Interrupted, 130),
        ];
        for (kind, code) in table {
            assert_eq!(kind.exit_code(), code, "{kind:?}");
        }
    }
}
