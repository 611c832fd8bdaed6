//! Deltas on models of the devices: each refuses what the real one would refuse, such as a reference to nothing, the
//! removal of something in use, and the removal of what is not there.

use super::super::appliance::{self, Allowed};
use super::super::guard::Guards;
use super::super::name::Reading;
use super::super::verdict::{Builder, Raw, Scope};
use super::super::{plan, write};
use super::*;
use std::collections::{BTreeMap, BTreeSet};

type Done = Result<(), String>;

/// What a device holds, without its empty containers.
trait Device {
    fn line(&mut self, line: &str) -> Done;
    fn state(&self) -> BTreeSet<String>;
    /// What a device checks at the end of a script.
    fn commit(&self) -> Done {
        Ok(())
    }

    fn run(&mut self, script: &[u8]) -> Done {
        let text = std::str::from_utf8(script).map_err(|error| error.to_string())?;
        let text = text.trim_start_matches('\u{feff}');
        assert!(!text.contains('\u{feff}'), "a byte order mark within a script");
        for line in text.lines() {
            self.line(line.trim_end_matches('\r')).map_err(|why| format!("{line}: {why}"))?;
        }
        self.commit()
    }
}

fn missing(what: &str) -> String {
    format!("{what} is not there")
}

fn take(set: &mut BTreeSet<String>, what: &str) -> Done {
    if set.remove(what) { Ok(()) } else { Err(missing(what)) }
}

#[derive(Default)]
struct Asa {
    mode: String,
    definitions: BTreeMap<String, String>,
    classes: BTreeMap<String, BTreeSet<String>>,
    groups: BTreeMap<String, BTreeSet<String>>,
    lists: BTreeSet<String>,
}

impl Asa {
    fn used(&self, name: &str) -> bool {
        self.classes.values().chain(self.groups.values()).any(|members| members.contains(name))
    }

    fn undefine(&mut self, key: &str, name: &str) -> Done {
        if self.used(name) {
            return Err("it is in use".to_owned());
        }
        self.definitions.remove(key).map(|_| ()).ok_or_else(|| missing(key))
    }

    fn inside(&mut self, words: &[&str]) -> Done {
        let mode = self.mode.clone();
        let (kind, name) = mode.split_once(' ').unwrap_or((&mode, ""));
        match (kind, words) {
            ("object", ["fqdn" | "host" | "subnet", ..]) => {
                self.definitions.insert(format!("object {name}"), words.join(" "));
            }
            ("class", ["match", "regex", regex]) if self.definitions.contains_key(&format!("regex {regex}")) => {
                self.classes.entry(name.to_owned()).or_default().insert((*regex).to_owned());
            }
            ("class", ["no", "match", "regex", regex]) => {
                take(self.classes.entry(name.to_owned()).or_default(), regex)?;
            }
            ("group", ["network-object", "object", object])
                if self.definitions.contains_key(&format!("object {object}")) =>
            {
                self.groups.entry(name.to_owned()).or_default().insert((*object).to_owned());
            }
            ("group", ["no", "network-object", "object", object]) => {
                let used = self.lists.iter().any(|list| list.contains(&format!("object-group {name} ")));
                let members = self.groups.entry(name.to_owned()).or_default();
                if used && members.len() == 1 {
                    return Err("the last member of a group in use".to_owned());
                }
                take(members, object)?;
            }
            ("other", _) => {}
            _ => return Err(format!("refused in mode {mode:?}")),
        }
        Ok(())
    }
}

impl Device for Asa {
    fn line(&mut self, line: &str) -> Done {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        if line.starts_with(' ') {
            return self.inside(&words);
        }
        self.mode = "other".to_owned();
        match words.as_slice() {
            ["!", ..] => {}
            ["regex", name, expression] => {
                self.definitions.insert(format!("regex {name}"), (*expression).to_owned());
            }
            ["no", "regex", name] => self.undefine(&format!("regex {name}"), name)?,
            ["class-map", "type", "regex", "match-any", name] => self.mode = format!("class {name}"),
            ["class-map" | "policy-map", ..] | ["no", "policy-map", ..] => {}
            ["no", "class-map", "type", "inspect", ..] => {}
            ["no", "class-map", "type", "regex", "match-any", name] => drop(self.classes.remove(*name)),
            ["object", "network", name] => self.mode = format!("object {name}"),
            ["no", "object", "network", name] => self.undefine(&format!("object {name}"), name)?,
            ["object-group", "network", name] => self.mode = format!("group {name}"),
            ["no", "object-group", "network", name] => {
                if self.lists.iter().any(|list| list.contains(&format!("object-group {name} "))) {
                    return Err("it is in use".to_owned());
                }
                self.groups.remove(*name).ok_or_else(|| missing(name))?;
            }
            ["access-list", .., "object-group", name, "log"] => {
                if self.groups.get(*name).is_none_or(BTreeSet::is_empty) {
                    return Err("the group is empty".to_owned());
                }
                self.lists.insert(line.to_owned());
            }
            ["no", "access-list", ..] => take(&mut self.lists, &line[3..])?,
            _ => return Err("no command".to_owned()),
        }
        Ok(())
    }

