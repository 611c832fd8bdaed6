//! The embedded service refuses what the remote one refuses, and keeps what it answered.

use crate::support::http::{Answer, call};
use crate::support::site::{Site, log};
use crate::support::{Certificate, have};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use md5::{Digest, Md5};

const RESOURCE: &str = "05a65629-4c1b-48c1-a78b-804c4abdd4af";

/// A site as a foreign client sees it.
struct Foreign {
    site: Site,
    bearer: String,
}

impl Foreign {
    fn new(more: &[&str]) -> Foreign {
        let site = Site::with(more);
        let answer = site.token(&site.secret_form());
        let bearer = format!("Bearer {}", answer.json()["access_token"].as_str().expect("a token"));
        Foreign { site, bearer }
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        self.with(&self.bearer, method, path, body)
    }

    fn with(&self, credential: &str, method: &str, path: &str, body: &str) -> Answer {
        let url = format!("http://{}{path}", self.site.addr);
        call(method, &url, &[("authorization", credential), ("content-type", "application/json")], body)
            .expect("an answer")
    }

    fn address(&self) -> String {
        let answer = self.ask("GET", "/api/v1/discovery/upload_url/?filename=a.log&source=SQUID_NATIVE", "");
        answer.json()["url"].as_str().expect("an address").to_owned()
    }

    fn done(&self, url: &str, name: &str) -> Answer {
        let body = serde_json::json!({ "uploadUrl": url, "inputStreamName": name }).to_string();
        self.ask("POST", "/api/v1/discovery/done_upload/", &body)
    }
}

const BLOB: (&str, &str) = ("x-ms-blob-type", "BlockBlob");

