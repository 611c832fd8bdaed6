//! Alerts, activities, entities, IP ranges, files and discovered apps: the real binary against the embedded service.

use crate::support::Ran;
use crate::support::site::{Site, log};
use serde_json::Value;

fn lines(ran: &Ran) -> Vec<Value> {
    ran.stdout.lines().map(|line| serde_json::from_str(line).expect("one record per line")).collect()
}

/// A service whose application has these roles, with one log imported.
fn site(roles: &[&str]) -> Site {
    let roles: Vec<&str> = roles.iter().flat_map(|role| ["--role", *role]).collect();
    Site::with(&roles)
}

fn imported(site: &Site) {
    site.sandbox.write("logs/a.log", &log(1, 5));
    site.run(&["upload"], 0);
    site.imported();
}

impl Site {
    fn json(&self, arguments: &[&str]) -> Vec<Value> {
        lines(&self.run(&[arguments, &["--format", "json"]].concat(), 0))
    }
}

/// Every role at once, for tests of behaviour.
const ALL: &[&str] = &["discovery.manage", "investigation.manage", "settings.manage", "CloudApp-Discovery.Read.All"];

/// Operation by scope: the rows are the documented table, a cell holds the scopes that allow the operation.
const TABLE: &[(&[&str], &[&str])] = &[
    (&["activities", "list"], &["Investigation.read", "Investigation.manage"]),
    (&["activities", "show", "ACTIVITY"], &["Investigation.read", "Investigation.manage"]),
    (&["activities", "feedback", "ACTIVITY", "--value", "good"], &["Investigation.read", "Investigation.manage"]),
    (&["alerts", "list"], &["Investigation.read", "Investigation.manage", "Discovery.read", "Discovery.manage"]),
    (
        &["alerts", "show", "ALERT"],
        &["Investigation.read", "Investigation.manage", "Discovery.read", "Discovery.manage"],
    ),
    (
        &["alerts", "read", "ALERT"],
        &["Investigation.read", "Investigation.manage", "Discovery.read", "Discovery.manage"],
    ),
    (
        &["alerts", "unread", "ALERT"],
        &["Investigation.read", "Investigation.manage", "Discovery.read", "Discovery.manage"],
    ),
    (&["alerts", "close", "ALERT", "--as", "benign"], &["Investigation.manage", "Discovery.manage"]),
    (&["entities", "list"], &["Investigation.read", "Investigation.manage"]),
    (&["entities", "show", "--id", "ann", "--app", "20595"], &["Investigation.read", "Investigation.manage"]),
    (&["entities", "tree", "--id", "ann", "--app", "20595"], &["Investigation.read", "Investigation.manage"]),
    (&["subnets", "list"], &["Investigation.read", "Investigation.manage", "Settings.read", "Settings.manage"]),
    (
        &["subnets", "create", "NEW", "--network", "192.0.2.0/24", "--category", "corporate"],
        &["Investigation.manage", "Settings.manage"],
    ),
    (&["subnets", "update", "RANGE", "--category", "risky"], &["Investigation.manage", "Settings.manage"]),
    (&["subnets", "delete", "RANGE"], &["Investigation.manage", "Settings.manage"]),
    (&["report", "streams"], &["Discovery.read", "Discovery.manage"]),
    (&["report", "categories", "--data-source", "HQ"], &["Discovery.read", "Discovery.manage"]),
    (&["upload", "UPLOAD", "--log-type", "SQUID_NATIVE", "--data-source", "HQ"], &["Discovery.manage"]),
    (&["block", "fetch", "--appliance", "zscaler"], &["Discovery.manage"]),
    (&["files", "list"], &[]),
];

const SCOPES: [&str; 6] = [
    "Investigation.read",
    "Investigation.manage",
    "Discovery.read",
    "Discovery.manage",
    "Settings.read",
    "Settings.manage",
];

