//! Reads the JSON of an earlier run, to say what is new since.

use super::report::SCHEMA;
use super::summary::Earlier;
use serde::Deserialize;

#[derive(Deserialize)]
struct Document {
    schema: String,
    last_seen: Option<String>,
    apps: Vec<App>,
    unknown_domains: Listing,
}

#[derive(Deserialize)]
struct App {
    id: u32,
    name: String,
}

#[derive(Deserialize)]
struct Listing {
    count: u64,
    rows: Vec<Domain>,
}

#[derive(Deserialize)]
struct Domain {
    domain: String,
}

/// What the report `text`, read from `name`, knew.
///
/// # Errors
/// When it is no report of ours.
pub fn read(name: &str, text: &[u8]) -> Result<Earlier, String> {
    let document: Document = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    if document.schema != SCHEMA {
        return Err(format!("its schema is {:?}, not {SCHEMA:?}", document.schema));
    }
    let listed = document.unknown_domains;
    let complete = listed.count == listed.rows.len() as u64;
    Ok(Earlier {
        name: name.to_owned(),
        last_seen: document.last_seen,
        apps: document.apps.into_iter().map(|app| (app.id, app.name)).collect(),
        domains: complete.then(|| listed.rows.into_iter().map(|row| row.domain).collect()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_count_only_if_all_of_them_are_listed() {
        let text = |count: u64| {
            format!(
                r#"{{"schema":"{SCHEMA}","last_seen":null,"apps":[{{"id":7,"name":"A"}}],
                    "unknown_domains":{{"count":{count},"rows":[{{"domain":"x.example"}}]}},"more":1}}"#
            )
        };
        let whole = read("a", text(1).as_bytes()).expect("a report");
        assert_eq!(whole.apps.get(&7).map(String::as_str), Some("A"));
        assert!(whole.domains.is_some_and(|domains| domains.contains("x.example")));
        assert!(read("a", text(2).as_bytes()).expect("a report").domains.is_none());
        assert!(read("a", b"{}").is_err());
        assert!(read("a", text(1).replace(SCHEMA, "other").as_bytes()).expect_err("another").contains("other"));
    }
}
