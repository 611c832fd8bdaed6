//! The user's files and the tenant's apps, laid over the compiled-in table.
//!
//! From weak to strong: compiled in, the user's files in the order they are given, the tenant. A row with a known id
//! replaces that record (columns that are left out or empty keep what was there); a row with an id of the user's own
//! range adds one. A domain moves to the strongest layer that names it, so it always belongs to one record.

use super::table::{self, Category, Row};
use super::{App, Catalog, Kind, Traits, ranges::Range};
use serde::Deserialize;
use std::collections::HashMap;
use std::fmt;

/// The first id for a user's own apps; the compiled-in table stays below.
pub const FIRST_USER_ID: u32 = 1_000_000;

/// The first id of apps that only the tenant knows: this plus the service's own number.
pub const FIRST_TENANT_ID: u32 = 2_000_000_000;

/// Where the tenant gave no number: this plus a digest of the name.
const FIRST_NAMED_ID: u32 = 3_000_000_000;

/// What is wrong in a file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The file as it was named.
    pub file: String,
    /// The line, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub what: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} line {}: {}", self.file, self.line, self.what)
    }
}

/// Makes a [`Catalog`] of layers. Every mistake is collected, so that all are told at once.
#[derive(Debug)]
pub struct Builder {
    apps: Vec<App>,
    by_id: HashMap<u32, usize>,
    /// Who has a domain, and how many layers down that was decided.
    owner: HashMap<String, (usize, u32)>,
    ranges: HashMap<ipnet::IpNet, u32>,
    layer: u32,
    mistakes: Vec<Mistake>,
    notes: Vec<String>,
}

impl Default for Builder {
    fn default() -> Builder {
        Builder::new()
    }
}

impl Builder {
    /// Starts with the compiled-in table.
    pub fn new() -> Builder {
        let apps = Catalog::builtin().apps.clone();
        let by_id = apps.iter().enumerate().map(|(at, app)| (app.id, at)).collect();
        let domains = apps.iter().enumerate().flat_map(|(at, app)| app.domains.iter().map(move |d| (d, at)));
        let owner = domains.map(|(domain, at)| (domain.clone(), (at, 0))).collect();
        Builder { apps, by_id, owner, ranges: HashMap::new(), layer: 0, mistakes: Vec::new(), notes: Vec::new() }
    }

    /// Lays a user's CSV over what is there. `file` is its name for mistakes.
    pub fn csv(&mut self, file: &str, text: &[u8]) {
        self.layer += 1;
        let mut mistakes = Vec::new();
        let mut wrong = |line, what| mistakes.push(Mistake { file: file.to_owned(), line, what });
        for row in table::rows(strip_mark(text), &mut wrong) {
            let line = row.line;
            if let Err(what) = self.row(row) {
                wrong(line, what);
            }
        }
        self.mistakes.append(&mut mistakes);
    }

    fn row(&mut self, row: Row) -> Result<(), String> {
        let id = row.id;
        let under = self.by_id.get(&id).copied();
        if under.is_none() && !(FIRST_USER_ID..FIRST_TENANT_ID).contains(&id) {
            return Err(format!("{id} is no app of the table; apps of your own take ids from {FIRST_USER_ID} up"));
        }
        for domain in &row.domains {
            table::owned(domain)?;
            if let Some((holder, layer)) = self.owner.get(domain)
                && *layer == self.layer
                && Some(*holder) != under
            {
                return Err(format!("{domain:?} already belongs to {:?} in this file", self.apps[*holder].name));
            }
        }
        let app = row
            .over(under.map(|at| &self.apps[at]), None)
            .ok_or("a new app needs a category; the column \"category\" is missing or empty")?;
        let at = under.unwrap_or(self.apps.len());
        if let Some(old) = self.apps.get_mut(at) {
            for domain in std::mem::take(&mut old.domains) {
                self.owner.remove(&domain);
            }
        }
        let domains = app.domains.clone();
        if under.is_some() {
            self.apps[at] = App { domains: Vec::new(), ..app };
        } else {
            self.apps.push(App { domains: Vec::new(), ..app });
            self.by_id.insert(id, at);
        }
        for domain in domains {
            self.take(at, domain);
        }
        Ok(())
    }

    /// Gives a domain to a record, away from whoever had it.
    fn take(&mut self, at: usize, domain: String) {
        if let Some((holder, _)) = self.owner.insert(domain.clone(), (at, self.layer))
            && holder != at
        {
            self.apps[holder].domains.retain(|had| *had != domain);
            let (new, old) = (&self.apps[at], &self.apps[holder]);
            self.notes.push(format!("{} ({}) takes {domain} from {} ({})", new.name, new.id, old.name, old.id));
        }
        if !self.apps[at].domains.contains(&domain) {
            self.apps[at].domains.push(domain);
        }
    }

