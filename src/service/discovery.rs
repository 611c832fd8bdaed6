//! The discovery family: `upload_url`, `done_upload`, streams, categories; wire types beside each call.

use super::retry::{Repeat, call};
use super::{Failure, FailureKind, Service};
use crate::config::secret::SafeUrl;
use crate::domain::{DataSource, Layout, LogType};
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;

/// Who keeps the blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// Azure Blob Storage.
    Azure,
    /// A presigned S3 address.
    Aws,
}

/// The permission to store one blob; its address is a secret.
#[derive(Debug, Clone)]
pub struct Grant {
    /// Where to PUT.
    pub url: SafeUrl,
    /// Decides the headers.
    pub provider: Provider,
}

/// Where an upload becomes visible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// An existing data source.
    Continuous(DataSource),
    /// A new snapshot report of this name.
    Snapshot(String),
}

/// What the service answered to `done_upload`.
#[derive(Debug, Clone, Default)]
pub struct Receipt {
    /// The stream's id, where told.
    pub stream_id: Option<String>,
}

/// A continuous report with its counters.
#[derive(Debug, Clone, Default)]
pub struct Stream {
    /// 24 hex digits.
    pub id: Option<String>,
    /// The data source's name.
    pub name: String,
    /// The numeric log type.
    pub log_type: Option<u64>,
    /// ISO 8601.
    pub last_data_received: Option<String>,
    /// Logs processed so far.
    pub log_files_history_count: Option<u64>,
    /// Logs refused by the parser so far.
    pub log_files_fails_count: Option<u64>,
}

/// How many apps of a category a report found.
#[derive(Debug, Clone, Deserialize)]
pub struct Category {
    /// `SAASDB_CATEGORY_…`; unknown ones are legal.
    pub id: String,
    /// Apps found.
    #[serde(default)]
    pub total: u64,
}

/// What to ask of the categories.
#[derive(Debug, Clone, Copy)]
pub struct CategoryQuery {
    /// Days back: 7, 30 or 90.
    pub days: u32,
}

impl Default for CategoryQuery {
    fn default() -> CategoryQuery {
        CategoryQuery { days: 30 }
    }
}

fn unreadable(what: &str) -> Failure {
    Failure::new(FailureKind::Refused, format!("{what}: the service's answer could not be understood"))
}

impl Service {
    /// Asks for an upload address for a file of this name and log type.
    /// Needs `Discovery.manage` \[documented\]. How long the address is good stands in its signature \[inferred\].
    ///
    /// # Errors
    /// As the API fails; repeated where that helps.
    pub async fn upload_url(&self, filename: &str, log_type: &LogType) -> Result<Grant, Failure> {
        let what = "cannot get an upload address";
        let mut url = self.endpoint("/api/v1/discovery/upload_url/");
        url.query_pairs_mut().append_pair("filename", filename).append_pair("source", log_type.as_str());
        let answer = call(Repeat::Safe, || self.once(what, &Method::GET, &url, &|request| request)).await?;
        #[derive(Deserialize)]
        struct Answer {
            url: String,
            #[serde(default)]
            provider: String,
        }
        let answer: Answer = serde_json::from_slice(&answer).map_err(|_| unreadable(what))?;
        let url = url::Url::parse(&answer.url).map_err(|_| unreadable(what))?;
        super::transport::check_storage(&self.inner.settings, &url)?;
        let aws = answer.provider.eq_ignore_ascii_case("aws");
        let provider = if aws { Provider::Aws } else { Provider::Azure };
        Ok(Grant { url: SafeUrl::new(url), provider })
    }

