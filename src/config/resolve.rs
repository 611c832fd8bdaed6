//! From what was typed to what is meant: layers, defaults and checks, with the origin of each value.

use super::{After, Auth, Config, Destination, Env, Feed, Join, Level, METHODS, Network, Tenant, Upload, file, units};
use crate::domain::{ByteCount, CUSTOM_PARSER, Layout, TenantName, nearest};
use crate::error::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Where a value came from, strongest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A command-line flag.
    Flag,
    /// An environment variable.
    Environment(&'static str),
    /// The configuration file.
    File,
    /// Built in.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Flag => f.pad("flag"),
            Origin::Environment(name) => f.pad(name),
            Origin::File => f.pad("file"),
            Origin::Default => f.pad("default"),
        }
    }
}

/// One effective value for `config show`.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Its key, dotted.
    pub key: String,
    /// Its value, never a secret.
    pub value: String,
    /// Where it came from.
    pub origin: Origin,
}

const DEFAULT_FILE: &str = "/etc/logweir/logweir.toml";
const DEFAULT_STATE: &str = "/var/lib/logweir";
/// Packed bytes of the largest part of a log: the service takes 5 GB.
const LARGEST_PART: ByteCount = ByteCount(4_900_000_000);
const CLOUDS: [&str; 4] = ["commercial", "gcc", "gcc-high", "dod"];

/// Loads the configuration: `config` and `state_dir` are the flags. A missing default file means an empty
/// configuration; a missing named file is an error.
///
/// # Errors
/// Kind `Usage`, with the file, the line where known, and a suggestion for a misspelt key.
pub fn load(config: Option<&Path>, state_dir: Option<&Path>, env: &Env) -> Result<Config> {
    let named = config.map(Path::to_path_buf).or_else(|| env.var("LOGWEIR_CONFIG").map(PathBuf::from));
    let path = named.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_FILE));
    let path = env.cwd.join(path);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => {
            return Err(Error::usage(format!("cannot read the configuration {}", path.display()))
                .cause(error)
                .hint("name another with --config FILE, or make one with: logweir init"));
        }
    };
    let typed = match &text {
        Some(text) => parse(text, &path)?,
        None => file::File::default(),
    };
    let mut resolver = Resolver { env, path: &path, settings: Vec::new(), wrong: Vec::new() };
    let config = resolver.config(typed, text.is_some(), state_dir);
    if resolver.wrong.is_empty() {
        return Ok(Config { settings: resolver.settings, ..config });
    }
    Err(Error::usage(format!("the configuration {} has mistakes", path.display())).cause(resolver.wrong.join("; ")))
}

fn parse(text: &str, path: &Path) -> Result<file::File> {
    toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        let message = error.message().replace('\n', " ");
        let mut wrong =
            Error::usage(format!("the configuration {} is wrong in line {line}", path.display())).cause(&message);
        if let Some(key) = suggestion(&message) {
            wrong = wrong.hint(format!("did you mean `{key}`?"));
        }
        wrong
    })
}

/// The nearest of the keys that serde lists after "expected", if one is near.
fn suggestion(message: &str) -> Option<String> {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let unknown = message.starts_with("unknown field") || message.starts_with("unknown variant");
    let typed = quoted.next().filter(|_| unknown)?;
    nearest(typed, quoted).map(str::to_owned)
}

pub(super) struct Resolver<'e> {
    env: &'e Env,
    pub(super) path: &'e Path,
    settings: Vec<Setting>,
    /// Every mistake, so that all are told at once.
    pub(super) wrong: Vec<String>,
}

