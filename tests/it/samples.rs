//! The files under `samples/` that administrators copy are checked by the programs that read them.

use crate::support::{Sandbox, have};
use std::path::PathBuf;
use std::process::Command;

fn sample(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("samples").join(name)
}

#[test]
fn the_commented_configurations_are_sound() {
    for name in ["config/logweir.toml", "config/layouts.toml"] {
        let path = sample(name);
        Sandbox::new().run(&["config", "check", "--config", path.to_str().expect("UTF-8")], 0);
    }
}

#[test]
fn the_systemd_units_verify() {
    if !have("systemd-analyze") {
        return;
    }
    let sandbox = Sandbox::new();
    for unit in ["logweir.service", "logweir-upload.service", "logweir-upload.timer"] {
        let text = std::fs::read_to_string(sample("systemd").join(unit)).expect("a unit");
        // The binary is not installed where the unit names it; the one under test stands in.
        sandbox.write(unit, &text.replace("/usr/local/bin/logweir", env!("CARGO_BIN_EXE_logweir")));
    }
    for unit in ["logweir.service", "logweir-upload.timer"] {
        let output = Command::new("systemd-analyze")
            .args(["verify", "--man=no"])
            .arg(sandbox.path(unit))
            .output()
            .expect("systemd-analyze starts");
        let said = String::from_utf8_lossy(&output.stderr);
        let about_ours: Vec<&str> = said.lines().filter(|line| line.contains("logweir")).collect();
        assert!(about_ours.is_empty(), "{unit}: {said}");
    }
}

#[test]
fn the_logrotate_snippet_parses() {
    if !have("logrotate") {
        return;
    }
    let sandbox = Sandbox::new();
    let log = sandbox.write("squid/access.log", "a line\n");
    let text = std::fs::read_to_string(sample("logrotate/squid")).expect("the snippet");
    let text = text
        .replace("/var/log/squid/access.log", log.to_str().expect("UTF-8"))
        .replace("create 0640 proxy adm", "create 0640\n    su root root");
    let snippet = sandbox.write("snippet", &text);
    let output = Command::new("/usr/sbin/logrotate")
        .args(["-d", "-s"])
        .arg(sandbox.path("status"))
        .arg(snippet)
        .output()
        .expect("logrotate starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !said.contains("error:"), "{said}");
}

#[test]
fn the_crontab_line_names_flags_that_exist() {
    let text = std::fs::read_to_string(sample("cron/logweir")).expect("the crontab");
    // Those that wait for a person to want them are checked like the one in force.
    let lines = text.lines().map(|line| line.trim_start_matches("# ")).filter(|line| line.contains("* * *"));
    let lines: Vec<&str> = lines.collect();
    assert_eq!(lines.len(), 3, "{text}");
    for line in lines {
        let fields: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(fields[5], "logweir", "the sixth field of a file in cron.d is the user");
        let at = fields.iter().position(|field| field.ends_with("/bin/logweir")).expect("the command");
        let arguments: Vec<&str> = fields[at + 1..].to_vec();
        // The configuration does not exist here: a usage error about the file, not about the flags.
        let ran = Sandbox::new().run(&arguments, 2);
        assert!(ran.stderr.contains("/etc/logweir/logweir.toml"), "{line}: {}", ran.stderr);
    }
    let active: Vec<&str> = text.lines().filter(|line| line.contains("* * *") && !line.starts_with('#')).collect();
    assert!(
        active.len() == 1 && active[0].contains("upload --quiet"),
        "what a new site has not set up mails every hour"
    );
}
