//! Records of every family as they come: byte for byte, however many, in bounded memory, and whole when interrupted.

use crate::support::Sandbox;
use crate::support::site::Site;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::sync::Arc;

/// A server that answers each request by its head and body; one connection per request.
fn server(answer: impl Fn(&str, &str) -> String + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = listener.local_addr().expect("an address").to_string();
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let answer = answer.clone();
            std::thread::spawn(move || {
                let (mut bytes, mut some) = (Vec::new(), [0; 4096]);
                let (head, body) = loop {
                    let read = stream.read(&mut some).unwrap_or(0);
                    bytes.extend_from_slice(&some[..read]);
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    if let Some((head, body)) = text.split_once("\r\n\r\n") {
                        let lower = head.to_lowercase();
                        let length = lower.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
                        if body.len() >= length.map_or(0, |length| length.parse().expect("a length")) {
                            break (head.to_owned(), body.to_owned());
                        }
                    }
                    if read == 0 {
                        return;
                    }
                };
                let text = answer(&head, &body);
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", text.len());
                // The client may have gone: some tests kill it.
                let _ = stream.write_all((head + &text).as_bytes());
            });
        }
    });
    addr
}

fn configured(addr: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let secret = sandbox.write("secret", "s3cret");
    std::fs::set_permissions(secret, std::fs::Permissions::from_mode(0o600)).expect("a mode");
    let text = format!(
        "[service]\nurl = \"http://{addr}\"\nauthority = \"http://{addr}\"\ngraph = \"http://{addr}\"\nallow_hosts = [\"127.0.0.1\"]\n\
         [auth]\ntenant_id = \"t\"\nclient_id = \"c\"\nclient_secret_file = \"secret\"\n[upload]\ncalls_a_minute = 100000\n"
    );
    sandbox.write("logweir.toml", &text);
    sandbox
}

const TOKEN: &str = r#"{"token_type":"Bearer","expires_in":3599,"access_token":"e30.eyJyb2xlcyI6WyJ4Il19.x"}"#;

