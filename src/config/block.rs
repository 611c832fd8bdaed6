//! `[[block]]`: which block lists are published, from what, where to, and with what care.
//!
//! Names of appliances, their parameters and the form of entries are checked by whoever works from this: configuration
//! knows no appliance.

use super::resolve::{Origin, Resolver};
use super::{Tenant, file};
use crate::domain::{MaxChange, TenantName};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// One `[[block]]`.
#[derive(Debug, Clone)]
pub struct BlockList {
    /// Its name, unique; the appliance's where none is given.
    pub name: String,
    /// The target's name.
    pub appliance: String,
    /// The target's parameters.
    pub set: BTreeMap<String, String>,
    /// Where the list goes, absolute.
    pub output: PathBuf,
    /// Where entries come from: `service`, a file, or `FORM:FILE`.
    pub sources: Vec<String>,
    /// Where relative sources start.
    pub base: PathBuf,
    /// Whose verdict it is.
    pub tenant: TenantName,
    /// How often the watcher looks.
    pub every: Duration,
    /// Names and networks that are never blocked, nor anything that holds them.
    pub never_block: Vec<String>,
    /// Entries that are left out of this list.
    pub exceptions: Vec<String>,
    /// Entries that are blocked although a guard objects.
    pub consent: Vec<String>,
    /// How much may change at once.
    pub max_change: MaxChange,
    /// The hook: a program with its arguments.
    pub after: Vec<String>,
    /// How long the hook may take.
    pub after_limit: Duration,
    /// Whether a program of the host checks the list.
    pub validate: bool,
    /// Whether an entry that is not as meant keeps the list from being published.
    pub strict: bool,
    /// Whether the date stands in the list.
    pub date: bool,
}

/// Names that a lock, an address and a person can use.
fn is_name(name: &str) -> bool {
    let legal = |c: u8| c.is_ascii_alphanumeric() || b"-_.".contains(&c);
    !name.is_empty() && name.len() <= 64 && !name.starts_with('.') && name.bytes().all(legal)
}

