//! The client over real HTTP and TLS: sign-in, proxies, private CA, refusals in every shape, waiting.

use crate::support::front::Front;
use crate::support::site::{Site, log, serve};
use crate::support::wire::Wire;
use crate::support::{Certificate, Process, have, wait_for};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};

const PORTAL: &str = "contoso.us2.portal.cloudappsecurity.com";

/// Rewrites the site's configuration: another `[service]` and `[network]`, the same feeds.
fn reconfigure(site: &Site, service: &str, auth: &str, network: &str) {
    let text = std::fs::read_to_string(site.sandbox.path("logweir.toml")).expect("the configuration");
    let rest = text.split("[upload]").nth(1).expect("the feeds");
    let text = format!("[service]\n{service}\n[auth]\n{auth}\n[network]\n{network}\n[upload]{rest}");
    site.sandbox.write("logweir.toml", &text);
}

fn respawn(site: &mut Site, script: &str) {
    site.sandbox.write("faults.toml", script);
    site.service.kill().expect("the service runs");
    site.service.wait().expect("it ends");
    site.service = serve(&site.sandbox, &site.addr, &["--faults", "faults.toml"]).0;
}

#[test]
fn the_main_job_runs_under_the_real_names_through_a_proxy_with_a_certificate_and_a_private_ca() {
    if !have("openssl") {
        return;
    }
    let certificate = Certificate::self_signed("app");
    let pem = certificate.pem.to_str().expect("UTF-8");
    let site = Site::with(&["--certificate", pem, "--storage-url", "https://acct.blob.core.windows.net"]);
    let front = Front::before(&site.addr, Some("proxy-authorization: Basic bWU6c2VjcmV0LXdvcmQ="));
    let ids =
        format!("tenant_id = \"{}\"\nclient_id = \"{}\"", site.auth_value("tenant_id"), site.auth_value("client_id"));
    let by_certificate = format!("{ids}\ncertificate_file = \"{pem}\"");
    let ca = format!("ca_file = \"{}\"", front.ca.display());
    let proxy = |login: &str| format!("proxy = \"http://{login}{}\"\n{ca}", front.proxy);
    site.sandbox.write("logs/a.log", &log(1, 12));
    // As people paste it: with a slash and with /api.
    for url in [PORTAL.to_owned(), format!("https://{PORTAL}/"), format!("{PORTAL}/api")] {
        reconfigure(&site, &format!("url = \"{url}\""), &by_certificate, &proxy("me:secret-word@"));
        let ran = site.run(&["upload", "-vvv"], 0);
        assert!(!ran.stderr.contains("secret-word") && !ran.stderr.contains("bWU6"), "{}", ran.stderr);
    }
    assert_eq!(site.imported(), 12);
    assert!(site.run(&["doctor"], 0).stdout.contains("discovery.manage"));
    assert!(site.run(&["block", "fetch", "--appliance", "zscaler"], 0).stdout.starts_with('.'));
    let hosts = ["acct.blob.core.windows.net:443", &format!("{PORTAL}:443"), "login.microsoftonline.com:443"];
    assert_eq!(front.hosts(), hosts);

    // The same with the proxy from the environment.
    reconfigure(&site, &format!("url = \"{PORTAL}\""), &by_certificate, &ca);
    let mut command = site.sandbox.command(&["--config", "logweir.toml", "report", "streams"]);
    let output = command.env("HTTPS_PROXY", format!("http://me:secret-word@{}", front.proxy)).output().expect("a run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    // And what goes wrong on the way says what to do, without trying it six times.
    let rows = [
        (proxy(""), "the proxy refuses"),
        (format!("proxy = \"http://me:secret-word@{}\"", front.proxy), "network.ca_file"),
    ];
    for (network, hint) in rows {
        reconfigure(&site, &format!("url = \"{PORTAL}\""), &by_certificate, &network);
        let started = Instant::now();
        let ran = site.run(&["report", "streams"], 1);
        assert!(ran.stderr.contains(hint) && !ran.stderr.contains("trying again"), "{}", ran.stderr);
        assert!(!ran.stderr.contains("secret-word"), "{}", ran.stderr);
        assert!(started.elapsed() < Duration::from_secs(8));
    }
}

#[test]
fn hosts_that_no_proxy_is_for_are_reached_directly() {
    if !have("openssl") {
        return;
    }
    let site = Site::new();
    let front = Front::before(&site.addr, None);
    let base = format!("https://{}", front.tls);
    let service = format!("url = \"{base}\"\nauthority = \"{base}\"\nallow_hosts = [\"127.0.0.1\"]");
    let network = format!("proxy = \"http://127.0.0.1:1\"\nca_file = \"{}\"", front.ca.display());
    reconfigure(&site, &service, &site.auth(), &network);
    let run = |no_proxy: &str| {
        let mut command = site.sandbox.command(&["--config", "logweir.toml", "report", "streams"]);
        command.env("NO_PROXY", no_proxy).stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts")
    };
    let direct = run("example.com,127.0.0.1").wait_with_output().expect("a run");
    assert!(direct.status.success(), "{}", String::from_utf8_lossy(&direct.stderr));
    let mut proxied = run("example.com");
    let mut said = String::new();
    BufReader::new(proxied.stderr.take().expect("a pipe")).read_line(&mut said).expect("a line");
    assert!(said.contains("trying again") && said.contains("refused"), "{said}");
    proxied.kill().expect("it runs");
    proxied.wait().expect("it ends");
}

#[test]
fn addresses_outside_the_cloud_and_storage_outside_the_known_are_refused() {
    let site = Site::with(&["--storage-url", "http://storage.example"]);
    let auth = site.auth();
    let rows = [
        ("https://portal.cloudappsecurity.com.example", "is not under portal.cloudappsecurity.com"),
        ("http://contoso.portal.cloudappsecurity.com", "is not https"),
        ("http://203.0.113.7", "is not https"),
        ("https://con toso.example", "is not an address"),
    ];
    for (url, why) in rows {
        reconfigure(&site, &format!("url = \"{url}\""), &auth, "");
        let ran = site.run(&["report", "streams"], 2);
        assert!(ran.stderr.contains(why) && ran.stderr.contains("hint:"), "{url}: {}", ran.stderr);
    }
    site.configure(&auth, "HQ");
    site.sandbox.write("logs/a.log", &log(1, 3));
    let ran = site.run(&["upload"], 1);
    assert!(ran.stderr.contains("no known storage: http://storage.example/storage/uploads/"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("sig="), "{}", ran.stderr);
}

#[test]
fn refusals_of_every_shape_become_one_sentence_with_the_right_exit_code() {
    let mut site = Site::new();
    let huge = "x".repeat(300_000);
    let rows: [(&str, u16, &str, i32, &str); 9] = [
        ("json", 400, r#"{"detail":"No such thing"}"#, 1, "answered 400: No such thing"),
        ("list", 400, r#"{"errors":[{"error":"one"},{"error":"two"}]}"#, 1, "answered 400: one; two"),
        ("fields", 400, r#"{"filters":[{"error":"x is not valid"}],"error":true}"#, 1, "filters: x is not valid"),
        (
            "page",
            404,
            "<!DOCTYPE html><html><head><title>Page not found</title></head></html>",
            1,
            "404: Page not found",
        ),
        (
            "xml",
            400,
            "<?xml version=\"1.0\"?><Error><Code>Bad</Code><Message>No.</Message></Error>",
            1,
            "400: Bad: No.",
        ),
        ("empty", 400, "", 1, "answered 400"),
        ("huge", 400, &huge, 1, "answered 400: xxx"),
        ("moved", 302, "", 1, "answered 302"),
        ("token", 401, r#"{"detail":"Invalid token"}"#, 4, "401: Invalid token"),
    ];
    let mut script = String::new();
    let mut nth = 1;
    for (name, status, body, ..) in &rows {
        // A refused token is renewed once, so that this call is made twice.
        let times = if *name == "token" { 2 } else { 1 };
        script += &format!(
            "[[fault]]\ncall = \"streams\"\nnth = {nth}\ntimes = {times}\nstatus = {status}\nbody = '{body}'\n"
        );
        nth += times;
    }
    respawn(&mut site, &script);
    for (name, _, _, code, said) in rows {
        let ran = site.run(&["report", "streams"], code);
        assert!(ran.stderr.contains(said), "{name}: {}", ran.stderr);
        assert!(ran.stderr.len() < 1_500, "{name}: {}", ran.stderr);
        assert!(ran.stdout.is_empty(), "{name}");
    }
    site.run(&["report", "streams"], 0);
}

#[test]
fn an_answer_of_success_that_is_no_answer_is_told() {
    let mut site = Site::new();
    let bodies = ["", "<html>proxy login</html>", "{\"error\": true}", "[1, 2", "null"];
    let script: String = (1..)
        .zip(bodies)
        .map(|(n, body)| format!("[[fault]]\ncall = \"streams\"\nnth = {n}\nstatus = 200\nbody = '{body}'\n"))
        .collect();
    respawn(&mut site, &script);
    for body in bodies {
        let ran = site.run(&["report", "streams"], 1);
        assert!(ran.stderr.contains("could not be understood"), "{body}: {}", ran.stderr);
    }
}

#[test]
fn a_throttled_call_waits_as_long_as_it_is_told_and_a_person_sees_that() {
    let rows = [
        ("headers = { retry-after = \"1\" }\n", "the header"),
        ("body = '{\"detail\":\"Request was throttled. Expected available in 1 seconds.\"}'\n", "the text"),
    ];
    for (how, name) in rows {
        let mut site = Site::new();
        respawn(&mut site, &format!("[[fault]]\ncall = \"streams\"\nstatus = 429\n{how}"));
        let started = Instant::now();
        let ran = site.run(&["report", "streams"], 0);
        assert!(started.elapsed() >= Duration::from_secs(1), "{name}");
        assert!(ran.stderr.contains("trying again in 1.0 s (try 1 of 6)"), "{name}: {}", ran.stderr);
        respawn(&mut site, &format!("[[fault]]\ncall = \"streams\"\nstatus = 429\n{how}"));
        let quiet = site.run(&["report", "streams", "--quiet"], 0);
        assert!(quiet.stderr.is_empty(), "{name}: {}", quiet.stderr);
    }
}

#[test]
fn a_person_sees_within_two_seconds_what_a_dead_network_is_waited_for() {
    let site = Site::new();
    // It takes connections and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let base = format!("http://{}", silent.local_addr().expect("an address"));
    let service = format!("url = \"{base}\"\nauthority = \"{base}\"\nallow_hosts = [\"127.0.0.1\"]");
    reconfigure(&site, &service, &site.auth(), "");
    for command in [&["report", "streams"][..], &["block", "fetch", "--appliance", "zscaler"], &["doctor"]] {
        let started = Instant::now();
        let mut child = site
            .sandbox
            .command(&[&["--config", "logweir.toml"], command].concat())
            .stderr(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut lines = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut said = String::new();
        while !said.contains("waiting for a token from 127.0.0.1") && lines.read_line(&mut said).expect("text") > 0 {}
        // The program's own clock says when; ours allows for a busy machine.
        assert!(said.contains("127.0.0.1: 2 s so far, 120 s at most"), "{command:?}: {said}");
        assert!(started.elapsed() < Duration::from_secs(9), "{command:?}: {said}");
        let asked = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
        assert!(asked.expect("kill starts").success());
        assert_eq!(child.wait().expect("it ends").code(), Some(130), "{command:?}");
        lines.read_to_string(&mut said).expect("text");
        assert!(said.contains("interrupted"), "{said}");
    }
}

#[test]
fn tokens_are_renewed_before_they_expire_and_once_when_refused() {
    let site = Site::with(&["--token-good-for", "9s"]);
    let wire = Wire::before(&site.addr, None);
    let text = std::fs::read_to_string(site.sandbox.path("logweir.toml")).expect("the configuration");
    site.sandbox.write("logweir.toml", &text.replace(&site.addr, &wire.addr).replace("200ms", "500ms"));
    let said = std::fs::File::create(site.sandbox.path("said")).expect("a file");
    let mut watch = Process::of(site.sandbox.command(&["--config", "logweir.toml", "watch", "-v"]).stderr(said));
    let count = |what: &str| wire.requests().iter().filter(|line| line.contains(what)).count();
    let started = Instant::now();
    let mut number = 0;
    // The first token serves several logs, and is replaced a moment before its end.
    while count("/oauth2/v2.0/token") < 2 {
        assert!(started.elapsed() < Duration::from_secs(120), "{:?}", wire.requests());
        number += 1;
        site.sandbox.write(&format!("logs/{number}.log"), &log(number, 2));
        std::thread::sleep(Duration::from_millis(700));
    }
    let (took, tokens) = (started.elapsed(), count("/oauth2/v2.0/token"));
    wait_for("the last log", || site.imported() == u64::from(number) * 2);
    watch.cut();
    assert!(took >= Duration::from_secs(6) && number > 3, "{tokens} tokens in {took:?}: {:?}", wire.requests());
    let said = std::fs::read_to_string(site.sandbox.path("said")).expect("a file");
    assert!(!said.contains("401"), "{said}");

    let mut site = Site::new();
    respawn(&mut site, "[[fault]]\ncall = \"streams\"\nstatus = 401\nbody = '{\"detail\":\"Invalid token\"}'\n");
    site.run(&["report", "streams"], 0);
}

#[test]
fn a_legacy_token_and_a_missing_permission_are_told_apart() {
    let site = Site::with(&["--legacy-token", "old", "--role", "discovery.read"]);
    let application = site.auth().split("token_file").next().expect("auth").to_owned();
    site.configure(&application, "HQ");
    site.sandbox.write("logs/a.log", &log(1, 3));
    let ran = site.run(&["upload"], 1);
    let said = ran.stderr.to_lowercase();
    assert!(said.contains("403") && said.contains("discovery.manage") && said.contains("discovery.read"), "{said}");
    site.configure("token_file = \"logweir-service/old.token\"", "HQ");
    site.run(&["upload"], 0);
    assert_eq!(site.imported(), 3);
    site.sandbox.write("logweir-service/old.token", "0123456789abcdef");
    let ran = site.run(&["report", "streams"], 4);
    assert!(ran.stderr.contains("Invalid token") && !ran.stderr.contains("0123456789abcdef"), "{}", ran.stderr);
}

#[test]
fn a_presigned_address_of_s3_gets_the_bytes_and_nothing_that_was_not_signed() {
    let mut site = Site::new();
    let bucket = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = bucket.local_addr().expect("an address");
    let server = std::thread::spawn(move || {
        let (mut stream, _) = bucket.accept().expect("a client");
        let mut request = Vec::new();
        let mut buffer = [0; 65_536];
        let (mut head, mut length) = (None, 0);
        while head.is_none_or(|head| request.len() < head + length) {
            let read = stream.read(&mut buffer).expect("bytes");
            request.extend_from_slice(&buffer[..read]);
            head = request.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
            if let Some(head) = head {
                let text = String::from_utf8_lossy(&request[..head]).to_lowercase();
                let value = text.lines().find_map(|line| line.strip_prefix("content-length: ").map(str::to_owned));
                length = value.expect("a length").trim().parse().expect("a number");
            }
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\netag: \"0\"\r\ncontent-length: 0\r\n\r\n").expect("an answer");
        let head = head.expect("a head");
        (String::from_utf8_lossy(&request[..head]).to_lowercase(), request[head..].to_vec())
    });
    let address = format!("http://{addr}/bucket/key?X-Amz-Signature=abc&X-Amz-Expires=600");
    respawn(
        &mut site,
        &format!(
            "[[fault]]\ncall = \"upload_url\"\nstatus = 200\nbody = '{{\"url\":\"{address}\",\"provider\":\"aws\"}}'\n\
             [[fault]]\ncall = \"done_upload\"\nstatus = 200\nbody = '{{\"success\":true}}'\n"
        ),
    );
    let lines = log(1, 50);
    let file = site.sandbox.write("a.log", &lines);
    let file = file.to_str().expect("UTF-8");
    let ran = site.run(&["upload", file, "--log-type", "SQUID_NATIVE", "--snapshot", "one", "-vvv"], 0);
    assert!(!ran.stderr.contains("X-Amz-Signature=abc"), "{}", ran.stderr);
    let (head, body) = server.join().expect("the bucket");
    assert!(head.starts_with("put /bucket/key?x-amz-signature=abc&x-amz-expires=600 http/1.1"), "{head}");
    for unsigned in ["x-ms-", "x-amz-", "authorization", "content-type", "content-md5", "transfer-encoding"] {
        assert!(!head.split_once("\r\n").expect("headers").1.contains(unsigned), "{unsigned}: {head}");
    }
    let mut text = String::new();
    flate2::read::GzDecoder::new(&body[..]).read_to_string(&mut text).expect("gzip");
    assert_eq!(text, lines);
}

#[test]
fn a_refused_address_is_replaced_by_a_new_one() {
    let mut site = Site::new();
    let expired = "<?xml version=\"1.0\"?><Error><Code>AuthenticationFailed</Code><Message>Expired.</Message></Error>";
    respawn(&mut site, &format!("[[fault]]\ncall = \"put_blob\"\nstatus = 403\nbody = '{expired}'\n"));
    let wire = Wire::before(&site.addr, None);
    let text = std::fs::read_to_string(site.sandbox.path("logweir.toml")).expect("the configuration");
    site.sandbox.write("logweir.toml", &text.replace(&site.addr, &wire.addr));
    site.sandbox.write("logs/a.log", &log(1, 7));
    site.run(&["upload"], 0);
    assert_eq!(site.imported(), 7);
    let addresses = wire.requests().iter().filter(|line| line.contains("/upload_url/")).count();
    assert_eq!(addresses, 2, "{:?}", wire.requests());
}

#[test]
fn a_backlog_leaves_calls_to_people() {
    let site = Site::new();
    let text = std::fs::read_to_string(site.sandbox.path("logweir.toml")).expect("the configuration");
    site.sandbox.write("logweir.toml", &text.replace("calls_a_minute = 100000", "calls_a_minute = 10"));
    for number in 0..12 {
        site.sandbox.write(&format!("logs/{number}.log"), &log(number, 2));
    }
    let mut watch = site.sandbox.start(&["--config", "logweir.toml", "watch"]);
    // The backlog has used up its share by now.
    std::thread::sleep(Duration::from_secs(3));
    let started = Instant::now();
    site.run(&["report", "streams"], 0);
    let waited = started.elapsed();
    watch.kill().expect("it runs");
    watch.wait().expect("it ends");
    // Without calls kept for people it would be most of a minute.
    assert!(waited < Duration::from_secs(20), "a person waited {waited:?}");
}
