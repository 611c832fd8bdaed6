//! THE registry of appliances: one file per product, one line here. Rendering, reading back, `block formats`, the
//! README table, goldens and tests walk [`all`]; nothing else lists them.
//!
//! Adding one: write its file with a `TARGETS` constant, add its line to `ALL`, run the tests once with
//! `UPDATE_GOLDEN=1`, and read the new golden with your own eyes.

use super::layout::{Page, Piece};
use std::collections::BTreeMap;
use std::fmt;

mod adblock;
mod bluecoat;
mod checkpoint;
mod cisco;
mod cloudflare;
mod defender;
mod dnsmasq;
mod fortigate;
mod haproxy;
mod hosts;
mod ipset;
mod juniper;
mod mikrotik;
mod nftables;
mod openwrt;
mod opnsense;
mod pac;
mod panos;
mod pfsense;
mod plain;
mod rpz;
mod service;
mod sonicwall;
mod sophos;
mod squid;
mod trellix;
mod umbrella;
mod unbound;
mod websense;
mod windows;
mod zscaler;

const ALL: &[&[Appliance]] = &[
    bluecoat::TARGETS,
    cisco::TARGETS,
    fortigate::TARGETS,
    panos::TARGETS,
    zscaler::TARGETS,
    juniper::TARGETS,
    websense::TARGETS,
    service::TARGETS,
    umbrella::TARGETS,
    cloudflare::TARGETS,
    checkpoint::TARGETS,
    sophos::TARGETS,
    sonicwall::TARGETS,
    trellix::TARGETS,
    defender::TARGETS,
    squid::TARGETS,
    haproxy::TARGETS,
    pac::TARGETS,
    dnsmasq::TARGETS,
    unbound::TARGETS,
    rpz::TARGETS,
    hosts::TARGETS,
    adblock::TARGETS,
    opnsense::TARGETS,
    pfsense::TARGETS,
    windows::TARGETS,
    mikrotik::TARGETS,
    openwrt::TARGETS,
    nftables::TARGETS,
    ipset::TARGETS,
    plain::TARGETS,
];

/// Every target.
pub fn all() -> impl Iterator<Item = &'static Appliance> {
    ALL.iter().copied().flatten()
}

/// The target of this name.
pub fn find(name: &str) -> Option<&'static Appliance> {
    all().find(|appliance| appliance.name == name)
}

/// What sort of thing a target takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// Commands or a program that the appliance runs.
    Script,
    /// A file that the appliance reads.
    List,
    /// A file that the appliance fetches.
    Feed,
    /// A DNS zone.
    Zone,
}

impl fmt::Display for Sort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Sort::Script => "script",
            Sort::List => "list",
            Sort::Feed => "feed",
            Sort::Zone => "zone",
        })
    }
}

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Per {
    /// Items of one file or, where the target splits into objects, of one object.
    Items,
    /// Bytes of one file.
    Bytes,
    /// Files, or objects.
    Parts,
    /// Labels of a name, with the parts of a path.
    Labels,
    /// Characters of a label or of a part of a path.
    Label,
    /// Octets of a name together with the zone's.
    WithZone,
}

/// A limit of the target; with `when`, only for this value of a parameter; with an empty value, the parameter is it.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// What is counted.
    pub per: Per,
    /// The most.
    pub most: u64,
    /// The parameter and value it holds for.
    pub when: Option<(&'static str, &'static str)>,
}

impl Limit {
    /// A limit that always holds.
    pub const fn new(per: Per, most: u64) -> Limit {
        Limit { per, most, when: None }
    }

    /// A limit that a parameter of this name gives.
    pub const fn given(per: Per, parameter: &'static str) -> Limit {
        Limit { per, most: 0, when: Some((parameter, "")) }
    }

    /// A limit for one value of a parameter.
    pub const fn when(per: Per, most: u64, parameter: &'static str, value: &'static str) -> Limit {
        Limit { per, most, when: Some((parameter, value)) }
    }
}

/// What happens when a list is longer than one file or object takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// It is refused, with the number.
    Refuse,
    /// Further files are written.
    Files,
    /// Further objects are written into the same file.
    Objects,
}

/// What a parameter's value may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowed {
    /// A name of letters, digits, `_` and `-` of at most this length, beginning with a letter or `_`.
    Word(usize),
    /// A number within these bounds.
    Number(u64, u64),
    /// One of these.
    OneOf(&'static [&'static str]),
    /// A domain name, for zones.
    Zone,
}

/// A parameter: the appliance's own names, its model or its release.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// Its value when none is given.
    pub default: &'static str,
    /// What it may be.
    pub allowed: Allowed,
    /// What it is.
    pub meaning: &'static str,
}

/// The name of the list or container, which nearly every target has.
pub const LIST: Parameter = Parameter {
    name: "list",
    default: "mdca_block",
    allowed: Allowed::Word(63),
    meaning: "name of the list and of everything made for it",
};

/// The same with a shorter limit.
pub const fn list(longest: usize) -> Parameter {
    Parameter { allowed: Allowed::Word(longest), ..LIST }
}

/// Commands that turn a former state into the next one, and back.
#[derive(Debug, Clone, Copy)]
pub struct Delta {
    /// Written with the items that go; first, so that nothing grows past its limit.
    pub remove: &'static [Piece],
    /// Written with the items that come.
    pub add: &'static [Piece],
}

