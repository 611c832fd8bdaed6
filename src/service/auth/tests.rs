//! Every way to sign in against a scripted token endpoint, with the errors that are documented.

use super::super::script::{self, Answer, Request};
use super::*;
use serde_json::json;
use std::path::{Path, PathBuf};

const TENANT: &str = "contoso.example";

fn token_of(scopes: &str) -> String {
    let claims = json!({ "scp": scopes, "upn": "ann@contoso.example", "appid": "app", "tid": "tid", "ver": "1.0" });
    format!("e30.{}.x", URL_SAFE_NO_PAD.encode(claims.to_string()))
}

fn gives(token: &str) -> Answer {
    script::json(200, &json!({ "access_token": token, "expires_in": "3599", "token_type": "Bearer" }))
}

fn error(code: &str) -> Answer {
    script::json(400, &json!({ "error": code, "error_description": format!("AADSTS70016: {code}.") }))
}

fn signed_in(base: &str, auth: AuthMethod) -> super::super::Service {
    script::client(Settings { auth, ..script::settings(base) })
}

fn user(store: &Path) -> AuthMethod {
    AuthMethod::User { tenant_id: TENANT.to_owned(), client_id: "app".to_owned(), store: store.to_path_buf() }
}

/// A device-code endpoint whose polls are answered with these, then with a token.
async fn device(polls: Vec<Answer>) -> String {
    let mut polls = polls.into_iter();
    script::server(move |request: Request| match request.uri.path().rsplit('/').next() {
        Some("devicecode") => {
            assert!(request.form("scope").unwrap().starts_with("05a65629-4c1b-48c1-a78b-804c4abdd4af/Discovery.manage offline_access"));
            script::json(200, &json!({ "device_code": "dev1ce", "user_code": "AB12CD", "interval": 0,
                "verification_uri": "https://microsoft.com/devicelogin", "expires_in": 900 }))
        }
        _ => match request.form("grant_type").as_deref() {
            Some("refresh_token") => {
                let kept = request.form("refresh_token").unwrap();
                if kept == "ended" {
                    return error("invalid_grant");
                }
                script::json(200, &json!({ "access_token": token_of("Discovery.manage"), "refresh_token": format!("{kept}+"), "expires_in": 3600 }))
            }
            _ => polls.next().unwrap_or_else(|| {
                script::json(200, &json!({ "access_token": token_of(""), "refresh_token": "r3fresh", "expires_in": 3600 }))
            }),
        },
    })
    .await
}

async fn login(base: &str, store: &Path) -> Result<(), Failure> {
    let settings = script::settings(base);
    let mut prompt = begin(&settings, TENANT, "app", Some("Discovery.manage")).await?;
    assert_eq!((prompt.code.as_str(), prompt.address.as_str()), ("AB12CD", "https://microsoft.com/devicelogin"));
    prompt.shorten_waits();
    prompt.wait(store).await
}

#[tokio::test]
async fn a_device_login_is_kept_for_its_owner_only_and_renewed_from() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("login-default.json");
    let base = device(vec![error("authorization_pending"), error("slow_down"), (503, Vec::new(), String::new())]).await;
    login(&base, &store).await.unwrap();
    assert_eq!(std::fs::metadata(&store).unwrap().permissions().mode() & 0o777, 0o600);
    let identity = signed_in(&base, user(&store)).identity().await.unwrap();
    assert_eq!(
        (identity.user.as_deref(), identity.scopes.as_slice()),
        (Some("ann@contoso.example"), &["Discovery.manage".to_owned()][..])
    );
    assert!(std::fs::read_to_string(&store).unwrap().contains("r3fresh+"), "a new refresh token replaces the old one");
    assert!(!format!("{:?}", Session::read(&store).unwrap()).contains("r3fresh"));
    let files: Vec<_> = std::fs::read_dir(dir.path()).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(files, ["login-default.json"], "no half-written file stays");
}

