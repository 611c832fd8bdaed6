//! Block lists of a million domains: read, cleaned, freed of repetition, guarded and rendered for six targets in one
//! run of the binary, beside `hostlist-compiler` (npm) making one list of the same domains.
//!
//! `cargo bench --bench block`. Wall time and the most resident memory, as the kernel counts it. Without the npm package
//! (`tests/run.sh` installs it) only our side is measured.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const TARGETS: [&str; 6] =
    ["squid_dstdomain", "haproxy_acl_files", "dnsmasq_local", "unbound_local_zone", "bind_rpz", "adblock_dns"];
const DOMAINS: usize = 1_000_000;
const PATIENCE: Duration = Duration::from_secs(600);

fn main() -> std::io::Result<()> {
    let dir = tempfile::tempdir()?;
    let list = dir.path().join("list.txt");
    write_list(&list)?;
    let mut out = std::io::stdout();
    let mut ours = Command::new(env!("CARGO_BIN_EXE_logweir"));
    ours.args(["block", "render", "--from", "list.txt", "-o", "lists", "--no-date", "-q"]);
    for target in TARGETS {
        ours.args(["--appliance", target]);
    }
    ours.current_dir(dir.path()).env("LOGWEIR_STATE_DIR", dir.path().join("state"));
    let (time, memory) = measured(&mut ours, &[0, 3]).expect("it ends");
    let written: u64 = std::fs::read_dir(dir.path().join("lists"))?
        .map(|entry| entry.and_then(|entry| entry.metadata()).map_or(0, |file| file.len()))
        .sum();
    let size = std::fs::metadata(&list)?.len();
    writeln!(out, "{DOMAINS} domains, {:.1} MB; {} targets, {:.1} MB written", mb(size), TARGETS.len(), mb(written))?;
    writeln!(out, "logweir            {:6.2} s  {memory:5} MiB", time.as_secs_f64())?;
    let Some(compiler) = compiler() else {
        writeln!(out, "hostlist-compiler  not installed: tests/run.sh installs it")?;
        return Ok(());
    };
    let plan = serde_json::json!({
        "name": "bench", "sources": [{ "source": list, "type": "hosts" }],
        "transformations": ["RemoveComments", "Compress", "Validate", "Deduplicate"],
    });
    std::fs::write(dir.path().join("compile.json"), plan.to_string())?;
    let mut theirs = Command::new(compiler);
    theirs.args(["-c", "compile.json", "-o", "compiled.txt"]).current_dir(dir.path());
    match measured(&mut theirs, &[0]) {
        Ok((time, memory)) => {
            writeln!(out, "hostlist-compiler  {:6.2} s  {memory:5} MiB (one target)", time.as_secs_f64())
        }
        Err(memory) => {
            writeln!(out, "hostlist-compiler  not done after {} s  {memory:5} MiB (one target)", PATIENCE.as_secs())
        }
    }
}

fn mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// Runs a command; its wall time, and its most resident memory in MiB; that alone when patience ends first.
fn measured(command: &mut Command, good: &[i32]) -> Result<(Duration, u64), u64> {
    let started = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("it starts");
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    let ended = loop {
        // The kernel keeps the highest figure; the last look before the end has it.
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        most = most.max(kib.unwrap_or(0));
        if let Some(ended) = child.try_wait().expect("its state") {
            break ended;
        }
        if started.elapsed() > PATIENCE {
            child.kill().expect("it runs");
            child.wait().expect("it ends");
            return Err(most / 1024);
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    assert!(ended.code().is_some_and(|code| good.contains(&code)), "{command:?}: {ended}");
    Ok((started.elapsed(), most / 1024))
}

/// Where tests/run.sh puts it.
fn compiler() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(std::env::home_dir()?.join(".cache")))?;
    Some(cache.join("logweir-tests/npm/node_modules/.bin/hostlist-compiler")).filter(|path| path.is_file())
}

/// A million lines as published lists have them: most are names of three labels, one in twenty repeats an earlier
/// name, one in ten lies below another, one in a hundred is in capitals or internationalised.
fn write_list(path: &Path) -> std::io::Result<()> {
    let mut out = std::io::BufWriter::new(std::fs::File::create(path)?);
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = move |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % below as u64).unwrap_or(0)
    };
    let tops = ["com", "net", "org", "io", "de", "fr", "co.uk", "com.br", "info", "app"];
    let words = ["track", "cdn", "ads", "metrics", "share", "files", "drop", "sync", "chat", "video", "shop", "mail"];
    for line in 0..DOMAINS {
        let number = if next(20) == 0 { next(line + 1) } else { line };
        let name = format!("{}-{}{number}.{}", words[number % 12], words[number / 7 % 12], tops[number % 10]);
        match next(100) {
            0 => writeln!(out, "{}", name.to_ascii_uppercase())?,
            1 => writeln!(out, "bücher{name}")?,
            2..=11 => writeln!(out, "{}.{name}", words[next(12)])?,
            _ => writeln!(out, "{name}")?,
        }
    }
    out.flush()
}
