//! The verdict: what the service will say of a log, in the words of its governance log, each with what to change.
//!
//! The service answers an upload with success and complains hours later; its rules are known from its documentation:
//! the text must be plain, zip or gzip; the format must match the log type; transactions older than 90 days are ignored,
//! and a log that has no others fails; so does one in which nothing goes out. Where exactly it draws the line between a
//! few unreadable lines and another format is not known; here it is drawn where most lines are unreadable.

use super::{Quality, Way};
use crate::logs::input::{Encoding, Packing, Shape};
use crate::logs::{Certainty, Extract, Trouble};
use serde::{Deserialize, Serialize};

/// What will become of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// All of it will be used.
    Accepted,
    /// It will be used, but not all of it, or without something the service looks for.
    AcceptedWithLoss,
    /// The service will refuse it.
    Refused,
}

impl Verdict {
    /// The words for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Accepted => "accepted",
            Verdict::AcceptedWithLoss => "accepted with loss",
            Verdict::Refused => "will be refused",
        }
    }
}

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Worth knowing.
    Note,
    /// Something is lost.
    Loss,
    /// The service will refuse the log for it.
    Refused,
}

impl Level {
    /// The word for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Note => "note",
            Level::Loss => "loss",
            Level::Refused => "refused",
        }
    }
}

/// One thing found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How much it weighs.
    pub level: Level,
    /// The error of the service's governance log, where it has one for this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// What was found, a clause.
    pub what: String,
    /// What to do about it; the first is the likeliest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remedies: Vec<String>,
}

/// The verdict on a log, small enough to be kept with its shipment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// What will become of the log.
    pub verdict: Verdict,
    /// The log type it was read as.
    pub log_type: String,
    /// Lines.
    pub lines: u64,
    /// Transactions.
    pub records: u64,
    /// Lines that are no transactions.
    pub other: u64,
    /// Broken lines.
    pub rejected: u64,
    /// Why, the heaviest first.
    pub findings: Vec<Finding>,
}

/// The governance log's errors.
const MISMATCH: &str = "The log format doesn't match";
const TOO_OLD: &str = "Transactions are more than 90 days old";
const NOTHING_OUT: &str = "No transactions to cataloged cloud apps";
const FILE_TYPE: &str = "Unsupported file type";

impl Judgement {
    /// In one sentence for a person.
    pub fn sentence(&self) -> String {
        let Judgement { verdict, log_type, lines, records, .. } = self;
        let mut text = format!("{}: {records} of {lines} lines are transactions of {log_type}", verdict.as_str());
        for finding in self.findings.iter().filter(|finding| finding.level > Level::Note) {
            text.push_str(&format!("; {}", finding.what));
        }
        text
    }

    /// Adds what only the caller knows, and lets the verdict follow.
    pub fn add(&mut self, finding: Finding) {
        self.findings.push(finding);
        self.settle();
    }

    fn settle(&mut self) {
        self.findings.sort_by_key(|finding| std::cmp::Reverse(finding.level));
        self.verdict = match self.findings.first().map(|finding| finding.level) {
            Some(Level::Refused) => Verdict::Refused,
            Some(Level::Loss) => Verdict::AcceptedWithLoss,
            Some(Level::Note) | None => Verdict::Accepted,
        };
    }
}

impl Finding {
    /// Something found, without the service's words and without a remedy.
    pub fn new(level: Level, what: impl Into<String>) -> Finding {
        Finding { level, service: None, what: what.into(), remedies: Vec::new() }
    }

    /// Adds the error of the service's governance log.
    #[must_use]
    pub fn says(mut self, words: &str) -> Finding {
        self.service = Some(words.to_owned());
        self
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn remedy(mut self, what: impl Into<String>) -> Finding {
        self.remedies.push(what.into());
        self
    }
}

impl Quality {
    /// What the service will say of the log, packed and encoded as its input was.
    pub fn judge(&self, shape: Shape) -> Judgement {
        let mut findings = Vec::new();
        self.text(shape, &mut findings);
        self.lines_of_the_type(&mut findings);
        if self.records > 0 {
            self.ages(&mut findings);
            self.ways(&mut findings);
            self.fields(&mut findings);
        }
        self.type_itself(&mut findings);
        let mut judgement = Judgement {
            verdict: Verdict::Accepted,
            log_type: self.format.log_type.to_owned(),
            lines: self.lines,
            records: self.records,
            other: self.other,
            rejected: self.rejected(),
            findings,
        };
        judgement.settle();
        judgement
    }

