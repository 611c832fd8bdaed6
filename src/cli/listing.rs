//! What the list commands share: filters, order, length, columns, and output that streams page by page.
//!
//! JSON is one record per line, byte for byte as the service sent it. Tables show times in local time, CSV in RFC 3339.
//! Each page is written whole before the next is asked for: an interruption leaves valid output.

use super::{Context, connect};
use crate::domain::{TenantName, Urgency, nearest};
use crate::error::{Error, Kind, Result};
use crate::service::alerts::{Names, name_of};
use crate::service::dates::Clock;
use crate::service::filter::{Family, Filters};
use crate::service::records::{self, Record};
use crate::service::{Direction, Query, Service};
use crate::ui::progress::Progress;
use crate::ui::rows::Rows;
use crate::ui::{Format, Table};
use clap::Args;
use jiff::tz::TimeZone;

/// How a column's value is shown.
#[derive(Clone, Copy)]
pub(super) enum Shown {
    /// As text.
    Text,
    /// As a time.
    Time,
    /// By its name in this table.
    Names(Names),
    /// The second of a pair such as `[4, "TEXT"]`.
    Pair,
    /// This member of every item of a list.
    Each(&'static str),
}

/// A column of a family's tables.
pub(super) struct Column {
    name: &'static str,
    path: &'static str,
    shown: Shown,
}

/// A row of a column table.
pub(super) const fn column(name: &'static str, path: &'static str, shown: Shown) -> Column {
    Column { name, path, shown }
}

/// How a family's records are shown.
pub(super) struct View {
    /// Columns by name; the first ones are shown when none are chosen.
    pub columns: &'static [Column],
    /// How many those are.
    pub usual: usize,
}

/// Which records, and how to show them.
#[derive(Debug, Clone, Args)]
pub(super) struct Listing {
    /// Only records that pass, as 'FIELD OPERATOR VALUE[, VALUE...]'; repeatable, all must hold
    #[arg(long = "filter", short = 'F', value_name = "FILTER")]
    filters: Vec<String>,
    /// A filter object of the API, for what --filter does not know
    #[arg(long, value_name = "JSON")]
    filter_json: Option<String>,
    /// Sort by this field, largest or newest first
    #[arg(long, value_name = "FIELD")]
    sort: Option<String>,
    /// Smallest or oldest first
    #[arg(long)]
    ascending: bool,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: u64,
    /// All of them, however many
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// Columns of table and CSV, by name or as a path into the record, such as id,title,user.userName
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    columns: Vec<String>,
    /// The tenant, when the configuration has several
    #[arg(long, value_name = "NAME", default_value = "default")]
    tenant: TenantName,
}

/// Records by id.
#[derive(Debug, Args)]
pub(super) struct Ids {
    /// The record's id; repeatable
    #[arg(required = true, value_name = "ID")]
    pub ids: Vec<String>,
    /// The tenant, when the configuration has several
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub tenant: TenantName,
}

/// The client of a tenant, for a person.
pub(super) fn client(context: &mut Context<'_>, tenant: &TenantName) -> Result<Service> {
    let config = context.config()?;
    let ledger = connect::ledger(&config)?;
    connect::service(context, &config, tenant, &ledger, Urgency::Human)
}

impl Listing {
    fn query(&self, family: &Family) -> Result<Query> {
        let filters = Filters::parse(family, &self.filters, self.filter_json.as_deref(), &Clock::system())?;
        let direction = if self.ascending { Direction::Ascending } else { Direction::Descending };
        let by = self.sort.as_deref().or(self.ascending.then_some(family.sort[0]));
        let known = |name: &str| family.sort.iter().find(|known| known.eq_ignore_ascii_case(name));
        let sort = by.map(|name| {
            known(name).map(|name| ((*name).to_owned(), direction)).ok_or_else(|| {
                Error::usage(format!("{} cannot be sorted by {name:?}", family.name))
                    .hint(format!("sort by: {}", family.sort.join(", ")))
            })
        });
        Ok(Query { filters, sort: sort.transpose()?, limit: (!self.all).then_some(self.limit) })
    }

    /// Lists a family.
    pub(super) fn run(&self, context: &mut Context<'_>, family: &Family, view: &View) -> Result<()> {
        let query = self.query(family)?;
        let mut out = Out::new(context, view, &self.columns)?;
        let limited = query.limit.is_some();
        let service = client(context, &self.tenant)?;
        let mut pages = service.list(family, query);
        let bar = Progress::new(context.ui.bars && !context.ui.out_terminal).count(family.name);
        let mut given = 0;
        let ended = super::runtime()?.block_on(async {
            let mut stop = std::pin::pin!(super::interrupted()?);
            let mut total = None;
            loop {
                let page = tokio::select! {
                    biased;
                    () = &mut stop => {
                        return Err(Error::new(Kind::Interrupted, format!("interrupted after {given} record(s)")));
                    }
                    page = pages.next() => page?,
                };
                let Some(page) = page else { return Ok(total) };
                given += page.records.len() as u64;
                total = page.total.or(total);
                if let Some(total) = total {
                    bar.set_length(total.max(given));
                }
                bar.set_position(given);
                out.page(context, &page.records)?;
            }
        });
        bar.finish_and_clear();
        let total = ended?;
        out.end(context)?;
        for doubt in pages.doubts() {
            context.ui.warn(doubt);
        }
        if let Some(total) = total.filter(|total| limited && *total > given) {
            context.ui.note(format!("{given} of about {total}; --all shows the rest"));
        }
        if pages.incomplete() {
            return Err(Error::new(Kind::Partial, format!("the list of {} may be incomplete", family.name)));
        }
        Ok(())
    }
}

/// Where records go.
pub(super) struct Out {
    columns: Vec<(String, &'static str, Shown, String)>,
    rows: Rows,
    zone: TimeZone,
    any: bool,
}

impl Out {
    /// A writer of these columns; the usual ones when none are named.
    pub(super) fn new(context: &Context<'_>, view: &View, names: &[String]) -> Result<Out> {
        let own = |column: &Column| (column.name.to_owned(), column.path, column.shown, String::new());
        let columns: Vec<_> = if names.is_empty() {
            view.columns.iter().take(view.usual).map(own).collect()
        } else {
            names
                .iter()
                .map(|name| match view.columns.iter().find(|column| column.name == name) {
                    Some(column) => Ok(own(column)),
                    // Whatever is no column of ours may be a path into the record; a near miss is a typo.
                    None => match nearest(name, view.columns.iter().map(|column| column.name)) {
                        Some(near) if !name.contains('.') => {
                            Err(Error::usage(format!("{name:?} is no column")).hint(format!("did you mean {near}?")))
                        }
                        _ => Ok((name.clone(), "", Shown::Text, name.clone())),
                    },
                })
                .collect::<Result<_>>()?
        };
        let heading = columns.iter().map(|(name, ..)| name.clone()).collect();
        let zone = if context.ui.format == Format::Text { TimeZone::system() } else { TimeZone::UTC };
        Ok(Out { columns, rows: Rows::new(heading), zone, any: false })
    }

