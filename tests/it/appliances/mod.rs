//! What the real programs make of our lists: each runs on the loopback with a rendered list and is asked about blocked
//! names, names below them, look-alikes, the parent and neighbours; it must do what the report of the rendering said.

mod changes;
mod dns;
mod packets;
mod proxies;
mod text;
mod verdicts;

use crate::support::Sandbox;
use logweir::block::guard::takes;
use logweir::block::verdict::Scope;
use std::path::PathBuf;

/// One entry of each scope and of each sort of address.
const LIST: &str = "value,scope\n\
    tree.example,subtree\n\
    exact.example,exact\n\
    low.exact.example,subtree\n\
    below.example,below\n\
    deep.part.example,subtree\n\
    xn--bcher-kva.example,subtree\n\
    192.0.2.10,ip\n\
    203.0.113.64/26,ip\n\
    2001:db8::10,ip\n\
    2001:db8:1::/48,ip\n";

/// Names to ask about: the entries, names below, look-alikes on either side, parents, neighbours.
const NAMES: &[&str] = &[
    "tree.example",
    "www.tree.example",
    "a.b.c.tree.example",
    "nottree.example",
    "tree.example.other.example",
    "tree-example.other.example",
    "exact.example",
    "www.exact.example",
    "a.b.exact.example",
    "notexact.example",
    "low.exact.example",
    "www.low.exact.example",
    "notlow.exact.example",
    "exact.example.other.example",
    "below.example",
    "www.below.example",
    "a.b.below.example",
    "notbelow.example",
    "part.example",
    "deep.part.example",
    "www.deep.part.example",
    "notdeep.part.example",
    "xn--bcher-kva.example",
    "www.xn--bcher-kva.example",
    "bcher-kva.example",
    "open.example",
    "example",
];

/// A rendered list with what the report said of each entry.
struct Rendered {
    sandbox: Sandbox,
    target: &'static str,
    /// What each rendered entry takes in by the report.
    says: Vec<(String, Scope)>,
}

/// Renders the list for a target into a sandbox.
#[track_caller]
fn rendered(target: &'static str) -> Rendered {
    rendered_with(target, &[])
}

#[track_caller]
fn rendered_with(target: &'static str, more: &[&str]) -> Rendered {
    let sandbox = Sandbox::new();
    sandbox.write("list.csv", LIST);
    let arguments = ["block", "render", "--appliance", target, "--from", "list.csv", "-o", "lists/"];
    std::fs::create_dir(sandbox.path("lists")).expect("a directory");
    let arguments = [&arguments[..], more, &["--format", "json"]].concat();
    let output = sandbox.command(&arguments).output().expect("the binary starts");
    assert!(matches!(output.status.code(), Some(0 | 3)), "{}", String::from_utf8_lossy(&output.stderr));
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    let entries = document["lists"][0]["entries"].as_array().expect("entries");
    assert_eq!(entries.len(), LIST.lines().count() - 1);
    let says = entries.iter().filter_map(|entry| {
        let text = |key: &str| entry[key].as_str().expect("text").to_owned();
        let scope = text("scope").parse().expect("a scope");
        let said = match (text("outcome").as_str(), scope) {
            ("as_meant", scope) | ("widened" | "narrowed", scope @ (Scope::Ip | Scope::Path)) => scope,
            ("widened", _) => Scope::Subtree,
            ("narrowed", _) => Scope::Exact,
            ("not_expressible" | "covered", _) => return None,
            (other, _) => panic!("{other} was not expected"),
        };
        Some((text("value"), said))
    });
    Rendered { says: says.collect(), sandbox, target }
}

impl Rendered {
    /// The rendered file; with a role, that one of several.
    fn file(&self, role: &str) -> PathBuf {
        let dir = std::fs::read_dir(self.sandbox.path("lists")).expect("the lists");
        let mut files = dir.map(|entry| entry.expect("an entry").path());
        let name = if role.is_empty() { format!("{}.", self.target) } else { format!("{}.{role}.", self.target) };
        let fits = |path: &PathBuf| path.file_name().is_some_and(|file| file.to_string_lossy().starts_with(&name));
        files.find(fits).expect("the file")
    }

    /// The same as text.
    fn shown(&self, role: &str) -> String {
        self.file(role).display().to_string()
    }

    /// Whether the report says that this name or address is taken in.
    fn takes(&self, host: &str) -> bool {
        self.says.iter().any(|(value, scope)| takes(value, *scope, host))
    }

    /// Asks the program about every name and compares with the report.
    #[track_caller]
    fn holds(&self, blocked: impl Fn(&str) -> bool) {
        self.holds_for(NAMES, blocked);
    }

    /// The same about these names or addresses only.
    #[track_caller]
    fn holds_for(&self, hosts: &[&str], blocked: impl Fn(&str) -> bool) {
        let expected: Vec<(&str, bool)> = hosts.iter().map(|host| (*host, self.takes(host))).collect();
        let wrong: Vec<String> = expected
            .iter()
            .filter(|(host, expected)| blocked(host) != *expected)
            .map(|(host, expected)| format!("{host} should be {}", if *expected { "blocked" } else { "open" }))
            .collect();
        assert!(wrong.is_empty(), "{}: {}", self.target, wrong.join(", "));
        let both = [true, false].map(|wanted| expected.iter().any(|(_, expected)| *expected == wanted));
        assert_eq!(both, [true, true], "{}: the names say little", self.target);
    }
}

/// The targets whose behaviour the tests of this module show with a real program.
const SHOWN: &[&str] = &[
    "squid_dstdomain",
    "squid_dst_ip",
    "haproxy_acl_files",
    "haproxy_map",
    "pac_file",
    "dnsmasq_local",
    "dnsmasq_servers_file",
    "unbound_local_zone",
    "unbound_rpz",
    "bind_rpz",
    "hosts_file",
    "adblock_dns",
    "openwrt_uci_dnsmasq",
    "nftables_set",
    "ipset_restore",
];

#[test]
fn a_target_claims_tested_behaviour_exactly_when_a_test_shows_it() {
    let ran = Sandbox::new().run(&["block", "formats", "--format", "json"], 0);
    let document: serde_json::Value = serde_json::from_str(&ran.stdout).expect("one JSON document");
    let rows = document["appliances"].as_array().expect("rows");
    let claims = rows.iter().filter(|row| row["certainty"].as_str().is_some_and(|text| text.contains("behaviour")));
    let claims: Vec<&str> = claims.map(|row| row["appliance"].as_str().expect("a name")).collect();
    assert_eq!(claims, SHOWN);
}
