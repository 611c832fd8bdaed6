//! `logweir init`: writes a commented configuration and says how to register the application.

use super::Context;
use crate::domain::{DataSource, LogType};
use crate::error::{Error, Result};
use crate::service::scope;
use clap::Args;
use std::fmt::Write;
use std::io::Write as _;
use std::path::PathBuf;

/// Write a commented configuration and print the app-registration steps
#[derive(Debug, Args)]
pub struct Init {
    /// Write the configuration here; an existing file is never overwritten
    #[arg(short, long, default_value = "logweir.toml", value_name = "FILE")]
    output: PathBuf,
    /// The API URL that the portal shows under Settings > Cloud Apps > System > About
    #[arg(long, default_value = "https://contoso.us2.portal.cloudappsecurity.com")]
    url: String,
    /// The Entra tenant's id
    #[arg(long, value_name = "ID")]
    tenant_id: Option<String>,
    /// The application's id
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// The log type of the first feed
    #[arg(long, default_value = "SQUID_NATIVE", value_name = "TYPE")]
    log_type: LogType,
    /// The paths of the first feed, as a glob
    #[arg(long, default_value = "/var/log/squid/access.log.*", value_name = "GLOB")]
    paths: String,
    /// The data source of the first feed
    #[arg(long, default_value = "HQ-Squid", value_name = "NAME")]
    data_source: DataSource,
}

/// What a person does once in Entra; the permission names are the portal's own.
const STEPS: &str = "\
Register the application once, in the Microsoft Entra admin center:
  1. App registrations > New registration: a name such as logweir, this directory only, no redirect address.
  2. API permissions > Add a permission > APIs my organization uses > Microsoft Cloud App Security >
     Application permissions > {permission}. Nothing else is needed for this configuration; what the
     other commands need, each says when it is refused.
  3. Grant admin consent for the directory. Each permission added later needs a new consent.
  4. Certificates & secrets: upload a certificate, or make a client secret and put it into the file
     that client_secret_file names, readable by the user logweir runs as only (chmod 600).
  5. Copy the Directory (tenant) ID and the Application (client) ID into the configuration.
In the Defender portal, make a data source for each feed: Settings > Cloud Apps > Cloud Discovery >
Automatic log upload > Add data source. Its name is the feed's data_source.
";

impl Init {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<()> {
        let text = self.configuration();
        let path = context.env.cwd.join(&self.output);
        let failed = |error: std::io::Error| {
            Error::failed(format!("cannot write {}", path.display()))
                .cause(error)
                .hint("choose another file with --output FILE; an existing file is never overwritten")
        };
        let mut file = std::fs::File::create_new(&path).map_err(failed)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
        context.ui.line(format!("wrote {}", path.display()))?;
        context.ui.line("")?;
        let config = crate::config::load(Some(&path), None, context.env)?;
        let needs: Vec<_> = config.tenants.keys().flat_map(|name| config.needs(name)).collect();
        context.ui.bytes(STEPS.replace("{permission}", &scope::least(&needs).join(", ")).as_bytes())?;
        context.ui.line("")?;
        context.ui.line(format!("Then try every precondition with: logweir doctor --config {}", path.display()))
    }

    fn configuration(&self) -> String {
        let quoted = |text: &str| toml::Value::from(text).to_string();
        let id = |id: &Option<String>| quoted(id.as_deref().unwrap_or("00000000-0000-0000-0000-000000000000"));
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "\
# logweir. Check it with `logweir config check`, see every effective value with `logweir config show`.
# Where ledger and spool live; wants free space for the packed logs of a service outage.
state_dir = \"/var/lib/logweir\"

[service]
# As the Defender portal shows it under Settings > Cloud Apps > System > About.
url = {}
# commercial | gcc | gcc-high | dod
cloud = \"commercial\"

[auth]
tenant_id = {}
client_id = {}
# Exactly one of client_secret_file, certificate_file (PEM: key and certificate), token_file (legacy API token).
client_secret_file = \"/etc/logweir/client_secret\"

[network]
# proxy = \"http://proxy.contoso.com:8080\"
# ca_file = \"/etc/ssl/certs/contoso-ca.pem\"

[upload]
# gzip level, 1 (fastest) to 9 (smallest); auto is 6.
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
            quoted(&self.url),
            id(&self.tenant_id),
            id(&self.client_id),
            quoted(&self.paths),
            quoted(self.log_type.as_str()),
            quoted(self.data_source.as_str()),
        );
        text
    }
}