    /// Tells the service that a blob is whole. Not repeated unless the call surely did not take place.
    /// Needs `Discovery.manage` \[documented\]. The answer's `success` and `inputStreamId` are \[seen in clients\] only.
    ///
    /// # Errors
    /// [`FailureKind::MaybeDone`] when the answer was lost; `UnknownDataSource` with the nearest names left to the
    /// caller; else as the API fails.
    pub async fn done_upload(&self, url: &SafeUrl, target: &Target) -> Result<Receipt, Failure> {
        let what = "cannot finalise the upload";
        let mut document = serde_json::json!({ "uploadUrl": url.url().as_str() });
        match target {
            Target::Continuous(source) => document["inputStreamName"] = source.as_str().into(),
            Target::Snapshot(name) => {
                document["inputStreamName"] = name.as_str().into();
                document["uploadAsSnapshot"] = true.into();
            }
        }
        let text = document.to_string();
        let endpoint = self.endpoint("/api/v1/discovery/done_upload/");
        let add =
            |request: reqwest::RequestBuilder| request.header("content-type", "application/json").body(text.clone());
        let answer = call(Repeat::OnlyIfNotDone, || self.once(what, &Method::POST, &endpoint, &add)).await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(failure) if failure.kind == FailureKind::UnknownDataSource => {
                return Err(self.with_near_names(failure, target).await);
            }
            // A gateway's or server's error says nothing about whether the import was queued.
            Err(failure) if matches!(failure.status, Some(500..=599)) => {
                return Err(Failure { kind: FailureKind::MaybeDone, ..failure });
            }
            Err(failure) => return Err(failure),
        };
        let answer: Value = serde_json::from_slice(&answer).unwrap_or(Value::Null);
        if answer.get("success") == Some(&Value::Bool(false)) {
            return Err(Failure::new(FailureKind::Refused, format!("{what}: the service answered success: false")));
        }
        let stream_id = answer.get("inputStreamId").and_then(Value::as_str).map(str::to_owned);
        Ok(Receipt { stream_id })
    }

    /// The refusal of a data source with the names that it may have meant.
    async fn with_near_names(&self, failure: Failure, target: &Target) -> Failure {
        let (Target::Continuous(source), Ok(streams)) = (target, self.streams().await) else { return failure };
        let names = || streams.iter().map(|stream| stream.name.as_str());
        let message = format!("the service has no data source {:?}", source.as_str());
        let hint = match crate::domain::nearest(source.as_str(), names()) {
            Some(near) => format!("did you mean {near:?}?"),
            None => format!("it has: {}", names().take(20).collect::<Vec<_>>().join(", ")),
        };
        Failure { message, hint: Some(hint), ..failure }
    }

    /// Makes a data source. Undocumented: on the remote service what is made so cannot parse logs \[seen by users\], so
    /// this is for the embedded one. One of that name stays as it is, but for the layout that its parser is told.
    ///
    /// # Errors
    /// As the API fails; repeated where that helps.
    pub async fn make_data_source(
        &self,
        source: &DataSource,
        log_type: &LogType,
        layout: Option<&Layout>,
    ) -> Result<(), Failure> {
        let what = format!("cannot make the data source {:?}", source.as_str());
        let url = self.endpoint("/api/v1/discovery/data_sources/");
        let mut document = serde_json::json!({
            "displayName": source.as_str(), "logType": log_type.as_str(), "receiverType": "ftp",
        });
        if let Some(layout) = layout {
            document["layout"] = serde_json::json!(layout);
        }
        let text = document.to_string();
        let add =
            |request: reqwest::RequestBuilder| request.header("content-type", "application/json").body(text.clone());
        call(Repeat::Safe, || self.once(&what, &Method::POST, &url, &add)).await.map(|_| ())
    }

    /// The continuous reports. Every envelope seen in the field is understood.
    /// Needs `Discovery.read` or `Discovery.manage` \[documented\]; the envelope differs between documentation and what clients see.
    ///
    /// # Errors
    /// As the API fails; repeated where that helps.
    pub async fn streams(&self) -> Result<Vec<Stream>, Failure> {
        let what = "cannot list the continuous reports";
        let url = self.endpoint("/api/discovery/streams/");
        let answer = call(Repeat::Safe, || self.once(what, &Method::GET, &url, &|request| request)).await?;
        let answer: Value = serde_json::from_slice(&answer).map_err(|_| unreadable(what))?;
        streams_in(&answer).ok_or_else(|| unreadable(what))
    }

    /// The categories of the apps that a report found, all pages.
    /// Needs `Discovery.read` or `Discovery.manage` \[documented\]. The period is in days, 1 to 90.
    ///
    /// # Errors
    /// As the API fails; repeated where that helps.
    pub async fn categories(&self, stream_id: &str, query: &CategoryQuery) -> Result<Vec<Category>, Failure> {
        let what = "cannot list the categories";
        let url = self.endpoint("/api/v1/discovery/discovered_apps/categories/");
        let mut found: Vec<Category> = Vec::new();
        loop {
            let document = serde_json::json!({
                "streamId": stream_id, "timeFrame": query.days, "skip": found.len(), "limit": 100,
            });
            let text = document.to_string();
            let add = |request: reqwest::RequestBuilder| {
                request.header("content-type", "application/json").body(text.clone())
            };
            let answer = call(Repeat::Safe, || self.once(what, &Method::POST, &url, &add)).await?;
            let mut answer: Value = serde_json::from_slice(&answer).map_err(|_| unreadable(what))?;
            let more = answer.get("hasNext") == Some(&Value::Bool(true));
            let page = if answer.get("data").is_some() { answer["data"].take() } else { answer };
            let page: Vec<Category> = serde_json::from_value(page).map_err(|_| unreadable(what))?;
            let empty = page.is_empty();
            found.extend(page);
            // An empty page ends the list whatever the flag says.
            if !more || empty {
                return Ok(found);
            }
        }
    }
}

fn streams_in(answer: &Value) -> Option<Vec<Stream>> {
    let list = match answer {
        Value::Array(list) => list.as_slice(),
        Value::Object(object) => match object.get("streams").or_else(|| object.get("data")) {
            Some(Value::Array(list)) => list.as_slice(),
            Some(_) => return None,
            None if object.contains_key("_id") || object.contains_key("displayName") => std::slice::from_ref(answer),
            None => return None,
        },
        _ => return None,
    };
    let stream = |value: &Value| {
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let count = |key: &str| value.get(key).and_then(Value::as_u64);
        Stream {
            id: text("_id"),
            name: text("displayName").unwrap_or_default(),
            log_type: count("logType"),
            last_data_received: text("lastDataReceived"),
            log_files_history_count: count("logFilesHistoryCount"),
            log_files_fails_count: count("logFilesFailsCount"),
        }
    };
    Some(list.iter().map(stream).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_envelope_of_streams_is_understood() {
        let one = r#"{"_id":"64b0","displayName":"hq","logFilesHistoryCount":4}"#;
        for text in
            [one.to_owned(), format!("[{one}]"), format!(r#"{{"streams":[{one}]}}"#), format!(r#"{{"data":[{one}]}}"#)]
        {
            let streams = streams_in(&serde_json::from_str(&text).unwrap()).unwrap();
            assert_eq!((streams.len(), streams[0].name.as_str()), (1, "hq"), "{text}");
            assert_eq!(streams[0].log_files_history_count, Some(4));
        }
        assert!(streams_in(&serde_json::json!({"error": "x"})).is_none());
    }
}
