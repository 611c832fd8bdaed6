//! What became of every input entry on one target: one row each, and the counts.

use super::plan::{Outcome, Plan};
use super::verdict::{Entry, Fate, Input, Verdict};
use std::fmt;

/// The word for an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Word {
    /// Rendered as meant.
    AsMeant,
    /// Rendered, and takes in more.
    Widened,
    /// Rendered, and takes in less.
    Narrowed,
    /// Another entry says it already.
    Covered,
    /// The target cannot say it.
    Inexpressible,
    /// A guard objects.
    Protected,
    /// It is no clean entry.
    Refused,
    /// Its end date came.
    Ended,
}

impl Word {
    /// Every word, in the order of a summary.
    pub const ALL: [Word; 8] = [
        Word::AsMeant,
        Word::Widened,
        Word::Narrowed,
        Word::Covered,
        Word::Inexpressible,
        Word::Protected,
        Word::Refused,
        Word::Ended,
    ];

    /// Its key in JSON and CSV.
    pub fn key(self) -> &'static str {
        match self {
            Word::AsMeant => "as_meant",
            Word::Widened => "widened",
            Word::Narrowed => "narrowed",
            Word::Covered => "covered",
            Word::Inexpressible => "not_expressible",
            Word::Protected => "protected",
            Word::Refused => "refused",
            Word::Ended => "ended",
        }
    }
}

impl Word {
    /// Whether a person should hear of each input that came to this end.
    pub fn is_told(self) -> bool {
        !matches!(self, Word::AsMeant | Word::Covered | Word::Ended)
    }

    /// The end of an input on one target.
    fn of(plan: &Plan<'_>, fate: &Fate) -> Word {
        match fate {
            Fate::Kept(number) => match &plan.outcomes[*number as usize] {
                Outcome::AsMeant => Word::AsMeant,
                Outcome::Widened(_) => Word::Widened,
                Outcome::Narrowed(_) => Word::Narrowed,
                Outcome::Inexpressible(_) => Word::Inexpressible,
                Outcome::Covered(_) => Word::Covered,
                Outcome::Protected(_) => Word::Protected,
            },
            Fate::Repeats(_) | Fate::Covered(..) => Word::Covered,
            Fate::Ended(..) => Word::Ended,
            Fate::Refused(..) => Word::Refused,
            Fate::Protected(..) => Word::Protected,
        }
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.key().replace('_', " "))
    }
}

/// One input entry and its end.
#[derive(Debug, Clone)]
pub struct Row<'v> {
    /// The source it came from.
    pub source: &'v str,
    /// Its line or place there.
    pub line: u32,
    /// Its clean value, or the text that was refused.
    pub value: &'v str,
    /// The entry it is, or is part of.
    pub entry: Option<&'v Entry>,
    /// Its end.
    pub word: Word,
    /// What more there is to say.
    pub detail: String,
}

/// The rows of a target, one an input, in input order.
pub fn rows<'v>(verdict: &'v Verdict, plan: &'v Plan<'v>) -> impl Iterator<Item = Row<'v>> {
    verdict.inputs.iter().map(|input| row(verdict, plan, input))
}

/// Of these rows, those that a person should hear of; the others are not even made.
pub fn told<'v>(verdict: &'v Verdict, plan: &'v Plan<'v>) -> impl Iterator<Item = Row<'v>> {
    let told = verdict.inputs.iter().filter(|input| Word::of(plan, &input.fate).is_told());
    told.map(|input| row(verdict, plan, input))
}

