//! Packing next to the gzip tools of the system: speed and ratio of every level of everyone, in one run.
//!
//! `cargo bench --bench pack [-- [--mib N] [--rounds N] [--dir DIR] [KIND...]]`. Everyone is a process of its own that
//! reads the same file and writes another; ours also hashes what it reads, as packing always does. The best of several
//! rounds counts, and who is slow runs once. Every output is tested by gzip and ends with the checksum of the log.
//!
//! For every level of a tool the last column names the fastest of our levels with the same ratio or a better one.

mod logs;

use logweir::ship::gzip::{GzipWriter, Pace, STRONGEST};
use std::fs::File;
use std::io::{Error, Read, Result, Seek, SeekFrom, Write, stdout};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A program with the levels it is measured at; how it is called with a level and the name of a log.
struct Tool {
    name: &'static str,
    levels: std::ops::RangeInclusive<u8>,
    args: &'static [&'static str],
}

const TOOLS: [Tool; 4] = [
    Tool { name: "gzip", levels: 1..=9, args: &["-c"] },
    Tool { name: "pigz", levels: 1..=9, args: &["-c", "-p2"] },
    Tool { name: "igzip", levels: 0..=3, args: &["-c", "-T", "2"] },
    Tool { name: "libdeflate-gzip", levels: 1..=12, args: &["-c"] },
];
const OURS: &str = "logweir";
/// Who takes longer is not asked again.
const SLOW: Duration = Duration::from_secs(20);

/// One program at one level, and what it came to.
struct Runner {
    name: &'static str,
    level: u8,
    program: PathBuf,
    args: Vec<String>,
    best: Duration,
    packed: u64,
}

impl Runner {
    fn speed(&self, bytes: u64) -> f64 {
        bytes as f64 / 1e6 / self.best.as_secs_f64()
    }

    fn ratio(&self, bytes: u64) -> f64 {
        bytes as f64 / self.packed as f64
    }

    fn ours(&self) -> bool {
        self.name == OURS
    }
}

struct Wanted {
    bytes: u64,
    rounds: u32,
    dir: PathBuf,
    kinds: Vec<String>,
}

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    let mut wanted = Wanted { bytes: 1 << 30, rounds: 3, dir: std::env::temp_dir(), kinds: Vec::new() };
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| Error::other(format!("{arg} needs a value")));
        let number = |text: String| text.parse::<u32>().map_err(|_| Error::other(format!("{text} is no number")));
        match arg.as_str() {
            "--mib" => wanted.bytes = u64::from(number(value()?)?) << 20,
            "--rounds" => wanted.rounds = number(value()?)?.max(1),
            "--dir" => wanted.dir = value()?.into(),
            "pack" => return pack(number(value()?)?, &value()?),
            kind => wanted.kinds.push(kind.to_owned()),
        }
    }
    if let Some(unknown) = wanted.kinds.iter().find(|name| !logs::KINDS.iter().any(|kind| kind.name == **name)) {
        return Err(Error::other(format!("{unknown} is no kind of log the benches have")));
    }
    let mut met = (0, 0);
    for kind in logs::KINDS.iter().filter(|kind| wanted.kinds.is_empty() || wanted.kinds.iter().any(|n| n == kind.name))
    {
        let log = wanted.dir.join(format!("logweir-bench-{}-{}.log", std::process::id(), kind.name));
        let done = kind.write(wanted.bytes, File::create(&log)?).and_then(|bytes| measure(kind, &log, bytes, &wanted));
        std::fs::remove_file(&log)?;
        let (good, all) = done?;
        met = (met.0 + good, met.1 + all);
    }
    writeln!(stdout(), "{} of {} levels of the tools: the same ratio or a better one at least as fast", met.0, met.1)
}

/// The child: reads, hashes and packs a log to its output.
fn pack(level: u32, log: &str) -> Result<()> {
    let mut gzip = GzipWriter::new(stdout(), None, Pace::Fixed(u8::try_from(level).unwrap_or(STRONGEST)))?;
    let (mut file, mut hash, mut buffer) = (File::open(log)?, blake3::Hasher::new(), vec![0; 1 << 17]);
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        hash.update(&buffer[..count]);
        gzip.write_all(&buffer[..count])?;
    }
    std::hint::black_box(hash.finalize());
    gzip.finish()?.flush()
}

