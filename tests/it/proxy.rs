//! The whole upload through a real Squid that opens tunnels, with nothing but the usual variables of the environment.

use crate::support::daemon::{Daemon, free_port};
use crate::support::front::Front;
use crate::support::have;
use crate::support::site::{Site, log};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

const PORTAL: &str = "contoso.us2.portal.cloudappsecurity.com";
const SIGN_IN: &str = "login.microsoftonline.com";
const STORAGE: &str = "acct.blob.core.windows.net";

/// A Squid that knows the real names as names of this host; `rules` stand before what allows everything.
fn squid(site: &Site, rules: &str) -> (Daemon, u16) {
    let dir = site.sandbox.path("squid");
    std::fs::create_dir_all(&dir).expect("a directory");
    // Squid started by root gives its rights away.
    for open in [site.sandbox.path(""), dir.clone()] {
        std::fs::set_permissions(open, std::fs::Permissions::from_mode(0o777)).expect("it is ours");
    }
    std::fs::write(dir.join("hosts"), format!("127.0.0.1 {PORTAL} {SIGN_IN} {STORAGE}\n")).expect("a file");
    let (port, shown) = (free_port(), dir.display());
    let conf = format!(
        "http_port 127.0.0.1:{port}\nvisible_hostname proxy.example\npid_filename {shown}/{port}.pid\n\
         access_log stdio:{shown}/access.log squid\ncache_log {shown}/cache.log\ncache deny all\npinger_enable off\n\
         netdb_filename none\ncoredump_dir {shown}\nshutdown_lifetime 0 seconds\nhosts_file {shown}/hosts\n\
         acl tunnel method CONNECT\nhttp_access deny !tunnel\n{rules}\nhttp_access allow all\n"
    );
    let file = dir.join(format!("{port}.conf"));
    std::fs::write(&file, conf).expect("a file");
    let name = format!("t{port}");
    let daemon = Daemon::start(&dir, "squid", &["-N", "-n", &name, "-f", &file.to_string_lossy()], || {
        dir.join(format!("{port}.pid")).exists() && TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    (daemon, port)
}

#[test]
fn an_upload_goes_through_a_real_squid_named_by_the_environment_under_a_ca_named_there_too() {
    if !have("squid") || !have("openssl") {
        return;
    }
    // The port of the place that speaks TLS has to be known before the service that names it in its addresses.
    let tls = free_port();
    let storage = format!("https://{STORAGE}:{tls}");
    let site = Site::with(&["--storage-url", &storage]);
    let front = Front::at(tls, &site.addr, None);
    let (_squid, port) = squid(&site, "");
    let text = std::fs::read_to_string(site.sandbox.path("logweir.toml")).expect("the configuration");
    let rest = text.split("[auth]").nth(1).expect("the rest");
    let service = format!("url = \"{PORTAL}:{tls}\"\nauthority = \"https://{SIGN_IN}:{tls}\"");
    site.sandbox.write("logweir.toml", &format!("[service]\n{service}\n[auth]{rest}"));
    let run = |command: &str, proxy: u16, ca: bool| -> Output {
        let mut run = site.sandbox.command(&["--config", "logweir.toml", command]);
        run.env("HTTPS_PROXY", format!("http://127.0.0.1:{proxy}"));
        if ca {
            run.env("SSL_CERT_FILE", &front.ca);
        }
        run.output().expect("it starts")
    };
    site.sandbox.write("logs/a.log", &log(1, 8));
    let untrusted = run("upload", port, false);
    let said = String::from_utf8_lossy(&untrusted.stderr);
    assert!(untrusted.status.code() == Some(1) && said.contains("network.ca_file"), "{said}");
    let well = run("upload", port, true);
    assert!(well.status.success(), "{}", String::from_utf8_lossy(&well.stderr));
    assert_eq!(site.imported(), 8);
    let seen = std::fs::read_to_string(site.sandbox.path("squid/access.log")).expect("squid's log");
    for host in [PORTAL, SIGN_IN, STORAGE] {
        assert!(seen.contains(&format!("CONNECT {host}:{tls}")), "{host}: {seen}");
    }
    let doctor = run("doctor", port, true);
    let found = String::from_utf8_lossy(&doctor.stdout);
    assert!(doctor.status.success() && found.contains("from HTTPS_PROXY"), "{found}");

    // A proxy whose rules say no is told as what it is, at once.
    let (_strict, strict) = squid(&site, &format!("acl portal dstdomain {PORTAL}\nhttp_access deny portal"));
    site.sandbox.write("logs/b.log", &log(2, 8));
    let refused = run("upload", strict, true);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(1) && said.contains("the proxy refuses"), "{said}");
    assert_eq!(site.imported(), 8);
}
