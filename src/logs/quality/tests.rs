//! The verdict on made-up logs, rule by rule, and the counts however the log is cut.

use super::*;
use crate::logs::input::{Encoding, Packing, Shape};
use crate::logs::{Parser, feed, read_with, vendor};

/// 2026-11-25, in microseconds.
const NOW: i64 = 1_795_600_000_000_000;
const DAY: i64 = 86_400 * 1_000_000;

fn native(days_ago: i64, client: &str, url: &str, user: &str) -> String {
    let time = (NOW - days_ago * DAY) / 1_000_000;
    format!("{time}.123    96 {client} TCP_MISS/200 5120 GET {url} {user} HIER_DIRECT/203.0.113.20 text/html\n")
}

fn quality(log_type: &str, text: &str) -> Quality {
    let format = vendor::find(log_type).unwrap();
    let mut quality = Quality::new(format, NOW);
    feed(&mut Parser::read_at(format, NOW), Position::default(), text.as_bytes(), &mut quality);
    quality
}

fn judged(log_type: &str, text: &str) -> Judgement {
    quality(log_type, text).judge(Shape::default())
}

#[test]
fn each_rule_of_the_service_has_its_verdict_its_words_and_a_remedy() {
    let good = |n: usize| native(1, "10.0.0.7", "https://app.example.com/a", "ann").repeat(n);
    let old = native(91, "10.0.0.7", "https://app.example.com/a", "ann");
    let inside = native(1, "10.0.0.7", "http://10.0.0.9/a", "ann").replace("203.0.113.20", "10.0.0.9");
    let inbound = inside.replace("10.0.0.7", "203.0.113.9");
    let garbage = "this is no line of squid's at all, is it\n";
    let rows: [(&str, String, Verdict, &str, &str); 9] = [
        ("all good", good(3), Verdict::Accepted, "", ""),
        ("nothing", String::new(), Verdict::Refused, "Unsupported file type", "empty"),
        ("garbage", garbage.repeat(9), Verdict::Refused, "The log format doesn't match", "cannot be read"),
        ("some garbage", good(9) + garbage, Verdict::AcceptedWithLoss, "", "1 of 10 lines"),
        ("all old", old.repeat(3), Verdict::Refused, "Transactions are more than 90 days old", "all 3"),
        ("some old", good(3) + &old, Verdict::AcceptedWithLoss, "", "1 of 4 transactions"),
        ("internal", inside, Verdict::Refused, "No transactions to cataloged cloud apps", "nothing goes out"),
        ("inbound", inbound, Verdict::Refused, "No transactions to cataloged cloud apps", "come in from outside"),
        ("no users", good(1).replace(" ann ", " - "), Verdict::AcceptedWithLoss, "", "a user"),
    ];
    for (name, text, verdict, service, what) in rows {
        let found = judged("SQUID_NATIVE", &text);
        assert_eq!(found.verdict, verdict, "{name}: {found:?}");
        let first = found.findings.first();
        assert_eq!(first.and_then(|finding| finding.service.as_deref()).unwrap_or_default(), service, "{name}");
        assert!(first.map(|finding| finding.what.as_str()).unwrap_or_default().contains(what), "{name}: {found:?}");
        let helpless = found.findings.iter().find(|finding| finding.level > Level::Note && finding.remedies.is_empty());
        assert!(helpless.is_none() || ["nothing", "some garbage"].contains(&name), "{name}: {helpless:?}");
        assert!(found.sentence().starts_with(verdict.as_str()));
    }
}

#[test]
fn the_appliance_gets_its_own_remedy() {
    let create = "<14>Nov 24 10:15:30 srx1 RT_FLOW: RT_FLOW_SESSION_CREATE: session created \
                  10.0.0.5/50100->203.0.113.20/443 junos-https 198.51.100.7/50100->203.0.113.20/443 None None 6 web \
                  trust untrust 42 N/A(N/A) ge-0/0/1.0\n";
    let asa = "<166>Nov 24 2026 10:15:30 fw1 : %ASA-5-111008: User 'enable_15' executed the 'write' command.\n";
    let rows = [
        ("JUNIPER_SRX_SYSLOG", create, Verdict::AcceptedWithLoss, "session-close"),
        ("CISCO_ASA_SYSLOG", asa, Verdict::Refused, "level 6"),
        ("CISCO_ASA_SYSLOG", &(asa.to_owned() + asa + "reloaded\n"), Verdict::Refused, "level 6"),
    ];
    for (log_type, text, verdict, remedy) in rows {
        let found = judged(log_type, &text.repeat(4));
        assert_eq!(found.verdict, verdict, "{found:?}");
        let remedies: Vec<&String> = found.findings.iter().flat_map(|finding| &finding.remedies).collect();
        assert!(remedies.iter().any(|text| text.contains(remedy)), "{log_type}: {found:?}");
    }
}

