//! The compiled-in table is sound, the indexes agree with obvious models, and layers win as they should.

use super::*;
use std::collections::{BTreeMap, HashMap};

/// Pseudo-random numbers from a fixed seed.
fn numbers(mut seed: u64) -> impl FnMut(usize) -> usize {
    move |below| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % below as u64).unwrap()
    }
}

mod the_table {
    use super::*;

    #[test]
    fn has_no_row_that_cannot_be_read() {
        for category in CATEGORIES.iter().filter(|category| !category.rows.is_empty()) {
            let mut wrong = Vec::new();
            let rows = table::rows(category.rows.as_bytes(), |line, what| wrong.push(format!("line {line}: {what}")));
            assert!(wrong.is_empty(), "{}: {wrong:#?}", category.id);
            assert_eq!(rows.len(), category.rows.lines().count() - 1, "{}", category.id);
            let said = rows.iter().all(|row| row.kind.is_some() && row.checked.is_some() && row.traits.len() == 14);
            assert!(said, "{}: every column is filled in", category.id);
        }
    }

    #[test]
    fn is_large_enough_for_a_report_not_to_drown() {
        let of = |kind| all().iter().filter(|app| app.kind == kind).count();
        let rest = of(Kind::Infrastructure) + of(Kind::PageNoise);
        let domains: usize = all().iter().map(|app| app.domains.len()).sum();
        assert!(of(Kind::App) >= 800 && rest >= 250 && domains >= 3_000, "{} {rest} {domains}", of(Kind::App));
    }

    #[test]
    fn has_apps_in_every_category_that_the_world_has_apps_of() {
        let empty = |category: &&Category| !all().iter().any(|app| app.category == *category && app.kind == Kind::App);
        let empty: Vec<&str> = CATEGORIES.iter().filter(empty).map(|category| category.id).collect();
        assert_eq!(empty, ["SAASDB_CATEGORY_ALL", table::UNCLASSIFIED]);
    }

    #[test]
    fn gives_ids_and_names_once() {
        let (mut ids, mut names) = (HashMap::new(), HashMap::new());
        for app in all() {
            assert!((1001..FIRST_USER_ID).contains(&app.id), "{}", app.name);
            assert_eq!(ids.insert(app.id, &app.name), None, "{}", app.id);
            assert_eq!(names.insert(app.name.to_lowercase(), app.id), None, "{}", app.name);
        }
    }

    #[test]
    fn gives_a_domain_to_one_record_and_never_one_that_another_of_the_same_record_covers() {
        let mut owner: HashMap<&str, &App> = HashMap::new();
        for app in all() {
            assert!(!app.domains.is_empty(), "{} has no domain", app.name);
            for domain in &app.domains {
                if let Some(other) = owner.insert(domain, app) {
                    panic!("{domain} is in {} and {}", other.name, app.name);
                }
            }
        }
        for (domain, app) in &owner {
            let above = domain.match_indices('.').find_map(|(dot, _)| owner.get(&domain[dot + 1..]));
            assert!(above.is_none_or(|above| above.id != app.id), "{domain} of {} is covered already", app.name);
        }
    }

    #[test]
    fn has_no_public_suffix_and_no_domain_of_a_suffix_that_nobody_knows() {
        for domain in all().iter().flat_map(|app| &app.domains) {
            assert_eq!(table::owned(domain), Ok(()));
            let suffix = psl::suffix(domain.as_bytes()).expect("a suffix");
            assert!(suffix.is_known(), "{domain}");
        }
    }

    #[test]
    fn keeps_the_ids_that_were_published_first() {
        let first = [(1001, "Dropbox"), (1005, "MEGA"), (1025, "Salesforce"), (1040, "Gmail"), (1068, "Coursera")];
        for (id, name) in first {
            assert_eq!(Catalog::builtin().app(id).map(|app| app.name.as_str()), Some(name));
        }
    }
}

mod lookup_by_name {
    use super::*;

