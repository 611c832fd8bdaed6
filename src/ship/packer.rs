//! The one packer of a process: plans every feed, packs what is new, hands it to the tenant's worker.

use super::crew::Crew;
use super::gzip::Pace;
use super::head::Shape;
use super::judge::{self, Judge, Kind};
use super::pack::{self, Content, How, Part, Spoiled};
use super::plan::{self, LARGEST, Member, Plan, Work};
use super::scan::Scanner;
use super::spool::Sink;
use super::{Event, Outcome, Shared};
use crate::config::{After, Destination, Feed, Level};
use crate::domain::{ByteCount, LogType, TenantName};
use crate::error::{Error, Result};
use crate::ledger::{Ledger, NewShipment, NewSlice};
use crate::logs::custom::Layouts;
use crate::logs::quality::Judgement;
use crate::service::Growth;
use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// From so many raw bytes on it pays to store a shipment while it is being packed: fewer end as a single PUT.
const OVERLAP_FROM: u64 = 256 << 20;
/// Small files wait, and are joined, while so many shipments of their tenant wait to be sent.
const ENOUGH_WAITING: u64 = 4;
/// What the spool's disk must have left beyond the shipment to come.
const RESERVE: u64 = 16 << 20;

/// What one round over all feeds came to.
#[derive(Debug, Default)]
pub(super) struct Round {
    /// Whether something was packed, or may be by another round at once.
    pub again: bool,
    /// Whether something waits for room that sending makes.
    pub blocked: Vec<(TenantName, String, Error)>,
    /// When the next file will have settled.
    pub due: Option<Duration>,
}

/// The scanners of the feeds, and what failed already.
pub(super) struct Packer {
    shared: Arc<Shared>,
    scanners: Vec<Option<Scanner>>,
    without: HashSet<PathBuf>,
    /// How often another process was faster.
    lost_races: u32,
    /// Whether small files wait for company while enough shipments wait to be sent.
    patient: bool,
}

/// Races lost in one pass before the files concerned are left to the next one.
const MOST_RACES: u32 = 20;

/// What became of a work.
enum Done {
    /// In the ledger, or found to be there already.
    Packed,
    /// Nobody but us could tell: another process has the files.
    Elsewhere,
    /// No room at the moment.
    Blocked(Error),
}

impl Packer {
    pub(super) fn new(shared: &Arc<Shared>) -> Result<Packer> {
        let scanners = shared.feeds.iter().map(|feed| Scanner::new(feed).map(Some)).collect::<Result<_>>()?;
        for feed in &shared.feeds {
            judge::set_free(&shared.ledger, feed)?;
        }
        Ok(Packer { shared: shared.clone(), scanners, without: HashSet::new(), lost_races: 0, patient: true })
    }

    /// Forgets which files failed: they get another chance. Says whether there are any.
    pub(super) fn forgive(&mut self) -> bool {
        let any = !self.without.is_empty();
        self.without.clear();
        self.lost_races = 0;
        any
    }

    /// Rounds until nothing is left that this process can pack, waiting for room where sending makes some.
    pub(super) async fn until_done(mut self, crew: &mut Crew, outcome: &mut Outcome) -> Result<()> {
        loop {
            let round = self.round(crew, outcome).await?;
            if round.again {
                continue;
            }
            let waiting: Vec<_> = round.blocked.into_iter().filter(|(tenant, ..)| crew.works(tenant)).collect();
            if waiting.is_empty() {
                return Ok(());
            }
            if !crew.progress().await {
                // What waits is in the hands of another process: nothing of ours will make these files worth waiting for.
                if self.patient && !crew.stopping() {
                    self.patient = false;
                    continue;
                }
                for (_, what, error) in waiting {
                    outcome.left_out.push(self.shared.left_out(what, error));
                }
                return Ok(());
            }
        }
    }

