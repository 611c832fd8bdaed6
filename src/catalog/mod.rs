//! Cloud apps by host name: the longest suffix on labels wins. The table is ours; scores run from 1 (risky) to 10.

use std::collections::HashMap;
use std::sync::LazyLock;

/// One cloud app.
#[derive(Debug)]
pub struct App {
    /// Our number.
    pub id: u32,
    /// Its name.
    pub name: &'static str,
    /// The service's category id, `SAASDB_CATEGORY_…`.
    pub category: String,
    /// 1 (risky) to 10 (sound).
    pub score: u8,
    /// Its domains; each covers the names below it.
    pub domains: Vec<&'static str>,
}

struct Catalog {
    apps: Vec<App>,
    by_domain: HashMap<&'static str, usize>,
}

static CATALOG: LazyLock<Catalog> = LazyLock::new(|| {
    let mut apps = Vec::new();
    for line in include_str!("apps.csv").lines().skip(1) {
        apps.extend(app(line));
    }
    let domains =
        apps.iter().enumerate().flat_map(|(i, app): (_, &App)| app.domains.iter().map(move |domain| (*domain, i)));
    let by_domain = domains.collect();
    Catalog { apps, by_domain }
});

/// One row; a test makes sure that every row is one.
fn app(line: &'static str) -> Option<App> {
    let mut fields = line.split(',');
    Some(App {
        id: fields.next()?.parse().ok()?,
        name: fields.next()?,
        category: format!("SAASDB_CATEGORY_{}", fields.next()?),
        score: fields.next()?.parse().ok()?,
        domains: fields.next()?.split(' ').collect(),
    })
}

/// Every app.
pub fn all() -> &'static [App] {
    &CATALOG.apps
}

/// The app that a host name belongs to.
pub fn lookup(host: &str) -> Option<&'static App> {
    let mut name = host.trim_end_matches('.');
    let lower;
    if name.bytes().any(|c| c.is_ascii_uppercase()) {
        lower = name.to_ascii_lowercase();
        name = &lower;
    }
    loop {
        if let Some(app) = CATALOG.by_domain.get(name) {
            return CATALOG.apps.get(*app);
        }
        name = &name[name.find('.')? + 1..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_an_app_and_no_domain_is_in_two() {
        let rows = include_str!("apps.csv").lines().count() - 1;
        assert_eq!((all().len(), rows >= 60), (rows, true));
        let domains: usize = all().iter().map(|app| app.domains.len()).sum();
        assert_eq!(CATALOG.by_domain.len(), domains);
        assert!(all().iter().all(|app| (1..=10).contains(&app.score)));
    }

    #[test]
    fn the_longest_suffix_on_labels_wins() {
        let name = |host: &str| lookup(host).map(|app| app.name);
        assert_eq!(name("WWW.Dropbox.com."), Some("Dropbox"));
        assert_eq!(name("notdropbox.com"), None);
        assert_eq!(name("drive.google.com"), Some("Google Drive"));
        assert_eq!(name("google.com"), None);
        assert_eq!(name(""), None);
    }
}
