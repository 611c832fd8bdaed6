//! `logweir api METHOD PATH`: any other call, with the tool's sign-in, budget and retry; signatures are hidden.

use super::{Context, listing};
use crate::domain::TenantName;
use crate::error::{Error, Result};
use clap::Args;
use std::io::Read;

/// Make any other call of the API and print the answer
#[derive(Debug, Args)]
pub struct Api {
    /// GET, POST, PUT, PATCH or DELETE
    #[arg(value_name = "METHOD", value_parser = method)]
    method: reqwest::Method,
    /// The path, such as /api/v1/alerts/ or alerts/, with a query if it needs one
    path: String,
    /// The JSON body: text, @FILE, or - for standard input
    #[arg(long, value_name = "JSON")]
    body: Option<String>,
    /// The tenant, when the configuration has several
    #[arg(long, value_name = "NAME", default_value = "default")]
    tenant: TenantName,
}

/// The longest body that is sent, in bytes.
const LONGEST: u64 = 16 << 20;

fn method(text: &str) -> std::result::Result<reqwest::Method, String> {
    match text.to_ascii_uppercase().as_str() {
        known @ ("GET" | "POST" | "PUT" | "PATCH" | "DELETE") => known.parse().map_err(|_| "no method".to_owned()),
        _ => Err("one of GET, POST, PUT, PATCH, DELETE".to_owned()),
    }
}

impl Api {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<()> {
        let body = self.body.as_deref().map(|body| text(context, body)).transpose()?;
        if let Some(body) = &body {
            serde_json::from_str::<serde::de::IgnoredAny>(body)
                .map_err(|error| Error::usage("the body is not JSON").cause(error))?;
        }
        let path = self.path.split('?').next().unwrap_or_default();
        if !path.ends_with('/') && !path.ends_with("/feedback") {
            context.ui.warn("paths of this API end in '/'; without it a body may be lost on the way");
        }
        let service = listing::client(context, &self.tenant)?;
        let answer = super::block_on(service.raw(&self.method, &self.path, body.as_deref()))?;
        let answer = hide(&answer);
        context.ui.bytes(&answer)?;
        if answer.ends_with(b"\n") || answer.is_empty() { Ok(()) } else { context.ui.bytes(b"\n") }
    }
}

fn text(context: &Context<'_>, body: &str) -> Result<String> {
    let mut text = String::new();
    let read = match body.strip_prefix('@') {
        _ if body == "-" => std::io::stdin().take(LONGEST).read_to_string(&mut text),
        Some(file) => std::fs::File::open(context.env.cwd.join(file))
            .and_then(|file| file.take(LONGEST).read_to_string(&mut text)),
        None => return Ok(body.to_owned()),
    };
    read.map_err(|error| Error::usage(format!("cannot read the body {body}")).cause(error))?;
    Ok(text)
}

/// The answer without the value of any signature: `sig=` of Azure, `Signature=` of S3.
fn hide(answer: &[u8]) -> Vec<u8> {
    let mut safe = Vec::with_capacity(answer.len());
    let mut rest = answer;
    let marks: [&[u8]; 4] = [b"sig=", b"sig%3D", b"ignature=", b"ignature%3D"];
    let next = |rest: &[u8]| {
        let found = marks.iter().filter_map(|mark| Some((memchr::memmem::find(rest, mark)?, mark.len())));
        found.min().map(|(at, length)| at + length)
    };
    while let Some(end) = next(rest) {
        safe.extend_from_slice(&rest[..end]);
        safe.extend_from_slice(b"***");
        rest = &rest[end..];
        let value = rest.iter().position(|byte| b"&\"'\\ \r\n<>".contains(byte)).unwrap_or(rest.len());
        rest = &rest[value..];
    }
    safe.extend_from_slice(rest);
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_signature_is_printed() {
        let rows = [
            (r#"{"url":"https://h/b?sv=1&sig=abc%2F&se=2"}"#, r#"{"url":"https://h/b?sv=1&sig=***&se=2"}"#),
            (r#"{"url":"https://h/b?X-Amz-Signature=abc"}"#, r#"{"url":"https://h/b?X-Amz-Signature=***"}"#),
            ("sig=a sig=b", "sig=*** sig=***"),
            ("plain", "plain"),
        ];
        for (answer, expected) in rows {
            assert_eq!(hide(answer.as_bytes()), expected.as_bytes(), "{answer}");
        }
    }
}
