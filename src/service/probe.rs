//! A look whether the service answers at all, and what its clock says: no call of the API, no sign-in, no retry.

use super::retry::patiently;
use super::transport::transport_failure;
use super::{Failure, FailureKind, Service};
use jiff::{SignedDuration, Timestamp};
use std::time::{Duration, Instant};

/// What an answer told, whatever its status was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// Until the answer came.
    pub took: Duration,
    /// How far our clock is ahead of the service's, to the second; negative when it is behind.
    pub ahead: Option<SignedDuration>,
}

impl Service {
    /// Asks the service's host for something that costs it nothing; any answer will do.
    ///
    /// # Errors
    /// [`FailureKind::Unreachable`] when no answer came within `patience`.
    pub async fn probe(&self, patience: Duration) -> Result<Probe, Failure> {
        let host = self.inner.base.host_str().unwrap_or_default();
        let started = Instant::now();
        let request = self.inner.api.get(self.endpoint("/favicon.ico")).timeout(patience).send();
        let answer = patiently(&format!("an answer from {host}"), patience, || true, request).await;
        let response = answer.map_err(|error| {
            let failure = transport_failure(error, host);
            let kind = if failure.kind == FailureKind::MaybeDone { FailureKind::Unreachable } else { failure.kind };
            Failure { kind, ..failure }
        })?;
        let took = started.elapsed();
        let date = response.headers().get("date").and_then(|value| value.to_str().ok());
        Ok(Probe { took, ahead: date.and_then(|date| ahead(date, Timestamp::now())) })
    }
}

/// How far `now` is ahead of a `Date` header, which knows whole seconds.
fn ahead(date: &str, now: Timestamp) -> Option<SignedDuration> {
    let theirs = jiff::fmt::rfc2822::parse(date.trim()).ok()?.timestamp();
    Some(SignedDuration::from_secs(now.duration_since(theirs).as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_difference_of_clocks_has_the_right_sign() {
        let now: Timestamp = "2026-03-01T12:00:00.9Z".parse().unwrap();
        let rows = [
            ("Sun, 01 Mar 2026 12:00:00 GMT", Some(0)),
            ("Sun, 01 Mar 2026 11:50:00 GMT", Some(600)),
            ("Sun, 01 Mar 2026 12:05:00 GMT", Some(-299)),
            ("soon", None),
        ];
        for (date, expected) in rows {
            assert_eq!(ahead(date, now).map(|ahead| ahead.as_secs()), expected, "{date}");
        }
    }
}