fn row<'v>(verdict: &'v Verdict, plan: &'v Plan<'v>, input: &'v Input) -> Row<'v> {
    let entry = |number: u32| &verdict.entries[number as usize];
    let by = |number: u32| format!("{} {}", entry(number).scope, entry(number).value);
    let row = |value, entry, word, detail| Row {
        source: &verdict.sources[input.source as usize],
        line: input.line,
        value,
        entry,
        word,
        detail,
    };
    match &input.fate {
        Fate::Kept(number) => {
            let (word, detail) = match &plan.outcomes[*number as usize] {
                Outcome::AsMeant => (Word::AsMeant, String::new()),
                Outcome::Widened(what) => (Word::Widened, (*what).to_owned()),
                Outcome::Narrowed(what) => (Word::Narrowed, (*what).to_owned()),
                Outcome::Inexpressible(why) => (Word::Inexpressible, (*why).to_owned()),
                Outcome::Covered(number) => (Word::Covered, format!("by {}", by(*number))),
                Outcome::Protected(objection) => (Word::Protected, objection.to_string()),
            };
            row(&entry(*number).value, Some(entry(*number)), word, detail)
        }
        Fate::Repeats(number) => {
            row(&entry(*number).value, Some(entry(*number)), Word::Covered, "it is there already".to_owned())
        }
        Fate::Covered(number, value) => row(value, None, Word::Covered, format!("by {}", by(*number))),
        Fate::Ended(date, value) => row(value, None, Word::Ended, format!("on {date}")),
        Fate::Refused(text, why) => row(text, None, Word::Refused, (*why).to_owned()),
        Fate::Protected(value, objection) => row(value, None, Word::Protected, objection.to_string()),
    }
}

/// How many inputs came to each end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts([u64; Word::ALL.len()]);

impl Counts {
    /// Counts without making rows: a million inputs are counted for each of several targets.
    pub fn of(verdict: &Verdict, plan: &Plan<'_>) -> Counts {
        let mut counts = Counts::default();
        for input in &verdict.inputs {
            counts.0[Word::of(plan, &input.fate) as usize] += 1;
        }
        counts
    }

    /// The count of one end.
    pub fn get(&self, word: Word) -> u64 {
        self.0[word as usize]
    }

    /// Inputs that a person should hear of one by one.
    pub fn told(&self) -> u64 {
        Word::ALL.into_iter().filter(|word| word.is_told()).map(|word| self.get(word)).sum()
    }

    /// Inputs altogether.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Inputs that are in the output, but not as meant, or not at all although they are good.
    pub fn not_as_meant(&self) -> u64 {
        [Word::Widened, Word::Narrowed, Word::Inexpressible, Word::Refused].map(|word| self.get(word)).iter().sum()
    }

    /// Inputs that are left out although nobody asked for that.
    pub fn left_out(&self) -> u64 {
        self.get(Word::Inexpressible) + self.get(Word::Refused)
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} entries", self.total())?;
        let mut between = ": ";
        for word in Word::ALL.into_iter().filter(|word| self.get(*word) > 0) {
            write!(f, "{between}{} {word}", self.get(word))?;
            between = ", ";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::guard::Guards;
    use super::super::name::Reading;
    use super::super::verdict::{Builder, Raw};
    use super::super::{appliance, plan};
    use super::*;

    #[test]
    fn every_input_has_one_row_and_the_counts_agree() {
        let guards = Guards::new([].into_iter(), [].into_iter());
        let mut builder = Builder::new(Reading::default());
        let texts =
            ["a.example", "a.example", "*.b.example", "c.example/p", "192.0.2.1", "co.uk", "b a", "w.a.example"];
        for text in texts {
            builder.add(Raw { text, ..Raw::default() });
        }
        let verdict = builder.finish(&guards, None);
        for target in appliance::all() {
            let parameters = target.parameters(&std::collections::BTreeMap::new()).unwrap();
            let plan = plan::plan(target, &parameters, &verdict, &guards).unwrap();
            let counts = Counts::of(&verdict, &plan);
            assert_eq!(counts.total(), texts.len() as u64);
            for word in Word::ALL {
                let rows = rows(&verdict, &plan).filter(|row| row.word == word).count() as u64;
                assert_eq!(rows, counts.get(word), "{}: {word}", target.name);
            }
            assert!(told(&verdict, &plan).all(|row| row.word.is_told()), "{}", target.name);
            assert_eq!(told(&verdict, &plan).count() as u64, counts.told(), "{}", target.name);
            assert_eq!((counts.get(Word::Protected), counts.get(Word::Refused)), (1, 1), "{}", target.name);
        }
    }
}
