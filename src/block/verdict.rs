//! The verdict: what is to be blocked, each entry once, and what became of every input.
//!
//! [`Builder`] takes entries one by one from any number of sources. [`Builder::finish`] keeps the order that loses
//! nothing without a word: check each (done on the way in), guard each, then drop what ended, what repeats, and what a
//! broader entry covers. Entries come out sorted by reversed labels, so that a parent stands right before its children
//! and differences stay small.

use super::guard::{Guards, Objection};
use super::name::{self, Reading};
use ipnet::IpNet;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

/// What of a value is meant. The order is that of entries with the same value: what covers more comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// The name and all names below it.
    Subtree,
    /// All names below it, not the name itself.
    Below,
    /// Only this name.
    Exact,
    /// A host with a path, and what lies under that path.
    Path,
    /// One address or network.
    Ip,
}

const SCOPES: [(Scope, &str); 5] = [
    (Scope::Subtree, "subtree"),
    (Scope::Below, "below"),
    (Scope::Exact, "exact"),
    (Scope::Path, "path"),
    (Scope::Ip, "ip"),
];

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(SCOPES.iter().find(|(scope, _)| scope == self).map_or("", |(_, name)| name))
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Scope, String> {
        let found = SCOPES.iter().find(|(_, name)| *name == text).map(|(scope, _)| *scope);
        found.ok_or_else(|| format!("{text:?} is none of {}", SCOPES.map(|(_, name)| name).join(", ")))
    }
}

/// Who asks for an entry: an app, a reason, and where that was read. All three are text from outside, made harmless.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Claim {
    /// The app, where known.
    pub app: Box<str>,
    /// Why, where told.
    pub reason: Box<str>,
    /// The source's number in [`Verdict::sources`].
    pub source: u32,
}

/// One thing to block.
#[derive(Debug, Clone)]
pub struct Entry {
    /// What of the value is meant.
    pub scope: Scope,
    /// A clean value; see [`name`].
    pub value: Box<str>,
    /// Who asks first for it: a number in [`Verdict::claims`].
    pub claim: u32,
    /// Who else asks for it.
    pub others: Vec<u32>,
    /// The day whose publication drops it, when every claim ends.
    pub until: Option<Date>,
}

/// What became of one input entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It is the entry of this number.
    Kept(u32),
    /// It says what this entry says already.
    Repeats(u32),
    /// This entry covers it; its own value.
    Covered(u32, Box<str>),
    /// It ended on this day; its value.
    Ended(Date, Box<str>),
    /// It is no clean entry: the text and why.
    Refused(Box<str>, &'static str),
    /// A guard objects to it.
    Protected(Box<str>, Objection),
}

/// One entry as it was handed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// The source's number in [`Verdict::sources`].
    pub source: u32,
    /// Its line, or its place in the list.
    pub line: u32,
    /// What became of it.
    pub fate: Fate,
}

/// Entries, sorted and free of repetition, with the account of every input.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// What to block.
    pub entries: Vec<Entry>,
    /// Each input exactly once, in the order it came.
    pub inputs: Vec<Input>,
    /// The names of the sources.
    pub sources: Vec<String>,
    /// Who asks for entries.
    pub claims: Vec<Claim>,
}

impl Verdict {
    /// Everyone who asks for an entry, the first one first.
    pub fn claims_of<'v>(&'v self, entry: &'v Entry) -> impl Iterator<Item = &'v Claim> {
        std::iter::once(&entry.claim).chain(&entry.others).map(|number| &self.claims[*number as usize])
    }

    /// The apps of an entry, comma-separated; empty when none is known.
    pub fn apps_of(&self, entry: &Entry) -> String {
        let mut apps: Vec<&str> =
            self.claims_of(entry).map(|claim| &*claim.app).filter(|app| !app.is_empty()).collect();
        apps.sort_unstable();
        apps.dedup();
        apps.join(", ")
    }
}

/// An entry on its way in.
#[derive(Debug, Clone, Copy, Default)]
pub struct Raw<'r> {
    /// The text, unchecked.
    pub text: &'r str,
    /// What is meant, where the source says so; otherwise the text's own mark decides.
    pub scope: Option<Scope>,
    /// The app, unchecked.
    pub app: &'r str,
    /// The reason, unchecked.
    pub reason: &'r str,
    /// The day whose publication drops it.
    pub until: Option<Date>,
    /// The line, or the place in the list.
    pub line: u32,
}

