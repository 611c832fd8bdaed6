//! The shape of `logweir.toml`, as typed: no defaults, no checks beyond the shape. `resolve` makes the values.

use crate::domain::{ByteCount, DataSource, Layout, TenantName};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    pub(super) state_dir: Option<PathBuf>,
    #[serde(default)]
    pub(super) catalog_files: Vec<PathBuf>,
    #[serde(default)]
    pub(super) address_files: Vec<PathBuf>,
    pub(super) service: Option<Service>,
    pub(super) auth: Option<Auth>,
    #[serde(default)]
    pub(super) tenant: BTreeMap<TenantName, Tenant>,
    #[serde(default)]
    pub(super) network: Network,
    #[serde(default)]
    pub(super) upload: Upload,
    #[serde(default)]
    pub(super) layout: Vec<Layout>,
    #[serde(default)]
    pub(super) feed: Vec<Feed>,
    #[serde(default)]
    pub(super) block: Vec<Block>,
}

/// `[service]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    pub(super) url: Option<String>,
    pub(super) cloud: Option<String>,
    #[serde(default)]
    pub(super) allow_hosts: Vec<String>,
    pub(super) authority: Option<String>,
    pub(super) graph: Option<String>,
}

/// `[auth]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    pub(super) tenant_id: Option<String>,
    pub(super) client_id: Option<String>,
    pub(super) client_secret_file: Option<PathBuf>,
    pub(super) certificate_file: Option<PathBuf>,
    pub(super) token_file: Option<PathBuf>,
    pub(super) method: Option<String>,
    pub(super) federated_token_file: Option<PathBuf>,
}

/// `[tenant.NAME]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tenant {
    pub(super) service: Service,
    pub(super) auth: Auth,
}

/// `[network]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    pub(super) proxy: Option<String>,
    pub(super) ca_file: Option<PathBuf>,
}

/// `[upload]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upload {
    pub(super) level: Option<Level>,
    pub(super) spool_max: Option<Size>,
    pub(super) bandwidth: Option<Size>,
    pub(super) confirm_for: Option<String>,
    pub(super) scan_every: Option<String>,
    pub(super) uncertain_for: Option<String>,
    pub(super) calls_a_minute: Option<u32>,
    pub(super) part_size: Option<Size>,
}

/// A compression level: a number or `"auto"`.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Level {
    /// 1 to 12.
    Number(i64),
    /// `auto`.
    Word(String),
}

/// A size: a number of bytes or text with a unit.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Size {
    /// Bytes.
    Number(u64),
    /// With a unit, `64MiB`.
    Text(String),
}

impl Size {
    pub(super) fn bytes(&self) -> Result<ByteCount, String> {
        match self {
            Size::Number(bytes) => Ok(ByteCount(*bytes)),
            Size::Text(text) => text.parse(),
        }
    }
}

/// `[[feed]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feed {
    pub(super) name: String,
    pub(super) paths: Vec<String>,
    #[serde(default)]
    pub(super) exclude: Vec<String>,
    pub(super) tenant: Option<TenantName>,
    pub(super) log_type: String,
    pub(super) on_quality: Option<String>,
    pub(super) data_source: Option<DataSource>,
    pub(super) snapshot: Option<String>,
    pub(super) settle: Option<String>,
    pub(super) after: Option<String>,
    pub(super) after_stage: Option<String>,
    pub(super) compression: Option<String>,
    pub(super) join_size: Option<Size>,
    pub(super) join_count: Option<u64>,
    pub(super) join_age: Option<String>,
}

/// `[[block]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Block {
    pub(super) name: Option<String>,
    pub(super) appliance: String,
    pub(super) output: PathBuf,
    #[serde(default)]
    pub(super) set: BTreeMap<String, Value>,
    pub(super) sources: Option<Vec<String>>,
    pub(super) tenant: Option<TenantName>,
    pub(super) every: Option<String>,
    #[serde(default)]
    pub(super) never_block: Vec<String>,
    #[serde(default)]
    pub(super) exceptions: Vec<String>,
    #[serde(default)]
    pub(super) consent: Vec<String>,
    pub(super) max_change: Option<Value>,
    #[serde(default)]
    pub(super) after: Vec<String>,
    pub(super) after_limit: Option<String>,
    pub(super) validate: Option<bool>,
    pub(super) strict: Option<bool>,
    pub(super) date: Option<bool>,
}

/// A number or text, where both are natural.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// A number.
    Number(u64),
    /// Text.
    Text(String),
}

impl Value {
    pub(super) fn text(&self) -> String {
        match self {
            Value::Number(number) => number.to_string(),
            Value::Text(text) => text.clone(),
        }
    }
}
