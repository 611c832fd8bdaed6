//! The whole path, from a file to a service that takes everything and keeps nothing: speed, overlap of packing and
//! sending, what understanding costs, memory, many files, a large ledger.
//!
//! `cargo bench --bench ship [-- [--mib N] [--seconds N] [--dir DIR] [SECTION...]]`. Sections: `whole`, `judging`, `memory`,
//! `small`, `watch`, `status`; all of them when none is named. Everything is measured on the real program as a process of its own.

mod discard;
#[path = "logs.rs"]
#[allow(dead_code, reason = "each bench uses a part of it")]
mod logs;

use discard::Discard;
use logweir::ship::gzip::{GzipWriter, Pace};
use std::fs::File;
use std::io::{Error, Read, Result, Write, stdout};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

const LOGWEIR: &str = env!("CARGO_BIN_EXE_logweir");

/// One section of the bench.
type Section = fn(&Bench) -> Result<()>;
const SECTIONS: [(&str, Section); 6] = [
    ("whole", whole),
    ("judging", judging),
    ("memory", memory),
    ("small", small),
    ("watch", watch),
    ("status", status),
];

struct Bench {
    bytes: u64,
    idle: Duration,
    dir: PathBuf,
}

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    let dir = std::env::temp_dir().join(format!("logweir-bench-{}", std::process::id()));
    let mut bench = Bench { bytes: 1 << 30, idle: Duration::from_secs(60), dir };
    let mut wanted = Vec::new();
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| Error::other(format!("{arg} needs a value")));
        let number = |text: String| text.parse::<u64>().map_err(|_| Error::other(format!("{text} is no number")));
        match arg.as_str() {
            "--mib" => bench.bytes = number(value()?)? << 20,
            "--seconds" => bench.idle = Duration::from_secs(number(value()?)?),
            "--dir" => bench.dir = PathBuf::from(value()?).join(format!("logweir-bench-{}", std::process::id())),
            _ => wanted.push(arg),
        }
    }
    for (name, section) in SECTIONS.iter().filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|w| w == name)) {
        writeln!(stdout(), "{name}")?;
        std::fs::create_dir_all(&bench.dir)?;
        let done = section(&bench);
        std::fs::remove_dir_all(&bench.dir)?;
        done?;
    }
    Ok(())
}

/// A site: a directory for logs, one for state, and a configuration that ships the former to a service.
struct Site {
    dir: PathBuf,
    service: Arc<Discard>,
}

impl Site {
    fn new(dir: &Path, rate: Option<u64>, upload: &str) -> Result<Site> {
        let site = Site { dir: dir.to_path_buf(), service: Discard::start(rate)? };
        std::fs::create_dir_all(site.logs())?;
        let mut token = File::options().write(true).create(true).truncate(true).mode(0o600).open(dir.join("token"))?;
        token.write_all(b"0123456789abcdef")?;
        let addr = site.service.addr;
        let text = format!(
            "[service]\nurl = \"http://{addr}\"\nallow_hosts = [\"127.0.0.1\"]\n[auth]\ntoken_file = \"token\"\n[upload]\n{upload}\n\
             [[feed]]\nname = \"hq\"\npaths = [\"logs/*.log\"]\nlog_type = \"SQUID_NATIVE\"\ndata_source = \"HQ\"\nsettle = \"1s\"\n"
        );
        std::fs::write(dir.join("logweir.toml"), text)?;
        Ok(site)
    }

    fn logs(&self) -> PathBuf {
        self.dir.join("logs")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(LOGWEIR);
        command.args(["--config", "logweir.toml", "--state-dir", "state", "-q"]).args(arguments).current_dir(&self.dir);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    /// Runs a command to its end; answers how long it took and the most memory it had, in bytes.
    fn run(&self, arguments: &[&str]) -> Result<(Duration, u64)> {
        let start = Instant::now();
        let mut child = self.command(arguments).spawn()?;
        let mut most = 0;
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            most = most.max(peak(&child));
            std::thread::sleep(Duration::from_millis(2));
        };
        if status.success() {
            Ok((start.elapsed(), most))
        } else {
            Err(Error::other(format!("{arguments:?}: {status}")))
        }
    }
}

/// The most memory a process had so far.
fn peak(child: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) << 10
}

