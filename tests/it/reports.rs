//! The embedded service's reports: counted as `discover` counts, shown as a page on this host only, decided by tags.

use crate::support::http::call;
use crate::support::site::{Site, log};
use serde_json::Value;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

/// The page at a path, asked for under a name.
fn page(site: &Site, path: &str, host: &str) -> (u16, String, String) {
    let mut stream = std::net::TcpStream::connect(&site.addr).expect("the service listens");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").expect("a request");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer in UTF-8");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    (status, head.to_lowercase(), body.to_owned())
}

/// The rows of the table of apps.
fn apps(page: &str) -> &str {
    let from = page.find("id=\"apps-t\"").expect("the table of apps");
    &page[from..from + page[from..].find("</table>").expect("its end")]
}

#[track_caller]
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + crate::support::PATIENCE;
    while !holds() {
        assert!(Instant::now() < until, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A log to several apps, of users with more than one address.
fn mixed() -> String {
    let hosts = ["www.dropbox.com", "github.com", "chatgpt.com", "cdn.unknown-site.example"];
    let lines: Vec<String> = log(1, 60).lines().map(str::to_owned).collect();
    let line = |(at, line): (usize, &String)| {
        let user = ["ann", "bob", "-"][at % 3];
        line.replace("www.dropbox.com", hosts[at % 4]).replace(" ann ", &format!(" {user} ")) + "\n"
    };
    lines.iter().enumerate().map(line).collect()
}

#[test]
fn the_page_of_the_service_shows_what_discover_shows_and_follows_the_uploads() {
    let mut site = Site::new();
    let (status, head, empty) = page(&site, "/", &site.addr.clone());
    assert_eq!((status, empty.contains("No app of the catalogue was seen")), (200, true), "{head}");
    assert!(head.contains("content-security-policy: default-src 'none'") && head.contains("no-store"), "{head}");
    let file = site.sandbox.write("logs/a.log", &mixed());
    site.run(&["upload"], 0);
    site.imported();
    site.run(&["discover", "logs/a.log", "--log-type", "SQUID_NATIVE", "--html", "own.html"], 0);
    let own = std::fs::read_to_string(site.sandbox.path("own.html")).expect("the page");
    // What the verdict bans is tagged in the service's page; nothing else differs.
    let plain = |text: &str| apps(text).replace(" <span class=\"chip unsanctioned\">unsanctioned</span>", "");
    let (_, _, served) = page(&site, "/", "localhost");
    assert_eq!(plain(&served), plain(&own));
    assert!(served.contains("github.com") && served.contains("embedded service"));

    // The second data source counts into the page over all, not into the first one's.
    let branch = ["upload", "b.log", "--log-type", "SQUID_NATIVE", "--data-source", "Branch"];
    site.sandbox.write("b.log", &log(2, 3).replace("www.dropbox.com", "mega.nz"));
    site.run(&branch, 0);
    site.imported();
    let id = |name: &str| {
        let streams = site.state()["streams"].as_array().expect("streams").clone();
        let found = streams.iter().find(|stream| stream["name"] == name).expect("the stream").clone();
        format!("/reports/{}", found["id"].as_str().expect("an id"))
    };
    let (of_hq, of_branch) = (id("HQ"), id("Branch"));
    let has = |site: &Site, path: &str, name: &str| apps(&page(site, path, "127.0.0.1").2).contains(name);
    assert!(has(&site, "/", "MEGA") && has(&site, "/", "GitHub"));
    assert!(has(&site, &of_branch, "MEGA") && !has(&site, &of_branch, "GitHub") && !has(&site, &of_hq, "MEGA"));

    // A snapshot has a page of its own and counts into no other.
    let snapshot = ["upload", "s.log", "--log-type", "SQUID_NATIVE", "--snapshot", "August"];
    site.sandbox.write("s.log", &log(3, 3).replace("www.dropbox.com", "www.figma.com"));
    site.run(&snapshot, 0);
    site.imported();
    let august = id("August");
    assert!(has(&site, &august, "Figma") && !has(&site, "/", "Figma"));
    assert_eq!(page(&site, "/reports/none", "127.0.0.1").0, 404);

    // After a power cut the kept logs are counted again.
    std::fs::remove_file(file).expect("the log");
    site.restart();
    eventually("the reports were not counted again", || {
        plain(&page(&site, &of_hq, "127.0.0.1").2) == plain(&own) && has(&site, "/", "MEGA")
    });
    assert!(has(&site, &august, "Figma"));
}

#[test]
fn the_page_is_for_this_host_and_for_looking_only() {
    let site = Site::new();
    for (host, status) in [("evil.example", 403), ("192.0.2.1:80", 403), ("[::1]:1", 200), ("LOCALHOST", 200)] {
        assert_eq!(page(&site, "/", host).0, status, "{host}");
    }
    let answer = call("POST", &format!("http://{}/", site.addr), &[], "x").expect("an answer");
    assert_eq!(answer.status, 405);
}

#[test]
fn tags_make_the_verdict_and_a_changed_file_changes_it() {
    let sandbox = crate::support::Sandbox::new();
    sandbox.write("wrong.csv", "app,tag\nDropbox,forbidden\n");
    let ran = sandbox.run(&["serve", "--listen", "127.0.0.1:0", "--tags", "wrong.csv"], 2);
    assert!(ran.stderr.contains("line 2") && ran.stderr.contains("unsanctioned"), "{}", ran.stderr);

    let tags = tempfile::NamedTempFile::new().expect("a file");
    let write = |text: &str| std::fs::write(tags.path(), text).expect("the tags");
    write("app,tag\nDropbox,unsanctioned\nGitHub,sanctioned\n");
    let roles = ["--role", "discovery.manage", "--role", "investigation.manage"];
    let site = Site::with(&[&roles[..], &["--tags", tags.path().to_str().expect("UTF-8")]].concat());
    let verdict = |kind: &str| {
        let path = format!("/api/discovery_block_scripts/?type={kind}");
        let answer: Value = serde_json::from_str(&site.run(&["api", "GET", &path], 0).stdout).expect("JSON");
        let names = answer["data"].as_array().expect("apps").iter().map(|app| app["name"].as_str().expect("a name"));
        names.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!((verdict("banned"), verdict("allowed")), (vec!["Dropbox".to_owned()], vec!["GitHub".to_owned()]));
    site.sandbox.write("logs/a.log", &log(1, 3));
    site.run(&["upload"], 0);
    site.imported();
    assert!(apps(&page(&site, "/", "localhost").2).contains("chip unsanctioned"));

    std::thread::sleep(Duration::from_millis(20));
    write("app,tag\nDropbox,under-review\nFigma,unsanctioned\n");
    eventually("the verdict stayed", || verdict("banned") == ["Figma"]);
    assert!(apps(&page(&site, "/", "localhost").2).contains("chip under-review"));
    eventually("no activity tells of it", || {
        site.run(&["activities", "list", "--format", "json"], 0).stdout.contains("Figma was unsanctioned")
    });
    // A file that became wrong is told and changes nothing.
    write("app,tag\nNobody knows this one,unsanctioned\n");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(verdict("banned"), ["Figma"]);
}
