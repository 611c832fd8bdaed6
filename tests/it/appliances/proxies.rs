//! Proxies and browsers: Squid, HAProxy, and PAC files in two engines.

use super::{NAMES, Rendered, rendered};
use crate::support::daemon::{Daemon, free_port, ran, within};
use crate::support::squid::{Squid, request};
use crate::support::{have, pypi};

#[test]
fn squid_refuses_what_its_domain_list_takes_and_nothing_else() {
    let list = rendered("squid_dstdomain");
    let rules = format!("acl mdca_block dstdomain \"{}\"\nhttp_access deny mdca_block", list.shown(""));
    let Some(squid) = Squid::start(&list.sandbox.path("squid"), &rules) else { return };
    let (good, said) = squid.parse();
    assert!(good && !["ERROR", "FATAL", "WARNING"].iter().any(|word| said.contains(word)), "{said}");
    list.holds(|name| refuses(&squid, name));
    for spelling in ["WWW.Tree.Example", "tree.example:80"] {
        assert_eq!(squid.status(spelling), 403, "{spelling}");
    }
    // A list that was emptied opens the site, once Squid was told.
    std::fs::write(list.file(""), "# nothing\n").expect("the list");
    assert!(squid.status("tree.example") == 403 && squid.status("open.example") == 200);
    squid.obey("reconfigure");
    assert!(within(crate::support::PATIENCE, || (squid.status("tree.example") == 200).then_some(())).is_some());
    let log = std::fs::read_to_string(&squid.log).expect("the access log");
    assert!(log.contains("TCP_DENIED/403") && log.contains("/200"), "{log}");
}

/// Whether the proxy answers 403 rather than 200.
#[track_caller]
fn refuses(squid: &Squid, host: &str) -> bool {
    match squid.status(host) {
        403 => true,
        200 => false,
        other => panic!("{host}: {other}"),
    }
}

#[test]
fn squid_refuses_listed_addresses_by_number_and_by_name() {
    let list = rendered("squid_dst_ip");
    let rules = format!("acl mdca_block_ip dst \"{}\"\nhttp_access deny mdca_block_ip", list.shown(""));
    list.sandbox.write(
        "squid/hosts",
        "192.0.2.10 listed.example\n192.0.2.11 beside.example\n203.0.113.70 network.example\n2001:db8:1::7 six.example\n",
    );
    let Some(squid) = Squid::start(&list.sandbox.path("squid"), &rules) else { return };
    let (good, said) = squid.parse();
    assert!(good && !["ERROR", "FATAL", "WARNING"].iter().any(|word| said.contains(word)), "{said}");
    let hosts = [
        "192.0.2.10",
        "192.0.2.11",
        "203.0.113.63",
        "203.0.113.64",
        "203.0.113.127",
        "203.0.113.128",
        "2001:db8::10",
        "2001:db8::11",
        "2001:db8:1:ffff::9",
        "2001:db8:2::9",
    ];
    list.holds_for(&hosts, |host| {
        let six = host.contains(':');
        refuses(&squid, &if six { format!("[{host}]") } else { host.to_owned() })
    });
    for (name, blocked) in
        [("listed.example", true), ("beside.example", false), ("network.example", true), ("six.example", true)]
    {
        assert_eq!(refuses(&squid, name), blocked, "{name}");
    }
}

/// HAProxy with the two rules of a target's notes before an answer for everyone.
fn haproxy(list: &Rendered, rules: &str) -> Option<(u16, Daemon)> {
    if !have("haproxy") {
        return None;
    }
    let port = free_port();
    let conf = format!(
        "defaults\n  mode http\n  timeout client 5s\n  timeout server 5s\n  timeout connect 5s\nfrontend front\n  bind 127.0.0.1:{port}\n  \
         http-request set-var(txn.h) req.hdr(host),host_only,lower,rtrim(.)\n{rules}  http-request return status 200\n"
    );
    let path = list.sandbox.write("haproxy.cfg", &conf).display().to_string();
    let (good, said) = ran("haproxy", &["-c", "-f", &path]);
    assert!(good, "{said}");
    let daemon = Daemon::start(&list.sandbox.path(""), "haproxy", &["-db", "-f", &path], || {
        request(port, "/", "open.example").is_some()
    });
    Some((port, daemon))
}

