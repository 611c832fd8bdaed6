//! The vendor's how-to flow for IP ranges, as a script with `requests` and nothing of ours, against the embedded service.

use crate::support::pypi;
use crate::support::site::Site;
use std::process::Command;

#[test]
fn the_how_to_flow_lists_creates_updates_and_deletes_ranges() {
    let Some(python) = pypi("requests") else { return };
    let mut site = Site::with(&["--legacy-token", "how-to", "--role", "settings.manage"]);
    let token = std::fs::read_to_string(site.sandbox.path("logweir-service/how-to.token")).expect("the token");
    let run = |site: &Site, csv: &str| {
        let file = site.sandbox.write("ranges.csv", csv);
        let output = Command::new(&python)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/how_to/ip_ranges.py"))
            .args([&format!("http://{}", site.addr), token.trim()])
            .arg(file)
            .output()
            .expect("python starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        String::from_utf8(output.stdout).expect("text")
    };
    // More than a page of the script's, so that it must follow hasNext.
    let all = |from: u32, provider: &str| {
        (from..50)
            .map(|n| format!("Office {n},192.0.2.0/24 2001:db8:{n:x}::/48,1,branch,{provider}\n"))
            .collect::<String>()
    };
    let created = run(&site, &all(0, "Contoso"));
    assert_eq!(created.lines().filter(|line| line.starts_with("created")).count(), 50, "{created}");
    let second = run(&site, &all(5, ""));
    let count = |word: &str| second.lines().filter(|line| line.starts_with(word)).count();
    assert_eq!((count("created"), count("updated"), count("deleted")), (0, 45, 5), "{second}");
    site.restart();
    let listed = site.run(&["subnets", "list", "--all", "--format", "json"], 0).stdout;
    let ranges: Vec<serde_json::Value> =
        listed.lines().map(|line| serde_json::from_str(line).expect("a record")).collect();
    assert_eq!(ranges.len(), 45);
    // An update replaces the whole record: what the second file left out is gone.
    assert!(ranges.iter().all(|range| range["organization"].is_null()), "{listed}");
    assert_eq!(ranges[0]["subnets"].as_array().map(Vec::len), Some(2));
    let ids: std::collections::BTreeSet<&str> = ranges.iter().filter_map(|range| range["_id"].as_str()).collect();
    assert!(ids.iter().all(|id| created.contains(*id)), "ids are those that create answered");
}
