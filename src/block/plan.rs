//! What of a verdict a target can say: each entry's outcome, and the items that are written.
//!
//! A target that has no form for a scope says more (widened) or less (narrowed); then the broader form is guarded and
//! checked for covering again. Nothing is cut: what is over a limit is refused with the number.

use super::appliance::{Appliance, Parameters, Per, Split};
use super::guard::{Guards, Objection};
use super::layout::{self, Kind, Shape, Twist};
use super::verdict::{Cover, Scope, Verdict};
use super::write;
use crate::error::{Error, Result};
use std::collections::HashSet;

/// One item that a target writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Atom<'v> {
    /// What it is.
    pub kind: Kind,
    /// Its clean value.
    pub value: &'v str,
    /// Its number among the items, for targets that number theirs; stable as long as the items are the same.
    pub number: u32,
    /// The file or object it stands in, from one.
    pub bucket: u32,
}

/// What a target makes of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Rendered as meant.
    AsMeant,
    /// Rendered, but it takes in more: what.
    Widened(&'static str),
    /// Rendered, but it takes in less: what is missing.
    Narrowed(&'static str),
    /// Not rendered: why.
    Inexpressible(&'static str),
    /// Not rendered: this entry, as the target writes it, takes it in.
    Covered(u32),
    /// Not rendered: what the target would write instead is protected.
    Protected(Box<Objection>),
}

/// The items of a target and the outcome of every entry.
#[derive(Debug, Clone)]
pub struct Plan<'v> {
    /// What is written, in order.
    pub atoms: Vec<Atom<'v>>,
    /// One per entry of the verdict.
    pub outcomes: Vec<Outcome>,
    /// How many files or objects.
    pub buckets: u32,
}

/// What a target says in place of a scope.
#[derive(Debug, Clone, Copy)]
struct Expression {
    says: Scope,
    kinds: [Option<Kind>; 2],
    outcome: Twist,
}

const WITH_BELOW: &str = "it also takes all names below it";
const WITH_NAME: &str = "it also takes the name itself";
const TO_EXACT: &str = "only the name itself, not the names below it";
const TO_BELOW: &str = "only the names below it, not the name itself";

/// The shapes of a target by kind.
struct Tongue {
    by_kind: [Option<&'static Shape>; Kind::ALL.len()],
}

impl Tongue {
    fn of(appliance: &Appliance, parameters: &Parameters) -> Tongue {
        let mut by_kind = [None; Kind::ALL.len()];
        for shape in layout::shapes(appliance.pages(parameters)) {
            for kind in shape.takes {
                by_kind[*kind as usize].get_or_insert(shape);
            }
        }
        Tongue { by_kind }
    }

    fn has(&self, kind: Kind) -> Option<&'static Shape> {
        self.by_kind[kind as usize]
    }

    /// How an entry is said, or why not.
    fn says(&self, scope: Scope, value: &str) -> std::result::Result<Expression, &'static str> {
        let one = |says, kind: Kind, outcome| Ok(Expression { says, kinds: [Some(kind), None], outcome });
        let twist = |kind| self.has(kind).map_or(Twist::Straight, |shape| shape.twist);
        let (exact, below, subtree) =
            (self.has(Kind::Exact).is_some(), self.has(Kind::Below).is_some(), self.has(Kind::Subtree).is_some());
        match scope {
            Scope::Subtree if subtree => one(scope, Kind::Subtree, twist(Kind::Subtree)),
            Scope::Subtree if exact && below => Ok(Expression {
                says: scope,
                kinds: [Some(Kind::Exact), Some(Kind::Below)],
                // What the exact form takes in too many is below, and meant.
                outcome: match twist(Kind::Exact) {
                    narrower @ Twist::Narrower(_) => narrower,
                    Twist::Straight | Twist::Wider(_) => twist(Kind::Below),
                },
            }),
            Scope::Subtree if exact => one(Scope::Exact, Kind::Exact, Twist::Narrower(TO_EXACT)),
            Scope::Subtree if below => one(Scope::Below, Kind::Below, Twist::Narrower(TO_BELOW)),
            Scope::Exact if exact => one(scope, Kind::Exact, twist(Kind::Exact)),
            Scope::Below if below => one(scope, Kind::Below, twist(Kind::Below)),
            Scope::Exact if subtree => one(Scope::Subtree, Kind::Subtree, Twist::Wider(WITH_BELOW)),
            Scope::Below if subtree => one(Scope::Subtree, Kind::Subtree, Twist::Wider(WITH_NAME)),
            Scope::Exact if below => Err("the target knows names below a name only"),
            Scope::Below if exact => Err("the target knows exact names only"),
            Scope::Subtree | Scope::Exact | Scope::Below => Err("the target takes no host names"),
            Scope::Path => match self.has(Kind::Path) {
                Some(shape) => one(scope, Kind::Path, shape.twist),
                None => Err("the target takes no paths, and the whole host would be too much"),
            },
            Scope::Ip => {
                let kind = Kind::of(scope, value);
                match (self.has(kind), kind) {
                    (Some(shape), _) => one(scope, kind, shape.twist),
                    (None, Kind::Net4 | Kind::Net6) if self.has(Kind::Ip4).is_some() => {
                        Err("the target takes single addresses only, no networks")
                    }
                    (None, Kind::Ip6 | Kind::Net6) if self.has(Kind::Ip4).is_some() => {
                        Err("the target takes no IPv6 addresses")
                    }
                    _ => Err("the target takes no addresses"),
                }
            }
        }
    }
}

