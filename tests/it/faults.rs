//! The service behaves as badly as it is told, and the client bears it.

use crate::support::Sandbox;
use crate::support::http::call;
use crate::support::site::{Site, log, serve};

fn site(script: &str) -> Site {
    let site = Site::new();
    site.sandbox.write("faults.toml", script);
    respawn(site)
}

/// The same site with its service started again under the script.
fn respawn(mut site: Site) -> Site {
    site.service.kill().expect("the service runs");
    site.service.wait().expect("it ends");
    site.service = serve(&site.sandbox, &site.addr, &["--faults", "faults.toml"]).0;
    site
}

#[test]
fn each_fault_is_seen_on_the_wire_as_written() {
    let site = site(
        "[[fault]]\ncall = \"streams\"\nnth = 2\nstatus = 503\nheaders = { retry-after = \"7\" }\nbody = \"later\"\n\
         [[fault]]\ncall = \"streams\"\nnth = 3\ndrop = \"before\"\n\
         [[fault]]\ncall = \"streams\"\nnth = 4\ndrop = \"after\"\n\
         [[fault]]\ncall = \"streams\"\nnth = 5\ntruncate = 10\n\
         [[fault]]\ncall = \"streams\"\nnth = 6\ndelay = \"300ms\"\nheaders = { x-mark = \"yes\" }\n",
    );
    let url = format!("http://{}/api/discovery/streams/", site.addr);
    let ask = || call("GET", &url, &[], "");
    let real = ask().expect("an answer");
    assert_eq!(real.status, 401);
    let scripted = ask().expect("an answer");
    assert_eq!(
        (scripted.status, scripted.body.as_str(), scripted.headers["retry-after"].as_str()),
        (503, "later", "7")
    );
    for way in ["before", "after"] {
        let cut = ask().expect_err(way);
        assert!(cut.contains("IncompleteMessage") || cut.contains("ConnectionReset"), "{way}: {cut}");
    }
    let truncated = ask().expect_err("a cut body");
    assert!(truncated.contains("Decode") || truncated.contains("Body"), "{truncated}");
    let started = std::time::Instant::now();
    let late = ask().expect("an answer");
    assert!(started.elapsed().as_millis() >= 300);
    assert_eq!((late.status, late.headers["x-mark"].as_str()), (401, "yes"));
    assert_eq!(ask().expect("an answer").body, real.body);
}

#[test]
fn a_log_survives_a_fault_at_every_step() {
    let every = ["token", "upload_url", "put_blob", "streams"];
    let ways = ["status = 502", "drop = \"before\"", "drop = \"after\"", "truncate = 3"];
    for way in ways {
        let script: String = every.iter().map(|call| format!("[[fault]]\ncall = \"{call}\"\n{way}\n")).collect();
        let site = site(&script);
        site.sandbox.write("logs/a.log", &log(1, 20));
        site.run(&["upload"], 0);
        assert_eq!(site.imported(), 20, "{way}");
    }
}

#[test]
fn a_lost_answer_to_the_last_step_never_ships_a_log_twice() {
    for way in ["drop = \"after\"", "status = 504\neffect = true", "status = 500", "drop = \"during\""] {
        let site = site(&format!("[[fault]]\ncall = \"done_upload\"\n{way}\n"));
        site.sandbox.write("logs/a.log", &log(1, 20));
        let mut done = false;
        for _ in 0..20 {
            let ran = site.sandbox.command(&["--config", "logweir.toml", "upload"]).output().expect("it starts");
            done = ran.status.success();
            if done {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(300));
        }
        assert!(done, "{way}: {}", site.run(&["status"], 0).stdout);
        assert_eq!(site.imported(), 20, "{way}");
    }
}

#[test]
fn a_wrong_script_is_a_usage_error_and_the_sample_is_right() {
    let sandbox = Sandbox::new();
    sandbox.write("faults.toml", "[[fault]]\ncall = \"upload\"\nstatus = 500\n");
    let ran = sandbox.run(&["serve", "--listen", "127.0.0.1:0", "--faults", "faults.toml"], 2);
    assert!(ran.stderr.contains("fault 1: call \"upload\" is none of"), "{}", ran.stderr);
    let ran = sandbox.run(&["serve", "--faults", "nowhere.toml"], 2);
    assert!(ran.stderr.contains("nowhere.toml"), "{}", ran.stderr);
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/samples/config/faults.toml");
    let text = std::fs::read_to_string(sample).expect("the sample");
    logweir::embedded::faults::Faults::parse(&text).expect("a script");
}