fn put(url: &str, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Answer {
    call("PUT", url, headers, body).expect("an answer")
}

fn block(url: &str, id: &str, body: impl Into<Vec<u8>>) -> Answer {
    put(&format!("{url}&comp=block&blockid={}", id.replace('=', "%3D")), &[], body)
}

fn list(url: &str, ids: &[&str]) -> Answer {
    let ids: String = ids.iter().map(|id| format!("<Latest>{id}</Latest>")).collect();
    put(&format!("{url}&comp=blocklist"), &[], format!("<BlockList>{ids}</BlockList>"))
}

#[test]
fn calls_of_the_api_are_refused_in_the_services_own_words() {
    let foreign = Foreign::new(&[]);
    let address = foreign.address();
    let forged = address.replace("sig=", "sig=AA");
    let done = |url: &str, name: &str| format!("{{\"uploadUrl\":\"{url}\",\"inputStreamName\":\"{name}\"}}");
    let done_upload = "/api/v1/discovery/done_upload/";
    let rows: &[(&str, &str, &str, String, u16, &str)] = &[
        ("GET", "", "/api/discovery/streams/", String::new(), 401, "Invalid token"),
        ("GET", "Bearer a.b.c", "/api/discovery/streams/", String::new(), 401, "Invalid token"),
        ("GET", "Token 0123", "/api/discovery/streams/", String::new(), 401, "Invalid token"),
        ("GET", "ours", "/api/nowhere/", String::new(), 404, "<title>Page not found</title>"),
        ("GET", "ours", "/elsewhere", String::new(), 404, "<title>Page not found</title>"),
        ("POST", "ours", "/api/discovery/streams/", String::new(), 405, ""),
        ("GET", "ours", "/api/v1/discovery/upload_url/?source=SQUID_NATIVE", String::new(), 400, "\"filename\""),
        (
            "GET",
            "ours",
            "/api/v1/discovery/upload_url/?filename=a&source=SQUIDS",
            String::new(),
            400,
            "SQUIDS is not valid",
        ),
        ("POST", "ours", done_upload, done(&address, "HQ"), 400, "Nothing was stored"),
        ("POST", "ours", done_upload, done(&forged, "HQ"), 400, "\"uploadUrl\""),
        ("POST", "ours", done_upload, done("not an address", "HQ"), 400, "\"uploadUrl\""),
        ("POST", "ours", done_upload, "{}".to_owned(), 400, "\"uploadUrl\""),
        (
            "POST",
            "ours",
            "/api/v1/discovery/discovered_apps/categories/",
            "{\"streamId\":\"x\"}".to_owned(),
            400,
            "x is not valid",
        ),
        ("GET", "ours", "/api/discovery_block_scripts/?format=9", String::new(), 400, "\"format\""),
        ("GET", "ours", "/api/discovery_block_scripts/?type=some", String::new(), 400, "\"type\""),
    ];
    for (method, credential, path, body, status, said) in rows {
        let credential = if *credential == "ours" { foreign.bearer.as_str() } else { credential };
        let answer = foreign.with(credential, method, path, body);
        assert_eq!(answer.status, *status, "{method} {path} {credential}: {answer:?}");
        assert!(answer.body.contains(said), "{method} {path}: {answer:?}");
    }
    let moved = foreign.ask("GET", "/cas/api/discovery/streams?a=b", "");
    assert_eq!((moved.status, moved.headers["location"].as_str()), (301, "/cas/api/discovery/streams/?a=b"));
}

#[test]
fn storage_is_as_strict_as_azure_is() {
    let foreign = Foreign::new(&[]);
    let url = foreign.address();
    let (one, two, long) = (STANDARD.encode("1"), STANDARD.encode("2"), STANDARD.encode("a longer id"));
    let wrong_md5 = STANDARD.encode(Md5::digest(b"other"));
    let other = foreign.address();
    let stolen = format!("{}?{}", other.split('?').next().expect("a path"), url.split('?').nth(1).expect("a query"));
    let rows: Vec<(&str, Answer, u16, &str)> = vec![
        ("no blob type", put(&url, &[], "x"), 400, "MissingRequiredHeader"),
        ("a token", put(&url, &[BLOB, ("authorization", "Bearer x")], "x"), 400, "InvalidAuthenticationInfo"),
        ("a wrong checksum", put(&url, &[BLOB, ("content-md5", &wrong_md5)], "x"), 400, "Md5Mismatch"),
        ("a forged signature", put(&url.replace("sig=", "sig=A"), &[BLOB], "x"), 403, "AuthenticationFailed"),
        ("another blob's signature", put(&stolen, &[BLOB], "x"), 403, "AuthenticationFailed"),
        ("a changed expiry", put(&url.replace("se=20", "se=21"), &[BLOB], "x"), 403, "AuthenticationFailed"),
        ("no address at all", put(url.split('?').next().expect("a path"), &[BLOB], "x"), 403, "AuthenticationFailed"),
        ("an id that is no base64", block(&url, "!!", "x"), 400, "InvalidQueryParameterValue"),
        ("a list of nothing that was put", list(&url, &[&one]), 400, "InvalidBlockList"),
        ("a list that is none", put(&format!("{url}&comp=blocklist"), &[], "<html/>"), 400, "InvalidXmlDocument"),
        ("an unknown operation", put(&format!("{url}&comp=lease"), &[], "x"), 400, "InvalidQueryParameterValue"),
        ("a first block", block(&url, &one, "a\n"), 201, ""),
        ("an id of another length", block(&url, &long, "b\n"), 400, "InvalidBlobOrBlock"),
        ("a second block", block(&url, &two, "b\n"), 201, ""),
        ("the same block again", block(&url, &one, "c\n"), 201, ""),
        ("a list with a missing block", list(&url, &[&one, &two, &STANDARD.encode("3")]), 400, "InvalidBlockList"),
        ("the list in its own order", list(&url, &[&two, &one]), 201, ""),
        ("the same list again, its answer lost", list(&url, &[&two, &one]), 201, ""),
        ("another list of blocks that are gone", list(&url, &[&one]), 400, "InvalidBlockList"),
    ];
    for (what, answer, status, code) in rows {
        assert_eq!(answer.status, status, "{what}: {answer:?}");
        assert!(answer.body.contains(code), "{what}: {answer:?}");
        assert_eq!(answer.headers.get("x-ms-error-code").map_or("", String::as_str), code, "{what}");
    }
    let blob = url.split('?').next().and_then(|path| path.rsplit('/').next()).expect("a name").to_owned();
    let kept = std::fs::read_to_string(foreign.site.sandbox.path("logweir-service/blobs").join(blob));
    assert_eq!(kept.expect("the blob"), "b\nc\n");
}

#[test]
fn more_than_one_put_may_hold_is_refused_without_reading_it() {
    let foreign = Foreign::new(&["--storage-version", "2014-02-14"]);
    let url = foreign.address();
    assert!(url.contains("sv=2014-02-14"), "{url}");
    // The service closes without reading on; at times that is seen before its answer is.
    let put = |url: &str, headers: &[(&str, &str)], bytes: usize| {
        let answer = (0..20).find_map(|_| call("PUT", url, headers, vec![b'x'; bytes]).ok());
        answer.expect("an answer")
    };
    let whole = put(&url, &[BLOB], (64 << 20) + 1);
    assert_eq!((whole.status, whole.headers["x-ms-error-code"].as_str()), (413, "RequestBodyTooLarge"));
    let id = STANDARD.encode("1").replace('=', "%3D");
    let old = put(&format!("{url}&comp=block&blockid={id}"), &[], (4 << 20) + 1);
    assert_eq!(old.status, 413);
}

#[test]
fn uploads_go_to_disk_and_not_into_memory() {
    let foreign = Foreign::new(&[]);
    let peak = |site: &Site| {
        let status = std::fs::read_to_string(format!("/proc/{}/status", site.service.id())).expect("its status");
        let line = status.lines().find(|line| line.starts_with("VmHWM")).expect("the peak");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number")
    };
    let before = peak(&foreign.site);
    for _ in 0..2 {
        assert_eq!(put(&foreign.address(), &[BLOB], vec![b'x'; 60 << 20]).status, 201);
    }
    let grown = peak(&foreign.site) - before;
    assert!(grown < 24 << 10, "{grown} KiB for two uploads of 60 MiB");
}

#[test]
fn an_unknown_data_source_and_a_wrong_permission_are_told_apart() {
    let foreign = Foreign::new(&["--role", "discovery.read"]);
    assert_eq!(foreign.ask("GET", "/api/discovery/streams/", "").status, 200);
    let refused = foreign.ask("GET", "/api/v1/discovery/upload_url/?filename=a&source=SQUID_NATIVE", "");
    assert_eq!(refused.status, 403);
    assert!(refused.body.contains("Insufficient role based permissions"), "{refused:?}");
    let foreign = Foreign::new(&[]);
    let url = foreign.address();
    put(&url, &[BLOB], log(1, 2));
    let unknown = foreign.done(&url, "Nobody");
    assert_eq!(unknown.status, 400);
    assert!(unknown.body.contains("PARSE_LOG_TASK_ERROR_NOT_FOUND_INPUT_STREAM"), "{unknown:?}");
    let form = format!(
        "uploadUrl={}&inputStreamName=HQ",
        url::form_urlencoded::byte_serialize(url.as_bytes()).collect::<String>()
    );
    let known = foreign.ask("POST", "/api/v1/discovery/done_upload/", &form);
    assert_eq!((known.status, known.json()["success"].as_bool()), (200, Some(true)), "a form is taken as well");
    assert_eq!(foreign.site.imported(), 2);
}

#[test]
fn over_budget_calls_are_refused_in_the_way_asked_for() {
    let rows = [("full", true, true), ("header", true, false), ("text", false, true), ("bare", false, false)];
    for (way, header, text) in rows {
        let foreign = Foreign::new(&["--calls-a-minute", "1", "--throttle", way]);
        assert_eq!(foreign.ask("GET", "/api/discovery/streams/", "").status, 200);
        let refused = foreign.ask("GET", "/api/discovery/streams/", "");
        assert_eq!(refused.status, 429, "{way}");
        assert_eq!(refused.headers.contains_key("retry-after"), header, "{way}");
        assert_eq!(refused.body.contains("throttled. Expected available in"), text, "{way}: {refused:?}");
    }
}

#[test]
fn the_token_endpoint_refuses_with_the_code_that_says_why() {
    let site = Site::new();
    let good = site.secret_form();
    let client = site.auth_value("client_id");
    let rows = [
        (good.replace("client_secret=", "client_secret=x"), 401, "AADSTS7000215"),
        (good.replace(&client, "nobody"), 400, "AADSTS700016"),
        (good.replace(RESOURCE, "00000003-0000-0000-c000-000000000000"), 400, "AADSTS500011"),
        (good.replace("scope=", "schope="), 400, "AADSTS900144"),
        (good.replace("client_credentials", "password"), 400, "AADSTS70003"),
        (good.replace("client_secret=", "secret="), 401, "AADSTS7000218"),
        (format!("{good}&client_assertion=x"), 400, "AADSTS700025"),
    ];
    for (form, status, code) in rows {
        let answer = site.token(&form);
        assert_eq!(answer.status, status, "{form}: {answer:?}");
        assert!(answer.json()["error_description"].as_str().is_some_and(|said| said.starts_with(code)), "{answer:?}");
        assert!(answer.json()["error_codes"][0].as_u64().is_some_and(|c| code.ends_with(&c.to_string())), "{answer:?}");
    }
    let url = format!("http://{}/nobody/oauth2/v2.0/token", site.addr);
    assert!(call("POST", &url, &[], good.clone()).expect("an answer").body.contains("AADSTS90002"));
    let v1 = format!("http://{}/{}/oauth2/token", site.addr, site.auth_value("tenant_id"));
    let form = good.replace(&format!("scope={RESOURCE}%2F.default"), &format!("resource={RESOURCE}"));
    let answer = call("POST", &v1, &[], form).expect("an answer").json();
    let payload = answer["access_token"].as_str().and_then(|t| t.split('.').nth(1)).expect("a token").to_owned();
    let claims: serde_json::Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).expect("base64")).expect("claims");
    assert_eq!((claims["ver"].as_str(), claims["appid"].as_str()), (Some("1.0"), Some(client.as_str())));
    assert_eq!((claims["roles"][0].as_str(), claims["aud"].as_str()), (Some("discovery.manage"), Some(RESOURCE)));
}

