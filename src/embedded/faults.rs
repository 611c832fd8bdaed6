//! `serve --faults FILE`: bad behaviour to order, for tests and for trying how one's own set-up bears it.
//!
//! Each `[[fault]]` names a kind of call, which of these calls it spoils, and how. The n-th call of a kind is counted
//! from the start of the service; what several faults ask of one call is done together.

use crate::error::{Error, Result};
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

/// Every kind of call a fault can name; `any` is all of them, counted together.
pub const CALLS: [&str; 15] = [
    "any",
    "token",
    "upload_url",
    "put_blob",
    "put_block",
    "put_block_list",
    "done_upload",
    "streams",
    "categories",
    "block_scripts",
    "alerts",
    "activities",
    "entities",
    "subnet",
    "files",
];

/// When a connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Moment {
    /// Before anything of the request's body is read: the call does not take place.
    Before,
    /// When half of the request's body was read: the call does not take place.
    During,
    /// After the call took place, instead of its answer.
    After,
}

fn one() -> u64 {
    1
}

fn duration<'de, D: serde::Deserializer<'de>>(
    source: D,
) -> std::result::Result<Option<jiff::SignedDuration>, D::Error> {
    let wrong = |_| serde::de::Error::custom("a delay is no duration: write it like \"500ms\" or \"2s\"");
    String::deserialize(source)?.parse().map(Some).map_err(wrong)
}

/// One `[[fault]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fault {
    call: String,
    /// The first call it spoils.
    #[serde(default = "one")]
    nth: u64,
    /// From there on every so-manieth.
    #[serde(default = "one")]
    every: u64,
    /// How many calls in all.
    #[serde(default = "one")]
    times: u64,
    /// Wait so long first.
    #[serde(default, deserialize_with = "duration")]
    delay: Option<jiff::SignedDuration>,
    /// Hold the answer back so long; the call took place already.
    #[serde(default, deserialize_with = "duration")]
    hold: Option<jiff::SignedDuration>,
    /// Answer this instead of the real answer.
    status: Option<u16>,
    /// With `status`: the call takes effect all the same.
    #[serde(default)]
    effect: bool,
    /// Headers set in the answer.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// The body that goes with `status`.
    #[serde(default)]
    body: String,
    /// Cut the connection.
    drop: Option<Moment>,
    /// Send only so many bytes of the answer's body, then cut the connection.
    truncate: Option<usize>,
}

impl Fault {
    fn wrong(&self) -> Option<String> {
        let quoted = |list: &[&str]| list.join(", ");
        let header = |(name, value): (&String, &String)| {
            HeaderName::from_bytes(name.as_bytes()).is_err() || HeaderValue::from_str(value).is_err()
        };
        if !CALLS.contains(&self.call.as_str()) {
            return Some(format!("call {:?} is none of {}", self.call, quoted(&CALLS)));
        }
        if self.nth == 0 || self.every == 0 || self.times == 0 {
            return Some("nth, every and times start at 1".to_owned());
        }
        if self.status.is_some_and(|status| !(200..=599).contains(&status)) {
            return Some("status is 200 to 599".to_owned());
        }
        if [self.delay, self.hold].into_iter().flatten().any(|delay| delay.is_negative()) {
            return Some("delay or hold is negative".to_owned());
        }
        if self.headers.iter().any(header) {
            return Some("a header's name or value is not one that can be sent".to_owned());
        }
        let ways = [self.status.is_some(), self.drop.is_some(), self.truncate.is_some()];
        if ways.iter().filter(|way| **way).count() > 1 {
            return Some("name at most one of status, drop and truncate".to_owned());
        }
        if self.status.is_none() && (self.effect || !self.body.is_empty()) {
            return Some("effect and body go with status".to_owned());
        }
        let nothing = self.delay.is_none() && self.hold.is_none() && self.headers.is_empty() && !ways.contains(&true);
        nothing.then(|| "it does nothing: name delay, hold, status, headers, drop or truncate".to_owned())
    }

    /// Whether it spoils the n-th call of its kind.
    fn hits(&self, n: u64) -> bool {
        n >= self.nth && (n - self.nth).is_multiple_of(self.every) && (n - self.nth) / self.every < self.times
    }
}

/// The script, checked.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    list: Vec<Fault>,
}

impl Faults {
    /// Reads a script in TOML.
    ///
    /// # Errors
    /// Kind `Usage`, naming the fault by its number.
    pub fn parse(text: &str) -> Result<Faults> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Script {
            #[serde(default)]
            fault: Vec<Fault>,
        }
        let wrong = |why: String| Error::usage("the fault script is wrong").cause(why);
        let script: Script = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            wrong(format!("line {line}: {}", error.message().replace('\n', " ")))
        })?;
        for (number, fault) in script.fault.iter().enumerate() {
            if let Some(why) = fault.wrong() {
                return Err(wrong(format!("fault {}: {why}", number + 1)));
            }
        }
        Ok(Faults { list: script.fault })
    }
}