    fn state(&self) -> BTreeSet<String> {
        let members = self.classes.iter().chain(&self.groups);
        let members =
            members.flat_map(|(name, inside)| inside.iter().map(move |member| format!("{name} has {member}")));
        let definitions = self.definitions.iter().map(|(name, what)| format!("{name} is {what}"));
        members.chain(definitions).chain(self.lists.iter().cloned()).collect()
    }
}

#[derive(Default)]
struct FortiGate {
    depth: usize,
    entry: Option<String>,
    entries: BTreeMap<String, Vec<String>>,
}

impl Device for FortiGate {
    fn line(&mut self, line: &str) -> Done {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        match (self.depth, words.as_slice()) {
            (0, ["#", ..]) | (1, ["edit", _]) | (1, ["next"]) => {}
            (0, ["config", "webfilter", "urlfilter"]) | (1, ["config", "entries"]) => self.depth += 1,
            (1, ["set", ..]) => {}
            (1, ["delete", _]) => self.entries.clear(),
            (2, ["edit", number]) => {
                self.entry = Some((*number).to_owned());
                self.entries.insert((*number).to_owned(), Vec::new());
            }
            (2, ["set", ..]) => {
                let number = self.entry.clone().ok_or("outside of an entry")?;
                self.entries.entry(number).or_default().push(words.join(" "));
            }
            (2, ["next"]) => self.entry = None,
            (2, ["delete", number]) => drop(self.entries.remove(*number).ok_or_else(|| missing(number))?),
            (_, ["end"]) => self.depth -= 1,
            _ => return Err("no command here".to_owned()),
        }
        Ok(())
    }

    fn commit(&self) -> Done {
        if self.depth == 0 { Ok(()) } else { Err("a table was left open".to_owned()) }
    }

    fn state(&self) -> BTreeSet<String> {
        self.entries.iter().map(|(number, lines)| format!("{number}: {}", lines.join("; "))).collect()
    }
}

/// Junos and PAN-OS: statements that are set and deleted, lists in brackets, and references that must hold at the end.
#[derive(Default)]
struct Statements {
    lines: BTreeSet<String>,
    /// Whether the deletion of what is not there is an error.
    strict: bool,
}

impl Device for Statements {
    fn line(&mut self, line: &str) -> Done {
        let (verb, rest) = line.split_once(' ').ok_or("no command")?;
        match (verb, rest.split_once(" [ ")) {
            ("#", _) => {}
            ("set", Some((path, members))) => {
                let members = members.strip_suffix(" ]").ok_or("the bracket is left open")?;
                self.lines.extend(members.split(' ').map(|member| format!("{path} {member}")));
            }
            ("set", None) => drop(self.lines.insert(rest.to_owned())),
            ("delete", None) => {
                let before = self.lines.len();
                self.lines.retain(|line| line != rest && !line.starts_with(&format!("{rest} ")));
                if self.strict && self.lines.len() == before {
                    return Err(missing(rest));
                }
            }
            _ => return Err("no command".to_owned()),
        }
        Ok(())
    }

    fn commit(&self) -> Done {
        const UTM: &str = "security utm custom-objects";
        let has = |start: String| self.lines.iter().any(|line| line.starts_with(&start));
        for line in &self.lines {
            let words: Vec<&str> = line.split(' ').collect();
            let holds = match words.as_slice() {
                [.., "custom-url-category", _, "value", pattern] => has(format!("{UTM} url-pattern {pattern} value ")),
                [.., "juniper-local", "profile", _, "category", name, "action", "block"] => {
                    has(format!("{UTM} custom-url-category {name} value "))
                }
                [.., "address-set", _, "address", name] => has(format!("security address-book global address {name} ")),
                _ => true,
            };
            if !holds {
                return Err(format!("{line} refers to nothing"));
            }
        }
        Ok(())
    }