/// Clock ticks a process has used.
fn ticks(child: &Child) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum()
}

fn say(what: &str, figure: String, bar: &str) -> Result<()> {
    writeln!(stdout(), "  {what:<52} {figure:>18}   {bar}")
}

fn seconds(time: Duration) -> String {
    format!("{:.3} s", time.as_secs_f64())
}

/// A log that is old enough to have settled.
fn make(path: &Path, bytes: u64) -> Result<u64> {
    make_kind(&logs::KINDS[0], path, bytes)
}

fn make_kind(kind: &logs::Kind, path: &Path, bytes: u64) -> Result<u64> {
    let file = File::create(path)?;
    let written = kind.write(bytes, &file)?;
    file.set_modified(std::time::SystemTime::now() - Duration::from_secs(60))?;
    Ok(written)
}

/// Packing alone: read, hash, gzip, spool, sync.
fn pack(log: &Path, level: u8, out: &Path) -> Result<(Duration, u64)> {
    let start = Instant::now();
    let mut gzip = GzipWriter::new(File::create(out)?, None, Pace::Fixed(level))?;
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
    gzip.finish()?.sync_all()?;
    let took = start.elapsed();
    let packed = std::fs::metadata(out)?.len();
    std::fs::remove_file(out)?;
    Ok((took, packed))
}

/// One large log, at a level of its own and as the default has it, to a service as fast as loopback and to slower ones.
fn whole(bench: &Bench) -> Result<()> {
    let log = bench.dir.join("large");
    let bytes = make(&log, bench.bytes)?;
    for (upload, level, rate) in [
        ("level = 1", Some(1), None),
        ("level = 1", Some(1), Some(100_000_000)),
        ("level = 1", Some(1), Some(20_000_000)),
        ("level = \"auto\"", None, None),
        ("level = \"auto\"", None, Some(20_000_000)),
    ] {
        let (mut alone, mut whole, mut memory, mut packed) = (Duration::MAX, Duration::MAX, 0, 0);
        for _ in 0..3 {
            if let Some(level) = level {
                let (took, size) = pack(&log, level, &bench.dir.join("packed"))?;
                (alone, packed) = (alone.min(took), size);
            }
            let dir = bench.dir.join("site");
            let site = Site::new(&dir, rate, &format!("{upload}\nconfirm_for = \"0s\""))?;
            std::fs::hard_link(&log, site.logs().join("large.log"))?;
            let (took, most) = site.run(&["upload"])?;
            (whole, memory) = (whole.min(took), memory.max(most));
            std::fs::remove_dir_all(&dir)?;
        }
        let wire = rate.map_or("loopback".to_owned(), |rate| format!("{} MB/s", rate / 1_000_000));
        let speed = bytes as f64 / 1e6 / whole.as_secs_f64();
        say(
            &format!("{} MB, {upload}, {wire}: log shipped", bytes / 1_000_000),
            format!("{speed:.0} MB/s"),
            "555 MB/s",
        )?;
        say("  most memory", format!("{} MiB", memory >> 20), "128 MiB")?;
        if level.is_some() {
            let sending = rate.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(packed as f64 / rate as f64));
            let slower = alone.max(sending).as_secs_f64();
            say("  packing alone, sending alone", format!("{}, {}", seconds(alone), seconds(sending)), "")?;
            say("  all, over the slower of the two", format!("{:.2}", whole.as_secs_f64() / slower), "1.1")?;
        }
    }
    Ok(())
}