/// A script while the service runs.
pub(super) struct Running {
    list: Vec<Fault>,
    seen: Mutex<BTreeMap<&'static str, u64>>,
}

impl Running {
    pub(super) fn new(faults: Faults) -> Arc<Running> {
        Arc::new(Running { list: faults.list, seen: Mutex::default() })
    }

    /// Counts a call and returns what spoils it.
    fn due(&self, call: &'static str) -> Vec<Fault> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut count = |call: &'static str| {
            let n = seen.entry(call).or_default();
            *n += 1;
            *n
        };
        let (all, own) = (count("any"), count(call));
        let hit = |fault: &&Fault| match fault.call.as_str() {
            "any" => fault.hits(all),
            name => name == call && fault.hits(own),
        };
        self.list.iter().filter(hit).cloned().collect()
    }
}

/// The kind of a call; what is no call of the API counts as `any` only.
fn kind(method: &Method, path: &str, query: &str) -> &'static str {
    let has = |pair: &str| query.split('&').any(|part| part == pair);
    if path.starts_with("/storage/") && method == Method::PUT {
        return match () {
            () if has("comp=block") => "put_block",
            () if has("comp=blocklist") => "put_block_list",
            () => "put_blob",
        };
    }
    if path.contains("/oauth2/") {
        return "token";
    }
    let words = path.split('/').filter_map(|part| part.strip_prefix("discovery_").or(Some(part)));
    let found = words.rev().find_map(|word| CALLS.iter().find(|call| **call == word));
    found.copied().unwrap_or("other")
}

/// The layer in front of every route.
pub(super) async fn spoil(State(faults): State<Arc<Running>>, request: Request, next: Next) -> Response {
    let call = kind(request.method(), request.uri().path(), request.uri().query().unwrap_or_default());
    let due = faults.due(call);
    for fault in &due {
        tracing::info!(call, "fault: {}", describe(fault));
    }
    for delay in due.iter().filter_map(|fault| fault.delay) {
        tokio::time::sleep(delay.unsigned_abs()).await;
    }
    let moment = due.iter().find_map(|fault| fault.drop);
    if let Some(moment @ (Moment::Before | Moment::During)) = moment {
        if moment == Moment::During {
            read_half(request).await;
        }
        return cut(None);
    }
    let instead = due.iter().find(|fault| fault.status.is_some());
    let mut response = match instead {
        Some(fault) if !fault.effect => {
            // The body is taken in all the same: a client that still sends would not see the answer otherwise.
            drain(request.into_body(), u64::MAX).await;
            scripted(fault)
        }
        _ => next.run(request).await,
    };
    for hold in due.iter().filter_map(|fault| fault.hold) {
        tokio::time::sleep(hold.unsigned_abs()).await;
    }
    if moment.is_some() {
        return cut(None);
    }
    if let Some(fault) = instead.filter(|fault| fault.effect) {
        response = scripted(fault);
    }
    for (name, value) in due.iter().flat_map(|fault| &fault.headers) {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse::<HeaderValue>()) {
            response.headers_mut().insert(name, value);
        }
    }
    match due.iter().find_map(|fault| fault.truncate) {
        Some(length) => truncated(response, length).await,
        None => response,
    }
}

fn describe(fault: &Fault) -> String {
    let mut said = Vec::new();
    said.extend(fault.delay.map(|delay| format!("waits {delay:#}")));
    said.extend(fault.hold.map(|hold| format!("holds the answer back {hold:#}")));
    said.extend(fault.status.map(|status| format!("answers {status}")));
    said.extend(fault.drop.map(|moment| format!("cuts the connection ({moment:?})").to_lowercase()));
    said.extend(fault.truncate.map(|length| format!("cuts the answer after {length} bytes")));
    said.extend((!fault.headers.is_empty()).then(|| "sets headers".to_owned()));
    said.join(", ")
}

fn scripted(fault: &Fault) -> Response {
    let mut response = Response::new(Body::from(fault.body.clone()));
    *response.status_mut() = fault.status.and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or_default();
    response
}

async fn read_half(request: Request) {
    let length = request.headers().get("content-length").and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok());
    drain(request.into_body(), length.unwrap_or(0) / 2).await;
}

/// Reads up to `most` bytes of a body and forgets them.
async fn drain(body: Body, most: u64) {
    let mut stream = body.into_data_stream();
    let mut read = 0;
    while read < most {
        let next = std::future::poll_fn(|context| futures_core::Stream::poll_next(Pin::new(&mut stream), context));
        match next.await {
            Some(Ok(piece)) => read += piece.len() as u64,
            _ => return,
        }
    }
}

