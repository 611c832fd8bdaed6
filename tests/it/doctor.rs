//! `doctor` with each precondition broken: it says which, and what to do.

use crate::support::site::{Site, serve};
use crate::support::{Sandbox, root};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// How `doctor` is run, and what it should say about one precondition.
struct Row {
    what: &'static str,
    /// Arguments for the service.
    service: &'static [&'static str],
    /// A script of faults.
    faults: &'static str,
    breaks: fn(&Site),
    /// Variables set for the run.
    env: &'static [(&'static str, &'static str)],
    code: i32,
    precondition: &'static str,
    found: &'static str,
    remedy: &'static str,
}

const GOOD: Row = Row {
    what: "everything is well",
    service: &[],
    faults: "",
    breaks: |_| {},
    env: &[],
    code: 0,
    precondition: "tenant default: clock",
    found: "within 1 s",
    remedy: "",
};

/// Replaces text of the configuration.
fn edit(site: &Site, from: &str, to: &str) {
    let path = site.sandbox.path("logweir.toml");
    let text = std::fs::read_to_string(&path).expect("the configuration");
    assert!(text.contains(from), "{from}: {text}");
    std::fs::write(path, text.replacen(from, to, 1)).expect("the configuration");
}

fn mode(path: &Path, bits: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(bits)).expect("a mode");
}

const ROWS: &[Row] = &[
    GOOD,
    Row {
        what: "no configuration",
        breaks: |site| std::fs::remove_file(site.sandbox.path("logweir.toml")).expect("the file"),
        code: 2,
        precondition: "configuration",
        found: "cannot read the configuration",
        remedy: "logweir init",
        ..GOOD
    },
    Row {
        what: "a key that does not exist",
        breaks: |site| edit(site, "settle =", "setle ="),
        code: 2,
        precondition: "configuration",
        found: "unknown field `setle`",
        remedy: "`settle`",
        ..GOOD
    },
    Row {
        what: "no secret",
        breaks: |site| std::fs::remove_file(site.sandbox.path("logweir-service/test.secret")).expect("the file"),
        code: 4,
        precondition: "tenant default: secret",
        found: "cannot read the secret file",
        remedy: "readable by the user logweir runs as",
        ..GOOD
    },
    Row {
        what: "a secret that others can read",
        breaks: |site| mode(&site.sandbox.path("logweir-service/test.secret"), 0o644),
        precondition: "tenant default: secret",
        found: "chmod 600",
        remedy: "whoever reads it",
        ..GOOD
    },
    Row {
        what: "a wrong secret",
        breaks: |site| drop(site.sandbox.write("logweir-service/test.secret", "wrong")),
        code: 4,
        precondition: "tenant default: token",
        found: "AADSTS7000215",
        remedy: "the client secret is wrong",
        ..GOOD
    },
    Row {
        what: "an address of another cloud",
        breaks: |site| edit(site, "url = \"http://", "url = \"https://portal.cloudappsecurity.us\" # "),
        code: 2,
        precondition: "tenant default: address",
        found: "is not under portal.cloudappsecurity.com",
        remedy: "copy the API URL from the portal",
        ..GOOD
    },
    Row {
        what: "a permission that does not do",
        service: &["--role", "discovery.read"],
        code: 4,
        precondition: "tenant default: token",
        found: "the token lacks Discovery.manage: it holds discovery.read",
        remedy: "consent again",
        ..GOOD
    },
    Row {
        what: "a clock ten minutes off",
        faults: "[[fault]]\ncall = \"any\"\ntimes = 99\nheaders = { date = \"Wed, 01 Jan 2020 00:00:00 GMT\" }\n",
        code: 1,
        precondition: "tenant default: clock",
        found: "ahead of the service's",
        remedy: "timedatectl",
        ..GOOD
    },
    Row {
        what: "a service that answers no list",
        faults: "[[fault]]\ncall = \"streams\"\ntimes = 9\nstatus = 404\nbody = \"<html><title>Page not found</title>\"\n",
        code: 1,
        precondition: "tenant default: reports",
        found: "404: Page not found",
        remedy: "",
        ..GOOD
    },
    Row {
        what: "a data source that does not exist",
        breaks: |site| site.configure(&site.auth(), "Brunch"),
        code: 1,
        precondition: "tenant default: data source",
        found: "no data source \"Brunch\"",
        remedy: "did you mean \"Branch\"?",
        ..GOOD
    },
    Row {
        what: "a data source of another log type",
        service: &["--data-source", "Web=GENERIC_CEF"],
        breaks: |site| site.configure(&site.auth(), "Web"),
        precondition: "tenant default: data source",
        found: "Web is made for log type",
        remedy: "log_type",
        ..GOOD
    },
    Row {
        what: "a folder that is not there",
        breaks: |site| edit(site, "logs/*.log*", "nowhere/*.log"),
        code: 1,
        precondition: "feed hq",
        found: "nowhere: No such file",
        remedy: "group adm",
        ..GOOD
    },
    Row {
        what: "a folder in which nothing is meant",
        breaks: |site| edit(site, "logs/*.log*", "logs/*.txt"),
        precondition: "feed hq",
        found: "no file there is meant by the feed",
        remedy: "compare paths",
        ..GOOD
    },
    Row {
        what: "an archive that cannot be written",
        breaks: |site| edit(site, "settle =", "after = \"archive:/proc/old\"\nsettle ="),
        code: 1,
        precondition: "feed hq: after",
        found: "cannot write to /proc",
        remedy: "give the directory to the user",
        ..GOOD
    },
    Row {
        what: "a state directory that cannot be made",
        env: &[("LOGWEIR_STATE_DIR", "/proc/nowhere")],
        code: 1,
        precondition: "ledger",
        found: "cannot make the state directory /proc/nowhere",
        remedy: "--state-dir",
        ..GOOD
    },
    Row {
        what: "a damaged ledger",
        breaks: |site| {
            site.run(&["upload"], 0);
            let path = site.sandbox.path("state/ledger.db");
            let mut bytes = std::fs::read(&path).expect("the ledger");
            let middle = bytes.len() / 2;
            bytes[middle..].fill(0x5a);
            std::fs::write(path, bytes).expect("the ledger");
        },
        code: 1,
        precondition: "ledger",
        found: "ledger",
        remedy: "",
        ..GOOD
    },
    Row {
        what: "a CA file that is none",
        breaks: |site| edit(site, "[upload]", "[network]\nca_file = \"logweir.toml\"\n[upload]"),
        code: 2,
        precondition: "trust",
        found: "it holds no certificate in PEM",
        remedy: "network.ca_file",
        ..GOOD
    },
    Row {
        what: "a proxy that is not there",
        breaks: |site| edit(site, "[upload]", "[network]\nproxy = \"http://me:hidden-word@127.0.0.1:1\"\n[upload]"),
        code: 1,
        precondition: "proxy",
        found: "cannot connect to the proxy http://127.0.0.1:1 from network.proxy",
        remedy: "correct network.proxy",
        ..GOOD
    },
    Row {
        what: "a proxy of the environment, which is not asked for this host",
        env: &[("HTTPS_PROXY", "http://127.0.0.1:1")],
        precondition: "proxy",
        found: "none: the service is on this host",
        ..GOOD
    },
];

