//! `logweir report apps` and `report app NAME`: discovered apps, through Microsoft Graph (beta).
//!
//! Graph is another API with a permission of its own and draws nothing from the service's budget of calls.

use super::Context;
use super::listing::{Column, Out, Shown, View, column};
use crate::catalog::CATEGORIES;
use crate::domain::nearest;
use crate::error::{Error, Kind, Result};
use crate::service::graph::{AppFilter, Period, Relation, traffic};
use crate::service::{Record, Service};
use crate::ui::{Format, Table};
use clap::Args;
use serde_json::value::RawValue;

/// Which report of Graph.
#[derive(Debug, Args)]
struct Of {
    /// The stream, by name or id (default: Global View, or the only one)
    #[arg(long, visible_alias = "data-source", value_name = "NAME")]
    stream: Option<String>,
    /// How many days back: 7, 30 or 90
    #[arg(long, value_name = "DAYS", default_value = "30", value_parser = period)]
    days: Period,
}

/// Lists apps.
#[derive(Debug, Args)]
pub(super) struct Apps {
    #[command(flatten)]
    of: Of,
    /// Only apps with this score or less; 1 is very risky, 10 secure
    #[arg(long, value_name = "SCORE", value_parser = clap::value_parser!(u8).range(1..=10))]
    score_at_most: Option<u8>,
    /// Only apps with this score or more
    #[arg(long, value_name = "SCORE", value_parser = clap::value_parser!(u8).range(1..=10))]
    score_at_least: Option<u8>,
    /// Only apps of this category, such as 'cloud storage'
    #[arg(long, value_name = "NAME", value_parser = category)]
    category: Option<String>,
    /// Only what passes, in Graph's own words, such as "contains('domains','example')"
    #[arg(long, value_name = "EXPRESSION")]
    condition: Option<String>,
    /// Columns of table and CSV, by name or as a path into the record
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    columns: Vec<String>,
}

/// Shows an app.
#[derive(Debug, Args)]
pub(super) struct App {
    /// The app, by name or id
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    of: Of,
}

const VIEW: View = View {
    columns: &[
        column("app", "displayName", Shown::Text),
        column("category", "category", Shown::Text),
        column("score", "riskScore", Shown::Text),
        column("users", "userCount", Shown::Text),
        column("addresses", "ipAddressCount", Shown::Text),
        column("transactions", "transactionCount", Shown::Text),
        column("bytes_up", "uploadNetworkTrafficInBytes|uploadNetworkTraficInBytes", Shown::Text),
        column("bytes_down", "downloadNetworkTrafficInBytes|downloadNetworkTraficInBytes", Shown::Text),
        column("last_seen", "lastSeenDateTime", Shown::Time),
        column("id", "id", Shown::Text),
        column("devices", "deviceCount", Shown::Text),
        column("tags", "tags", Shown::Text),
        column("domains", "domains", Shown::Text),
    ] as &[Column],
    usual: 10,
};

fn period(text: &str) -> std::result::Result<Period, String> {
    match text.trim_end_matches('d') {
        "7" => Ok(Period::Week),
        "30" => Ok(Period::Month),
        "90" => Ok(Period::Quarter),
        _ => Err("Graph has reports of 7, 30 and 90 days".to_owned()),
    }
}

/// A category in Graph's spelling, from that or from the portal's. Which categories Graph knows is told nowhere in
/// full, so that a word which resembles none of ours is passed on.
fn category(text: &str) -> std::result::Result<String, String> {
    let plain = |text: &str| text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    let known = || CATEGORIES.iter().filter(|category| !category.id.ends_with("_ALL"));
    let wanted = plain(text);
    let words = |id: &'static str| id.trim_start_matches("SAASDB_CATEGORY_");
    match known().find(|known| [known.name, known.id, words(known.id)].iter().any(|name| plain(name) == wanted)) {
        // Written as Graph writes: as it is.
        Some(_) if text.bytes().all(|c| c.is_ascii_alphanumeric()) && text.starts_with(|c: char| c.is_lowercase()) => {
            Ok(text.to_owned())
        }
        Some(category) => Ok(camel(words(category.id))),
        None => match nearest(text, known().map(|known| known.name)) {
            Some(near) => Err(format!("no such category; did you mean {near:?}?")),
            None => Ok(text.to_owned()),
        },
    }
}