#[tokio::test]
async fn a_device_login_that_fails_says_why_and_what_to_do() {
    let rows = [
        (error("authorization_declined"), "declined"),
        (error("access_denied"), "declined"),
        (error("expired_token"), "expired"),
        (error("bad_verification_code"), "does not know"),
        (
            script::json(401, &json!({ "error": "invalid_client", "error_description": "AADSTS7000218: x" })),
            "AADSTS7000218",
        ),
    ];
    for (answer, said) in rows {
        let dir = tempfile::tempdir().unwrap();
        let store = dir.path().join("login.json");
        let failure = login(&device(vec![answer]).await, &store).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Credentials);
        assert!(failure.message.contains(said) && failure.hint.is_some(), "{failure:?}");
        assert!(!store.exists());
    }
}

#[tokio::test]
async fn nobody_signed_in_and_an_ended_login_both_lead_to_login() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("login.json");
    let base = device(Vec::new()).await;
    for text in [None, Some(r#"{"client_id":"app","refresh_token":"ended"}"#), Some("{}"), Some("no json")] {
        if let Some(text) = text {
            std::fs::write(&store, text).unwrap();
        }
        let failure = signed_in(&base, user(&store)).identity().await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Credentials, "{text:?}");
        assert!(failure.hint.clone().unwrap_or_default().contains("logweir login"), "{text:?}: {failure:?}");
    }
}

fn vm(base: &str) -> AuthMethod {
    AuthMethod::ManagedIdentity {
        client_id: Some("mine".to_owned()),
        endpoint: ManagedEndpoint::Vm { host: base.to_owned() },
    }
}

#[tokio::test]
async fn a_vm_gets_its_token_from_the_metadata_service() {
    let base = script::server(|request| {
        assert_eq!(request.headers["metadata"], "true");
        let query = request.uri.query().unwrap_or_default();
        assert_eq!(request.uri.path(), "/metadata/identity/oauth2/token");
        assert_eq!(query, "api-version=2018-02-01&resource=05a65629-4c1b-48c1-a78b-804c4abdd4af&client_id=mine");
        gives(&token_of("x"))
    })
    .await;
    assert_eq!(signed_in(&base, vm(&base)).token_roles().await.unwrap().unwrap(), ["x"]);
}

#[tokio::test]
async fn the_metadata_services_errors_are_told_apart() {
    for (status, kind) in [
        (400, FailureKind::Credentials),
        (403, FailureKind::Credentials),
        (404, FailureKind::Unreachable),
        (410, FailureKind::Unreachable),
        (429, FailureKind::Unreachable),
        (500, FailureKind::Unreachable),
    ] {
        let base = script::server(move |_| {
            script::json(status, &json!({ "error": "invalid_request", "error_description": "Identity not found" }))
        })
        .await;
        let failure = signed_in(&base, vm(&base)).identity().await.unwrap_err();
        assert_eq!(failure.kind, kind, "{status}");
        assert!(failure.message.contains("Identity not found"), "{failure:?}");
        assert_eq!(failure.hint.is_some(), status == 400);
    }
    let failure = signed_in("http://127.0.0.1:1", vm("http://127.0.0.1:1")).identity().await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Local, "no metadata service: trying again is no use");
}

#[tokio::test]
async fn an_arc_machine_proves_itself_with_the_agents_key_file() {
    let dir = tempfile::tempdir().unwrap();
    let keys: PathBuf = dir.path().to_path_buf();
    std::fs::write(keys.join("one.key"), "k3y\n").unwrap();
    std::fs::write(keys.join("long.key"), "x".repeat(5_000)).unwrap();
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("one.key"), "stolen").unwrap();
    let rows = [
        (keys.join("one.key"), true),
        (keys.join("long.key"), false),
        (keys.join("none.key"), false),
        (keys.join("../one.key"), false),
        (outside.path().join("one.key"), false),
        (keys.join("one.txt"), false),
    ];
    for (named, works) in rows {
        let realm = format!("Basic realm={}", named.display());
        let base = script::server(move |request| match request.headers.get("authorization") {
            None => (401, vec![("www-authenticate", realm.clone())], String::new()),
            Some(proof) => {
                assert_eq!(proof, "Basic k3y");
                gives(&token_of("y"))
            }
        })
        .await;
        let endpoint =
            ManagedEndpoint::Arc { endpoint: format!("{base}/metadata/identity/oauth2/token"), keys: keys.clone() };
        let service = signed_in(&base, AuthMethod::ManagedIdentity { client_id: None, endpoint });
        assert_eq!(service.token_roles().await.is_ok(), works, "{}", named.display());
    }
}

