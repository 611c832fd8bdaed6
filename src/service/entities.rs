//! Entities: users and their accounts; list, fetch, tree.

use super::filter::{EQ, Family, IS, Kind, SET, SPAN, field};
use super::records::Record;
use super::{Failure, Service};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

/// `type`: an account of one app, or the user behind several \[seen in clients\].
pub const TYPES: super::alerts::Names = &[("account", 1), ("user", 2)];
/// `status` \[documented\].
pub const STATUSES: super::alerts::Names =
    &[("none", 0), ("staged", 1), ("active", 2), ("suspended", 3), ("deleted", 4)];

/// Needs `Investigation.read` or `Investigation.manage`.
pub const FAMILY: Family = Family {
    name: "entities",
    path: "/api/v1/entities/",
    fields: &[
        field("type", EQ, Kind::Names(TYPES)),
        field("isAdmin", IS, Kind::Flag),
        field("entity", EQ, Kind::Entity),
        field("userGroups", EQ, Kind::Text),
        field("app", EQ, Kind::Number),
        field("instance", EQ, Kind::Number),
        field("isExternal", IS, Kind::Flag),
        field("domain", SET, Kind::Text),
        field("organization", SET, Kind::Text),
        field("lastSeen", SPAN, Kind::Time),
        field("status", EQ, Kind::Names(STATUSES)),
        field("score", &["lt", "gt", "isset", "isnotset"], Kind::Number),
    ],
    // The documentation has the first two, a client of Microsoft's the third.
    sort: &["date", "severity", "lastSeen"],
    scan: false,
};

/// What names an entity: its id in an app's instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntityKey {
    /// The account's id, often an address.
    pub id: String,
    /// The app's number; 11161 is Office 365.
    pub app: u64,
    /// The app's instance; 0 where there is one only.
    pub instance: u64,
}

impl EntityKey {
    /// The key as a path holds it: base64 of an object. It may hold `/`, `+` and `=`, which the path escapes.
    pub fn encoded(&self) -> String {
        STANDARD.encode(json!({ "id": self.id, "saas": self.app, "inst": self.instance }).to_string())
    }
}

impl Service {
    /// One entity. A broken key would be answered with 400; ours are built.
    /// Needs `Investigation.read` or `Investigation.manage` \[documented\].
    ///
    /// # Errors
    /// As the API fails; repeated where that helps.
    pub async fn entity(&self, key: &EntityKey) -> Result<Record, Failure> {
        let url = self.below(&FAMILY, &[&key.encoded()])?;
        self.record(&format!("cannot fetch entity {}", key.id), &url).await
    }

    /// A user with all accounts. The documentation calls the key "the ID"; the same key is meant \[inferred\].
    /// Needs `Investigation.read` or `Investigation.manage` \[documented\].
    ///
    /// # Errors
    /// As the API fails; repeated where that helps.
    pub async fn entity_tree(&self, key: &EntityKey) -> Result<Record, Failure> {
        let url = self.below(&FAMILY, &[&key.encoded(), "retrieve_tree"])?;
        self.record(&format!("cannot fetch the accounts of {}", key.id), &url).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_base64_of_an_object_with_every_part() {
        let key = EntityKey { id: "ann?~>".to_owned(), app: 11161, instance: 0 };
        let object: serde_json::Value = serde_json::from_slice(&STANDARD.decode(key.encoded()).unwrap()).unwrap();
        assert_eq!(object, json!({"id": "ann?~>", "saas": 11161, "inst": 0}));
    }
}