/// What understanding a log costs while it is shipped at the default settings: the same log once as its type, and once as
/// a type that is not read here. Size by size, as of a long log a part is judged.
fn judging(bench: &Bench) -> Result<()> {
    for kind in &logs::KINDS {
        for bytes in [16 << 20, 64 << 20, 256 << 20, 1 << 30] {
            if bytes > bench.bytes {
                continue;
            }
            let log = bench.dir.join("judged");
            let bytes = make_kind(kind, &log, bytes)?;
            let mut best = [Duration::MAX; 2];
            for _ in 0..5 {
                for (best, log_type) in best.iter_mut().zip([kind.log_type, "CUSTOM_PARSER"]) {
                    let dir = bench.dir.join("site");
                    let site = Site::new(&dir, None, "confirm_for = \"0s\"")?;
                    let config = dir.join("logweir.toml");
                    let text = std::fs::read_to_string(&config)?;
                    std::fs::write(&config, text.replace("SQUID_NATIVE", log_type))?;
                    std::fs::hard_link(&log, site.logs().join("large.log"))?;
                    *best = (*best).min(site.run(&["upload"])?.0);
                    std::fs::remove_dir_all(&dir)?;
                }
            }
            let [judged, plain] = best.map(|time| bytes as f64 / 1e6 / time.as_secs_f64());
            say(
                &format!("{} MB of {}: judged, not judged", bytes / 1_000_000, kind.log_type),
                format!("{judged:.0}, {plain:.0} MB/s"),
                "",
            )?;
            say(
                "  of the throughput, understanding takes",
                format!("{:.1} %", (1.0 - judged / plain) * 100.0),
                "15 %",
            )?;
        }
    }
    Ok(())
}

/// The most memory that logs of three sizes take.
fn memory(bench: &Bench) -> Result<()> {
    for mib in [1, 1 << 10, 8 << 10] {
        let site = Site::new(&bench.dir.join("site"), None, "confirm_for = \"0s\"")?;
        let part = site.dir.join("part");
        make(&part, (mib << 20).min(1 << 30))?;
        let mut log = File::create(site.logs().join("large.log"))?;
        for _ in 0..(mib >> 10).max(1) {
            std::io::copy(&mut File::open(&part)?, &mut log)?;
        }
        log.set_modified(std::time::SystemTime::now() - Duration::from_secs(60))?;
        drop(log);
        std::fs::remove_file(part)?;
        let (took, most) = site.run(&["upload"])?;
        say(&format!("a log of {mib} MiB, most memory"), format!("{:.1} MiB", most as f64 / 1048576.0), "128 MiB")?;
        say("  shipped in", seconds(took), "")?;
        std::fs::remove_dir_all(&site.dir)?;
    }
    Ok(())
}

/// Makes so many small logs, each of its own content.
fn many(site: &Site, from: usize, count: usize) -> Result<()> {
    let mut text = Vec::new();
    logs::KINDS[0].write(1 << 20, &mut text)?;
    let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    let old = std::time::SystemTime::now() - Duration::from_secs(60);
    for number in from..from + count {
        let mut file = File::create(site.logs().join(format!("{number}.log")))?;
        let line = |at: usize| lines[(number * 7 + at) % lines.len()];
        writeln!(
            file,
            "1795158014.000 87 192.0.2.10 TCP_TUNNEL/200 {number} CONNECT www.example.com:443 - HIER_NONE/- -"
        )?;
        for at in 0..20 {
            file.write_all(line(at))?;
        }
        file.set_modified(old)?;
    }
    Ok(())
}

/// Many small files at once: how many calls they take.
fn small(bench: &Bench) -> Result<()> {
    let site = Site::new(&bench.dir.join("site"), None, "confirm_for = \"0s\"")?;
    many(&site, 0, 5000)?;
    let (took, most) = site.run(&["upload"])?;
    say("5,000 small files: shipped in", seconds(took), "")?;
    say("  calls of the API", site.service.count().to_string(), "30 a minute")?;
    say("  shipments", site.service.of("done_upload").0.to_string(), "")?;
    say("  most memory", format!("{} MiB", most >> 20), "128 MiB")?;
    let best = (0..10).map(|_| site.run(&["upload"]).map(|(took, _)| took)).collect::<Result<Vec<_>>>()?;
    say("  again, with nothing to do", seconds(best.into_iter().min().unwrap_or_default()), "")?;
    let site = Site::new(&bench.dir.join("empty"), None, "confirm_for = \"0s\"")?;
    let best = (0..20).map(|_| site.run(&["upload"]).map(|(took, _)| took)).collect::<Result<Vec<_>>>()?;
    say("start to exit with nothing to do", seconds(best.into_iter().min().unwrap_or_default()), "0.020 s")
}

/// Ends with the bench, whatever happens.
struct Watcher(Child);