/// A record of each family in the shape the real service was seen to give it, with invented values: numbers as strings,
/// pairs beside bare numbers, keys that differ only in case, floats for milliseconds, a dictionary of another language
/// in a string, numbers beyond 2^53, nulls, escapes and blanks that another writer would not make.
const SHAPES: &[(&str, &str)] = &[
    (
        "alerts",
        r#"{"_id":"64b0c0ffee0123456789abcd","timestamp":1735900000000,"title":"Upload \u0041nd \/ more","description":"<b>__siteIcon__</b> &amp; x","entities":[{"type":"account","id":"u-1","inst":0,"saas":11161,"label":"Ann","pa":"ann@contoso.example","entityType":2},{"type":"service","id":11161,"label":"Office 365"},{"id":"198.51.100.7","label":"198.51.100.7","type":"ip","triggeredAlert":false}],"idValue":15859716,"severityValue":1, "statusValue" : 0,"resolutionStatusValue":0,"stories":[0],"intent":[11],"threatScore":12,"threatScoreReasoning":[],"isSystemAlert":false,"isPreview":false,"contextId":null,"comment":null,"handledByUser":null,"closedAt":null,"URL":"https:\/\/contoso.portal.cloudappsecurity.com\/#\/alerts\/64b0"}"#,
    ),
    (
        "activities",
        r#"{"_id":"12345678_15600_01234567-89ab-4cde-8f01-23456789abcd","tenantId":12345678,"aadTenantId":"t","appId":15600,"saasId":15600,"timestamp":1735900000000,"timestampRaw":1735900000000,"instantiation":1735900000123,"instantiationRaw":1735900000123,"created":1735900000456.75,"createdRaw":1735900000456,"eventType":2097154,"eventTypeValue":"EVENT_ADALLOM_X","eventRouting":{"auditing":true},"device":{"clientIP":"198.51.100.9","userAgent":"Mozilla;x","countryCode":"NL"},"location":{"countryCode":"NL","city":"x","longitude":4.8999999999999999,"latitude":52.37},"user":{"userName":"ann@contoso.example","userTags":["0"]},"mainInfo":{"eventObjects":[{"instanceId":0,"saasId":15600,"id":"1","link":-400000001,"name":"x","objType":1,"type":"file","tags":[],"role":4}],"rawOperationName":"x"},"resolvedActor":{"objType":"23","role":"4","id":"a","instanceId":"0","saasId":"11161"},"entityData":{"0":{"displayName":"Ann","id":{"id":"a","saas":11161,"inst":0},"resolved":true},"1":null,"2":{}},"Level":1,"level":"low","EventName":"A","eventName":"a","uid":12345678901234567890123456789,"confidenceLevel":null,"session":{"sessionId":null}}"#,
    ),
    (
        "entities",
        r#"{"type":2,"status":2,"displayName":"Ann","id":"a-1","_id":"64b0c0ffee0123456789abd1","Id":"A-1","userGroups":[{"_id":"64b0c0ffee0123456789abd0","id":"64b0c0ff","name":"Admins","description":null,"usersCount":3,"appId":11161}],"identifiers":[],"sid":null,"appData":{"appId":11161,"name":"Office 365","saas":11161,"instance":0},"isAdmin":true,"isExternal":false,"isFake":false,"email":"ann@contoso.example","role":"Global Administrator","organization":null,"domain":"contoso.example","scoreTrends":{"20250103":{}},"subApps":[],"threatScore":83,"idType":1,"lastSeen":"2025-01-03T10:26:40Z","ii":"11161|0|a-1","username":"{\"id\": \"a-1\", 'saas': 11161, \"inst\": 0, 'x': None}","actions":[{"task_name":"ConfirmUserCompromisedTask","optional_notify":null,"governance_type":null}],"hasRisk":1}"#,
    ),
    (
        "files",
        r#"{"_id":"64b0c0ffee0123456789abd2","_tid":12345678,"appId":15600,"id":"11111111-2222-4333-8444-555555555555|66666666","alternateLink":"https://contoso.example/x","collaborators":[],"Created":1735900000000,"created":1735900000000,"createdDate":1735900000000,"modifiedDate":1735900000500.5,"snapshotLastModifiedDate":"2025-01-03T10:26:40.000Z","dlpScanResults":[],"fileAccessLevel":[0,"PRIVATE"],"filePath":"/x","fileSize":null,"fileStatus":[0,"EXISTS"],"fileType":[4,"TEXT"],"facl":0,"fstat":0,"ftype":4,"ftags":[],"fTags":["x"],"isFolder":false,"mimeType":"text/plain","name":"notes 7 \ud83d\ude00.txt","ownerAddress":"ann@contoso.example","scanVersion":4,"sharedWithDomain":[],"size":9007199254740993}"#,
    ),
    (
        "subnets",
        r#"{"_id":"64b0c0ffee0123456789abce","name":"HQ","category":1,"organization":null,"subnets":[{"originalString":"192.0.2.7/24","mask":120,"address":"0000:0000:0000:0000:0000:ffff:c000:0207"}],"tags":[{"_id":"64b0c0ffee0123456789abd3","_tid":0,"id":"64b0c0ffee0123456789abd3","name":"Branch","description":null,"status":0,"target":1,"type":1}],"location":{"name":"Zug","latitude":47.1662,"longitude":8.5155,"countryCode":"CH","countryName":null},"locationName":null,"lastModified":1735900000000.5,"creationDate":1735900000000,"_tid":12345678}"#,
    ),
];