    fn state(&self) -> BTreeSet<String> {
        let container = |line: &&String| {
            ["custom-block-message", " description ", " type ", "action block", "custom-url-category mdca_block value"]
                .iter()
                .any(|word| line.contains(word))
        };
        self.lines.iter().filter(|line| !container(line)).cloned().collect()
    }
}

/// nft and ipset: sets of elements.
#[derive(Default)]
struct Sets {
    elements: BTreeSet<String>,
    /// The set whose elements the lines of a table file list.
    open: Option<String>,
    listing: bool,
}

impl Sets {
    fn each(&mut self, set: &str, list: &str, mut what: impl FnMut(&mut BTreeSet<String>, &str) -> Done) -> Done {
        let list = list.trim().trim_start_matches('{').trim_end_matches('}');
        for element in list.split(',').map(str::trim).filter(|element| !element.is_empty()) {
            what(&mut self.elements, &format!("{set} {element}"))?;
        }
        Ok(())
    }
}

fn put(set: &mut BTreeSet<String>, element: &str) -> Done {
    if set.insert(element.to_owned()) { Ok(()) } else { Err("it is there already".to_owned()) }
}

impl Device for Sets {
    fn line(&mut self, line: &str) -> Done {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let behind = |word: &str| line.split_once(word).map_or("", |(_, rest)| rest).to_owned();
        match words.as_slice() {
            ["#", ..] => Ok(()),
            ["delete", "element", "inet", _, set, "{", ..] => self.each(set, &behind(&format!(" {set} ")), take),
            ["add", "element", "inet", _, set, "{", ..] => self.each(set, &behind(&format!(" {set} ")), put),
            ["delete", "table", ..] => {
                self.elements.clear();
                Ok(())
            }
            ["set", name, "{"] => {
                self.open = Some((*name).to_owned());
                Ok(())
            }
            ["elements", "=", "{", ..] => {
                let set = self.open.clone().ok_or("outside of a set")?;
                self.listing = !line.ends_with('}');
                self.each(&set, &behind("="), put)
            }
            _ if self.listing => {
                let set = self.open.clone().ok_or("outside of a set")?;
                self.listing = !line.ends_with('}');
                self.each(&set, line, put)
            }
            ["create", .., "-exist"] => Ok(()),
            ["flush" | "destroy", set] => {
                self.elements.retain(|element| !element.starts_with(&format!("{set} ")));
                Ok(())
            }
            ["add", set, element, "-exist"] => {
                self.elements.insert(format!("{set} {element}"));
                Ok(())
            }
            ["del", set, element, "-exist"] => take(&mut self.elements, &format!("{set} {element}")),
            _ => Ok(()),
        }
    }

    fn state(&self) -> BTreeSet<String> {
        self.elements.clone()
    }
}

#[derive(Default)]
struct RouterOs {
    menu: String,
    items: Vec<(String, BTreeSet<String>)>,
}

impl RouterOs {
    fn remove(&mut self, menu: &str, find: &str) -> Done {
        let wanted: BTreeSet<String> = find.split(' ').map(str::to_owned).collect();
        let before = self.items.len();
        self.items.retain(|(place, item)| place != menu || !wanted.is_subset(item));
        // Everything of ours may be nothing; a single entry must be there, and must be one.
        if wanted.len() > 1 && self.items.len() + 1 != before {
            return Err(format!("{} entries are found", before - self.items.len()));
        }
        Ok(())
    }
}

impl Device for RouterOs {
    fn line(&mut self, line: &str) -> Done {
        if line.starts_with('#') {
            return Ok(());
        }
        if let Some((menu, find)) = line.split_once(" remove [find ") {
            return self.remove(menu, find.trim_end_matches(']'));
        }
        if line.starts_with('/') {
            line.clone_into(&mut self.menu);
            return Ok(());
        }
        let menu = self.menu.clone();
        if let Some(find) = line.strip_prefix("remove [find ") {
            return self.remove(&menu, find.trim_end_matches(']'));
        }
        let attributes = line.strip_prefix("add ").ok_or("no command")?;
        let mut item: BTreeSet<String> = attributes.split(' ').map(str::to_owned).collect();
        if menu.contains("dns") && !attributes.contains("match-subdomain") {
            item.insert("match-subdomain=no".to_owned());
        }
        if self.items.contains(&(menu.clone(), item.clone())) {
            return Err("it is there already".to_owned());
        }
        self.items.push((menu, item));
        Ok(())
    }

