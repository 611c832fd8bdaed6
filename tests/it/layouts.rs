//! Logs of the site's own layout, from the configuration to the embedded service's report.

use crate::support::Sandbox;
use serde_json::Value;

fn sample(name: &str) -> String {
    format!("{}/samples/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn config() -> String {
    sample("config/layouts.toml")
}

/// The log of the branch's proxy, as if it were yesterday's.
fn fresh() -> String {
    let text = std::fs::read_to_string(sample("logs/layouts/BRANCH_PROXY.log")).expect("the log");
    let day = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24);
    text.replace("24.11.2026", &day.strftime("%d.%m.%Y").to_string())
}

#[test]
fn the_samples_read_as_their_goldens_say() {
    let sandbox = Sandbox::new();
    for name in ["BRANCH_PROXY", "SITE_FIREWALL"] {
        let log = sample(&format!("logs/layouts/{name}.log"));
        let found = sandbox.run(&["records", "--config", &config(), "--log-type", name, &log], 0).stdout;
        let golden = format!("{}/tests/golden/{name}.jsonl", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(golden, found).expect("a golden");
            continue;
        }
        assert_eq!(found, std::fs::read_to_string(golden).expect("a golden"), "UPDATE_GOLDEN=1 rewrites it");
    }
}

#[test]
fn check_tells_what_a_layout_gives_and_what_not() {
    let sandbox = Sandbox::new();
    sandbox.write("branch.log", &fresh());
    let arguments = ["check", "--config", &config(), "--log-type", "BRANCH_PROXY", "branch.log"];
    let text = sandbox.run(&arguments, 3).stdout;
    for part in ["BRANCH_PROXY: a layout of the configuration", "configured", "5 transactions, 3 other, 3 not readable"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(text.contains("the time cannot be read") || text.contains("fewer than half of the columns"), "{text}");
    assert!(text.contains("has to say the same as the [[layout]]"), "{text}");
    let json = sandbox.run(&[&arguments[..], &["--format", "json"]].concat(), 3).stdout;
    let found: Value = serde_json::from_str(&json).expect("one document");
    assert_eq!(found["files"][0]["certainty"], "configured");
    assert_eq!(found["files"][0]["summary"]["rejects"].as_array().map(Vec::len), Some(3), "{json}");

    let shown = sandbox.run(&["formats", "show", "--config", &config(), "SITE_FIREWALL"], 0).stdout;
    assert!(shown.contains("key=value") && shown.contains("verdict") && shown.contains("167"), "{shown}");
}

#[test]
fn a_layout_is_counted_offline_and_shipped_to_the_parser_of_its_data_source() {
    let sandbox = Sandbox::new();
    let text = std::fs::read_to_string(config()).expect("the sample");
    sandbox.write("logweir.toml", &text);
    sandbox.write("branch.log", &fresh());
    let report = sandbox.run(
        &["discover", "--config", "logweir.toml", "--log-type", "BRANCH_PROXY", "--format", "json", "branch.log"],
        0,
    );
    let report: Value = serde_json::from_str(&report.stdout).expect("one document");
    let names: Vec<&str> =
        report["apps"].as_array().expect("apps").iter().filter_map(|app| app["name"].as_str()).collect();
    assert!(names.contains(&"Dropbox") && names.contains(&"WeTransfer"), "{names:?}");

    let feed = "[service]\nurl = \"embedded\"\n[upload]\nconfirm_for = \"20s\"\n[[feed]]\nname = \"branch\"\n\
                paths = [\"*.log\"]\nlog_type = \"BRANCH_PROXY\"\ndata_source = \"Branch\"\nsettle = \"0s\"\n";
    sandbox.write("logweir.toml", &format!("{text}\n{feed}"));
    let with = |arguments: &[&str], code| sandbox.run(&[&["--config", "logweir.toml"], arguments].concat(), code);
    let dry: Value =
        serde_json::from_str(&with(&["upload", "--dry-run", "--format", "json"], 0).stdout).expect("one document");
    assert_eq!(dry["files"][0]["log_type"], "CUSTOM_PARSER");
    assert_eq!(dry["files"][0]["quality"], "accepted with loss");
    with(&["upload"], 0);
    let status: Value = serde_json::from_str(&with(&["status", "--format", "json"], 0).stdout).expect("one document");
    let shipment = &status["shipments"][0];
    assert_eq!(
        (&shipment["stage"], &shipment["log_type"]),
        (&"confirmed".into(), &"CUSTOM_PARSER".into()),
        "{shipment}"
    );
    assert_eq!(shipment["judgement"]["records"], 5);
    let streams: Value =
        serde_json::from_str(&with(&["report", "streams", "--format", "json"], 0).stdout).expect("one document");
    let branch = streams["streams"].as_array().expect("rows").iter().find(|row| row["data_source"] == "Branch");
    assert_eq!(branch.expect("the report")["log_type_id"], "167", "{streams}");

    // Named files go the same way.
    sandbox.write("other.txt", &fresh().replace("ann", "amy"));
    with(&["upload", "--log-type", "BRANCH_PROXY", "--data-source", "Branch", "other.txt"], 0);
    let ran = with(&["upload", "--log-type", "BRANCH_PROXY", "--snapshot", "S", "other.txt"], 2);
    assert!(ran.stderr.contains("--data-source"), "{}", ran.stderr);
    let ran = with(&["check", "--log-type", "BRANCH_PROXI", "other.txt"], 2);
    assert!(ran.stderr.contains("did you mean BRANCH_PROXY?"), "{}", ran.stderr);
}

#[test]
fn what_is_wrong_with_a_layout_is_said_with_its_key() {
    let sandbox = Sandbox::new();
    let good = "[[layout]]\nname = \"OWN\"\nkind = \"delimited\"\nfields = { time = 1, src_ip = 2, url = 3 }\n";
    let feed = "[service]\nurl = \"embedded\"\n[[feed]]\nname = \"f\"\npaths = [\"x\"]\nlog_type = \"OWN\"\nsnapshot = \"S\"\n";
    let rows = [
        (good.replace("OWN", "SQUID_NATIVE"), "give the layout another name"),
        (good.replace("OWN", "own"), "spelled like SQUID_NATIVE"),
        (good.replace("OWN", "CUSTOM_PARSER"), "layout.CUSTOM_PARSER.name"),
        (good.repeat(2), "two layouts have this name"),
        (good.replace("kind", "separator = \";;\"\nkind"), "layout.OWN.separator: \";;\""),
        (good.replace("kind", "time_format = \"%H:%M\"\nkind"), "layout.OWN.time_format"),
        (good.replace("kind", "zone = \"Nowhere/Land\"\nkind"), "layout.OWN.zone"),
        (good.replace("src_ip", "scr_ip"), "did you mean `src_ip`?"),
        (good.replace("kind", "seperator = \";\"\nkind"), "did you mean `separator`?"),
        (good.replace("time = 1, ", ""), "layout.OWN.fields: time is missing"),
        (format!("{good}{feed}"), "feed.f.snapshot: OWN is a layout"),
    ];
    for (text, said) in rows {
        sandbox.write("logweir.toml", &text);
        let ran = sandbox.run(&["config", "check", "--config", "logweir.toml"], 2);
        assert!(ran.stderr.contains(said), "{text}\n{said}\n{}", ran.stderr);
    }
    sandbox.write("logweir.toml", good);
    let shown = sandbox.run(&["config", "show", "--config", "logweir.toml"], 0).stdout;
    for part in ["layout.OWN.kind", "layout.OWN.zone", "layout.OWN.fields.src_ip"] {
        assert!(shown.contains(part), "{shown}");
    }
}
