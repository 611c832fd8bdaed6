//! The least permission is told before anything is refused: by `config check`, `init` and `doctor`.

use crate::support::site::Site;
use crate::support::{Ran, Sandbox};

#[test]
fn the_least_permission_follows_from_what_the_configuration_does() {
    let site = Site::new();
    let ran = site.run(&["config", "check", "--format", "csv"], 0);
    assert!(ran.stdout.ends_with(",1,0,Discovery.manage\n"), "{}", ran.stdout);
    site.sandbox.write("idle.toml", "[service]\nurl = \"contoso.us2.portal.cloudappsecurity.com\"\n");
    let idle = site.sandbox.run(&["config", "check", "--config", "idle.toml", "--format", "json"], 0);
    let document: serde_json::Value = serde_json::from_str(&idle.stdout).expect("one document");
    assert_eq!(document["tenants"][0]["least_permission"], serde_json::Value::Null);
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
