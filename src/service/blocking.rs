//! Block scripts as text, and the verdict as JSON pages.

use super::retry::{Repeat, call};
use super::{Failure, FailureKind, Service};
use reqwest::Method;
use serde::Deserialize;

/// Which apps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockType {
    /// The unsanctioned ones.
    Banned,
    /// The sanctioned ones.
    Allowed,
}

impl BlockType {
    fn parameter(self) -> &'static str {
        match self {
            BlockType::Banned => "banned",
            BlockType::Allowed => "allowed",
        }
    }
}

/// An app of the verdict with its domains.
#[derive(Debug, Clone, Deserialize)]
pub struct BlockedApp {
    /// Its name, where told.
    #[serde(default)]
    pub name: String,
    /// Its catalogue id, where told.
    #[serde(default, rename = "appId")]
    pub app_id: Option<u64>,
    /// Its domains, unchecked.
    #[serde(default, rename = "domainList")]
    pub domains: Vec<String>,
}

const PAGE: usize = 100;

impl Service {
    /// The service's own script for an appliance, byte for byte. `format` is the service's numeric format.
    /// Needs `Discovery.manage` \[documented\].
    ///
    /// # Errors
    /// As the API fails; repeated where that helps.
    pub async fn block_script(&self, format: u16, kind: BlockType) -> Result<Vec<u8>, Failure> {
        let mut url = self.endpoint("/api/discovery_block_scripts/");
        url.query_pairs_mut().append_pair("format", &format.to_string()).append_pair("type", kind.parameter());
        call(Repeat::Safe, || self.once("cannot fetch the block script", &Method::GET, &url, &|request| request)).await
    }

    /// The verdict with the app of each domain, all pages.
    /// Needs `Discovery.manage` \[documented\]; that the call without a format answers JSON in pages is \[seen in clients\].
    ///
    /// # Errors
    /// As the API fails; repeated where that helps.
    pub async fn block_pages(&self, kind: BlockType) -> Result<Vec<BlockedApp>, Failure> {
        #[derive(Deserialize)]
        struct Page {
            data: Vec<BlockedApp>,
            #[serde(default, rename = "hasNext")]
            has_next: bool,
        }
        let what = "cannot fetch the verdict";
        let mut apps = Vec::new();
        loop {
            let mut url = self.endpoint("/api/discovery_block_scripts/");
            url.query_pairs_mut()
                .append_pair("type", kind.parameter())
                .append_pair("limit", &PAGE.to_string())
                .append_pair("skip", &apps.len().to_string());
            let answer = call(Repeat::Safe, || self.once(what, &Method::GET, &url, &|request| request)).await?;
            let page: Page = serde_json::from_slice(&answer).map_err(|_| {
                Failure::new(FailureKind::Refused, format!("{what}: the service's answer could not be understood"))
            })?;
            let end = !page.has_next || page.data.is_empty();
            apps.extend(page.data);
            if end {
                return Ok(apps);
            }
        }
    }
}