struct Rule {
    entry: u32,
    expression: Expression,
}

/// Plans a target: which items it gets and what becomes of each entry.
///
/// # Errors
/// When the items are more than the target takes: with both numbers.
pub fn plan<'v>(
    appliance: &Appliance,
    parameters: &Parameters,
    verdict: &'v Verdict,
    guards: &Guards,
) -> Result<Plan<'v>> {
    let tongue = Tongue::of(appliance, parameters);
    let entries = &verdict.entries;
    let mut outcomes = Vec::with_capacity(entries.len());
    let mut rules: Vec<Rule> = Vec::with_capacity(entries.len());
    for (number, entry) in entries.iter().enumerate() {
        let spoken = tongue.says(entry.scope, &entry.value).and_then(|expression| {
            within_limits(&tongue, appliance, parameters, &expression, &entry.value)?;
            Ok(expression)
        });
        let expression = match spoken {
            Ok(expression) => expression,
            Err(why) => {
                outcomes.push(Outcome::Inexpressible(why));
                continue;
            }
        };
        if expression.says != entry.scope
            && let Some(objection) = guards.object(&entry.value, expression.says)
        {
            outcomes.push(Outcome::Protected(Box::new(objection)));
            continue;
        }
        outcomes.push(match expression.outcome {
            Twist::Straight => Outcome::AsMeant,
            Twist::Wider(what) => Outcome::Widened(what),
            Twist::Narrower(what) => Outcome::Narrowed(what),
        });
        rules.push(Rule { entry: u32::try_from(number).unwrap_or(u32::MAX), expression });
    }
    let value = |rule: &Rule| &*entries[rule.entry as usize].value;
    // A widened scope may now come before its neighbours of the same value.
    for same in rules.chunk_by_mut(|a, b| value(a) == value(b)) {
        same.sort_by_key(|rule| rule.expression.says);
    }
    let mut cover = Cover::default();
    let mut atoms = Vec::with_capacity(rules.len());
    for rule in &rules {
        let (value, says) = (value(rule), rule.expression.says);
        if let Some(by) = cover.covers(value, says) {
            outcomes[rule.entry as usize] = Outcome::Covered(by);
            continue;
        }
        cover.remember(value, says, rule.entry);
        let kinds = rule.expression.kinds.into_iter().flatten();
        atoms.extend(kinds.map(|kind| Atom { kind, value, number: 0, bucket: 1 }));
    }
    let mut plan = Plan { atoms, outcomes, buckets: 1 };
    plan.number(appliance, parameters);
    plan.split(appliance, parameters)?;
    Ok(plan)
}

