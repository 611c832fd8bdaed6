//! `logweir demo`: the whole main job against the embedded service, in one directory.
//!
//! The demo registers an application and a data source, writes an ordinary configuration, and then does what an
//! administrator does: the watcher runs, logs appear in its folder, reports and block scripts are fetched.

use super::{Context, connect, report, serve, shipping, status};
use crate::block::official::OFFICIAL;
use crate::config::{self, Config};
use crate::domain::{TenantName, Urgency};
use crate::embedded::{self, Options};
use crate::error::{Error, Result};
use crate::ledger::Stage;
use crate::service::{BlockType, CategoryQuery, Service};
use crate::ship::daemon;
use crate::ui::Table;
use clap::Args;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Do the whole main job on sample logs against the embedded service
#[derive(Debug, Args)]
pub struct Demo {
    /// Leave everything here (default: a fresh directory under the system's temporary one)
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

const SAMPLE: &str = include_str!("../../samples/logs/squid/SQUID_NATIVE.log");
const DATA_SOURCE: &str = "HQ-Squid";
const LOG_TYPE: &str = "SQUID_NATIVE";
/// How long the demo waits for the service to process the logs.
const PATIENCE: Duration = Duration::from_secs(45);

impl Demo {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<()> {
        let dir = match &self.dir {
            Some(dir) => empty_directory(context.env.cwd.join(dir))?,
            None => fresh_directory(context)?,
        };
        let logs = dir.join("logs");
        make(&logs)?;
        context.ui.line(format!("logweir demo in {}", dir.display()))?;
        super::block_on(job(context, &dir, &logs))
    }
}

/// A directory named by a person, which must hold nothing: what lies there is theirs, or an earlier demo's.
fn empty_directory(dir: PathBuf) -> Result<PathBuf> {
    let failed = |error| Error::failed(format!("cannot use {}", dir.display())).cause(error);
    match std::fs::read_dir(&dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(dir),
        Err(error) => Err(failed(error).hint("name another directory with --dir DIR")),
        Ok(mut entries) => match entries.next() {
            None => Ok(dir),
            Some(_) => Err(Error::usage(format!("{} is not empty", dir.display()))
                .hint("the demo starts in an empty or new directory: name another with --dir DIR")),
        },
    }
}

fn fresh_directory(context: &Context<'_>) -> Result<PathBuf> {
    let base = context.env.var("TMPDIR").map_or_else(std::env::temp_dir, PathBuf::from);
    for number in 1..1_000 {
        let dir = base.join(format!("logweir-demo-{}-{number}", std::process::id()));
        match std::fs::create_dir(&dir) {
            Ok(()) => return Ok(dir),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                return Err(Error::failed(format!("cannot make {}", dir.display()))
                    .cause(error)
                    .hint("name another with --dir DIR"));
            }
        }
    }
    Err(Error::failed(format!("{} is full of demo directories", base.display())).hint("name another with --dir DIR"))
}

fn make(dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir).map_err(|error| {
        Error::failed(format!("cannot make {}", dir.display())).cause(error).hint("name another with --dir DIR")
    })
}

async fn job(context: &mut Context<'_>, dir: &Path, logs: &Path) -> Result<()> {
    context.ui.line("\n1. The embedded service, an application and a data source")?;
    let service_dir = dir.join("service");
    let new = embedded::NewApplication { name: "demo", roles: &["discovery.manage".to_owned()], certificate: None };
    let application = embedded::register_application(&service_dir, &new)?;
    let data_source = DATA_SOURCE.parse().map_err(Error::failed)?;
    embedded::register_data_source(&service_dir, &data_source, &LOG_TYPE.parse().map_err(Error::failed)?, None)?;
    let options = Options { dir: service_dir, processing_delay: Duration::from_millis(300), ..Options::default() };
    let running = embedded::start(options).await?;
    context.ui.line(format!("   listening on http://{}", running.addr))?;
    let addr = running.addr;
    let config_file = configure(dir, &application, running.addr)?;
    let config = config::load(Some(&config_file), Some(&dir.join("state")), &context.env.clone())?;

    context.ui.line("\n2. The watcher runs; logs appear in its folder")?;
    let ended = work(context, &config, dir, logs).await;
    let page = running.page();
    running.stop().await;
    ended?;
    let page_file = dir.join("discovery.html");
    super::block::write_atomically(&page_file, page.as_bytes())?;

    context.ui.line("\nEverything lies in one directory:")?;
    for file in files(dir) {
        context.ui.line(format!("   {}", file.display()))?;
    }
    let shown = dir.display();
    context.ui.line(format!(
        "\nTry next, on what the demo left:\n   \
         logweir status --config {shown}/logweir.toml\n   \
         logweir serve --dir {shown}/service --listen {addr} &     (the same service again), and then\n   \
         logweir doctor --config {shown}/logweir.toml\n   \
         logweir block fetch --appliance fortigate --config {shown}/logweir.toml\n\
         and for a site of your own: logweir init; logweir --help lists the rest."
    ))?;
    context.ui.line(format!("Which apps, who, how much: open {}", page_file.display()))
}

