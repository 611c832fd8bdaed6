//! `logweir discover` on a Squid log beside what people count such logs with, in one run on one machine.
//!
//! `cargo bench --bench discover [-- MiB [MiB of the memory run]]` (1024 and 0 unless said). The tools that are there take
//! part: goaccess, mawk, and polars of the Python named by `LOGWEIR_PYTHON` or of the environment that tests/run.sh makes.
//! mawk and polars make the sums that ours makes (per host, per user, distinct users per host); goaccess makes its whole
//! report. The totals of ours and of mawk are compared before anything is said.

#[path = "logs.rs"]
#[allow(dead_code, reason = "each bench uses a part of it")]
mod logs;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const AWK: &str = r#"NF >= 10 {
  host = $7; sub(/^[a-z]+:\/\//, "", host); sub(/[:\/].*/, "", host)
  n++; bytes += $5; hosts[host]++; hostbytes[host] += $5; users[$8]++; userbytes[$8] += $5
  if (!(($8, host) in seen)) { seen[$8, host]; usersof[host]++ }
} END { for (h in hosts) nh++; for (u in users) nu++; if ("-" in users) nu--; printf "%d %.0f %d %d\n", n, bytes, nu, nh }"#;

const POLARS: &str = r#"
import sys, polars as pl
rows = pl.scan_csv(sys.argv[1], has_header=False, separator="\x01", quote_char=None, new_columns=["line"])
part = rows.select(pl.col("line").str.extract_groups(
    r"^\S+ +\d+ (\S+) \S+ (\d+) \S+ (?:[a-z]+://)?([^:/ ]+)\S* (\S+)").alias("f")).unnest("f")
part = part.rename({"1": "src", "2": "bytes", "3": "host", "4": "user"}).with_columns(pl.col("bytes").cast(pl.Int64))
hosts = part.group_by("host").agg(pl.len(), pl.col("bytes").sum(), pl.col("user").n_unique().alias("users"))
users = part.group_by("user").agg(pl.len(), pl.col("bytes").sum())
h, u = pl.collect_all([hosts, users], engine="streaming")
print(h["len"].sum(), h["bytes"].sum(), len(u) - 1, len(h))
"#;

/// A finished run.
struct Ran {
    took: Duration,
    /// The most it had resident.
    resident: u64,
    out: String,
}

fn main() -> std::io::Result<()> {
    let sizes: Vec<u64> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    let (size, wide) = (sizes.first().copied().unwrap_or(1024), sizes.get(1).copied().unwrap_or(0));
    let dir = tempfile::tempdir()?;
    let mut out = std::io::stdout();
    if size > 0 {
        beside(dir.path(), size << 20, &mut out)?;
    }
    if wide > 0 {
        memory(dir.path(), wide << 20, &mut out)?;
    }
    Ok(())
}

fn written(dir: &Path, kind: &logs::Kind, bytes: u64) -> std::io::Result<PathBuf> {
    let path = dir.join(format!("{}.log", kind.name));
    kind.write(bytes, std::fs::File::create(&path)?)?;
    // Once over it, so that every tool finds it in memory.
    std::io::copy(&mut std::fs::File::open(&path)?, &mut std::io::sink())?;
    Ok(path)
}

fn ours(log: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_logweir"));
    command.args(["discover", "--log-type", "SQUID_NATIVE", "--format", "json", "--top", "10"]).arg(log);
    command
}

