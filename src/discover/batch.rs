//! Counts lines some dozens at a time. What a line adds to lies in far apart places, and each of them would be waited
//! for on its own; so before the first line of a batch is counted, the places of all of them are read once, by reads
//! that do not depend on each other, of which a processor has many under way at the same time.
//!
//! These reads are guesses and change nothing: lines are counted one after the other as if each came alone.

use super::key::{Hashing, Kept};
use super::table::{NONE, Sum, pair};
use super::worker::{Actor, Cell, Interned, SKIPPED, Traffic, UNNAMED, Worker};
use std::net::IpAddr;

/// How many lines wait.
const SIZE: usize = 32;

/// What names the destination.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Place {
    #[default]
    Nowhere,
    /// A host name as the log has it.
    Host,
    /// The octets of an address.
    Address,
}

/// What is counted of one line.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct One {
    pub place: Place,
    pub host: Kept,
    pub user: Kept,
    /// The hash of user and address.
    pub actor: u64,
    pub address: Option<IpAddr>,
    pub sum: Sum,
    pub down: u64,
    pub blocked: bool,
    pub time: Option<i64>,
    /// Where the hour stands; [`NONE`] when the line has none.
    pub moment: u32,
    pub device: u32,
}

/// Lines that are not counted yet.
#[derive(Debug, Clone, Default)]
pub(super) struct Batch {
    /// As many as ever wait; the first `count` do.
    lines: Vec<One>,
    count: usize,
    /// Their long names.
    text: Vec<u8>,
}

impl Batch {
    /// The next line to be filled, and where its long names go.
    #[inline]
    pub(super) fn next(&mut self) -> (&mut One, &mut Vec<u8>) {
        if self.lines.is_empty() {
            self.lines.resize(SIZE, One::default());
        }
        self.count += 1;
        (&mut self.lines[self.count - 1], &mut self.text)
    }

    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.count >= SIZE
    }
}

/// Where the numbers of a line probably are; each is checked before it is believed.
#[derive(Debug, Clone, Copy)]
struct Guess {
    host: u32,
    actor: u32,
    destination: u32,
}

impl Traffic {
    #[inline]
    fn count(&mut self, line: &One) {
        self.sum.add(line.sum);
        self.down = self.down.saturating_add(line.down);
        self.blocked += u64::from(line.blocked);
        if let Some(time) = line.time {
            self.first = self.first.min(time);
            self.last = self.last.max(time);
        }
    }
}

impl Worker {
    /// Counts what waits.
    pub(super) fn flush(&mut self) {
        let mut batch = std::mem::take(&mut self.batch);
        let lines = &batch.lines[..batch.count];
        let mut guesses = [Guess { host: NONE, actor: NONE, destination: UNNAMED }; SIZE];
        self.guess(lines, &mut guesses);
        for (line, guess) in lines.iter().zip(&guesses) {
            self.count(line, &batch.text, guess);
        }
        self.mark();
        batch.text.clear();
        batch.count = 0;
        self.batch = batch;
    }

    /// Reads every place that the lines will add to.
    fn guess(&self, lines: &[One], guesses: &mut [Guess; SIZE]) {
        for (line, guess) in lines.iter().zip(guesses.iter_mut()) {
            guess.host = self.hosts.index.find(line.host.hash(), |_| true).unwrap_or(NONE);
            guess.actor = self.actors.index.find(line.actor, |_| true).unwrap_or(NONE);
        }
        let mut near = 0;
        for guess in guesses.iter_mut().take(lines.len()) {
            if let Some(host) = self.hosts.entries.get(guess.host as usize) {
                guess.destination = host.destination;
            }
            near ^= self.actors.entries.get(guess.actor as usize).map_or(0, |actor| actor.sum.count);
        }
        let apps = self.apps.len() as u32;
        let exact = self.domain_sketches.is_none();
        for guess in guesses.iter().take(lines.len()) {
            near ^= match guess.destination {
                app if app < apps => self.uses.glance(pair(guess.actor, app)),
                domain => {
                    let domain = domain.wrapping_sub(apps);
                    let entry = self.domains.entries.get(domain as usize);
                    entry.map_or(0, |entry| entry.traffic.down)
                        ^ if exact { self.seen.glance(pair(guess.actor, domain)) } else { 0 }
                }
            };
        }
        std::hint::black_box(near);
    }

