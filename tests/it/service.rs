//! The real binary against the embedded service over real HTTP.

use crate::support::have;
use crate::support::site::{Site, log, serve};
use std::process::Command;
use std::time::Duration;

#[test]
fn a_log_is_shipped_confirmed_and_never_sent_again_under_another_name() {
    let site = Site::new();
    site.sandbox.write("logs/a.log", &log(1, 50));
    let first = site.run(&["upload"], 0);
    assert!(first.stderr.contains("confirmed"), "{}", first.stderr);
    std::fs::rename(site.sandbox.path("logs/a.log"), site.sandbox.path("logs/a.log.1")).expect("a rename");
    std::fs::copy(site.sandbox.path("logs/a.log.1"), site.sandbox.path("logs/copy.log")).expect("a copy");
    let again = site.run(&["upload"], 0);
    assert!(again.stderr.contains("nothing new"), "{}", again.stderr);
    assert_eq!(site.imported(), 50);
    let status: serde_json::Value =
        serde_json::from_str(&site.run(&["status", "--format", "json"], 0).stdout).expect("one document");
    assert_eq!(status["shipments"].as_array().map(Vec::len), Some(1));
    assert_eq!(status["stages"][0]["stage"], "confirmed");
}

#[test]
fn a_quiet_run_prints_nothing_when_all_is_well() {
    let site = Site::new();
    site.sandbox.write("logs/a.log", &log(1, 3));
    for _ in 0..2 {
        let ran = site.run(&["upload", "--quiet"], 0);
        assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""));
    }
}

#[test]
fn a_dry_run_ships_nothing() {
    let site = Site::new();
    site.sandbox.write("logs/a.log", &log(1, 3));
    assert!(site.run(&["upload", "--dry-run"], 0).stdout.contains("a.log"));
    assert_eq!(site.state()["accepted"].as_array().map(Vec::len), Some(0));
}

#[test]
fn named_files_go_to_a_data_source_or_a_snapshot() {
    let site = Site::new();
    let file = site.sandbox.write("one [1].log", &log(7, 4));
    let file = file.to_str().expect("UTF-8");
    let to = |flag: &'static str, name: &'static str| {
        ["upload", file, "--log-type", "SQUID_NATIVE", flag, name].map(str::to_owned)
    };
    for arguments in [to("--data-source", "Branch"), to("--snapshot", "August")] {
        site.run(&arguments.each_ref().map(String::as_str), 0);
    }
    assert_eq!(site.imported(), 8);
    let ran = site.run(&["upload", file, "--data-source", "Branch"], 2);
    assert!(ran.stderr.contains("--log-type"), "{}", ran.stderr);
}