fn beside(dir: &Path, bytes: u64, out: &mut impl Write) -> std::io::Result<()> {
    let log = written(dir, &logs::KINDS[0], bytes)?;
    let length = std::fs::metadata(&log)?.len();
    writeln!(out, "{:.2} GB of Squid native log", length as f64 / 1e9)?;
    let mut rows: Vec<(&str, Ran)> = Vec::new();
    rows.push(("logweir discover", best(5, || ours(&log))?));
    if let Some(mut command) = tool("mawk") {
        command.arg(AWK).arg(&log);
        rows.push(("mawk", run(command)?));
    }
    if let Some(python) = python() {
        let mut command = Command::new(python);
        command.args(["-c", POLARS]).arg(&log);
        rows.push(("polars", run(command)?));
    }
    if let Some(mut command) = tool("goaccess") {
        command.args(["--log-format=%x.%^ %~%L %h %^/%s %b %m %U %e %^", "--date-format=%s", "--time-format=%s"]);
        command.arg("--no-global-config").arg("-o").arg(dir.join("goaccess.json")).arg(&log);
        rows.push(("goaccess", run(command)?));
    }
    // Once more at the end: the machine may have changed meanwhile.
    let again = best(3, || ours(&log))?;
    let (_, first) = &rows[0];
    let own = first.took.min(again.took);
    for (name, ran) in &rows {
        let took = if *name == rows[0].0 { own } else { ran.took };
        writeln!(
            out,
            "{name:>18}: {:7.2} s  {:7.1} MB/s  {:5.0} MiB  1/{:.1}",
            took.as_secs_f64(),
            length as f64 / took.as_secs_f64() / 1e6,
            ran.resident as f64 / 1_048_576.0,
            took.as_secs_f64() / own.as_secs_f64()
        )?;
    }
    let theirs = rows.iter().find(|(name, _)| *name == "mawk").map(|(_, ran)| numbers(&ran.out));
    if let Some(theirs) = theirs {
        assert_eq!(totals(&first.out), theirs, "ours and mawk's totals");
    }
    Ok(())
}

/// A large site: what the program has resident on a log of many users and hosts.
fn memory(dir: &Path, bytes: u64, out: &mut impl Write) -> std::io::Result<()> {
    let log = written(dir, &logs::WIDE, bytes)?;
    let ran = run(ours(&log))?;
    writeln!(
        out,
        "{:.2} GB with 100,000 users and 1,000,000 hosts: {:.2} s, {:.1} MB/s, {:.0} MiB resident; totals {:?}",
        bytes as f64 / 1e9,
        ran.took.as_secs_f64(),
        bytes as f64 / ran.took.as_secs_f64() / 1e6,
        ran.resident as f64 / 1_048_576.0,
        totals(&ran.out)
    )
}

/// Transactions, bytes, users and hosts of a report.
fn totals(report: &str) -> Vec<u64> {
    let report: serde_json::Value = serde_json::from_str(report).expect("a report");
    let figure = |name| report["totals"][name].as_u64().expect("a figure");
    ["transactions", "bytes", "users", "hosts"].map(figure).to_vec()
}

fn numbers(text: &str) -> Vec<u64> {
    text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

fn tool(name: &str) -> Option<Command> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).any(|dir| dir.join(name).is_file()).then(|| Command::new(name))
}

fn python() -> Option<PathBuf> {
    let cache = || {
        let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        base.or_else(|| Some(std::env::home_dir()?.join(".cache")))
            .map(|dir| dir.join("logweir-tests/python/bin/python"))
    };
    let python = std::env::var_os("LOGWEIR_PYTHON").map(PathBuf::from).or_else(cache)?;
    let has = Command::new(&python).args(["-c", "import polars"]).stderr(Stdio::null()).status();
    has.is_ok_and(|status| status.success()).then_some(python)
}

fn best(times: usize, command: impl Fn() -> Command) -> std::io::Result<Ran> {
    let mut best: Option<Ran> = None;
    for _ in 0..times {
        let ran = run(command())?;
        if best.as_ref().is_none_or(|best| ran.took < best.took) {
            best = Some(ran);
        }
    }
    best.ok_or_else(|| std::io::Error::other("nothing ran"))
}

fn run(mut command: Command) -> std::io::Result<Ran> {
    let start = Instant::now();
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).stdin(Stdio::null()).spawn()?;
    let mut stdout = child.stdout.take().ok_or_else(|| std::io::Error::other("no pipe"))?;
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        std::io::Read::read_to_string(&mut stdout, &mut text).map(|_| text)
    });
    let mut resident = 0;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        let text = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0);
        resident = resident.max(kib << 10);
        std::thread::sleep(Duration::from_millis(5));
    };
    let took = start.elapsed();
    let text = reader.join().map_err(|_| std::io::Error::other("the reader broke"))??;
    if !status.success() {
        return Err(std::io::Error::other(format!("{command:?} ended with {status}")));
    }
    Ok(Ran { took, resident, out: text })
}