    #[inline]
    fn count(&mut self, line: &One, text: &[u8], guess: &Guess) {
        let destination = self.destination(line, text, guess.host);
        if destination == SKIPPED {
            self.skipped += 1;
            return;
        }
        let actor = self.actor(line, text, guess.actor);
        let cell = Cell { count: 1, up: line.sum.up, bytes: line.sum.bytes, blocked: u64::from(line.blocked) };
        if let Some(hour) = self.hours.get_mut(line.moment as usize) {
            hour.add(cell);
        }
        let apps = self.apps.len() as u32;
        match destination {
            app if app < apps => {
                let entry = &mut self.apps[app as usize];
                entry.traffic.count(line);
                if line.moment != NONE {
                    let (slot, hour) = (line.moment as usize / 24, line.moment as usize % 24);
                    entry.hours[hour] += 1;
                    if entry.days.len() <= slot {
                        entry.days.resize(slot + 1, Cell::default());
                    }
                    entry.days[slot].add(cell);
                }
                if line.device != NONE && std::mem::replace(&mut entry.device, line.device) != line.device {
                    self.app_devices.add(pair(app, line.device));
                }
                if actor != NONE && self.uses.add(pair(actor, app), line.sum) {
                    self.used(actor, app);
                }
            }
            UNNAMED => self.unnamed.count(line),
            domain => {
                let at = domain - apps;
                self.domains.entries[at as usize].traffic.count(line);
                if actor != NONE {
                    self.saw(actor, at, line.who(&self.shared.hashing));
                }
            }
        }
    }

    #[inline]
    fn destination(&mut self, line: &One, text: &[u8], guess: u32) -> u32 {
        if line.place == Place::Nowhere {
            return UNNAMED;
        }
        let (kept, Interned { index, names, entries }) = (&line.host, &self.hosts);
        let likely = entries.get(guess as usize).is_some_and(|host| host.name.is_kept(kept, text, names));
        let found = match likely {
            true => Some(guess),
            false => index.find(kept.hash(), |n| entries[n as usize].name.is_kept(kept, text, names)),
        };
        let number = match (found, line.place) {
            // What is held is in lower case and has no final dot: what equals it needs no look for either.
            (Some(number), Place::Host) if kept.name(text).last() != Some(&b'.') => number,
            (_, Place::Host) => self.other_host(kept.name(text)),
            (Some(number), _) => number,
            (None, _) => self.host(kept.name(text)),
        };
        let host = &mut self.hosts.entries[number as usize];
        host.sum.add(line.sum);
        host.destination
    }

    #[inline]
    fn actor(&mut self, line: &One, text: &[u8], guess: u32) -> u32 {
        let user = &line.user;
        if user.is_nobody() && line.address.is_none() {
            return NONE;
        }
        let Interned { index, names, entries } = &self.actors;
        let same = |actor: &Actor| actor.user.is_kept(user, text, names) && actor.address == line.address;
        let found = match entries.get(guess as usize).is_some_and(same) {
            true => Some(guess),
            false => index.find(line.actor, |n| same(&entries[n as usize])),
        };
        match found {
            Some(number) => {
                self.actors.entries[number as usize].sum.add(line.sum);
                number
            }
            None => {
                let user = user.key(text, &self.shared.hashing);
                self.new_actor(line.actor, &user, line.address, line.sum)
            }
        }
    }

    /// A pair of actor and app that is new, or was dropped before.
    #[cold]
    fn used(&mut self, actor: u32, app: u32) {
        if self.app_sketches {
            self.sketch_use(actor, app);
        }
        if self.uses.len() >= self.limits.uses {
            self.shed_uses();
        }
    }

    /// Counts an actor of a domain, by its number or by the hash of who it is.
    #[inline]
    pub(super) fn saw(&mut self, actor: u32, domain: u32, who: u64) {
        match &self.domain_sketches {
            Some(_) => self.marks.push((domain, who)),
            None => {
                self.seen.add(pair(actor, domain));
                if self.seen.len() >= self.limits.seen {
                    self.start_domain_sketches();
                }
            }
        }
    }
}

impl Worker {
    /// Puts into the sketches of domains what waits for it: one after the other they are waited for at the same time.
    pub(super) fn mark(&mut self) {
        if let Some(sketches) = &mut self.domain_sketches {
            self.marks.drain(..).for_each(|(domain, who)| sketches[domain as usize].add(who));
        }
    }
}

impl One {
    /// The hash of who the actor is: the user, or the address of nobody known.
    #[inline]
    fn who(&self, hashing: &Hashing) -> u64 {
        match self.address {
            Some(address) if self.user.is_nobody() => hashing.address(address),
            _ => self.user.hash(),
        }
    }
}
