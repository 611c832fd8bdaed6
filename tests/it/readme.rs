//! README says what is true: its tables name what exists.

use crate::support::{Process, Sandbox, have};
use std::io::BufRead;
use std::process::{Command, Stdio};

fn readme() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).expect("README.md")
}

#[test]
fn every_command_in_the_table_exists() {
    let text = readme();
    let commands = text.split("## Commands").nth(1).and_then(|rest| rest.split("## ").next()).expect("the section");
    let sandbox = Sandbox::new();
    let rows: Vec<&str> = commands.lines().filter(|line| line.starts_with("| `logweir ")).collect();
    assert!(rows.len() >= 10);
    for row in rows {
        let word = row.trim_start_matches("| `logweir ").split([' ', '`', '|']).next().expect("a word");
        sandbox.run(&[word, "--help"], 0);
    }
}

#[test]
fn every_flag_named_exists() {
    let sandbox = Sandbox::new();
    let mut help = String::new();
    for command in ["demo", "init", "upload", "watch", "status", "discover", "check", "records", "config", "serve"] {
        help.push_str(&sandbox.run(&[command, "--help"], 0).stdout);
    }
    for command in [
        ["block", "fetch"],
        ["block", "render"],
        ["block", "formats"],
        ["block", "publish"],
        ["block", "diff"],
        ["block", "serve"],
        ["catalog", "check"],
        ["catalog", "search"],
        ["report", "categories"],
        ["report", "apps"],
        ["alerts", "list"],
        ["alerts", "close"],
        ["alerts", "export"],
        ["entities", "show"],
        ["subnets", "sync"],
    ] {
        help.push_str(&sandbox.run(&[command[0], command[1], "--help"], 0).stdout);
    }
    let text = readme();
    for flag in text
        .split_whitespace()
        .map(|word| word.trim_matches(['`', ',', '.', ';', ':', '(', ')']))
        .filter(|w| w.starts_with("--") && w.len() > 3)
    {
        // Of cargo, the benches, systemctl and useradd.
        let others = [
            "--release",
            "--path",
            "--bench",
            "--mib",
            "--rounds",
            "--now",
            "--system",
            "--groups",
            "--home-dir",
            "--create-home",
        ];
        assert!(others.contains(&flag) || help.contains(flag), "{flag} is in README but in no help text");
    }
}

#[test]
fn every_environment_variable_is_listed() {
    let text = readme();
    for (name, _) in logweir::config::ENVIRONMENT {
        assert!(text.contains(name), "{name}");
    }
}

#[test]
fn the_table_of_block_list_targets_is_made_from_the_registry() {
    let ran = Sandbox::new().run(&["block", "formats", "--format", "json"], 0);
    let document: serde_json::Value = serde_json::from_str(&ran.stdout).expect("one JSON document");
    let text = readme();
    let rows: Vec<String> = document["appliances"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| {
            let cell = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
            let cells = [cell("kind"), cell("scopes"), cell("limits"), cell("validator"), cell("certainty")];
            format!("| `{}` | {} |\n", cell("appliance"), cells.join(" | "))
        })
        .collect();
    assert_eq!(rows.len(), 50);
    assert!(text.contains(&rows.concat()), "README should have:\n{}", rows.concat());
}

/// Text with what differs from run to run made the same: numbers, times, ids, the directory, the width of columns.
fn alike(text: &str, dir: &str) -> Vec<String> {
    let word = |word: &str| {
        if word.len() >= 16 && word.bytes().all(|c| c.is_ascii_hexdigit()) {
            return "9".to_owned();
        }
        let mut short = String::new();
        for c in word.chars() {
            let c = if c.is_ascii_digit() { '9' } else { c };
            if c != '9' || !short.ends_with('9') {
                short.push(c);
            }
        }
        short
    };
    let line = |line: &str| line.split_whitespace().map(word).collect::<Vec<_>>().join(" ");
    text.replace(dir, "").lines().map(line).filter(|line| !line.is_empty()).collect()
}