    fn name(host: &str) -> Option<&'static str> {
        lookup(host.as_bytes()).map(|app| app.name.as_str())
    }

    #[test]
    fn takes_the_longest_suffix_on_labels() {
        let rows = [
            ("dropbox.com", Some("Dropbox")),
            ("WWW.Dropbox.com.", Some("Dropbox")),
            ("a.b.c.d.dropbox.com", Some("Dropbox")),
            ("notdropbox.com", None),
            ("dropbox.com.evil.example", None),
            ("dropbox.com..", None),
            ("-dropbox.com", None),
            ("drive.google.com", Some("Google Drive")),
            ("x.drive.google.com", Some("Google Drive")),
            ("com", None),
            (".", None),
            ("", None),
            ("..", None),
            (".dropbox.com", Some("Dropbox")),
            ("dropbox\u{e}com", None),
            ("\0dropbox.com", None),
            ("dropbox.com:443", None),
        ];
        for (host, expected) in rows {
            assert_eq!(name(host), expected, "{host:?}");
        }
        assert_eq!(lookup(b"\xff\xfe.dropbox.com").map(|app| app.id), Some(1001));
        assert_eq!(lookup(&[b'.'; 100_000]), None);
        assert_eq!(lookup(&[b'a'; 100_000]), None);
    }

    #[test]
    fn agrees_with_a_map_that_is_asked_for_every_suffix() {
        let map: HashMap<&str, u32> =
            all().iter().flat_map(|app| app.domains.iter().map(|domain| (domain.as_str(), app.id))).collect();
        let model = |host: &[u8]| {
            let lower = host.strip_suffix(b".").unwrap_or(host).to_ascii_lowercase();
            let starts = std::iter::once(0).chain((0..lower.len()).filter(|i| lower[*i] == b'.').map(|dot| dot + 1));
            starts.filter_map(|start| std::str::from_utf8(&lower[start..]).ok()).find_map(|name| map.get(name).copied())
        };
        let domains: Vec<&str> = map.keys().copied().collect();
        let mut next = numbers(7);
        for _ in 0..200_000 {
            let mut host = domains[next(domains.len())].as_bytes().to_vec();
            for _ in 0..next(4) {
                let (at, byte) = (next(host.len() + 1), b"aZ.-_0\xc3\x0e\0@`"[next(11)]);
                match next(4) {
                    0 => host.insert(at, byte),
                    1 if at < host.len() => host[at] = byte,
                    2 if host.len() > 1 && at < host.len() => drop(host.remove(at)),
                    _ => host.splice(..0, *b"sub.").for_each(drop),
                }
            }
            if next(2) == 0 {
                host.make_ascii_uppercase();
            }
            assert_eq!(lookup(&host).map(|app| app.id), model(&host), "{:?}", String::from_utf8_lossy(&host));
        }
    }

    #[test]
    fn hashes_letters_of_any_case_alike() {
        // '@' and '`', '[' and '{' differ in the case bit too but are no letters.
        let names = names::Names::build([("a[b.example", 1), ("a{b.example", 2)].into_iter());
        assert_eq!((names.find(b"A[B.example"), names.find(b"a{B.EXAMPLE")), (Some(1), Some(2)));
    }
}

mod registrable_domains {
    use super::*;

    #[test]
    fn are_the_public_suffix_and_one_label() {
        let rows: [(&str, Option<&str>); 9] = [
            ("www.example.com", Some("example.com")),
            ("A.B.Example.CO.UK.", Some("Example.CO.UK")),
            ("someone.github.io", Some("someone.github.io")),
            ("co.uk", None),
            ("com", None),
            ("host.internal-only", None),
            ("192.0.2.1", None),
            ("", None),
            ("intranet", None),
        ];
        for (host, expected) in rows {
            assert_eq!(registrable(host.as_bytes()), expected.map(str::as_bytes), "{host}");
        }
        assert_eq!(registrable(&[b'a'; 300]), None);
    }
}

mod lookup_by_address {
    use super::*;

    #[test]
    fn agrees_with_looking_through_all_blocks() {
        let mut next = numbers(11);
        for _ in 0..300 {
            let mut blocks: BTreeMap<ipnet::IpNet, u32> = BTreeMap::new();
            for record in 0..next(12) {
                let prefix = [0, 1, 8, 24, 28, 30, 31, 32][next(8)];
                let address = std::net::Ipv4Addr::from_bits(0xc000_0200 | u32::try_from(next(64)).unwrap());
                let net = ipnet::Ipv4Net::new(address, prefix).unwrap().trunc();
                blocks.insert(net.into(), u32::try_from(record).unwrap());
            }
            let ranges = ranges::Ranges::build(blocks.iter().map(|(net, i)| ranges::Range::new(*net, *i)).collect());
            for low in 0..=64_u32 {
                let address = IpAddr::from(std::net::Ipv4Addr::from_bits(0xc000_0200 - 1 + low));
                let holding = blocks.iter().filter(|(net, _)| net.contains(&address));
                let model = holding.max_by_key(|(net, _)| net.prefix_len()).map(|(_, record)| *record);
                assert_eq!(ranges.find(address), model, "{address} in {blocks:?}");
            }
        }
    }