#[track_caller]
fn haproxy_holds(list: &Rendered, port: u16) {
    let blocked = |host: &str| match request(port, "/", host).unwrap_or_else(|| panic!("{host}: no answer")) {
        403 => true,
        200 => false,
        other => panic!("{host}: {other}"),
    };
    list.holds(blocked);
    list.holds_for(&["192.0.2.10", "192.0.2.11", "192.0.2.1"], blocked);
    assert!(list.takes("2001:db8::10") && blocked("[2001:db8::10]") && blocked("[2001:db8::10]:8080"));
    assert!(!blocked("[2001:db8::11]"));
    for spelling in ["WWW.Tree.Example", "tree.example:8080", "tree.example.", "www.tree.example.:80"] {
        assert!(blocked(spelling), "{spelling}");
    }
}

#[test]
fn haproxy_refuses_by_its_two_pattern_files() {
    let list = rendered("haproxy_acl_files");
    let rules = format!(
        "  acl mdca_exact var(txn.h) -m str -f {}\n  acl mdca_suffix var(txn.h) -m end -f {}\n  \
         http-request deny deny_status 403 if mdca_exact or mdca_suffix\n",
        list.shown("exact"),
        list.shown("suffix")
    );
    let Some((port, _haproxy)) = haproxy(&list, &rules) else { return };
    haproxy_holds(&list, port);
}

#[test]
fn haproxy_refuses_by_its_two_maps() {
    let list = rendered("haproxy_map");
    let rules = format!(
        "  http-request deny deny_status 403 if {{ var(txn.h),map_str({}) -m found }}\n  \
         http-request deny deny_status 403 if {{ var(txn.h),map_end({}) -m found }}\n",
        list.shown("exact"),
        list.shown("suffix")
    );
    let Some((port, _haproxy)) = haproxy(&list, &rules) else { return };
    haproxy_holds(&list, port);
}

/// What a browser may hand over as the host of a PAC file.
const PAC_HOSTS: &[&str] = &["192.0.2.10", "192.0.2.11", "2001:db8::10", "2001:db8::11"];

#[track_caller]
fn pac_holds(list: &Rendered, good: bool, said: &str) {
    assert!(good, "{said}");
    let blocked = |host: &str| {
        let line = said.lines().find_map(|line| line.strip_prefix(&format!("{host} ")));
        match line.unwrap_or_else(|| panic!("{host} is missing: {said}")) {
            "DIRECT" => false,
            "PROXY 127.0.0.1:9" => true,
            other => panic!("{host}: {other}"),
        }
    };
    list.holds(blocked);
    list.holds_for(PAC_HOSTS, blocked);
    for spelling in ["WWW.Tree.Example", "tree.example."] {
        assert!(blocked(spelling), "{spelling}");
    }
    for spelling in ["constructor", "__proto__", "toString", "hasOwnProperty.example"] {
        assert!(!blocked(spelling), "{spelling}");
    }
}

const PAC_SPELLINGS: &[&str] =
    &["WWW.Tree.Example", "tree.example.", "constructor", "__proto__", "toString", "hasOwnProperty.example"];

#[test]
fn a_pac_file_takes_what_it_says_in_the_engine_of_node() {
    if !have("node") {
        return;
    }
    let list = rendered("pac_file");
    let play = "const vm = require('vm');\nconst context = vm.createContext({});\n\
                vm.runInContext(require('fs').readFileSync(process.argv[2], 'utf8'), context);\n\
                for (const host of process.argv.slice(3)) {\n  context.host = host;\n  \
                console.log(host, vm.runInContext(\"FindProxyForURL('https://' + host + '/', host)\", context));\n}\n";
    let play = list.sandbox.write("pac.cjs", play).display().to_string();
    let (good, said) = ran("node", &[&[play.as_str(), &list.shown("")], NAMES, PAC_HOSTS, PAC_SPELLINGS].concat());
    pac_holds(&list, good, &said);
}

#[test]
fn a_pac_file_takes_what_it_says_in_pacparser() {
    let Some(python) = pypi("pacparser") else { return };
    let list = rendered("pac_file");
    let play = "import sys, pacparser\npacparser.init()\npacparser.parse_pac_file(sys.argv[1])\n\
                for host in sys.argv[2:]:\n    print(host, pacparser.find_proxy('https://x/', host))\n";
    let play = list.sandbox.write("pac.py", play).display().to_string();
    let python = python.display().to_string();
    let (good, said) = ran(&python, &[&[play.as_str(), &list.shown("")], NAMES, PAC_HOSTS, PAC_SPELLINGS].concat());
    pac_holds(&list, good, &said);
}
