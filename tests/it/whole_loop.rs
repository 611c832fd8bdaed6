//! The whole loop with a real Squid: the watcher ships its access log, the embedded service gives the verdict, the
//! watcher publishes it into Squid's list and makes Squid read it, and a rollback opens the site again.

use crate::support::daemon::within;
use crate::support::site::Site;
use crate::support::squid::Squid;
use crate::support::{PATIENCE, have};
use std::process::{Child, Stdio};
use std::time::Duration;

/// A watcher that ends with the test.
struct Watcher(Child);

impl Drop for Watcher {
    fn drop(&mut self) {
        // One that is gone already is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const LIST: &str = "lists/mdca_block.domains";

/// Adds the block list to the site's configuration.
fn configure(site: &Site, source: &str, more: &str) {
    let path = site.sandbox.path("logweir.toml");
    let text = std::fs::read_to_string(&path).expect("the configuration");
    let before = text.split("[[block]]").next().expect("a start");
    let block = format!(
        "[[block]]\nname = \"squid\"\nappliance = \"squid_dstdomain\"\noutput = \"{LIST}\"\nsources = [\"{source}\"]\n{more}"
    );
    std::fs::write(&path, format!("{before}{block}")).expect("the configuration");
}

#[test]
fn what_the_verdict_bans_squid_refuses_until_the_publication_is_rolled_back() {
    if !have("squid") {
        return;
    }
    let site = Site::new();
    let script = site.run(&["block", "fetch", "--appliance", "zscaler"], 0).stdout;
    let banned = script.lines().find_map(|line| line.strip_prefix('.')).expect("a banned domain");
    let below = format!("www.{banned}");
    // A list is there before, as it would be: somebody's own.
    site.sandbox.write("own.txt", "own.example\n");
    std::fs::create_dir(site.sandbox.path("lists")).expect("a directory");
    configure(&site, "own.txt", "");
    site.run(&["block", "publish"], 0);
    let rules =
        format!("acl mdca_block dstdomain \"{}\"\nhttp_access deny mdca_block", site.sandbox.path(LIST).display());
    let squid = Squid::start(&site.sandbox.path("squid"), &rules).expect("squid is here");
    let statuses = || [&below, "own.example", "neighbour.example", "www.dropbox.com"].map(|host| squid.status(host));
    assert_eq!(statuses(), [200, 403, 200, 200], "nothing but the own list");
    // Its log is rotated into the feed's folder.
    std::fs::create_dir_all(site.sandbox.path("logs")).expect("a directory");
    std::fs::rename(&squid.log, site.sandbox.path("logs/access.log.1")).expect("the access log");
    squid.obey("rotate");
    let hook: Vec<String> = squid.order("reconfigure").iter().map(|word| format!("{word:?}")).collect();
    configure(&site, "service", &format!("every = \"500ms\"\nmax_change = \"any\"\nafter = [{}]\n", hook.join(", ")));
    let arguments = ["--config", "logweir.toml", "--quiet", "watch"];
    let watcher = site.sandbox.command(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let _watcher = Watcher(watcher.expect("it starts"));
    let refused = within(PATIENCE, || (squid.status(&below) == 403).then_some(()));
    let list = std::fs::read_to_string(site.sandbox.path(LIST)).expect("the list");
    assert!(refused.is_some(), "{banned} is not refused; the list has {} lines", list.lines().count());
    assert_eq!(statuses(), [403, 200, 200, 200], "the verdict, and nothing else");
    let shipped = within(PATIENCE, || (site.imported() >= 4).then_some(()));
    assert!(shipped.is_some(), "the access log did not arrive: {}", site.state());
    // The watcher goes on, and leaves alone what a person took back.
    site.run(&["block", "rollback"], 0);
    let open = within(PATIENCE, || (squid.status(&below) == 200).then_some(()));
    assert!(open.is_some(), "{banned} is still refused");
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(statuses(), [200, 403, 200, 200], "as before");
}