    #[test]
    fn holds_at_both_ends_of_the_address_space() {
        let mut builder = Builder::new();
        builder.addresses("own", b"# ours\n::/0,1001\n255.255.255.255,1002\nffff::/16, 1003\n\n");
        let catalog = builder.build().unwrap();
        let id = |text: &str| catalog.lookup_address(text.parse().unwrap()).map(|app| app.id);
        let rows = [("::", 1001), ("255.255.255.255", 1002), ("ffff::1", 1003), ("0.0.0.0", 1001), ("fffe::", 1001)];
        for (address, expected) in rows {
            assert_eq!(id(address), Some(expected), "{address}");
        }
    }

    #[test]
    fn is_asked_only_when_the_name_says_nothing() {
        let mut builder = Builder::new();
        builder.addresses("own", b"192.0.2.0/24,1002\n2001:db8::/32,1003\n");
        let catalog = builder.build().unwrap();
        let seen = |host: Option<&str>, address: Option<&str>| {
            let address = address.map(|text| text.parse().unwrap());
            catalog.identify(host.map(str::as_bytes), address).map(|(app, by)| (app.id, by))
        };
        assert_eq!(seen(Some("www.dropbox.com"), Some("192.0.2.9")), Some((1001, By::Name)));
        assert_eq!(seen(Some("unknown.example"), Some("192.0.2.9")), Some((1002, By::Address)));
        assert_eq!(seen(None, Some("192.0.2.9")), Some((1002, By::Address)));
        assert_eq!(seen(Some("192.0.2.9"), None), Some((1002, By::Address)));
        assert_eq!(seen(Some("[2001:db8::5]"), None), Some((1003, By::Address)));
        assert_eq!(seen(None, Some("198.51.100.1")), None);
        assert_eq!(Catalog::builtin().identify(None, "192.0.2.9".parse().ok()), None);
    }
}

mod layers_over_the_table {
    use super::*;

    fn build(text: &str) -> Result<Catalog, Vec<Mistake>> {
        let mut builder = Builder::new();
        builder.csv("own.csv", text.as_bytes());
        builder.build()
    }

    fn id(catalog: &Catalog, host: &str) -> Option<u32> {
        catalog.lookup(host.as_bytes()).map(|app| app.id)
    }

    #[test]
    fn a_row_with_a_known_id_replaces_the_record_and_keeps_what_it_does_not_say() {
        let catalog = build("id,name,domains,mfa\n1001,Our Dropbox,dropbox.com files.contoso.com,no\n").unwrap();
        let app = catalog.app(1001).unwrap();
        assert_eq!((app.name.as_str(), app.has(Trait::Mfa)), ("Our Dropbox", Some(false)));
        let before = lookup(b"dropbox.com").unwrap();
        assert_eq!((app.category, app.has(Trait::Sso)), (before.category, before.has(Trait::Sso)));
        assert_eq!(id(&catalog, "files.contoso.com"), Some(1001));
        assert_eq!(id(&catalog, "dropboxusercontent.com"), None);
        assert_eq!(catalog.apps().len(), all().len());
    }

    #[test]
    fn a_new_app_takes_its_domains_from_whoever_had_them() {
        let mut builder = Builder::new();
        let row = "id,name,category,domains,kind\n1000000,Contoso Share,cloud storage,box.com Share.Contoso.com,app\n";
        builder.csv("own.csv", format!("\u{feff}{row}").as_bytes());
        assert!(builder.notes()[0].contains("takes box.com from Box"), "{:?}", builder.notes());
        let catalog = builder.build().unwrap();
        assert_eq!(id(&catalog, "app.box.com"), Some(1_000_000));
        assert_eq!(id(&catalog, "share.contoso.com"), Some(1_000_000));
        assert_eq!(id(&catalog, "boxcdn.net"), Some(1002));
        assert!(!catalog.app(1002).unwrap().domains.contains(&"box.com".to_owned()));
        assert_eq!(catalog.app(1_000_000).unwrap().category.id, "SAASDB_CATEGORY_CLOUD_STORAGE");
    }

    #[test]
    fn the_later_file_wins() {
        let mut builder = Builder::new();
        builder.csv("a.csv", b"id,name,category,domains\n1000001,A,CRM,x.example.com\n");
        builder.csv("b.csv", b"id,name,category,domains\n1000002,B,CRM,x.example.com\n");
        assert_eq!(id(&builder.build().unwrap(), "x.example.com"), Some(1_000_002));
    }

