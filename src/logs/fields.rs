//! What a dialect finds in a line, by meaning, and how that becomes a record.
//!
//! A dialect puts pieces of the line into slots; a vendor's own function may look at them, move them and decide what
//! the line is; then `Fields::finish` reads times, addresses, numbers and URLs, the same way for every log type.

use super::envelope::Header;
use super::record::{Action, Record, address, host_and_port, number, port, present, somebody};
use super::timestamp::Clock;
use super::{Format, Line, Reject};

/// What a piece of a line means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Slot {
    /// Nothing of interest.
    Skip,
    /// Time as a figure of the epoch; goes before every other time.
    Epoch,
    /// A whole timestamp.
    Time,
    /// A date; [`Slot::Clock`] has the time of day.
    Date,
    /// A time of day.
    Clock,
    /// Offset or zone of [`Slot::Time`] or [`Slot::Date`].
    Zone,
    /// The client's address.
    Src,
    /// The client's address where [`Slot::Src`] has none.
    Src2,
    /// The user.
    User,
    /// The user where [`Slot::User`] names nobody.
    User2,
    /// The host asked for, possibly with a port.
    Host,
    /// The URL; a path alone is put behind the host.
    Url,
    /// Scheme of a URL in parts.
    Scheme,
    /// Port of a URL in parts.
    UrlPort,
    /// Path of a URL in parts.
    Path,
    /// Query of a URL in parts.
    Query,
    /// The server's address.
    Dst,
    /// The server's port.
    Port,
    /// Bytes from the client.
    Up,
    /// Bytes to the client.
    Down,
    /// Bytes both ways.
    Total,
    /// The word the format's `allowed` and `blocked` lists judge.
    Action,
    /// The appliance.
    Device,
    /// Vendor of a CEF or LEEF header.
    Vendor,
    /// Product of a CEF or LEEF header.
    Product,
    /// Event class of a CEF or LEEF header.
    Event,
    /// Event name of a CEF header.
    Name,
    /// For the vendor's own function.
    A,
    /// For the vendor's own function.
    B,
    /// For the vendor's own function.
    C,
    /// For the vendor's own function.
    D,
    /// For the vendor's own function.
    E,
    /// For the vendor's own function.
    F,
    /// For the vendor's own function.
    G,
    /// For the vendor's own function.
    H,
}

const COUNT: usize = Slot::H as usize + 1;
/// Copied whole for every line, which is faster than to fill slot by slot.
static EMPTY: [&[u8]; COUNT] = [&[]; COUNT];

/// What a line is, as far as the dialect and the vendor's function know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A transaction.
    Record,
    /// No transaction: a header, a comment, another message.
    Other,
    /// Broken.
    Reject(Reject),
}

/// How a dialect writes characters that would end a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Undo {
    #[default]
    Nothing,
    /// Of two of these, one is meant.
    Doubled(u8),
    /// `\"` is a quote; other backslashes stay, they part domain and user.
    QuotedQuotes,
    /// `\=`, `\\`, `\|`, `\n`, `\r`.
    Cef,
    /// `\/`, `\"`, `\\`; codes (`\u0041`) stay.
    Json,
}

/// The pieces of one line.
#[derive(Debug)]
pub struct Fields<'l> {
    slots: [&'l [u8]; COUNT],
    escaped: u64,
    pub(super) undo: Undo,
    action: Option<Action>,
    counts: [Option<u64>; 3],
    time: Option<i64>,
    /// What stood in front of the record.
    pub header: Header<'l>,
    /// The record as it stands in the line, headers off.
    pub body: &'l [u8],
}