#[test]
fn a_wrong_secret_is_a_credentials_error_that_says_what_to_do() {
    let site = Site::new();
    site.sandbox.write("logs/a.log", &log(1, 3));
    site.sandbox.write("logweir-service/test.secret", "wrong-secret-value");
    let ran = site.run(&["upload"], 4);
    assert!(ran.stderr.contains("client secret is wrong"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("wrong-secret-value"));
}

#[test]
fn an_unknown_data_source_names_the_nearest() {
    let site = Site::new();
    site.sandbox.write("logs/a.log", &log(1, 3));
    let auth = site.auth();
    site.configure(&auth, "Brunch");
    let ran = site.run(&["upload"], 1);
    assert!(ran.stderr.contains("did you mean \"Branch\"?"), "{}", ran.stderr);
    site.configure(&auth, "HQ");
    assert_eq!(site.imported(), 0);
}

#[test]
fn an_unreadable_file_is_left_out_and_the_rest_is_shipped() {
    let site = Site::new();
    site.sandbox.write("logs/a.log", &log(1, 3));
    site.sandbox.write("logs/b.log", "\u{28}\u{b5}not used");
    std::fs::write(site.sandbox.path("logs/b.log"), b"\x28\xb5\x2f\xfdzstd").expect("a file");
    let ran = site.run(&["upload"], 3);
    assert!(ran.stderr.contains("zstd") && ran.stderr.contains("hint:"), "{}", ran.stderr);
    assert_eq!(site.imported(), 3);
}

#[test]
fn a_log_the_parser_refuses_is_reported_as_rejected() {
    let site = Site::new();
    site.sandbox.write("logs/a.log", "this is no squid log\n");
    let ran = site.run(&["upload"], 3);
    assert!(ran.stderr.contains("parser refused"), "{}", ran.stderr);
    assert!(site.run(&["status"], 0).stdout.contains("rejected"));
}

#[test]
fn a_service_that_is_down_costs_no_log() {
    let mut site = Site::new();
    site.service.kill().expect("the service runs");
    site.service.wait().expect("it ends");
    site.sandbox.write("logs/a.log", &log(1, 5));
    let mut down = site.sandbox.start(&["--config", "logweir.toml", "upload"]);
    std::thread::sleep(Duration::from_millis(700));
    site.service = serve(&site.sandbox, &site.addr, &[]).0;
    down.wait().expect("it ends");
    site.run(&["upload"], 0);
    assert_eq!(site.imported(), 5);
}

#[test]
fn reports_block_scripts_and_doctor_work_against_the_service() {
    let site = Site::new();
    site.sandbox.write("logs/a.log", &log(1, 3));
    site.run(&["upload"], 0);
    let streams: serde_json::Value =
        serde_json::from_str(&site.run(&["report", "streams", "--format", "json"], 0).stdout).expect("one document");
    let hq = streams["streams"].as_array().expect("rows").iter().find(|row| row["data_source"] == "HQ").expect("HQ");
    assert_eq!((&hq["log_files"], &hq["failed_files"]), (&1.into(), &0.into()));
    let categories = site.run(&["report", "categories", "--data-source", "HQ", "--format", "csv"], 0).stdout;
    assert_eq!(categories, "category,apps\nSAASDB_CATEGORY_CLOUD_STORAGE,1\n");
    for (appliance, line) in [
        ("zscaler", ".mega.nz\n"),
        ("bluecoat", "url.domain=mega.nz deny\n"),
        ("websense", "dest_host=mega.nz action=deny\n"),
    ] {
        assert!(site.run(&["block", "fetch", "--appliance", appliance], 0).stdout.contains(line), "{appliance}");
    }
    let ran = site.run(&["block", "fetch", "--appliance", "zcaler"], 2);
    assert!(ran.stderr.contains("did you mean zscaler?"), "{}", ran.stderr);
    assert!(site.run(&["doctor"], 0).stdout.contains("discovery.manage"));
}

#[test]
fn no_secret_and_no_signature_reaches_output_log_ledger_or_spool() {
    let site = Site::new();
    let secret = std::fs::read_to_string(site.sandbox.path("logweir-service/test.secret")).expect("the secret");
    site.sandbox.write("logs/a.log", &log(1, 3));
    let mut said = String::new();
    for arguments in
        [&["upload", "-vvv"][..], &["status"], &["doctor", "-vvv"], &["config", "show"], &["report", "streams", "-vvv"]]
    {
        let ran = site.run(arguments, 0);
        said.push_str(&ran.stdout);
        said.push_str(&ran.stderr);
    }
    for entry in
        walkdir::WalkDir::new(site.sandbox.path("state")).into_iter().flatten().filter(|e| e.file_type().is_file())
    {
        said.push_str(&String::from_utf8_lossy(&std::fs::read(entry.path()).expect("a file")));
    }
    for hidden in [secret.trim(), "sig=", "Bearer ey"] {
        assert!(!said.contains(hidden), "{hidden} was shown");
    }
}

#[test]
fn the_documented_curl_sequence_works() {
    if !have("curl") {
        return;
    }
    let site = Site::new();
    let curl = |arguments: &[&str]| {
        let output =
            Command::new("curl").args(["-sS", "--fail-with-body"]).args(arguments).output().expect("curl starts");
        assert!(
            output.status.success(),
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap_or_default()
    };
    let auth: toml::Table = site.auth().parse().expect("TOML");
    let text = |key: &str| auth[key].as_str().expect("text").to_owned();
    let secret = std::fs::read_to_string(text("client_secret_file")).expect("the secret");
    let base = format!("http://{}", site.addr);
    let form = format!(
        "grant_type=client_credentials&scope=05a65629-4c1b-48c1-a78b-804c4abdd4af/.default&client_id={}&client_secret={}",
        text("client_id"),
        secret.trim()
    );
    let token = curl(&["-d", &form, &format!("{base}/{}/oauth2/v2.0/token", text("tenant_id"))]);
    let bearer = format!("Authorization: Bearer {}", token["access_token"].as_str().expect("a token"));
    let grant =
        curl(&["-H", &bearer, &format!("{base}/api/v1/discovery/upload_url/?filename=a.log&source=SQUID_NATIVE")]);
    assert_eq!(grant["provider"], "azure");
    let url = grant["url"].as_str().expect("an address");
    let file = site.sandbox.write("a.log", &log(1, 9));
    curl(&["-H", "x-ms-blob-type: BlockBlob", "-T", file.to_str().expect("UTF-8"), url]);
    let done = serde_json::json!({ "uploadUrl": url, "inputStreamName": "HQ" }).to_string();
    let json = "Content-Type: application/json";
    let receipt = curl(&["-H", &bearer, "-H", json, "-d", &done, &format!("{base}/api/v1/discovery/done_upload/")]);
    assert_eq!(receipt["success"], true);
    assert_eq!(site.imported(), 9);
}
