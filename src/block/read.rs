//! The strict reader: reads what [`super::write`] writes, byte for byte, and nothing else.
//!
//! It is the proof that a rendered list holds our entries and only these: every fixed text must stand where the layout
//! says, every value must pass the grammar of clean values in its canonical form, every id must be the id of its item,
//! and every reference must name an item that is there.

use super::appliance::{Appliance, Parameters};
use super::layout::{Form, Items, Kind, Page, Piece, Shape};
use super::name::{self, Reading};
use super::plan;
use super::verdict::Scope;
use super::write::{self, File, Part, RENDERED};
use std::collections::BTreeSet;
use std::fmt;

/// Where a text is not what we write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The line, from one.
    pub line: usize,
    /// What was expected or found.
    pub what: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

/// An item as read.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Found {
    /// What it is.
    pub kind: Kind,
    /// Its clean value.
    pub value: String,
    /// Its number, where the target has numbers.
    pub number: Option<u32>,
    /// Its object, where the target has objects.
    pub bucket: Option<u32>,
}

/// What some pieces hold: items, and references to items.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Content {
    /// Items with their values.
    pub items: Vec<Found>,
    /// References by id.
    pub ids: Vec<String>,
    /// References by number.
    pub numbers: Vec<u32>,
    /// Whether a text that belongs to some items is missing although they are there.
    pub lacks: bool,
}

/// Reads the files of a target back to the set of its items.
///
/// # Errors
/// The first place where the text is not what the target's layout allows.
pub fn files(
    appliance: &Appliance,
    parameters: &Parameters,
    files: &[File],
) -> Result<BTreeSet<(Kind, String)>, Mismatch> {
    let found = items(appliance, parameters, files)?;
    Ok(found.into_iter().map(|found| (found.kind, found.value)).collect())
}

/// Reads the files of a target back to its items, in the order of the files.
///
/// # Errors
/// As [`files`].
pub fn items(appliance: &Appliance, parameters: &Parameters, files: &[File]) -> Result<Vec<Found>, Mismatch> {
    let mut items = Vec::new();
    for file in files {
        let page = appliance.pages(parameters).iter().find(|page| page.role == file.role);
        let page = page.ok_or_else(|| Mismatch { line: 0, what: format!("no page is called {:?}", file.role) })?;
        let text = unfinished(page, &file.bytes)?;
        let content = pieces(page.pieces, parameters, &text)?;
        if content.items.is_empty() && !content.ids.is_empty() {
            return Err(Mismatch { line: 0, what: "it refers to items that are not there".to_owned() });
        }
        if content.lacks {
            return Err(Mismatch { line: 0, what: "what uses the items as a whole is missing".to_owned() });
        }
        items.extend(content.items);
    }
    Ok(items)
}

/// Takes line ends and mark off; refuses other ones.
fn unfinished(page: &Page, bytes: &[u8]) -> Result<String, Mismatch> {
    let wrong = |what: &str| Mismatch { line: 1, what: what.to_owned() };
    let text = std::str::from_utf8(bytes).map_err(|_| wrong("it is not UTF-8"))?;
    let text = match (page.mark, text.strip_prefix('\u{feff}')) {
        (true, Some(rest)) => rest,
        (true, None) => return Err(wrong("the byte order mark is missing")),
        (false, None) => text,
        (false, Some(_)) => return Err(wrong("there is a byte order mark")),
    };
    let text = if page.crlf {
        if text.matches('\n').count() != text.matches("\r\n").count() {
            return Err(wrong("a line does not end with CR LF"));
        }
        text.replace("\r\n", "\n")
    } else {
        text.to_owned()
    };
    match text.find(|c: char| c.is_control() && c != '\n') {
        Some(at) => Err(Mismatch { line: line_of(&text, at), what: "there is a control character".to_owned() }),
        None => Ok(text),
    }
}

fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// Reads a text that consists of these pieces, whole.
///
/// # Errors
/// The first place where it does not.
pub fn pieces(pieces: &'static [Piece], parameters: &Parameters, text: &str) -> Result<Content, Mismatch> {
    let mut eye = Eye { text, at: 0, parameters, content: Content::default(), belonging: Vec::new() };
    eye.pieces(pieces)?;
    if eye.at < text.len() {
        return Err(eye.mismatch("something stands here that we do not write"));
    }
    let known: BTreeSet<String> =
        eye.content.items.iter().map(|item| format!("{:016x}", plan::id(item.kind, &item.value))).collect();
    if !known.is_empty()
        && let Some(stray) = eye.content.ids.iter().find(|id| !known.contains(*id))
    {
        return Err(eye.mismatch(&format!("{stray} refers to no item")));
    }
    for (kinds, _) in &eye.belonging {
        let there = eye.belonging.iter().any(|(same, there)| same == kinds && *there);
        match (there, eye.content.items.iter().any(|item| kinds.contains(&item.kind))) {
            (true, false) => return Err(eye.mismatch("it uses items that are not there")),
            (false, true) => eye.content.lacks = true,
            _ => {}
        }
    }
    Ok(eye.content)
}

struct Eye<'t> {
    text: &'t str,
    at: usize,
    parameters: &'t Parameters,
    content: Content,
    /// Kinds with a text that belongs to them, and whether it stood there.
    belonging: Vec<(&'static [Kind], bool)>,
}

