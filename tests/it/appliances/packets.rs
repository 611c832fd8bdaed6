//! nftables and ipset in network namespaces of their own: what a router forwards, and what the host itself reaches.

use super::rendered;
use crate::support::have;
use std::process::Command;

/// Addresses on the list, beside it, and at the edges of a network.
const HOSTS: &[&str] = &[
    "192.0.2.10",
    "192.0.2.11",
    "203.0.113.63",
    "203.0.113.64",
    "203.0.113.127",
    "203.0.113.128",
    "2001:db8::10",
    "2001:db8::11",
    "2001:db8:1::1",
    "2001:db8:1:ffff::1",
    "2001:db8:2::1",
];

/// Three namespaces: a client behind a router, and a host with every address. `$RELOAD` runs on the router; then each
/// address is tried from the client and from the router: `refused` is an answer of the far host, anything else none.
const SCENE: &str = r#"
set -eu
PATH=$PATH:/usr/sbin:/sbin
unshare -n sleep 120 & client=$!
unshare -n sleep 120 & far=$!
trap 'kill $client $far' EXIT
while [ "$(readlink /proc/$client/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do sleep 0.02; done
while [ "$(readlink /proc/$far/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do sleep 0.02; done
in_client() { nsenter -t $client -n "$@"; }
in_far() { nsenter -t $far -n "$@"; }
ip link set lo up
ip link add c0 type veth peer name c1
ip link add f0 type veth peer name f1
ip link set c1 netns $client
ip link set f1 netns $far
for dev in c0 f0; do ip link set $dev up; done
in_client ip link set lo up; in_client ip link set c1 up
in_far ip link set lo up; in_far ip link set f1 up
ip address add 10.1.0.1/24 dev c0; ip address add fd01::1/64 dev c0 nodad
ip address add 10.2.0.1/24 dev f0; ip address add fd02::1/64 dev f0 nodad
in_client ip address add 10.1.0.2/24 dev c1; in_client ip address add fd01::2/64 dev c1 nodad
in_far ip address add 10.2.0.2/24 dev f1; in_far ip address add fd02::2/64 dev f1 nodad
in_client ip route add default via 10.1.0.1; in_client ip -6 route add default via fd01::1
in_far ip route add default via 10.2.0.1; in_far ip -6 route add default via fd02::1
for net in 192.0.2.0/24 203.0.113.0/24; do ip route add $net via 10.2.0.2; in_far ip route add local $net dev lo; done
ip -6 route add 2001:db8::/32 via fd02::2; in_far ip -6 route add local 2001:db8::/32 dev lo
sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
try() {
  for host in $HOSTS; do
    said=$("$@" timeout 30 bash -c "</dev/tcp/$host/9" 2>&1 || true)
    case $said in *refused*) echo "$STEP $WHERE $host open" ;; *) echo "$STEP $WHERE $host blocked" ;; esac
  done
}
both() { STEP=$1; WHERE=client; try in_client; WHERE=router; try env; }
"#;

/// Plays a scene as root of its own namespaces; none when the machine allows no namespaces.
fn play(script: &str, list: &std::path::Path) -> Option<String> {
    let allowed = Command::new("unshare").args(["-n", "true"]).output().is_ok_and(|output| output.status.success());
    if !allowed {
        assert!(std::env::var_os("CI").is_none(), "network namespaces are refused; run the tests as root");
        return None;
    }
    let output = Command::new("unshare")
        .args(["-n", "bash", "-c", &format!("{SCENE}{script}")])
        .env("HOSTS", HOSTS.join(" "))
        .env("LIST", list)
        .output()
        .expect("a shell");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    Some(said)
}

fn blocked<'s>(said: &'s str, step: &'s str, place: &'s str) -> impl Fn(&str) -> bool + 's {
    move |host| {
        let line = said.lines().find_map(|line| line.strip_prefix(&format!("{step} {place} {host} ")));
        line.unwrap_or_else(|| panic!("{step} {place} {host} is missing: {said}")) == "blocked"
    }
}

#[test]
fn nftables_rejects_listed_addresses_forwarded_and_from_the_host_itself_and_nothing_else() {
    if !["nft", "ip", "unshare", "nsenter"].into_iter().all(have) {
        return;
    }
    let list = rendered("nftables_set");
    // Loaded twice: the second time replaces the first.
    let script = "both before\nnft -c -f $LIST\nnft -f $LIST\nnft -f $LIST\nboth listed\nnft delete table inet mdca_block\nboth after\n";
    let Some(said) = play(script, &list.file("")) else { return };
    for place in ["client", "router"] {
        list.holds_for(HOSTS, blocked(&said, "listed", place));
        for step in ["before", "after"] {
            assert!(!HOSTS.iter().any(|host| blocked(&said, step, place)(host)), "{step} {place}: {said}");
        }
    }
}

#[test]
fn ipset_holds_listed_addresses_for_a_rule_and_nothing_else() {
    if !["ipset", "ip", "unshare", "nsenter"].into_iter().all(have) {
        return;
    }
    let list = rendered("ipset_restore");
    let test = "for host in $HOSTS; do\n  set=mdca_block4; case $host in *:*) set=mdca_block6 ;; esac\n  \
                if ipset -q test $set $host; then echo \"listed set $host blocked\"; else echo \"listed set $host open\"; fi\ndone\n";
    let script = format!(
        "ipset restore <$LIST\nipset restore <$LIST\n{test}ipset destroy mdca_block4\nipset destroy mdca_block6\n"
    );
    let Some(said) = play(&script, &list.file("")) else { return };
    list.holds_for(HOSTS, blocked(&said, "listed", "set"));
}
