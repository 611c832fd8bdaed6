//! `service.url = "embedded"`: a site without a service elsewhere does everything on its own host.

use crate::support::site::log;
use crate::support::{Process, Sandbox, wait_for};
use std::time::Duration;

const CONFIG: &str = "[service]\nurl = \"embedded\"\n[upload]\nscan_every = \"200ms\"\nconfirm_for = \"20s\"\n\
                      uncertain_for = \"5s\"\n[[feed]]\nname = \"hq\"\npaths = [\"logs/*.log\"]\nlog_type = \"SQUID_NATIVE\"\n\
                      data_source = \"HQ\"\nsettle = \"0s\"\n";

fn offline() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("logweir.toml", CONFIG);
    std::fs::create_dir(sandbox.path("logs")).expect("a directory");
    sandbox
}

fn run(sandbox: &Sandbox, arguments: &[&str], code: i32) -> String {
    sandbox.run(&[&["--config", "logweir.toml"], arguments].concat(), code).stdout
}

/// Logs that the service has processed for HQ.
fn processed(sandbox: &Sandbox) -> u64 {
    let text = run(sandbox, &["report", "streams", "--format", "json"], 0);
    let document: serde_json::Value = serde_json::from_str(&text).expect("one document");
    let hq = document["streams"].as_array().expect("rows").iter().find(|row| row["data_source"] == "HQ").cloned();
    hq.map_or(0, |hq| hq["log_files"].as_u64().expect("a count"))
}

#[test]
fn the_whole_job_runs_without_any_service_or_secret() {
    let sandbox = offline();
    sandbox.write("logs/a.log", &log(1, 30));
    assert!(run(&sandbox, &["doctor"], 0).contains("HQ: made by the first upload"));
    run(&sandbox, &["upload"], 0);
    assert_eq!(processed(&sandbox), 1);
    assert!(run(&sandbox, &["report", "categories", "--data-source", "HQ"], 0).contains("CLOUD_STORAGE"));
    assert!(run(&sandbox, &["report", "apps", "--stream", "HQ"], 0).contains("Dropbox"));
    assert!(run(&sandbox, &["block", "fetch", "--appliance", "zscaler"], 0).starts_with('.'));
    assert!(run(&sandbox, &["status"], 0).contains("the counters of the service of tenant default"));
    assert!(run(&sandbox, &["doctor"], 0).contains("HQ exists"));
    // One variable is enough of a configuration.
    let other = Sandbox::new();
    other.write("one.log", &log(2, 5));
    let arguments = ["upload", "one.log", "--log-type", "SQUID_NATIVE", "--data-source", "Branch"];
    let output = other.command(&arguments).env("LOGWEIR_URL", "embedded").output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn several_processes_share_one_service_and_take_over_from_one_that_was_killed() {
    let sandbox = offline();
    let watch = || sandbox.start(&["--config", "logweir.toml", "--quiet", "watch"]);
    let mut watchers: Vec<Process> = vec![watch(), watch()];
    for number in 0..5 {
        let beside = sandbox.write(&format!("logs/{number}.part"), &log(number, 5));
        std::fs::rename(beside, sandbox.path(&format!("logs/{number}.log"))).expect("a rename");
        wait_for("shipping", || processed(&sandbox) == u64::from(number) + 1);
        // Whoever serves goes away as by a power cut; another one serves at once. The last one is alone in the end.
        if number < 4 {
            watchers.remove(0).cut();
        }
        if number < 3 {
            watchers.push(watch());
        }
    }
    for watcher in &mut watchers {
        watcher.signal("-TERM");
        assert!(watcher.ends_within(Duration::from_secs(10)).success());
    }
    assert_eq!(processed(&sandbox), 5);
}