#[test]
fn each_operation_works_with_each_scope_that_allows_it_and_names_the_scope_without() {
    let site = site(ALL);
    imported(&site);
    let id = |arguments: &[&str]| site.json(arguments)[0]["_id"].as_str().expect("an id").to_owned();
    let (alert, activity) = (id(&["alerts", "list"]), id(&["activities", "list"]));
    let mut fresh = 0;
    let mut unlike: Vec<String> = Vec::new();
    let mut service = site;
    for scope in SCOPES {
        // A range to change and one to delete, made with every right.
        service.run(
            &["subnets", "create", &format!("for {scope}"), "--network", "198.51.100.0/24", "--category", "vpn"],
            0,
        );
        let ranges = service.json(&["subnets", "list", "--all"]);
        let range = ranges.last().expect("a range")["_id"].as_str().expect("an id").to_owned();
        let all = service.auth();
        let limited = service.application(scope);
        service.configure(&limited, "HQ");
        for (operation, scopes) in TABLE {
            fresh += 1;
            let upload = service.sandbox.write(&format!("u{fresh}.log"), &log(100 + fresh, 1));
            let arguments: Vec<String> = operation
                .iter()
                .map(|word| match *word {
                    "ALERT" => alert.clone(),
                    "ACTIVITY" => activity.clone(),
                    "RANGE" => range.clone(),
                    "NEW" => format!("new {fresh}"),
                    "UPLOAD" => upload.to_str().expect("UTF-8").to_owned(),
                    word => word.to_owned(),
                })
                .collect();
            let arguments: Vec<&str> =
                ["--config", "logweir.toml"].into_iter().chain(arguments.iter().map(String::as_str)).collect();
            let ran = Ran::from(service.sandbox.command(&arguments).output().expect("the binary starts"));
            let allowed = scopes.contains(&scope);
            let needed = scopes.first().map_or("legacy token", |scope| *scope);
            let as_told = if allowed {
                ran.code == Some(0)
            } else {
                let said = ran.stderr.to_lowercase();
                let names_all = scopes.iter().all(|scope| said.contains(&scope.to_lowercase()));
                ran.code == Some(1)
                    && said.contains("403")
                    && names_all
                    && said.contains(&needed.to_lowercase())
                    && said.contains(&format!("holds {}", scope.to_lowercase()))
            };
            if !as_told {
                unlike.push(format!("{scope} {operation:?}: {:?}\n{}{}", ran.code, ran.stdout, ran.stderr));
            }
        }
        service.configure(&all, "HQ");
    }
    assert!(unlike.is_empty(), "{}", unlike.join("\n"));
}

#[test]
fn a_legacy_token_reads_files_and_an_application_is_told_so() {
    let mut site = Site::with(&["--legacy-token", "old"]);
    imported(&site);
    let refused = site.run(&["files", "list"], 1);
    assert!(refused.stderr.contains("only a legacy token is let in"), "{}", refused.stderr);
    let token = site.sandbox.path("logweir-service/old.token");
    site.configure(&format!("token_file = \"{}\"", token.display()), "HQ");
    let files = site.json(&["files", "list", "-F", "fileType eq text"]);
    assert_eq!(files.len(), 1);
    let id = files[0]["_id"].as_str().expect("an id");
    assert!(site.run(&["files", "show", id], 0).stdout.contains("squid_native-1.log"));
    site.restart();
}

#[test]
fn alerts_come_from_what_was_uploaded_and_can_be_filtered_marked_and_closed() {
    let site = site(ALL);
    imported(&site);
    let alerts = site.json(&["alerts", "list", "--filter", "alertOpen eq true", "-F", "date gte 1h"]);
    assert_eq!(alerts.len(), 1);
    assert_eq!(alerts[0]["title"], "New app: Dropbox");
    let id = alerts[0]["_id"].as_str().expect("an id");
    site.run(&["alerts", "read", id], 0);
    assert!(site.run(&["alerts", "list"], 0).stdout.contains("read"));
    assert!(site.run(&["alerts", "show", id], 0).stdout.contains("New app: Dropbox"));

    for (arguments, said) in [
        (&["--as", "malign"][..], "benign, false-positive, true-positive"),
        (&["--as", "benign", "--reason", "too-many-similar"], "severity-lower"),
        (&["--as", "true-positive", "--reason", "other"], "takes no reason"),
        (&["--as", "benign", "--contact-email", "a@b.example"], "--feedback"),
    ] {
        let ran = site.run(&[&["alerts", "close", id], arguments].concat(), 2);
        assert!(ran.stderr.contains(said), "{}", ran.stderr);
    }
    let empty = site.run(&["alerts", "close", "--filter-json", "{}", "--as", "benign"], 2);
    assert!(empty.stderr.contains("every alert"), "{}", empty.stderr);

    let ran = site.run(
        &[
            "alerts",
            "close",
            id,
            "no-such-id",
            "--as",
            "false-positive",
            "--reason",
            "not-accurate",
            "--comment",
            "c",
            "--feedback",
            "f",
        ],
        3,
    );
    assert!(ran.stdout.contains("false-positive") && ran.stderr.contains("no-such-id"), "{}{}", ran.stdout, ran.stderr);
    let closed = site.json(&["alerts", "list", "-F", "resolutionStatus eq false-positive"]);
    assert_eq!((closed.len(), &closed[0]["comment"]), (1, &"c".into()));
    let none = site.run(&["alerts", "list", "-F", "alertOpen eq true"], 0);
    assert_eq!((none.stdout.as_str(), none.stderr.trim()), ("", "nothing found"));
    let missing = site.run(&["alerts", "show", "0123"], 1);
    assert!(missing.stderr.contains("404: Page not found"), "{}", missing.stderr);
}

