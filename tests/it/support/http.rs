//! Plain HTTP calls to the embedded service, as any other client would make them.

use std::collections::BTreeMap;

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Headers, lower case.
    pub headers: BTreeMap<String, String>,
    /// The first MiB of the body as text.
    pub body: String,
    /// The body as it came.
    pub bytes: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// One call; the error is what went wrong on the wire.
pub fn call(method: &str, url: &str, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Result<Answer, String> {
    // A second installation fails because the first one stands.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build();
        let mut request = client.expect("a client").request(method.parse().expect("a method"), url).body(body.into());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.map_err(|error| format!("{error:?}"))?;
        let status = response.status().as_u16();
        let text = |value: &reqwest::header::HeaderValue| value.to_str().unwrap_or_default().to_owned();
        let headers = response.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        let body = response.bytes().await.map_err(|error| format!("{error:?}"))?;
        Ok(Answer {
            status,
            headers,
            body: String::from_utf8_lossy(&body[..body.len().min(1 << 20)]).into_owned(),
            bytes: body.to_vec(),
        })
    })
}