/// Takes entries in and makes the verdict.
#[derive(Debug)]
pub struct Builder {
    reading: Reading,
    pending: Vec<Pending>,
    verdict: Verdict,
    known: HashMap<Claim, u32>,
    /// The claim of the entry before: in a list of a million domains there is one.
    last: Option<u32>,
}

#[derive(Debug)]
struct Pending {
    entry: Entry,
    input: u32,
}

/// A number of entries; more than four thousand million do not fit into memory.
fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

const MAX_LABEL: usize = 120;

/// A label from outside (an app, a reason) as one harmless line: no control characters, no lists within it.
fn harmless(text: &str) -> Box<str> {
    let clean = text.trim().len() <= MAX_LABEL && !text.contains(|c: char| c.is_control() || c == ',');
    if clean {
        return text.trim().into();
    }
    let flat: String = text.chars().map(|c| if c.is_control() || c == ',' { ' ' } else { c }).take(MAX_LABEL).collect();
    flat.trim().into()
}

impl Builder {
    /// An empty one.
    pub fn new(reading: Reading) -> Builder {
        Builder { reading, pending: Vec::new(), verdict: Verdict::default(), known: HashMap::new(), last: None }
    }

    /// Names the source of the entries that follow.
    pub fn source(&mut self, name: impl Into<String>) {
        self.verdict.sources.push(name.into());
        self.last = None;
    }

    /// How many entries came in so far.
    pub fn len(&self) -> usize {
        self.verdict.inputs.len()
    }

    /// Whether nothing came in.
    pub fn is_empty(&self) -> bool {
        self.verdict.inputs.is_empty()
    }

    fn input(&mut self, line: u32, fate: Fate) {
        if self.verdict.sources.is_empty() {
            self.verdict.sources.push("input".to_owned());
        }
        let source = count(self.verdict.sources.len() - 1);
        self.verdict.inputs.push(Input { source, line, fate });
    }

    /// Takes something that is no entry at all into the account.
    pub fn refuse(&mut self, text: &str, line: u32, why: &'static str) {
        let shown: String = text.chars().take(200).collect();
        self.input(line, Fate::Refused(shown.into(), why));
    }

    /// Takes one entry.
    pub fn add(&mut self, raw: Raw<'_>) {
        let mut reading = self.reading;
        if let Some(scope @ (Scope::Subtree | Scope::Below | Scope::Exact)) = raw.scope {
            (reading.bare, reading.star) = (scope, scope);
        }
        let clean = match name::clean(raw.text, reading) {
            Ok(clean) => clean,
            Err(why) => return self.refuse(raw.text, raw.line, why),
        };
        let wanted = |scope| clean.scope == scope;
        if raw.scope.is_some_and(|scope| matches!(scope, Scope::Path | Scope::Ip) && !wanted(scope)) {
            return self.refuse(raw.text, raw.line, "its scope does not fit it");
        }
        let number = count(self.verdict.inputs.len());
        self.input(raw.line, Fate::Kept(0));
        let claim = self.claim(raw.app, raw.reason);
        let entry = Entry { scope: clean.scope, value: clean.value, claim, others: Vec::new(), until: raw.until };
        self.pending.push(Pending { entry, input: number });
    }

    fn claim(&mut self, app: &str, reason: &str) -> u32 {
        if let Some(last) = self.last {
            let before = &self.verdict.claims[last as usize];
            if *before.app == *app && *before.reason == *reason {
                return last;
            }
        }
        let source = count(self.verdict.sources.len().saturating_sub(1));
        let claim = Claim { app: harmless(app), reason: harmless(reason), source };
        let next = count(self.verdict.claims.len());
        let number = *self.known.entry(claim).or_insert_with_key(|claim| {
            self.verdict.claims.push(claim.clone());
            next
        });
        self.last = Some(number);
        number
    }

