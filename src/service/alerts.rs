//! Alerts: list, fetch, mark read or unread, close. Close calls act on everything their filter matches, so they are
//! only ever made with ids here.

use super::filter::{DATES, EQ, Family, Filters, IS, Kind, SPAN, field};
use super::records::{Record, items, member, number, text};
use super::retry::Repeat;
use super::{Failure, FailureKind, Service};
use jiff::Timestamp;
use reqwest::Method;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// Names of a number in a record.
pub type Names = &'static [(&'static str, i64)];

/// `severityValue` \[documented\].
pub const SEVERITIES: Names = &[("low", 0), ("medium", 1), ("high", 2), ("informational", 3)];
/// `statusValue` \[documented\].
pub const STATUSES: Names = &[("unread", 0), ("read", 1), ("archived", 2)];
/// `resolutionStatusValue` \[documented\].
pub const RESOLUTIONS: Names =
    &[("open", 0), ("dismissed", 1), ("resolved", 2), ("false-positive", 3), ("benign", 4), ("true-positive", 5)];
/// `stories`; there is no 6 \[documented\].
pub const STORIES: Names = &[
    ("threat-detection", 0),
    ("privileged-account", 1),
    ("compliance", 2),
    ("dlp", 3),
    ("discovery", 4),
    ("sharing-control", 5),
    ("access-control", 7),
    ("configuration", 8),
];

/// The name of a number, where it has one.
pub fn name_of(names: Names, number: i64) -> Option<&'static str> {
    names.iter().find(|(_, known)| *known == number).map(|(name, _)| *name)
}

/// Needs any of `Discovery.read`, `Investigation.read` and their manage forms.
pub const FAMILY: Family = Family {
    name: "alerts",
    path: "/api/v1/alerts/",
    fields: &[
        field("entity.entity", EQ, Kind::Entity),
        field("entity.ip", EQ, Kind::Text),
        field("entity.service", EQ, Kind::Number),
        field("entity.instance", EQ, Kind::Number),
        field("entity.policy", EQ, Kind::Text),
        field("entity.file", EQ, Kind::Text),
        field("alertOpen", IS, Kind::Flag),
        field("severity", EQ, Kind::Names(SEVERITIES)),
        field("resolutionStatus", EQ, Kind::Names(RESOLUTIONS)),
        field("read", IS, Kind::Flag),
        field("date", DATES, Kind::Time),
        field("resolutionDate", SPAN, Kind::Time),
        field("risk", EQ, Kind::Number),
        field("alertType", EQ, Kind::Number),
        field("id", EQ, Kind::Text),
        field("source", IS, Kind::Number),
    ],
    sort: &["date", "severity"],
    scan: false,
};

/// How an alert is closed, with the reasons the service knows for it. Numbers differ per kind and skip some
/// \[documented\].
#[derive(Debug, PartialEq, Eq)]
pub struct Closing {
    /// What people write.
    pub name: &'static str,
    path: &'static str,
    counter: &'static str,
    /// Reasons by name; none where the service takes none.
    pub reasons: Names,
}

/// The three ways to close an alert.
pub const CLOSINGS: &[Closing] = &[
    Closing {
        name: "benign",
        path: "close_benign",
        counter: "closed_benign",
        reasons: &[("severity-lower", 2), ("other", 4), ("confirmed-with-end-user", 5), ("triggered-by-test", 6)],
    },
    Closing {
        name: "false-positive",
        path: "close_false_positive",
        counter: "closed_false_positive",
        reasons: &[("not-of-interest", 0), ("too-many-similar", 1), ("not-accurate", 3), ("other", 4)],
    },
    Closing { name: "true-positive", path: "close_true_positive", counter: "closed_true_positive", reasons: &[] },
];

/// What goes with a closing.
#[derive(Debug, Clone, Default)]
pub struct Remarks {
    /// A reason of the closing's table.
    pub reason: Option<i64>,
    /// Kept with the alert.
    pub comment: Option<String>,
    /// Feedback on the detection, sent to Microsoft.
    pub feedback: Option<String>,
    /// Where Microsoft may ask back about the feedback.
    pub contact_email: Option<String>,
}

/// What a close call did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Closed {
    /// Alerts closed.
    pub closed: u64,
    /// Ids the service does not know.
    pub not_found: Vec<String>,
}

/// The fields of an alert that have a settled meaning; everything else is in the record.
#[derive(Debug, Clone)]
pub struct Alert {
    /// Hexadecimal.
    pub id: String,
    /// What it says.
    pub title: String,
    /// When.
    pub at: Option<Timestamp>,
    /// A name of [`SEVERITIES`], else the number.
    pub severity: String,
    /// A name of [`STATUSES`], else the number.
    pub status: String,
    /// A name of [`RESOLUTIONS`], else the number.
    pub resolution: String,
    /// The number of the alert's type (`idValue`).
    pub kind: Option<i64>,
    /// May be HTML, and hold placeholders.
    pub description: String,
    /// In the portal.
    pub url: String,
    /// Type and label of each entity: an account, an address, a service.
    pub entities: Vec<(String, String)>,
}

