//! Commands that need no service: help, configuration, init, generated pages, usage errors.

use crate::support::Sandbox;

#[test]
fn a_wrong_flag_is_a_usage_error_that_names_it() {
    let ran = Sandbox::new().run(&["upload", "--no-such-flag"], 2);
    assert!(ran.stderr.contains("--no-such-flag"), "{}", ran.stderr);
    assert!(ran.stdout.is_empty());
}

#[test]
fn help_and_version_work_without_any_configuration() {
    let sandbox = Sandbox::new();
    for command in ["demo", "init", "upload", "watch", "status", "report", "block", "config", "doctor", "serve"] {
        assert!(sandbox.run(&[command, "--help"], 0).stdout.contains("Usage:"), "{command}");
    }
    assert!(sandbox.run(&["--version"], 0).stdout.starts_with("logweir "));
}

#[test]
fn init_writes_a_configuration_that_config_check_accepts_and_never_overwrites() {
    let sandbox = Sandbox::new();
    let ran = sandbox.run(&["init", "--log-type", "SQUID_NATIVE"], 0);
    assert!(ran.stdout.contains("Discovery.manage"), "{}", ran.stdout);
    sandbox.run(&["config", "check", "--config", "logweir.toml"], 0);
    let again = sandbox.run(&["init"], 1);
    assert!(again.stderr.contains("never overwritten"), "{}", again.stderr);
}

#[test]
fn config_show_names_the_origin_of_each_value() {
    let sandbox = Sandbox::new();
    sandbox.run(&["init"], 0);
    let ran = sandbox.run(&["config", "show", "--config", "logweir.toml", "--format", "json"], 0);
    let document: serde_json::Value = serde_json::from_str(&ran.stdout).expect("one JSON document");
    let origin = |key: &str| {
        let rows = document["settings"].as_array().expect("rows");
        rows.iter().find(|row| row["key"] == key).map(|row| row["origin"].clone())
    };
    assert_eq!(origin("state_dir"), Some("LOGWEIR_STATE_DIR".into()));
    assert_eq!(origin("service.url"), Some("file".into()));
    assert_eq!(origin("upload.scan_every"), Some("default".into()));
}

#[test]
fn an_unreadable_configuration_says_which_file_and_what_to_do() {
    let ran = Sandbox::new().run(&["config", "show", "--config", "nowhere.toml"], 2);
    assert!(ran.stderr.contains("nowhere.toml") && ran.stderr.contains("logweir init"), "{}", ran.stderr);
}

#[test]
fn completions_and_manual_page_are_generated() {
    let sandbox = Sandbox::new();
    assert!(sandbox.run(&["completions", "bash"], 0).stdout.contains("_logweir"));
    assert!(sandbox.run(&["man"], 0).stdout.contains(".TH logweir"));
}
