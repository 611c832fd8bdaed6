//! Which permission each operation needs: the table behind every 403's hint, `doctor`, `init` and `config check`.
//!
//! The rows are the operations column of the documented table \[documented\]; where its prose says more, the column
//! wins. Scopes are compared without regard to case: the documentation writes them with a capital, tokens without.

use super::auth::Token;
use reqwest::Method;

/// An operation of the API with the scopes any one of which allows it, least first.
#[derive(Debug)]
pub struct Operation {
    /// The family, as the permission table names it.
    pub family: &'static str,
    /// The operation, as the permission table names it.
    pub name: &'static str,
    /// The method of the call.
    pub method: &'static str,
    /// The path; `*` stands for one segment.
    pub path: &'static str,
    /// Any one of these; empty where only a legacy token is let in.
    pub scopes: &'static [&'static str],
}

const INVESTIGATE: &[&str] = &["Investigation.read", "Investigation.manage"];
const ALERTS: &[&str] = &["Discovery.read", "Investigation.read", "Discovery.manage", "Investigation.manage"];
const CLOSE: &[&str] = &["Discovery.manage", "Investigation.manage"];
const RANGES: &[&str] = &["Settings.read", "Investigation.read", "Settings.manage", "Investigation.manage"];
const RANGES_CHANGE: &[&str] = &["Settings.manage", "Investigation.manage"];
const REPORTS: &[&str] = &["Discovery.read", "Discovery.manage"];
const SHIP: &[&str] = &["Discovery.manage"];
/// No scope holds the files; only a legacy token is let in [seen by users].
const FILES: &[&str] = &[];

const fn row(
    family: &'static str,
    name: &'static str,
    method: &'static str,
    path: &'static str,
    scopes: &'static [&'static str],
) -> Operation {
    Operation { family, name, method, path, scopes }
}

/// Every operation. A list is asked for by POST here; GET does the same.
pub const OPERATIONS: &[Operation] = &[
    row("activities", "list", "POST", "/api/v1/activities/", INVESTIGATE),
    row("activities", "fetch", "GET", "/api/v1/activities/*/", INVESTIGATE),
    row("activities", "feedback", "POST", "/api/v1/activities/*/feedback", INVESTIGATE),
    row("alerts", "list", "POST", "/api/v1/alerts/", ALERTS),
    row("alerts", "fetch", "GET", "/api/v1/alerts/*/", ALERTS),
    row("alerts", "mark_read", "POST", "/api/v1/alerts/*/read/", ALERTS),
    row("alerts", "mark_unread", "POST", "/api/v1/alerts/*/unread/", ALERTS),
    row("alerts", "close", "POST", "/api/v1/alerts/close_benign/", CLOSE),
    row("alerts", "close", "POST", "/api/v1/alerts/close_false_positive/", CLOSE),
    row("alerts", "close", "POST", "/api/v1/alerts/close_true_positive/", CLOSE),
    row("entities", "list", "POST", "/api/v1/entities/", INVESTIGATE),
    row("entities", "fetch", "GET", "/api/v1/entities/*/", INVESTIGATE),
    row("entities", "fetch_tree", "GET", "/api/v1/entities/*/retrieve_tree/", INVESTIGATE),
    row("subnet", "list", "POST", "/api/v1/subnet/", RANGES),
    row("subnet", "list", "GET", "/api/v1/subnet/*/", RANGES),
    row("subnet", "create", "POST", "/api/v1/subnet/create_rule/", RANGES_CHANGE),
    row("subnet", "update", "POST", "/api/v1/subnet/*/update_rule/", RANGES_CHANGE),
    row("subnet", "delete", "DELETE", "/api/v1/subnet/*/", RANGES_CHANGE),
    row("discovery", "list_streams", "GET", "/api/discovery/streams/", REPORTS),
    row("discovery", "list_categories", "POST", "/api/v1/discovery/discovered_apps/categories/", REPORTS),
    row("discovery", "upload", "GET", "/api/v1/discovery/upload_url/", SHIP),
    row("discovery", "upload", "POST", "/api/v1/discovery/done_upload/", SHIP),
    row("discovery", "block_script", "GET", "/api/discovery_block_scripts/", SHIP),
    row("files", "list", "POST", "/api/v1/files/", FILES),
    row("files", "fetch", "GET", "/api/v1/files/*/", FILES),
];

/// The operation that a call is; lists may be asked for by GET.
pub fn operation(method: &Method, path: &str) -> Option<&'static Operation> {
    let path = path.strip_prefix("/cas").unwrap_or(path);
    let segments = |path: &'static str| path.trim_matches('/').split('/');
    let mine: Vec<&str> = path.trim_matches('/').split('/').collect();
    let fits = |operation: &&Operation| {
        let list = operation.method == "POST" && method == Method::GET && operation.name == "list";
        (method.as_str() == operation.method || list)
            && segments(operation.path).count() == mine.len()
            && segments(operation.path).zip(&mine).all(|(pattern, segment)| pattern == "*" || pattern == *segment)
    };
    // A path written out wins over one with a wildcard in the same place.
    OPERATIONS.iter().filter(fits).min_by_key(|operation| operation.path.matches('*').count())
}

/// Every scope of the table, reading before managing.
pub const SCOPES: [&str; 6] = [
    "Discovery.read",
    "Settings.read",
    "Investigation.read",
    "Discovery.manage",
    "Settings.manage",
    "Investigation.manage",
];