impl Resolver<'_> {
    /// The lists of the file.
    pub(super) fn blocks(&mut self, typed: Vec<file::Block>, tenants: &BTreeMap<TenantName, Tenant>) -> Vec<BlockList> {
        let (mut names, mut outputs) = (BTreeSet::new(), BTreeSet::new());
        let mut blocks = Vec::new();
        for typed in typed {
            let Some(block) = self.block(typed, tenants) else { continue };
            if !names.insert(block.name.clone()) {
                self.wrong.push(format!("block.{0}.name: two lists are called {0}; give each a name", block.name));
            }
            if !outputs.insert(block.output.clone()) {
                self.wrong.push(format!("block.{}.output: another list is written there too", block.name));
            }
            blocks.push(block);
        }
        blocks
    }

    fn block(&mut self, typed: file::Block, tenants: &BTreeMap<TenantName, Tenant>) -> Option<BlockList> {
        let name = typed.name.clone().unwrap_or_else(|| typed.appliance.clone());
        let key = |field: &str| format!("block.{name}.{field}");
        if !is_name(&name) {
            self.wrong.push(format!("{}: up to 64 letters, digits, '-', '_' and '.'", key("name")));
        }
        let base = self.path.parent().unwrap_or(Path::new("/")).to_path_buf();
        let output = base.join(&typed.output);
        let shown = output.display().to_string();
        // Programs that read the list or its path in a configuration would stumble over these.
        if shown.contains(|c: char| c.is_control() || c.is_whitespace() || "\"'\\%;#".contains(c)) {
            self.wrong.push(format!(
                "{}: {shown:?} holds a blank, a quote or another character with a meaning",
                key("output")
            ));
        }
        if output.file_name().is_none() {
            self.wrong.push(format!("{}: {shown} names no file", key("output")));
        }
        self.note(&key("appliance"), &typed.appliance, Origin::File);
        self.note(&key("output"), &shown, Origin::File);
        let set: BTreeMap<String, String> =
            typed.set.iter().map(|(name, value)| (name.clone(), value.text())).collect();
        for (parameter, value) in &set {
            self.note(&key(&format!("set.{parameter}")), value, Origin::File);
        }
        let sources = typed.sources.clone().unwrap_or_else(|| vec!["service".to_owned()]);
        let origin = if typed.sources.is_some() { Origin::File } else { Origin::Default };
        self.note(&key("sources"), sources.join(", "), origin);
        if sources.is_empty() {
            self.wrong.push(format!("{}: no source is listed", key("sources")));
        }
        let tenant = typed.tenant.clone().unwrap_or_else(TenantName::default_tenant);
        if sources.iter().any(|source| source == "service") && !tenants.contains_key(&tenant) {
            self.wrong.push(format!("{}: no tenant {tenant} is configured", key("tenant")));
        }
        let every = self.duration(&key("every"), typed.every.as_deref(), Duration::from_secs(3_600));
        if every.is_zero() {
            self.wrong.push(format!("{}: it must be longer than nothing", key("every")));
        }
        for (field, list) in
            [("never_block", &typed.never_block), ("exceptions", &typed.exceptions), ("consent", &typed.consent)]
        {
            if !list.is_empty() {
                self.note(&key(field), list.join(", "), Origin::File);
            }
        }
        let max_change = typed.max_change.as_ref().map(|value| value.text().parse::<MaxChange>()).transpose();
        let max_change = self.checked(&key("max_change"), max_change)?;
        let max_change = self.file_or(&key("max_change"), max_change, MaxChange::default());
        if !typed.after.is_empty() {
            self.note(&key("after"), typed.after.join(" "), Origin::File);
        }
        if typed.after.first().is_some_and(String::is_empty) {
            self.wrong.push(format!("{}: the program has no name", key("after")));
        }
        let after_limit = self.duration(&key("after_limit"), typed.after_limit.as_deref(), Duration::from_secs(60));
        Some(BlockList {
            appliance: typed.appliance,
            set,
            output,
            sources,
            base,
            tenant,
            every,
            never_block: typed.never_block,
            exceptions: typed.exceptions,
            consent: typed.consent,
            max_change,
            after: typed.after,
            after_limit,
            validate: self.file_or(&key("validate"), typed.validate, true),
            strict: self.file_or(&key("strict"), typed.strict, false),
            date: self.file_or(&key("date"), typed.date, true),
            name,
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Env, load};
    use crate::error::Result;

    fn load_text(text: &str) -> Result<Config> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("logweir.toml");
        std::fs::write(&path, text).unwrap();
        load(Some(&path), None, &Env::default())
    }

    const GOOD: &str = "[[block]]\nname = \"proxy\"\nappliance = \"squid_dstdomain\"\noutput = \"list.txt\"\n\
                        sources = [\"domains:blocked.txt\"]\n";

    #[test]
    fn a_list_has_defaults_and_every_value_an_origin() {
        let config =
            load_text(&format!("{GOOD}max_change = \"30%\"\nset = {{ list = \"mine\", size = 7 }}\n")).unwrap();
        let list = &config.blocks[0];
        assert!(list.output.is_absolute() && list.validate && list.date && !list.strict);
        assert_eq!((list.every.as_secs(), list.max_change.of(100)), (3_600, 30));
        assert_eq!(list.set["size"], "7");
        let setting =
            |key: &str| config.settings.iter().find(|s| s.key == key).map(|s| (s.value.clone(), s.origin.to_string()));
        assert_eq!(setting("block.proxy.max_change"), Some(("30%".to_owned(), "file".to_owned())));
        assert_eq!(setting("block.proxy.every"), Some(("1h".to_owned(), "default".to_owned())));
    }

    #[test]
    fn mistakes_name_the_list_and_the_key() {
        let rows = [
            (format!("{GOOD}max_change = \"many\"\n"), "block.proxy.max_change"),
            (format!("{GOOD}every = \"0s\"\n"), "block.proxy.every"),
            (format!("{GOOD}after = [\"\"]\n"), "block.proxy.after"),
            (GOOD.replace("list.txt", "a list.txt"), "block.proxy.output"),
            (GOOD.replace("\"proxy\"", "\"../proxy\""), "name"),
            (GOOD.replace("domains:blocked.txt", "service"), "no tenant default"),
            (format!("{GOOD}{GOOD}"), "two lists are called proxy"),
            (format!("{GOOD}{}", GOOD.replace("\"proxy\"", "\"b\"")), "another list is written there"),
            (format!("{GOOD}colour = 1\n"), "colour"),
        ];
        for (text, expected) in rows {
            let error = load_text(&text).unwrap_err().to_string();
            assert!(error.contains(expected), "{expected}: {error}");
        }
    }
}
