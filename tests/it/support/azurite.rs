//! Azurite, Microsoft's own stand-in for Azure Storage, on a free port with addresses signed as Azure signs them.

use super::http::call;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use ring::hmac;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

const ACCOUNT: &str = "acct";
const VERSION: &str = "2018-03-28";

/// A running Azurite with one container.
pub struct Azurite {
    server: Child,
    addr: String,
    key: hmac::Key,
    _dir: tempfile::TempDir,
}

impl Drop for Azurite {
    fn drop(&mut self) {
        // One that is gone already is what is wanted.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn query(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

fn time(seconds: i64) -> String {
    let now = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
    now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

impl Azurite {
    /// Starts one, if it is installed.
    pub fn start() -> Option<Azurite> {
        let program = super::npm("azurite-blob")?;
        let dir = tempfile::tempdir().expect("a directory");
        let secret = [7; 64];
        let mut server = Command::new(program)
            .args(["--blobPort", "0", "--skipApiVersionCheck", "--disableTelemetry", "--location"])
            .arg(dir.path())
            .env("AZURITE_ACCOUNTS", format!("{ACCOUNT}:{}", STANDARD.encode(secret)))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("azurite starts");
        let mut lines = BufReader::new(server.stdout.take().expect("a pipe")).lines().map(|line| line.expect("text"));
        let line = lines.find(|line| line.contains("successfully listens on")).expect("it listens");
        let addr = line.rsplit("http://").next().expect("an address").trim().to_owned();
        std::thread::spawn(move || lines.for_each(drop));
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
        let azurite = Azurite { server, addr, key, _dir: dir };
        let url = azurite.with_account("uploads", "restype=container&");
        let made = call("PUT", &url, &[("content-length", "0")], "").expect("an answer");
        assert_eq!(made.status, 201, "{made:?}");
        Some(azurite)
    }

    fn sign(&self, text: &str) -> String {
        STANDARD.encode(hmac::sign(&self.key, text.as_bytes()))
    }

    /// An address that may do anything, for what only the test does.
    fn with_account(&self, path: &str, more: &str) -> String {
        let until = time(3_600);
        let signed = [ACCOUNT, "rwdlac", "b", "sco", "", &until, "", "", VERSION, ""].join("\n");
        let sig = self.sign(&signed);
        let pairs = [("sv", VERSION), ("ss", "b"), ("srt", "sco"), ("sp", "rwdlac"), ("se", &until), ("sig", &sig)];
        format!("http://{}/{ACCOUNT}/{path}?{more}{}", self.addr, query(&pairs))
    }

    /// An address for one blob that may only be written, as the service hands them out.
    pub fn address(&self, blob: &str, good_for: i64) -> String {
        let until = time(good_for);
        let resource = format!("/blob/{ACCOUNT}/uploads/{blob}");
        let signed = ["w", "", &until, &resource, "", "", "", VERSION, "", "", "", "", ""].join("\n");
        let sig = self.sign(&signed);
        let pairs = [("sv", VERSION), ("sr", "b"), ("sp", "w"), ("se", &until), ("sig", &sig)];
        format!("http://{}/{ACCOUNT}/uploads/{blob}?{}", self.addr, query(&pairs))
    }

    /// What a blob holds, which must be what the checksum that was stored with it says; nothing when it is not there.
    #[track_caller]
    pub fn content(&self, blob: &str) -> Option<Vec<u8>> {
        let answer = call("GET", &self.with_account(&format!("uploads/{blob}"), ""), &[], "").expect("an answer");
        if answer.status != 200 {
            return None;
        }
        let whole = STANDARD.encode(Md5::digest(&answer.bytes));
        assert_eq!(answer.headers.get("content-md5"), Some(&whole), "the checksum of the whole blob");
        Some(answer.bytes)
    }
}
