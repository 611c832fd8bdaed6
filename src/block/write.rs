//! Writes a plan as the target's files.
//!
//! The same input makes the same bytes; the date stands in one header line (and, in zones, in the serial) and can be
//! left out.

use super::appliance::{Appliance, Parameters, Per, Split};
use super::layout::{Form, Items, Kind, Page, Piece, Shape};
use super::plan::{self, Atom, Plan};
use super::verdict::{Verdict, network};
use crate::error::{Error, Result};
use ipnet::IpNet;
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::io::Write;

/// One file of a rendered list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its part in a set of several; empty for one.
    pub role: &'static str,
    /// Its number from one, when the list was split into several files; zero otherwise.
    pub part: u32,
    /// What stands in it.
    pub bytes: Vec<u8>,
}

impl File {
    /// The path of this file when the list was asked for at `path`: role and number go before the ending.
    pub fn path(&self, path: &std::path::Path) -> std::path::PathBuf {
        let mut marks = String::new();
        if !self.role.is_empty() {
            marks.push('.');
            marks.push_str(self.role);
        }
        if self.part > 0 {
            marks.push_str(&format!(".{:02}", self.part));
        }
        if marks.is_empty() {
            return path.to_owned();
        }
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let ending = path.extension().map(|ending| format!(".{}", ending.to_string_lossy())).unwrap_or_default();
        path.with_file_name(format!("{stem}{marks}{ending}"))
    }
}

/// Writes the whole list.
///
/// # Errors
/// When a file would be larger than the target takes, and cannot be split.
pub fn whole(
    appliance: &Appliance,
    parameters: &Parameters,
    verdict: &Verdict,
    plan: &mut Plan<'_>,
    date: Option<Timestamp>,
) -> Result<Vec<File>> {
    let most = appliance.limit(Per::Bytes, parameters);
    loop {
        let files = write(appliance, parameters, verdict, plan, date);
        let largest = files.iter().map(|file| file.bytes.len() as u64).max().unwrap_or(0);
        match most {
            Some(most) if largest > most => {
                if appliance.split != Split::Files {
                    return Err(Error::failed(format!("the list is too large for {}", appliance.name))
                        .cause(format!("it needs {largest} bytes, and the target takes {most}")));
                }
                plan.spread(appliance, parameters, plan.buckets * 2)?;
            }
            _ => return Ok(files),
        }
    }
}

fn write(
    appliance: &Appliance,
    parameters: &Parameters,
    verdict: &Verdict,
    plan: &Plan<'_>,
    date: Option<Timestamp>,
) -> Vec<File> {
    let mut files = Vec::new();
    let parts = if appliance.split == Split::Files && plan.buckets > 1 { plan.buckets } else { 0 };
    for page in appliance.pages(parameters) {
        for part in u32::from(parts > 0)..=parts {
            let mut pen = Pen::new(parameters, date, Some(verdict));
            if part == 0 {
                pen.pieces(page.pieces, &plan.atoms, plan.buckets);
            } else {
                let atoms: Vec<Atom<'_>> = plan.atoms.iter().filter(|atom| atom.bucket == part).copied().collect();
                pen.pieces(page.pieces, &atoms, 1);
            }
            files.push(File { role: page.role, part, bytes: finished(page, pen.out) });
        }
    }
    files
}

/// Pieces with the items they are written with, and the number of their objects.
pub(super) type Round<'r> = (&'r [Piece], &'r [Atom<'r>], u32);