fn within_limits(
    tongue: &Tongue,
    appliance: &Appliance,
    parameters: &Parameters,
    expression: &Expression,
    value: &str,
) -> std::result::Result<(), &'static str> {
    for kind in expression.kinds.into_iter().flatten() {
        let Some(shape) = tongue.has(kind) else { continue };
        if shape.longest > 0 && write::formed_length(shape.form, kind, value) > shape.longest {
            return Err("it is longer than the target's entries may be");
        }
    }
    if appliance.limits.is_empty() {
        return Ok(());
    }
    if let Some(most) = appliance.limit(Per::Labels, parameters)
        && value.split(['.', '/']).count() as u64 > most
    {
        return Err("it has more labels than the target takes");
    }
    if let Some(most) = appliance.limit(Per::Label, parameters)
        && value.split(['.', '/']).any(|label| label.len() as u64 > most)
    {
        return Err("a part of its path is longer than the target takes");
    }
    if let Some(most) = appliance.limit(Per::WithZone, parameters) {
        // As octets on the wire: a length in front of each label, `*` as one more label, a zero at the end.
        let octets = value.len() + 1 + 2 + parameters.get("zone").len() + 1 + 1;
        if octets as u64 > most {
            return Err("with the zone's name it is longer than a DNS name may be");
        }
    }
    Ok(())
}

/// A stable 64-bit id of an item.
pub(super) fn id(kind: Kind, value: &str) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[kind as u8]);
    hasher.update(value.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_le_bytes(first)
}

fn uses(appliance: &Appliance, parameters: &Parameters, word: &str) -> bool {
    let in_items = |items: &layout::Items| {
        items.shapes.iter().any(|shape| shape.before.contains(word) || shape.after.contains(word))
    };
    appliance.pages(parameters).iter().any(|page| layout::items(page.pieces).any(in_items))
}

impl Plan<'_> {
    /// Gives numbers by content, so that a removal does not move all the others; a taken number yields the next one.
    fn number(&mut self, appliance: &Appliance, parameters: &Parameters) {
        if !uses(appliance, parameters, "%number%") {
            return;
        }
        let mut taken = HashSet::with_capacity(self.atoms.len());
        for atom in &mut self.atoms {
            // 31 bits, never zero: appliances read zero as "the next free one".
            let mut number = u32::try_from(id(atom.kind, atom.value) >> 33).unwrap_or(0).max(1);
            while !taken.insert(number) {
                number = (number & 0x7fff_ffff) % 0x7fff_ffff + 1;
            }
            atom.number = number;
        }
    }

    /// Splits into as few files or objects as the limit on items allows; a power of two, so that growth moves little.
    fn split(&mut self, appliance: &Appliance, parameters: &Parameters) -> Result<()> {
        let Some(most) = appliance.limit(Per::Items, parameters) else { return Ok(()) };
        let total = self.atoms.len() as u64;
        if total <= most {
            return Ok(());
        }
        if appliance.split == Split::Refuse {
            return Err(too_many(appliance, total, most, "entries"));
        }
        let mut buckets = 2_u32;
        loop {
            self.spread(appliance, parameters, buckets)?;
            let mut counts = vec![0_u64; buckets as usize];
            for atom in &self.atoms {
                counts[atom.bucket as usize - 1] += 1;
            }
            if counts.iter().all(|count| *count <= most) {
                return Ok(());
            }
            buckets *= 2;
        }
    }

    /// Spreads the items over so many files or objects, by content; an entry's items stay together.
    ///
    /// # Errors
    /// When the target takes fewer.
    pub(super) fn spread(&mut self, appliance: &Appliance, parameters: &Parameters, buckets: u32) -> Result<()> {
        // Each object of more than one holds an item at least, or the list is not that long.
        let enough = u64::from(buckets) <= (self.atoms.len() as u64).saturating_mul(2).max(2);
        let most = appliance.limit(Per::Parts, parameters).unwrap_or(u64::from(u32::MAX));
        if u64::from(buckets) > most || !enough {
            return Err(too_many(appliance, u64::from(buckets), most, "files or objects"));
        }
        for atom in &mut self.atoms {
            let place = id(Kind::Exact, atom.value) % u64::from(buckets);
            atom.bucket = u32::try_from(place).unwrap_or(0) + 1;
        }
        self.buckets = buckets;
        Ok(())
    }
}

fn too_many(appliance: &Appliance, have: u64, most: u64, what: &str) -> Error {
    let error = Error::failed(format!("the list is too long for {}", appliance.name))
        .cause(format!("it needs {have} {what}, and the target takes {most}"));
    match appliance.better {
        Some(better) => error.hint(format!("use the target {better} instead")),
        None => {
            error.hint("if your model takes more, name it: logweir block formats --appliance NAME lists the parameters")
        }
    }
}

/// Whether an outcome leaves something in the output.
pub fn is_rendered(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::AsMeant | Outcome::Widened(_) | Outcome::Narrowed(_))
}