/// The head and the first bytes of an answer, then a cut connection.
async fn truncated(response: Response, length: usize) -> Response {
    let (mut head, body) = response.into_parts();
    let whole = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    head.headers.insert("content-length", HeaderValue::from(whole.len()));
    let (_, body) = cut(Some(whole.slice(..length.min(whole.len())))).into_parts();
    Response::from_parts(head, body)
}

/// An answer whose body fails, which cuts the connection: at once when there is nothing to send, else once that went out.
fn cut(first: Option<Bytes>) -> Response {
    let pause = first.as_ref().map(|_| Box::pin(tokio::time::sleep(Duration::from_millis(50))));
    Response::new(Body::from_stream(Cut { first, pause }))
}

struct Cut {
    first: Option<Bytes>,
    pause: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl futures_core::Stream for Cut {
    type Item = std::io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(first) = self.first.take().filter(|first| !first.is_empty()) {
            return Poll::Ready(Some(Ok(first)));
        }
        // While this waits, what was sent before reaches the network.
        if let Some(pause) = &mut self.pause
            && pause.as_mut().poll(context).is_pending()
        {
            return Poll::Pending;
        }
        Poll::Ready(Some(Err(std::io::Error::other("the connection is cut on purpose"))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_in_a_script_is_named() {
        let rows = [
            ("[[fault]]\ncall = \"upload\"\nstatus = 500", "none of any, token"),
            ("[[fault]]\ncall = \"any\"", "does nothing"),
            ("[[fault]]\ncall = \"any\"\nnth = 0\nstatus = 500", "start at 1"),
            ("[[fault]]\ncall = \"any\"\nstatus = 99", "200 to 599"),
            ("[[fault]]\ncall = \"any\"\nstatus = 500\ndrop = \"after\"", "at most one"),
            ("[[fault]]\ncall = \"any\"\ndrop = \"after\"\nbody = \"x\"", "go with status"),
            ("[[fault]]\ncall = \"any\"\ndrop = \"never\"", "line 3"),
            ("[[fault]]\ncall = \"any\"\ndelay = \"-1s\"", "negative"),
            ("[[fault]]\ncall = \"any\"\ndelay = \"soon\"", "line 3"),
            ("[[fault]]\ncall = \"any\"\nheaders = { \"a b\" = \"c\" }", "header"),
            ("[[fault]]\ncall = \"any\"\nspeed = 1", "speed"),
            ("fault = 1", "line 1"),
        ];
        for (text, expected) in rows {
            let error = Faults::parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}\n{error}");
        }
        assert!(Faults::parse("").unwrap().list.is_empty());
    }

    #[test]
    fn a_fault_hits_the_calls_it_names_and_no_other() {
        let hit = |text: &str| {
            let script = format!("[[fault]]\ncall = \"streams\"\nstatus = 500\n{text}");
            let running = Running::new(Faults::parse(&script).unwrap());
            (1..=9).filter(|_| !running.due("streams").is_empty()).collect::<Vec<u64>>()
        };
        assert_eq!(hit(""), [1]);
        assert_eq!(hit("nth = 3\ntimes = 2"), [3, 4]);
        assert_eq!(hit("nth = 2\nevery = 3\ntimes = 100"), [2, 5, 8]);
        let any = Running::new(Faults::parse("[[fault]]\ncall = \"any\"\nnth = 2\nstatus = 500").unwrap());
        assert!(any.due("token").is_empty() && any.due("streams").len() == 1);
    }

    #[test]
    fn each_call_has_its_kind() {
        let rows = [
            (Method::POST, "/t/oauth2/v2.0/token", "", "token"),
            (Method::GET, "/cas/api/v1/discovery/upload_url/", "filename=a", "upload_url"),
            (Method::PUT, "/storage/uploads/ab", "sv=1&sig=a", "put_blob"),
            (Method::PUT, "/storage/uploads/ab", "sv=1&comp=block&blockid=a", "put_block"),
            (Method::PUT, "/storage/uploads/ab", "comp=blocklist", "put_block_list"),
            (Method::POST, "/api/v1/discovery/done_upload/", "", "done_upload"),
            (Method::GET, "/api/discovery/streams/", "", "streams"),
            (Method::POST, "/api/v1/discovery/discovered_apps/categories/", "", "categories"),
            (Method::GET, "/api/discovery_block_scripts/", "format=120", "block_scripts"),
            (Method::POST, "/api/v1/alerts/64b0/read/", "", "alerts"),
            (Method::GET, "/", "", "other"),
        ];
        for (method, path, query, expected) in rows {
            assert_eq!(kind(&method, path, query), expected, "{path}?{query}");
        }
    }
}
