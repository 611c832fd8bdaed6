//! Name servers: Unbound, BIND, dnsmasq, and what reads like them.

use super::{NAMES, Rendered, rendered};
use crate::support::daemon::{Daemon, free_port, ran};
use crate::support::dns::{Answer, Family, Upstream, ask};
use crate::support::{have, npm};
use std::path::Path;
use std::process::Command;

/// Names of the upstream whose addresses are listed, beside a listed one, and in a listed network.
const BY_ADDRESS: [(&str, Family, bool); 7] = [
    ("listed4.open.example", Family::V4, true),
    ("beside4.open.example", Family::V4, false),
    ("network4.open.example", Family::V4, true),
    ("listed6.open.example", Family::V6, true),
    ("beside6.open.example", Family::V6, false),
    ("network6.open.example", Family::V6, true),
    ("open.example", Family::V6, false),
];

/// The answer of a running server, which there must be.
#[track_caller]
fn told(port: u16, name: &str, family: Family) -> Answer {
    // One query may get lost on a busy machine.
    ask(port, name, family).or_else(|| ask(port, name, family)).unwrap_or_else(|| panic!("no answer about {name}"))
}

/// Both families must agree.
#[track_caller]
pub(super) fn blocks(port: u16, name: &str) -> bool {
    let blocked = [Family::V4, Family::V6].map(|family| told(port, name, family).is_blocked());
    assert_eq!(blocked[0], blocked[1], "{name}: IPv4 and IPv6 differ");
    blocked[0]
}

fn up(port: u16) -> impl Fn() -> bool {
    move || ask(port, "open.example", Family::V4).is_some_and(|answer| answer.code == 0)
}

/// Runs Unbound with a further clause.
pub(super) fn unbound(dir: &Path, upstream: &Upstream, modules: &str, clause: &str) -> (u16, Daemon) {
    let port = free_port();
    let shown = dir.display();
    let conf = format!(
        "server:\n  directory: \"{shown}\"\n  chroot: \"\"\n  username: \"\"\n  pidfile: \"\"\n  interface: 127.0.0.1@{port}\n  \
         do-daemonize: no\n  use-syslog: no\n  logfile: \"\"\n  do-not-query-localhost: no\n  module-config: \"{modules}\"\n  \
         num-threads: 1\nremote-control:\n  control-enable: no\nforward-zone:\n  name: \".\"\n  \
         forward-addr: 127.0.0.1@{}\n{clause}",
        upstream.port
    );
    let path = dir.join("unbound.conf");
    std::fs::write(&path, conf).expect("a file");
    let path = path.display().to_string();
    let (good, said) = ran("unbound-checkconf", &[&path]);
    assert!(good, "{said}");
    (port, Daemon::start(dir, "unbound", &["-d", "-c", &path], up(port)))
}

#[test]
fn unbound_local_zones_take_the_name_and_all_below_and_nothing_else() {
    if !have("unbound") || !have("unbound-checkconf") {
        return;
    }
    let list = rendered("unbound_local_zone");
    let upstream = Upstream::start();
    let include = format!("include: \"{}\"\n", list.shown(""));
    let (port, _unbound) = unbound(&list.sandbox.path(""), &upstream, "iterator", &include);
    list.holds(|name| blocks(port, name));
}

#[test]
fn unbound_response_policy_zones_say_every_scope_and_addresses() {
    if !have("unbound") || !have("unbound-checkconf") {
        return;
    }
    let list = rendered("unbound_rpz");
    let upstream = Upstream::start();
    let rpz = format!("rpz:\n  name: \"mdca-block.rpz\"\n  zonefile: \"{}\"\n", list.shown(""));
    let (port, _unbound) = unbound(&list.sandbox.path(""), &upstream, "respip iterator", &rpz);
    policy_holds(&list, port);
}

#[track_caller]
fn policy_holds(list: &Rendered, port: u16) {
    assert!(list.takes("203.0.113.70") && list.takes("2001:db8:1::7"), "all scopes are said");
    assert!(!list.takes("www.exact.example") && !list.takes("below.example"), "nothing is widened");
    list.holds(|name| blocks(port, name));
    for (name, family, blocked) in BY_ADDRESS {
        assert_eq!(told(port, name, family).is_blocked(), blocked, "{name}");
    }
}

