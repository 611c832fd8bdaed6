//! Activities: list (by scan mode past 5,000), fetch, feedback.

use super::filter::{DATES, EQ, Family, IS, Kind, SET, field};
use super::records::Record;
use super::retry::Repeat;
use super::{Failure, Service, subnets};
use reqwest::Method;
use serde_json::{Value, json};

/// Where an activity comes from \[documented\].
pub const SOURCES: super::alerts::Names = &[
    ("access-control", 0),
    ("session-control", 1),
    ("app-connector", 2),
    ("app-connector-analysis", 3),
    ("discovery", 5),
    ("mde", 6),
];

const TAKEN: &[&str] = &[
    "block",
    "proxy",
    "BypassProxy",
    "encrypt",
    "decrypt",
    "verified",
    "encryptionFailed",
    "protect",
    "verify",
    "null",
];
const STARTS: &[&str] = &["eq", "neq", "isset", "isnotset", "startswith"];

/// Needs `Investigation.read` or `Investigation.manage`.
pub const FAMILY: Family = Family {
    name: "activities",
    path: "/api/v1/activities/",
    fields: &[
        field("service", EQ, Kind::Number),
        field("instance", EQ, Kind::Number),
        field("user.orgUnit", SET, Kind::Text),
        field("activity.eventType", EQ, Kind::Text),
        field("activity.eventActionType", EQ, Kind::Text),
        field("activity.actionType", EQ, Kind::Text),
        field("actionType", EQ, Kind::Text),
        field("activity.id", IS, Kind::Text),
        field("activity.impersonated", IS, Kind::Flag),
        field("activity.type", IS, Kind::Flag),
        field("activity.takenAction", EQ, Kind::Words(TAKEN)),
        field("activity.alertId", IS, Kind::Text),
        field("activity.azureSubscriptions", EQ, Kind::Text),
        field("activityObject", EQ, Kind::Text),
        field("device.type", EQ, Kind::Words(&["DESKTOP", "MOBILE", "TABLET", "OTHER", "null"])),
        field("device.tags", EQ, Kind::Text),
        field("userAgent.userAgent", &["contains", "ncontains"], Kind::Text),
        field("userAgent.tags", EQ, Kind::Text),
        field("location.country", SET, Kind::Text),
        field("location.organizations", &["eq", "neq", "isset", "isnotset", "contains"], Kind::Text),
        field("ip.address", &["eq", "neq", "startswith", "doesnotstartwith", "isset", "isnotset"], Kind::Text),
        field("ip.category", EQ, Kind::Names(subnets::CATEGORIES)),
        field("ip.tags", EQ, Kind::Text),
        field("fileSelector", EQ, Kind::Text),
        field("office365url", &["eq", "startswith", "endswith"], Kind::Text),
        field("fileId", IS, Kind::Text),
        field("fileLabels", EQ, Kind::Text),
        field("text", &["eq", "startswithsingle", "text"], Kind::Text),
        field("date", DATES, Kind::Time),
        field("created", &["lte", "gte", "range", "gt", "lt", "eq"], Kind::Time),
        field("policy", SET, Kind::Text),
        field("source", EQ, Kind::Names(SOURCES)),
        field("entity", STARTS, Kind::Entity),
        field("user.username", STARTS, Kind::Text),
        field("user.tags", STARTS, Kind::Text),
        field("user.domain", SET, Kind::Text),
    ],
    sort: &["date", "created"],
    scan: true,
};

/// What somebody thinks of an activity.
#[derive(Debug, Clone, Default)]
pub struct Feedback {
    /// The verdict, in the words of the portal.
    pub value: String,
    /// More about it.
    pub text: Option<String>,
    /// Where Microsoft may ask back.
    pub contact_email: Option<String>,
}

impl Service {
    /// One activity by its id.
    /// Needs `Investigation.read` or `Investigation.manage` \[documented\]. Times in the record are in milliseconds, whole or not
    /// \[seen in clients\].
    ///
    /// # Errors
    /// As the API fails; repeated where that helps.
    pub async fn activity(&self, id: &str) -> Result<Record, Failure> {
        self.record(&format!("cannot fetch activity {id}"), &self.below(&FAMILY, &[id])?).await
    }

    /// Sends feedback on an activity. The documentation names the value `feedback` in its table and `feedbackValue` in
    /// its sample: both are sent. The answer is not looked at \[documented, in conflict\].
    /// Needs `Investigation.read` or `Investigation.manage` \[documented\].
    ///
    /// # Errors
    /// As the API fails.
    pub async fn activity_feedback(&self, id: &str, feedback: &Feedback) -> Result<(), Failure> {
        let mut url = self.below(&FAMILY, &[id, "feedback"])?;
        // The one path of the API without a slash at its end.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty();
        }
        let mut body = json!({
            "feedback": feedback.value, "feedbackValue": feedback.value, "allowContact": feedback.contact_email.is_some(),
        });
        for (key, value) in [("feedbackText", &feedback.text), ("contactEmail", &feedback.contact_email)] {
            if let Some(value) = value {
                body[key] = Value::from(value.as_str());
            }
        }
        let what = format!("cannot send feedback on activity {id}");
        self.ask(&what, &Method::POST, &url, Some(&body), Repeat::OnlyIfNotDone).await.map(|_| ())
    }
}
