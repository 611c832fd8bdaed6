//! `logweir init`: writes a commented configuration and says how to register the application.
//!
//! On a terminal it asks for what no flag gave; elsewhere flags and defaults decide. Nothing is written before every
//! answer is known to be usable, and nothing is ever overwritten.

use super::Context;
use crate::config::EMBEDDED;
use crate::domain::{DataSource, LogType, nearest};
use crate::error::{Error, Kind, Result};
use crate::logs::vendor;
use crate::service::{Cloud, scope};
use clap::Args;
use std::fmt::Write as _;
use std::io::{BufRead, Write as _};
use std::path::{Path, PathBuf};

/// Write a commented configuration and print the app-registration steps
#[derive(Debug, Args)]
pub struct Init {
    /// Write the configuration here; an existing file is never overwritten
    #[arg(short, long, default_value = "logweir.toml", value_name = "FILE")]
    output: PathBuf,
    /// The API URL that the portal shows under Settings > Cloud Apps > System > About, or embedded for a site without one
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// The Entra tenant's id
    #[arg(long, value_name = "ID")]
    tenant_id: Option<String>,
    /// The application's id
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// The file with the client secret
    #[arg(long, value_name = "FILE")]
    secret_file: Option<String>,
    /// The PEM file with key and certificate, instead of a secret
    #[arg(long, value_name = "FILE", conflicts_with = "secret_file")]
    certificate_file: Option<String>,
    /// The log type of the first feed
    #[arg(long, value_name = "TYPE")]
    log_type: Option<LogType>,
    /// The paths of the first feed, as a glob
    #[arg(long, value_name = "GLOB")]
    paths: Option<String>,
    /// The data source of the first feed
    #[arg(long, value_name = "NAME")]
    data_source: Option<DataSource>,
    /// Also write systemd units, a crontab line and a logrotate snippet into this directory
    #[arg(long, value_name = "DIR")]
    units: Option<PathBuf>,
    /// Ask nothing: take defaults for what no flag gives
    #[arg(short, long)]
    yes: bool,
}

const URL: &str = "https://contoso.us2.portal.cloudappsecurity.com";
const UNKNOWN_ID: &str = "00000000-0000-0000-0000-000000000000";

/// What a person does once in Entra; the permission names are the portal's own.
const STEPS: &str = "\
Register the application once, in the Microsoft Entra admin center:
  1. App registrations > New registration: a name such as logweir, this directory only, no redirect address.
  2. API permissions > Add a permission > APIs my organization uses > Microsoft Cloud App Security >
     Application permissions > {permission}. That is all this configuration takes. Only for more commands:
       Investigation.read     alerts, activities, entities; Investigation.manage to close alerts
       Settings.manage        IP address ranges; Settings.read to list them
       (files are in no permission: a legacy API token, auth.token_file)
  3. Grant admin consent for the directory. Each permission added later needs a new consent.
  4. Certificates & secrets: upload a certificate, or make a client secret and put its value into the file
     that the configuration names, readable by the user logweir runs as only (chmod 600).
  5. Copy the Directory (tenant) ID and the Application (client) ID into the configuration.
In the Defender portal, make a data source for each feed: Settings > Cloud Apps > Cloud Discovery >
Automatic log upload > Add data source. Its name is the feed's data_source.
";

/// What it means to have no service elsewhere.
const OFFLINE: &str = "\
No application is needed: the embedded service runs inside logweir, on this host's loopback only, and keeps
what it is sent below the state directory. upload, watch, report and block work as they do against the
remote service, and nothing leaves this host. Data sources are made by the first upload.
";

/// What a set-up is run by, as a file.
const UNITS: [(&str, &str); 5] = [
    ("logweir.service", include_str!("../../samples/systemd/logweir.service")),
    ("logweir-upload.service", include_str!("../../samples/systemd/logweir-upload.service")),
    ("logweir-upload.timer", include_str!("../../samples/systemd/logweir-upload.timer")),
    ("crontab", include_str!("../../samples/cron/logweir")),
    ("logrotate", include_str!("../../samples/logrotate/squid")),
];
const UNITS_CONFIG: &str = "/etc/logweir/logweir.toml";

