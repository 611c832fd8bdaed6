//! `logweir subnets`: IP address ranges; `sync` brings them to what a CSV says, plan first.

use super::Context;
use super::listing::{self, Column, Ids, Listing, Shown, View, column};
use crate::domain::TenantName;
use crate::error::{Error, Kind, Result};
use crate::service::subnets::{self, CATEGORIES, FAMILY, Plan, Range, Step, category, network};
use crate::service::{Query, Record, Service};
use crate::ui::Table;
use clap::{Args, Subcommand};
use std::path::{Path, PathBuf};

/// List, change and sync IP address ranges
#[derive(Debug, Args)]
pub struct Subnets {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List ranges
    List(Listing),
    /// Show whole ranges
    Show(Ids),
    /// Make a range
    Create {
        /// Its name, unique in the tenant
        name: String,
        #[command(flatten)]
        fields: Fields,
        /// The tenant, when the configuration has several
        #[arg(long, value_name = "NAME", default_value = "default")]
        tenant: TenantName,
    },
    /// Change what is named of a range; the rest stays as it is
    Update {
        /// The range's id
        id: String,
        /// Give it this name
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        #[command(flatten)]
        fields: Fields,
        /// The tenant, when the configuration has several
        #[arg(long, value_name = "NAME", default_value = "default")]
        tenant: TenantName,
    },
    /// Delete ranges
    Delete(Ids),
    /// Bring the ranges to what a CSV says: name, networks, category, tags, provider
    Sync {
        /// The CSV; several networks or tags of one range are separated by spaces
        file: PathBuf,
        /// Do what the plan says; without this it is only shown
        #[arg(long)]
        apply: bool,
        /// Delete ranges that the CSV does not name
        #[arg(long)]
        delete: bool,
        /// The tenant, when the configuration has several
        #[arg(long, value_name = "NAME", default_value = "default")]
        tenant: TenantName,
    },
}

#[derive(Debug, Args)]
struct Fields {
    /// A network such as 192.0.2.0/24 or 2001:db8::/32; repeatable
    #[arg(long = "network", value_name = "CIDR", value_parser = network)]
    networks: Vec<String>,
    /// corporate, administrative, risky, vpn, cloud-provider or other
    #[arg(long, value_name = "NAME", value_parser = category)]
    category: Option<i64>,
    /// A tag's id, or the name of a new one; repeatable
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// The registered provider, over what the service knows; empty for none
    #[arg(long, value_name = "NAME")]
    organization: Option<String>,
}

const VIEW: View = View {
    columns: &[
        column("name", "name", Shown::Text),
        column("category", "category", Shown::Names(CATEGORIES)),
        column("networks", "subnets", Shown::Each("originalString")),
        column("tags", "tags", Shown::Each("name")),
        column("organization", "organization", Shown::Text),
        column("modified", "lastModified", Shown::Time),
        column("id", "_id", Shown::Text),
    ] as &[Column],
    usual: 7,
};

impl Subnets {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<()> {
        match self.action {
            Action::List(listing) => listing.run(context, &FAMILY, &VIEW),
            Action::Show(ids) => {
                listing::fetch(context, &ids, &VIEW, |service, id| async move { service.subnet(&id).await })
            }
            Action::Create { name, fields, tenant } => create(context, name, fields, &tenant),
            Action::Update { id, name, fields, tenant } => update(context, &id, name, fields, &tenant),
            Action::Delete(ids) => delete(context, &ids),
            Action::Sync { file, apply, delete, tenant } => {
                let wanted = read(&context.env.cwd.join(file))?;
                let service = listing::client(context, &tenant)?;
                sync(context, &service, &wanted, apply, delete)
            }
        }
    }
}

fn done(context: &mut Context<'_>, rows: &[(&str, &str, &str)]) -> Result<()> {
    let mut table = Table::new(&["result", "name", "id"]);
    for (result, name, id) in rows {
        let name = (!name.is_empty()).then(|| (*name).to_owned());
        table.row([(*result).into(), name.into(), (*id).into()]);
    }
    context.ui.table("ranges", &table)
}

fn create(context: &mut Context<'_>, name: String, fields: Fields, tenant: &TenantName) -> Result<()> {
    if fields.networks.is_empty() {
        return Err(Error::usage("a range needs a network").hint("name one with --network 192.0.2.0/24"));
    }
    let Some(category) = fields.category else {
        return Err(Error::usage("a range needs a category").hint("name one with --category corporate"));
    };
    let organization = fields.organization.filter(|name| !name.is_empty());
    let range = Range { name, category, subnets: fields.networks, organization, tags: fields.tags };
    let service = listing::client(context, tenant)?;
    let id = super::block_on(service.create_subnet(&range))?;
    done(context, &[("created", &range.name, &id)])
}

fn update(
    context: &mut Context<'_>,
    id: &str,
    name: Option<String>,
    fields: Fields,
    tenant: &TenantName,
) -> Result<()> {
    let service = listing::client(context, tenant)?;
    let runtime = super::runtime()?;
    // The service replaces the whole record: what is not changed must be sent as it is.
    let mut range = Range::from(&runtime.block_on(super::until_stopped(present(&service, id)))?);
    range.name = name.unwrap_or(range.name);
    range.category = fields.category.unwrap_or(range.category);
    if !fields.networks.is_empty() {
        range.subnets = fields.networks;
    }
    if !fields.tags.is_empty() {
        range.tags = fields.tags;
    }
    if let Some(organization) = fields.organization {
        range.organization = (!organization.is_empty()).then_some(organization);
    }
    runtime.block_on(super::until_stopped(service.update_subnet(id, &range)))?;
    done(context, &[("updated", &range.name, id)])
}