#[test]
fn bind_response_policy_zones_say_every_scope_and_addresses() {
    if !["named", "named-checkzone", "named-checkconf"].into_iter().all(have) {
        return;
    }
    let list = rendered("bind_rpz");
    let (good, said) = ran("named-checkzone", &["mdca-block.rpz", &list.shown("")]);
    assert!(good && !said.contains("ignoring") && said.contains("OK"), "{said}");
    let upstream = Upstream::start();
    let port = free_port();
    let dir = list.sandbox.path("");
    let conf = format!(
        "options {{\n  directory \"{}\";\n  pid-file none;\n  session-keyfile none;\n  listen-on port {port} {{ 127.0.0.1; }};\n  \
         listen-on-v6 {{ none; }};\n  recursion yes;\n  allow-query {{ 127.0.0.1; }};\n  dnssec-validation no;\n  \
         empty-zones-enable no;\n  forward only;\n  forwarders {{ 127.0.0.1 port {}; }};\n  \
         response-policy {{ zone \"mdca-block.rpz\" policy given; }} qname-wait-recurse no;\n}};\ncontrols {{ }};\n\
         zone \"mdca-block.rpz\" {{ type primary; file \"{}\"; allow-query {{ none; }}; }};\n",
        dir.display(),
        upstream.port,
        list.shown("")
    );
    let conf = list.sandbox.write("named.conf", &conf).display().to_string();
    let (good, said) = ran("named-checkconf", &["-z", &conf]);
    assert!(good, "{said}");
    let named = Daemon::start(&dir, "named", &["-g", "-n", "1", "-c", &conf], up(port));
    policy_holds(&list, port);
    let said = named.said();
    assert!(!said.contains("invalid rpz") && !said.contains("out of zone"), "{said}");
}

#[test]
fn nsd_takes_the_zone_for_knot_and_powerdns() {
    if !have("nsd-checkzone") {
        return;
    }
    let list = rendered("knot_or_powerdns_rpz");
    let (good, said) = ran("nsd-checkzone", &["mdca-block.rpz", &list.shown("")]);
    assert!(good, "{said}");
}

/// Runs dnsmasq with further lines of configuration.
fn dnsmasq(dir: &Path, upstream: &Upstream, lines: &str) -> (u16, Daemon) {
    let port = free_port();
    let user = if rustix::process::geteuid().is_root() { "user=root\ngroup=root\n" } else { "" };
    let conf = format!(
        "port={port}\nlisten-address=127.0.0.1\nbind-interfaces\nno-resolv\nno-hosts\npid-file=\n{user}\
         server=127.0.0.1#{}\n{lines}\n",
        upstream.port
    );
    let path = dir.join("dnsmasq.conf");
    std::fs::write(&path, conf).expect("a file");
    let path = path.display().to_string();
    let (good, said) = ran("dnsmasq", &["--test", "-C", &path]);
    assert!(good, "{said}");
    (port, Daemon::start(dir, "dnsmasq", &["-k", "-C", &path, "--log-facility=-"], up(port)))
}

#[test]
fn dnsmasq_takes_names_with_all_below_or_only_those_below() {
    if !have("dnsmasq") {
        return;
    }
    let list = rendered("dnsmasq_local");
    assert!(!list.takes("below.example") && list.takes("www.exact.example"), "below as meant, exact widened");
    let upstream = Upstream::start();
    let (port, _dnsmasq) = dnsmasq(&list.sandbox.path(""), &upstream, &format!("conf-file={}", list.shown("")));
    list.holds(|name| blocks(port, name));
}

#[test]
fn dnsmasq_reads_its_servers_file_again_on_a_signal() {
    if !have("dnsmasq") {
        return;
    }
    let list = rendered("dnsmasq_servers_file");
    let upstream = Upstream::start();
    let whole = std::fs::read(list.file("")).expect("the list");
    std::fs::write(list.file(""), "").expect("an empty one");
    let (port, dnsmasq) =
        dnsmasq(&list.sandbox.path(""), &upstream, &format!("cache-size=0\nservers-file={}", list.shown("")));
    assert!(!blocks(port, "tree.example"));
    std::fs::write(list.file(""), whole).expect("the list again");
    dnsmasq.signal("HUP");
    let taken = crate::support::daemon::within(crate::support::PATIENCE, || {
        told(port, "tree.example", Family::V4).is_blocked().then_some(())
    });
    assert!(taken.is_some(), "{}", dnsmasq.said());
    list.holds(|name| blocks(port, name));
}