impl Resolver<'_> {
    pub(super) fn note(&mut self, key: &str, value: impl fmt::Display, origin: Origin) {
        self.settings.push(Setting { key: key.to_owned(), value: value.to_string(), origin });
    }

    pub(super) fn file_or<T: fmt::Display>(&mut self, key: &str, typed: Option<T>, default: T) -> T {
        let origin = if typed.is_some() { Origin::File } else { Origin::Default };
        let value = typed.unwrap_or(default);
        self.note(key, &value, origin);
        value
    }

    pub(super) fn checked<T>(&mut self, key: &str, value: std::result::Result<T, String>) -> Option<T> {
        value.map_err(|why| self.wrong.push(format!("{key}: {why}"))).ok()
    }

    fn config(&mut self, typed: file::File, from_file: bool, state_dir: Option<&Path>) -> Config {
        let state_dir = self.state_dir(typed.state_dir, state_dir);
        let catalog_files = self.files("catalog_files", typed.catalog_files);
        let address_files = self.files("address_files", typed.address_files);
        let mut tenants = BTreeMap::new();
        if typed.service.is_some() || typed.auth.is_some() || self.env.var("LOGWEIR_URL").is_some() {
            let name = TenantName::default_tenant();
            let tenant = self.tenant("", typed.service.unwrap_or_default(), typed.auth.unwrap_or_default());
            tenants.extend(tenant.map(|tenant| (name, tenant)));
        }
        for (name, tenant) in typed.tenant {
            let prefix = format!("tenant.{name}.");
            let tenant = self.tenant(&prefix, tenant.service, tenant.auth);
            tenants.extend(tenant.map(|tenant| (name, tenant)));
        }
        let network = Network { proxy: typed.network.proxy, ca_file: typed.network.ca_file.map(|p| self.absolute(p)) };
        if let Some(proxy) = &network.proxy {
            self.note("network.proxy", mask_user_info(proxy), Origin::File);
        }
        if let Some(file) = &network.ca_file {
            self.note("network.ca_file", file.display(), Origin::File);
        }
        let own = !tenants.is_empty() && tenants.values().all(Tenant::is_embedded);
        let upload = self.upload(&typed.upload, own);
        let layouts = self.layouts(typed.layout);
        let mut names = BTreeSet::new();
        let mut feeds = Vec::new();
        for feed in typed.feed {
            if !names.insert(feed.name.clone()) {
                self.wrong.push(format!("feed.{}: two feeds have this name", feed.name));
            }
            feeds.extend(self.feed(feed, &tenants, &layouts));
        }
        let blocks = self.blocks(typed.block, &tenants);
        let file = from_file.then(|| self.path.to_path_buf());
        let settings = Vec::new();
        Config {
            file,
            state_dir,
            catalog_files,
            address_files,
            tenants,
            network,
            upload,
            layouts,
            feeds,
            blocks,
            settings,
        }
    }

    fn state_dir(&mut self, typed: Option<PathBuf>, flag: Option<&Path>) -> PathBuf {
        let (value, origin) = if let Some(dir) = flag {
            (dir.to_path_buf(), Origin::Flag)
        } else if let Some(dir) = self.env.var("LOGWEIR_STATE_DIR") {
            (PathBuf::from(dir), Origin::Environment("LOGWEIR_STATE_DIR"))
        } else if let Some(dir) = typed {
            (dir, Origin::File)
        } else {
            (PathBuf::from(DEFAULT_STATE), Origin::Default)
        };
        let value = if origin == Origin::File { self.absolute(value) } else { self.env.cwd.join(value) };
        self.note("state_dir", value.display(), origin);
        value
    }

    fn files(&mut self, key: &str, typed: Vec<PathBuf>) -> Vec<PathBuf> {
        let files: Vec<PathBuf> = typed.into_iter().map(|path| self.absolute(path)).collect();
        if !files.is_empty() {
            let shown: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
            self.note(key, shown.join(", "), Origin::File);
        }
        files
    }

    /// Paths in the file start at the file's own directory.
    fn absolute(&self, path: PathBuf) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("/")).join(path)
    }

    fn tenant(&mut self, prefix: &str, service: file::Service, auth: file::Auth) -> Option<Tenant> {
        let key = |name: &str| format!("{prefix}{name}");
        let url = match (self.env.var("LOGWEIR_URL").filter(|_| prefix.is_empty()), service.url) {
            (Some(url), _) => Some((url.to_owned(), Origin::Environment("LOGWEIR_URL"))),
            (None, Some(url)) => Some((url, Origin::File)),
            (None, None) => None,
        };
        let Some((url, origin)) = url else {
            self.wrong.push(format!(
                "{}: missing; the portal shows it under Settings > Cloud Apps > System > About",
                key("service.url")
            ));
            return None;
        };
        self.note(&key("service.url"), &url, origin);
        let cloud = self.file_or(&key("service.cloud"), service.cloud, CLOUDS[0].to_owned());
        if !CLOUDS.contains(&cloud.as_str()) {
            self.wrong.push(format!("{}: {cloud:?} is none of {}", key("service.cloud"), CLOUDS.join(", ")));
        }
        if !service.allow_hosts.is_empty() {
            self.note(&key("service.allow_hosts"), service.allow_hosts.join(", "), Origin::File);
        }
        if let Some(authority) = &service.authority {
            self.note(&key("service.authority"), authority, Origin::File);
        }
        if let Some(graph) = &service.graph {
            self.note(&key("service.graph"), graph, Origin::File);
        }
        let methods = [&auth.client_secret_file, &auth.certificate_file, &auth.token_file];
        let named = methods.iter().filter(|method| method.is_some()).count() + usize::from(auth.method.is_some());
        if named > 1 {
            self.wrong.push(format!(
                "{}: name exactly one of client_secret_file, certificate_file, token_file, method",
                key("auth")
            ));
        }
        if let Some(method) = auth.method.as_deref().filter(|method| !METHODS.contains(method)) {
            self.wrong.push(format!("{}: {method:?} is none of {}", key("auth.method"), METHODS.join(", ")));
        }
        let words = [("auth.tenant_id", auth.tenant_id.clone()), ("auth.client_id", auth.client_id.clone())];
        let show = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        let files = [
            ("auth.client_secret_file", show(&auth.client_secret_file)),
            ("auth.certificate_file", show(&auth.certificate_file)),
            ("auth.token_file", show(&auth.token_file)),
            ("auth.method", auth.method.clone()),
            ("auth.federated_token_file", show(&auth.federated_token_file)),
        ];
        for (name, value) in words.into_iter().chain(files) {
            if let Some(value) = value {
                self.note(&key(name), value, Origin::File);
            }
        }
        let auth = Auth {
            tenant_id: auth.tenant_id,
            client_id: auth.client_id,
            client_secret_file: auth.client_secret_file.map(|path| self.absolute(path)),
            certificate_file: auth.certificate_file.map(|path| self.absolute(path)),
            token_file: auth.token_file.map(|path| self.absolute(path)),
            method: auth.method,
            federated_token_file: auth.federated_token_file.map(|path| self.absolute(path)),
        };
        let (authority, graph) = (service.authority, service.graph);
        Some(Tenant { url, cloud, allow_hosts: service.allow_hosts, authority, graph, auth })
    }

    /// `own`: every service is an embedded one.
    fn upload(&mut self, typed: &file::Upload, own: bool) -> Upload {
        let level = match &typed.level {
            None => Some(Level::Auto),
            Some(file::Level::Word(word)) if word == "auto" => Some(Level::Auto),
            Some(file::Level::Number(n)) => {
                u8::try_from(*n).ok().filter(|n| (1..=Level::STRONGEST).contains(n)).map(Level::Fixed)
            }
            Some(file::Level::Word(_)) => None,
        };
        let level = self
            .checked("upload.level", level.ok_or(format!("1 to {}, or \"auto\"", Level::STRONGEST)))
            .unwrap_or(Level::Auto);
        let shown = match level {
            Level::Auto => "auto".to_owned(),
            Level::Fixed(n) => n.to_string(),
        };
        self.file_or("upload.level", typed.level.as_ref().map(|_| shown), "auto".to_owned());
        let spool = typed.spool_max.as_ref().map(file::Size::bytes).transpose();
        let spool = self.checked("upload.spool_max", spool).flatten();
        let spool_max = self.file_or("upload.spool_max", spool, ByteCount(20 << 30));
        let bandwidth = typed.bandwidth.as_ref().map(file::Size::bytes).transpose();
        let bandwidth = self.checked("upload.bandwidth", bandwidth).flatten().filter(|cap| cap.0 > 0);
        if let Some(cap) = bandwidth {
            self.note("upload.bandwidth", format!("{cap}/s"), Origin::File);
        }
        let confirm_for = self.duration("upload.confirm_for", typed.confirm_for.as_deref(), Duration::from_secs(30));
        // The service recomputes its data four times a day; a day is a safe distance from that. Ours does so at once.
        let doubt = Duration::from_secs(if own { 60 } else { 24 * 3600 });
        let uncertain_for = self.duration("upload.uncertain_for", typed.uncertain_for.as_deref(), doubt);
        let scan_every = self.duration("upload.scan_every", typed.scan_every.as_deref(), Duration::from_secs(60));
        // The service allows 30 to all tools of a tenant together; the embedded one may be told otherwise.
        let calls_a_minute = self.file_or("upload.calls_a_minute", typed.calls_a_minute, 30).max(4);
        let part = self.size("upload.part_size", typed.part_size.as_ref(), LARGEST_PART);
        // The service takes 5 GB; what is under way in the packer comes on top of the part.
        let part_size = ByteCount(part.0.clamp(1, LARGEST_PART.0));
        Upload { level, spool_max, bandwidth, confirm_for, uncertain_for, scan_every, calls_a_minute, part_size }
    }

    fn size(&mut self, key: &str, typed: Option<&file::Size>, default: ByteCount) -> ByteCount {
        let parsed = self.checked(key, typed.map(file::Size::bytes).transpose()).flatten();
        self.file_or(key, parsed, default)
    }

    fn join(&mut self, key: impl Fn(&str) -> String, typed: &file::Feed) -> Join {
        let default = Join::default();
        Join {
            size: self.size(&key("join_size"), typed.join_size.as_ref(), default.size),
            count: self.file_or(&key("join_count"), typed.join_count, default.count),
            age: self.duration(&key("join_age"), typed.join_age.as_deref(), default.age),
        }
    }

    pub(super) fn duration(&mut self, key: &str, typed: Option<&str>, default: Duration) -> Duration {
        let parsed = self.checked(key, typed.map(units::duration).transpose()).flatten();
        let value = parsed.unwrap_or(default);
        self.note(key, units::text(value), if parsed.is_some() { Origin::File } else { Origin::Default });
        value
    }

    fn feed(
        &mut self,
        typed: file::Feed,
        tenants: &BTreeMap<TenantName, Tenant>,
        layouts: &[Arc<Layout>],
    ) -> Option<Feed> {
        let key = |name: &str| format!("feed.{}.{name}", typed.name);
        if typed.paths.is_empty() {
            self.wrong.push(format!("{}: no path is listed", key("paths")));
        }
        let base = self.path.parent().unwrap_or(Path::new("/"));
        let absolute = |pattern: &String| base.join(pattern).to_string_lossy().into_owned();
        let paths: Vec<String> = typed.paths.iter().map(absolute).collect();
        let destination = match (typed.data_source.clone(), typed.snapshot.clone()) {
            (Some(source), None) => Ok(Destination::DataSource(source)),
            (None, Some(name)) => Ok(Destination::Snapshot(name)),
            _ => Err("name exactly one of data_source and snapshot".to_owned()),
        };
        let destination = self.checked(&key("data_source"), destination);
        let tenant = match &typed.tenant {
            Some(name) => name.clone(),
            None => TenantName::default_tenant(),
        };
        if !tenants.contains_key(&tenant) {
            self.wrong.push(format!("{}: no tenant {tenant} is configured", key("tenant")));
        }
        self.note(&key("paths"), paths.join(", "), Origin::File);
        let layout = layouts.iter().find(|layout| layout.name.as_str() == typed.log_type).cloned();
        if let (Some(layout), Some(Destination::Snapshot(_))) = (&layout, &destination) {
            self.wrong.push(format!(
                "{}: {} is a layout, and the service reads those only with the custom parser of a data source: name a data_source",
                key("snapshot"),
                layout.name
            ));
        }
        let log_type = match typed.log_type.as_str() {
            "auto" => Some(None),
            _ if layout.is_some() => self.checked(&key("log_type"), CUSTOM_PARSER.parse().map(Some)),
            name => self.checked(&key("log_type"), name.parse().map(Some)),
        };
        self.note(&key("log_type"), &typed.log_type, Origin::File);
        match &destination {
            Some(Destination::DataSource(name)) => self.note(&key("data_source"), name, Origin::File),
            Some(Destination::Snapshot(name)) => self.note(&key("snapshot"), name, Origin::File),
            None => {}
        }
        let settle = self.duration(&key("settle"), typed.settle.as_deref(), Duration::from_secs(30));
        let word = self.file_or(&key("after"), typed.after.clone(), "keep".to_owned());
        let after = match word.split_once(':') {
            None if word == "keep" => Ok(After::Keep),
            None if word == "delete" => Ok(After::Delete),
            Some(("archive", dir)) if !dir.is_empty() => Ok(After::Archive(base.join(dir))),
            _ => Err(format!("{word:?} is none of keep, delete, archive:DIR")),
        };
        let after = self.checked(&key("after"), after);
        let word = self.file_or(&key("after_stage"), typed.after_stage.clone(), "finalised".to_owned());
        let after_confirmed = match word.as_str() {
            "finalised" => Ok(false),
            "confirmed" => Ok(true),
            other => Err(format!("{other:?} is none of finalised, confirmed")),
        };
        let after_confirmed = self.checked(&key("after_stage"), after_confirmed);
        let word = self.file_or(&key("on_quality"), typed.on_quality.clone(), "ship".to_owned());
        let hold = match word.as_str() {
            "ship" => Ok(false),
            "hold" => Ok(true),
            other => Err(format!("{other:?} is none of ship, hold")),
        };
        let hold = self.checked(&key("on_quality"), hold);
        let word = self.file_or(&key("compression"), typed.compression.clone(), "gzip".to_owned());
        let gzip = match word.as_str() {
            "gzip" => Ok(true),
            "none" => Ok(false),
            other => Err(format!("{other:?} is none of gzip, none")),
        };
        let gzip = self.checked(&key("compression"), gzip);
        let join = self.join(key, &typed);
        Some(Feed {
            name: typed.name.clone(),
            paths,
            exclude: typed.exclude.iter().map(absolute).collect(),
            tenant,
            log_type: log_type?,
            layout,
            destination: destination?,
            settle,
            after: after?,
            after_confirmed: after_confirmed?,
            hold: hold?,
            gzip: gzip?,
            join,
        })
    }
}