    /// Makes the verdict: guards, end dates, repetition, covering; `today` is the day that end dates are compared with.
    pub fn finish(self, guards: &Guards, today: Option<Date>) -> Verdict {
        let Builder { mut pending, mut verdict, .. } = self;
        let fates = &mut verdict.inputs;
        pending.retain(|Pending { entry, input }| {
            let fate = match (entry.until, today) {
                (Some(until), Some(today)) if until <= today => Fate::Ended(until, entry.value.clone()),
                _ => match guards.object(&entry.value, entry.scope) {
                    Some(objection) => Fate::Protected(entry.value.clone(), objection),
                    None => return true,
                },
            };
            fates[*input as usize].fate = fate;
            false
        });
        let mut entries: Vec<Entry> = Vec::with_capacity(pending.len());
        let mut cover = Cover::default();
        // The last entry kept or covered, whom a repetition joins.
        let mut before: Option<(Pending, Fate)> = None;
        for next in sorted(pending) {
            if let Some((last, fate)) = &mut before
                && last.entry.value == next.entry.value
                && last.entry.scope == next.entry.scope
            {
                let repeats = match fate {
                    Fate::Covered(by, value) => Fate::Covered(*by, value.clone()),
                    _ => Fate::Repeats(count(entries.len())),
                };
                merge(&mut last.entry, &next.entry);
                fates[next.input as usize].fate = repeats;
                continue;
            }
            settle(&mut entries, fates, before.take());
            let fate = match cover.covers(&next.entry.value, next.entry.scope) {
                Some(by) => Fate::Covered(by, next.entry.value.clone()),
                None => {
                    let number = count(entries.len());
                    cover.remember(&next.entry.value, next.entry.scope, number);
                    Fate::Kept(number)
                }
            };
            before = Some((next, fate));
        }
        settle(&mut entries, fates, before);
        entries.shrink_to_fit();
        // In memory, too, in their order: every target walks over all of them, and what is scattered costs most then.
        let values: Vec<Box<str>> = entries.iter().map(|entry| entry.value.clone()).collect();
        for (entry, value) in entries.iter_mut().zip(values) {
            entry.value = value;
        }
        verdict.entries = entries;
        verdict
    }
}

fn settle(entries: &mut Vec<Entry>, fates: &mut [Input], last: Option<(Pending, Fate)>) {
    let Some((Pending { entry, input }, fate)) = last else { return };
    if matches!(fate, Fate::Kept(_)) {
        entries.push(entry);
    }
    fates[input as usize].fate = fate;
}

fn merge(into: &mut Entry, from: &Entry) {
    if into.claim != from.claim && !into.others.contains(&from.claim) {
        into.others.push(from.claim);
    }
    // One claim without an end keeps the entry.
    into.until = match (into.until, from.until) {
        (Some(a), Some(b)) => Some(a.max(b)),
        _ => None,
    };
}

const BETWEEN: u8 = 1;

/// Entries in order, those of equal keys as they came. A million keys stand in one allocation; sixteen bytes of each at
/// a time lie beside its place, so that no comparison goes to memory.
fn sorted(pending: Vec<Pending>) -> impl Iterator<Item = Pending> {
    let length = |next: &Pending| next.entry.value.len() + 4;
    let mut keys = Vec::with_capacity(pending.iter().map(length).sum());
    let mut ends = Vec::with_capacity(pending.len());
    let mut places: Vec<(u128, u32)> = Vec::with_capacity(pending.len());
    for (at, Pending { entry, .. }) in pending.iter().enumerate() {
        push_key(&mut keys, &entry.value, entry.scope);
        places.push((0, count(at)));
        ends.push(keys.len());
    }
    let key = |at: u32| {
        let at = at as usize;
        &keys[at.checked_sub(1).map_or(0, |before| ends[before])..ends[at]]
    };
    order(&mut places, &key, 0);
    drop((keys, ends));
    let mut slots: Vec<Option<Pending>> = pending.into_iter().map(Some).collect();
    places.into_iter().filter_map(move |(_, at)| slots[at as usize].take())
}

const AT_A_TIME: usize = 16;

