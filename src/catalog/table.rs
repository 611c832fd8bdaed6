//! The compiled-in table and the shape of its rows, which users' own files share.

use super::traits::{Trait, Traits};
use super::{App, Kind};
use crate::domain::HostName;

/// A category of the service. Its id is the service's, letter for letter.
#[derive(Debug, PartialEq, Eq)]
pub struct Category {
    /// `SAASDB_CATEGORY_…`.
    pub id: &'static str,
    /// Its name for people.
    pub name: &'static str,
    /// Our records of it.
    pub(super) rows: &'static str,
}

macro_rules! category {
    ($id:literal, $name:literal) => {
        Category { id: $id, name: $name, rows: "" }
    };
    ($id:literal, $name:literal, $file:literal) => {
        Category { id: $id, name: $name, rows: include_str!($file) }
    };
}

/// Every category that the service has.
pub static CATEGORIES: &[Category] = &[
    category!("SAASDB_CATEGORY_ACCOUNTING_AND_FINANCE", "Accounting and finance", "accounting_and_finance.csv"),
    category!("SAASDB_CATEGORY_ADVERTISING", "Advertising", "advertising.csv"),
    category!("SAASDB_CATEGORY_ALL", "All categories"),
    category!("SAASDB_CATEGORY_BUSINESS_INTELLIGENCE", "Business intelligence", "business_intelligence.csv"),
    category!("SAASDB_CATEGORY_BUSINESS_MANAGEMENT", "Business management", "business_management.csv"),
    category!("SAASDB_CATEGORY_CLOUD_COMPUTING_PLATFORM", "Cloud computing platform", "cloud_computing_platform.csv"),
    category!("SAASDB_CATEGORY_CLOUD_STORAGE", "Cloud storage", "cloud_storage.csv"),
    category!("SAASDB_CATEGORY_CODE_HOSTING", "Code hosting", "code_hosting.csv"),
    category!("SAASDB_CATEGORY_COLLABORATION", "Collaboration", "collaboration.csv"),
    category!("SAASDB_CATEGORY_COMMUNICATIONS", "Communications", "communications.csv"),
    category!("SAASDB_CATEGORY_CONSUMER", "Consumer", "consumer.csv"),
    category!("SAASDB_CATEGORY_CONTENT_MANAGEMENT", "Content management", "content_management.csv"),
    category!("SAASDB_CATEGORY_CONTENT_SHARING", "Content sharing", "content_sharing.csv"),
    category!("SAASDB_CATEGORY_CRM", "CRM", "crm.csv"),
    category!("SAASDB_CATEGORY_CUSTOMER_SUPPORT", "Customer support", "customer_support.csv"),
    category!("SAASDB_CATEGORY_DATA_ANALYTICS", "Data analytics", "data_analytics.csv"),
    category!("SAASDB_CATEGORY_DEVELOPMENT_TOOLS", "Development tools", "development_tools.csv"),
    category!("SAASDB_CATEGORY_ECOMMERCE", "E-commerce", "ecommerce.csv"),
    category!("SAASDB_CATEGORY_EDUCATION", "Education", "education.csv"),
    category!("SAASDB_CATEGORY_FORUMS", "Forums", "forums.csv"),
    category!("SAASDB_CATEGORY_HEALTH", "Health", "health.csv"),
    category!("SAASDB_CATEGORY_HOSTING_SERVICES", "Hosting services", "hosting_services.csv"),
    category!(
        "SAASDB_CATEGORY_HUMAN_RESOURCE_MANAGEMENT",
        "Human-resource management",
        "human_resource_management.csv"
    ),
    category!("SAASDB_CATEGORY_INTERNET_OF_THINGS", "Internet of Things", "internet_of_things.csv"),
    category!("SAASDB_CATEGORY_IT_SERVICES", "IT services", "it_services.csv"),
    category!("SAASDB_CATEGORY_MARKETING", "Marketing", "marketing.csv"),
    category!("SAASDB_CATEGORY_MEDIA", "Media", "media.csv"),
    category!("SAASDB_CATEGORY_NEWS_AND_ENTERTAINMENT", "News and entertainment", "news_and_entertainment.csv"),
    category!("SAASDB_CATEGORY_ONLINE_MEETINGS", "Online meetings", "online_meetings.csv"),
    category!("SAASDB_CATEGORY_OPERATIONS_MANAGEMENT", "Operations management", "operations_management.csv"),
    category!(
        "SAASDB_CATEGORY_PERSONAL_INSTANT_MESSAGING",
        "Personal instant messaging",
        "personal_instant_messaging.csv"
    ),
    category!("SAASDB_CATEGORY_PRODUCT_DESIGN", "Product design", "product_design.csv"),
    category!("SAASDB_CATEGORY_PRODUCTIVITY", "Productivity", "productivity.csv"),
    category!("SAASDB_CATEGORY_PROJECT_MANAGEMENT", "Project management", "project_management.csv"),
    category!("SAASDB_CATEGORY_PROPERTY_MANAGEMENT", "Property management", "property_management.csv"),
    category!("SAASDB_CATEGORY_SALES", "Sales", "sales.csv"),
    category!("SAASDB_CATEGORY_SECURITY", "Security", "security.csv"),
    category!("SAASDB_CATEGORY_SOCIAL_NETWORK", "Social network", "social_network.csv"),
    category!(
        "SAASDB_CATEGORY_SUPLLY_CHAIN_AND_LOGISTICS",
        "Supply chain and logistics",
        "suplly_chain_and_logistics.csv"
    ),
    category!("SAASDB_CATEGORY_TIME_TRACKING", "Time tracking", "time_tracking.csv"),
    category!(
        "SAASDB_CATEGORY_TRANSPORTATION_AND_TRAVEL",
        "Transportation and travel",
        "transportation_and_travel.csv"
    ),
    category!("SAASDB_CATEGORY_UNCLASSIFIED", "Unclassified"),
    category!("SAASDB_CATEGORY_VENDOR_MANAGEMENT_SYSTEM", "Vendor management system", "vendor_management_system.csv"),
    category!("SAASDB_CATEGORY_WEB_ANALYTICS", "Web analytics", "web_analytics.csv"),
    category!("SAASDB_CATEGORY_WEBMAIL", "Webmail", "webmail.csv"),
    category!("SAASDB_CATEGORY_WEBSITE_MONITORING", "Website monitoring", "website_monitoring.csv"),
    category!(
        "SAASDB_SUBCATEGORY_INSURANCE_AND_INVESTMENTS",
        "Accounting and finance",
        "insurance_and_investments.csv"
    ),
];

