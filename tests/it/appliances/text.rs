//! Languages that no program here runs: what a parser, a matcher of expressions or a reader of their data can show.

use super::{LIST, NAMES, rendered};
use crate::support::daemon::ran;
use crate::support::{Sandbox, have, pypi};
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

/// Each object is defined before the group that has it, nothing else is in the group, and the rule names the group.
#[test]
fn the_objects_for_asa_are_all_in_the_group_that_the_rule_denies() {
    let Some(python) = pypi("ciscoconfparse2") else { return };
    let list = rendered("cisco_asa_fqdn_objects");
    let play = r#"
import sys
from ciscoconfparse2 import CiscoConfParse
conf = CiscoConfParse(sys.argv[1], syntax="asa")
known = {}
for line in conf.find_objects(r"^object network "):
    [child] = line.children
    known[line.text.split()[2]] = child.text.split()
[group] = conf.find_objects(r"^object-group network mdca_block$")
used = [child.text.split() for child in group.children]
assert all(words[:2] == ["network-object", "object"] for words in used), used
assert [words[2] for words in used] == list(known), (used, known)
[rule] = conf.find_objects(r"^access-list ")
assert rule.text.split() == "access-list mdca_block_egress extended deny ip any object-group mdca_block log".split()
assert all(line.linenum < group.linenum < rule.linenum for line in conf.find_objects(r"^object network "))
for words in known.values():
    print(*words)
"#;
    let play = list.sandbox.write("asa.py", play).display().to_string();
    let (good, said) = ran(&python.display().to_string(), &[&play, &list.shown("")]);
    assert!(good, "{said}");
    let mut said: Vec<&str> = said.lines().collect();
    said.sort_unstable();
    let mut expected = vec![
        "fqdn v4 deep.part.example",
        "fqdn v4 exact.example",
        "fqdn v4 low.exact.example",
        "fqdn v4 tree.example",
        "fqdn v4 xn--bcher-kva.example",
        "host 192.0.2.10",
        "host 2001:db8::10",
        "subnet 2001:db8:1::/48",
        "subnet 203.0.113.64 255.255.255.192",
    ];
    expected.sort_unstable();
    assert_eq!(said, expected);
}

/// Palo Alto's own library says how the same category is built: our commands say that, path by path.
#[test]
fn the_category_for_pan_os_is_what_palo_altos_library_builds() {
    let Some(python) = pypi("panos") else { return };
    let list = rendered("paloalto_custom_url_category");
    let play = r#"
import sys, shlex
import xml.etree.ElementTree as ET
from panos.objects import CustomUrlCategory
ours = []
for line in open(sys.argv[1]):
    word, *path = shlex.split(line)
    assert word == "set", line
    if "[" in path:
        at = path.index("[")
        assert path[-1] == "]", line
        ours += [(*path[:at], member) for member in path[at + 1:-1]]
    else:
        ours.append(tuple(path))
members = [path[-1] for path in ours if path[3] == "list"]
built = CustomUrlCategory("mdca_block", url_value=members, description="rendered by logweir", type="URL List")
above = (*built.XPATH.strip("/").split("/"), built.name)
theirs = [(*above, kind.tag, leaf.text) for kind in ET.fromstring(built.element_str()) for leaf in (kind.findall("member") or [kind])]
assert sorted(ours) == sorted(theirs), (ours, theirs)
print(*members)
"#;
    let play = list.sandbox.write("category.py", play).display().to_string();
    let (good, said) = ran(&python.display().to_string(), &[&play, &list.shown("")]);
    assert!(good, "{said}");
    let members: Vec<&str> = said.split_whitespace().collect();
    for member in ["tree.example/", "*.tree.example/", "exact.example/", "*.below.example/", "192.0.2.10/"] {
        assert!(members.contains(&member), "{member}: {members:?}");
    }
    assert!(!members.contains(&"*.exact.example/") && !members.contains(&"below.example/"), "{members:?}");
}

/// What leads from version to version is what another tool finds between the two configurations, and no more.
#[test]
fn the_changes_for_junos_are_those_that_hier_config_finds() {
    let Some(python) = pypi("hier_config") else { return };
    let sandbox = Sandbox::new();
    sandbox.write(
        "logweir.toml",
        "[[block]]\nname = \"own\"\nappliance = \"juniper_srx_utm\"\noutput = \"list.txt\"\nsources = [\"own.txt\"]\n\
         max_change = \"any\"\ndate = false\n",
    );
    let versions = [
        "a.example\nwww.b.example\n192.0.2.10\n203.0.113.0/24\n",
        "b.example\nc.example\n203.0.113.0/24\n2001:db8::10\n",
        "a.example\nb.example\nxn--bcher-kva.example\n192.0.2.10\n2001:db8:1::/48\n",
        "192.0.2.10\na.example\n",
    ];
    let run = |arguments: &[&str]| sandbox.run(&[&["--config", "logweir.toml", "block"], arguments].concat(), 0).stdout;
    for (at, version) in versions.iter().enumerate() {
        sandbox.write("own.txt", version);
        run(&["publish"]);
        std::fs::copy(sandbox.path("list.txt"), sandbox.path(&format!("full.{}", at + 1))).expect("the list");
    }
    let play = r#"
import sys
from hier_config import Host
old, new = ([line for line in open(path).read().splitlines() if line.startswith("set ")] for path in sys.argv[1:3])
ours = [line for line in open(sys.argv[3]).read().splitlines()]
host = Host("srx", "junos")
host.load_running_config("\n".join(old))
host.load_generated_config("\n".join(new))
host.remediation_config()
theirs = host.remediation_config_filtered_text(include_tags={}, exclude_tags={}).splitlines()
def change(script):
    """The statements of the old configuration that go, and those that come: what is set already may be set again."""
    gone = [line for line in old for word in script if word.startswith("delete ") and (line[4:] + " ").startswith(word[7:] + " ")]
    return sorted(gone), sorted(line for line in script if line.startswith("set ") and line not in old)
assert all(line.startswith(("set ", "delete ")) for line in ours), ours
assert theirs and change(ours) == change(theirs), (ours, theirs)
"#;
    let play = sandbox.write("junos.py", play).display().to_string();
    let full = |version: usize| sandbox.path(&format!("full.{version}")).display().to_string();
    for (from, to) in [(1, 2), (2, 3), (3, 4), (1, 4), (4, 1), (3, 1)] {
        for (flag, from, to) in [("--script", from, to), ("--inverse", to, from)] {
            let (low, high) = if flag == "--script" { (from, to) } else { (to, from) };
            let script = run(&["diff", &low.to_string(), &high.to_string(), flag]);
            let script = sandbox.write("script.txt", &script).display().to_string();
            let (good, said) = ran(&python.display().to_string(), &[&play, &full(from), &full(to), &script]);
            assert!(good, "{flag} {from} {to}: {said}");
        }
    }
}
