//! Verdicts that come and go on running servers: Squid and Unbound are led through a random sequence of versions by
//! `block publish` with its hook, back by `block rollback`, and Unbound also piece by piece by what `block diff` says.

use super::dns::{blocks, unbound};
use crate::support::daemon::{program, within};
use crate::support::dns::Upstream;
use crate::support::squid::Squid;
use crate::support::{PATIENCE, Sandbox, have};
use logweir::block::guard::takes;
use logweir::block::verdict::Scope;
use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

type Verdict = Vec<(&'static str, Scope)>;

/// Entries that lie in one another, so that one comes when what covered it goes.
const POOL: [(&str, Scope); 10] = [
    ("a.example", Scope::Subtree),
    ("www.a.example", Scope::Subtree),
    ("x.www.a.example", Scope::Subtree),
    ("b.example", Scope::Subtree),
    ("www.b.example", Scope::Subtree),
    ("c.d.example", Scope::Subtree),
    ("d.example", Scope::Subtree),
    ("xn--bcher-kva.example", Scope::Subtree),
    ("e.example", Scope::Exact),
    ("www.e.example", Scope::Exact),
];
/// Names to ask about: in the pool, below it, beside it, above it.
const HOSTS: [&str; 15] = [
    "a.example",
    "nota.example",
    "y.a.example",
    "www.a.example",
    "x.www.a.example",
    "z.x.www.a.example",
    "b.example",
    "www.b.example",
    "d.example",
    "c.d.example",
    "q.d.example",
    "www.xn--bcher-kva.example",
    "e.example",
    "www.e.example",
    "f.www.e.example",
];
const VERSIONS: usize = 5;

/// A list of its own whose hook tells the server.
struct Led {
    sandbox: Sandbox,
    dice: u64,
    last: Verdict,
}

impl Led {
    fn new() -> Led {
        Led { sandbox: Sandbox::new(), dice: 0x2545_f491_4f6c_dd1d, last: Vec::new() }
    }

    fn configure(&self, appliance: &str, hook: &[String]) {
        let hook: Vec<String> = hook.iter().map(|word| format!("{word:?}")).collect();
        let config = format!(
            "[[block]]\nname = \"own\"\nappliance = \"{appliance}\"\noutput = \"list.out\"\nsources = [\"own.csv\"]\n\
             max_change = \"any\"\nafter = [{}]\n",
            hook.join(", ")
        );
        self.sandbox.write("logweir.toml", &config);
    }

    #[track_caller]
    fn run(&self, arguments: &[&str]) -> String {
        self.sandbox.run(&[&["--config", "logweir.toml", "block"], arguments].concat(), 0).stdout
    }

    /// Another verdict, which is not the last one and not empty; only entries that are `wanted`.
    fn next(&mut self, wanted: impl Fn(Scope) -> bool) -> Verdict {
        loop {
            let mut picked: Verdict = Vec::new();
            for (value, scope) in POOL.into_iter().filter(|(_, scope)| wanted(*scope)) {
                self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                if self.dice >> 62 == 0 {
                    picked.push((value, scope));
                }
            }
            if !picked.is_empty() && picked != self.last {
                let rows: Vec<String> = picked.iter().map(|(value, scope)| format!("{value},{scope}\n")).collect();
                self.sandbox.write("own.csv", &format!("value,scope\n{}", rows.concat()));
                self.last.clone_from(&picked);
                return picked;
            }
        }
    }
}

fn blocked_by(verdict: &Verdict, host: &str) -> bool {
    verdict.iter().any(|(value, scope)| takes(value, *scope, host))
}

/// The hosts that are blocked are those that the verdict takes in, at once or a little later.
#[track_caller]
fn holds(step: &str, verdict: &Verdict, blocked: impl Fn(&str) -> bool) {
    let wrong = || HOSTS.into_iter().find(|host| blocked(host) != blocked_by(verdict, host));
    let held = within(PATIENCE, || wrong().is_none().then_some(()));
    assert!(held.is_some(), "{step}: {:?} is not as {verdict:?} says", wrong());
}

#[test]
fn squid_is_led_from_verdict_to_verdict_and_back() {
    let mut led = Led::new();
    led.sandbox.write("list.out", "");
    let rules = format!("acl led dstdomain \"{}\"\nhttp_access deny led", led.sandbox.path("list.out").display());
    let Some(squid) = Squid::start(&led.sandbox.path("squid"), &rules) else { return };
    std::fs::remove_file(led.sandbox.path("list.out")).expect("the empty list");
    led.configure("squid_dstdomain", &squid.order("reconfigure"));
    let blocked = |host: &str| squid.status(host) == 403;
    let mut old = Verdict::new();
    for version in 1..=VERSIONS {
        let new = led.next(|_| true);
        led.run(&["publish"]);
        holds(&format!("version {version}"), &new, blocked);
        if version > 1 {
            led.run(&["rollback"]);
            holds(&format!("back from version {version}"), &old, blocked);
            led.run(&["publish", "--accept"]);
            holds(&format!("version {version} again"), &new, blocked);
        }
        old = new;
    }
}

#[test]
fn unbound_is_led_from_verdict_to_verdict_and_back_whole_and_piece_by_piece() {
    if !["unbound", "unbound-checkconf", "unbound-control"].into_iter().all(have) {
        return;
    }
    let mut led = Led::new();
    led.sandbox.write("list.out", "server:\n");
    let dir = led.sandbox.path("");
    let clause = format!(
        "remote-control:\n  control-enable: yes\n  control-use-cert: no\n  control-interface: \"{}/control\"\n\
         include: \"{}\"\n",
        dir.display(),
        led.sandbox.path("list.out").display()
    );
    let upstream = Upstream::start();
    let (port, _unbound) = unbound(&dir, &upstream, "iterator", &clause);
    std::fs::remove_file(led.sandbox.path("list.out")).expect("the empty list");
    let conf = dir.join("unbound.conf").display().to_string();
    let control = |order: &str| [&program("unbound-control"), "-c", &conf, order].map(str::to_owned);
    led.configure("unbound_local_zone", &control("reload"));
    // What it says its zones are; none while it reads its configuration.
    let zones = || -> Option<BTreeSet<String>> {
        let [name, arguments @ ..] = &control("list_local_zones");
        let output = Command::new(name).args(arguments).output().expect("it starts");
        let text = String::from_utf8(output.stdout).expect("text");
        let ours = text.lines().filter_map(|line| line.strip_suffix(". always_nxdomain"));
        output.status.success().then(|| ours.map(str::to_owned).collect())
    };
    let is = |step: &str, verdict: &Verdict| {
        // What another entry covers is no zone of its own.
        let own = |value: &str| !verdict.iter().any(|(other, scope)| *other != value && takes(other, *scope, value));
        let wanted: BTreeSet<String> =
            verdict.iter().filter(|(value, _)| own(value)).map(|(value, _)| (*value).to_owned()).collect();
        let reached = within(PATIENCE, || (zones().as_ref() == Some(&wanted)).then_some(()));
        assert!(reached.is_some(), "{step}: {:?} instead of {wanted:?}", zones());
        holds(step, verdict, |host| blocks(port, host));
    };
    let mut old = Verdict::new();
    for version in 1..=VERSIONS {
        let new = led.next(|scope| scope == Scope::Subtree);
        led.run(&["publish"]);
        is(&format!("version {version}"), &new);
        if version > 1 {
            let diff = |from: u64, to: u64| -> serde_json::Value {
                let said = led.run(&["diff", &from.to_string(), &to.to_string(), "--format", "json"]);
                serde_json::from_str(&said).expect("one JSON document")
            };
            led.run(&["rollback"]);
            is(&format!("back from version {version}"), &old);
            let history: serde_json::Value =
                serde_json::from_str(&led.run(&["history", "--format", "json"])).expect("one JSON document");
            let back = history["publications"][0]["version"].as_u64().expect("a version");
            for (from, to, verdict) in [(back, back - 1, &new), (back - 1, back, &old)] {
                let change = diff(from, to);
                let feed = |order: &str, key: &str, more: &str| {
                    let rows = change[key].as_array().expect("rows").iter();
                    let lines: String =
                        rows.map(|row| format!("{}.{more}\n", row["value"].as_str().expect("text"))).collect();
                    let [name, arguments @ ..] = &control(order);
                    let mut command = Command::new(name);
                    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::null());
                    let mut child = command.spawn().expect("it starts");
                    child.stdin.take().expect("a pipe").write_all(lines.as_bytes()).expect("it reads");
                    assert!(child.wait().expect("it ends").success(), "{order}: {lines}");
                };
                feed("local_zones_remove", "removed", "");
                feed("local_zones", "added", " always_nxdomain");
                is(&format!("from {from} to {to} piece by piece"), verdict);
            }
            led.run(&["publish", "--accept"]);
            is(&format!("version {version} again"), &new);
        }
        old = new;
    }
}