impl<'l> Fields<'l> {
    pub(super) fn new(header: Header<'l>, body: &'l [u8]) -> Fields<'l> {
        Fields {
            slots: EMPTY,
            escaped: 0,
            undo: Undo::Nothing,
            action: None,
            counts: [None; 3],
            time: None,
            header,
            body,
        }
    }

    /// What a slot holds, as it stands in the line; empty when the line has none.
    #[inline(always)]
    pub fn get(&self, slot: Slot) -> &'l [u8] {
        self.slots[slot as usize]
    }

    /// Whether a slot holds exactly this.
    pub fn is(&self, slot: Slot, text: &str) -> bool {
        self.get(slot) == text.as_bytes()
    }

    /// Whether a slot holds anything.
    pub fn has(&self, slot: Slot) -> bool {
        !self.get(slot).is_empty()
    }

    /// Puts a piece of the line, or a constant, into a slot.
    pub fn set(&mut self, slot: Slot, text: &'l [u8]) {
        self.slots[slot as usize] = text;
        self.escaped &= !(1 << slot as u64);
    }

    /// Moves what one slot holds into another, escapes and all.
    pub fn copy(&mut self, from: Slot, to: Slot) {
        let escaped = self.escaped >> from as u64 & 1;
        self.set(to, self.get(from));
        self.escaped |= escaped << to as u64;
    }

    /// Decides the action, whatever the word in [`Slot::Action`] is.
    pub fn act(&mut self, action: Action) {
        self.action = Some(action);
    }

    /// Fills a slot unless it is filled: of a repeated field the first counts.
    #[inline(always)]
    pub(super) fn put(&mut self, slot: Slot, text: &'l [u8]) {
        let held = &mut self.slots[slot as usize];
        if held.is_empty() {
            *held = text;
        }
    }

    pub(super) fn put_escaped(&mut self, slot: Slot, text: &'l [u8]) {
        if self.slots[slot as usize].is_empty() {
            self.slots[slot as usize] = text;
            self.escaped |= 1 << slot as u64;
        }
    }

    /// Decides a byte count that the line writes in another unit.
    pub fn count(&mut self, slot: Slot, bytes: u64) {
        match slot {
            Slot::Up => self.counts[0] = Some(bytes),
            Slot::Down => self.counts[1] = Some(bytes),
            _ => self.counts[2] = Some(bytes),
        }
    }

    /// Decides the time, in microseconds of the epoch, whatever the slots say.
    pub(super) fn at(&mut self, time: i64) {
        self.time = Some(time);
    }

    /// Keeps the first bytes of what a slot holds.
    pub fn shorten(&mut self, slot: Slot, length: usize) {
        let held = &mut self.slots[slot as usize];
        *held = &held[..length.min(held.len())];
    }

    /// Starts over with this as the record.
    pub fn restart(&mut self, body: &'l [u8]) {
        self.clear();
        self.body = body;
    }

    pub(super) fn clear(&mut self) {
        self.slots = [&[]; COUNT];
        self.escaped = 0;
    }

    fn time(&self, clock: &mut Clock) -> Result<Option<i64>, Reject> {
        if self.time.is_some() {
            return Ok(self.time);
        }
        let unreadable = Err(Reject("the time cannot be read"));
        if let Some(text) = present(self.get(Slot::Epoch))
            && let Some(time) = clock.read(text)
        {
            return Ok(Some(time));
        }
        if let Some(text) = present(self.get(Slot::Time)) {
            let zone = self.get(Slot::Zone);
            let time = if zone.is_empty() { clock.read(text) } else { clock.zoned(text, zone) };
            return time.map_or(unreadable, |time| Ok(Some(time)));
        }
        if let Some(date) = present(self.get(Slot::Date)) {
            let time = clock.join(date, self.get(Slot::Clock), self.get(Slot::Zone));
            return time.map_or(unreadable, |time| Ok(Some(time)));
        }
        Ok(if self.header.time.is_empty() { None } else { clock.read(self.header.time) })
    }

    fn bytes(&self, slot: Slot, index: usize) -> Result<Option<u64>, Reject> {
        if self.counts[index].is_some() {
            return Ok(self.counts[index]);
        }
        match present(self.get(slot)) {
            None => Ok(None),
            Some(text) => match number(text) {
                Some(bytes) => Ok(Some(bytes)),
                None => Err(Reject("a byte count is not a number")),
            },
        }
    }

    fn text(&self, slot: Slot, scratch: &mut Vec<u8>) -> Text<'l> {
        let text = self.get(slot);
        if self.escaped >> slot as u64 & 1 == 0 {
            return Text::Line(text);
        }
        let start = scratch.len();
        undo(self.undo, text, scratch);
        Text::Scratch(start..scratch.len())
    }

    /// The record; none when the line names neither a destination nor anybody: no transaction.
    pub(super) fn finish<'s>(&self, format: &Format, clock: &mut Clock, scratch: &'s mut Vec<u8>) -> Line<'s>
    where
        'l: 's,
    {
        let (time, up, down, total) = match self.figures(clock) {
            Ok(figures) => figures,
            Err(reject) => return Line::Reject(reject),
        };
        let Texts { user, host, url, device } = self.texts(scratch);
        let (host, host_port) = present(host).map_or((None, None), host_and_port);
        let url = present(url);
        let mut record = Record {
            time,
            src_ip: address(self.get(Slot::Src)).or_else(|| address(self.get(Slot::Src2))),
            user,
            host,
            url,
            dst_ip: address(self.get(Slot::Dst)),
            dst_port: port(self.get(Slot::Port)).or_else(|| port(self.get(Slot::UrlPort))).or(host_port),
            bytes_up: up,
            bytes_down: down,
            bytes_total: total,
            action: self.action.or_else(|| format.judge(self.get(Slot::Action))),
            device: present(device),
        };
        if let Some(url) = url
            && (record.host.is_none() || record.dst_port.is_none())
        {
            let (host, port) = host_and_port(url);
            record.host = record.host.or(host);
            record.dst_port = record.dst_port.or(port);
        }
        // An address that was made unreadable still says that there was a connection.
        let nowhere = !self.has(Slot::Dst) && record.host.is_none() && url.is_none();
        let nobody = !self.has(Slot::Src) && !self.has(Slot::Src2) && user.is_none();
        if nowhere && nobody { Line::Other } else { Line::Record(record) }
    }

    #[inline]
    fn figures(&self, clock: &mut Clock) -> Result<Figures, Reject> {
        let time = self.time(clock)?;
        Ok((time, self.bytes(Slot::Up, 0)?, self.bytes(Slot::Down, 1)?, self.bytes(Slot::Total, 2)?))
    }

    /// The texts of the record, undone and put together where they need it.
    #[inline]
    fn texts<'s>(&self, scratch: &'s mut Vec<u8>) -> Texts<'s>
    where
        'l: 's,
    {
        let url = present(self.get(Slot::Url)).unwrap_or_default();
        let in_parts = match url.first() {
            None => self.has(Slot::Path) || self.has(Slot::Scheme),
            Some(first) => *first == b'/',
        };
        if self.escaped != 0 || in_parts {
            return self.made_texts(scratch);
        }
        Texts {
            user: somebody(self.get(Slot::User)).or_else(|| somebody(self.get(Slot::User2))),
            host: self.get(Slot::Host),
            url,
            device: if self.has(Slot::Device) { self.get(Slot::Device) } else { self.header.host },
        }
    }

    #[inline(never)]
    fn made_texts<'s>(&self, scratch: &'s mut Vec<u8>) -> Texts<'s>
    where
        'l: 's,
    {
        scratch.clear();
        let user = match somebody(self.get(Slot::User)) {
            Some(_) => self.text(Slot::User, scratch),
            None => somebody(self.get(Slot::User2)).map_or(Text::Line(&[]), |_| self.text(Slot::User2, scratch)),
        };
        let host = self.text(Slot::Host, scratch);
        let url = self.url(&host, scratch);
        let device =
            if self.has(Slot::Device) { self.text(Slot::Device, scratch) } else { Text::Line(self.header.host) };
        let scratch: &'s [u8] = scratch;
        Texts {
            user: Some(user.of(scratch)).filter(|user| !user.is_empty()),
            host: host.of(scratch),
            url: url.of(scratch),
            device: device.of(scratch),
        }
    }

    /// The URL as logged, or put together from its parts.
    fn url(&self, host: &Text<'l>, scratch: &mut Vec<u8>) -> Text<'l> {
        let url = present(self.get(Slot::Url)).unwrap_or_default();
        let path = present(self.get(Slot::Path)).unwrap_or_default();
        let whole = !url.is_empty() && !url.starts_with(b"/");
        if whole || (url.is_empty() && path.is_empty() && !self.has(Slot::Scheme)) {
            return if url.is_empty() { Text::Line(&[]) } else { self.text(Slot::Url, scratch) };
        }
        let host = match host {
            Text::Line(host) => {
                let start = scratch.len();
                scratch.extend_from_slice(host);
                start..scratch.len()
            }
            Text::Scratch(range) => range.clone(),
        };
        if present(&scratch[host.clone()]).is_none() {
            return self.text(if url.is_empty() { Slot::Path } else { Slot::Url }, scratch);
        }
        let start = scratch.len();
        let scheme = present(self.get(Slot::Scheme)).unwrap_or_default();
        if !scheme.is_empty() {
            scratch.extend_from_slice(scheme);
            scratch.extend_from_slice(b"://");
        }
        scratch.extend_from_within(host);
        if let Some(port) = present(self.get(Slot::UrlPort))
            && port != default_port(scheme)
        {
            scratch.push(b':');
            scratch.extend_from_slice(port);
        }
        for part in [Slot::Url, Slot::Path, Slot::Query] {
            let Some(text) = present(self.get(part)) else { continue };
            if part == Slot::Query && !text.starts_with(b"?") {
                scratch.push(b'?');
            }
            if self.escaped >> part as u64 & 1 == 1 {
                undo(self.undo, text, scratch);
            } else {
                scratch.extend_from_slice(text);
            }
        }
        Text::Scratch(start..scratch.len())
    }
}