/// `CLOUD_STORAGE` as `cloudStorage`.
fn camel(words: &str) -> String {
    let cased = words.split('_').enumerate().map(|(at, word)| match word.split_at_checked(1) {
        Some((first, rest)) if at > 0 => first.to_owned() + &rest.to_lowercase(),
        _ => word.to_lowercase(),
    });
    cased.collect()
}

impl Of {
    /// The id of the stream.
    async fn find(&self, service: &Service) -> Result<String> {
        let streams = service.graph_streams().await?;
        let known: Vec<(String, String)> = streams
            .iter()
            .filter_map(|stream| Some((stream.text("displayName").unwrap_or_default(), stream.text("id")?)))
            .collect();
        let names = || known.iter().map(|(name, _)| name.as_str());
        let listed = || format!("name one with --stream: {}", names().collect::<Vec<_>>().join(", "));
        let named = |wanted: &str| known.iter().find(|(name, id)| name == wanted || id == wanted);
        let found = match &self.stream {
            Some(wanted) => named(wanted).ok_or_else(|| {
                let error = Error::failed(format!("Microsoft Graph has no stream {wanted:?}"));
                match nearest(wanted, names()) {
                    Some(near) => error.hint(format!("did you mean {near:?}?")),
                    None => error.hint(listed()),
                }
            }),
            // Whether Graph lists the view over all of them is told nowhere.
            None => named("Global View").or_else(|| known.first().filter(|_| known.len() == 1)).ok_or_else(|| {
                if known.is_empty() {
                    return Error::failed("Microsoft Graph has no stream").hint(
                        "nothing was uploaded to this tenant yet, or Graph does not show it: logweir report streams",
                    );
                }
                Error::usage(format!("there are {} streams", known.len())).hint(listed())
            }),
        };
        found.map(|(_, id)| id.clone())
    }
}

impl Apps {
    pub(super) fn run(self, context: &mut Context<'_>, service: &Service) -> Result<()> {
        let mut out = Out::new(context, &VIEW, &self.columns)?;
        let filter = AppFilter {
            risk_at_most: self.score_at_most,
            risk_at_least: self.score_at_least,
            category: self.category,
            condition: self.condition,
        };
        super::block_on(async {
            let stream = self.of.find(service).await?;
            let mut pages = service.discovered_apps(&stream, self.of.days, &filter)?;
            while let Some(page) = pages.next().await? {
                out.page(context, &page)?;
            }
            Ok::<(), Error>(())
        })?;
        out.end(context)
    }
}

/// An app with what was found out about it; what could not be is told in `missing`.
struct Found {
    app: Record,
    info: Option<Record>,
    users: Vec<Record>,
    addresses: Vec<Record>,
    devices: Vec<Record>,
    missing: Vec<String>,
}

impl App {
    pub(super) fn run(self, context: &mut Context<'_>, service: &Service) -> Result<()> {
        let found = super::block_on(self.find(service))?;
        match context.ui.format {
            Format::Json => context.ui.json(&found.document())?,
            Format::Csv => {
                let table = found.entities();
                context.ui.table("entities", &table)?;
            }
            Format::Text => found.print(context)?,
        }
        for missing in &found.missing {
            context.ui.warn(missing);
        }
        if found.missing.is_empty() { Ok(()) } else { Err(Error::new(Kind::Partial, "something was left out")) }
    }