#[test]
fn an_assertion_is_verified_in_every_part() {
    if !have("openssl") {
        return;
    }
    let certificate = Certificate::self_signed("app");
    let stranger = Certificate::self_signed("stranger");
    let site = Site::with(&["--certificate", certificate.pem.to_str().expect("UTF-8")]);
    let (tenant, client) = (site.auth_value("tenant_id"), site.auth_value("client_id"));
    let aud = format!("http://{}/{tenant}/oauth2/v2.0/token", site.addr);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock").as_secs();
    let claims = |aud: &str, iss: &str, nbf: u64, exp: u64| serde_json::json!({ "aud": aud, "iss": iss, "sub": iss, "jti": "1", "nbf": nbf, "iat": nbf, "exp": exp });
    let good = claims(&aud, &client, now, now + 300);
    let signed = certificate.assertion("PS256", &good);
    let (head, tail) = signed.rsplit_once('.').expect("a signature");
    let flipped = format!("{head}.{}{}", if tail.starts_with('A') { "B" } else { "A" }, &tail[1..]);
    let rows = [
        ("as it should be", signed.clone(), ""),
        ("a flipped signature", flipped, "AADSTS700027"),
        ("another certificate", stranger.assertion("PS256", &good), "AADSTS700027"),
        ("an older algorithm", certificate.assertion("RS256", &good), "AADSTS5002738"),
        (
            "for somebody else",
            certificate.assertion("PS256", &claims("http://x/", &client, now, now + 300)),
            "AADSTS700023",
        ),
        ("from somebody else", certificate.assertion("PS256", &claims(&aud, "x", now, now + 300)), "AADSTS700021"),
        ("expired", certificate.assertion("PS256", &claims(&aud, &client, now - 4_000, now - 3_700)), "AADSTS700024"),
        (
            "not yet good",
            certificate.assertion("PS256", &claims(&aud, &client, now + 3_600, now + 3_900)),
            "AADSTS700024",
        ),
        (
            "good for too long",
            certificate.assertion("PS256", &claims(&aud, &client, now, now + 86_400)),
            "AADSTS700024",
        ),
        ("no assertion", "a.b".to_owned(), "AADSTS50027"),
    ];
    for (what, assertion, code) in rows {
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_id", &client)
            .append_pair("scope", &format!("{RESOURCE}/.default"))
            .append_pair("client_assertion_type", kind)
            .append_pair("client_assertion", &assertion)
            .finish();
        let answer = site.token(&form);
        assert_eq!(answer.status == 200, code.is_empty(), "{what}: {answer:?}");
        assert!(answer.body.contains(code), "{what}: {answer:?}");
    }
}

