//! The `logweir` binary: arguments and environment in, exit code out.

use logweir::config::Env;
use std::io::IsTerminal;
use std::process::ExitCode;

fn main() -> ExitCode {
    let vars =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let env = Env {
        vars: vars.collect(),
        cwd: std::env::current_dir().unwrap_or_default(),
        stdout_terminal: std::io::stdout().is_terminal(),
        stderr_terminal: std::io::stderr().is_terminal(),
        stdin_terminal: std::io::stdin().is_terminal(),
    };
    ExitCode::from(logweir::cli::run(std::env::args_os(), &env))
}