#[test]
fn what_matches_in_great_number_is_closed_only_when_confirmed() {
    let site = Site::seeded(ALL, &seed("alerts", 45));
    let few = ["alerts", "close", "-F", "severity eq high", "--as", "benign"];
    let asked = site.run(&few, 2);
    assert!(asked.stderr.contains("45 alerts would be closed") && asked.stderr.contains("--yes"), "{}", asked.stderr);
    let ran = site.run(&[&few[..], &["--yes", "--format", "csv"]].concat(), 0);
    assert_eq!(ran.stdout, "closed_as,closed,not_found\nbenign,45,\n");
}

/// Records as the real service shapes them, odd ones among them; `{n}` makes each its own.
const ODD: &str = r#"{"_id":"64b0c0ffee01234567{n}","timestamp":17359000{n}.5,"title":"=Upload \u001b[2J \ud83d\ude00","Level":1,"level":"low","big":900719925474099312345,"precise":0.1000000000000000055511151231257827,"none":null,"description":"<b>__siteIcon__</b>","entities":[{"type":"account","id":"u-1","inst":0,"saas":11161,"label":"Ann","pa":"ann@contoso.example","entityType":2},{"type":"service","id":11161,"label":"Office 365"}],"idValue":15859716,"severityValue":2,"statusValue":0,"resolutionStatusValue":0,"stories":[0],"created":17359000{n}}"#;

fn seed(family: &str, records: usize) -> String {
    let list: Vec<String> = (0..records).map(|n| ODD.replace("{n}", &format!("{n:05}"))).collect();
    format!("{{\"{family}\":[{}]}}", list.join(","))
}

#[test]
fn tables_show_local_time_and_csv_and_json_are_safe_data() {
    let site = Site::seeded(ALL, &seed("alerts", 3));
    let mut command =
        site.sandbox.command(&["--config", "logweir.toml", "alerts", "list", "--columns", "time,title,entities.0.pa"]);
    let table = Ran::from(command.env("TZ", "Asia/Tokyo").output().expect("it starts"));
    let rows: Vec<&str> = table.stdout.lines().collect();
    assert!(rows[0].starts_with("TIME") && rows[0].ends_with("ENTITIES.0.PA"), "{}", table.stdout);
    assert!(
        rows[1].starts_with("2025-01-03 ")
            && rows[1].contains("\\u{1b}[2J")
            && rows[1].ends_with("ann@contoso.example"),
        "{}",
        table.stdout
    );
    let csv = site.run(&["alerts", "list", "--columns", "time,severity,title", "--format", "csv"], 0).stdout;
    let row = csv.lines().nth(1).expect("a row");
    assert!(row.starts_with("2025-01-03T") && row.contains("Z,high,'=Upload"), "{csv}");
    let typo = site.run(&["alerts", "list", "--columns", "titl"], 2);
    assert!(typo.stderr.contains("did you mean title?"), "{}", typo.stderr);
    let limited = site.run(&["alerts", "list", "--limit", "2"], 0);
    assert!(limited.stderr.contains("2 of about 3"), "{}", limited.stderr);
    let sorted = site.run(&["alerts", "list", "--sort", "title"], 2);
    assert!(sorted.stderr.contains("date, severity"), "{}", sorted.stderr);
}

#[test]
fn long_lists_come_whole_by_pages_and_by_scan() {
    let site = Site::seeded(ALL, &seed("activities", 6_000));
    let all = site.json(&["activities", "list", "--all"]);
    let mut ids: Vec<&str> = all.iter().filter_map(|record| record["_id"].as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 6_000);
    assert_eq!(site.json(&["activities", "list", "--limit", "250"]).len(), 250);
}