    /// Writes some records.
    pub(super) fn page(&mut self, context: &mut Context<'_>, records: &[Record]) -> Result<()> {
        self.any |= !records.is_empty();
        let format = context.ui.format;
        if format == Format::Json {
            let mut text = String::new();
            for record in records {
                text.push_str(&record.line());
                text.push('\n');
            }
            return context.ui.bytes(text.as_bytes());
        }
        let row = |record: &Record| {
            let cell = |(_, path, shown, own): &(String, &str, Shown, String)| {
                value(record, if path.is_empty() { own } else { path }, *shown, format, &self.zone)
            };
            self.columns.iter().map(cell).collect()
        };
        let rows: Vec<Vec<String>> = records.iter().map(row).collect();
        let bytes = if format == Format::Csv { self.rows.csv(&rows) } else { self.rows.text(&rows).into_bytes() };
        context.ui.bytes(&bytes)
    }

    /// After the last page: an empty list still has its heading in CSV.
    pub(super) fn end(&mut self, context: &mut Context<'_>) -> Result<()> {
        match context.ui.format {
            Format::Csv if !self.any => context.ui.bytes(&self.rows.csv(&[])),
            Format::Text if !self.any => {
                context.ui.note("nothing found");
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// A value as a cell.
fn value(record: &Record, path: &str, shown: Shown, format: Format, zone: &TimeZone) -> String {
    let Some(raw) = path.split('|').find_map(|path| record.get(path)) else { return String::new() };
    let plain = || records::text(raw).unwrap_or_default();
    match shown {
        Shown::Text => plain(),
        Shown::Time => records::time(raw).map_or_else(plain, |time| match format {
            Format::Text => zone.to_datetime(time).strftime("%Y-%m-%d %H:%M:%S").to_string(),
            _ => time.to_string(),
        }),
        Shown::Names(names) => {
            records::number(raw).and_then(|number| name_of(names, number)).map_or_else(plain, str::to_owned)
        }
        Shown::Pair => match records::items(raw).get(1) {
            Some(second) => records::text(second).unwrap_or_default().to_lowercase(),
            None => plain(),
        },
        Shown::Each(member) => {
            let words =
                records::items(raw).into_iter().filter_map(|item| records::text(records::member(item, member)?));
            words.collect::<Vec<_>>().join(" ")
        }
    }
}

/// Shows whole records: JSON as it came, text as one line per field, CSV as the family's columns.
pub(super) fn show(context: &mut Context<'_>, view: &View, found: &[Record]) -> Result<()> {
    if context.ui.format != Format::Text {
        let mut out = Out::new(context, view, &[])?;
        return out.page(context, found);
    }
    for (at, record) in found.iter().enumerate() {
        if at > 0 {
            context.ui.line("")?;
        }
        let mut table = Table::new(&["field", "value"]);
        for (name, raw) in records::members(record.whole()) {
            let known = view.columns.iter().find(|column| column.path.split('|').any(|path| path == name));
            let shown = known.map_or(Shown::Text, |column| column.shown);
            let text = match shown {
                Shown::Each(_) | Shown::Pair => records::text(raw).unwrap_or_default(),
                shown => value(record, &name, shown, Format::Text, &TimeZone::system()),
            };
            table.row([name.into(), text.into()]);
        }
        context.ui.bytes(table.text().as_bytes())?;
    }
    Ok(())
}

/// Fetches each of several records and shows them; all are tried, the first failure is told at the end.
pub(super) fn fetch<F>(
    context: &mut Context<'_>,
    wanted: &Ids,
    view: &View,
    one: impl Fn(Service, String) -> F,
) -> Result<()>
where
    F: Future<Output = std::result::Result<Record, crate::service::Failure>>,
{
    let service = client(context, &wanted.tenant)?;
    let mut found = Vec::new();
    let ended = super::block_on(async {
        let mut failed = None;
        for id in &wanted.ids {
            match one(service.clone(), id.clone()).await {
                Ok(record) => found.push(record),
                Err(failure) => failed = failed.or(Some(failure)),
            }
        }
        failed.map_or(Ok(()), Err)
    });
    show(context, view, &found)?;
    ended
}
