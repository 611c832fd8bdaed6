//! The first minutes with the tool: `demo` and `init`, as a newcomer runs them.

use crate::support::{Process, Sandbox, have, wait_for};
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[test]
fn the_demo_does_the_whole_main_job_from_any_directory() {
    let sandbox = Sandbox::new();
    let dir = sandbox.path("demo");
    let started = Instant::now();
    let output = sandbox.command(&["demo", "--dir"]).arg(&dir).current_dir("/").output().expect("it starts");
    assert!(started.elapsed() < Duration::from_secs(60));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    for part in ["confirmed  hq-squid", "Global View", "SAASDB_CATEGORY_CLOUD_STORAGE", "Try next"] {
        assert!(out.contains(part), "{part}: {out}");
    }
    assert!(err.contains("finalised  shipment 2"), "{err}");
    assert!(!out.contains('\x1b') && !err.contains('\x1b'), "no colours and no bars where nobody looks");
    let scripts = std::fs::read_dir(dir.join("block")).expect("the scripts");
    let sizes: Vec<u64> = scripts.map(|entry| entry.expect("a file").metadata().expect("its size").len()).collect();
    assert!(sizes.len() == 7 && sizes.iter().all(|size| *size > 100), "{sizes:?}");
    // Every file that it lists is there, and what to try next works.
    let listed: Vec<&str> =
        out.lines().map(str::trim).filter(|line| line.starts_with(&*dir.to_string_lossy())).collect();
    assert!(listed.len() > 12 && listed.iter().all(|file| std::path::Path::new(file).is_file()), "{listed:?}");
    let config = dir.join("logweir.toml");
    let config = config.to_str().expect("UTF-8");
    let state = dir.join("state");
    let status = ["status", "--config", config, "--state-dir", state.to_str().expect("UTF-8")];
    assert!(sandbox.run(&status, 0).stdout.contains("are not known: no answer"));
    let serve = out.lines().find(|line| line.contains("logweir serve --dir")).expect("the line");
    let words: Vec<&str> = serve.split_whitespace().skip(1).take_while(|word| *word != "&").collect();
    let _service = sandbox.start(&words);
    wait_for("the service", || {
        let ran = sandbox.command(&status).output().expect("it starts");
        String::from_utf8_lossy(&ran.stdout).contains("the counters of the service of tenant default:")
    });
    let again = sandbox.run(&["demo", "--dir", dir.to_str().expect("UTF-8")], 2);
    assert!(again.stderr.contains("is not empty") && again.stderr.contains("--dir DIR"), "{}", again.stderr);
}

#[test]
fn the_demo_ends_when_it_is_interrupted() {
    let sandbox = Sandbox::new();
    let mut demo = Process::of(sandbox.command(&["demo", "--dir", "demo"]).stdout(Stdio::null()).stderr(Stdio::null()));
    wait_for("the start", || sandbox.path("demo/logweir.toml").exists());
    demo.signal("-INT");
    assert_eq!(demo.ends_within(Duration::from_secs(10)).code(), Some(130));
}

/// Runs a command on a terminal with these lines typed, and returns what was shown.
fn on_a_terminal(sandbox: &Sandbox, command: &str, typed: &str) -> Option<String> {
    if !have("script") {
        return None;
    }
    let line = format!("{} {command}", env!("CARGO_BIN_EXE_logweir"));
    let mut terminal = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .current_dir(sandbox.path(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script starts");
    terminal.stdin.take().expect("a pipe").write_all(typed.as_bytes()).expect("it listens");
    let output = terminal.wait_with_output().expect("it ends");
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn init_asks_on_a_terminal_and_asks_again_for_what_cannot_be() {
    let sandbox = Sandbox::new();
    let typed = "https://portal.example\nhttps://contoso.us1.portal.cloudappsecurity.us\nmy tenant\ncontoso.example\n\
                 11111111-2222-3333-4444-555555555555\n\nPALO_ALT\n/var/log/pan/*.csv\nBranch\n";
    let Some(shown) = on_a_terminal(&sandbox, "init --units units", typed) else { return };
    for part in ["is not under", "is no id", "did you mean PALO_ALTO?", "Discovery.manage", "systemctl enable"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let text = std::fs::read_to_string(sandbox.path("logweir.toml")).expect("the configuration");
    for line in ["cloud = \"gcc-high\"", "tenant_id = \"contoso.example\"", "paths = [\"/var/log/pan/*.csv\"]"] {
        assert!(text.contains(line), "{line}: {text}");
    }
    sandbox.run(&["config", "check", "--config", "logweir.toml"], 0);
    let unit = std::fs::read_to_string(sandbox.path("units/logweir.service")).expect("the unit");
    let config = sandbox.path("logweir.toml");
    assert!(unit.contains(&format!("--config {}", config.display())), "{unit}");
    assert!(!unit.contains("/etc/logweir/logweir.toml"));
}

#[test]
fn init_takes_flags_and_refuses_what_cannot_be_before_it_writes() {
    let sandbox = Sandbox::new();
    let rows: [(&[&str], &str); 4] = [
        (&["--url", "https://portal.example"], "is not under portal.cloudappsecurity.com"),
        (&["--tenant-id", "my tenant"], "is no id"),
        (&["--log-type", "squid native"], "--log-type"),
        (&["--paths", "/var/log/[x"], "unclosed"),
    ];
    for (flags, said) in rows {
        let ran = sandbox.run(&[&["init"], flags].concat(), 2);
        assert!(ran.stderr.contains(said), "{flags:?}: {}", ran.stderr);
        assert!(!sandbox.path("logweir.toml").exists(), "{flags:?}");
    }
    for (name, flags) in [
        ("offline", &["--url", "embedded"][..]),
        ("here", &["--url", "http://127.0.0.1:8443"]),
        ("certificate", &["--certificate-file", "/etc/logweir/application.pem", "--data-source", "Bränch \"1\""]),
    ] {
        let file = format!("{name}.toml");
        let said = sandbox.run(&[&["init", "-o", &file], flags].concat(), 0).stdout;
        assert_eq!(said.contains("No application is needed"), name == "offline", "{said}");
        sandbox.run(&["config", "check", "--config", &file], 0);
    }
}