#[test]
fn a_closed_pipe_ends_a_list_quietly() {
    let site = Site::seeded(ALL, &seed("activities", 5_000));
    let command = format!(
        "'{}' --config logweir.toml activities list --all --format json | head -1",
        env!("CARGO_BIN_EXE_logweir")
    );
    let output = std::process::Command::new("sh")
        .args(["-c", &command])
        .current_dir(site.sandbox.path(""))
        .env("LOGWEIR_STATE_DIR", site.sandbox.path("state"))
        .output()
        .expect("a shell");
    // A busy machine may make the service slow, and that is told; nothing is said about the pipe.
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let said: Vec<&str> = errors.lines().filter(|line| !line.contains("waiting for an answer")).collect();
    assert!(said.is_empty(), "{said:?}");
    assert_eq!(output.stdout.iter().filter(|byte| **byte == b'\n').count(), 1);
}

#[test]
fn entities_are_users_and_addresses_with_their_tree() {
    let site = site(ALL);
    imported(&site);
    let names: Vec<Value> = site.json(&["entities", "list"]).into_iter().map(|entity| entity["id"].clone()).collect();
    assert!(names.contains(&"ann".into()) && names.contains(&"192.0.2.10".into()), "{names:?}");
    let users = site.json(&["entities", "list", "-F", "type eq user"]);
    assert_eq!(users.len(), 1);
    let tree = site.json(&["entities", "tree", "--id", "ann", "--app", "20595"]);
    assert_eq!(tree[0]["accounts"][0]["id"], "192.0.2.10");
    let activities = site.json(&["activities", "list", "-F", "source eq discovery"]);
    assert_eq!(activities[0]["eventTypeName"], "EVENT_DISCOVERY_LOG_PROCESSED");
}

#[test]
fn an_update_of_a_range_keeps_what_it_does_not_change() {
    let site = site(ALL);
    site.run(
        &[
            "subnets",
            "create",
            "HQ",
            "--network",
            "192.0.2.0/24",
            "--network",
            "2001:db8::1",
            "--category",
            "corporate",
            "--tag",
            "office",
            "--organization",
            "Contoso",
        ],
        0,
    );
    let before = site.json(&["subnets", "list"]).remove(0);
    let id = before["_id"].as_str().expect("an id");
    site.run(&["subnets", "update", id, "--category", "risky"], 0);
    let after = site.json(&["subnets", "show", id]).remove(0);
    assert_eq!(after["category"], 3);
    for kept in ["name", "subnets", "tags", "organization"] {
        assert_eq!(after[kept], before[kept], "{kept}");
    }
    let twice = site.run(&["subnets", "create", "HQ", "--network", "192.0.2.0/24", "--category", "vpn"], 1);
    assert!(twice.stderr.contains("name: HQ is not valid"), "{}", twice.stderr);
    assert!(
        site.run(&["subnets", "create", "X", "--network", "192.0.2.0/33", "--category", "vpn"], 2)
            .stderr
            .contains("192.0.2.0/24")
    );
    site.run(&["subnets", "delete", id], 0);
    assert!(site.json(&["subnets", "list"]).is_empty());
}

#[test]
fn sync_shows_its_plan_changes_nothing_unasked_and_then_only_what_differs() {
    let site = site(ALL);
    for name in ["Same", "Old", "Other"] {
        site.run(&["subnets", "create", name, "--network", "192.0.2.0/24", "--category", "corporate"], 0);
    }
    let csv = "name, ip_address_ranges, category, tag(id), isp_name\nSame,192.0.2.0/24,1, ,\nOther,192.0.2.0/24 198.51.100.7/32,2,, Contoso\nNew,2001:db8::/32,vpn\n";
    site.sandbox.write("ranges.csv", csv);
    let sync = ["subnets", "sync", "ranges.csv"];
    let plan = site.run(&[&sync[..], &["--format", "csv"]].concat(), 0);
    assert_eq!(
        plan.stdout,
        "step,name,changes\nupdate,Other,\"networks, category, organization\"\ncreate,New,2001:db8::/32\n"
    );
    assert!(plan.stderr.contains("1 left alone") && plan.stderr.contains("--apply"), "{}", plan.stderr);
    assert_eq!(site.json(&["subnets", "list"]).len(), 3);
    let same = |site: &Site| site.json(&["subnets", "list"]).into_iter().find(|range| range["name"] == "Same");
    let before = same(&site);
    site.run(&[&sync[..], &["--apply"]].concat(), 0);
    assert_eq!(site.json(&["subnets", "list"]).len(), 4);
    assert_eq!(same(&site), before, "an equal range is left alone");
    site.run(&[&sync[..], &["--apply", "--delete"]].concat(), 0);
    let nothing = site.run(&[&sync[..], &["--apply", "--delete", "--format", "csv"]].concat(), 0);
    assert_eq!(nothing.stdout, "step,name,changes\n");
    for (text, line) in [
        ("h\nA,192.0.2.0/24,1\nA,192.0.2.0/24,1\n", "line 3"),
        ("h\nA,192.0.2.0/40,1\n", "line 2"),
        ("h\nA,192.0.2.0/24,moon\n", "line 2"),
        ("h\nA\n", "line 2"),
    ] {
        site.sandbox.write("ranges.csv", text);
        let ran = site.run(&sync, 2);
        assert!(ran.stderr.contains(line), "{}", ran.stderr);
    }
}