    /// The vendor's remedies for a trouble.
    fn with(&self, mut finding: Finding, trouble: Trouble) -> Finding {
        let fits = self.format.remedies.iter().filter(|remedy| remedy.when == trouble);
        finding.remedies.extend(fits.map(|remedy| remedy.what.to_owned()));
        finding
    }

    fn text(&self, shape: Shape, findings: &mut Vec<Finding>) {
        let encoding = shape.encoding.as_str();
        if shape.encoding == Encoding::Bytes {
            return;
        }
        findings.push(if shape.packing == Packing::Plain {
            Finding::new(Level::Note, format!("the text is {encoding}; the service wants UTF-8 without a mark"))
                .remedy("nothing to do here: shipping it with logweir rewrites it; other uploaders do not")
        } else {
            let packing = shape.packing.as_str();
            Finding::new(
                Level::Refused,
                format!("the text inside the {packing} is {encoding}, and packed logs go as they are"),
            )
            .says(FILE_TYPE)
            .remedy("unpack it and ship the plain file: then its text is rewritten")
        });
    }

    fn lines_of_the_type(&self, findings: &mut Vec<Finding>) {
        let (rejected, log_type) = (self.rejected(), self.format.log_type);
        if self.lines == 0 {
            findings.push(Finding::new(Level::Refused, "the log is empty").says(FILE_TYPE));
            return;
        }
        // Without a single transaction the other messages count: a few broken lines among them are not the reason.
        let mismatch = rejected > 0 && rejected >= self.records && (self.records > 0 || rejected >= self.other);
        let most = self.rejects.iter().max_by_key(|reject| reject.count);
        if let Some(most) = most {
            let count = if rejected == 1 {
                format!("1 of {} lines cannot be read as {log_type}", self.lines)
            } else {
                format!("{rejected} of {} lines cannot be read as {log_type}", self.lines)
            };
            let line = most.examples.first().map_or(0, |example| example.at.line);
            let what = format!("{count}: {} (first in line {line})", most.reason.reason());
            let mut finding = Finding::new(if mismatch { Level::Refused } else { Level::Loss }, what);
            if mismatch {
                finding = finding.says(MISMATCH);
            }
            finding.remedies.extend(self.look_alike().map(str::to_owned));
            if self.cut * 2 > rejected {
                finding = finding.remedy(
                    "they are cut where a syslog datagram ends: send by TCP, or raise the longest message on both sides",
                );
            }
            if mismatch {
                finding = self.with(finding, Trouble::Broken).remedy(format!(
                    "if the appliance writes another layout, name its log type: logweir formats detect FILE ({log_type} was taken)"
                ));
            }
            findings.push(finding);
        }
        if self.records == 0 && !mismatch {
            let what =
                format!("none of the {} lines is a transaction: they are comments or other messages", self.lines);
            let mut finding = Finding::new(Level::Refused, what).says(NOTHING_OUT);
            finding.remedies.extend(self.look_alike().map(str::to_owned));
            findings.push(self.with(finding, Trouble::NoTransactions));
        }
    }

    /// What the vendor's rules say of the lines that are no transactions, by a text in most of those that were kept.
    fn look_alike(&self) -> Option<&'static str> {
        let lines = || self.rejects.iter().flat_map(|reject| &reject.examples).chain(&self.others);
        let all = lines().count();
        self.format.remedies.iter().find_map(|remedy| {
            let Trouble::Lines(text) = remedy.when else { return None };
            let with = lines().filter(|line| memchr::memmem::find(&line.text, text.as_bytes()).is_some()).count();
            (with * 2 > all).then_some(remedy.what)
        })
    }