/// Time, and bytes up, down and both ways.
type Figures = (Option<i64>, Option<u64>, Option<u64>, Option<u64>);

/// The texts of a record; empty for none, the user is somebody.
struct Texts<'s> {
    user: Option<&'s [u8]>,
    host: &'s [u8],
    url: &'s [u8],
    device: &'s [u8],
}

/// Text that lies in the line, or in the scratch because something had to be undone or put together.
enum Text<'l> {
    Line(&'l [u8]),
    Scratch(std::ops::Range<usize>),
}

impl<'l> Text<'l> {
    fn of<'s>(&self, scratch: &'s [u8]) -> &'s [u8]
    where
        'l: 's,
    {
        match self {
            Text::Line(text) => text,
            Text::Scratch(range) => &scratch[range.clone()],
        }
    }
}

/// The port a scheme implies, as text; empty for schemes without one.
fn default_port(scheme: &[u8]) -> &'static [u8] {
    if scheme.eq_ignore_ascii_case(b"https") {
        b"443"
    } else if scheme.eq_ignore_ascii_case(b"http") {
        b"80"
    } else if scheme.eq_ignore_ascii_case(b"ftp") {
        b"21"
    } else {
        b""
    }
}

fn undo(how: Undo, text: &[u8], into: &mut Vec<u8>) {
    let mut at = 0;
    while let Some(c) = text.get(at) {
        let next = text.get(at + 1);
        let plain = match (how, c, next) {
            (Undo::Doubled(quote), c, Some(next)) if *c == quote && *next == quote => quote,
            (Undo::QuotedQuotes, b'\\', Some(b'"')) => b'"',
            (Undo::Cef, b'\\', Some(escaped @ (b'=' | b'\\' | b'|'))) => *escaped,
            (Undo::Json, b'\\', Some(escaped @ (b'/' | b'"' | b'\\'))) => *escaped,
            (Undo::Cef, b'\\', Some(b'n')) => b'\n',
            (Undo::Cef, b'\\', Some(b'r')) => b'\r',
            _ => {
                into.push(*c);
                at += 1;
                continue;
            }
        };
        into.push(plain);
        at += 2;
    }
}