    /// Adds a file of address ranges: one `CIDR,app id` a line; empty lines and lines that start with `#` are skipped.
    pub fn addresses(&mut self, file: &str, text: &[u8]) {
        let text = String::from_utf8_lossy(strip_mark(text));
        for (line, text) in (1_u64..).zip(text.lines()) {
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            if let Err(what) = self.range(text) {
                self.mistakes.push(Mistake { file: file.to_owned(), line, what });
            }
        }
    }

    fn range(&mut self, text: &str) -> Result<(), String> {
        let (net, id) = text.split_once(',').ok_or_else(|| format!("{text:?} is not CIDR,app id"))?;
        let (net, id) = (net.trim(), id.trim());
        let parsed = match net.parse::<std::net::IpAddr>() {
            Ok(address) => ipnet::IpNet::from(address),
            Err(_) => net
                .parse::<ipnet::IpNet>()
                .map_err(|_| format!("{net:?} is not a range: write it like 192.0.2.0/24 or 2001:db8::/32"))?,
        };
        if parsed.trunc() != parsed {
            return Err(format!("{net:?} has bits behind the prefix; {} is meant?", parsed.trunc()));
        }
        let id = id.parse().map_err(|_| format!("{id:?} is not an app id"))?;
        if !self.by_id.contains_key(&id) {
            return Err(format!("no app has the id {id}"));
        }
        match self.ranges.insert(parsed, id) {
            Some(other) if other != id => Err(format!("{net} already belongs to the app {other}")),
            _ => Ok(()),
        }
    }

    /// Lays the apps that the tenant knows over everything: the JSON verdict, as the service's own pages
    /// (`{"data": [...]}`) or as one array. An app is matched by its name; names that are no domain are left out and
    /// noted.
    pub fn tenant(&mut self, file: &str, text: &[u8]) {
        #[derive(Deserialize)]
        struct Told {
            #[serde(default)]
            name: String,
            #[serde(default, rename = "appId")]
            id: Option<u64>,
            #[serde(default, rename = "domainList")]
            domains: Vec<String>,
        }
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Verdict {
            Page { data: Vec<Told> },
            List(Vec<Told>),
        }
        self.layer += 1;
        let apps = match serde_json::from_slice(strip_mark(text)) {
            Ok(Verdict::Page { data } | Verdict::List(data)) => data,
            Err(error) => {
                let what = "not the JSON verdict: a list of {\"name\", \"appId\", \"domainList\"}".to_owned();
                let line = u64::try_from(error.line()).unwrap_or(0).max(1);
                self.mistakes.push(Mistake { file: file.to_owned(), line, what });
                return;
            }
        };
        let mut named: HashMap<String, usize> =
            self.apps.iter().enumerate().map(|(at, app)| (app.name.to_lowercase(), at)).collect();
        for told in apps {
            let Ok(name) = table::name(told.name.trim()) else {
                self.notes.push(format!("{file}: an app without a usable name was left out"));
                continue;
            };
            let at = *named.entry(name.to_lowercase()).or_insert_with(|| self.add(name, told.id));
            for domain in told.domains {
                let bare = domain.trim().trim_start_matches("*.").trim_start_matches('.');
                match table::domain(bare).and_then(|domain| table::owned(&domain).map(|()| domain)) {
                    Ok(domain) => self.take(at, domain),
                    Err(why) => self.notes.push(format!("{file}: {name}: {why}; left out")),
                }
            }
        }
    }

    fn add(&mut self, name: &str, told: Option<u64>) -> usize {
        let room = FIRST_NAMED_ID - FIRST_TENANT_ID;
        let numbered =
            told.and_then(|id| u32::try_from(id).ok()).filter(|id| *id < room).map(|id| FIRST_TENANT_ID + id);
        // FNV-1a: the same name gets the same number in every run.
        let digest =
            name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        let mut id = numbered.unwrap_or(FIRST_NAMED_ID + digest % room);
        while self.by_id.contains_key(&id) {
            id += 1;
        }
        let category = unclassified();
        let app = App {
            id,
            name: name.to_owned(),
            category,
            kind: Kind::App,
            seat: None,
            traits: Traits::default(),
            checked: None,
            domains: Vec::new(),
        };
        self.by_id.insert(id, self.apps.len());
        self.apps.push(app);
        self.apps.len() - 1
    }

    /// What changed hands or was left out, for a person to read.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The finished catalogue.
    ///
    /// # Errors
    /// Every mistake found in any of the files.
    pub fn build(self) -> Result<Catalog, Vec<Mistake>> {
        if !self.mistakes.is_empty() {
            return Err(self.mistakes);
        }
        let record = |id: &u32| self.by_id.get(id).and_then(|at| u32::try_from(*at).ok());
        let ranges = self.ranges.iter().filter_map(|(net, id)| Some(Range::new(*net, record(id)?))).collect();
        Ok(Catalog::index(self.apps, ranges))
    }
}

fn unclassified() -> &'static Category {
    table::category(table::UNCLASSIFIED).unwrap_or(&table::CATEGORIES[0])
}

/// Text without the byte order mark that spreadsheets write.
fn strip_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)
}