impl<'t> Eye<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn mismatch(&self, what: &str) -> Mismatch {
        let shown: String = self.rest().lines().next().unwrap_or("the end").chars().take(80).collect();
        Mismatch { line: line_of(self.text, self.at), what: format!("{what}: {shown:?}") }
    }

    fn take(&mut self, text: &str) -> bool {
        let there = self.rest().starts_with(text);
        if there {
            self.at += text.len();
        }
        there
    }

    fn expect(&mut self, text: &str) -> Result<(), Mismatch> {
        if self.take(text) {
            return Ok(());
        }
        Err(self.mismatch(&format!("expected {text:?}")))
    }

    fn pieces(&mut self, pieces: &'static [Piece]) -> Result<(), Mismatch> {
        for piece in pieces {
            match piece {
                Piece::Header(before, after) => self.header(before, after)?,
                Piece::Text(text) => self.fixed(text, 1)?,
                Piece::Items(items) => self.items(items, 1)?,
                Piece::IfAny(kinds, text) => self.if_any(kinds, text, 1),
                Piece::When(parameter, value, inner) => {
                    if self.parameters.get(parameter) == *value {
                        self.pieces(inner)?;
                    }
                }
                Piece::Apps(shapes) => self.apps(shapes)?,
                Piece::Buckets(inner) => {
                    let mut bucket = 1;
                    loop {
                        let before = self.at;
                        let items = self.content.items.len();
                        let read = inner.iter().try_for_each(|piece| match piece {
                            Piece::Items(items) => self.items(items, bucket),
                            Piece::Text(text) => self.fixed(text, bucket),
                            Piece::IfAny(kinds, text) => {
                                self.if_any(kinds, text, bucket);
                                Ok(())
                            }
                            _ => Err(self.mismatch("an object holds texts and items")),
                        });
                        if let Err(mismatch) = read {
                            if bucket == 1 || self.content.items.len() > items {
                                return Err(mismatch);
                            }
                            self.at = before;
                            break;
                        }
                        if self.at == before {
                            break;
                        }
                        bucket += 1;
                    }
                }
            }
        }
        Ok(())
    }

    fn header(&mut self, before: &str, after: &str) -> Result<(), Mismatch> {
        self.expect(&write::header(before, after, self.parameters))?;
        if self.take(&format!("{before}{RENDERED}")) {
            let end = self.rest().find('\n').unwrap_or(self.rest().len());
            let date = self.rest()[..end].strip_suffix(after).unwrap_or_default();
            if date.parse::<jiff::Timestamp>().is_err() {
                return Err(self.mismatch("a date was expected"));
            }
            self.at += end;
            self.expect("\n")?;
        }
        Ok(())
    }

    /// A fixed text; the serial may be any number.
    fn fixed(&mut self, text: &str, bucket: u32) -> Result<(), Mismatch> {
        for (at, text) in text.split("%serial%").enumerate() {
            if at > 0 && self.digits().is_none() {
                return Err(self.mismatch("a serial was expected"));
            }
            let text = write::fixed(text, self.parameters, None, bucket);
            self.expect(&text)?;
        }
        Ok(())
    }

    /// A fixed text that belongs to items of some kinds; whether it may stand is known once all were read.
    fn if_any(&mut self, kinds: &'static [Kind], text: &str, bucket: u32) {
        let text = write::fixed(text, self.parameters, None, bucket);
        let there = self.take(&text);
        self.belonging.push((kinds, there));
    }

    fn digits(&mut self) -> Option<u32> {
        let end = self.rest().find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest().len());
        let number = self.rest()[..end].parse().ok()?;
        self.at += end;
        Some(number)
    }

    fn items(&mut self, items: &Items, bucket: u32) -> Result<(), Mismatch> {
        let fill = |text| write::fixed(text, self.parameters, None, bucket);
        let (head, between, foot) = (fill(items.head), fill(items.between), fill(items.foot));
        let ready: Vec<Ready<'_>> = items
            .shapes
            .iter()
            .map(|shape| Ready {
                shape,
                before: write::parts(shape.before, self.parameters, None),
                after: write::parts(shape.after, self.parameters, None),
            })
            .collect();
        loop {
            let start = self.at;
            if !self.take(&head) || !self.item(&ready, &between, &foot) {
                self.at = start;
                return Ok(());
            }
            let mut inside = 1;
            loop {
                let after = self.at;
                if inside == items.per || !self.take(&between) || !self.item(&ready, &between, &foot) {
                    self.at = after;
                    break;
                }
                inside += 1;
            }
            self.expect(&foot)?;
            if inside < items.per {
                return Ok(());
            }
        }
    }

    /// Reads one item; leaves everything as it was when there is none.
    fn item(&mut self, ready: &[Ready<'_>], between: &str, foot: &str) -> bool {
        let start = self.at;
        for shape in ready {
            if self.shaped(shape, between, foot).is_some() {
                return true;
            }
            self.at = start;
        }
        false
    }

    fn shaped(&mut self, ready: &Ready<'_>, between: &str, foot: &str) -> Option<()> {
        let mut marks = Marks::default();
        self.parts(&ready.before, &mut marks)?;
        if ready.shape.form == Form::Reference {
            self.parts(&ready.after, &mut marks)?;
            self.content.ids.extend(marks.id);
            self.content.numbers.extend(marks.number);
            return Some(());
        }
        let start = self.at;
        let run = self.rest().find(|c| !belongs(ready.shape.form, c)).unwrap_or(self.rest().len());
        // The longest value after which the rest of the item, and then its neighbour or the foot, stands.
        for length in (1..=run).rev() {
            self.at = start + length;
            if !self.text.is_char_boundary(self.at) {
                continue;
            }
            let mut all = marks.clone();
            let followed = self.parts(&ready.after, &mut all).is_some()
                && (self.rest().starts_with(between) || self.rest().starts_with(foot));
            if !followed {
                continue;
            }
            let written = &self.text[start..start + length];
            let Some(value) = value_of(ready.shape.form, written) else { continue };
            let Some(kind) = kind_of(ready.shape.takes, &value) else { continue };
            let mut again = Vec::new();
            write::formed(&mut again, ready.shape.form, kind, &value);
            let own = format!("{:016x}", plan::id(kind, &value));
            if again != written.as_bytes() || all.id.as_ref().is_some_and(|id| *id != own) {
                continue;
            }
            self.content.items.push(Found { kind, value, number: all.number, bucket: all.bucket });
            return Some(());
        }
        None
    }

    fn parts(&mut self, parts: &[Part], marks: &mut Marks) -> Option<()> {
        for part in parts {
            match part {
                Part::Text(text) => self.take(text).then_some(())?,
                Part::Number => marks.number = Some(self.digits()?),
                Part::Bucket => marks.bucket = Some(self.digits()?),
                Part::Id => {
                    let id = self.rest().get(..16)?;
                    if !id.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c)) {
                        return None;
                    }
                    if marks.id.as_ref().is_some_and(|known| known != id) {
                        return None;
                    }
                    marks.id = Some(id.to_owned());
                    self.at += 16;
                }
            }
        }
        Some(())
    }

    fn apps(&mut self, shapes: &[Shape]) -> Result<(), Mismatch> {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Page {
            data: Vec<App>,
            #[serde(rename = "hasNext")]
            more: bool,
        }
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct App {
            #[serde(rename = "name")]
            _name: String,
            #[serde(rename = "domainList")]
            domains: Vec<String>,
        }
        let page: Page = serde_json::from_str(self.rest()).map_err(|error| self.mismatch(&error.to_string()))?;
        if page.more {
            return Err(self.mismatch("there would be more pages"));
        }
        for domain in page.data.iter().flat_map(|app| &app.domains) {
            let found = shapes.iter().find_map(|shape| {
                let value = domain.strip_prefix(shape.before)?.strip_suffix(shape.after)?;
                Some((kind_of(shape.takes, value)?, value.to_owned()))
            });
            let (kind, value) = found.ok_or_else(|| self.mismatch(&format!("{domain:?} is no entry")))?;
            self.content.items.push(Found { kind, value, number: None, bucket: None });
        }
        self.at = self.text.len();
        Ok(())
    }
}