/// A proxy address without its user name and password.
fn mask_user_info(proxy: &str) -> String {
    match (proxy.find("://"), proxy.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => format!("{}://***@{}", &proxy[..scheme], &proxy[at + 1..]),
        (None, Some(at)) => format!("***@{}", &proxy[at + 1..]),
        _ => proxy.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load_text(text: &str) -> Result<Config> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("logweir.toml");
        std::fs::write(&path, text).unwrap();
        load(Some(&path), None, &Env::default())
    }

    const GOOD: &str = r#"
        [service]
        url = "contoso.us2.portal.cloudappsecurity.com"
        [auth]
        tenant_id = "t"
        client_id = "c"
        client_secret_file = "secret"
        [[feed]]
        name = "hq"
        paths = ["/var/log/squid/access.log.*"]
        log_type = "SQUID_NATIVE"
        data_source = "HQ"
        after = "archive:old"
    "#;

    #[test]
    fn fills_defaults_and_says_where_values_came_from() {
        let config = load_text(GOOD).unwrap();
        assert_eq!(config.feeds[0].settle, Duration::from_secs(30));
        assert!(matches!(&config.feeds[0].after, After::Archive(dir) if dir.is_absolute() && dir.ends_with("old")));
        let origin = |key: &str| config.settings.iter().find(|s| s.key == key).map(|s| s.origin.clone());
        assert_eq!(origin("service.url"), Some(Origin::File));
        assert_eq!(origin("feed.hq.settle"), Some(Origin::Default));
    }

    #[test]
    fn an_unknown_key_is_an_error_with_line_and_suggestion() {
        let error = load_text("[service]\nurll = \"x\"\n").unwrap_err();
        assert!(error.what().contains("line 2"), "{error}");
        assert_eq!(error.hint_text(), Some("did you mean `url`?"));
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let text = GOOD.replace("archive:old", "burn").replace("[auth]", "allow_hosts = []\ncloud = \"moon\"\n[auth]");
        let error = load_text(&text).unwrap_err().to_string();
        assert!(error.contains("feed.hq.after") && error.contains("service.cloud"), "{error}");
    }

    #[test]
    fn a_proxy_password_is_not_shown() {
        assert_eq!(mask_user_info("http://u:p@proxy:8080"), "http://***@proxy:8080");
        assert_eq!(mask_user_info("http://proxy:8080"), "http://proxy:8080");
    }
}