/// Writes pieces, round after round, as one text with the line ends of the target's files.
pub(super) fn rounds(appliance: &Appliance, parameters: &Parameters, rounds: &[Round<'_>]) -> Vec<u8> {
    let mut pen = Pen::new(parameters, None, None);
    for (pieces, atoms, buckets) in rounds {
        pen.pieces(pieces, atoms, *buckets);
    }
    match appliance.pages(parameters).first() {
        Some(page) if !pen.out.is_empty() => finished(page, pen.out),
        _ => pen.out,
    }
}

/// Line ends and the byte order mark as the page wants them.
pub(super) fn finished(page: &Page, text: Vec<u8>) -> Vec<u8> {
    if !page.crlf && !page.mark {
        return text;
    }
    let mut bytes = Vec::with_capacity(text.len() + text.len() / 16 + 3);
    if page.mark {
        bytes.extend_from_slice("\u{feff}".as_bytes());
    }
    for byte in text {
        if byte == b'\n' && page.crlf {
            bytes.push(b'\r');
        }
        bytes.push(byte);
    }
    bytes
}

/// A text with its parameters filled in; what depends on the item is left to be written.
#[derive(Debug, Clone)]
pub(super) enum Part {
    /// Text.
    Text(String),
    /// The item's id.
    Id,
    /// The item's number.
    Number,
    /// The item's object.
    Bucket,
}

/// Fills parameters in.
pub(super) fn parts(text: &str, parameters: &Parameters, date: Option<Timestamp>) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let add = |parts: &mut Vec<Part>, text: &str| match parts.last_mut() {
        Some(Part::Text(last)) => last.push_str(text),
        _ => parts.push(Part::Text(text.to_owned())),
    };
    for (at, word) in text.split('%').enumerate() {
        match (at % 2, word) {
            (0, "") => {}
            (0, text) => add(&mut parts, text),
            (_, "id") => parts.push(Part::Id),
            (_, "number") => parts.push(Part::Number),
            (_, "bucket") => parts.push(Part::Bucket),
            (_, "serial") => add(&mut parts, &serial(date).to_string()),
            (_, name) => add(&mut parts, parameters.get(name)),
        }
    }
    parts
}

/// The zone's serial: seconds of the epoch, so that it grows with every publication; one without a date.
pub(super) fn serial(date: Option<Timestamp>) -> u32 {
    date.and_then(|date| u32::try_from(date.as_second()).ok()).unwrap_or(1)
}

/// A fixed text with parameters filled in.
pub(super) fn fixed(text: &str, parameters: &Parameters, date: Option<Timestamp>, bucket: u32) -> String {
    let mut filled = String::with_capacity(text.len() + 16);
    for part in parts(text, parameters, date) {
        match part {
            Part::Text(text) => filled.push_str(&text),
            Part::Bucket => filled.push_str(&format!("{bucket:02}")),
            Part::Id | Part::Number => debug_assert!(false, "only items have ids"),
        }
    }
    filled
}

/// The header comment, without its date line.
pub(super) fn header(before: &str, after: &str, parameters: &Parameters) -> String {
    format!(
        "{before}{}: block list rendered by logweir; change its sources, not this file{after}\n",
        parameters.get("list")
    )
}

/// The start of the date line.
pub(super) const RENDERED: &str = "rendered ";

struct Ready<'s> {
    shape: &'s Shape,
    before: Vec<Part>,
    after: Vec<Part>,
    needs_id: bool,
}

pub(super) struct Pen<'p> {
    parameters: &'p Parameters,
    date: Option<Timestamp>,
    verdict: Option<&'p Verdict>,
    pub(super) out: Vec<u8>,
}

