//! The one retry policy: which failures are worth another try, how long to wait, when to stop.

use super::{Failure, FailureKind};
use std::future::Future;
use std::time::{Duration, Instant};

/// Where a person is told what is waited for, and for how long; the command line shows it unless it is to be quiet.
pub const WAITING: &str = "logweir::waiting";

/// Whether doing the call twice does no harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// Reading, and writing the same bytes to the same place.
    Safe,
    /// Only when it surely did not take place.
    OnlyIfNotDone,
}

/// A wait that is longer than this is told.
const UNTOLD: Duration = Duration::from_millis(1_500);
/// Between two tellings.
const TOLD_EVERY: Duration = Duration::from_secs(10);
const TRIES: u32 = 6;
const LONGEST: Duration = Duration::from_secs(300);

/// Calls until it succeeds, the failure is final, or tries and time are used up.
pub(super) async fn call<T, F, C>(repeat: Repeat, mut attempt: C) -> Result<T, Failure>
where
    C: FnMut() -> F,
    F: Future<Output = Result<T, Failure>>,
{
    let started = Instant::now();
    let mut tries = 0;
    loop {
        tries += 1;
        let failure = match attempt().await {
            Ok(value) => return Ok(value),
            Err(failure) => failure,
        };
        let pause = failure.retry_after.unwrap_or_else(|| backoff(tries));
        let over = tries >= TRIES || started.elapsed() + pause > LONGEST;
        if over || !worth_it(repeat, &failure) {
            return Err(Failure { message: with_tries(failure.message, tries), ..failure });
        }
        let wait = pause.as_secs_f32();
        tracing::warn!(target: WAITING, "{}; trying again in {wait:.1} s (try {tries} of {TRIES})", failure.message);
        tokio::time::sleep(pause).await;
    }
}

/// Waits for `work`, and tells what for when it takes long. `still` says whether nothing moved since it was last asked.
pub(super) async fn patiently<F: Future>(
    what: &str,
    limit: Duration,
    mut still: impl FnMut() -> bool,
    work: F,
) -> F::Output {
    let started = Instant::now();
    let mut work = std::pin::pin!(work);
    let mut pause = UNTOLD;
    loop {
        tokio::select! {
            output = &mut work => return output,
            () = tokio::time::sleep(pause) => {
                pause = TOLD_EVERY;
                if still() {
                    let (so_far, limit) = (started.elapsed().as_secs_f32(), limit.as_secs());
                    tracing::warn!(target: WAITING, "waiting for {what}: {so_far:.0} s so far, {limit} s at most");
                }
            }
        }
    }
}

fn with_tries(message: String, tries: u32) -> String {
    if tries > 1 { format!("{message} (after {tries} tries)") } else { message }
}

fn worth_it(repeat: Repeat, failure: &Failure) -> bool {
    match failure.kind {
        FailureKind::Throttled | FailureKind::Unreachable => true,
        FailureKind::MaybeDone => repeat == Repeat::Safe,
        FailureKind::Refused => {
            let passing = matches!(failure.status, Some(408 | 500 | 502 | 503 | 504));
            repeat == Repeat::Safe && (passing || failure.retry_after.is_some())
        }
        _ => false,
    }
}

/// 0.25 s doubling to 16 s, the upper half of it by chance.
fn backoff(tries: u32) -> Duration {
    let full = Duration::from_millis(250) * (1 << tries.min(6));
    let mut byte = [128_u8];
    // Without randomness the pause is three quarters of its full length.
    let _ = ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut byte);
    full / 2 + full / 2 * u32::from(byte[0]) / 256
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(kind: FailureKind, status: Option<u16>) -> Failure {
        Failure { status, ..Failure::new(kind, "x") }
    }

    #[test]
    fn only_what_did_not_take_place_is_repeated_when_repeating_harms() {
        let rows = [
            (FailureKind::Unreachable, None, true, true),
            (FailureKind::Throttled, Some(429), true, true),
            (FailureKind::MaybeDone, None, true, false),
            (FailureKind::Refused, Some(502), true, false),
            (FailureKind::Refused, Some(400), false, false),
            (FailureKind::Forbidden, Some(403), false, false),
            (FailureKind::AddressExpired, Some(403), false, false),
        ];
        for (kind, status, safe, harmful) in rows {
            assert_eq!(worth_it(Repeat::Safe, &failure(kind, status)), safe, "{kind:?}");
            assert_eq!(worth_it(Repeat::OnlyIfNotDone, &failure(kind, status)), harmful, "{kind:?}");
        }
    }
}