impl Drop for Watcher {
    fn drop(&mut self) {
        // One that has ended is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A directory of 10,000 files that is watched: what idling costs, and how fast a new file is through.
fn watch(bench: &Bench) -> Result<()> {
    let site = Site::new(&bench.dir.join("site"), None, "")?;
    many(&site, 0, 10_000)?;
    site.run(&["upload"])?;
    let watcher = Watcher(site.command(&["watch"]).spawn()?);
    // Its start, and the scan that begins it.
    std::thread::sleep(Duration::from_secs(5));
    let before = ticks(&watcher.0);
    std::thread::sleep(bench.idle);
    let used = ticks(&watcher.0) - before;
    say(&format!("10,000 files, idle for {} s: clock ticks", bench.idle.as_secs()), used.to_string(), "none")?;
    let mut worst = Duration::ZERO;
    for number in 0..5 {
        let before = site.service.of("done_upload").0;
        let mut file = File::create(site.logs().join(format!("new-{number}.log")))?;
        writeln!(
            file,
            "1795158014.{number:03} 87 192.0.2.10 TCP_TUNNEL/200 4711 CONNECT www.example.com:443 - HIER_NONE/- -"
        )?;
        drop(file);
        let closed = Instant::now();
        loop {
            match site.service.of("done_upload") {
                (count, Some(at)) if count > before => {
                    worst = worst.max(at.saturating_duration_since(closed));
                    break;
                }
                _ if closed.elapsed() > Duration::from_secs(60) => {
                    return Err(Error::other("a new file was not shipped"));
                }
                _ => std::thread::sleep(Duration::from_millis(5)),
            }
        }
        // The budget of a minute is not what is measured.
        std::thread::sleep(Duration::from_secs(3));
    }
    say(
        "file closed to finalised, beyond the settle time",
        seconds(worst.saturating_sub(Duration::from_secs(1))),
        "0.5 s",
    )?;
    say("  most memory", format!("{} MiB", peak(&watcher.0) >> 20), "128 MiB")
}

/// A ledger of a million shipments: what looking at it costs.
fn status(bench: &Bench) -> Result<()> {
    let site = Site::new(&bench.dir.join("site"), None, "confirm_for = \"0s\"")?;
    many(&site, 0, 1)?;
    site.run(&["upload"])?;
    let path = site.dir.join("state/ledger.db");
    let ledger = rusqlite::Connection::open(&path).map_err(Error::other)?;
    // The shipment that there is, a million times, with a file and a slice each.
    let copy = |table: &str, own: &[(&str, &str)]| -> rusqlite::Result<String> {
        let mut columns = ledger.prepare(&format!("SELECT name FROM pragma_table_info('{table}')"))?;
        let columns = columns.query_map([], |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
        let value = |column: &String| {
            own.iter().find(|(name, _)| name == column).map_or(column.clone(), |own| own.1.to_owned())
        };
        let values: Vec<String> = columns.iter().map(value).collect();
        let (columns, values) = (columns.join(", "), values.join(", "));
        Ok(format!(
            "INSERT INTO {table} ({columns}) WITH RECURSIVE n (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000) \
             SELECT {values} FROM n, (SELECT * FROM {table} LIMIT 1);"
        ))
    };
    let fill = || -> rusqlite::Result<()> {
        let tables = [
            copy("file", &[("id", "i"), ("inode", "1000000000 + i"), ("head", "randomblob(16)")])?,
            copy("shipment", &[("id", "i"), ("updated", "updated + i / 60")])?,
            copy("slice", &[("shipment", "i"), ("file", "i"), ("digest", "randomblob(32)")])?,
        ];
        ledger.execute_batch(&format!("PRAGMA synchronous = OFF; BEGIN; {} COMMIT;", tables.concat()))
    };
    fill().map_err(Error::other)?;
    drop(ledger);
    let size = std::fs::metadata(&path)?.len();
    let mut best = Duration::MAX;
    for _ in 0..20 {
        best = best.min(site.run(&["status"])?.0);
    }
    say(&format!("status of 1,000,000 shipments ({} MB of ledger)", size / 1_000_000), seconds(best), "0.050 s")?;
    let mut best = Duration::MAX;
    for _ in 0..20 {
        best = best.min(site.run(&["upload"])?.0);
    }
    say("upload with nothing to do, the same ledger", seconds(best), "0.020 s")
}