    /// Plans every feed and packs what it finds.
    pub(super) async fn round(&mut self, crew: &mut Crew, outcome: &mut Outcome) -> Result<Round> {
        let mut round = Round::default();
        let mut works = Vec::new();
        for number in 0..self.shared.feeds.len() {
            let plan = self.plan(number).await?;
            round.again |= plan.more;
            round.due = [round.due, plan.due].into_iter().flatten().min();
            for (path, error) in plan.left_out {
                if self.without.insert(path.clone()) {
                    outcome.left_out.push(self.shared.left_out(path.display().to_string(), error));
                }
            }
            works.extend(plan.works);
        }
        works.sort_by_key(|work| work.members.first().map(|member| member.mark.mtime_ns));
        let mut full = BTreeSet::new();
        for work in works {
            if crew.stopping() {
                return Ok(Round::default());
            }
            let tenant = work.feed.tenant.clone();
            // In order within a tenant: what does not fit now is not overtaken for ever by what does.
            if full.contains(&tenant) {
                continue;
            }
            let label = work.label();
            match self.work(work, crew, outcome).await {
                Ok(Done::Packed) => round.again = true,
                Ok(Done::Elsewhere) => outcome.elsewhere += 1,
                Ok(Done::Blocked(error)) => {
                    full.insert(tenant.clone());
                    round.blocked.push((tenant, label, error));
                }
                Err(error) => {
                    full.insert(tenant);
                    outcome.left_out.push(self.shared.left_out(label, error));
                }
            }
        }
        Ok(round)
    }

    async fn plan(&mut self, number: usize) -> Result<Plan> {
        let Some(mut scanner) = self.scanners[number].take() else { return Ok(Plan::default()) };
        let (shared, without) = (self.shared.clone(), self.without.clone());
        let planned = tokio::task::spawn_blocking(move || {
            let feed = &shared.feeds[number];
            let plan = plan::plan(&shared.ledger, feed, &mut scanner, &without, true);
            (scanner, plan)
        });
        let (scanner, plan) = planned.await.map_err(|_| Error::failed("the scan ended early"))?;
        self.scanners[number] = Some(scanner);
        plan
    }

    /// Packs one work, in as many shipments as its size needs.
    async fn work(&mut self, mut work: Work, crew: &mut Crew, outcome: &mut Outcome) -> Result<Done> {
        let shared = self.shared.clone();
        let feed = work.feed.clone();
        loop {
            if let Some(error) = no_room(&shared, &work, self.patient)? {
                return Ok(Done::Blocked(error));
            }
            let marks: Vec<_> = work.members.iter().map(|member| member.mark).collect();
            let got = shared.ledger.claim(shared.owner.name(), &feed.tenant, &feed.name, &marks)?;
            let before = work.members.len();
            let mut got = got.into_iter();
            work.members.retain(|_| got.next().unwrap_or_default());
            outcome.elsewhere += (before - work.members.len()) as u64;
            if work.members.is_empty() {
                return Ok(Done::Elsewhere);
            }
            let packed = self.shipment(&work, crew, outcome).await;
            let rest = match packed {
                Ok(rest) => rest,
                Err(Spoiled::Member(number, error)) => {
                    shared.ledger.release(shared.owner.name())?;
                    let member = work.members.remove(number);
                    outcome.left_out.push(shared.left_out(member.path.display().to_string(), error));
                    self.without.insert(member.path);
                    if work.members.is_empty() {
                        return Ok(Done::Packed);
                    }
                    continue;
                }
                Err(Spoiled::Spool(error)) => {
                    shared.ledger.release(shared.owner.name())?;
                    return Err(error);
                }
                Err(Spoiled::Stopped) => {
                    shared.ledger.release(shared.owner.name())?;
                    return Ok(Done::Packed);
                }
            };
            match rest {
                Some(from) => {
                    let first = &mut work.members[0];
                    first.from = from;
                    first.lead.clear();
                }
                None => {
                    shared.ledger.release(shared.owner.name())?;
                    return Ok(Done::Packed);
                }
            }
        }
    }