    fn ages(&self, findings: &mut Vec<Finding>) {
        let dated = self.filled[0];
        if dated == 0 {
            let finding = Finding::new(Level::Loss, "no transaction has a time: the service cannot tell when it was");
            findings.push(self.with(finding, Trouble::NoTime));
            return;
        }
        if self.old > 0 {
            let all = self.old == dated;
            let what = if all {
                format!("all {dated} transactions are more than 90 days old")
            } else {
                format!("{} of {dated} transactions are more than 90 days old and will be ignored", self.old)
            };
            let finding = Finding::new(if all { Level::Refused } else { Level::Loss }, what);
            findings.push(
                if all { finding.says(TOO_OLD) } else { finding }.remedy(
                    "upload logs while they are fresh; if they are, the appliance's clock or its year is wrong",
                ),
            );
        }
        if self.ahead > 0 {
            let what = format!("{} of {dated} transactions are in the future", self.ahead);
            findings.push(
                Finding::new(Level::Note, what)
                    .remedy("set the appliance's clock and time zone (NTP, UTC where it can)"),
            );
        }
    }

    fn ways(&self, findings: &mut Vec<Finding>) {
        let count = |way: Way| self.ways[way as usize];
        if count(Way::Outbound) + count(Way::External) + count(Way::Unknown) > 0 {
            if count(Way::Unknown) == self.records {
                let finding =
                    Finding::new(Level::Refused, "no transaction says where it goes: neither URL, host nor address");
                findings.push(self.with(finding.says(NOTHING_OUT), Trouble::NoUrl));
            }
            return;
        }
        let (inbound, records) = (count(Way::Inbound), self.records);
        let what = if inbound > records / 2 {
            format!("nothing goes out: {inbound} of {records} transactions come in from outside")
        } else {
            format!("nothing goes out: all {records} transactions stay between inside addresses")
        };
        let finding = Finding::new(Level::Refused, what).says(NOTHING_OUT);
        findings.push(
            self.with(finding, Trouble::NotOutbound).remedy(
                "log the rules or the proxy through which people reach the internet, before address translation",
            ),
        );
    }

    /// What the service extracts from this type, or wants of any, and no record has.
    fn fields(&self, findings: &mut Vec<Finding>) {
        let rows = [
            (Extract::SrcIp, self.filled[1], Trouble::NoSource, "an origin address"),
            (Extract::User, self.filled[2], Trouble::NoUser, "a user"),
            (Extract::Url, self.named, Trouble::NoUrl, "a URL or host"),
            (Extract::Total, self.measured, Trouble::NoBytes, "byte counts"),
        ];
        for (extract, count, trouble, words) in rows {
            if count > 0 {
                continue;
            }
            let wanted = self.format.extracts.is_none_or(|extracts| extracts.contains(&extract));
            let finding = if wanted {
                Finding::new(Level::Loss, format!("no transaction has {words}, which the service would extract"))
            } else {
                let log_type = self.format.log_type;
                Finding::new(
                    Level::Note,
                    format!("no transaction has {words}; the service extracts none from {log_type}"),
                )
            };
            findings.push(self.with(finding, trouble));
        }
    }

    fn type_itself(&self, findings: &mut Vec<Finding>) {
        let log_type = self.format.log_type;
        if self.format.certainty == Certainty::Inferred {
            findings.push(
                Finding::new(
                    Level::Note,
                    format!("the layout of {log_type} is inferred, so this verdict is not certain"),
                )
                .remedy("compare with the sample log that the portal offers for this data source"),
            );
        }
        let always = self.format.remedies.iter().filter(|remedy| remedy.when == Trouble::Always);
        findings.extend(always.map(|remedy| Finding::new(Level::Note, remedy.what)));
        if log_type.ends_with("_SYSLOG") {
            findings.push(Finding::new(
                Level::Note,
                "the service takes syslog types by automatic upload, not for a snapshot report",
            ));
        }
    }
}
