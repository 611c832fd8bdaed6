//! The seven script formats of the service, written by us for the embedded service.
//!
//! Bodies of 102, 120 and 135 follow scripts that were seen; the other four follow the appliances' own languages. A
//! domain that is not a clean host name is left out: nothing is escaped.

use crate::domain::HostName;
use std::collections::BTreeSet;
use std::fmt::Write;

/// An appliance the service writes scripts for.
#[derive(Debug, Clone, Copy)]
pub struct Official {
    /// Our name of it, as typed.
    pub name: &'static str,
    /// The service's number.
    pub format: u16,
    /// The product.
    pub product: &'static str,
    render: fn(&[&str]) -> String,
}

/// All seven.
pub const OFFICIAL: [Official; 7] = [
    Official { name: "bluecoat", format: 102, product: "BlueCoat ProxySG", render: bluecoat },
    Official { name: "cisco-asa", format: 104, product: "Cisco ASA", render: cisco_asa },
    Official { name: "fortigate", format: 108, product: "Fortinet FortiGate", render: fortigate },
    Official { name: "palo-alto", format: 112, product: "Palo Alto", render: palo_alto },
    Official { name: "zscaler", format: 120, product: "Zscaler", render: zscaler },
    Official { name: "juniper-srx", format: 129, product: "Juniper SRX", render: juniper_srx },
    Official { name: "websense", format: 135, product: "Websense", render: websense },
];

/// The script of a format for these domains, in stable order, or `None` for a format the service does not have.
pub fn render<'d>(format: u16, domains: impl Iterator<Item = &'d str>) -> Option<String> {
    let appliance = OFFICIAL.iter().find(|official| official.format == format)?;
    let clean: BTreeSet<HostName> = domains.filter_map(|domain| domain.parse().ok()).collect();
    let names: Vec<&str> = clean.iter().map(HostName::as_str).filter(|name| name.contains('.')).collect();
    Some((appliance.render)(&names))
}

/// One line per domain, with text in front and behind.
fn lines(names: &[&str], before: &str, after: &str) -> String {
    names.iter().map(|name| format!("{before}{name}{after}\n")).collect()
}

fn bluecoat(names: &[&str]) -> String {
    lines(names, "url.domain=", " deny")
}

fn zscaler(names: &[&str]) -> String {
    lines(names, ".", "")
}

fn websense(names: &[&str]) -> String {
    lines(names, "dest_host=", " action=deny")
}

fn juniper_srx(names: &[&str]) -> String {
    if names.is_empty() {
        return String::new();
    }
    let mut text = lines(names, "set security utm custom-objects url-pattern mdca_block_01 value *.", "");
    text.push_str("set security utm custom-objects custom-url-category mdca_block value mdca_block_01\n");
    text.push_str("set security utm feature-profile web-filtering juniper-local profile mdca_wf category mdca_block action block\n");
    text
}

fn palo_alto(names: &[&str]) -> String {
    if names.is_empty() {
        return String::new();
    }
    let members: String = names.iter().map(|name| format!("{name}/ *.{name}/ ")).collect();
    format!(
        "set profiles custom-url-category mdca_block type \"URL List\"\nset profiles custom-url-category mdca_block list [ {members}]\n"
    )
}

fn fortigate(names: &[&str]) -> String {
    if names.is_empty() {
        return String::new();
    }
    let mut text = String::from(
        "config webfilter urlfilter\n    edit 0\n        set name \"mdca_block\"\n        config entries\n",
    );
    let entries = names.iter().flat_map(|name| [(name.to_string(), "simple"), (format!("*.{name}"), "wildcard")]);
    for (number, (url, kind)) in entries.enumerate() {
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "            edit {}\n                set url \"{url}\"\n                set type {kind}\n                set action block\n            next\n",
            number + 1
        );
    }
    text.push_str("        end\n    next\nend\n");
    text
}

fn cisco_asa(names: &[&str]) -> String {
    let named = |name: &str| format!("mdca_r_{}", &blake3::hash(name.as_bytes()).to_hex()[..12]);
    // The appliance takes expressions of up to 100 characters; a longer one is not cut but left out.
    let rules: Vec<(String, String)> = names
        .iter()
        .map(|name| (named(name), format!("(^|\\.){}", name.replace('.', "\\."))))
        .filter(|(_, expression)| expression.len() <= 100)
        .collect();
    if rules.is_empty() {
        return String::new();
    }
    let mut text: String = rules.iter().map(|(id, expression)| format!("regex {id} \"{expression}\"\n")).collect();
    text.push_str("class-map type regex match-any mdca_block_hosts\n");
    text.extend(rules.iter().map(|(id, _)| format!(" match regex {id}\n")));
    text.push_str("class-map type inspect http match-all mdca_block_http\n match request header host regex class mdca_block_hosts\n");
    text.push_str("policy-map type inspect http mdca_block_pm\n class mdca_block_http\n  reset log\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_domains_never_reach_a_script() {
        let hostile =
            ["good.example", "a b.example", "x.example\nevil", "q\".example", "com", "semi;colon.example", ""];
        for official in OFFICIAL {
            let text = render(official.format, hostile.into_iter()).unwrap();
            assert!(text.contains("good"), "{}", official.name);
            for word in ["evil", "semi", "colon", "a b"] {
                assert!(!text.contains(word), "{}: {text}", official.name);
            }
        }
    }

    #[test]
    fn lines_are_those_that_were_seen_and_order_does_not_matter() {
        let script = |format, names: &[&'static str]| render(format, names.iter().copied()).unwrap();
        assert_eq!(script(102, &["b.example", "a.example"]), "url.domain=a.example deny\nurl.domain=b.example deny\n");
        assert_eq!(script(120, &["a.example"]), ".a.example\n");
        assert_eq!(script(135, &["a.example"]), "dest_host=a.example action=deny\n");
        assert!(render(999, [].into_iter()).is_none());
        for official in OFFICIAL {
            assert_eq!(script(official.format, &[]), "", "{}", official.name);
        }
    }
}