#[test]
fn addresses_and_tokens_expire_when_they_are_told_to() {
    let foreign = Foreign::new(&["--address-good-for", "1s", "--token-good-for", "5s"]);
    let url = foreign.address();
    std::thread::sleep(std::time::Duration::from_millis(6_100));
    let late = put(&url, &[BLOB], "x");
    assert_eq!((late.status, late.headers["x-ms-error-code"].as_str()), (403, "AuthenticationFailed"));
    assert_eq!(foreign.ask("GET", "/api/discovery/streams/", "").status, 401);
}

#[test]
fn blocks_accepted_logs_and_reports_survive_a_kill() {
    let mut foreign = Foreign::new(&["--processing-delay", "1s"]);
    let url = foreign.address();
    let (one, two) = (STANDARD.encode("1"), STANDARD.encode("2"));
    let text = log(1, 30);
    let (first, second) = text.split_at(text.len() / 2);
    assert_eq!(block(&url, &one, first).status, 201);
    foreign.site.restart();
    assert_eq!(block(&url, &two, second).status, 201);
    assert_eq!(list(&url, &[&one, &two]).status, 201);
    foreign.site.restart();
    assert_eq!(foreign.done(&url, "HQ").status, 200);
    // Answered, but not processed yet.
    foreign.site.restart();
    assert_eq!(foreign.site.imported(), 30);
    let streams = foreign.ask("GET", "/api/discovery/streams/", "").json();
    let hq =
        streams["streams"].as_array().expect("a list").iter().find(|s| s["displayName"] == "HQ").expect("HQ").clone();
    assert_eq!((hq["logFilesHistoryCount"].as_u64(), hq["logFilesFailsCount"].as_u64()), (Some(1), Some(0)));
    assert_eq!(hq["logType"].as_u64(), Some(155));
}