#[test]
fn the_session_at_the_top_is_what_the_tool_says_today() {
    let text = readme();
    let session = text.split("```console\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a session");
    let (command, shown) = session.split_once('\n').expect("a command and what it said");
    let words: Vec<&str> = command.strip_prefix("$ logweir ").expect("a command").split(' ').collect();
    let sandbox = Sandbox::new();
    let ran = sandbox.run(&words, 0);
    let dir = format!("{}/", std::fs::canonicalize(sandbox.path("")).expect("the directory").display());
    let said = alike(&(ran.stdout + &ran.stderr), &dir);
    for line in alike(shown, &dir) {
        assert!(said.contains(&line), "README shows what is not said today: {line}\n{}", said.join("\n"));
    }
}

/// What README shows of publishing, going back and serving, with its own configuration: the verdict comes from a file
/// in place of the service, the list goes into the sandbox, and the hook is one that is everywhere.
#[test]
fn the_session_of_block_lists_is_what_the_tool_says_today() {
    if !have("squid") || !have("curl") {
        return;
    }
    let text = readme();
    let section = text.split("### Publishing").nth(1).expect("the section");
    let inside = |from: &str, start: &str| -> String {
        from.split(start).nth(1).and_then(|rest| rest.split("```").next()).expect("a block").to_owned()
    };
    let config = inside(section, "```toml\n").replace("/etc/squid/", "");
    let hook = config.lines().find(|line| line.starts_with("after = ")).expect("a hook");
    let sandbox = Sandbox::new();
    sandbox.write("logweir.toml", &(config.replace(hook, "after = [\"true\"]") + "sources = [\"verdict.csv\"]\n"));
    let verdicts = [
        "a.example,Example Share,no contract\nb.example,Cloud Notes,no contract\nc.example,Example Chat,\n",
        "b.example,Cloud Notes,no contract\n",
    ];
    let dir = format!("{}/", std::fs::canonicalize(sandbox.path("")).expect("the directory").display());
    let holds = |command: &str, shown: &str, said: &str| {
        let said = alike(said, &dir);
        for line in alike(&shown.replace("service", "verdict.csv"), &dir) {
            // These differ with every run.
            let same = |said: &String| match line.split_once(' ') {
                Some((name @ ("etag:" | "last-modified:" | "date:"), _)) => said.starts_with(name),
                _ => *said == line,
            };
            assert!(said.iter().any(same), "{command}: {line} is not said today\n{}", said.join("\n"));
        }
    };
    let steps = |session: &str| -> Vec<(String, String)> {
        let steps = session.split("$ ").skip(1).map(|step| step.split_once('\n').expect("a command"));
        steps.map(|(command, shown)| (command.to_owned(), shown.to_owned())).collect()
    };
    let publishing = steps(&inside(section, "```console\n"));
    for (command, shown) in &publishing {
        let lost = command.contains("lost two");
        if lost || !sandbox.path("verdict.csv").exists() {
            let rows = verdicts[usize::from(lost)];
            sandbox.write("verdict.csv", &format!("domain,app,reason\n{rows}"));
        }
        let words = command.split('#').next().expect("a command").trim().strip_prefix("logweir ").expect("our command");
        let words: Vec<&str> = words.split(' ').chain(["--config", "logweir.toml"]).collect();
        let ran = sandbox.run(&words, if shown.starts_with("error") { 3 } else { 0 });
        holds(command, shown, &(ran.stdout + &ran.stderr));
    }
    assert_eq!(publishing.len(), 8);
    let serving = section.split("### Serving lists").nth(1).expect("the section");
    let [(_, listening), (_, answer)] = &*steps(&inside(serving, "```console\n")) else { panic!("two steps") };
    let mut command = sandbox.command(&["--config", "logweir.toml", "block", "serve", "--listen", "127.0.0.1:0"]);
    let mut server = Process::of(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()));
    let mut line = String::new();
    std::io::BufReader::new(server.stdout.take().expect("a pipe")).read_line(&mut line).expect("the address");
    holds("serve", listening, &line);
    let url = format!("{}/proxy", line.trim().rsplit(' ').next().expect("an address"));
    let output = Command::new("curl").args(["-si", "--noproxy", "*", &url]).output().expect("curl starts");
    holds("curl", answer, &String::from_utf8_lossy(&output.stdout));
}