/// An operation by family and name, as the permission table has them.
pub type Name = (&'static str, &'static str);

fn rows<'n>(names: &'n [Name]) -> impl Iterator<Item = &'static Operation> + 'n {
    // What no scope allows asks for none.
    let named = |row: &&Operation| !row.scopes.is_empty() && names.contains(&(row.family, row.name));
    OPERATIONS.iter().filter(named)
}

/// The scopes that together allow these operations and as little else as can be, fewest first.
pub fn least(names: &[Name]) -> Vec<&'static str> {
    let allowed = |scopes: &[&str], row: &Operation| row.scopes.iter().any(|scope| scopes.contains(scope));
    let subsets = (0..1_u32 << SCOPES.len()).map(|bits| {
        let chosen = SCOPES.iter().enumerate().filter(|(at, _)| bits & (1 << at) != 0);
        chosen.map(|(_, scope)| *scope).collect::<Vec<_>>()
    });
    let serving = subsets.filter(|scopes| rows(names).all(|row| allowed(scopes, row)));
    let cost = |scopes: &Vec<&str>| (OPERATIONS.iter().filter(|row| allowed(scopes, row)).count(), scopes.len());
    serving.min_by_key(cost).unwrap_or_default()
}

/// Those of the operations that the scopes held do not allow.
pub fn lacking(held: &[String], names: &[Name]) -> Vec<Name> {
    let missing = |name: &&Name| rows(&[**name]).any(|row| !suffices(held, row.scopes));
    names.iter().filter(missing).copied().collect()
}

/// Whether one of the scopes held is one of those that serve.
pub fn suffices(held: &[String], serve: &[&str]) -> bool {
    held.iter().any(|held| serve.iter().any(|scope| scope.eq_ignore_ascii_case(held)))
}

/// What to do about a 403: the scope needed beside those held.
pub(super) fn forbidden(method: &Method, path: &str, token: &Token) -> String {
    let held = token.scopes();
    let has = match (token.legacy(), held.is_empty()) {
        (true, _) => "a legacy token has the rights of the administrator who made it".to_owned(),
        (false, true) => "the token holds no scope at all".to_owned(),
        (false, false) => format!("the token holds {}", held.join(", ")),
    };
    let Some(operation) = operation(method, path) else {
        return format!("{has}; this call is in no documented scope: try a legacy token (auth.token_file)");
    };
    if operation.scopes.is_empty() {
        return format!(
            "the {} family is in no permission scope; only a legacy token is let in (auth.token_file); {has}",
            operation.family
        );
    }
    let all = operation.scopes.join(", ");
    let needed = operation.scopes[0];
    let then = if token.legacy() {
        "use the token of an administrator with that right"
    } else {
        "grant the least of them to the application and consent again"
    };
    if operation.scopes.len() == 1 {
        format!("it needs {needed}; {has}; grant it and consent again, then logweir doctor")
    } else {
        format!("it needs one of {all}; {has}; {then}, then logweir doctor")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_recognised_in_every_spelling() {
        let rows = [
            ("GET", "/api/v1/alerts/", Some("list")),
            ("POST", "/cas/api/v1/alerts/", Some("list")),
            ("GET", "/api/v1/alerts/64b0/", Some("fetch")),
            ("POST", "/api/v1/alerts/64b0/read/", Some("mark_read")),
            ("POST", "/api/v1/alerts/close_benign/", Some("close")),
            ("POST", "/api/v1/subnet/create_rule/", Some("create")),
            ("POST", "/api/v1/subnet/64b0/update_rule/", Some("update")),
            ("DELETE", "/api/v1/subnet/64b0/", Some("delete")),
            ("POST", "/api/v1/activities/1_2_3/feedback", Some("feedback")),
            ("GET", "/api/v1/governance/", None),
            ("PUT", "/api/v1/alerts/", None),
        ];
        for (method, path, expected) in rows {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            assert_eq!(operation(&method, path).map(|operation| operation.name), expected, "{method} {path}");
        }
    }

    #[test]
    fn the_least_scopes_allow_what_is_wanted_and_little_else() {
        let rows: [(&[Name], &[&str]); 7] = [
            (&[], &[]),
            (&[("discovery", "upload"), ("discovery", "list_streams")], &["Discovery.manage"]),
            (&[("discovery", "list_streams"), ("alerts", "list")], &["Discovery.read"]),
            (&[("subnet", "list")], &["Settings.read"]),
            (&[("alerts", "close"), ("discovery", "block_script")], &["Discovery.manage"]),
            (&[("activities", "list"), ("entities", "fetch_tree")], &["Investigation.read"]),
            (&[("discovery", "upload"), ("subnet", "delete")], &["Discovery.manage", "Settings.manage"]),
        ];
        for (wanted, expected) in rows {
            assert_eq!(least(wanted), expected, "{wanted:?}");
            let held: Vec<String> = expected.iter().map(|scope| scope.to_lowercase()).collect();
            assert_eq!(lacking(&held, wanted), [], "{wanted:?}");
        }
        assert_eq!(lacking(&["discovery.read".to_owned()], rows[1].0), [("discovery", "upload")]);
    }

    #[test]
    fn scopes_are_compared_without_case() {
        assert!(suffices(&["investigation.read".to_owned()], INVESTIGATE));
        assert!(!suffices(&["Discovery.manage".to_owned()], INVESTIGATE));
        assert!(!suffices(&["settings.manage".to_owned()], FILES));
    }
}
