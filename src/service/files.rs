//! Files: list and fetch. In no permission scope: only a legacy token is let in \[seen by users\].

use super::filter::{DATES, EQ, Family, IS, Kind, SET, SPAN, field};
use super::records::Record;
use super::{Failure, Service};

/// `fileType` \[documented\].
pub const TYPES: super::alerts::Names =
    &[("other", 0), ("document", 1), ("spreadsheet", 2), ("presentation", 3), ("text", 4), ("image", 5), ("folder", 6)];
/// `sharing` \[documented\].
pub const SHARING: super::alerts::Names =
    &[("private", 0), ("internal", 1), ("external", 2), ("public", 3), ("public-internet", 4)];

/// Needs a legacy token.
pub const FAMILY: Family = Family {
    name: "files",
    path: "/api/v1/files/",
    fields: &[
        field("service", EQ, Kind::Number),
        field("instance", EQ, Kind::Number),
        field("fileType", EQ, Kind::Names(TYPES)),
        field("allowDeleted", IS, Kind::Flag),
        field("policy", &["cabinetmatchedrulesequals", "neq", "isset", "isnotset"], Kind::Text),
        field("filename", IS, Kind::Text),
        field("modifiedDate", DATES, Kind::Time),
        field("createdDate", SPAN, Kind::Time),
        field("collaborators.entity", EQ, Kind::Entity),
        field("collaborators.domains", EQ, Kind::Text),
        field("collaborators.groups", EQ, Kind::Text),
        field("collaborators.withDomain", &["eq", "neq", "deq"], Kind::Text),
        field("owner.entity", EQ, Kind::Entity),
        field("owner.orgUnit", EQ, Kind::Text),
        field("sharing", EQ, Kind::Names(SHARING)),
        field("fileId", EQ, Kind::Text),
        field("fileLabels", SET, Kind::Text),
        field("fileScanLabels", SET, Kind::Text),
        field("extension", EQ, Kind::Text),
        field("mimeType", EQ, Kind::Text),
        field("trashed", IS, Kind::Flag),
        field("parentFolder", EQ, Kind::Text),
        field("folder", IS, Kind::Flag),
        field("quarantined", IS, Kind::Flag),
        field("snapshotLastModifiedDate", SPAN, Kind::Time),
    ],
    // In use by a client of Microsoft's, documented nowhere.
    sort: &["modifiedDate"],
    scan: false,
};

impl Service {
    /// One file by its id.
    /// In no permission scope: only a legacy token is let in \[seen by users\]. Times are in milliseconds, one of them in ISO 8601.
    ///
    /// # Errors
    /// As the API fails; repeated where that helps.
    pub async fn file(&self, id: &str) -> Result<Record, Failure> {
        self.record(&format!("cannot fetch file {id}"), &self.below(&FAMILY, &[id])?).await
    }
}
