//! The least permission is told before anything is refused: by `config check`, `init` and `doctor`.

use crate::support::site::Site;
use crate::support::{Ran, Sandbox};
use logweir::service::scope::OPERATIONS;
use std::collections::BTreeSet;

#[test]
fn the_least_permission_follows_from_what_the_configuration_does() {
    let site = Site::new();
    let ran = site.run(&["config", "check", "--format", "csv"], 0);
    assert!(ran.stdout.ends_with(",1,0,Discovery.manage\n"), "{}", ran.stdout);
    site.sandbox.write("idle.toml", "[service]\nurl = \"contoso.us2.portal.cloudappsecurity.com\"\n");
    let idle = site.sandbox.run(&["config", "check", "--config", "idle.toml", "--format", "json"], 0);
    let document: serde_json::Value = serde_json::from_str(&idle.stdout).expect("one document");
    assert_eq!(document["tenants"][0]["least_permission"], serde_json::Value::Null);
    // A list from the service's own verdict wants the scripts' permission; one from a file wants nothing.
    for (source, least) in [("service", "Discovery.manage"), ("domains:names.txt", "")] {
        let block =
            format!("[[block]]\nappliance = \"squid_dstdomain\"\noutput = \"out.txt\"\nsources = [\"{source}\"]\n");
        let service = "[service]\nurl = \"contoso.us2.portal.cloudappsecurity.com\"\n[auth]\ntoken_file = \"token\"\n";
        site.sandbox.write("block.toml", &(service.to_owned() + &block));
        let ran = site.sandbox.run(&["config", "check", "--config", "block.toml", "--format", "csv"], 0);
        assert!(ran.stdout.ends_with(&format!(",0,1,{least}\n")), "{source}: {}", ran.stdout);
    }
    let init = Sandbox::new().run(&["init"], 0);
    assert!(init.stdout.contains("Application permissions > Discovery.manage. "), "{}", init.stdout);
}

#[test]
fn doctor_names_the_permission_that_lacks_beside_those_held() {
    let mut site = Site::new();
    let limited = site.application("Investigation.read");
    site.configure(&limited, "HQ");
    std::fs::create_dir_all(site.sandbox.path("logs")).expect("a directory");
    let doctor = |site: &Site| {
        let command = &["--config", "logweir.toml", "doctor", "--format", "csv"];
        Ran::from(site.sandbox.command(command).output().expect("it starts"))
    };
    let ran = doctor(&site);
    assert_eq!(ran.code, Some(4), "{}{}", ran.stdout, ran.stderr);
    let row = ran.stdout.lines().find(|line| line.contains("token")).expect("a row").to_lowercase();
    for said in ["failed", "lacks discovery.manage", "holds investigation.read", "add the permission discovery.manage"]
    {
        assert!(row.contains(said), "{said}: {row}");
    }
    // Without a feed that scope is all that is wanted: what it allows is asked for instead.
    let text = std::fs::read_to_string(site.sandbox.path("logweir.toml")).expect("the configuration");
    site.sandbox.write("logweir.toml", text.split("[[feed]]").next().expect("the front"));
    let ran = doctor(&site);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    assert!(
        ran.stdout.contains("holds investigation.read") && ran.stdout.contains("answers for alerts"),
        "{}",
        ran.stdout
    );
}

/// The documented table, scope by scope, as its operations column has it.
const DOCUMENTED: &[(&str, &str, &[&str])] = &[
    ("Investigation.read", "activities", &["list", "fetch", "feedback"]),
    ("Investigation.read", "alerts", &["list", "fetch", "mark_read", "mark_unread"]),
    ("Investigation.read", "entities", &["list", "fetch", "fetch_tree"]),
    ("Investigation.read", "subnet", &["list"]),
    ("Investigation.manage", "activities", &["list", "fetch", "feedback"]),
    ("Investigation.manage", "alerts", &["list", "fetch", "mark_read", "mark_unread", "close"]),
    ("Investigation.manage", "entities", &["list", "fetch", "fetch_tree"]),
    ("Investigation.manage", "subnet", &["list", "create", "update", "delete"]),
    ("Discovery.read", "alerts", &["list", "fetch", "mark_read", "mark_unread"]),
    ("Discovery.read", "discovery", &["list_streams", "list_categories"]),
    ("Discovery.manage", "alerts", &["list", "fetch", "mark_read", "mark_unread", "close"]),
    ("Discovery.manage", "discovery", &["list_streams", "list_categories", "upload", "block_script"]),
    ("Settings.read", "subnet", &["list"]),
    ("Settings.manage", "subnet", &["list", "create", "update", "delete"]),
];

/// Family, operation and scope of every row.
fn documented() -> BTreeSet<(String, String, String)> {
    let rows = DOCUMENTED.iter().flat_map(|(scope, family, operations)| {
        operations.iter().map(move |operation| (family.to_string(), operation.to_string(), scope.to_string()))
    });
    rows.collect()
}

#[test]
fn the_code_holds_the_documented_table_and_nothing_else() {
    let rows = OPERATIONS.iter().flat_map(|row| {
        row.scopes.iter().map(|scope| (row.family.to_owned(), row.name.to_owned(), (*scope).to_owned()))
    });
    assert_eq!(rows.collect::<BTreeSet<_>>(), documented());
    assert_eq!(documented().len(), 46);
}

#[test]
fn readme_has_every_operation_with_a_command_that_exists_and_its_scopes() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).expect("README.md");
    let section = text.split("## The other families of the API").nth(1).and_then(|rest| rest.split("\n## ").next());
    let sandbox = Sandbox::new();
    let mut rows = BTreeSet::new();
    for line in section.expect("the section").lines().filter(|line| line.starts_with("| ")).skip(2) {
        let cells: Vec<&str> = line.trim_matches(['|', ' ']).split(" | ").collect();
        let [family, operation, commands, scopes] = cells[..] else { panic!("{line}") };
        for scope in scopes.split(", ").filter(|scope| scope.contains('.')) {
            rows.insert((family.to_owned(), operation.to_owned(), scope.to_owned()));
        }
        for command in commands.split('`').filter(|words| words.len() > 3) {
            let mut words: Vec<&str> = command.split(' ').collect();
            words.push("--help");
            sandbox.run(&words, 0);
        }
    }
    rows.retain(|(_, _, scope)| !scope.starts_with("CloudApp-"));
    assert_eq!(rows, documented());
}