    async fn find(&self, service: &Service) -> Result<Found> {
        let stream = self.of.find(service).await?;
        let mut pages = service.discovered_apps(&stream, self.of.days, &AppFilter::default())?;
        let (mut app, mut names) = (None, Vec::new());
        while let (None, Some(page)) = (&app, pages.next().await?) {
            for record in page {
                let name = record.text("displayName").unwrap_or_default();
                if name.eq_ignore_ascii_case(&self.name) || record.text("id").as_deref() == Some(&self.name) {
                    app = Some(record);
                    break;
                }
                names.push(name);
            }
        }
        let Some(app) = app else {
            let error = Error::failed(format!("no app {:?} was discovered there in that time", self.name));
            return Err(match nearest(&self.name, names.iter().map(String::as_str)) {
                Some(near) => error.hint(format!("did you mean {near:?}?")),
                None => error.hint("logweir report apps lists what was; --stream and --days choose another report"),
            });
        };
        let id = app.text("id").unwrap_or_default();
        let mut missing = Vec::new();
        let mut relations = Vec::new();
        // Devices are there only where Defender for Endpoint feeds the stream.
        let devices = app.number("deviceCount").is_some().then_some(Relation::Devices);
        for what in [Relation::Info, Relation::Users, Relation::Addresses].into_iter().chain(devices) {
            let found = service.discovered_app(&stream, self.of.days, &id, what).await;
            relations.push(found.unwrap_or_else(|failure| {
                missing.push(failure.message);
                Vec::new()
            }));
        }
        let mut relations = relations.into_iter();
        let mut next = || relations.next().unwrap_or_default();
        Ok(Found { info: next().pop(), users: next(), addresses: next(), devices: next(), app, missing })
    }
}

/// The parts as they came.
#[derive(serde::Serialize)]
struct Document<'f> {
    app: &'f RawValue,
    info: Option<&'f RawValue>,
    users: Vec<&'f RawValue>,
    addresses: Vec<&'f RawValue>,
    devices: Vec<&'f RawValue>,
}

impl Found {
    fn document(&self) -> Document<'_> {
        fn raw(records: &[Record]) -> Vec<&RawValue> {
            records.iter().map(Record::whole).collect()
        }
        Document {
            app: self.app.whole(),
            info: self.info.as_ref().map(Record::whole),
            users: raw(&self.users),
            addresses: raw(&self.addresses),
            devices: raw(&self.devices),
        }
    }

    /// Users, addresses and devices, one a row.
    fn entities(&self) -> Table {
        let mut table = Table::new(&["kind", "name"]);
        for (kind, key, list) in [
            ("user", "userIdentifier", &self.users),
            ("address", "ipAddress", &self.addresses),
            ("device", "name", &self.devices),
        ] {
            for record in list {
                table.row([kind.into(), record.text(key).into()]);
            }
        }
        table
    }

    fn print(&self, context: &mut Context<'_>) -> Result<()> {
        super::listing::show(context, &VIEW, std::slice::from_ref(&self.app))?;
        if let Some(both) = traffic(&self.app, "upload").zip(traffic(&self.app, "download")) {
            let (up, down) = (crate::domain::ByteCount(both.0), crate::domain::ByteCount(both.1));
            context.ui.line(format!("\n{up} up, {down} down"))?;
        }
        if let Some(info) = &self.info {
            context.ui.line("")?;
            super::listing::show(context, &VIEW, std::slice::from_ref(info))?;
        }
        context.ui.line("")?;
        let table = self.entities();
        context.ui.bytes(table.text().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn categories_are_written_as_graph_or_the_portal_writes_them() {
        for (text, expected) in [
            ("cloud storage", "cloudStorage"),
            ("Cloud Storage", "cloudStorage"),
            ("SAASDB_CATEGORY_CLOUD_STORAGE", "cloudStorage"),
            ("cloudStorage", "cloudStorage"),
            ("eCommerce", "eCommerce"),
            ("E-commerce", "ecommerce"),
            ("somethingQuiteNew", "somethingQuiteNew"),
        ] {
            assert_eq!(category(text).as_deref(), Ok(expected), "{text}");
        }
        assert!(category("cloud storge").unwrap_err().contains("Cloud storage"));
    }
}
