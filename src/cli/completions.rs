//! `logweir completions SHELL` and `logweir man`: generated from the same definition as the help.

use super::{Arguments, Context};
use crate::error::{Error, Result};
use clap::{Args, CommandFactory};

/// Print a completion script
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    shell: clap_complete::Shell,
}

impl Completions {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<()> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), "logweir", &mut script);
        context.ui.bytes(&script)
    }
}

/// Print the manual page
#[derive(Debug, Args)]
pub struct Man {}

impl Man {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<()> {
        let mut page = Vec::new();
        let mut command = Arguments::command();
        command.build();
        let mut render = |command: &clap::Command| {
            clap_mangen::Man::new(command.clone())
                .render(&mut page)
                .map_err(|error| Error::failed("cannot write the manual page").cause(error))
        };
        render(&command)?;
        context.ui.bytes(&page)
    }
}
