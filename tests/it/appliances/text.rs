//! Languages that no program here runs: what a parser, a matcher of expressions or a reader of their data can show.

use super::{LIST, NAMES, rendered};
use crate::support::daemon::ran;
use crate::support::{have, pypi};
use logweir::block::guard::takes;

/// Every expression is defined before its use and matches, in a common engine, what the report says: an ASA searches,
/// without an end anchor.
#[test]
fn the_expressions_for_asa_match_what_the_report_says_and_each_is_used() {
    let Some(python) = pypi("ciscoconfparse2") else { return };
    let list = rendered("cisco_asa_regex");
    let play = r#"
import re, sys
from ciscoconfparse2 import CiscoConfParse
conf = CiscoConfParse(sys.argv[1], syntax="asa")
known = {}
for line in conf.find_objects(r"^regex "):
    name, expression = re.fullmatch(r'regex (\S{1,40}) "(.{1,100})"', line.text).groups()
    known[name] = re.compile(expression)
used = [child.text.split()[2] for parent in conf.find_objects(r"^class-map type regex match-any mdca_block_hosts$") for child in parent.children]
assert used and used == list(known), (used, known)
for command in ["class-map type inspect http match-all mdca_block_http", "policy-map type inspect http mdca_block_pm"]:
    [parent] = conf.find_objects("^" + command + "$")
    assert parent.children, command
for host in sys.argv[2:]:
    print(host, "blocked" if any(known[name].search(host) for name in used) else "open")
"#;
    let play = list.sandbox.write("asa.py", play).display().to_string();
    let (good, said) = ran(&python.display().to_string(), &[&[play.as_str(), &list.shown("")][..], NAMES].concat());
    assert!(good, "{said}");
    let meant = |name: &str| {
        let entries = LIST.lines().skip(1).map(|line| line.split_once(',').expect("two cells"));
        entries.into_iter().any(|(value, scope)| takes(value, scope.parse().expect("a scope"), name))
    };
    for name in NAMES {
        // There is no end anchor, and the report says so.
        let expected = meant(name) || name.strip_suffix(".other.example").is_some_and(meant);
        assert_eq!(said.lines().any(|line| line == format!("{name} blocked")), expected, "{name}");
    }
}

#[test]
fn the_groups_for_sophos_are_well_formed_and_hold_the_names() {
    if !have("xmllint") {
        return;
    }
    let list = rendered("sophos_url_group");
    let (good, said) = ran("xmllint", &["--nonet", "--xpath", "//URLGroup/URLlist/URL/text()", &list.shown("")]);
    assert!(good, "{said}");
    let said: Vec<&str> = said.split_whitespace().collect();
    let mut names: Vec<&str> = list.says.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    let mut sorted = said.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, names);
}

#[test]
fn json_targets_are_json_and_csv_targets_have_equal_records() {
    for target in ["zscaler_api_json", "checkpoint_generic_data_center", "service_json"] {
        let list = rendered(target);
        let text = std::fs::read(list.file("")).expect("the list");
        let document: serde_json::Value =
            serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{target}: {error}"));
        let text = document.to_string();
        for (value, _) in &list.says {
            assert!(text.contains(&format!("{value}\"")), "{target}: {value}");
        }
    }
    for target in ["checkpoint_ioc_feed", "mde_indicator", "umbrella_destination_list", "cloudflare_gateway_list"] {
        let list = rendered(target);
        let text = std::fs::read(list.file("")).expect("the list");
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(&*text);
        let rows: Result<Vec<csv::StringRecord>, _> = reader.records().collect();
        let rows = rows.unwrap_or_else(|error| panic!("{target}: {error}"));
        for (value, _) in &list.says {
            assert!(rows.iter().any(|row| row.iter().any(|cell| cell == value)), "{target}: {value}");
        }
    }
}
