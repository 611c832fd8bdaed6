//! `logweir records --parquet`: an independent reader finds the types and the totals that `discover` counts.

use crate::support::{Sandbox, pypi};
use serde_json::Value;
use std::process::{Command, Stdio};

/// Typed columns, and the totals of the transactions.
const QUERY: &str = r#"
import duckdb, json, sys
r = duckdb.sql(f"""
  select count(*), sum(coalesce(bytes_total, coalesce(bytes_up, 0) + coalesce(bytes_down, 0)))::bigint,
         count(*) filter (action = 'blocked'), count(distinct "user"), count(distinct src_ip),
         epoch_us(min(time)), epoch_us(max(time)), count(url), count(dst_port)
  from '{sys.argv[1]}'""").fetchall()[0]
types = duckdb.sql(f"describe select * from '{sys.argv[1]}'").fetchall()
print(json.dumps({"row": r, "types": {t[0]: t[1] for t in types}}))
"#;

fn query(python: &std::path::Path, file: &std::path::Path) -> Value {
    let output =
        Command::new(python).args(["-c", QUERY]).arg(file).stdin(Stdio::null()).output().expect("python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

const SQUID: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/samples/logs/squid/SQUID_NATIVE.log");
const W3C: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/samples/logs/generic/GENERIC_W3C.log");

#[test]
fn duckdb_reads_the_same_totals_that_discover_counts() {
    let Some(python) = pypi("duckdb") else { return };
    let sandbox = Sandbox::new();
    for (log, log_type) in [(SQUID, "SQUID_NATIVE"), (W3C, "GENERIC_W3C")] {
        let told = sandbox.run(&["records", log, "--log-type", log_type, "--parquet", "r.parquet"], 0);
        assert!(told.stdout.is_empty() && told.stderr.contains("r.parquet"), "{}", told.stderr);
        let found = query(&python, &sandbox.path("r.parquet"));
        let ran = sandbox.run(&["discover", log, "--log-type", log_type, "--format", "json"], 0);
        let report: Value = serde_json::from_str(&ran.stdout).expect("one JSON document");
        let totals =
            ["transactions", "bytes", "blocked", "users", "addresses"].map(|key| report["totals"][key].clone());
        assert_eq!(found["row"].as_array().expect("a row")[..5], totals, "{log_type}");
        let seconds = |at: usize| found["row"][at].as_i64().expect("a time").div_euclid(1_000_000);
        let told = |key: &str| report[key].as_str().and_then(|time| time.parse().ok()).map(jiff::Timestamp::as_second);
        assert_eq!((Some(seconds(5)), Some(seconds(6))), (told("first_seen"), told("last_seen")), "{log_type}");
        let types = &found["types"];
        let expected = [
            ("time", "TIMESTAMP WITH TIME ZONE"),
            ("user", "VARCHAR"),
            ("dst_port", "INTEGER"),
            ("bytes_down", "BIGINT"),
        ];
        for (column, name) in expected {
            assert_eq!(types[column], name, "{column}");
        }
    }
}

#[test]
fn a_file_that_cannot_be_made_or_read_leaves_nothing_half_done() {
    let sandbox = Sandbox::new();
    let ran = sandbox.run(&["records", SQUID, "--log-type", "SQUID_NATIVE", "--parquet", "no/such/dir/r.parquet"], 1);
    assert!(ran.stderr.contains("r.parquet"), "{}", ran.stderr);
    sandbox.run(&["records", "absent.log", "--log-type", "SQUID_NATIVE", "--parquet", "r.parquet"], 1);
    // What could be read is there, and the exit code tells that something is missing.
    sandbox.run(&["records", SQUID, "absent.log", "--log-type", "SQUID_NATIVE", "--parquet", "p.parquet"], 3);
    let left: Vec<_> =
        std::fs::read_dir(sandbox.path(".")).expect("a directory").flatten().map(|e| e.file_name()).collect();
    assert_eq!(left, ["p.parquet"]);
}