    #[test]
    fn every_mistake_is_told_with_its_line() {
        let text = "id,name,category,domains,kind,seat,sso,checked\n\
            x,A,CRM,a.example.com,,,,\n\
            1000001,,CRM,a.example.com,,,,\n\
            1000001,A,Nonsense,a.example.com,,,,\n\
            1000001,A,CRM,com,,,,\n\
            1000001,A,CRM,co.uk,,,,\n\
            1000001,A,CRM,192.0.2.1,,,,\n\
            1000001,A,CRM,intranet,,,,\n\
            1000001,A,CRM,a..b.com,,,,\n\
            1000001,A,CRM,a.example.com,thing,,,\n\
            1000001,A,CRM,a.example.com,,Germany,,\n\
            1000001,A,CRM,a.example.com,,,maybe,\n\
            1000001,A,CRM,a.example.com,,,,MMXX\n\
            5,A,CRM,a.example.com,,,,\n\
            1000001,A,,a.example.com,,,,\n\
            1000001,A,CRM,a.example.com\n\
            1000002,A,CRM,z.example.com,,,,\n\
            1000003,B,CRM,z.example.com,,,,\n\
            1000004,\"A\u{202e}B\",CRM,b.example.com,,,,\n";
        let mistakes = build(text).unwrap_err();
        let mut lines: Vec<u64> = mistakes.iter().map(|mistake| mistake.line).collect();
        lines.sort_unstable();
        let expected: Vec<u64> = (2..=16).chain([18, 19]).collect();
        assert_eq!(lines, expected, "{mistakes:#?}");
        assert!(mistakes.iter().any(|m| m.to_string().starts_with("own.csv line 6:") && m.what.contains("suffix")));
    }

    #[test]
    fn a_header_that_is_not_ours_is_one_mistake_not_one_a_row() {
        let mistakes = build("ident,name,domains\n1,A,a.example.com\n2,B,b.example.com\n").unwrap_err();
        assert!(mistakes.len() == 2 && mistakes.iter().all(|mistake| mistake.line == 1), "{mistakes:#?}");
        assert!(!build("\u{0}\u{1}").unwrap_err().is_empty());
        assert!(!build("").unwrap_err().is_empty());
    }

    #[test]
    fn wrong_address_ranges_are_told_with_their_line() {
        let mut builder = Builder::new();
        let text = "10.0.0.0/33,1001\n10.1.2.3/8,1001\n10.0.0.0/8\n10.0.0.0/8,x\n10.0.0.0/8,5\n\
            192.0.2.0/24,1001\n192.0.2.0/24,1002\n\u{fffd}";
        builder.addresses("nets", text.as_bytes());
        let mistakes = builder.build().unwrap_err();
        let lines: Vec<u64> = mistakes.iter().map(|mistake| mistake.line).collect();
        assert_eq!(lines, [1, 2, 3, 4, 5, 7, 8], "{mistakes:#?}");
        assert!(mistakes[1].what.contains("10.0.0.0/8 is meant"), "{}", mistakes[1]);
    }

    #[test]
    fn what_the_tenant_knows_wins_and_hostile_names_are_left_out() {
        let mut builder = Builder::new();
        builder.csv("own.csv", b"id,name,category,domains\n1000001,A,CRM,a.example.com\n");
        let verdict = r#"{"data":[
            {"name":"dropbox","appId":11627,"domainList":["*.dropbox.com","a.example.com","com","x y","http://q/"]},
            {"name":"Only Here","appId":42,"domainList":["only.example.org"]},
            {"name":"No Number","domainList":["number.example.org"]},
            {"name":"","domainList":["n.example.org"]}],"hasNext":false}"#;
        builder.tenant("verdict.json", verdict.as_bytes());
        assert_eq!(builder.notes().iter().filter(|note| note.contains("left out")).count(), 4, "{:?}", builder.notes());
        let catalog = builder.build().unwrap();
        assert_eq!(id(&catalog, "a.example.com"), Some(1001));
        assert_eq!(id(&catalog, "only.example.org"), Some(FIRST_TENANT_ID + 42));
        let unnumbered = catalog.lookup(b"number.example.org").unwrap();
        assert!(unnumbered.id >= 3_000_000_000 && unnumbered.category.id.ends_with("UNCLASSIFIED"));
        assert_eq!(id(&catalog, "n.example.org"), None);
        let mut again = Builder::new();
        again.tenant("verdict.json", verdict.as_bytes());
        assert_eq!(id(&again.build().unwrap(), "number.example.org"), Some(unnumbered.id));
    }

    #[test]
    fn a_verdict_that_is_none_is_a_mistake() {
        for text in ["", "{}", "[1]", "{\"data\":3}", "\u{0}"] {
            let mut builder = Builder::new();
            builder.tenant("v.json", text.as_bytes());
            assert_eq!(builder.build().unwrap_err().len(), 1, "{text:?}");
        }
    }
}
