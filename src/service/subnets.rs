//! IP address ranges (data enrichment): list, create, update, delete, and the plan that brings them to a wanted state.

use super::filter::{EQ, Family, IS, Kind, field};
use super::records::{Record, items, member, text};
use super::retry::Repeat;
use super::{Failure, FailureKind, Service};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// `category` \[documented, 0 seen in clients\].
pub const CATEGORIES: super::alerts::Names = &[
    ("none", 0),
    ("corporate", 1),
    ("administrative", 2),
    ("risky", 3),
    ("vpn", 4),
    ("cloud-provider", 5),
    ("other", 6),
];

/// Listing needs any of `Settings.read`, `Investigation.read` and their manage forms; changing needs a manage form.
pub const FAMILY: Family = Family {
    name: "IP ranges",
    path: "/api/v1/subnet/",
    fields: &[
        field("category", EQ, Kind::Names(CATEGORIES)),
        field("tags", EQ, Kind::Text),
        field("builtIn", IS, Kind::Flag),
    ],
    sort: &["name", "category", "tags"],
    scan: false,
};

/// A named set of networks: what the service lets be written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Range {
    /// Unique in the tenant.
    pub name: String,
    /// A number of [`CATEGORIES`].
    pub category: i64,
    /// Networks as typed, host bits included.
    pub subnets: Vec<String>,
    /// The registered provider, when it overrides what the service knows.
    pub organization: Option<String>,
    /// Ids of tags, or names of new ones.
    pub tags: Vec<String>,
}

/// Checks a network in CIDR form; a bare address is a network of one.
///
/// # Errors
/// A sentence that shows how to write one.
pub fn network(text: &str) -> Result<String, String> {
    let wrong = || format!("{text:?} is no network: write it like 192.0.2.0/24 or 2001:db8::/32");
    let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
    let address: IpAddr = address.parse().map_err(|_| wrong())?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    match bits {
        None => Ok(format!("{text}/{most}")),
        Some(bits) => bits.parse::<u8>().ok().filter(|bits| *bits <= most).map(|_| text.to_owned()).ok_or_else(wrong),
    }
}

/// A category by name or number.
///
/// # Errors
/// A sentence that lists them.
pub fn category(text: &str) -> Result<i64, String> {
    let plain = text.trim().to_ascii_lowercase().replace([' ', '_'], "-");
    let known = CATEGORIES.iter().find(|(name, number)| *name == plain || number.to_string() == plain);
    let names = || CATEGORIES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    known.map(|(_, number)| *number).ok_or_else(|| format!("{text:?} is no category: {}", names()))
}

impl From<&Record> for Range {
    /// What of a record can be written back. Tags are objects when read and ids when written.
    fn from(record: &Record) -> Range {
        let list = |path: &str, keys: [&str; 2]| -> Vec<String> {
            let entries = record.get(path).map(items).unwrap_or_default();
            let word = |key: &str, entry| member(entry, key).and_then(text);
            entries
                .into_iter()
                .filter_map(|entry| word(keys[0], entry).or_else(|| word(keys[1], entry)).or_else(|| text(entry)))
                .collect()
        };
        Range {
            name: record.text("name").unwrap_or_default(),
            category: record.number("category").unwrap_or_default(),
            subnets: list("subnets", ["originalString", "address"]),
            organization: record.text("organization").filter(|name| !name.is_empty()),
            tags: list("tags", ["id", "_id"]),
        }
    }
}

impl Range {
    /// The body of a create or update call: every field, since an update empties what is absent.
    fn body(&self) -> Value {
        let mut body =
            json!({ "name": self.name, "category": self.category, "subnets": self.subnets, "tags": self.tags });
        if let Some(organization) = &self.organization {
            // Honoured only together, judging by the vendor's script [inferred].
            body["organization"] = organization.as_str().into();
            body["overrideOrganization"] = true.into();
        }
        body
    }