#[test]
fn the_list_of_reports_comes_in_the_envelope_asked_for() {
    let rows = [("streams", "{\"streams\":["), ("data", "{\"data\":["), ("list", "["), ("object", "{\"_id\"")];
    for (shape, begins) in rows {
        let foreign = Foreign::new(&["--streams-as", shape]);
        let answer = foreign.ask("GET", "/api/discovery/streams/", "");
        assert!(answer.body.starts_with(begins), "{shape}: {answer:?}");
        let shown = foreign.site.run(&["report", "streams"], 0).stdout;
        assert!(shown.contains("Branch"), "{shape}: {shown}");
    }
}

#[test]
fn a_legacy_token_has_every_right() {
    let foreign = Foreign::new(&["--legacy-token", "old"]);
    let token = std::fs::read_to_string(foreign.site.sandbox.path("logweir-service/old.token")).expect("the token");
    let answer = foreign.with(&format!("Token {token}"), "GET", "/api/discovery_block_scripts/?format=120", "");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.body.starts_with('.'));
    assert_eq!(foreign.with(&format!("Bearer {token}"), "GET", "/api/discovery/streams/", "").status, 401);
}

#[test]
fn a_second_service_in_one_directory_is_refused() {
    let site = Site::new();
    let ran = site.sandbox.run(&["serve", "--listen", "127.0.0.1:0"], 5);
    assert!(ran.stderr.contains("another service runs"), "{}", ran.stderr);
}