    fn state(&self) -> BTreeSet<String> {
        self.items.iter().map(|item| format!("{item:?}")).collect()
    }
}

/// Windows DNS policies by name, and lists of OpenWrt.
#[derive(Default)]
struct Named {
    policies: BTreeMap<String, String>,
}

impl Device for Named {
    fn line(&mut self, line: &str) -> Done {
        let quoted = |at: usize| line.split('\'').nth(at).unwrap_or_default().to_owned();
        let first = line.split(' ').next().unwrap_or_default();
        match first {
            "#" | "service" | "" => {}
            "Add-DnsServerQueryResolutionPolicy" => {
                if self.policies.insert(quoted(1), quoted(3)).is_some() {
                    return Err("it is there already".to_owned());
                }
            }
            "Remove-DnsServerQueryResolutionPolicy" => {
                drop(self.policies.remove(&quoted(1)).ok_or_else(|| missing(&quoted(1)))?);
            }
            "Get-DnsServerQueryResolutionPolicy" => self.policies.clear(),
            "uci" if line.contains(" add_list ") => {
                if self.policies.insert(quoted(1), String::new()).is_some() {
                    return Err("it is there twice".to_owned());
                }
            }
            "uci" if line.contains(" del_list ") => {
                drop(self.policies.remove(&quoted(1)).ok_or_else(|| missing(&quoted(1)))?);
            }
            "uci" if line.contains(" commit ") => {}
            _ => return Err("no command".to_owned()),
        }
        Ok(())
    }

    fn state(&self) -> BTreeSet<String> {
        self.policies.iter().map(|(name, what)| format!("{name} {what}")).collect()
    }
}

fn device(appliance: &Appliance) -> Box<dyn Device> {
    match appliance.name {
        "cisco_asa_regex" | "cisco_asa_fqdn_objects" => Box::new(Asa::default()),
        "fortigate_urlfilter" => Box::new(FortiGate::default()),
        "paloalto_custom_url_category" => Box::new(Statements { strict: true, ..Statements::default() }),
        // Junos warns about the deletion of what is not there, and goes on.
        "juniper_srx_utm" => Box::new(Statements::default()),
        "nftables_set" | "ipset_restore" => Box::new(Sets::default()),
        "mikrotik_dns_static" | "mikrotik_address_list" => Box::new(RouterOs::default()),
        "windows_dns_policy" | "openwrt_uci_dnsmasq" => Box::new(Named::default()),
        other => panic!("{other} has a delta and no model"),
    }
}

struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % below
    }
}

fn pool() -> Vec<(String, Option<Scope>)> {
    let scopes = [Some(Scope::Subtree), Some(Scope::Exact), Some(Scope::Below)];
    let mut pool = Vec::new();
    for n in 0..8 {
        for scope in scopes {
            pool.push((format!("n{n}.example"), scope));
        }
        pool.push((format!("www.n{n}.example"), scopes[n % 3]));
        pool.push((format!("n{n}.example/path"), None));
        pool.push((format!("192.0.2.{n}"), None));
        pool.push((format!("198.51.{n}.0/24"), None));
        pool.push((format!("2001:db8::{n}"), None));
        pool.push((format!("2001:db8:{n}::/48"), None));
    }
    pool
}

fn files(appliance: &Appliance, parameters: &Parameters, entries: &[(String, Option<Scope>)]) -> Vec<File> {
    let guards = Guards::none();
    let mut builder = Builder::new(Reading::default());
    for (text, scope) in entries {
        builder.add(Raw { text, scope: *scope, ..Raw::default() });
    }
    let verdict = builder.finish(&guards, None);
    let mut plan = plan::plan(appliance, parameters, &verdict, &guards).unwrap();
    write::whole(appliance, parameters, &verdict, &mut plan, None).unwrap()
}

fn settings(appliance: &Appliance) -> Vec<Parameters> {
    let mut all = vec![appliance.parameters(&BTreeMap::new()).unwrap()];
    for parameter in appliance.parameters {
        if let Allowed::OneOf(words) = parameter.allowed {
            let given = |word: &&str| BTreeMap::from([(parameter.name.to_owned(), (*word).to_owned())]);
            all.extend(words.iter().map(|word| appliance.parameters(&given(word)).unwrap()));
        }
    }
    all
}

