//! A scripted HTTP server for the client's own tests: a closure answers each request.

use super::{AuthMethod, Cloud, Service, Settings};
use crate::config::secret::Secret;
use crate::domain::{CallBudget, TenantName, Urgency};
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request as the closure sees it.
pub(super) struct Request {
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
    pub body: String,
}

impl Request {
    /// The body as JSON.
    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// A field of a form body.
    pub(super) fn form(&self, name: &str) -> Option<String> {
        url::form_urlencoded::parse(self.body.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }
}

/// Status, headers, body.
pub(super) type Answer = (u16, Vec<(&'static str, String)>, String);

pub(super) fn json(status: u16, document: &serde_json::Value) -> Answer {
    (status, Vec::new(), document.to_string())
}

/// Starts a server on a free port; it ends with the test's runtime.
pub(super) async fn server(script: impl FnMut(Request) -> Answer + Send + 'static) -> String {
    let script = Arc::new(Mutex::new(script));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let router = axum::Router::new().fallback(move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
        let script = script.clone();
        async move {
            let body = String::from_utf8(body.to_vec()).unwrap();
            let (status, more, body) = (script.lock().unwrap())(Request { method, uri, headers, body });
            let mut answer = axum::response::Response::new(axum::body::Body::from(body));
            *answer.status_mut() = StatusCode::from_u16(status).unwrap();
            for (name, value) in more {
                answer.headers_mut().insert(name, value.parse().unwrap());
            }
            answer
        }
    });
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    format!("http://{addr}")
}

struct Unlimited;

impl CallBudget for Unlimited {
    fn take(&self, _: &TenantName, _: Urgency) -> crate::error::Result<Duration> {
        Ok(Duration::ZERO)
    }
}

/// Settings that reach the server, with a legacy token.
pub(super) fn settings(base: &str) -> Settings {
    Settings {
        tenant: TenantName::default_tenant(),
        base_url: base.to_owned(),
        cloud: Cloud::Commercial,
        allow_hosts: vec!["127.0.0.1".to_owned()],
        authority: Some(base.to_owned()),
        graph: Some(base.to_owned()),
        auth: AuthMethod::Token(Secret::new("t0ken".to_owned())),
        proxy: None,
        ca_file: None,
    }
}

/// A client of these settings without a budget.
pub(super) fn client(settings: Settings) -> Service {
    Service::connect(settings, Arc::new(Unlimited), Urgency::Human).unwrap()
}
