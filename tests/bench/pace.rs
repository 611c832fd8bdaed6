//! `level = "auto"` next to every fixed level, into a sink that takes so many bytes a second and no more.
//!
//! `cargo bench --bench pace [-- [--mib N] [--rounds N] [KIND...]]`. The levels run in turn, the best of several rounds
//! counts: what matters is how far auto is from the best level at each rate.

#[path = "logs.rs"]
#[allow(dead_code, reason = "each bench uses a part of it")]
mod logs;

use logweir::ship::gzip::{Backlog, GzipWriter, Pace, STRONGEST};
use std::io::{Error, Result, Write, stdout};
use std::time::{Duration, Instant};

/// Bytes a second that the sink takes, in MB.
const RATES: [u32; 3] = [20, 100, 400];

/// Takes bytes no faster than a wire would, with the room of a socket's buffer.
struct Wire {
    bytes: f64,
    rate: f64,
    start: Instant,
}

const BUFFER: f64 = 256.0 * 1024.0;

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.bytes += bytes.len() as f64;
        let due = Duration::from_secs_f64((self.bytes - BUFFER).max(0.0) / self.rate);
        std::thread::sleep(due.saturating_sub(self.start.elapsed()));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Seconds for the whole log, and how many bytes it became.
fn pack(log: &[u8], pace: Pace, rate: u32) -> Result<(f64, f64)> {
    let start = Instant::now();
    let mut gzip = GzipWriter::new(Wire { bytes: 0.0, rate: f64::from(rate) * 1e6, start }, None, pace)?;
    gzip.write_all(log)?;
    let wire = gzip.finish()?;
    Ok((start.elapsed().as_secs_f64(), wire.bytes))
}

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    let (mut mib, mut rounds, mut wanted) = (256, 5, Vec::new());
    while let Some(arg) = args.next() {
        let mut number = || args.next().and_then(|text| text.parse().ok()).ok_or_else(|| Error::other("a number"));
        match arg.as_str() {
            "--mib" => mib = number()?,
            "--rounds" => rounds = number()?,
            _ => wanted.push(arg),
        }
    }
    for kind in logs::KINDS.iter().filter(|kind| wanted.is_empty() || wanted.iter().any(|name| name == kind.name)) {
        let mut log = Vec::new();
        kind.write(mib << 20, &mut log)?;
        for rate in RATES {
            measure(kind.name, &log, rate, rounds)?;
        }
    }
    Ok(())
}

fn measure(kind: &str, log: &[u8], rate: u32, rounds: u64) -> Result<()> {
    // Auto stands last.
    const AUTO: usize = STRONGEST as usize;
    let mut best = [(f64::MAX, 0.0); AUTO + 1];
    for _ in 0..rounds {
        // Levels stronger than one that took twice the best time are slower still.
        let mut limit = f64::MAX;
        for (at, slot) in best.iter_mut().enumerate() {
            if at < AUTO && limit <= 0.0 {
                continue;
            }
            let pace = if at < AUTO { Pace::Fixed(at as u8 + 1) } else { Pace::Auto(Backlog::default()) };
            let (seconds, bytes) = pack(log, pace, rate)?;
            *slot = (slot.0.min(seconds), bytes);
            limit = if seconds > 2.0 * limit { 0.0 } else { limit.min(seconds) };
        }
    }
    let (auto, best) = (best[AUTO], &best[..AUTO]);
    let level = best.iter().position(|(seconds, _)| *seconds <= fastest(best)).unwrap_or_default() + 1;
    let speed = log.len() as f64 / 1e6 / auto.0;
    writeln!(
        stdout(),
        "{kind:>10} into {rate:3} MB/s: auto {speed:5.0} MB/s of log at {:6.3}, {:.3} of the time of the best level, {level}",
        log.len() as f64 / auto.1,
        auto.0 / fastest(best),
    )
}

fn fastest(all: &[(f64, f64)]) -> f64 {
    all.iter().map(|(seconds, _)| *seconds).fold(f64::MAX, f64::min)
}