/// Every answer, checked.
struct Answers {
    url: String,
    /// None for a service on this host.
    cloud: Option<Cloud>,
    tenant_id: String,
    client_id: String,
    /// The key of `[auth]` and its file.
    secret: (&'static str, String),
    log_type: LogType,
    paths: String,
    data_source: DataSource,
}

/// Asks on the terminal, or takes what is there.
struct Asker {
    asks: bool,
}

impl Asker {
    /// A value from its flag, else from a person, else the default; one that `check` refuses is asked for again, or is
    /// an error where nobody is asked.
    fn value<T>(
        &self,
        flag: Option<String>,
        question: &str,
        default: &str,
        check: impl Fn(&str) -> std::result::Result<T, String>,
    ) -> Result<T> {
        if let Some(text) = flag {
            return check(&text).map_err(Error::usage);
        }
        if !self.asks {
            return check(default).map_err(Error::usage);
        }
        loop {
            let text = answer(question, default)?;
            match check(text.as_deref().unwrap_or(default)) {
                Ok(value) => return Ok(value),
                Err(why) => super::stderr_line(&format!("  {why}")),
            }
        }
    }
}

/// One line from the terminal; none for an empty one.
fn answer(question: &str, default: &str) -> Result<Option<String>> {
    // Nothing is left to tell the failure to.
    let _ = write!(std::io::stderr(), "{question} [{default}]: ");
    let mut line = String::new();
    match std::io::stdin().lock().read_line(&mut line) {
        Ok(0) => Err(Error::new(Kind::Interrupted, "no more answers; nothing was written")),
        Err(error) => Err(Error::failed("cannot read the answer").cause(error)),
        Ok(_) => Ok(Some(line.trim().to_owned()).filter(|line| !line.is_empty())),
    }
}

/// An address with the cloud it is in; none for this host.
fn address(text: &str) -> std::result::Result<(String, Option<Cloud>), String> {
    let here = ["http://127.0.0.1", "http://localhost", "http://[::1]"].iter().any(|host| text.starts_with(host));
    if text == EMBEDDED || (here && url::Url::parse(text).is_ok()) {
        return Ok((text.to_owned(), None));
    }
    let cloud = Cloud::of(text).map_err(|failure| failure.message)?;
    Ok((text.to_owned(), Some(cloud)))
}

fn id(text: &str) -> std::result::Result<String, String> {
    let legal = !text.is_empty() && text.bytes().all(|c| c.is_ascii_alphanumeric() || b".-_".contains(&c));
    legal.then(|| text.to_owned()).ok_or_else(|| format!("{text:?} is no id: such as {UNKNOWN_ID}"))
}

fn some(text: &str) -> std::result::Result<String, String> {
    Ok(text.to_owned())
}

impl Init {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<()> {
        let path = context.env.cwd.join(&self.output);
        // Before anybody types answers in vain.
        if path.exists() {
            return Err(Error::failed(format!("{} exists and is never overwritten", path.display()))
                .hint("choose another file with --output FILE"));
        }
        let asks = !self.yes && context.env.stdin_terminal && context.env.stderr_terminal;
        if asks {
            context.ui.note("Enter takes what stands in brackets.");
        }
        let units = self.units.clone();
        let answers = self.answers(&Asker { asks })?;
        if vendor::find(answers.log_type.as_str()).is_none() {
            let near = nearest(answers.log_type.as_str(), vendor::all().map(|format| format.log_type));
            let near = near.map_or(String::new(), |near| format!("; did you mean {near}?"));
            context.ui.warn(format!("{} is not a log type known here{near}", answers.log_type));
        }
        write_new(&path, &answers.configuration())?;
        context.ui.line(format!("wrote {}", path.display()))?;
        if let Some(dir) = units {
            write_units(context, &context.env.cwd.join(dir), &path)?;
        }
        context.ui.line("")?;
        if answers.url == EMBEDDED {
            context.ui.bytes(OFFLINE.as_bytes())?;
        } else {
            let config = crate::config::load(Some(&path), None, context.env)?;
            let needs: Vec<_> = config.tenants.keys().flat_map(|name| config.needs(name)).collect();
            context.ui.bytes(STEPS.replace("{permission}", &scope::least(&needs).join(", ")).as_bytes())?;
        }
        context.ui.bytes(next(&path, self.units.is_some()).as_bytes())
    }

