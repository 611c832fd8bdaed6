//! The embedded service as a process, with an application, data sources and a configuration that fits.

use super::daemon::free_port;
use super::http::{Answer, call};
use super::{PATIENCE, Ran, Sandbox};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// A sandbox with `logweir serve` running in it, an application, the data source HQ and a configuration.
pub struct Site {
    /// Where everything lies.
    pub sandbox: Sandbox,
    /// The running service.
    pub service: Child,
    /// Where it listens.
    pub addr: String,
}

impl Drop for Site {
    fn drop(&mut self) {
        // A service that is gone already is what is wanted.
        let _ = self.service.kill();
        let _ = self.service.wait();
    }
}

impl Site {
    /// A fresh one.
    pub fn new() -> Site {
        Site::with(&[])
    }

    /// A fresh one whose service got more arguments.
    pub fn with(more: &[&str]) -> Site {
        let sandbox = Sandbox::new();
        let arguments =
            ["--application", "test", "--data-source", "HQ=SQUID_NATIVE", "--data-source", "Branch=SQUID_NATIVE"];
        let (service, lines) = serve(&sandbox, &place(), &[&arguments, more].concat());
        let addr = lines.last().expect("the address").rsplit("http://").next().expect("an address").to_owned();
        let site = Site { sandbox, service, addr };
        site.configure(&lines[..3].join("\n"), "HQ");
        site
    }

    /// One whose application has these roles, and whose further families start with this state.
    pub fn seeded(roles: &[&str], families: &str) -> Site {
        let sandbox = Sandbox::new();
        sandbox.write("logweir-service/families.json", families);
        let mut arguments = vec!["--application", "test", "--data-source", "HQ=SQUID_NATIVE"];
        arguments.extend(roles.iter().flat_map(|role| ["--role", *role]));
        let (service, lines) = serve(&sandbox, &place(), &arguments);
        let addr = lines.last().expect("the address").rsplit("http://").next().expect("an address").to_owned();
        let site = Site { sandbox, service, addr };
        site.configure(&lines[..3].join("\n"), "HQ");
        site
    }

    /// Registers another application with one role, restarting the service; what belongs into `[auth]` for it.
    pub fn application(&mut self, role: &str) -> String {
        self.service.kill().expect("the service runs");
        self.service.wait().expect("it ends");
        let (service, lines) = serve(&self.sandbox, &self.addr, &["--application", "limited", "--role", role]);
        self.service = service;
        lines[..3].join("\n")
    }

    /// Writes the configuration.
    pub fn configure(&self, auth: &str, data_source: &str) {
        let addr = &self.addr;
        let text = format!(
            "[service]\nurl = \"http://{addr}\"\nauthority = \"http://{addr}\"\ngraph = \"http://{addr}\"\nallow_hosts = [\"127.0.0.1\"]\n[auth]\n{auth}\n\
             [upload]\nscan_every = \"200ms\"\nconfirm_for = \"30s\"\nuncertain_for = \"2s\"\ncalls_a_minute = 100000\n\
             [[feed]]\nname = \"hq\"\npaths = [\"logs/*.log*\"]\nlog_type = \"SQUID_NATIVE\"\ndata_source = \"{data_source}\"\nsettle = \"0s\"\n"
        );
        self.sandbox.write("logweir.toml", &text);
    }

    /// The `[auth]` of the configuration.
    pub fn auth(&self) -> String {
        let text = std::fs::read_to_string(self.sandbox.path("logweir.toml")).expect("the configuration");
        let auth = text.split("[auth]\n").nth(1).expect("auth");
        auth.split("[upload]").next().expect("auth").to_owned()
    }

    /// Runs a command with the configuration.
    #[track_caller]
    pub fn run(&self, arguments: &[&str], code: i32) -> Ran {
        self.sandbox.run(&[&["--config", "logweir.toml"], arguments].concat(), code)
    }

    /// Ends the service as a power cut would, and starts it again on the same address.
    pub fn restart(&mut self) {
        self.service.kill().expect("the service runs");
        self.service.wait().expect("it ends");
        self.service = serve(&self.sandbox, &self.addr, &[]).0;
    }

    /// A value of the configuration's `[auth]`.
    pub fn auth_value(&self, key: &str) -> String {
        let auth: toml::Table = self.auth().parse().expect("TOML");
        auth[key].as_str().expect("text").to_owned()
    }

    /// The form that signs in with the client secret.
    pub fn secret_form(&self) -> String {
        let secret = std::fs::read_to_string(self.auth_value("client_secret_file")).expect("the secret");
        format!(
            "grant_type=client_credentials&scope=05a65629-4c1b-48c1-a78b-804c4abdd4af%2F.default&client_id={}&client_secret={}",
            self.auth_value("client_id"),
            secret.trim()
        )
    }

    /// What the token endpoint says to a form.
    pub fn token(&self, form: &str) -> Answer {
        let url = format!("http://{}/{}/oauth2/v2.0/token", self.addr, self.auth_value("tenant_id"));
        call("POST", &url, &[("content-type", "application/x-www-form-urlencoded")], form).expect("an answer")
    }

    /// What the service remembers.
    pub fn state(&self) -> serde_json::Value {
        let text = std::fs::read(self.sandbox.path("logweir-service/service.json")).expect("the service's state");
        serde_json::from_slice(&text).expect("JSON")
    }

    /// Lines of every log that was imported, once all accepted ones are.
    pub fn imported(&self) -> u64 {
        let until = Instant::now() + PATIENCE;
        loop {
            let state = self.state();
            let accepted = state["accepted"].as_array().expect("a list");
            if accepted.iter().all(|entry| entry["processed"] == true) || Instant::now() > until {
                return accepted.iter().filter_map(|entry| entry["records"].as_u64()).sum();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Where a service listens that is started again on the same address: no outgoing connection takes it meanwhile.
fn place() -> String {
    format!("127.0.0.1:{}", free_port())
}

/// Starts the service; returns it with the lines it printed, the address last.
#[track_caller]
pub fn serve(sandbox: &Sandbox, listen: &str, more: &[&str]) -> (Child, Vec<String>) {
    let mut arguments = vec!["serve", "--listen", listen];
    for (flag, value) in [("--processing-delay", "50ms"), ("--calls-a-minute", "100000")] {
        if !more.contains(&flag) {
            arguments.extend([flag, value]);
        }
    }
    arguments.extend(more);
    let mut service =
        sandbox.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the service starts");
    let mut lines = Vec::new();
    for line in BufReader::new(service.stdout.take().expect("a pipe")).lines() {
        lines.push(line.expect("text"));
        if lines.last().is_some_and(|line| line.starts_with("listening")) {
            // What it says later is nobody's concern, and must not fill a pipe.
            let mut said = service.stderr.take().expect("a pipe");
            std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
            return (service, lines);
        }
    }
    let mut said = String::new();
    let _ = service.stderr.take().expect("a pipe").read_to_string(&mut said);
    let _ = service.wait();
    panic!("the service {arguments:?} does not listen: {said}");
}

/// A log of so many lines with recent times; `mark` makes the content its own.
pub fn log(mark: u32, lines: u32) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock").as_secs() - 600;
    let line = |n: u32| {
        format!(
            "{now}.{:03}    87 192.0.2.10 TCP_TUNNEL/200 {} CONNECT www.dropbox.com:443 ann HIER_DIRECT/203.0.113.5 -\n",
            n % 1000,
            1000 + mark
        )
    };
    (0..lines).map(line).collect()
}