#[test]
fn the_real_services_shapes_reach_json_byte_for_byte() {
    for (family, shape) in SHAPES {
        let page = format!(
            "{{\"total\": 2, \"hasNext\":false,\"max\":100,\"data\":[{shape} , {}],\"x\":null}}",
            shape.replace("_id\":\"", "_id\":\"0")
        );
        let addr = server(move |head, _| match head {
            head if head.contains("oauth2") => TOKEN.to_owned(),
            head if head.starts_with("GET") => (*shape).to_owned(),
            _ => page.clone(),
        });
        let sandbox = configured(&addr);
        let run = |arguments: &[&str]| sandbox.run(&[&["--config", "logweir.toml"], arguments].concat(), 0).stdout;
        let listed = run(&[family, "list", "--format", "json"]);
        assert_eq!(listed, format!("{shape}\n{}\n", shape.replace("_id\":\"", "_id\":\"0")), "{family}");
        let shown = match *family {
            "entities" => run(&["entities", "show", "--id", "a-1", "--app", "11161", "--format", "json"]),
            family => run(&[family, "show", "x", "--format", "json"]),
        };
        assert_eq!(shown, format!("{shape}\n"), "{family}");
        // Tables and CSV of the same records: nothing of them is an error.
        for format in ["text", "csv"] {
            assert!(run(&[family, "list", "--format", format]).lines().count() == 3, "{family} {format}");
        }
    }
}

#[test]
fn apps_of_graph_reach_json_byte_for_byte_over_all_pages() {
    let app = |n: u32| {
        format!(
            r##"{{"@odata.type":"#microsoft.graph.security.endpointDiscoveredCloudAppDetail","id":"{n}","displayName":"App \u00e4 {n}","tags":["Unsanctioned"],"riskScore":4,"uploadNetworkTraficInBytes":90071992547409931,"downloadNetworkTrafficInBytes":1,"transactionCount":7,"ipAddressCount":0,"userCount":1,"deviceCount":2,"lastSeenDateTime":"2025-01-03T00:00:00Z","domains":["a.example"],"category":"cloudStorage"}}"##
        )
    };
    let addr = server(move |head, _| {
        let host = head.lines().find_map(|line| line.to_lowercase().strip_prefix("host: ").map(str::to_owned));
        match head.lines().next().unwrap_or_default() {
            line if line.contains("oauth2") => TOKEN.to_owned(),
            line if line.contains("uploadedStreams ") => r#"{"value":[{"id":"64b0","displayName":"HQ"}]}"#.to_owned(),
            line if line.contains("skip=2") => format!("{{\"value\":[{}]}}", app(3)),
            line => {
                let path = line.split(' ').nth(1).expect("a path");
                let next = format!("http://{}{path}?$skip=2", host.expect("a host"));
                format!("{{\"@odata.context\":\"x\",\"value\":[{},{}],\"@odata.nextLink\":\"{next}\"}}", app(1), app(2))
            }
        }
    });
    let sandbox = configured(&addr);
    let run = |more: &[&str]| sandbox.run(&[&["--config", "logweir.toml", "report", "apps"], more].concat(), 0).stdout;
    assert_eq!(run(&["--format", "json"]), format!("{}\n{}\n{}\n", app(1), app(2), app(3)));
    let csv = run(&["--columns", "app,bytes_up,devices", "--format", "csv"]);
    assert_eq!(csv.lines().nth(1), Some("App ä 1,90071992547409931,2"));
}

/// The most memory the process had, in KiB.
fn peak(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().trim_end_matches(" kB").parse().ok()
}