async fn work(context: &mut Context<'_>, config: &Config, dir: &Path, logs: &Path) -> Result<()> {
    let ship = shipping::ship(context, config, &config.feeds, Urgency::Backlog)?;
    let ledger = connect::ledger(config)?;
    let deadline = Instant::now() + PATIENCE;
    let wanted = 2;
    let stop = async {
        // The logs appear while the watcher already runs.
        tokio::time::sleep(Duration::from_millis(400)).await;
        for number in 1..=wanted {
            if let Err(error) = drop_log(logs, number) {
                tracing::error!("{}", error.one_line());
                return;
            }
        }
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let confirmed = ledger.shipments(&[Stage::Confirmed, Stage::Rejected, Stage::Held], 10);
            if confirmed.is_err() || confirmed.is_ok_and(|done| done.len() >= wanted) || Instant::now() > deadline {
                return;
            }
        }
    };
    daemon::run(&ship, stop).await?;
    drop(ship);

    let shipments = ledger.shipments(&[], 20)?;
    context.ui.line("\n3. The shipments")?;
    context.ui.bytes(status::shipment_table(&shipments).text().as_bytes())?;
    let confirmed = shipments.iter().filter(|shipment| shipment.stage == Stage::Confirmed).count();
    if confirmed < wanted {
        return Err(Error::failed(format!("{confirmed} of {wanted} shipments were confirmed"))
            .hint("the reasons stand in the table"));
    }

    let service = connect::service(context, config, &TenantName::default_tenant(), &ledger, Urgency::Human)?;
    context.ui.line("\n4. The continuous reports")?;
    let streams = service.streams().await?;
    context.ui.bytes(report::stream_table(&streams).text().as_bytes())?;
    context.ui.line("")?;
    let mut table = Table::new(&["data_source", "category", "apps"]);
    for stream in &streams {
        let Some(id) = &stream.id else { continue };
        for category in service.categories(id, &CategoryQuery::default()).await? {
            table.row([stream.name.clone().into(), category.id.into(), category.total.into()]);
        }
    }
    context.ui.bytes(table.text().as_bytes())?;

    context.ui.line("\n5. The official block scripts")?;
    fetch_scripts(context, &service, &dir.join("block")).await
}

async fn fetch_scripts(context: &mut Context<'_>, service: &Service, dir: &Path) -> Result<()> {
    make(dir)?;
    for official in OFFICIAL {
        let script = service.block_script(official.format, BlockType::Banned).await?;
        let path = dir.join(format!("{}.txt", official.name));
        super::block::write_atomically(&path, &script)?;
        context.ui.line(format!("   {:<20} {:>6} bytes  {}", official.product, script.len(), path.display()))?;
    }
    Ok(())
}

/// The configuration an administrator would write.
fn configure(dir: &Path, application: &embedded::Application, addr: std::net::SocketAddr) -> Result<PathBuf> {
    let secret = dir.join("client_secret");
    serve::write_secret(&secret, application.secret.expose())?;
    let text = format!(
        "[service]\nurl = \"http://{addr}\"\nauthority = \"http://{addr}\"\ngraph = \"http://{addr}\"\nallow_hosts = [\"127.0.0.1\"]\n\n\
         [auth]\ntenant_id = \"{}\"\nclient_id = \"{}\"\nclient_secret_file = \"client_secret\"\n\n\
         [upload]\nscan_every = \"1s\"\nconfirm_for = \"10s\"\n\n\
         [[feed]]\nname = \"hq-squid\"\npaths = [\"logs/access.log.*\"]\nexclude = [\"logs/*.part\"]\nlog_type = \"{LOG_TYPE}\"\n\
         data_source = \"{DATA_SOURCE}\"\nsettle = \"200ms\"\njoin_count = 1\n",
        application.tenant_id, application.client_id
    );
    let path = dir.join("logweir.toml");
    std::fs::write(&path, text)
        .map_err(|error| Error::failed(format!("cannot write {}", path.display())).cause(error))?;
    Ok(path)
}

/// Puts a rotated log into the watched folder, whole, by renaming it in. Its times are moved to the present, because the
/// service ignores what is older than 90 days.
fn drop_log(logs: &Path, number: usize) -> Result<()> {
    let path = logs.join(format!("access.log.{number}"));
    let beside = logs.join(format!("access.log.{number}.part"));
    std::fs::write(&beside, recent_sample(number))
        .and_then(|()| std::fs::rename(&beside, &path))
        .map_err(|error| Error::failed(format!("cannot write {}", path.display())).cause(error))
}

fn recent_sample(number: usize) -> String {
    let time = |line: &str| line.split(' ').next().and_then(|time| time.parse::<f64>().ok()).unwrap_or_default();
    let last = SAMPLE.lines().map(time).fold(0.0, f64::max);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
    #[expect(clippy::cast_precision_loss, reason = "hours, below ten")]
    let shift = now - last - 3600.0 * number as f64;
    SAMPLE
        .lines()
        .map(|line| match line.split_once(' ') {
            Some((_, rest)) => format!("{:.3} {rest}\n", time(line) + shift),
            None => format!("{line}\n"),
        })
        .collect()
}

/// The files below a directory that are of use to a person; blobs and spool are not.
fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = walkdir::WalkDir::new(dir).sort_by_file_name().into_iter().flatten();
    let files = entries.filter(|entry| entry.file_type().is_file()).map(walkdir::DirEntry::into_path);
    files.filter(|path| !path.components().any(|part| part.as_os_str() == "blobs")).collect()
}

/// The feed of the demo's configuration and the sample fit each other.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::{Line, Parser, vendor};

    #[test]
    fn every_line_of_the_sample_is_a_transaction_and_recent() {
        let format = vendor::find(LOG_TYPE).unwrap();
        let text = recent_sample(1);
        assert!(text.lines().count() > 100);
        let mut parser = Parser::new(format);
        for line in text.lines() {
            let Line::Record(record) = parser.line(line.as_bytes()) else { panic!("{line}") };
            assert!(record.time.unwrap() > 1_795_158_000_000_000);
        }
    }
}