    /// What differs from another range, by field name.
    fn differences(&self, other: &Range) -> Vec<&'static str> {
        let set = |list: &[String]| {
            list.iter().map(|text| network(text).unwrap_or_else(|_| text.clone())).collect::<BTreeSet<_>>()
        };
        let tags = |list: &[String]| list.iter().cloned().collect::<BTreeSet<_>>();
        let mut differences = Vec::new();
        if set(&self.subnets) != set(&other.subnets) {
            differences.push("networks");
        }
        if self.category != other.category {
            differences.push("category");
        }
        if tags(&self.tags) != tags(&other.tags) {
            differences.push("tags");
        }
        if self.organization != other.organization {
            differences.push("organization");
        }
        differences
    }
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The service lacks it.
    Create(Range),
    /// The service has it differently, in these fields.
    Update {
        /// The record's id.
        id: String,
        /// What it becomes.
        to: Range,
        /// What differs.
        differs: Vec<&'static str>,
    },
    /// The service has it, the wanted state does not.
    Delete {
        /// The record's id.
        id: String,
        /// Its name.
        name: String,
    },
}

/// A plan: what to do, how many stay as they are, and which ranges only the service has.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// In the order to be done.
    pub steps: Vec<Step>,
    /// Ranges that are as wanted.
    pub unchanged: usize,
    /// Names that the wanted state lacks; left alone unless deleting was asked for.
    pub extra: Vec<String>,
}

/// Compares what the service has with what is wanted, by name.
pub fn plan(present: &[Record], wanted: &[Range], delete: bool) -> Plan {
    let mut plan = Plan::default();
    let has: Vec<(String, Range, bool)> = present
        .iter()
        .map(|record| {
            let built_in = record.text("builtIn").as_deref() == Some("true");
            (record.id().unwrap_or_default(), Range::from(record), built_in)
        })
        .collect();
    for range in wanted {
        match has.iter().find(|(_, known, _)| known.name == range.name) {
            None => plan.steps.push(Step::Create(range.clone())),
            Some((id, known, _)) => match range.differences(known) {
                differs if differs.is_empty() => plan.unchanged += 1,
                differs => plan.steps.push(Step::Update { id: id.clone(), to: range.clone(), differs }),
            },
        }
    }
    for (id, known, built_in) in has {
        if built_in || wanted.iter().any(|range| range.name == known.name) {
            continue;
        }
        if delete {
            plan.steps.push(Step::Delete { id, name: known.name });
        } else {
            plan.extra.push(known.name);
        }
    }
    plan
}

impl Service {
    /// One range by its id. The call is documented nowhere, and in use by one product.
    /// Needs what listing ranges needs \[inferred\]: any scope of Settings or Investigation.
    ///
    /// # Errors
    /// As the API fails; repeated where that helps.
    pub async fn subnet(&self, id: &str) -> Result<Record, Failure> {
        self.record(&format!("cannot fetch IP range {id}"), &self.below(&FAMILY, &[id])?).await
    }

    /// Makes a range and returns its id, which arrives as a JSON string.
    /// Needs `Settings.manage` or `Investigation.manage` \[documented\]. That the provider counts only with
    /// `overrideOrganization` is \[inferred from the vendor's script\]: both are sent.
    ///
    /// # Errors
    /// As the API fails; [`FailureKind::MaybeDone`] when the answer was lost.
    pub async fn create_subnet(&self, range: &Range) -> Result<String, Failure> {
        let what = format!("cannot create IP range {:?}", range.name);
        let url = self.below(&FAMILY, &["create_rule"])?;
        let answer = self.ask(&what, &Method::POST, &url, Some(&range.body()), Repeat::OnlyIfNotDone).await?;
        let id = serde_json::from_slice::<String>(&answer)
            .unwrap_or_else(|_| String::from_utf8_lossy(&answer).trim().to_owned());
        let legal =
            !id.is_empty() && id.len() <= 64 && id.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_".contains(&c));
        if legal {
            Ok(id)
        } else {
            Err(Failure::new(FailureKind::Refused, format!("{what}: the service's answer is no id")))
        }
    }