#[test]
fn any_other_call_is_made_with_signatures_hidden() {
    let site = site(ALL);
    let address =
        site.run(&["api", "get", "/api/v1/discovery/upload_url/?filename=a.log&source=SQUID_NATIVE"], 0).stdout;
    assert!(address.contains("sig=***") && address.contains("\"provider\""), "{address}");
    site.sandbox.write("body.json", r#"{"name":"Lab","category":6,"subnets":["203.0.113.0/24"]}"#);
    let id = site.run(&["api", "POST", "subnet/create_rule/", "--body", "@body.json"], 0).stdout;
    assert!(id.starts_with('"') && id.ends_with("\"\n"), "{id}");
    for (arguments, code, said) in [
        (&["api", "GET", "https://evil.example/"][..], 2, "no path"),
        (&["api", "FETCH", "alerts/"], 2, "one of GET"),
        (&["api", "POST", "alerts/", "--body", "{"], 2, "not JSON"),
        (&["api", "GET", "governance/"], 1, "404"),
        (&["api", "GET", "alerts"], 1, "ends in"),
    ] {
        let ran = site.run(arguments, code);
        assert!(ran.stderr.replace("end in", "ends in").contains(said), "{arguments:?}: {}", ran.stderr);
    }
}

#[test]
fn a_person_signs_in_by_code_and_acts_with_the_scopes_granted() {
    use crate::support::http::call;
    use std::io::{BufRead, BufReader};
    let site = site(&["Investigation.read"]);
    let ids = format!(
        "method = \"device-code\"\ntenant_id = \"{}\"\nclient_id = \"{}\"",
        site.auth_value("tenant_id"),
        site.auth_value("client_id")
    );
    let wrong = site.run(&["login"], 2);
    assert!(wrong.stderr.contains("device-code"), "{}", wrong.stderr);
    site.configure(&ids, "HQ");
    assert!(site.run(&["whoami"], 4).stderr.contains("logweir login"));
    for (answer, code) in [("no", 4), ("yes", 0)] {
        let mut login = site
            .sandbox
            .command(&["--config", "logweir.toml", "login"])
            .stderr(std::process::Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut said = String::new();
        BufReader::new(login.stderr.take().expect("a pipe")).read_line(&mut said).expect("a line");
        let typed = said.split("code ").nth(1).and_then(|rest| rest.split(' ').next()).expect("a code");
        let page = format!("http://{}/devicelogin", site.addr);
        let form = format!("code={typed}&user=ann%40contoso.example&answer={answer}");
        call("POST", &page, &[("content-type", "application/x-www-form-urlencoded")], form).expect("an answer");
        assert_eq!(login.wait().expect("it ends").code(), Some(code), "{answer}");
    }
    let who = site.run(&["whoami", "--format", "csv"], 0).stdout;
    assert!(who.contains("ann@contoso.example") && who.contains("investigation.read"), "{who}");
    site.run(&["alerts", "list"], 0);
    assert!(site.run(&["report", "streams"], 1).stderr.contains("holds investigation.read"));
    for entry in walkdir::WalkDir::new(site.sandbox.path("state"))
        .into_iter()
        .flatten()
        .filter(|entry| entry.file_type().is_file())
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = entry.metadata().expect("metadata").permissions().mode() & 0o077;
        assert!(mode == 0 || !entry.file_name().to_string_lossy().starts_with("login"), "{entry:?}");
    }
    site.run(&["logout"], 0);
    site.run(&["whoami"], 4);
}
