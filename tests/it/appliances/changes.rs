//! Changes on the real programs: what `block diff --script` writes leads nftables and ipset from one version to the
//! next, and its inverse back, as if the whole list had been loaded; version 0 leaves nothing behind.

use crate::support::{Sandbox, have};
use std::process::Command;

/// Addresses and networks that lie in one another, so that versions grow and shrink over what they had.
const POOL: [&str; 14] = [
    "192.0.2.0/28",
    "192.0.2.5",
    "192.0.2.10",
    "192.0.2.16/28",
    "192.0.2.32",
    "203.0.113.0/24",
    "203.0.113.64/26",
    "203.0.113.70",
    "198.51.100.9",
    "2001:db8::10",
    "2001:db8::/64",
    "2001:db8:1::/48",
    "2001:db8:1:2::/64",
    "2001:db8:5::7",
];
const VERSIONS: usize = 6;

/// Publishes versions of random picks and writes each, and the scripts between neighbours there and back.
fn publish(appliance: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let config = format!(
        "[[block]]\nname = \"own\"\nappliance = \"{appliance}\"\noutput = \"list.out\"\nsources = [\"own.txt\"]\nmax_change = \"any\"\n\
         validate = false\ndate = false\n"
    );
    sandbox.write("logweir.toml", &config);
    let mut dice = 0x2545_f491_4f6c_dd1d_u64;
    let run = |arguments: &[&str]| {
        let arguments = [&["--config", "logweir.toml", "block"], arguments].concat();
        sandbox.run(&arguments, 0).stdout
    };
    for version in 1..=VERSIONS {
        let mut picked = String::new();
        for address in POOL {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            // One of each family always, or a set would be empty.
            if dice >> 63 == 1 || address == "198.51.100.9" || address == "2001:db8:5::7" {
                picked.push_str(&format!("{address}\n"));
            }
        }
        // No two versions are the same.
        picked.push_str(&format!("198.51.100.{}\n", 100 + version));
        sandbox.write("own.txt", &picked);
        run(&["publish"]);
        std::fs::copy(sandbox.path("list.out"), sandbox.path(&format!("full.{version}"))).expect("the list");
        if version > 1 {
            let (from, to) = ((version - 1).to_string(), version.to_string());
            sandbox.write(&format!("delta.{version}"), &run(&["diff", &from, &to, "--script"]));
            sandbox.write(&format!("inverse.{version}"), &run(&["diff", &from, &to, "--inverse"]));
        }
    }
    sandbox.write("nothing", &run(&["diff", &VERSIONS.to_string(), "0", "--script"]));
    sandbox
}

/// Plays all versions in a network namespace: `load FILE` and `state` are the program's.
fn play(sandbox: &Sandbox, program: &str) {
    let script = format!(
        "set -eu\nPATH=$PATH:/usr/sbin:/sbin\n{program}\n\
         load full.1\nstate >now\n[ -s now ]\n\
         for version in $(seq 2 {VERSIONS}); do\n  before=$((version - 1))\n  load full.$before; state >old\n  load full.$version; state >new\n  \
         load full.$before; load delta.$version; state >now; cmp now new\n  load inverse.$version; state >now; cmp now old\n  \
         cmp old new && exit 9 || true\ndone\n\
         load full.{VERSIONS}; load nothing; state >now; [ ! -s now ] || {{ cat now; exit 8; }}\n"
    );
    let output = Command::new("unshare")
        .args(["-n", "bash", "-c", &script])
        .current_dir(sandbox.path(""))
        .output()
        .expect("a shell");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&said));
}

/// Whether this machine lets us have namespaces; in CI it must.
fn namespaces() -> bool {
    let allowed = Command::new("unshare").args(["-n", "true"]).output().is_ok_and(|output| output.status.success());
    assert!(allowed || std::env::var_os("CI").is_none(), "network namespaces are refused; run the tests as root");
    allowed
}

#[test]
fn nftables_is_led_from_version_to_version_and_back() {
    if have("nft") && have("unshare") && namespaces() {
        play(&publish("nftables_set"), "load() { nft -f $1; }\nstate() { nft -s list ruleset; }");
    }
}

#[test]
fn ipset_is_led_from_version_to_version_and_back() {
    if have("ipset") && have("unshare") && namespaces() {
        play(&publish("ipset_restore"), "load() { ipset restore <$1; }\nstate() { ipset save | sort; }");
    }
}