impl<'p> Pen<'p> {
    pub(super) fn new(parameters: &'p Parameters, date: Option<Timestamp>, verdict: Option<&'p Verdict>) -> Pen<'p> {
        Pen { parameters, date, verdict, out: Vec::new() }
    }

    fn push(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    pub(super) fn pieces(&mut self, pieces: &[Piece], atoms: &[Atom<'_>], buckets: u32) {
        for piece in pieces {
            match piece {
                Piece::Header(before, after) => {
                    let text = header(before, after, self.parameters);
                    self.push(&text);
                    if let Some(date) = self.date {
                        let seconds = Timestamp::from_second(date.as_second()).unwrap_or(date);
                        self.push(&format!("{before}{RENDERED}{seconds}{after}\n"));
                    }
                }
                Piece::Text(text) => self.fixed(text, 1),
                Piece::Items(items) => self.items(items, atoms, 1),
                Piece::IfAny(kinds, text) => self.if_any(kinds, text, atoms, 1),
                Piece::When(parameter, value, inner) => {
                    if self.parameters.get(parameter) == *value {
                        self.pieces(inner, atoms, buckets);
                    }
                }
                Piece::Apps(shapes) => self.apps(shapes, atoms),
                Piece::Buckets(inner) => {
                    for bucket in 1..=buckets {
                        let own: Vec<Atom<'_>> = atoms.iter().filter(|atom| atom.bucket == bucket).copied().collect();
                        for piece in *inner {
                            match piece {
                                Piece::Items(items) => self.items(items, &own, bucket),
                                Piece::Text(text) => self.fixed(text, bucket),
                                Piece::IfAny(kinds, text) => self.if_any(kinds, text, &own, bucket),
                                Piece::Header(..) | Piece::When(..) | Piece::Buckets(_) | Piece::Apps(_) => {
                                    debug_assert!(false, "an object holds texts and items");
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    fn fixed(&mut self, text: &str, bucket: u32) {
        let text = fixed(text, self.parameters, self.date, bucket);
        self.push(&text);
    }

    fn if_any(&mut self, kinds: &[Kind], text: &str, atoms: &[Atom<'_>], bucket: u32) {
        if atoms.iter().any(|atom| kinds.contains(&atom.kind)) {
            self.fixed(text, bucket);
        }
    }

    fn items(&mut self, items: &Items, atoms: &[Atom<'_>], bucket: u32) {
        let mut ready: [Option<Ready<'_>>; Kind::ALL.len()] = [const { None }; Kind::ALL.len()];
        for shape in items.shapes {
            for kind in shape.takes {
                let before = parts(shape.before, self.parameters, self.date);
                let after = parts(shape.after, self.parameters, self.date);
                let needs_id = before.iter().chain(&after).any(|part| matches!(part, Part::Id));
                ready[*kind as usize].get_or_insert(Ready { shape, before, after, needs_id });
            }
        }
        let fill = |text| fixed(text, self.parameters, self.date, bucket);
        let (head, between, foot) = (fill(items.head), fill(items.between), fill(items.foot));
        let mut inside = 0_usize;
        for atom in atoms {
            let Some(ready) = &ready[atom.kind as usize] else { continue };
            if inside == items.per {
                self.push(&foot);
                inside = 0;
            }
            self.push(if inside == 0 { &head } else { &between });
            inside += 1;
            let id = if ready.needs_id { plan::id(atom.kind, atom.value) } else { 0 };
            self.parts(&ready.before, atom, id);
            formed(&mut self.out, ready.shape.form, atom.kind, atom.value);
            self.parts(&ready.after, atom, id);
        }
        if inside > 0 {
            self.push(&foot);
        }
    }

    fn parts(&mut self, parts: &[Part], atom: &Atom<'_>, id: u64) {
        for part in parts {
            // A Vec takes every write.
            let _ = match part {
                Part::Text(text) => self.out.write_all(text.as_bytes()),
                Part::Id => write!(self.out, "{id:016x}"),
                Part::Number => write!(self.out, "{}", atom.number),
                Part::Bucket => write!(self.out, "{:02}", atom.bucket),
            };
        }
    }

    /// The service's own JSON: apps with their domains; domains without an app stand under an empty name.
    fn apps(&mut self, shapes: &[Shape], atoms: &[Atom<'_>]) {
        let Some(verdict) = self.verdict else { return };
        let written: HashMap<&str, &Atom<'_>> = atoms.iter().map(|atom| (atom.value, atom)).collect();
        let mut apps: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for entry in &verdict.entries {
            let Some(atom) = written.get(&*entry.value) else { continue };
            let Some(shape) = shapes.iter().find(|shape| shape.takes.contains(&atom.kind)) else { continue };
            let text = format!("{}{}{}", shape.before, entry.value, shape.after);
            for claim in verdict.claims_of(entry) {
                let domains = apps.entry(&claim.app).or_default();
                if domains.last() != Some(&text) {
                    domains.push(text.clone());
                }
            }
        }
        let data: Vec<serde_json::Value> = apps
            .into_iter()
            .map(|(name, domains)| serde_json::json!({ "name": name, "domainList": domains }))
            .collect();
        let page = serde_json::json!({ "data": data, "hasNext": false });
        let text = serde_json::to_string_pretty(&page).unwrap_or_default();
        self.push(&text);
        self.push("\n");
    }
}

/// How long a value is once it is written.
pub(super) fn formed_length(form: Form, kind: Kind, value: &str) -> usize {
    match form {
        Form::Plain => value.len(),
        _ => {
            let mut text = Vec::new();
            formed(&mut text, form, kind, value);
            text.len()
        }
    }
}

/// Writes a value in a form.
pub(super) fn formed(out: &mut Vec<u8>, form: Form, kind: Kind, value: &str) {
    match form {
        Form::Reference => {}
        Form::Dots(dot) if kind.scope() != super::Scope::Ip => {
            for (at, label) in value.split('.').enumerate() {
                if at > 0 {
                    out.extend_from_slice(dot.as_bytes());
                }
                out.extend_from_slice(label.as_bytes());
            }
        }
        Form::Cidr => match network(value) {
            Some(network) => out.extend_from_slice(network.to_string().as_bytes()),
            None => out.extend_from_slice(value.as_bytes()),
        },
        Form::Mask => match network(value) {
            Some(IpNet::V4(v4)) => out.extend_from_slice(format!("{} {}", v4.network(), v4.netmask()).as_bytes()),
            _ => out.extend_from_slice(value.as_bytes()),
        },
        Form::RpzIp => match network(value) {
            Some(network) => out.extend_from_slice(rpz_ip(&network).as_bytes()),
            None => out.extend_from_slice(value.as_bytes()),
        },
        Form::Plain | Form::Dots(_) => out.extend_from_slice(value.as_bytes()),
    }
}

/// The owner name of an address in a response policy zone: prefix length, then the parts from the last to the first;
/// the longest run of zero words of IPv6 is `zz`.
pub(super) fn rpz_ip(network: &IpNet) -> String {
    let mut labels = vec![network.prefix_len().to_string()];
    match network {
        IpNet::V4(v4) => labels.extend(v4.network().octets().iter().rev().map(u8::to_string)),
        IpNet::V6(v6) => {
            let words = v6.network().segments();
            let (start, length) = longest_zeros(&words);
            let mut at = words.len();
            while at > 0 {
                if length > 1 && at == start + length {
                    labels.push("zz".to_owned());
                    at = start;
                } else {
                    at -= 1;
                    labels.push(format!("{:x}", words[at]));
                }
            }
        }
    }
    labels.join(".")
}

fn longest_zeros(words: &[u16; 8]) -> (usize, usize) {
    let mut best = (0, 0);
    let mut start = 0;
    for at in 0..=words.len() {
        if at == words.len() || words[at] != 0 {
            if at - start > best.1 {
                best = (start, at - start);
            }
            start = at + 1;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_response_policy_zones_are_reversed() {
        let rows = [
            ("192.0.2.10/32", "32.10.2.0.192"),
            ("192.0.2.0/24", "24.0.2.0.192"),
            ("2001:db8::1/128", "128.1.zz.db8.2001"),
            ("2001:db8::/32", "32.zz.db8.2001"),
            ("2001:db8:0:1:0:0:0:9/128", "128.9.zz.1.0.db8.2001"),
        ];
        for (network, owner) in rows {
            assert_eq!(rpz_ip(&network.parse().unwrap()), owner, "{network}");
        }
    }

    #[test]
    fn roles_and_numbers_go_before_the_ending() {
        let file = |role, part| File { role, part, bytes: Vec::new() };
        let path = |file: File, path: &str| file.path(std::path::Path::new(path)).display().to_string();
        assert_eq!(path(file("", 0), "/srv/a.txt"), "/srv/a.txt");
        assert_eq!(path(file("exact", 0), "/srv/a.lst"), "/srv/a.exact.lst");
        assert_eq!(path(file("", 3), "/srv/a.txt"), "/srv/a.03.txt");
        assert_eq!(path(file("exact", 3), "/srv/a"), "/srv/a.exact.03");
    }
}
