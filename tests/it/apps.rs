//! Discovered apps through Microsoft Graph: the real binary against the embedded service.

use crate::support::site::{Site, log};

const GRAPH: &[&str] = &["--role", "discovery.manage", "--role", "CloudApp-Discovery.Read.All"];

fn line(n: u64, user: &str, host: &str) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock").as_secs() - 600;
    format!("{now}.{n:03}    87 192.0.2.{n} TCP_TUNNEL/200 1000 CONNECT {host}:443 {user} HIER_DIRECT/203.0.113.5 -\n")
}

fn imported(roles: &[&str]) -> Site {
    let site = Site::with(roles);
    let text = log(1, 3) + &line(20, "bob", "www.dropbox.com") + &line(21, "eve", "www.salesforce.com");
    site.sandbox.write("logs/a.log", &text);
    site.run(&["upload"], 0);
    site.imported();
    site
}

#[test]
fn apps_are_listed_by_stream_and_filtered_by_risk_category_and_period() {
    let site = imported(GRAPH);
    let names = |more: &[&str]| {
        let stream: &[&str] = if more.contains(&"--stream") { &[] } else { &["--stream", "HQ"] };
        let ran = site.run(&[&["report", "apps", "--columns", "app", "--format", "csv"], stream, more].concat(), 0);
        ran.stdout.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    let mut all = names(&[]);
    all.sort();
    assert_eq!(all, ["Dropbox", "Salesforce"]);
    let records = site.run(&["report", "apps", "--stream", "HQ", "--format", "json"], 0).stdout;
    let records: Vec<serde_json::Value> =
        records.lines().map(|line| serde_json::from_str(line).expect("a record a line")).collect();
    let dropbox = records.iter().find(|record| record["displayName"] == "Dropbox").expect("Dropbox");
    assert_eq!((&dropbox["userCount"], &dropbox["ipAddressCount"]), (&2.into(), &2.into()));
    let score = dropbox["riskScore"].as_u64().expect("a score");
    let (below, at) = ((score - 1).max(1).to_string(), score.to_string());
    assert!(!names(&["--score-at-most", &below]).contains(&"Dropbox".to_owned()));
    assert!(names(&["--score-at-most", &at, "--score-at-least", &at]).contains(&"Dropbox".to_owned()));
    assert_eq!(names(&["--category", "cloud storage"]), ["Dropbox"]);
    assert_eq!(names(&["--days", "7", "--condition", "displayName eq 'Salesforce'"]), ["Salesforce"]);
    assert_eq!(names(&["--stream", "Branch"]), [""; 0]);
    for (arguments, code, said) in [
        (&["--stream", "HR"][..], 1, "did you mean \"HQ\"?"),
        (&[], 2, "--stream: HQ, Branch"),
        (&["--category", "cloud storge"], 2, "Cloud storage"),
        (&["--days", "31"], 2, "7, 30 and 90"),
        (&["--score-at-most", "11"], 2, "1..=10"),
        (&["--stream", "HQ", "--condition", "nonsense"], 1, "Invalid filter"),
    ] {
        let ran = site.run(&[&["report", "apps"], arguments].concat(), code);
        assert!(ran.stderr.contains(said), "{arguments:?}: {}", ran.stderr);
    }
}

#[test]
fn an_app_is_shown_with_its_users_and_addresses() {
    let site = imported(GRAPH);
    let ran = site.run(&["report", "app", "dropbox", "--data-source", "HQ", "--format", "csv"], 0);
    let mut rows: Vec<&str> = ran.stdout.lines().skip(1).collect();
    rows.sort_unstable();
    assert_eq!(rows, ["address,192.0.2.10", "address,192.0.2.20", "user,ann", "user,bob"]);
    let text = site.run(&["report", "app", "Dropbox", "--stream", "HQ"], 0).stdout;
    assert!(text.contains("displayName") && text.contains("isHipaaCompliant") && text.contains("ann"), "{text}");
    let document = site.run(&["report", "app", "Dropbox", "--stream", "HQ", "--format", "json"], 0).stdout;
    let document: serde_json::Value = serde_json::from_str(&document).expect("one document");
    assert_eq!(document["users"].as_array().map(Vec::len), Some(2));
    assert_eq!(document["app"]["displayName"], "Dropbox");
    let typo = site.run(&["report", "app", "Dropbx", "--stream", "HQ"], 1);
    assert!(typo.stderr.contains("did you mean \"Dropbox\"?"), "{}", typo.stderr);
}

#[test]
fn without_graphs_permission_it_is_named_with_what_is_held() {
    let site = imported(&[]);
    let ran = site.run(&["report", "apps"], 1);
    assert!(ran.stderr.contains("CloudApp-Discovery.Read.All") && ran.stderr.contains("holds"), "{}", ran.stderr);
    assert!(ran.stderr.contains("403") && ran.stdout.is_empty(), "{}", ran.stderr);
}
