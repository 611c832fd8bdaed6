//! The folders use each other only as the map allows; files stay readable in length.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Who may use whom; `ui` and `cli` types are for the edge only.
const MAY_USE: &[(&str, &[&str])] = &[
    (
        "cli",
        &[
            "ui", "config", "service", "ledger", "ship", "logs", "catalog", "discover", "block", "embedded", "domain",
            "error",
        ],
    ),
    ("embedded", &["logs", "catalog", "discover", "block", "domain", "error", "config::secret"]),
    ("ship", &["ledger", "service", "logs", "config", "domain", "error"]),
    ("discover", &["logs", "catalog", "domain", "error"]),
    ("block", &["ledger", "domain", "error"]),
    ("service", &["config::secret", "domain", "error"]),
    ("logs", &["domain", "error"]),
    ("catalog", &["domain", "error"]),
    ("ledger", &["domain", "error"]),
    ("ui", &["config", "domain", "error"]),
    ("config", &["domain", "error"]),
    ("domain", &["error"]),
    ("error", &[]),
];

fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = walkdir::WalkDir::new(root).into_iter().map(|entry| entry.expect("a readable tree").into_path());
    let rust = files.filter(|path| path.extension().is_some_and(|e| e == "rs"));
    rust.map(|path| (path.clone(), std::fs::read_to_string(&path).expect("UTF-8 source"))).collect()
}

fn folder(path: &Path) -> String {
    let inside = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).expect("a source of ours");
    let first = inside.components().next().expect("a component").as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

#[test]
fn folders_use_only_what_the_map_allows() {
    let map: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let own = folder(&path);
        let Some(allowed) = map.get(own.as_str()) else {
            assert!(["lib", "main"].contains(&own.as_str()), "{own} is not on the map");
            continue;
        };
        for (at, _) in text.match_indices("crate::") {
            let line = text[..at].rsplit('\n').next().unwrap_or_default().trim_start();
            if line.starts_with("//") {
                continue;
            }
            let used = &text[at + "crate::".len()..];
            let name: String = used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let fits = |allowed: &&str| *allowed == name || used.starts_with(&format!("{allowed}::"));
            if name != own && !allowed.iter().any(fits) {
                wrong.push(format!("{} uses {name}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_file_is_too_long_to_read() {
    let long: Vec<_> =
        sources().into_iter().filter(|(_, text)| text.lines().count() > 700).map(|(path, _)| path).collect();
    assert!(long.is_empty(), "{long:?}");
}

#[test]
fn every_module_opens_with_why_it_exists() {
    let silent: Vec<_> =
        sources().into_iter().filter(|(_, text)| !text.starts_with("//!")).map(|(path, _)| path).collect();
    assert!(silent.is_empty(), "{silent:?}");
}