/// The range of this id, out of the list: fetching one is documented nowhere.
async fn present(service: &Service, id: &str) -> Result<Record> {
    let found = all(service).await?.into_iter().find(|record| record.id().as_deref() == Some(id));
    found.ok_or_else(|| {
        Error::failed(format!("the service has no IP range {id}")).hint("see them with: logweir subnets list")
    })
}

async fn all(service: &Service) -> Result<Vec<Record>> {
    let mut pages = service.list(&FAMILY, Query::default());
    let mut found = Vec::new();
    while let Some(page) = pages.next().await? {
        found.extend(page.records);
    }
    if pages.incomplete() {
        return Err(Error::failed("the list of IP ranges may be incomplete; nothing was changed"));
    }
    Ok(found)
}

fn delete(context: &mut Context<'_>, ids: &Ids) -> Result<()> {
    let service = listing::client(context, &ids.tenant)?;
    let mut gone = Vec::new();
    let ended = super::block_on(async {
        let mut failed = None;
        for id in &ids.ids {
            match service.delete_subnet(id).await {
                Ok(()) => gone.push(("deleted", "", id.as_str())),
                Err(failure) => failed = failed.or(Some(failure)),
            }
        }
        failed.map_or(Ok(()), Err)
    });
    if !gone.is_empty() {
        done(context, &gone)?;
    }
    ended
}

/// Reads the CSV of the vendor's how-to: a heading, then name, networks, category, tags, provider.
fn read(path: &Path) -> Result<Vec<Range>> {
    let wrong = |line: u64, why: String| {
        Error::usage(format!("{} is wrong in line {line}", path.display()))
            .cause(why)
            .hint("write: name, networks separated by spaces, category, tag ids separated by spaces, provider")
    };
    let file = std::fs::File::open(path).map_err(|error| {
        let error = Error::usage(format!("cannot read {}", path.display())).cause(error);
        error.hint("name a CSV file with: name,networks,category,tags,provider")
    })?;
    let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(file);
    let mut ranges: Vec<Range> = Vec::new();
    for record in reader.records() {
        let record =
            record.map_err(|error| wrong(error.position().map_or(1, csv::Position::line), error.to_string()))?;
        let line = record.position().map_or(1, csv::Position::line);
        let field = |at: usize| record.get(at).unwrap_or_default();
        if !(3..=5).contains(&record.len()) {
            return Err(wrong(line, format!("it has {} fields", record.len())));
        }
        let words = |at: usize| field(at).split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let networks = words(1).iter().map(|text| network(text)).collect::<std::result::Result<Vec<_>, _>>();
        let range = Range {
            name: field(0).to_owned(),
            subnets: networks.map_err(|why| wrong(line, why))?,
            category: category(field(2)).map_err(|why| wrong(line, why))?,
            tags: words(3),
            organization: Some(field(4).to_owned()).filter(|name| !name.is_empty()),
        };
        if range.name.is_empty() || range.subnets.is_empty() {
            return Err(wrong(line, "a range needs a name and a network".to_owned()));
        }
        if ranges.iter().any(|known| known.name == range.name) {
            return Err(wrong(line, format!("{:?} stands there twice", range.name)));
        }
        ranges.push(range);
    }
    Ok(ranges)
}

fn steps(plan: &Plan) -> Table {
    let mut table = Table::new(&["step", "name", "changes"]);
    for step in &plan.steps {
        let (word, name, changes) = match step {
            Step::Create(range) => ("create", &range.name, range.subnets.join(" ")),
            Step::Update { to, differs, .. } => ("update", &to.name, differs.join(", ")),
            Step::Delete { name, .. } => ("delete", name, String::new()),
        };
        table.row([word.into(), name.clone().into(), changes.into()]);
    }
    table
}

fn sync(context: &mut Context<'_>, service: &Service, wanted: &[Range], apply: bool, delete: bool) -> Result<()> {
    let runtime = super::runtime()?;
    let plan = subnets::plan(&runtime.block_on(super::until_stopped(all(service)))?, wanted, delete);
    context.ui.table("steps", &steps(&plan))?;
    let mut said = format!("{} step(s), {} range(s) as they should be", plan.steps.len(), plan.unchanged);
    if !plan.extra.is_empty() {
        said = format!("{said}, {} left alone that the file does not name (--delete removes them)", plan.extra.len());
    }
    context.ui.note(said);
    if plan.steps.is_empty() {
        return Ok(());
    }
    if !apply {
        context.ui.note("nothing was changed; --apply does it");
        return Ok(());
    }
    let mut failures = Vec::new();
    let ended = runtime.block_on(super::until_stopped(async {
        for step in &plan.steps {
            let ended = match step {
                Step::Create(range) => service.create_subnet(range).await.map(|_| ()),
                Step::Update { id, to, .. } => service.update_subnet(id, to).await,
                Step::Delete { id, .. } => service.delete_subnet(id).await,
            };
            if let Err(failure) = ended {
                failures.push(failure);
            }
        }
        Ok::<(), Error>(())
    }));
    for failure in &failures {
        context.ui.warn(crate::ui::escape::terminal(&failure.message));
    }
    ended.map_err(|error| error.hint("the same command does what is left"))?;
    match failures.into_iter().next() {
        None => {
            context.ui.note("done");
            Ok(())
        }
        Some(first) if plan.steps.len() == 1 => Err(first.into()),
        Some(_) => {
            Err(Error::new(Kind::Partial, "some steps failed and were listed; the same command does what is left"))
        }
    }
}