    fn answers(&self, ask: &Asker) -> Result<Answers> {
        let text = |flag: &Option<String>| flag.clone();
        let question = "API URL (portal: Settings > Cloud Apps > System > About), or embedded to stay offline";
        let (url, cloud) = ask.value(text(&self.url), question, URL, address)?;
        let offline = url == EMBEDDED;
        let about = Asker { asks: ask.asks && !offline };
        let tenant_id = about.value(text(&self.tenant_id), "Directory (tenant) ID", UNKNOWN_ID, id)?;
        let client_id = about.value(text(&self.client_id), "Application (client) ID", UNKNOWN_ID, id)?;
        let secret = match text(&self.certificate_file) {
            Some(file) => ("certificate_file", file),
            None => {
                let question = "File that holds, or will hold, the client secret";
                let file = about.value(text(&self.secret_file), question, "/etc/logweir/client_secret", some)?;
                ("client_secret_file", file)
            }
        };
        let question = "Log type of the first feed (logweir formats list)";
        let log_type = self.log_type.as_ref().map(ToString::to_string);
        let log_type = ask.value(log_type, question, "SQUID_NATIVE", |text| text.parse::<LogType>())?;
        let paths = ask.value(text(&self.paths), "Its files, as a glob", "/var/log/squid/access.log-*", |text| {
            globset::Glob::new(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
        })?;
        let data_source = self.data_source.as_ref().map(ToString::to_string);
        let data_source = ask.value(data_source, "Its data source", "HQ-Squid", |text| text.parse::<DataSource>())?;
        Ok(Answers { url, cloud, tenant_id, client_id, secret, log_type, paths, data_source })
    }
}

fn write_new(path: &Path, text: &str) -> Result<()> {
    let failed = |error: std::io::Error| {
        Error::failed(format!("cannot write {}", path.display()))
            .cause(error)
            .hint("choose another place; an existing file is never overwritten")
    };
    let mut file = std::fs::File::create_new(path).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
}

fn write_units(context: &mut Context<'_>, dir: &Path, config: &Path) -> Result<()> {
    std::fs::create_dir_all(dir)
        .map_err(|error| Error::failed(format!("cannot make {}", dir.display())).cause(error))?;
    for (name, text) in UNITS {
        let path = dir.join(name);
        write_new(&path, &text.replace(UNITS_CONFIG, &config.to_string_lossy()))?;
        context.ui.line(format!("wrote {}", path.display()))?;
    }
    Ok(())
}

/// What comes after the configuration.
fn next(config: &Path, units: bool) -> String {
    let config = config.display();
    let files = if units { "the files written above" } else { "the files that --units DIR writes" };
    format!(
        "
Next:
  logweir doctor --config {config}             tries every precondition and says what is missing
  logweir upload --dry-run --config {config}   says what would go; without --dry-run it goes
Then let it run, with {files}; either
  systemctl enable --now logweir.service         ships continuously; or
  systemctl enable --now logweir-upload.timer    ships every ten minutes; or
  install -m 644 crontab /etc/cron.d/logweir     the same by cron, which mails only what failed
The units expect the binary in /usr/local/bin, and run as a user of their own that may read /var/log by group adm.
"
    )
}

impl Answers {
    fn service(&self, quoted: impl Fn(&str) -> String) -> String {
        let url = quoted(&self.url);
        match self.cloud {
            Some(cloud) => format!(
                "# As the Defender portal shows it under Settings > Cloud Apps > System > About.\nurl = {url}\n\
                 # commercial | gcc | gcc-high | dod\ncloud = {}\n",
                quoted(cloud.name())
            ),
            None if self.url == EMBEDDED => format!(
                "# The embedded service, inside logweir and on this host only; what it is sent lies below state_dir.\nurl = {url}\n"
            ),
            None => format!(
                "# A service on this host: logweir serve.\nurl = {url}\nauthority = {url}\ngraph = {url}\nallow_hosts = [\"127.0.0.1\", \"localhost\"]\n"
            ),
        }
    }

    fn auth(&self, quoted: impl Fn(&str) -> String) -> String {
        if self.url == EMBEDDED {
            return String::new();
        }
        format!(
            "[auth]\ntenant_id = {}\nclient_id = {}\n\
             # Exactly one of client_secret_file, certificate_file (PEM: key and certificate), token_file (legacy API token).\n\
             {} = {}\n\n[network]\n# proxy = \"http://proxy.contoso.com:8080\"\n# ca_file = \"/etc/ssl/certs/contoso-ca.pem\"\n\n",
            quoted(&self.tenant_id),
            quoted(&self.client_id),
            self.secret.0,
            quoted(&self.secret.1),
        )
    }

    fn configuration(&self) -> String {
        let quoted = |text: &str| toml::Value::from(text).to_string();
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "\
# logweir. Check it with `logweir config check`, see every effective value with `logweir config show`.
# Where ledger and spool live; wants free space for the packed logs of a service outage.
state_dir = \"/var/lib/logweir\"

[service]
{}
{}[upload]
# gzip level, 1 (fastest) to 12 (smallest); auto follows the bottleneck.
level = \"auto\"
spool_max = \"20GiB\"
# bandwidth = \"50MB\"

[[feed]]
name = \"first\"
paths = [{}]
log_type = {}
data_source = {}
# A file is picked up when it has stood still this long.
settle = \"30s\"
# keep | delete | archive:DIR, once the service has taken the log.
after = \"keep\"
",
            self.service(quoted),
            self.auth(quoted),
            quoted(&self.paths),
            quoted(self.log_type.as_str()),
            quoted(self.data_source.as_str()),
        );
        text
    }
}