struct Ready<'s> {
    shape: &'s Shape,
    before: Vec<Part>,
    after: Vec<Part>,
}

#[derive(Debug, Clone, Default)]
struct Marks {
    id: Option<String>,
    number: Option<u32>,
    bucket: Option<u32>,
}

/// Whether a character can stand in a written value.
fn belongs(form: Form, c: char) -> bool {
    c.is_ascii_alphanumeric()
        || matches!(c, '.' | '-' | '_' | '/' | ':' | '~')
        || matches!(form, Form::Dots(dot) if dot.contains(c))
        || (form == Form::Mask && c == ' ')
}

/// The clean value that a written one stands for.
fn value_of(form: Form, written: &str) -> Option<String> {
    match form {
        Form::Plain => Some(written.to_owned()),
        Form::Reference => None,
        Form::Dots(dot) => Some(written.replace(dot, ".")),
        Form::Cidr => Some(name::network_text(&written.parse().ok()?)),
        Form::Mask => {
            let (address, mask) = written.split_once(' ')?;
            let network = ipnet::Ipv4Net::with_netmask(address.parse().ok()?, mask.parse().ok()?).ok()?;
            Some(name::network_text(&network.into()))
        }
        Form::RpzIp => {
            let mut labels: Vec<&str> = written.split('.').collect();
            let prefix: u8 = labels.first()?.parse().ok()?;
            labels.remove(0);
            labels.reverse();
            let address = if labels.len() == 4 && labels.iter().all(|label| *label != "zz" && label.len() < 4) {
                labels.join(".")
            } else {
                let text: Vec<&str> = labels.iter().map(|label| if *label == "zz" { "" } else { label }).collect();
                let text = text.join(":");
                // A `zz` at an end needs its second colon.
                let text = if text.starts_with(':') { format!(":{text}") } else { text };
                if text.ends_with(':') { format!("{text}:") } else { text }
            };
            let network: ipnet::IpNet = format!("{address}/{prefix}").parse().ok()?;
            Some(name::network_text(&network))
        }
    }
}

/// The kind among these that a value is of, when it is one that we could have written: clean as it stands.
fn kind_of(takes: &[Kind], value: &str) -> Option<Kind> {
    let reading = Reading { bare: Scope::Subtree, underscores: true, ..Reading::default() };
    let clean = name::clean(value, reading).ok().filter(|clean| *clean.value == *value)?;
    takes.iter().copied().find(|kind| match kind {
        Kind::Subtree | Kind::Below | Kind::Exact => clean.scope == Scope::Subtree,
        Kind::Path => clean.scope == Scope::Path,
        Kind::Ip4 | Kind::Net4 | Kind::Ip6 | Kind::Net6 => {
            clean.scope == Scope::Ip && Kind::of(Scope::Ip, value) == *kind
        }
    })
}
