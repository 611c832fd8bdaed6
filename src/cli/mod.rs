//! The command line: what can be typed, and one file per command that does it.
//!
//! The clap types only hold what was typed. A command makes checked values from them first and starts work after
//! that, so that a mistake costs nothing.

mod activities;
mod alerts;
mod api;
mod apps;
mod block;
mod catalog;
mod check;
mod completions;
mod config;
mod connect;
mod demo;
mod discover;
mod doctor;
mod entities;
mod export;
mod files;
mod formats;
mod help;
mod init;
mod inputs;
mod listing;
mod login;
mod records;
mod report;
mod runtime;
mod serve;
mod shipping;
mod status;
mod subnets;
mod upload;
mod watch;

use crate::config::{Config, Env};
use crate::error::{Kind, Result};
use crate::logs::custom::Layouts;
use crate::ui::{Color, Format, Ui};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use runtime::{block_on, interrupted, runtime, until_stopped};
use std::ffi::OsString;
use std::path::PathBuf;

/// Ship firewall and proxy logs to Microsoft Defender for Cloud Apps, prove what arrived, and make block lists
#[derive(Debug, Parser)]
#[command(name = "logweir", version, max_term_width = 120, disable_help_subcommand = true)]
struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Flags that every command takes.
#[derive(Debug, Clone, Args)]
struct Global {
    /// Configuration (default /etc/logweir/logweir.toml)
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Ledger and spool (default /var/lib/logweir)
    #[arg(long, global = true, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Write results as text, json or csv
    #[arg(long, global = true, value_enum, default_value_t, value_name = "SHAPE", hide_possible_values = true)]
    format: Format,
    /// Say nothing but results, warnings and errors
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Log more; repeatable
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Write log lines as text or json
    #[arg(long, global = true, value_enum, default_value_t, value_name = "SHAPE", hide_possible_values = true)]
    log_format: LogFormat,
    /// Colour: auto, always or never
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN", hide_possible_values = true)]
    color: Color,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum LogFormat {
    #[default]
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Demo),
    Discover(discover::Discover),
    Check(check::Check),
    Records(records::Records),
    Formats(formats::Formats),
    Init(init::Init),
    Upload(upload::Upload),
    Watch(watch::Watch),
    Status(status::Status),
    Retry(status::Retry),
    Forget(status::Forget),
    Report(report::Report),
    Block(block::Block),
    Catalog(catalog::CatalogCommand),
    Alerts(alerts::Alerts),
    Activities(activities::Activities),
    Entities(entities::Entities),
    Subnets(subnets::Subnets),
    Files(files::Files),
    Api(api::Api),
    Login(login::Login),
    Logout(login::Logout),
    Whoami(login::Whoami),
    Config(config::Config),
    Doctor(doctor::Doctor),
    Serve(serve::Serve),
    Completions(completions::Completions),
    Man(completions::Man),
}

/// What a command works with: the environment, the global flags, the way out.
struct Context<'c> {
    env: &'c Env,
    global: &'c Global,
    ui: Ui,
    /// The embedded services that run in this process, by directory.
    embedded: std::collections::BTreeMap<PathBuf, crate::embedded::Local>,
    /// What reads the layouts of the configuration.
    layouts: Layouts,
}

impl Context<'_> {
    fn config(&self) -> Result<Config> {
        let config = crate::config::load(self.global.config.as_deref(), self.global.state_dir.as_deref(), self.env)?;
        config.layouts.iter().try_for_each(|layout| self.layouts.format(layout).map(|_| ()))?;
        Ok(config)
    }
}

/// Runs the command line `arguments` (the program's name first) and returns the process exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>, env: &Env) -> u8 {
    let parsed = help::grouped(Arguments::command())
        .try_get_matches_from(arguments)
        .and_then(|matches| Arguments::from_arg_matches(&matches));
    let arguments = match parsed {
        Ok(arguments) => arguments,
        Err(error) => {
            // clap writes help to standard output and mistakes to standard error; a closed stream is nobody's loss.
            let _ = error.print();
            return if error.use_stderr() { Kind::Usage.exit_code() } else { 0 };
        }
    };
    let global = arguments.global;
    start_logging(&global);
    let ui = Ui::new(env, global.format, global.color, global.quiet, global.verbose > 0);
    let mut context =
        Context { env, global: &global, ui, embedded: std::collections::BTreeMap::new(), layouts: Layouts::default() };
    match dispatch(&mut context, arguments.command) {
        Ok(()) => 0,
        Err(error) => {
            if error.kind() != Kind::OutputClosed {
                context.ui.error(&error);
            }
            error.kind().exit_code()
        }
    }
}

fn dispatch(context: &mut Context<'_>, command: Command) -> Result<()> {
    match command {
        Command::Demo(command) => command.run(context),
        Command::Discover(command) => command.run(context),
        Command::Check(command) => command.run(context),
        Command::Records(command) => command.run(context),
        Command::Formats(command) => command.run(context),
        Command::Init(command) => command.run(context),
        Command::Upload(command) => command.run(context),
        Command::Watch(command) => command.run(context),
        Command::Status(command) => command.run(context),
        Command::Retry(command) => command.run(context),
        Command::Forget(command) => command.run(context),
        Command::Report(command) => command.run(context),
        Command::Block(command) => command.run(context),
        Command::Catalog(command) => command.run(context),
        Command::Alerts(command) => command.run(context),
        Command::Activities(command) => command.run(context),
        Command::Entities(command) => command.run(context),
        Command::Subnets(command) => command.run(context),
        Command::Files(command) => command.run(context),
        Command::Api(command) => command.run(context),
        Command::Login(command) => command.run(context),
        Command::Logout(command) => command.run(context),
        Command::Whoami(command) => command.run(context),
        Command::Config(command) => command.run(context),
        Command::Doctor(command) => command.run(context),
        Command::Serve(command) => command.run(context),
        Command::Completions(command) => command.run(context),
        Command::Man(command) => command.run(context),
    }
}

fn start_logging(global: &Global) {
    use tracing_subscriber::{EnvFilter, fmt};
    let level = match global.verbose {
        0 if global.quiet => "warn,logweir::waiting=off",
        0 => "warn",
        1 => "logweir=info,warn",
        2 => "logweir=debug,info",
        _ => "logweir=trace,debug",
    };
    let builder = fmt().with_env_filter(EnvFilter::new(level)).with_writer(std::io::stderr).with_ansi(false);
    // A second start in one process keeps the first one's settings.
    let _ = match global.log_format {
        // For a person who asked for nothing, time and module are noise; a service manager adds its own time.
        LogFormat::Text if global.verbose == 0 => builder.without_time().with_target(false).try_init(),
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
}

/// How many threads understand lines.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// One line on standard error, from wherever events are drawn.
fn stderr_line(line: &str) {
    use std::io::Write;
    // Nothing is left to tell the failure to.
    let _ = writeln!(std::io::stderr(), "{line}");
}