/// A program of the host that checks a rendered file.
#[derive(Debug, Clone, Copy)]
pub struct Validator {
    /// Its name on the PATH.
    pub program: &'static str,
    /// Its arguments; `%file%` is the rendered file, `%conf%` a file with `conf` in it.
    pub arguments: &'static [&'static str],
    /// A configuration that uses the file, for programs that only check configurations; `%ROLE%` is the file of a role.
    pub conf: &'static str,
    /// Words in its output that mean the file is wrong although it ends well.
    pub refuse: &'static [&'static str],
    /// Words in its output that mean it could not look.
    pub unable: &'static [&'static str],
}

/// A target.
#[derive(Debug, Clone, Copy)]
pub struct Appliance {
    /// Its name, as typed.
    pub name: &'static str,
    /// The product.
    pub product: &'static str,
    /// What sort of thing it takes.
    pub sort: Sort,
    /// The number of the service's own script for this product.
    pub service_format: Option<u16>,
    /// The ending of its files.
    pub extension: &'static str,
    /// Its parameters.
    pub parameters: &'static [Parameter],
    /// What it looks like.
    pub pages: &'static [Page],
    /// Other pages for a value of a parameter.
    pub variants: &'static [(&'static str, &'static str, &'static [Page])],
    /// Its limits.
    pub limits: &'static [Limit],
    /// What happens above them.
    pub split: Split,
    /// How a change is applied without the whole.
    pub delta: Option<Delta>,
    /// Whether what comes is written before what goes, and the end by the undo: the appliance refuses to empty a group
    /// that is in use.
    pub adds_first: bool,
    /// Commands that take everything away; empty where that is "put the former file back".
    pub undo: &'static [Piece],
    /// The program that checks it.
    pub validator: Option<Validator>,
    /// What the form rests on.
    pub certainty: &'static str,
    /// A target that serves the same people better.
    pub better: Option<&'static str>,
    /// How it is attached, and what to know.
    pub notes: &'static str,
}

/// What most targets share.
pub const BASE: Appliance = Appliance {
    name: "",
    product: "",
    sort: Sort::List,
    service_format: None,
    extension: "txt",
    parameters: &[LIST],
    pages: &[],
    variants: &[],
    limits: &[],
    split: Split::Refuse,
    delta: None,
    adds_first: false,
    undo: &[],
    validator: None,
    certainty: "vendor documentation",
    better: None,
    notes: "",
};

/// A parameter that is not known, or a value it may not have.
pub type Mistake = String;

/// The values of a target's parameters, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameters(BTreeMap<&'static str, String>);

impl Parameters {
    /// The value of a parameter; empty for one the target does not have.
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

impl Appliance {
    /// Checks the values a person gave; the others get their defaults.
    ///
    /// # Errors
    /// Which parameter is wrong and what it may be.
    pub fn parameters(&self, given: &BTreeMap<String, String>) -> Result<Parameters, Mistake> {
        if let Some(unknown) = given.keys().find(|name| self.parameters.iter().all(|known| known.name != **name)) {
            let known: Vec<&str> = self.parameters.iter().map(|known| known.name).collect();
            return Err(format!("{} has no parameter {unknown:?}; it has: {}", self.name, known.join(", ")));
        }
        let mut values = BTreeMap::new();
        for parameter in self.parameters {
            let value = given.get(parameter.name).map_or(parameter.default, String::as_str);
            if !parameter.allowed.takes(value) {
                return Err(format!(
                    "parameter {} of {}: {value:?} is not {}",
                    parameter.name, self.name, parameter.allowed
                ));
            }
            values.insert(parameter.name, value.to_owned());
        }
        Ok(Parameters(values))
    }

    /// The pages for these parameters.
    pub fn pages(&self, parameters: &Parameters) -> &'static [Page] {
        let variant = self.variants.iter().find(|(name, value, _)| parameters.get(name) == *value);
        variant.map_or(self.pages, |(_, _, pages)| pages)
    }

    /// The limit of this sort that holds for these parameters.
    pub fn limit(&self, per: Per, parameters: &Parameters) -> Option<u64> {
        self.limits.iter().filter(|limit| limit.per == per).find_map(|limit| match limit.when {
            Some((name, "")) => parameters.get(name).parse().ok(),
            Some((name, value)) => (parameters.get(name) == value).then_some(limit.most),
            None => Some(limit.most),
        })
    }
}

impl Allowed {
    fn takes(self, value: &str) -> bool {
        match self {
            Allowed::Word(longest) => {
                let first = |c: char| c.is_ascii_alphabetic() || c == '_';
                value.len() <= longest
                    && value.starts_with(first)
                    && value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
            }
            Allowed::Number(least, most) => {
                !value.starts_with(['0', '+']) && value.parse::<u64>().is_ok_and(|n| (least..=most).contains(&n))
            }
            Allowed::OneOf(words) => words.contains(&value),
            Allowed::Zone => super::name::check_name(value, false).is_ok(),
        }
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Allowed::Word(longest) => {
                write!(f, "a name of letters, digits, _ and - that begins with a letter, at most {longest} characters")
            }
            Allowed::Number(least, most) => write!(f, "a number from {least} to {most}"),
            Allowed::OneOf(words) => write!(f, "one of {}", words.join(", ")),
            Allowed::Zone => f.write_str("a domain name"),
        }
    }
}