#[test]
fn a_hosts_file_takes_exact_names_for_both_families() {
    if !have("dnsmasq") {
        return;
    }
    let list = rendered("hosts_file");
    assert!(list.takes("tree.example") && !list.takes("www.tree.example"), "a subtree is narrowed");
    let upstream = Upstream::start();
    let (port, _dnsmasq) = dnsmasq(&list.sandbox.path(""), &upstream, &format!("addn-hosts={}", list.shown("")));
    list.holds(|name| blocks(port, name));
}

/// OpenWrt's `uci` is played by a script that keeps the entries; the real dnsmasq reads them, as on the router.
#[test]
fn the_script_for_openwrt_leaves_entries_that_dnsmasq_reads_as_meant() {
    if !have("dnsmasq") {
        return;
    }
    use std::os::unix::fs::PermissionsExt;
    let list = rendered("openwrt_uci_dnsmasq");
    let play = "#!/bin/sh\ncase $1 in\n  add_list) echo \"${2#dhcp.@dnsmasq\\[0\\].}\" >>\"$KEPT\" ;;\n  commit) ;;\n  *) exit 1 ;;\nesac\n";
    for (name, text) in [("bin/uci", play), ("bin/service", "#!/bin/sh\n[ \"$*\" = \"dnsmasq restart\" ]\n")] {
        let path = list.sandbox.write(name, text);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
    }
    let path = format!("{}:{}", list.sandbox.path("bin").display(), std::env::var("PATH").unwrap_or_default());
    let kept = list.sandbox.path("kept.conf");
    let output = Command::new("sh").args(["-eu", &list.shown("")]).env("PATH", path).env("KEPT", &kept).output();
    let output = output.expect("a shell");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let upstream = Upstream::start();
    let (port, _dnsmasq) = dnsmasq(&list.sandbox.path(""), &upstream, &format!("conf-file={}", kept.display()));
    list.holds(|name| blocks(port, name));
}

/// The engine of AdGuard's own filters reads the list, and its compiler keeps every rule.
#[test]
fn adguard_reads_the_adblock_form_as_the_name_and_all_below() {
    let Some(compiler) = npm("hostlist-compiler") else { return };
    let list = rendered("adblock_dns");
    let modules = compiler.parent().and_then(Path::parent).expect("the modules").display().to_string();
    let play = format!(
        "const {{ DnsEngine, RuleStorage, StringRuleList }} = require('{modules}/@adguard/tsurlfilter');\n\
         const text = require('fs').readFileSync(process.argv[2], 'utf8');\n\
         const engine = new DnsEngine(new RuleStorage([new StringRuleList(1, text, false)]));\n\
         for (const host of process.argv.slice(3)) console.log(host, engine.match(host).basicRule ? 'blocked' : 'open');\n"
    );
    let play = list.sandbox.write("match.cjs", &play).display().to_string();
    let (good, said) = ran("node", &[&[play.as_str(), &list.shown("")][..], NAMES].concat());
    assert!(good, "{said}");
    list.holds(|name| said.lines().any(|line| line == format!("{name} blocked")));
    let out = list.sandbox.path("compiled.txt").display().to_string();
    let plan = serde_json::json!({
        "name": "proof", "sources": [{ "source": list.shown(""), "type": "adblock" }],
        "transformations": ["RemoveComments", "Validate", "Deduplicate", "Compress"],
    });
    let plan = list.sandbox.write("compile.json", &plan.to_string()).display().to_string();
    let (good, said) = ran(&compiler.display().to_string(), &["-c", &plan, "-o", &out]);
    assert!(good, "{said}");
    let rules = |path: &str| -> Vec<String> {
        let text = std::fs::read_to_string(path).expect("a list");
        text.lines().filter(|line| line.starts_with("||")).map(str::to_owned).collect()
    };
    assert_eq!(rules(&out), rules(&list.shown("")));
    assert!(!rules(&out).is_empty());
}
