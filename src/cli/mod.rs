//! The command line: arguments, dispatch, one file per command.