#[test]
fn a_list_of_any_length_takes_no_more_memory_than_a_page() {
    const RECORDS: usize = 12_345;
    // Every fiftieth is wide.
    let wide = "w".repeat(32 << 10);
    let record = move |n: usize| {
        let text = if n.is_multiple_of(50) { &wide[..] } else { &wide[..512] };
        format!(r#"{{"_id":"{n:024x}","created":{n},"wide":"{text}"}}"#)
    };
    let addr = server(move |head, body| {
        if head.contains("oauth2") {
            return TOKEN.to_owned();
        }
        let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
        let number =
            |value: &serde_json::Value| value.as_u64().map_or(0, |number| usize::try_from(number).expect("small"));
        let (from, limit) = match &body["isScan"] {
            serde_json::Value::Bool(true) => (number(&body["filters"]["n"]["gte"]), number(&body["limit"])),
            _ => (number(&body["skip"]), number(&body["limit"]).min(100)),
        };
        let until = (from + limit).min(RECORDS);
        let data: Vec<String> = (from..until).map(&record).collect();
        let next = format!(r#"{{"n":{{"gte":{until}}}}}"#);
        format!(r#"{{"data":[{}],"hasNext":{},"nextQueryFilters":{next}}}"#, data.join(","), until < RECORDS)
    });
    let sandbox = configured(&addr);
    for family in ["alerts", "activities"] {
        let arguments = ["--config", "logweir.toml", family, "list", "--all", "--format", "json"];
        let mut child = sandbox.command(&arguments).stdout(Stdio::piped()).spawn().expect("it starts");
        let mut out = BufReader::new(child.stdout.take().expect("a pipe"));
        let (mut lines, mut line) = (0_usize, Vec::new());
        let (mut early, mut late) = (0, 0);
        while out.read_until(b'\n', &mut line).expect("output") > 0 {
            assert!(line.ends_with(b"\"}\n"));
            line.clear();
            lines += 1;
            match lines {
                3_000 => early = peak(child.id()).expect("it runs"),
                _ if lines.is_multiple_of(250) => late = peak(child.id()).unwrap_or(late),
                _ => {}
            }
        }
        assert!(child.wait().expect("it ends").success());
        assert_eq!(lines, RECORDS, "{family}");
        // Three quarters, more than 10 MB, came after the first measure.
        assert!(early > 0 && late < early + (4 << 10), "{family}: {early} KiB, then {late} KiB");
    }
}

#[test]
fn an_interrupted_list_leaves_whole_records_and_the_wait_for_calls_is_told() {
    let alert =
        |n: usize| format!(r#"{{"_id":"{n:024x}","timestamp":{},"title":"t {n}"}}"#, 1_735_900_000_000 + n as u64);
    let all: Vec<String> = (0..1_000).map(alert).collect();
    let site = Site::seeded(&["investigation.read"], &format!("{{\"alerts\":[{}]}}", all.join(",")));
    let text = std::fs::read_to_string(site.sandbox.path("logweir.toml")).expect("the configuration");
    site.sandbox.write("logweir.toml", &text.replace("calls_a_minute = 100000", "calls_a_minute = 4"));
    for (signal, format) in [(rustix::process::Signal::INT, "json"), (rustix::process::Signal::TERM, "csv")] {
        let state = format!("state-{format}");
        let arguments =
            ["--config", "logweir.toml", "--state-dir", &state, "alerts", "list", "--all", "--format", format];
        let mut command = site.sandbox.command(&arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut said = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut line = String::new();
        said.read_line(&mut line).expect("a line");
        assert!(line.starts_with("waiting: this minute's calls"), "{line}");
        let process = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(process, signal).expect("a signal");
        let mut out = String::new();
        child.stdout.take().expect("a pipe").read_to_string(&mut out).expect("text");
        said.read_to_string(&mut line).expect("text");
        assert_eq!(child.wait().expect("it ends").code(), Some(130), "{line}");
        // Four pages of 100, each but the first beginning with the last record of the one before.
        assert!(line.contains("interrupted after 397 record(s)"), "{line}");
        assert!(out.ends_with('\n'));
        if format == "json" {
            let ids: std::collections::BTreeSet<String> = out
                .lines()
                .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("whole")["_id"].to_string())
                .collect();
            assert_eq!(ids.len(), 397);
        } else {
            assert!(out.lines().count() == 398 && out.lines().all(|line| line.split(',').count() == 6), "{out}");
        }
    }
}