    /// Packs one shipment. Returns where the next part of a huge file begins.
    async fn shipment(
        &mut self,
        work: &Work,
        crew: &mut Crew,
        outcome: &mut Outcome,
    ) -> std::result::Result<Option<u64>, Spoiled> {
        let (shared, feed) = (self.shared.clone(), work.feed.clone());
        let first = &work.members[0];
        let mut read = read_so_far(&shared, first.path.clone(), work.bytes());
        let text = matches!(first.head.shape, Shape::Text(_));
        let how = How { pace: pace(&shared, &feed), part_size: part_size(&shared) };
        let extension = if !text || how.pace.is_none() { "log" } else { "gz" };
        let (name, file) = shared.spool.create(shared.owner.name(), extension).map_err(Spoiled::Spool)?;
        let filename = filename(first, how.pace.is_some() && text);
        let (growing, growth) = watch::channel(Growth::default());
        let kind = first.kind.clone();
        // Stored from now on, if it is large; committed only once the ledger has it.
        let storing = (work.bytes() >= OVERLAP_FROM && kind.doubt.is_none())
            .then(|| crew.store_ahead(&feed.tenant, &name, &filename, &kind.log_type, growth))
            .flatten();
        let (members, shared_there, sink) =
            (work.members.clone(), shared.clone(), Sink::new(file, growing, shared.backlog.clone()));
        let mut judge = Judge::new(&kind, first.head.shape, &shared.layouts);
        let packed = tokio::task::spawn_blocking(move || {
            let mut see = |text: &[u8]| {
                read(text.len() as u64);
                judge.see(text);
            };
            let content = pack::pack(&members, how, sink, &shared_there.stop, &mut see)?;
            Ok((content, judge.end()))
        });
        let packed = packed.await.unwrap_or_else(|_| Err(Spoiled::Spool(Error::failed("packing ended early"))));
        let taken = packed.and_then(|(content, judgement)| {
            let held = judge::held(&feed, &kind, judgement.as_ref());
            // Held while the ledger takes it in, so that the worker does not send what is being stored already.
            let busy = crew.busy(&feed.tenant);
            let mut busy = busy.lock().unwrap_or_else(PoisonError::into_inner);
            let judged = (judgement.as_ref(), held.as_ref());
            let id = self.take_in(work, &content, &name, &filename, judged).map_err(Spoiled::Spool)?;
            if let (Some(id), Some(storing), None) = (id, &storing, &held) {
                busy.insert(id);
                storing.taken_in(id, content.packed);
            }
            Ok((content, id, held))
        });
        let (content, id, held) = match taken {
            Ok((content, Some(id), held)) => (content, id, held),
            // Another process shipped some of it meanwhile: the next round plans without that.
            Ok((_, None, _)) => {
                shared.discard(&name);
                self.lost_races += 1;
                if self.lost_races > MOST_RACES {
                    self.without.extend(work.members.iter().map(|member| member.path.clone()));
                }
                return Ok(None);
            }
            Err(spoiled) => {
                shared.discard(&name);
                return Err(spoiled);
            }
        };
        let source = first.path.clone();
        let raw = content.parts.iter().map(|part| part.to - part.from).sum();
        let files = content.parts.len() as u64;
        shared.event(Event::Packed { id, source, files, raw, packed: content.packed });
        content.growth.send_replace(Growth::done(content.packed));
        match held {
            Some(error) => outcome.left_out.push(shared.left_out(first.path.display().to_string(), error)),
            None => crew.wake(&feed.tenant),
        }
        let last = content.parts.last().map_or(0, |part| part.to);
        let more = work.members.len() == 1 && last < first.to;
        Ok(more.then_some(last))
    }

    fn take_in(
        &self,
        work: &Work,
        content: &Content,
        spool: &str,
        filename: &str,
        (judgement, held): (Option<&Judgement>, Option<&Error>),
    ) -> Result<Option<i64>> {
        let (shared, feed) = (&self.shared, &work.feed);
        if content.packed > LARGEST {
            return Err(Error::failed(format!("{} is larger than the service takes even packed", work.label()))
                .hint("rotate this log more often: the service takes 5 GB at once"));
        }
        shared.spool.sync()?;
        let slice = |part: &Part| {
            let member: &Member = &work.members[part.member];
            let (path, head) = (&*member.path, &member.head.fingerprint[..]);
            NewSlice { path, mark: member.mark, head, digest: part.digest, from: part.from, to: part.to }
        };
        let (destination, snapshot) = destination(feed);
        let (judgement, held) = (judgement.map(judge::to_text), held.map(Error::one_line));
        shared.ledger.take_in(&NewShipment {
            tenant: &feed.tenant,
            feed: &feed.name,
            owner: shared.owner.name(),
            slices: content.parts.iter().map(slice).collect(),
            packed: content.packed,
            log_type: work.members[0].kind.log_type.as_str(),
            destination,
            snapshot,
            spool,
            filename,
            away: feed.after != After::Keep,
            held: held.as_deref(),
            judgement: judgement.as_deref(),
        })
    }
}

impl Shared {
    /// Removes a spool file that no shipment will be.
    fn discard(&self, spool: &str) {
        self.backlog.gone(std::fs::metadata(self.spool.path(spool)).map_or(0, |meta| meta.len()));
        self.spool.remove(spool);
    }
}

pub(super) fn destination(feed: &Feed) -> (&str, bool) {
    match &feed.destination {
        Destination::DataSource(name) => (name.as_str(), false),
        Destination::Snapshot(name) => (name.as_str(), true),
    }
}

const _: () = assert!(Level::STRONGEST == super::gzip::STRONGEST, "what may be configured is what there is");

