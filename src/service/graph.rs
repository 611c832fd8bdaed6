//! Discovered apps through Microsoft Graph (beta): another address, another token, another permission.
//!
//! Needs `CloudApp-Discovery.Read.All`, of an application or a user \[documented\]. These calls draw nothing from the
//! service's 30 a minute. Graph is beta: Microsoft does not support it in production, and guide, reference and scripts
//! contradict each other in places; each tolerance below says which.

use super::auth::Resource;
use super::records::{Record, items, member, text};
use super::retry::{Repeat, call};
use super::transport::{body, refused, transport_failure};
use super::{Failure, FailureKind, Service};
use serde_json::value::RawValue;
use url::Url;

/// The permission these calls need.
pub const PERMISSION: &str = "CloudApp-Discovery.Read.All";
/// The longest page that is read, in bytes.
const PAGE: usize = 64 << 20;
/// More pages than this are a loop.
const MOST_PAGES: u32 = 10_000;

/// How many days back a report reaches \[documented: 7, 30 or 90\].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// A week.
    Week,
    /// Thirty days.
    Month,
    /// Ninety days.
    Quarter,
}

impl Period {
    fn iso(self) -> &'static str {
        match self {
            Period::Week => "P7D",
            Period::Month => "P30D",
            Period::Quarter => "P90D",
        }
    }
}

/// What is known of one app beside its figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// Users; the service repeats some, so each is given once \[seen in the guide\].
    Users,
    /// Addresses.
    Addresses,
    /// Devices; streams fed by Defender for Endpoint have them, others do not \[seen in the guide\].
    Devices,
    /// What the catalogue says.
    Info,
}

impl Relation {
    fn segment(self) -> &'static str {
        match self {
            Relation::Users => "users",
            Relation::Addresses => "ipAddresses",
            Relation::Devices => "devices",
            Relation::Info => "appInfo",
        }
    }
}

/// A filter on the apps, in Graph's own words.
#[derive(Debug, Clone, Default)]
pub struct AppFilter {
    /// Not above this score: 1 is very risky, 10 secure.
    pub risk_at_most: Option<u8>,
    /// Not below this score.
    pub risk_at_least: Option<u8>,
    /// The category, as Graph spells it (`cloudStorage`).
    pub category: Option<String>,
    /// A condition in Graph's own words, for the rest: `contains('domains','example')`.
    pub condition: Option<String>,
}

impl AppFilter {
    /// The `$filter` of a call; the property is `riskScore`, whatever one page calls it \[documented, in conflict\].
    fn expression(&self) -> Option<String> {
        let risk = |operator: &str, score: Option<u8>| score.map(|score| format!("riskScore {operator} {score}"));
        let category = self.category.as_ref().map(|name| format!("category eq '{}'", name.replace('\'', "''")));
        let parts = [risk("le", self.risk_at_most), risk("ge", self.risk_at_least), category, self.condition.clone()];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join(" and "))
    }
}

/// A byte counter in either spelling, `…Traffic…` or `…Trafic…` \[documented; the guide's answers\].
pub fn traffic(app: &Record, way: &str) -> Option<u64> {
    let count =
        |spelt: &str| app.number(&format!("{way}Network{spelt}InBytes")).and_then(|count| u64::try_from(count).ok());
    count("Traffic").or_else(|| count("Trafic"))
}

impl Service {
    fn graph(&self, segments: &[&str]) -> Result<Url, Failure> {
        let settings = &self.inner.settings;
        let base = settings.graph.clone().unwrap_or_else(|| format!("https://{}", settings.cloud.graph()));
        let wrong = || Failure::new(FailureKind::Local, "service.graph is not an https address");
        let mut url = Url::parse(&base).map_err(|_| wrong())?;
        if !super::transport::trusted(settings, &url, settings.cloud.graph()) {
            return Err(wrong());
        }
        let fixed = ["beta", "security", "dataDiscovery", "cloudAppDiscovery", "uploadedStreams"];
        url.path_segments_mut().map_err(|()| wrong())?.clear().extend(fixed).extend(segments);
        Ok(url)
    }

    /// The streams that Graph knows: `id`, `displayName` and more \[documented\].
    ///
    /// # Errors
    /// As Graph fails; repeated where that helps.
    pub async fn graph_streams(&self) -> Result<Vec<Record>, Failure> {
        self.graph_list("cannot list the streams at Microsoft Graph", self.graph(&[])?).all().await
    }

    /// The apps discovered in a stream, page by page: `id`, `displayName`, `category`, `riskScore` (1 to 10, lower is
    /// worse), counts, bytes (see [`traffic`]), `lastSeenDateTime` \[documented\].
    ///
    /// # Errors
    /// [`FailureKind::Local`] for an address of Graph that is not trusted.
    pub fn discovered_apps(&self, stream: &str, period: Period, filter: &AppFilter) -> Result<GraphPages, Failure> {
        let mut url = self.graph(&[stream, &function(period)])?;
        if let Some(expression) = filter.expression() {
            url.query_pairs_mut().append_pair("$filter", &expression);
        }
        Ok(self.graph_list("cannot list the discovered apps", url))
    }