/// The category of apps that only the tenant knows, and that it told nothing more about.
pub(super) const UNCLASSIFIED: &str = "SAASDB_CATEGORY_UNCLASSIFIED";

/// Finds a category by its id, by its id without `SAASDB_CATEGORY_`, or by its name, in any letter case.
pub(super) fn category(text: &str) -> Option<&'static Category> {
    let same = |known: &str| known.eq_ignore_ascii_case(text);
    let short = |id: &'static str| id.split_once("CATEGORY_").map_or(id, |(_, short)| short);
    let found = |fits: &dyn Fn(&Category) -> bool| CATEGORIES.iter().find(|category| fits(category));
    found(&|c| same(c.id)).or_else(|| found(&|c| same(short(c.id)))).or_else(|| found(&|c| same(c.name)))
}

/// The columns of a user's file, in the order that `logweir catalog` writes them; the compiled-in files leave
/// `category` out.
pub const COLUMNS: [&str; 21] = [
    "id",
    "name",
    "domains",
    "category",
    "kind",
    "seat",
    "personal",
    "uploads",
    "public_links",
    "no_account",
    "remote_control",
    "tunnel",
    "ai",
    "sso",
    "mfa",
    "audit_log",
    "soc2",
    "iso27001",
    "gdpr",
    "hipaa",
    "checked",
];

/// One row as typed: what the file has no column for, or leaves empty, is `None`.
#[derive(Debug, Default)]
pub(super) struct Row {
    pub(super) line: u64,
    pub(super) id: u32,
    pub(super) name: String,
    pub(super) domains: Vec<String>,
    pub(super) category: Option<&'static Category>,
    pub(super) kind: Option<Kind>,
    pub(super) seat: Option<String>,
    /// The outer `None`: not said. The inner one: said to be unknown.
    pub(super) traits: Vec<(Trait, Option<bool>)>,
    pub(super) checked: Option<u16>,
}

/// Reads a file with a header line. Each mistake is told with its line; rows with mistakes are left out.
pub(super) fn rows(text: &[u8], mut wrong: impl FnMut(u64, String)) -> Vec<Row> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).comment(Some(b'#')).from_reader(text);
    let header: Vec<String> = match reader.headers() {
        Ok(header) => header.iter().map(str::to_ascii_lowercase).collect(),
        Err(error) => {
            wrong(1, error.to_string());
            return Vec::new();
        }
    };
    let unknown: Vec<&String> = header.iter().filter(|name| !COLUMNS.contains(&name.as_str())).collect();
    let missing: Vec<&str> =
        COLUMNS[..3].iter().copied().filter(|name| !header.iter().any(|have| have == name)).collect();
    let header_wrong = !unknown.is_empty() || !missing.is_empty();
    for name in missing {
        wrong(1, format!("the header line has no column {name:?}"));
    }
    for name in &unknown {
        wrong(1, format!("{name:?} is not a column; the columns are {}", COLUMNS.join(",")));
    }
    if header_wrong {
        return Vec::new();
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                wrong(error.position().map_or(0, csv::Position::line), reason(&error));
                continue;
            }
        };
        let mut row = Row { line: record.position().map_or(0, csv::Position::line), ..Row::default() };
        let mut sound = true;
        for (column, value) in header.iter().zip(&record) {
            if let Err(why) = row.set(column, value) {
                wrong(row.line, why);
                sound = false;
            }
        }
        if sound {
            rows.push(row);
        }
    }
    rows
}