impl From<&Record> for Alert {
    fn from(record: &Record) -> Alert {
        let named = |path: &str, names: Names| {
            let number = record.number(path);
            number
                .and_then(|number| name_of(names, number))
                .map(str::to_owned)
                .or_else(|| record.text(path))
                .unwrap_or_default()
        };
        let words = |path: &str| record.text(path).unwrap_or_default();
        let entity = |raw: &&RawValue| {
            let word = |key: &str| member(raw, key).and_then(text);
            let label = word("label").or_else(|| word("id"))?;
            Some((word("type").unwrap_or_default(), label))
        };
        Alert {
            id: record.id().unwrap_or_default(),
            title: words("title"),
            at: record.time("timestamp"),
            severity: named("severityValue", SEVERITIES),
            status: named("statusValue", STATUSES),
            resolution: named("resolutionStatusValue", RESOLUTIONS),
            kind: record.number("idValue"),
            description: words("description"),
            url: words("URL"),
            entities: record.get("entities").map(items).unwrap_or_default().iter().filter_map(entity).collect(),
        }
    }
}

impl Service {
    /// One alert by its id.
    /// Needs any scope of Discovery or Investigation \[documented\]. Times in the record are in milliseconds \[documented\].
    ///
    /// # Errors
    /// As the API fails; repeated where that helps.
    pub async fn alert(&self, id: &str) -> Result<Record, Failure> {
        self.record(&format!("cannot fetch alert {id}"), &self.below(&FAMILY, &[id])?).await
    }

    /// Marks an alert read or unread. What the service answers is documented nowhere and not looked at.
    /// Needs any scope of Discovery or Investigation \[documented\].
    ///
    /// # Errors
    /// As the API fails; repeated where that helps.
    pub async fn mark_alert(&self, id: &str, read: bool) -> Result<(), Failure> {
        let word = if read { "read" } else { "unread" };
        let url = self.below(&FAMILY, &[id, word])?;
        let what = format!("cannot mark alert {id} as {word}");
        self.ask(&what, &Method::POST, &url, None, Repeat::Safe).await.map(|_| ())
    }

    /// Closes the alerts with these ids, at most 100 a call. Needs `Discovery.manage` or `Investigation.manage`.
    ///
    /// # Errors
    /// [`FailureKind::Local`] for no id at all: an empty filter would close every alert. Else as the API fails;
    /// [`FailureKind::MaybeDone`] when the answer was lost.
    pub async fn close_alerts(&self, ids: &[String], how: &Closing, remarks: &Remarks) -> Result<Closed, Failure> {
        if ids.is_empty() {
            return Err(Failure::new(FailureKind::Local, "no alert is named: an empty filter would close all of them"));
        }
        let mut body = json!({ "filters": Filters::ids(ids).json() });
        let mut add = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                body[key] = value;
            }
        };
        add("reasonId", remarks.reason.map(Value::from));
        add("comment", remarks.comment.clone().map(Value::from));
        if let Some(feedback) = &remarks.feedback {
            add("sendFeedback", Some(true.into()));
            add("feedbackText", Some(feedback.as_str().into()));
            add("allowContact", Some(remarks.contact_email.is_some().into()));
            add("contactEmail", remarks.contact_email.clone().map(Value::from));
        }
        let url = self.below(&FAMILY, &[how.path])?;
        let answer = self.ask("cannot close the alerts", &Method::POST, &url, Some(&body), Repeat::OnlyIfNotDone).await;
        let bytes = match answer {
            Ok(bytes) => bytes,
            // The status of an answer about unknown ids is not documented; it may come as a refusal.
            Err(failure) if failure.body.as_deref().is_some_and(|body| body.contains("alertsNotFound")) => {
                failure.body.unwrap_or_default().into_bytes()
            }
            Err(failure) => return Err(failure),
        };
        let raw: &RawValue = serde_json::from_slice(&bytes).map_err(|_| {
            Failure::new(FailureKind::Refused, "cannot close the alerts: the service's answer could not be understood")
        })?;
        let closed = member(raw, how.counter).and_then(number).and_then(|count| u64::try_from(count).ok());
        let not_found = member(raw, "alertsNotFound").map(items).unwrap_or_default();
        Ok(Closed { closed: closed.unwrap_or_default(), not_found: not_found.into_iter().filter_map(text).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_is_read_with_names_for_its_numbers() {
        let json = r#"{"_id":"64b0","timestamp":1735900000000,"title":"t","severityValue":2,"statusValue":9,
            "resolutionStatusValue":0,"idValue":15859716,"comment":null,
            "entities":[{"type":"account","label":"Ann"},{"type":"service","id":11161},{"type":"ip"}]}"#;
        let alert = Alert::from(&Record::parse(json.as_bytes()).unwrap());
        assert_eq!((alert.severity.as_str(), alert.status.as_str(), alert.resolution.as_str()), ("high", "9", "open"));
        assert_eq!(alert.entities, [("account".into(), "Ann".into()), ("service".into(), "11161".into())]);
        assert_eq!(alert.at.map(|at| at.to_string()).as_deref(), Some("2025-01-03T10:26:40Z"));
    }
}
