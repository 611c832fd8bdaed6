//! What the owner of the report has decided about apps: a CSV file `app,tag[,note]`.

use crate::catalog::Catalog;
use serde::Serialize;
use std::collections::BTreeMap;

/// A decision about an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tag {
    /// May be used.
    Sanctioned,
    /// May not be used.
    Unsanctioned,
    /// Not decided yet.
    UnderReview,
}

impl Tag {
    /// All tags.
    pub const ALL: [Tag; 3] = [Tag::Sanctioned, Tag::Unsanctioned, Tag::UnderReview];

    /// Its word in files and output.
    pub fn name(self) -> &'static str {
        match self {
            Tag::Sanctioned => "sanctioned",
            Tag::Unsanctioned => "unsanctioned",
            Tag::UnderReview => "under-review",
        }
    }
}

impl std::str::FromStr for Tag {
    type Err = String;

    fn from_str(text: &str) -> Result<Tag, String> {
        let word = text.trim().to_ascii_lowercase().replace([' ', '_'], "-");
        let tag = Tag::ALL.into_iter().find(|tag| tag.name() == word);
        tag.ok_or_else(|| format!("{text:?} is not a tag: sanctioned, unsanctioned or under-review"))
    }
}

/// The tags of a file, by app id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tags {
    by_app: BTreeMap<u32, Tag>,
}

impl Tags {
    /// Reads a file; `app` in it is a number, a name, or a domain of the catalogue.
    ///
    /// # Errors
    /// Every line that is wrong, with its number and what to do.
    pub fn read(text: &str, catalog: &Catalog) -> Result<Tags, Vec<String>> {
        let mut tags = Tags::default();
        let mut wrong = Vec::new();
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .comment(Some(b'#'))
            .trim(csv::Trim::All)
            .from_reader(text.trim_start_matches('\u{feff}').as_bytes());
        for row in reader.records() {
            let row = match row {
                Ok(row) => row,
                Err(error) => {
                    wrong.push(error.to_string());
                    continue;
                }
            };
            let line = row.position().map_or(0, csv::Position::line);
            let (app, tag) = (row.get(0).unwrap_or_default(), row.get(1).unwrap_or_default());
            if app.eq_ignore_ascii_case("app") && tag.eq_ignore_ascii_case("tag") {
                continue;
            }
            match (find(app, catalog), tag.parse()) {
                (Some(id), Ok(tag)) => match tags.by_app.insert(id, tag) {
                    Some(before) if before != tag => {
                        wrong.push(format!("line {line}: {app:?} is {} further up", before.name()));
                    }
                    _ => {}
                },
                (None, _) => wrong.push(format!(
                    "line {line}: no app is called {app:?}; `logweir catalog search {app}` shows names and numbers"
                )),
                (_, Err(error)) => wrong.push(format!("line {line}: {error}")),
            }
        }
        if wrong.is_empty() { Ok(tags) } else { Err(wrong) }
    }

    /// The tag of an app.
    pub fn get(&self, app: u32) -> Option<Tag> {
        self.by_app.get(&app).copied()
    }

    /// Decides about an app.
    pub fn set(&mut self, app: u32, tag: Tag) {
        self.by_app.insert(app, tag);
    }

    /// The apps with a tag.
    pub fn with(&self, tag: Tag) -> impl Iterator<Item = u32> + '_ {
        self.by_app.iter().filter(move |(_, has)| **has == tag).map(|(app, _)| *app)
    }
}

/// An app by number, name or domain.
pub fn find(text: &str, catalog: &Catalog) -> Option<u32> {
    if let Ok(id) = text.parse::<u32>() {
        return catalog.app(id).map(|app| app.id);
    }
    let named = catalog.apps().iter().find(|app| app.name.eq_ignore_ascii_case(text));
    named.or_else(|| catalog.lookup(text.as_bytes())).map(|app| app.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apps_are_named_by_number_name_or_domain() {
        let catalog = Catalog::builtin();
        let dropbox = catalog.lookup(b"dropbox.com").expect("an app");
        for app in [dropbox.id.to_string(), "dropbox".to_owned(), "dropbox.com".to_owned()] {
            let tags = Tags::read(&format!("\u{feff}app,tag,note\n# ours\n{app}, Under review ,why\n"), &catalog);
            assert_eq!(tags.expect("sound").get(dropbox.id), Some(Tag::UnderReview), "{app}");
        }
    }

    #[test]
    fn every_wrong_line_is_named() {
        let wrong = Tags::read("app,tag\nno such app,sanctioned\nDropbox,forbidden\n", &Catalog::builtin());
        let wrong = wrong.expect_err("two mistakes");
        assert!(wrong[0].contains("line 2") && wrong[0].contains("no such app"), "{wrong:?}");
        assert!(wrong[1].contains("line 3") && wrong[1].contains("forbidden"), "{wrong:?}");
        let twice = Tags::read("Dropbox,sanctioned\ndropbox.com,unsanctioned\n", &Catalog::builtin());
        assert!(twice.expect_err("a contradiction")[0].contains("further up"));
    }
}