/// Puts places in the order of what their keys hold from this byte on. No key goes on with a zero where another ends, so
/// that one that is shorter may be filled up with zeros.
fn order<'k>(places: &mut [(u128, u32)], key: &impl Fn(u32) -> &'k [u8], from: usize) {
    let mut longer = false;
    for (bytes, at) in &mut *places {
        let rest = key(*at).get(from..).unwrap_or_default();
        let mut next = [0; AT_A_TIME];
        let known = rest.len().min(next.len());
        next[..known].copy_from_slice(&rest[..known]);
        *bytes = u128::from_be_bytes(next);
        longer |= rest.len() > next.len();
    }
    places.sort_unstable();
    if longer {
        for same in places.chunk_by_mut(|a, b| a.0 == b.0).filter(|same| same.len() > 1) {
            order(same, key, from + AT_A_TIME);
        }
    }
}

/// The bytes that put entries in order: names by reversed labels, parents before children; then addresses.
fn push_key(key: &mut Vec<u8>, value: &str, scope: Scope) {
    if scope == Scope::Ip {
        return push_network_key(key, value);
    }
    let (host, path) = value.split_once('/').unwrap_or((value, ""));
    key.push(0);
    for label in host.rsplit('.') {
        key.extend_from_slice(label.as_bytes());
        key.push(BETWEEN);
    }
    key.push(0);
    key.push(scope as u8);
    // A path before the paths under it, with nothing in between.
    key.extend(path.bytes().map(|c| if c == b'/' { BETWEEN } else { c }));
}

fn push_network_key(key: &mut Vec<u8>, value: &str) {
    key.push(1);
    match network(value) {
        Some(IpNet::V4(v4)) => {
            key.push(4);
            key.extend(v4.network().octets());
            key.push(v4.prefix_len());
        }
        Some(IpNet::V6(v6)) => {
            key.push(6);
            key.extend(v6.network().octets());
            key.push(v6.prefix_len());
        }
        None => key.extend(value.as_bytes()),
    }
}

/// The network that a clean value of scope `ip` is.
pub fn network(value: &str) -> Option<IpNet> {
    value.parse().ok().or_else(|| value.parse::<std::net::IpAddr>().ok().map(IpNet::from))
}

/// Finds out, over entries in order, which is covered by one that came before.
#[derive(Debug, Default)]
pub(super) struct Cover {
    name: String,
    name_scope: Option<Scope>,
    name_number: u32,
    /// The exact name of the same value as a `below`.
    exact: Option<(String, u32)>,
    network: Option<(IpNet, u32)>,
    path: Option<(String, u32)>,
}

impl Cover {
    /// The entry before that covers this one.
    pub(super) fn covers(&self, value: &str, scope: Scope) -> Option<u32> {
        if scope == Scope::Ip {
            let (broader, number) = self.network.as_ref()?;
            return broader.contains(&network(value)?).then_some(*number);
        }
        // Only a path has more than a name.
        let host = if scope == Scope::Path { value.split('/').next().unwrap_or(value) } else { value };
        let covered = match self.name_scope {
            Some(Scope::Subtree) => host == self.name || is_below(host, &self.name),
            // `below x` takes the names below it, but of a broader `below x` or `subtree x` only what is below.
            Some(Scope::Below) => is_below(host, &self.name) || (host == self.name && scope == Scope::Below),
            Some(Scope::Exact) => host == self.name && matches!(scope, Scope::Exact | Scope::Path),
            _ => false,
        };
        if covered {
            return Some(self.name_number);
        }
        if scope == Scope::Path
            && let Some((exact, number)) = &self.exact
            && exact == host
        {
            return Some(*number);
        }
        let (path, number) = self.path.as_ref()?;
        let under = || value.strip_prefix(path.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        (scope == Scope::Path && under()).then_some(*number)
    }

    /// Remembers an entry that nothing covers.
    pub(super) fn remember(&mut self, value: &str, scope: Scope, number: u32) {
        match scope {
            Scope::Ip => self.network = network(value).map(|network| (network, number)),
            Scope::Path => self.path = Some((value.to_owned(), number)),
            // What lies below a `below` is still covered after the exact name of the same value.
            Scope::Exact if self.name_scope == Some(Scope::Below) && self.name == value => {
                self.exact = Some((value.to_owned(), number));
            }
            _ => {
                self.name.clear();
                self.name.push_str(value);
                (self.name_scope, self.name_number) = (Some(scope), number);
            }
        }
    }
}

/// Whether `name` is a name below `parent`.
pub(super) fn is_below(name: &str, parent: &str) -> bool {
    name.strip_suffix(parent).is_some_and(|rest| rest.ends_with('.'))
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
