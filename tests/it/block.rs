//! Block lists through the real binary.

use crate::support::Sandbox;

#[test]
fn render_accounts_for_every_entry_and_says_what_was_left_out() {
    let sandbox = Sandbox::new();
    sandbox.write("list.txt", "a.example\n*.b.example\nwww.a.example\nlogin.microsoftonline.com\nx y\n192.0.2.1\n");
    let ran = sandbox.run(&["block", "render", "--appliance", "squid_dstdomain", "--from", "list.txt", "--no-date"], 3);
    let lines: Vec<&str> = ran.stdout.lines().skip(1).collect();
    assert_eq!(lines, [".a.example", ".b.example"]);
    for part in ["widened", "sign-in", "refused: it holds a blank", "not expressible", "6 entries: 1 as meant"] {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
}

#[test]
fn strict_writes_nothing_when_an_entry_is_not_as_meant() {
    let sandbox = Sandbox::new();
    sandbox.write("list.txt", "*.b.example\n");
    let arguments =
        ["block", "render", "--appliance", "unbound_local_zone", "--from", "list.txt", "-o", "out", "--strict"];
    assert!(sandbox.run(&arguments, 1).stderr.contains("nothing was written"));
    assert!(!sandbox.path("out").exists());
    // Nor for a target that could say it, beside one that could not.
    let both = [&["block", "render", "--appliance", "bind_rpz"], &arguments[2..]].concat();
    assert!(sandbox.run(&both, 1).stderr.contains("unbound_local_zone: 1 entries are not as meant"));
    assert!(!sandbox.path("out").exists());
}

#[test]
fn several_targets_and_files_go_into_a_directory_and_json_tells_all() {
    let sandbox = Sandbox::new();
    sandbox.write("list.csv", "value,scope,app\na.example,subtree,Example Share\n");
    let both = ["block", "render", "--appliance", "haproxy_acl_files", "--appliance", "bind_rpz", "--from", "list.csv"];
    assert!(sandbox.run(&both, 2).stderr.contains("-o"));
    sandbox.run(&[&both[..], &["-o", "lists"]].concat(), 0);
    for name in ["haproxy_acl_files.exact.lst", "haproxy_acl_files.suffix.lst", "bind_rpz.rpz"] {
        assert!(sandbox.path("lists").join(name).is_file(), "{name}");
    }
    let ran = sandbox.run(&[&both[..], &["--format", "json"]].concat(), 0);
    let document: serde_json::Value = serde_json::from_str(&ran.stdout).expect("one JSON document");
    assert_eq!(document["lists"][1]["summary"]["as_meant"], 1);
    assert_eq!(document["lists"][0]["entries"][0]["app"], "Example Share");
}

#[test]
fn mistakes_are_told_before_anything_is_read() {
    let sandbox = Sandbox::new();
    let rows: [(&[&str], &str); 3] = [
        (&["--appliance", "skuid_dstdomain"], "squid_dstdomain"),
        (&["--appliance", "bind_rpz", "--set", "zone=a;b"], "a domain name"),
        (&["--appliance", "bind_rpz", "--set", "colour=red"], "no parameter"),
    ];
    for (arguments, expected) in rows {
        let ran = sandbox.run(&[&["block", "render", "--from", "no-such-file"], arguments].concat(), 2);
        assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    }
}