#[test]
fn lines_cut_by_syslog_are_called_that() {
    let cut = "x".repeat(1_024) + "\n";
    let found = judged("SQUID_NATIVE", &(native(1, "10.0.0.7", "https://app.example.com/a", "ann") + &cut));
    assert!(found.findings[0].remedies[0].contains("TCP"), "{found:?}");
}

#[test]
fn marks_inside_an_archive_refuse_it_and_in_the_open_are_a_note() {
    let text = native(1, "10.0.0.7", "https://app.example.com/a", "ann");
    let quality = quality("SQUID_NATIVE", &text);
    let plain = quality.judge(Shape { packing: Packing::Plain, encoding: Encoding::Utf8Mark });
    let packed = quality.judge(Shape { packing: Packing::Gzip, encoding: Encoding::Utf16Le });
    assert_eq!((plain.verdict, plain.findings.len()), (Verdict::Accepted, 1));
    assert_eq!(packed.findings[0].service.as_deref(), Some("Unsupported file type"));
}

#[test]
fn counts_are_the_same_however_the_log_is_cut() {
    let mut text = String::new();
    for i in 0..20_000 {
        match i % 50 {
            7 => text.push_str("garbage\n"),
            9 => text.push_str("# comment\n"),
            _ => {
                let (client, host) = (format!("10.0.{}.{}", i % 4, i % 200), format!("h{}.example.com", i % 37));
                let url = format!("https://{host}/p{i}");
                text.push_str(&native(i64::from(i % 100), &client, &url, &format!("user{}", i % 90)));
            }
        }
    }
    let format = vendor::find("SQUID_NATIVE").unwrap();
    let parser = Parser::read_at(format, NOW);
    let whole = |threads: usize| {
        let reading = read_with(&parser, text.as_bytes(), threads, || Quality::new(format, NOW)).unwrap();
        (serde_json::to_value(reading.visit.summary(10)).unwrap(), reading.visit.judge(reading.shape))
    };
    let (one, judgement) = whole(1);
    assert_eq!((one.clone(), judgement.clone()), whole(4));
    let mut once = Quality::new(format, NOW);
    feed(&mut parser.clone(), Position::default(), text.as_bytes(), &mut once);
    assert_eq!(one, serde_json::to_value(once.summary(10)).unwrap());
    assert_eq!(one["lines"], 20_000);
    assert_eq!(one["rejects"][0]["count"], 400);
    assert_eq!(one["rejects"][0]["examples"][0]["line"], 8);
    assert_eq!(one["rejects"][0]["examples"].as_array().unwrap().len(), EXAMPLES);
    assert_eq!(one["other"], 400);
    assert_eq!(one["top_hosts"].as_array().unwrap().len(), 10);
    assert!((85..=95).contains(&one["users"].as_u64().unwrap()), "{}", one["users"]);
    assert_eq!(one["direction"]["outbound"], one["records"]);
    let text = serde_json::to_string(&judgement).unwrap();
    assert_eq!(serde_json::from_str::<Judgement>(&text).unwrap(), judgement);
}

#[test]
fn every_sample_is_judged_without_being_taken_for_another_format() {
    for format in vendor::all() {
        let vendors = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/samples/logs")).unwrap();
        let path = vendors.map(|vendor| vendor.unwrap().path().join(format!("{}.log", format.log_type)));
        let text = std::fs::read_to_string(path.into_iter().find(|path| path.exists()).unwrap()).unwrap();
        let found = judged(format.log_type, &text);
        let mismatch = found.findings.iter().any(|f| f.service.as_deref() == Some("The log format doesn't match"));
        assert!(!mismatch && found.records > 0, "{}: {found:?}", format.log_type);
    }
}