fn pace(shared: &Shared, feed: &Feed) -> Option<Pace> {
    match shared.upload.level {
        _ if !feed.gzip => None,
        Level::Auto => Some(Pace::Auto(shared.backlog.clone())),
        Level::Fixed(level) => Some(Pace::Fixed(level)),
    }
}

/// Parts are small enough that two of them fit the tenant's share of the spool: one is sent while one is packed.
fn part_size(shared: &Shared) -> u64 {
    shared.upload.part_size.0.min(shared.quota() / 2).max(1 << 16)
}

/// Tells how far packing is, every so many bytes; what is unpacked on the way may be more than the file has.
fn read_so_far(shared: &Arc<Shared>, source: PathBuf, total: u64) -> impl FnMut(u64) + Send + 'static {
    const STEP: u64 = 4 << 20;
    let (shared, mut done, mut told) = (shared.clone(), 0, 0);
    move |bytes| {
        done += bytes;
        if done - told >= STEP {
            told = done;
            shared.event(Event::Packing { source: source.clone(), done: done.min(total), total });
        }
    }
}

/// The name told to the service: the source's, with what packing adds to it.
fn filename(first: &Member, packed: bool) -> String {
    let name = first.path.file_name().unwrap_or_default().to_string_lossy();
    let part = if first.from > 0 { format!(".from-{}", first.from) } else { String::new() };
    let ending = if packed { ".gz" } else { "" };
    format!("{name}{part}{ending}")
}

/// Why a work must wait: the spool is full, or enough waits that small files had better be joined.
fn no_room(shared: &Shared, work: &Work, patient: bool) -> Result<Option<Error>> {
    let (used, waiting) = shared.ledger.backlog(&work.feed.tenant)?;
    let text = matches!(work.members[0].head.shape, Shape::Text(_));
    // Logs shrink to a quarter at the very least; what does not is found out while it is packed.
    let expected = if text && work.feed.gzip { work.bytes() / 4 } else { work.bytes() };
    let expected = expected.min(part_size(shared));
    let quota = shared.quota();
    let hint = "it empties when the service takes shipments again; logweir status shows what waits";
    if used > 0 && used + expected > quota {
        let error = Error::failed("the spool is full");
        return Ok(Some(error.cause(format!("{} of {} are used", ByteCount(used), ByteCount(quota))).hint(hint)));
    }
    if shared.spool.free().is_some_and(|free| free < expected + RESERVE) {
        let error = Error::failed("the disk of the spool is full");
        return Ok(Some(error.hint("free space on the disk of the state directory; nothing is lost")));
    }
    if patient
        && waiting >= ENOUGH_WAITING
        && text
        && work.bytes() < work.feed.join.size.0
        && (work.members.len() as u64) < work.feed.join.count
    {
        return Ok(Some(Error::failed(format!("{waiting} shipments wait to be sent")).hint(hint)));
    }
    Ok(None)
}

/// Files that would be left out, and why.
pub type LeftOut = Vec<(PathBuf, Error)>;

/// A shipment that would be made.
#[derive(Debug)]
pub struct Would {
    /// Its files with their lengths.
    pub files: Vec<(PathBuf, u64)>,
    /// What it would be shipped as.
    pub log_type: LogType,
    /// What the service would say of it, where its log type can be read here.
    pub judgement: Option<Judgement>,
    /// Why it would be held.
    pub held: Option<Error>,
}

/// What would be shipped of a feed, and what would be left out; nothing is written or sent.
///
/// # Errors
/// When the ledger cannot be read or a pattern is wrong.
pub fn would_ship(ledger: &Ledger, feed: &Feed, layouts: &Layouts) -> Result<(Vec<Would>, LeftOut)> {
    let feed = Arc::new(feed.clone());
    let mut scanner = Scanner::new(&feed)?;
    let (mut without, mut would, mut left_out) = (HashSet::new(), Vec::new(), Vec::new());
    loop {
        let plan = plan::plan(ledger, &feed, &mut scanner, &without, false)?;
        for work in plan.works {
            let files = work.members.iter().map(|member| (member.path.clone(), member.to - member.from));
            without.extend(work.members.iter().map(|member| member.path.clone()));
            let kind: &Kind = &work.members[0].kind;
            let judgement = judge::files(&work.members, layouts);
            let held = judge::held(&feed, kind, judgement.as_ref());
            would.push(Would { files: files.collect(), log_type: kind.log_type.clone(), judgement, held });
        }
        without.extend(plan.left_out.iter().map(|(path, _): &(PathBuf, Error)| Path::to_path_buf(path)));
        left_out.extend(plan.left_out);
        if !plan.more {
            return Ok((would, left_out));
        }
    }
}