#[test]
fn each_broken_precondition_is_named_with_its_remedy() {
    // The rows are independent, and a dead proxy takes its time.
    std::thread::scope(|scope| {
        for part in ROWS.chunks(ROWS.len().div_ceil(3)) {
            scope.spawn(move || part.iter().for_each(check));
        }
    });
}

fn check(row: &Row) {
    let mut site = Site::with(row.service);
    site.sandbox.write("logs/a.log", &crate::support::site::log(1, 3));
    if !row.faults.is_empty() {
        site.sandbox.write("faults.toml", row.faults);
        site.service.kill().expect("it runs");
        site.service.wait().expect("it ends");
        site.service = serve(&site.sandbox, &site.addr, &["--faults", "faults.toml"]).0;
    }
    (row.breaks)(&site);
    let arguments = ["--config", "logweir.toml", "doctor", "--format", "json"];
    let output = site.sandbox.command(&arguments).envs(row.env.iter().copied()).output().expect("it starts");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let what = row.what;
    assert_eq!(output.status.code(), Some(row.code), "{what}: {out}{err}");
    let document: serde_json::Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{what}: {error}"));
    let rows = document["preconditions"].as_array().expect("rows");
    let text = |row: &serde_json::Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    let named = rows.iter().any(|found| {
        text(found, "precondition") == row.precondition
            && text(found, "found").contains(row.found)
            && text(found, "what_to_do").contains(row.remedy)
            && (row.code == 0 || text(found, "result") == "FAILED")
    });
    assert!(named, "{what}: {out}");
    for found in rows.iter().filter(|found| text(found, "result") == "warning") {
        assert!(!text(found, "what_to_do").is_empty(), "{what}: {found}");
    }
    assert!(!out.contains("hidden-word") && !err.contains("hidden-word"), "{what}");
}

#[test]
fn the_text_for_people_has_a_line_each_and_the_remedy_below() {
    let site = Site::with(&["--role", "discovery.read"]);
    site.sandbox.write("logs/a.log", &crate::support::site::log(1, 3));
    let ran = site.run(&["doctor"], 4);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    let at = lines.iter().position(|line| line.starts_with("FAILED   tenant default: token:")).expect("the line");
    assert!(lines[at + 1].starts_with("         add the permission Discovery.manage"), "{}", ran.stdout);
    assert!(lines[0].starts_with("ok       configuration: "), "{}", ran.stdout);
    assert!(ran.stderr.contains("1 precondition(s) do not hold"), "{}", ran.stderr);
}

/// A small file system on the sandbox's state directory; needs root.
struct Mounted(std::path::PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        // One that is gone already is what is wanted.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn mount(sandbox: &Sandbox, options: &str) -> Option<Mounted> {
    let state = sandbox.path("state");
    std::fs::create_dir_all(&state).expect("a directory");
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&state).output();
    mounted.is_ok_and(|output| output.status.success()).then_some(Mounted(state))
}

#[test]
fn a_small_or_read_only_disk_is_told() {
    if !root() {
        // Mounting takes root; without it there is no such disk.
        return;
    }
    for (options, said) in [("size=24m", "free some space"), ("ro", "FAILED   ledger: ")] {
        let site = Site::new();
        let Some(_mounted) = mount(&site.sandbox, options) else { return };
        let ran = site.run(&["doctor"], 1);
        assert!(ran.stdout.contains(said), "{options}: {}", ran.stdout);
        assert!(ran.stdout.contains("HQ exists"), "the rest is tried all the same: {}", ran.stdout);
    }
}