#[tokio::test]
async fn a_workload_sends_the_clusters_token_as_it_is_now() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    let base = script::server(|request| {
        assert_eq!(request.uri.path(), "/contoso.example/oauth2/v2.0/token");
        assert_eq!(
            request.form("client_assertion_type").as_deref(),
            Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
        );
        match request.form("client_assertion").as_deref() {
            Some("second") => gives(&token_of("z")),
            _ => script::json(
                401,
                &json!({ "error": "invalid_client", "error_description": "AADSTS70021: no matching" }),
            ),
        }
    })
    .await;
    let service = signed_in(
        &base,
        AuthMethod::WorkloadIdentity {
            tenant_id: TENANT.to_owned(),
            client_id: "app".to_owned(),
            token_file: file.clone(),
        },
    );
    assert!(service.token_roles().await.unwrap_err().hint.unwrap().contains("federated_token_file"));
    std::fs::write(&file, "first").unwrap();
    assert!(service.token_roles().await.unwrap_err().hint.unwrap().contains("issuer"));
    std::fs::write(&file, "second\n").unwrap();
    assert_eq!(service.token_roles().await.unwrap().unwrap(), ["z"]);
}

#[tokio::test]
async fn the_azure_cli_is_asked_for_this_resource_and_its_refusal_is_shown() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("az");
    let write = |text: &str| {
        std::fs::write(&program, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    let service = signed_in(
        "http://127.0.0.1:1",
        AuthMethod::AzureCli { tenant_id: Some("t".to_owned()), program: program.clone() },
    );
    assert!(service.identity().await.unwrap_err().hint.unwrap().contains("az login"));
    write("echo 'ERROR: AADSTS65001: no consent' >&2; exit 1");
    assert!(service.identity().await.unwrap_err().hint.unwrap().contains("consented"));
    write(&format!(
        "[ \"$*\" = 'account get-access-token --output json --resource {API} --tenant t' ] || exit 9\necho '{{\"accessToken\":\"{}\",\"expires_on\":4102444800}}'",
        token_of("w")
    ));
    assert_eq!(service.token_roles().await.unwrap().unwrap(), ["w"]);
}

#[tokio::test]
async fn graph_gets_a_token_of_its_own_and_pages_are_followed_on_the_same_host_only() {
    use super::super::graph::{AppFilter, Period};
    for (elsewhere, works) in [(false, true), (true, false)] {
        let base = script::server(move |request| {
            let host = request.headers["host"].to_str().unwrap().to_owned();
            if request.method == "POST" {
                assert_eq!(request.form("scope").as_deref(), Some("https://graph.microsoft.com/.default"));
                return gives(&token_of("graph"));
            }
            let next = if elsewhere {
                "http://203.0.113.9/x".to_owned()
            } else {
                format!("http://{host}{}?$skip=100", request.uri.path())
            };
            match request.uri.query() {
                Some("%24filter=riskScore+le+4") => {
                    script::json(200, &json!({ "value": [{ "id": "1" }], "@odata.nextLink": next }))
                }
                _ => script::json(200, &json!({ "value": [{ "id": "2" }] })),
            }
        })
        .await;
        let secret = Secret::new("s".to_owned());
        let auth = AuthMethod::ClientSecret { tenant_id: TENANT.to_owned(), client_id: "app".to_owned(), secret };
        let filter = AppFilter { risk_at_most: Some(4), ..AppFilter::default() };
        let mut apps = signed_in(&base, auth).discovered_apps("64b0", Period::Month, &filter).unwrap();
        let first = apps.next().await.map(|page| page.unwrap().len());
        assert_eq!(first.ok(), works.then_some(1));
        if works {
            assert_eq!(apps.next().await.unwrap().unwrap()[0].json(), r#"{"id":"2"}"#);
            assert!(apps.next().await.unwrap().is_none());
        }
    }
    let failure = script::client(script::settings("http://127.0.0.1:1")).graph_streams().await.unwrap_err();
    assert!(failure.message.contains("legacy token"));
}
