//! `logweir --help` on one screen: the commands in groups, a line each; `logweir COMMAND --help` says the rest.

use clap::Command;
use std::fmt::Write;

/// The groups in the order of a first day with the tool. A command that stands in none is shown in the last line.
const GROUPS: &[(&str, &[&str])] = &[
    ("Start", &["demo", "init", "doctor", "config", "serve"]),
    ("Ship", &["upload", "watch", "status", "retry", "forget"]),
    ("Understand", &["check", "records", "formats", "discover", "catalog"]),
    ("Block", &["block"]),
    ("Ask the service", &["report", "alerts", "activities", "entities", "subnets", "files", "api"]),
    ("Sign in", &["login", "logout", "whoami"]),
    ("Shell", &["completions", "man"]),
];

/// The command line with the list of commands written in groups.
pub(super) fn grouped(command: Command) -> Command {
    let known: Vec<String> = command.get_subcommands().map(|known| known.get_name().to_owned()).collect();
    let mut text = String::new();
    let mut line = |title: &str, names: &[&str]| {
        if !names.is_empty() {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {title:<16} {}", names.join(", "));
        }
    };
    for (title, names) in GROUPS {
        let there: Vec<&str> = names.iter().copied().filter(|name| known.iter().any(|known| known == name)).collect();
        line(title, &there);
    }
    let more: Vec<&str> =
        known.iter().map(String::as_str).filter(|name| !GROUPS.iter().any(|(_, names)| names.contains(name))).collect();
    line("More", &more);
    command.help_template(format!(
        "{{about}}\n\n{{usage-heading}} {{usage}}\n\nCommands (logweir COMMAND --help says what each does):\n{text}\nOptions:\n{{options}}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn help_is_one_screen_and_names_every_command() {
        for width in [80, 100, 120] {
            let mut command = grouped(crate::cli::Arguments::command()).term_width(width);
            let text = command.render_help().to_string();
            assert!(text.lines().count() <= 24, "{width}: {}\n{text}", text.lines().count());
            assert!(text.lines().all(|line| line.chars().count() <= width), "{width}:\n{text}");
            for known in command.get_subcommands() {
                assert!(text.contains(known.get_name()), "{}", known.get_name());
            }
        }
    }
}