    /// Replaces a range as a whole. The id goes with the name, or the service's check for a unique name may trip
    /// \[inferred from the vendor's scripts\].
    /// Needs `Settings.manage` or `Investigation.manage`; what is left out is emptied \[documented\].
    ///
    /// # Errors
    /// As the API fails; repeated where that helps.
    pub async fn update_subnet(&self, id: &str, range: &Range) -> Result<(), Failure> {
        let mut body = range.body();
        body["_id"] = id.into();
        let what = format!("cannot update IP range {:?}", range.name);
        let url = self.below(&FAMILY, &[id, "update_rule"])?;
        self.ask(&what, &Method::POST, &url, Some(&body), Repeat::Safe).await.map(|_| ())
    }

    /// Deletes a range.
    /// Needs `Settings.manage` or `Investigation.manage` \[documented\].
    ///
    /// # Errors
    /// As the API fails; [`FailureKind::MaybeDone`] when the answer was lost.
    pub async fn delete_subnet(&self, id: &str) -> Result<(), Failure> {
        let what = format!("cannot delete IP range {id}");
        let url = self.below(&FAMILY, &[id])?;
        self.ask(&what, &Method::DELETE, &url, None, Repeat::OnlyIfNotDone).await.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(name: &str, category: i64, networks: &[&str]) -> Record {
        let subnets: Vec<Value> = networks.iter().map(|text| json!({ "originalString": text, "mask": 120 })).collect();
        let json = json!({ "_id": format!("id-{name}"), "name": name, "category": category, "organization": null,
            "subnets": subnets, "tags": [{ "name": "VPN", "id": "t1" }], "location": null, "lastModified": 1.5 });
        Record::parse(json.to_string().as_bytes()).unwrap()
    }

    fn range(name: &str, category: i64, networks: &[&str]) -> Range {
        let subnets = networks.iter().map(|text| (*text).to_owned()).collect();
        Range { name: name.to_owned(), category, subnets, organization: None, tags: vec!["t1".to_owned()] }
    }

    #[test]
    fn a_plan_leaves_equal_ranges_alone_and_deletes_only_when_asked() {
        let present = [
            record("HQ", 1, &["192.0.2.0/24", "198.51.100.7/32"]),
            record("Old", 6, &["203.0.113.0/24"]),
            record("Lab", 1, &["192.0.2.0/25"]),
        ];
        let wanted = [
            range("HQ", 1, &["198.51.100.7", "192.0.2.0/24"]),
            range("Lab", 2, &["192.0.2.0/25"]),
            range("New", 4, &["2001:db8::/32"]),
        ];
        let kept = plan(&present, &wanted, false);
        assert_eq!((kept.unchanged, kept.extra.as_slice()), (1, &["Old".to_owned()][..]));
        assert_eq!(kept.steps.len(), 2);
        assert!(
            matches!(&kept.steps[0], Step::Update { id, differs, .. } if id == "id-Lab" && differs == &["category"])
        );
        assert!(matches!(&kept.steps[1], Step::Create(range) if range.name == "New"));
        let deleted = plan(&present, &wanted, true);
        assert!(deleted.extra.is_empty());
        assert!(matches!(&deleted.steps[2], Step::Delete { id, .. } if id == "id-Old"));
    }

    #[test]
    fn networks_and_categories_are_checked() {
        for (text, expected) in
            [("192.0.2.1", "192.0.2.1/32"), ("192.0.2.1/24", "192.0.2.1/24"), ("2001:db8::/32", "2001:db8::/32")]
        {
            assert_eq!(network(text).as_deref(), Ok(expected));
        }
        for text in ["", "192.0.2.0/33", "192.0.2/24", "x", "2001:db8::/129", "192.0.2.0/"] {
            assert!(network(text).is_err(), "{text}");
        }
        assert_eq!((category("Cloud provider"), category("2")), (Ok(5), Ok(2)));
        assert!(category("7").unwrap_err().contains("corporate"));
    }

    #[test]
    fn what_is_read_can_be_written_back() {
        let body = Range::from(&record("HQ", 1, &["192.0.2.0/24"])).body();
        assert_eq!(body, json!({"name": "HQ", "category": 1, "subnets": ["192.0.2.0/24"], "tags": ["t1"]}));
    }
}