/// A fresh device with this list on it.
fn with(appliance: &Appliance, files: &[File]) -> Box<dyn Device> {
    let mut fresh = device(appliance);
    fresh.run(&files.iter().flat_map(|file| file.bytes.clone()).collect::<Vec<u8>>()).unwrap();
    fresh
}

/// Brings a device from one list to the next, back, and there again.
#[track_caller]
fn there_and_back(appliance: &Appliance, parameters: &Parameters, live: &mut dyn Device, old: &[File], new: &[File]) {
    let scripts = scripts(appliance, parameters, old, new).unwrap().unwrap();
    let shown = |script: &[u8]| String::from_utf8_lossy(script).into_owned();
    let (before, after) = (live.state(), with(appliance, new).state());
    let mut run = |script: &[u8], expected: &BTreeSet<String>| {
        if let Err(why) = live.run(script) {
            panic!("{}: {why}\n{}", appliance.name, shown(script));
        }
        assert_eq!(live.state(), *expected, "{}\n{}", appliance.name, shown(script));
    };
    run(&scripts.delta, &after);
    run(&scripts.inverse, &before);
    run(&scripts.delta, &after);
}

#[test]
fn a_delta_leads_to_the_new_state_and_its_inverse_back_on_every_device() {
    let pool = pool();
    let mut with_delta = 0;
    for appliance in appliance::all().filter(|appliance| appliance.delta.is_some()) {
        with_delta += 1;
        for parameters in settings(appliance) {
            let mut dice = Dice(11);
            let mut live = device(appliance);
            let mut old: Vec<File> = Vec::new();
            let mut changed = 0;
            for round in 0..40 {
                let share = [0, 1, 4, 9, 10][dice.roll(5)];
                let entries: Vec<_> = pool.iter().filter(|_| dice.roll(10) < share).cloned().collect();
                let new = files(appliance, &parameters, &entries);
                there_and_back(appliance, &parameters, &mut *live, &old, &new);
                changed += usize::from(round > 0 && old != new);
                old = new;
            }
            assert!(changed > 20, "{}", appliance.name);
            // And away altogether.
            there_and_back(appliance, &parameters, &mut *live, &old, &[]);
            assert!(live.state().is_empty(), "{}: {:?}", appliance.name, live.state());
        }
    }
    assert_eq!(with_delta, 11);
}

#[test]
fn a_list_that_outgrows_its_objects_and_shrinks_again_is_brought_over_whole() {
    let appliance = appliance::find("juniper_srx_utm").unwrap();
    let parameters = appliance.parameters(&BTreeMap::new()).unwrap();
    let many = |count: usize| -> Vec<(String, Option<Scope>)> {
        (0..count).map(|n| (format!("n{n}.example"), Some(Scope::Subtree))).collect()
    };
    let (small, large) = (files(appliance, &parameters, &many(20)), files(appliance, &parameters, &many(8_300)));
    let mut live = device(appliance);
    there_and_back(appliance, &parameters, &mut *live, &[], &small);
    there_and_back(appliance, &parameters, &mut *live, &small, &large);
}

#[test]
fn a_delta_is_no_longer_than_the_change() {
    let appliance = appliance::find("cisco_asa_regex").unwrap();
    let parameters = appliance.parameters(&BTreeMap::new()).unwrap();
    let entry = |name: &str| (name.to_owned(), Some(Scope::Subtree));
    let old = files(appliance, &parameters, &[entry("a.example"), entry("b.example")]);
    let new = files(appliance, &parameters, &[entry("b.example"), entry("c.example")]);
    let scripts = scripts(appliance, &parameters, &old, &new).unwrap().unwrap();
    let text = String::from_utf8(scripts.delta).unwrap();
    let verbs: Vec<&str> = text.lines().map(|line| line.split(" mdca").next().unwrap()).collect();
    let expected = [
        "class-map type regex match-any",
        " no match regex",
        "no regex",
        "regex",
        "class-map type regex match-any",
        " match regex",
    ];
    assert_eq!(verbs, expected);
    let same = super::scripts(appliance, &parameters, &old, &old).unwrap().unwrap();
    assert!(same.delta.is_empty() && same.inverse.is_empty());
    let squid = appliance::find("squid_dstdomain").unwrap();
    assert_eq!(super::scripts(squid, &parameters, &[], &[]), Ok(None));
}
