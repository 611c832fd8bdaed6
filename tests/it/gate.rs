//! The quality gate: what a log is and what the service would say of it, found out while it is packed.

use crate::support::Ran;
use crate::support::site::{Site, log};
use serde_json::Value;

/// The site's configuration with one feed that says this.
fn configure(site: &Site, feed: &str) {
    let (addr, auth) = (&site.addr, site.auth());
    let text = format!(
        "[service]\nurl = \"http://{addr}\"\nauthority = \"http://{addr}\"\nallow_hosts = [\"127.0.0.1\"]\n[auth]\n{auth}\
         [upload]\nconfirm_for = \"30s\"\ncalls_a_minute = 100000\n\
         [[feed]]\nname = \"hq\"\npaths = [\"logs/*.log\"]\ndata_source = \"HQ\"\nsettle = \"0s\"\n{feed}\n"
    );
    site.sandbox.write("logweir.toml", &text);
}

fn upload(site: &Site) -> Ran {
    Ran::from(site.sandbox.command(&["--config", "logweir.toml", "upload"]).output().expect("it starts"))
}

fn shipments(site: &Site) -> Vec<Value> {
    let text = site.run(&["status", "--format", "json"], 0).stdout;
    let status: Value = serde_json::from_str(&text).expect("one document");
    status["shipments"].as_array().expect("rows").clone()
}

#[track_caller]
fn of<'s>(shipments: &'s [Value], name: &str) -> &'s Value {
    let found = shipments.iter().find(|row| row["source"].as_str().is_some_and(|source| source.ends_with(name)));
    found.unwrap_or_else(|| panic!("no shipment of {name}: {shipments:#?}"))
}

/// Squid lines of the year 2020.
fn old(lines: u32) -> String {
    let line = |n| {
        format!(
            "158{:07}.000 87 192.0.2.10 TCP_TUNNEL/200 9 CONNECT www.dropbox.com:443 ann HIER_DIRECT/203.0.113.5 -\n",
            n
        )
    };
    (0..lines).map(line).collect()
}

#[test]
fn auto_ships_what_is_clear_and_holds_what_is_not_until_the_feed_names_it() {
    let site = Site::new();
    configure(&site, "log_type = \"auto\"");
    site.sandbox.write("logs/clear.log", &log(1, 60));
    site.sandbox.write("logs/notes.log", &"remember the milk\nand the bread\n".repeat(40));
    let tried: Value =
        serde_json::from_str(&site.run(&["upload", "--dry-run", "--format", "json"], 1).stdout).expect("one document");
    let rows = tried["files"].as_array().expect("rows");
    let row = rows.iter().find(|row| row["file"].as_str().is_some_and(|file| file.ends_with("clear.log")));
    let row = row.expect("a row");
    assert_eq!((&row["log_type"], &row["quality"]), (&"SQUID_NATIVE".into(), &"accepted".into()));

    let ran = upload(&site);
    assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    assert!(ran.stderr.contains("notes.log") && ran.stderr.contains("log type is not sure"), "{}", ran.stderr);
    assert_eq!(site.imported(), 60);
    let rows = shipments(&site);
    let clear = of(&rows, "clear.log");
    assert_eq!((&clear["log_type"], &clear["quality"]), (&"SQUID_NATIVE".into(), &"accepted".into()));
    assert_eq!(clear["judgement"]["records"], 60);
    let notes = of(&rows, "notes.log");
    assert_eq!(notes["stage"], "held");
    assert!(notes["reason"].as_str().expect("a reason").contains("none of the known log types"), "{notes}");

    // Nobody can send it as nothing; it stays held, and what is held is not packed again.
    let ran = site.run(&["retry", &notes["id"].to_string()], 1);
    assert!(ran.stderr.contains("name its log type"), "{}", ran.stderr);
    assert_eq!(upload(&site).code, Some(0));
    assert_eq!(of(&shipments(&site), "notes.log")["stage"], "held");

    configure(&site, "log_type = \"SQUID_NATIVE\"");
    upload(&site);
    let rows = shipments(&site);
    let notes = of(&rows, "notes.log");
    assert!(notes["stage"] != "held" && notes["log_type"] == "SQUID_NATIVE", "{notes}");
}

#[test]
fn a_log_the_service_would_refuse_is_held_when_the_feed_says_so_and_goes_when_it_no_longer_does() {
    let site = Site::new();
    configure(&site, "log_type = \"SQUID_NATIVE\"\non_quality = \"hold\"");
    site.sandbox.write("logs/old.log", &old(50));
    let ran = upload(&site);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("90 days"), "{}", ran.stderr);
    let rows = shipments(&site);
    assert_eq!(of(&rows, "old.log")["stage"], "held");
    assert_eq!(of(&rows, "old.log")["judgement"]["verdict"], "refused");
    let text = site.run(&["status"], 0).stdout;
    assert!(text.contains("will be refused") && text.contains("90 days"), "{text}");
    assert_eq!(site.imported(), 0);

    configure(&site, "log_type = \"SQUID_NATIVE\"");
    upload(&site);
    assert_ne!(of(&shipments(&site), "old.log")["stage"], "held");
}

#[test]
fn a_person_may_send_what_is_held() {
    let site = Site::new();
    configure(&site, "log_type = \"SQUID_NATIVE\"\non_quality = \"hold\"");
    site.sandbox.write("logs/old.log", &old(50));
    upload(&site);
    let id = of(&shipments(&site), "old.log")["id"].to_string();
    site.run(&["retry", &id], 0);
    upload(&site);
    assert_ne!(of(&shipments(&site), "old.log")["stage"], "held");
}