fn runners(log: &Path) -> Result<Vec<Runner>> {
    let log = log.to_string_lossy().into_owned();
    let mut all = Vec::new();
    let runner =
        |name, level, program: PathBuf, args| Runner { name, level, program, args, best: Duration::MAX, packed: 0 };
    for tool in &TOOLS {
        if Command::new(tool.name).arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
            writeln!(stdout(), "{} is not installed and left out", tool.name)?;
            continue;
        }
        for level in tool.levels.clone() {
            let mut args: Vec<String> = tool.args.iter().map(|arg| (*arg).to_owned()).collect();
            args.extend([format!("-{level}"), log.clone()]);
            all.push(runner(tool.name, level, tool.name.into(), args));
        }
    }
    for level in 1..=STRONGEST {
        let args = vec!["pack".to_owned(), level.to_string(), log.clone()];
        all.push(runner(OURS, level, std::env::current_exe()?, args));
    }
    Ok(all)
}

/// Runs everyone on one log; answers how many levels of the tools we match, of how many.
fn measure(kind: &logs::Kind, log: &Path, bytes: u64, wanted: &Wanted) -> Result<(usize, usize)> {
    let out = log.with_extension("gz");
    let trailer = trailer(log)?;
    let mut runners = runners(log)?;
    for round in 0..wanted.rounds {
        // In turn, so that whatever else the machine does meets everyone.
        for runner in runners.iter_mut().filter(|runner| round == 0 || runner.best < SLOW) {
            let sink = File::create(&out)?;
            let start = Instant::now();
            let status = Command::new(&runner.program).args(&runner.args).stdout(sink).status()?;
            runner.best = runner.best.min(start.elapsed());
            if round == 0 {
                verify(&out, &trailer, status.success())
                    .map_err(|error| Error::other(format!("{} -{}: {error}", runner.name, runner.level)))?;
                runner.packed = std::fs::metadata(&out)?.len();
            }
            std::fs::remove_file(&out)?;
        }
    }
    report(kind, &runners, bytes)
}

/// CRC-32 and length, as a gzip member ends with.
fn trailer(log: &Path) -> Result<[u8; 8]> {
    let (mut file, mut crc, mut buffer) = (File::open(log)?, flate2::Crc::new(), vec![0; 1 << 17]);
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            count => crc.update(&buffer[..count]),
        }
    }
    let mut end = [0; 8];
    end[..4].copy_from_slice(&crc.sum().to_le_bytes());
    end[4..].copy_from_slice(&crc.amount().to_le_bytes());
    Ok(end)
}

fn verify(packed: &Path, trailer: &[u8; 8], succeeded: bool) -> Result<()> {
    let mut end = [0; 8];
    let mut file = File::open(packed)?;
    file.seek(SeekFrom::End(-8))?;
    file.read_exact(&mut end)?;
    file.rewind()?;
    let whole = Command::new("gzip").arg("-t").stdin(file).status()?.success();
    if succeeded && whole && end == *trailer { Ok(()) } else { Err(Error::other("it did not pack the log")) }
}

fn report(kind: &logs::Kind, runners: &[Runner], bytes: u64) -> Result<(usize, usize)> {
    let mut out = stdout();
    writeln!(out, "{} ({}), {} MB", kind.name, kind.log_type, bytes / 1_000_000)?;
    let (mut met, mut all) = (0, 0);
    for runner in runners {
        let (speed, ratio) = (runner.speed(bytes), runner.ratio(bytes));
        write!(out, "{:>17} -{:<2} {speed:7.0} MB/s {ratio:7.3}", runner.name, runner.level)?;
        if runner.ours() {
            writeln!(out)?;
            continue;
        }
        all += 1;
        let better = runners.iter().filter(|other| other.ours() && other.ratio(bytes) >= ratio);
        match better.min_by_key(|other| other.best) {
            Some(other) => {
                let times = other.speed(bytes) / speed;
                met += usize::from(times >= 1.0);
                let verdict = if times >= 1.0 { "" } else { "  MISSED" };
                writeln!(
                    out,
                    "   logweir -{} {:7.3}, {times:.2} times as fast{verdict}",
                    other.level,
                    other.ratio(bytes)
                )?;
            }
            None => writeln!(out, "   no level of logweir reaches this ratio  MISSED")?,
        }
    }
    Ok((met, all))
}