    /// Users, addresses, devices or catalogue entry of a discovered app.
    ///
    /// # Errors
    /// As Graph fails; repeated where that helps. The catalogue entry of an app that lacks a value is seen to fail.
    pub async fn discovered_app(
        &self,
        stream: &str,
        period: Period,
        app: &str,
        what: Relation,
    ) -> Result<Vec<Record>, Failure> {
        let url = self.graph(&[stream, &function(period), app, what.segment()])?;
        let mut found = self.graph_list(&format!("cannot read {} of app {app}", what.segment()), url).all().await?;
        let mut seen = std::collections::BTreeSet::new();
        found.retain(|record| seen.insert(record.json().to_owned()));
        Ok(found)
    }

    fn graph_list(&self, what: &str, first: Url) -> GraphPages {
        GraphPages { service: self.clone(), what: what.to_owned(), next: Some(first.clone()), first, pages: 0 }
    }

    async fn graph_once(&self, what: &str, url: &Url) -> Result<Vec<u8>, Failure> {
        let (client, tokens) = (&self.inner.api, &self.inner.tokens);
        let host = url.host_str().unwrap_or_default();
        for renewed in [false, true] {
            let token = tokens.token_for(client, Resource::Graph).await?;
            let request = client.get(url.clone()).header("authorization", token.header());
            let response = request.send().await.map_err(|error| transport_failure(error, host))?;
            if response.status().as_u16() == 401 && !renewed {
                tokens.forget(&token).await;
                continue;
            }
            if response.status().is_success() {
                return body(response, PAGE, host).await;
            }
            let mut failure = refused(response, what, host).await;
            if failure.kind == FailureKind::Forbidden {
                let held = token.scopes();
                let has =
                    if held.is_empty() { "holds no scope".to_owned() } else { format!("holds {}", held.join(", ")) };
                failure.hint = Some(format!(
                    "it needs {PERMISSION} of Microsoft Graph; the token {has}; grant it and consent again"
                ));
            }
            return Err(failure);
        }
        Err(Failure::new(FailureKind::Credentials, format!("{what}: Microsoft Graph refused a fresh token")))
    }
}

/// A list of Graph being read; a single object counts as a list of one.
pub struct GraphPages {
    service: Service,
    what: String,
    first: Url,
    next: Option<Url>,
    pages: u32,
}

impl GraphPages {
    /// The records of the next page, which may be none; `None` at the end.
    ///
    /// # Errors
    /// As Graph fails; repeated where that helps.
    pub async fn next(&mut self) -> Result<Option<Vec<Record>>, Failure> {
        let Some(url) = self.next.take() else { return Ok(None) };
        let refused = |why: &str| Failure::new(FailureKind::Refused, format!("{}: {why}", self.what));
        let unreadable = || refused("the answer could not be understood");
        self.pages += 1;
        if self.pages > MOST_PAGES {
            return Err(refused("the pages do not end"));
        }
        let bytes = call(Repeat::Safe, || self.service.graph_once(&self.what, &url)).await?;
        let raw: &RawValue = serde_json::from_slice(&bytes).map_err(|_| unreadable())?;
        let owned =
            |raw: &RawValue| RawValue::from_string(raw.get().to_owned()).map(Record::new).map_err(|_| unreadable());
        let found = match member(raw, "value") {
            Some(list) => items(list).into_iter().map(owned).collect::<Result<_, _>>()?,
            None if raw.get().starts_with('{') => vec![owned(raw)?],
            None => return Err(unreadable()),
        };
        if let Some(link) = member(raw, "@odata.nextLink").and_then(text) {
            let (first, link) = (&self.first, self.first.join(&link).map_err(|_| unreadable())?);
            // The token must not follow a link to another host.
            if (link.scheme(), link.host_str(), link.port()) != (first.scheme(), first.host_str(), first.port())
                || link == url
            {
                return Err(refused("the next page lies at another address"));
            }
            self.next = Some(link);
        }
        Ok(Some(found))
    }

    async fn all(mut self) -> Result<Vec<Record>, Failure> {
        let mut found = Vec::new();
        while let Some(page) = self.next().await? {
            found.extend(page);
        }
        Ok(found)
    }
}

/// The report's function with its namespace, as today's reference writes it.
fn function(period: Period) -> String {
    format!("microsoft.graph.security.aggregatedAppsDetails(period=duration'{}')", period.iso())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_written_in_graphs_words_and_quotes_are_doubled() {
        let filter = AppFilter {
            risk_at_most: Some(4),
            risk_at_least: None,
            category: Some("o'neil".to_owned()),
            condition: Some("userCount ge 5".to_owned()),
        };
        assert_eq!(filter.expression().as_deref(), Some("riskScore le 4 and category eq 'o''neil' and userCount ge 5"));
        assert_eq!(AppFilter::default().expression(), None);
    }

    #[test]
    fn byte_counters_are_read_in_both_spellings() {
        let read = |json: &str| traffic(&Record::parse(json.as_bytes()).unwrap(), "upload");
        assert_eq!(read(r#"{"uploadNetworkTrafficInBytes":5000000000}"#), Some(5_000_000_000));
        assert_eq!(read(r#"{"uploadNetworkTraficInBytes":7}"#), Some(7));
        assert_eq!(read("{}"), None);
    }
}
