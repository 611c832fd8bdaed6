//! End dates of entries: the publication of that day drops them, by hand as by the watcher, whose `every` may be long.

use crate::support::{Process, Ran, Sandbox, have, wait_for};
use std::process::{Command, Stdio};
use std::time::Duration;

const DAY_BEFORE: &str = "@2026-12-30 12:00:00";

/// A list of which most entries end on the last day of 2026; a program's clock is set before it starts.
struct Dated {
    sandbox: Sandbox,
    library: String,
}

impl Dated {
    fn new(more: &str) -> Option<Dated> {
        if !have("faketime") {
            return None;
        }
        let output = Command::new("faketime").args(["-f", "+0", "printenv", "LD_PRELOAD"]).output().expect("it starts");
        let library = String::from_utf8(output.stdout).expect("text").trim().to_owned();
        let dated = Dated { sandbox: Sandbox::new(), library };
        dated.sandbox.write(
            "logweir.toml",
            &format!(
                "[[block]]\nname = \"own\"\nappliance = \"plain_domains\"\noutput = \"list.txt\"\nsources = [\"own.csv\"]\n\
                 date = false\n{more}\n"
            ),
        );
        let ends = (0..30).map(|n| format!("n{n:02}.example,Trial,2026-12-31\n")).collect::<String>();
        let stays = (0..5).map(|n| format!("s{n}.example,Share,\n")).collect::<String>();
        dated.sandbox.write("own.csv", &format!("domain,app,until\n{ends}{stays}"));
        Some(dated)
    }

    fn command(&self, clock: &str, arguments: &[&str]) -> Command {
        let mut command = self.sandbox.command(&[&["--config", "logweir.toml"], arguments].concat());
        command.env("LD_PRELOAD", &self.library).env("FAKETIME", clock).env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        command.env("TZ", "UTC");
        command
    }

    #[track_caller]
    fn run(&self, clock: &str, arguments: &[&str]) -> Ran {
        let ran = Ran::from(self.command(clock, arguments).output().expect("it starts"));
        assert_eq!(ran.code, Some(0), "{arguments:?}: {}{}", ran.stdout, ran.stderr);
        ran
    }

    fn names(&self) -> usize {
        let text = std::fs::read_to_string(self.sandbox.path("list.txt")).expect("the list");
        text.lines().filter(|line| !line.starts_with('#')).count()
    }
}

#[test]
fn an_entry_is_dropped_by_the_publication_of_its_end_date_which_no_limit_holds() {
    let Some(dated) = Dated::new("") else { return };
    dated.run(DAY_BEFORE, &["block", "publish"]);
    assert_eq!(dated.names(), 35);
    let explained = dated.run(DAY_BEFORE, &["block", "explain", "www.n07.example"]);
    assert!(explained.stdout.contains("2026-12-31"), "{}", explained.stdout);
    assert!(dated.run(DAY_BEFORE, &["block", "diff"]).stderr.contains("no difference"));
    let day = "@2026-12-31 00:00:30";
    let diff = dated.run(day, &["block", "diff"]);
    let rows = diff.stdout.lines().filter(|line| line.starts_with('-') && line.ends_with("2026-12-31")).count();
    assert_eq!(rows, 30, "{}", diff.stdout);
    assert!(diff.stderr.contains("apps removed: Trial"), "{}", diff.stderr);
    // Thirty of thirty-five are far more than max_change, but they were meant to go.
    let said = dated.run(day, &["block", "publish"]).stderr;
    assert!(said.contains("their end date came: n00.example") && said.contains("and 25 more"), "{said}");
    assert_eq!(dated.names(), 5);
    let history = dated.run(day, &["block", "history"]).stdout;
    assert!(history.contains("their end date came"), "{history}");
}

#[test]
fn the_watcher_publishes_when_entries_end_however_long_its_interval_is() {
    let Some(dated) = Dated::new("every = \"30d\"") else { return };
    dated.run(DAY_BEFORE, &["block", "publish"]);
    // Before midnight it waits for it; after midnight it is late.
    for clock in ["@2026-12-30 23:59:57", "@2026-12-31 09:00:00"] {
        assert_eq!(dated.names(), 35);
        let mut command = dated.command(clock, &["watch"]);
        let mut watch = Process::of(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()));
        wait_for("the publication of the day", || dated.names() == 5);
        watch.signal("-TERM");
        assert!(watch.ends_within(Duration::from_secs(60)).success());
        std::fs::remove_dir_all(dated.sandbox.path("state")).expect("the memory");
        std::fs::remove_file(dated.sandbox.path("list.txt")).expect("the list");
        dated.run(DAY_BEFORE, &["block", "publish"]);
    }
}