fn reason(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} fields where the header line has {expected_len}")
        }
        csv::ErrorKind::Utf8 { .. } => "not UTF-8".to_owned(),
        _ => error.to_string(),
    }
}

impl Row {
    fn set(&mut self, column: &str, value: &str) -> Result<(), String> {
        match column {
            "id" => self.id = value.parse().map_err(|_| format!("{value:?} is not an id: a number"))?,
            "name" => self.name = name(value)?.to_owned(),
            "domains" => self.domains = value.split_whitespace().map(domain).collect::<Result<_, _>>()?,
            _ if value.is_empty() => {}
            "category" => {
                let known = category(value).ok_or_else(|| format!("{value:?} is not a category of the service"))?;
                self.category = Some(known);
            }
            "kind" => {
                let known = Kind::ALL.into_iter().find(|kind| kind.name() == value);
                self.kind = Some(known.ok_or_else(|| format!("{value:?} is none of app, infrastructure, page-noise"))?);
            }
            "seat" => {
                if value.len() != 2 || !value.bytes().all(|c| c.is_ascii_uppercase()) {
                    return Err(format!("{value:?} is not a country: two capitals such as DE"));
                }
                self.seat = Some(value.to_owned());
            }
            "checked" => {
                let year = value.parse().ok().filter(|year| (2000..=2100).contains(year));
                self.checked = Some(year.ok_or_else(|| format!("{value:?} is not a year"))?);
            }
            _ => {
                let Some(which) = Trait::ALL.into_iter().find(|which| which.key() == column) else { return Ok(()) };
                let known = match value {
                    "yes" => Some(true),
                    "no" => Some(false),
                    "unknown" => None,
                    other => return Err(format!("{column}: {other:?} is none of yes, no, unknown")),
                };
                self.traits.push((which, known));
            }
        }
        Ok(())
    }

    /// The row laid over `under`, or a record of its own where there is none and the category is known.
    pub(super) fn over(self, under: Option<&App>, category: Option<&'static Category>) -> Option<App> {
        let category = self.category.or(category).or(under.map(|app| app.category))?;
        let mut traits = under.map_or(Traits::default(), |app| app.traits);
        for (which, known) in self.traits {
            traits.set(which, known);
        }
        Some(App {
            id: self.id,
            name: self.name,
            category,
            kind: self.kind.or(under.map(|app| app.kind)).unwrap_or_default(),
            seat: self.seat.or_else(|| under.and_then(|app| app.seat.clone())),
            traits,
            checked: self.checked.or_else(|| under.and_then(|app| app.checked)),
            domains: self.domains,
        })
    }
}

/// The compiled-in records; tests make sure that every row is one.
pub(super) fn builtin() -> Vec<App> {
    let of = |category: &'static Category| {
        rows(category.rows.as_bytes(), |_, _| {}).into_iter().filter_map(|row| row.over(None, Some(category)))
    };
    CATEGORIES.iter().filter(|category| !category.rows.is_empty()).flat_map(of).collect()
}

/// A name: up to 80 printable characters.
pub(super) fn name(text: &str) -> Result<&str, String> {
    let hidden = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if text.is_empty() || text.chars().count() > 80 || text.contains(hidden) {
        return Err(format!("{text:?} is not a name: 1 to 80 printable characters"));
    }
    Ok(text)
}

/// A domain as the index wants it: lower case, at least two labels, no address.
pub(super) fn domain(text: &str) -> Result<String, String> {
    let name = String::from(text.parse::<HostName>()?);
    let (_, top) = name.rsplit_once('.').ok_or_else(|| format!("{text:?} is a single label, not a domain"))?;
    if top.bytes().all(|c| c.is_ascii_digit()) {
        return Err(format!("{text:?} is an address; addresses belong into a file of address ranges"));
    }
    Ok(name)
}

/// Refuses what everybody's names lie below. Apart from [`domain`] because the public suffix list is large: the
/// compiled-in table is checked by a test, not at every start.
pub(super) fn owned(domain: &str) -> Result<(), String> {
    let everybodys = psl::suffix(domain.as_bytes())
        .is_some_and(|suffix| suffix.as_bytes().len() == domain.len() && suffix.typ() != Some(psl::Type::Private));
    if everybodys {
        return Err(format!("{domain:?} is a public suffix: everybody's names lie below it"));
    }
    Ok(())
}
