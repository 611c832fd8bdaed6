//! A real Chromium without a window, led through its own debugging pipe: JSON messages that end with a zero byte.

use super::{Process, Sandbox, have};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// How long one answer may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A browser with one page open.
pub struct Browser {
    process: Process,
    answers: Receiver<Value>,
    session: Option<String>,
    number: u64,
    /// What it reported on its own, in order.
    events: Vec<Value>,
}

impl Browser {
    /// Starts one; `None` where there is none (a failure in CI).
    pub fn start(sandbox: &Sandbox) -> Option<Browser> {
        if !have("chromium") {
            return None;
        }
        // The pipe is descriptors 3 and 4 on the browser's side.
        let script = "exec chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync \
                      --disable-background-networking --disable-component-update --disable-dev-shm-usage \
                      --remote-debugging-pipe --user-data-dir=\"$0\" about:blank 3<&0 4>&1 </dev/null >/dev/null";
        let mut process = Process::of(
            Command::new("sh")
                .args(["-c", script])
                .arg(sandbox.path("profile"))
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null()),
        );
        let stdout = process.stdout.take().expect("a pipe");
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            let mut reader = BufReader::new(stdout);
            let mut message = Vec::new();
            while reader.read_until(0, &mut message).is_ok_and(|length| length > 0) {
                message.pop();
                let Ok(value) = serde_json::from_slice(&message) else { return };
                if sender.send(value).is_err() {
                    return;
                }
                message.clear();
            }
        });
        let mut browser = Browser { process, answers, session: None, number: 0, events: Vec::new() };
        let targets = browser.call("Target.getTargets", json!({}));
        let page = targets["targetInfos"].as_array().expect("targets").iter().find(|one| one["type"] == "page");
        let page = page.expect("a page")["targetId"].clone();
        let attached = browser.call("Target.attachToTarget", json!({"targetId": page, "flatten": true}));
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        Some(browser)
    }

    #[track_caller]
    fn next(&self) -> Value {
        self.answers.recv_timeout(PATIENCE).expect("the browser answers")
    }

    /// Calls a method and gives its result.
    #[track_caller]
    pub fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.number += 1;
        let mut message = json!({"id": self.number, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            message["sessionId"] = session.as_str().into();
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.process.stdin.as_mut().expect("a pipe").write_all(&bytes).expect("the browser listens");
        loop {
            let answer = self.next();
            if answer["id"] == self.number {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].clone();
            }
            self.events.push(answer);
        }
    }

    /// Opens a file and waits until it is loaded.
    #[track_caller]
    pub fn open(&mut self, file: &Path, fragment: &str) {
        // A page that is open already would only be scrolled.
        self.go("about:blank");
        self.go(&format!("file://{}{fragment}", file.display()));
    }

    #[track_caller]
    fn go(&mut self, url: &str) {
        self.events.clear();
        self.call("Page.navigate", json!({"url": url}));
        while !self.events.iter().any(|event| event["method"] == "Page.loadEventFired") {
            let event = self.next();
            self.events.push(event);
        }
    }

    /// The value of an expression in the page.
    #[track_caller]
    pub fn value(&mut self, expression: &str) -> Value {
        let result = self.call("Runtime.evaluate", json!({"expression": expression, "returnByValue": true}));
        assert!(result["exceptionDetails"].is_null(), "{expression}: {result}");
        result["result"]["value"].clone()
    }

    /// Presses and lets go a key, such as `Tab` or `Enter`.
    pub fn press(&mut self, key: &str) {
        let (code, text) = match key {
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            " " => (32, " "),
            other => panic!("{other} is not among the keys"),
        };
        let key = json!({"type": "keyDown", "key": key, "windowsVirtualKeyCode": code, "text": text});
        self.call("Input.dispatchKeyEvent", key.clone());
        self.call("Input.dispatchKeyEvent", json!({"type": "keyUp", "key": key["key"], "windowsVirtualKeyCode": code}));
    }

    /// Types text where the focus is.
    pub fn insert(&mut self, text: &str) {
        self.call("Input.insertText", json!({"text": text}));
    }

    /// What the page complained about, and what it asked of anything but itself, since it was opened.
    pub fn complaints(&mut self) -> Vec<String> {
        // An answer comes after everything that happened before it.
        self.value("0");
        let of = |event: &Value| match event["method"].as_str() {
            Some("Runtime.consoleAPICalled" | "Runtime.exceptionThrown" | "Log.entryAdded") => Some(event.to_string()),
            Some("Network.requestWillBeSent") => {
                let url = event["params"]["request"]["url"].as_str().unwrap_or_default();
                let own = url.starts_with("file://") || url.starts_with("data:") || url == "about:blank";
                (!own).then(|| url.to_owned())
            }
            _ => None,
        };
        self.events.iter().filter_map(of).collect()
    }
}
