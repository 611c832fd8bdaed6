//! One suite over every target of the registry: goldens, round trip, injection, limits, delta and undo.

use super::appliance::{self, Appliance, Parameters, Per, Split};
use super::guard::Guards;
use super::layout::{self, Form, Kind, Piece};
use super::name::{self, Reading};
use super::plan::{self, Outcome, Plan};
use super::read;
use super::verdict::{Builder, Raw, Scope, Verdict};
use super::write::{self, File};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Every scope and kind, a name of two apps, an internationalised one, one too long for some targets.
fn sample() -> Verdict {
    let long = format!("{}.{}.example", "l".repeat(60), "o".repeat(40));
    let rows = [
        ("example-storage.com", Some(Scope::Subtree), "Example Storage"),
        ("example-storage.com", Some(Scope::Subtree), "Example Backup"),
        ("*.example-chat.net", None, "Example Chat"),
        ("files.example.org", Some(Scope::Exact), "Example Files"),
        ("www.files.example.org", Some(Scope::Exact), "Example Files"),
        ("example.com/drive", None, "Example Drive"),
        ("bücher.example", Some(Scope::Subtree), "Bücher"),
        (&long, Some(Scope::Subtree), ""),
        ("192.0.2.10", None, ""),
        ("198.51.100.0/24", None, ""),
        ("2001:db8::10", None, ""),
        ("2001:db8:1::/48", None, ""),
    ];
    verdict(rows.iter().map(|(text, scope, app)| (*text, *scope, *app)))
}

fn verdict<'r>(rows: impl Iterator<Item = (&'r str, Option<Scope>, &'r str)>) -> Verdict {
    let mut builder = Builder::new(Reading::default());
    builder.source("sample");
    for (line, (text, scope, app)) in rows.enumerate() {
        builder.add(Raw { text, scope, app, line: u32::try_from(line + 1).unwrap(), ..Raw::default() });
    }
    builder.finish(&guards(), None)
}

fn guards() -> Guards {
    Guards::new([].into_iter(), [].into_iter())
}

fn defaults(target: &Appliance) -> Parameters {
    target.parameters(&BTreeMap::new()).unwrap()
}

/// The defaults, and each other value of a parameter that can only have a few.
fn settings(target: &Appliance) -> Vec<Parameters> {
    let mut all = vec![defaults(target)];
    for parameter in target.parameters {
        if let appliance::Allowed::OneOf(words) = parameter.allowed {
            let other = words.iter().filter(|word| **word != parameter.default);
            let given = other.map(|word| BTreeMap::from([(parameter.name.to_owned(), (*word).to_owned())]));
            all.extend(given.map(|given| target.parameters(&given).unwrap()));
        }
    }
    all
}

fn planned<'v>(target: &Appliance, parameters: &Parameters, verdict: &'v Verdict) -> Plan<'v> {
    plan::plan(target, parameters, verdict, &guards()).unwrap()
}

fn render(target: &Appliance, parameters: &Parameters, verdict: &Verdict) -> (Vec<File>, BTreeSet<(Kind, String)>) {
    let mut plan = planned(target, parameters, verdict);
    let files = write::whole(target, parameters, verdict, &mut plan, None).unwrap();
    (files, plan.atoms.iter().map(|atom| (atom.kind, atom.value.to_owned())).collect())
}

#[test]
fn the_registry_is_whole() {
    let names: BTreeSet<&str> = appliance::all().map(|target| target.name).collect();
    assert_eq!((names.len(), appliance::all().count()), (50, 50));
    let official: BTreeSet<u16> = appliance::all().filter_map(|target| target.service_format).collect();
    assert_eq!(official, super::official::OFFICIAL.iter().map(|official| official.format).collect());
    for target in appliance::all() {
        let name = target.name;
        assert!(name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_'), "{name}");
        assert!(!target.product.is_empty() && !target.notes.is_empty() && !target.certainty.is_empty(), "{name}");
        assert!(target.better.is_none_or(|better| better != name && names.contains(better)), "{name}");
        assert!(target.parameters.iter().any(|parameter| parameter.name == "list"), "{name}");
        defaults(target);
        for (parameter, value, _) in target.variants {
            let found = target.parameters.iter().find(|known| known.name == *parameter).unwrap();
            assert!(matches!(found.allowed, appliance::Allowed::OneOf(words) if words.contains(value)), "{name}");
        }
        for limit in target.limits {
            let known = |(wanted, _): (&str, &str)| target.parameters.iter().any(|known| known.name == wanted);
            assert!(limit.when.is_none_or(known), "{name}: {limit:?}");
        }
        let words = |text: &str| text.split('%').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
        let mut texts = Vec::new();
        for page in target.pages.iter().chain(target.variants.iter().flat_map(|(.., pages)| *pages)) {
            collect(page.pieces, &mut texts);
        }
        for word in texts.into_iter().flat_map(|text| {
            assert_eq!(text.matches('%').count() % 2, 0, "{name}: {text}");
            words(text)
        }) {
            let item = ["id", "number", "bucket", "serial"].contains(&word.as_str());
            assert!(item || target.parameters.iter().any(|known| known.name == word), "{name}: %{word}%");
        }
    }
}

fn collect(pieces: &[Piece], texts: &mut Vec<&'static str>) {
    for piece in pieces {
        match piece {
            Piece::Text(text) => texts.push(text),
            Piece::Items(items) => {
                texts.extend([items.head, items.between, items.foot]);
                texts.extend(items.shapes.iter().flat_map(|shape| [shape.before, shape.after]));
            }
            Piece::IfAny(_, text) => texts.push(text),
            Piece::Buckets(inner) | Piece::When(_, _, inner) => collect(inner, texts),
            Piece::Header(..) | Piece::Apps(_) => {}
        }
    }
}

#[test]
fn every_target_writes_its_golden() {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/block");
    let mut wrong = Vec::new();
    let mut expected = BTreeSet::new();
    for target in appliance::all() {
        let (files, _) = render(target, &defaults(target), &sample());
        for file in files {
            let path = file.path(&dir.join(format!("{}.{}", target.name, target.extension)));
            expected.insert(path.clone());
            if std::env::var_os("UPDATE_GOLDEN").is_some() {
                std::fs::create_dir_all(&dir).unwrap();
                std::fs::write(&path, &file.bytes).unwrap();
            } else if std::fs::read(&path).ok().as_deref() != Some(&file.bytes) {
                wrong.push(format!("{}\n{}", path.display(), String::from_utf8_lossy(&file.bytes)));
            }
        }
    }
    assert!(wrong.is_empty(), "not as the golden says (UPDATE_GOLDEN=1 rewrites):\n{}", wrong.join("\n"));
    let there: BTreeSet<PathBuf> = std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(there, expected);
}

#[test]
fn every_target_reads_back_what_it_wrote_whatever_its_parameters() {
    for target in appliance::all() {
        for parameters in settings(target) {
            let (files, atoms) = render(target, &parameters, &sample());
            let read = read::files(target, &parameters, &files).unwrap_or_else(|mismatch| {
                panic!("{}: {mismatch}\n{}", target.name, String::from_utf8_lossy(&files[0].bytes))
            });
            assert_eq!(read, atoms, "{}", target.name);
            assert!(!atoms.is_empty(), "{}", target.name);
        }
    }
}

#[test]
fn what_a_target_says_covers_what_was_meant_unless_the_outcome_tells() {
    let sample = sample();
    for target in appliance::all() {
        let plan = planned(target, &defaults(target), &sample);
        assert_eq!(plan.outcomes.len(), sample.entries.len());
        for (entry, outcome) in sample.entries.iter().zip(&plan.outcomes) {
            let own: Vec<Kind> =
                plan.atoms.iter().filter(|atom| *atom.value == *entry.value).map(|atom| atom.kind).collect();
            let exactly = match entry.scope {
                Scope::Subtree => own == [Kind::Subtree] || own == [Kind::Exact, Kind::Below],
                _ => own == [Kind::of(entry.scope, &entry.value)],
            };
            match outcome {
                Outcome::AsMeant => assert!(exactly, "{}: {} {own:?}", target.name, entry.value),
                Outcome::Widened(_) | Outcome::Narrowed(_) => assert!(!own.is_empty(), "{}", target.name),
                Outcome::Inexpressible(_) | Outcome::Covered(_) | Outcome::Protected(_) => {
                    assert!(own.is_empty(), "{}: {} {own:?}", target.name, entry.value);
                }
            }
        }
    }
}

#[test]
fn the_date_stands_in_lines_of_its_own_and_changes_nothing_else() {
    let sample = sample();
    let date = Some("2026-11-25T04:05:06.789Z".parse().unwrap());
    for target in appliance::all() {
        let parameters = defaults(target);
        let mut plan = planned(target, &parameters, &sample);
        let dated = write::whole(target, &parameters, &sample, &mut plan, date).unwrap();
        let (plain, atoms) = render(target, &parameters, &sample);
        assert_eq!(read::files(target, &parameters, &dated).unwrap(), atoms, "{}", target.name);
        for (dated, plain) in dated.iter().zip(&plain) {
            let lines = |file: &File| -> Vec<String> {
                String::from_utf8(file.bytes.clone()).unwrap().lines().map(str::to_owned).collect()
            };
            let kept: Vec<String> = lines(dated)
                .into_iter()
                .filter(|line| !line.contains("rendered 2026-11-25T04:05:06Z"))
                .map(|line| line.replace("( 1795579506 ", "( 1 "))
                .collect();
            assert_eq!(kept, lines(plain), "{}", target.name);
        }
    }
}

/// A small generator with a fixed seed: the same cases every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % below
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len())]
    }
}

const FRAGMENTS: &[&str] = &[
    "a",
    "b-c",
    "example",
    "com",
    "net",
    "xn--bcher-kva",
    ".",
    ".",
    ".",
    "*.",
    "*",
    "/",
    "/p",
    "http://",
    "@",
    ":80",
    "\n",
    "\r\n",
    "\t",
    " ",
    "\0",
    "\u{1b}[2J",
    "\u{feff}",
    "\u{202e}",
    "\"",
    "'",
    "\\",
    "`",
    "$(id)",
    "${x}",
    ";",
    "#",
    "!",
    "|",
    "||",
    "^",
    "&",
    "<",
    ">",
    "<URL>",
    "]]>",
    "-->",
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "=",
    ",",
    "%list%",
    "%id%",
    "%",
    "?",
    "192.0.2.1",
    "/24",
    "2001:db8::1",
    "server:",
    "$INCLUDE /etc/passwd",
    "$GENERATE 1-3 a",
    "flush ruleset",
    "dhcp-script=/bin/sh",
    "next\nend",
    "deny",
    "_",
    "-",
    "ü",
    "ß",
    "。",
    "é",
    "\u{301}",
    "1",
    "0x7f",
];

#[test]
fn no_bytes_as_entries_make_a_target_read_anything_but_our_entries() {
    let mut dice = Dice(7);
    let mut kept = 0;
    for round in 0..60 {
        let texts: Vec<String> = (0..40)
            .map(|_| {
                if dice.roll(8) == 0 {
                    let bytes: Vec<u8> = (0..dice.roll(24)).map(|_| u8::try_from(dice.roll(256)).unwrap()).collect();
                    return String::from_utf8_lossy(&bytes).into_owned();
                }
                if dice.roll(4) == 0 {
                    return format!("n{}.{}", dice.roll(9), dice.pick(&["example", "a.example", "n1.example"]));
                }
                (0..=dice.roll(7)).map(|_| dice.pick(FRAGMENTS)).collect()
            })
            .collect();
        let scopes = [None, None, Some(Scope::Exact), Some(Scope::Below), Some(Scope::Subtree)];
        let rows: Vec<_> = texts.iter().map(|text| (text.as_str(), dice.pick(&scopes), text.as_str())).collect();
        let verdict = verdict(rows.into_iter());
        kept += verdict.entries.len();
        for target in appliance::all() {
            let parameters = dice_parameters(&mut dice, target);
            let (files, atoms) = render(target, &parameters, &verdict);
            let read = read::files(target, &parameters, &files);
            assert_eq!(read.as_ref(), Ok(&atoms), "round {round}, {}: {texts:?}", target.name);
        }
    }
    assert!(kept > 150, "only {kept} entries were good: the property says little");
}

fn dice_parameters(dice: &mut Dice, target: &Appliance) -> Parameters {
    let mut all = settings(target);
    all.swap_remove(dice.roll(all.len()))
}

#[test]
fn a_reader_refuses_every_line_that_is_not_ours() {
    let sample = sample();
    for target in appliance::all() {
        let parameters = defaults(target);
        let (files, _) = render(target, &parameters, &sample);
        for foreign in [
            "evil",
            ".xn--bc.example",
            "xn--bcher-a.example",
            "\"",
            "x } } flush ruleset",
            "*.",
            "..",
            "$INCLUDE /etc/passwd",
        ] {
            let mut changed = files.clone();
            let text = String::from_utf8(changed[0].bytes.clone()).unwrap();
            let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
            changed[0].bytes = format!("{text}{foreign}{end}").into_bytes();
            assert!(read::files(target, &parameters, &changed).is_err(), "{}: {foreign}", target.name);
        }
    }
}

/// Files that lost, doubled or changed some bytes are refused, or what is read from them could have been written by us.
#[test]
fn what_a_reader_takes_from_a_damaged_file_is_clean() {
    let sample = sample();
    let mut dice = Dice(3);
    let (mut taken, mut refused) = (0, 0);
    for target in appliance::all() {
        let parameters = defaults(target);
        let (files, _) = render(target, &parameters, &sample);
        for _ in 0..60 {
            let mut changed = files.clone();
            let bytes = &mut changed[0].bytes;
            for _ in 0..=dice.roll(2) {
                let at = dice.roll(bytes.len());
                match dice.roll(3) {
                    0 => {
                        bytes.remove(at);
                    }
                    1 => bytes.insert(at, dice.pick(b"ax0-_./:1*")),
                    _ => {
                        let end = (at + dice.roll(12)).min(bytes.len());
                        let doubled = bytes[at..end].to_vec();
                        drop(bytes.splice(at..at, doubled));
                    }
                }
            }
            let Ok(items) = read::items(target, &parameters, &changed) else {
                refused += 1;
                continue;
            };
            taken += 1;
            for item in items {
                let again = name::clean(&item.value, Reading { underscores: true, ..Reading::default() });
                assert!(again.is_ok_and(|again| *again.value == *item.value), "{}: {}", target.name, item.value);
            }
        }
    }
    assert!(taken > 300 && refused > 300, "{taken} taken, {refused} refused: the property says little");
}

#[test]
fn parameters_cannot_smuggle_anything_in() {
    for target in appliance::all() {
        for value in ["", "a b", "a\nb", "a\"", "a'b", "a;b", "-a", "1a", "a}", "a%id%", "ü", &"a".repeat(64)] {
            let given = BTreeMap::from([("list".to_owned(), value.to_owned())]);
            assert!(target.parameters(&given).is_err(), "{}: {value:?}", target.name);
        }
        let unknown = BTreeMap::from([("no_such".to_owned(), "x".to_owned())]);
        assert!(target.parameters(&unknown).unwrap_err().contains("no_such"));
    }
}

fn many(count: usize) -> Verdict {
    let names: Vec<String> = (0..count).map(|n| format!("n{n}.example")).collect();
    verdict(names.iter().map(|name| (name.as_str(), Some(Scope::Subtree), "")))
}

#[test]
fn what_is_over_a_limit_is_split_or_refused_with_the_number_and_never_cut() {
    let verdict = many(1_300);
    for target in appliance::all() {
        let parameters = defaults(target);
        let Some(most) = target.limit(Per::Items, &parameters) else { continue };
        let plan = plan::plan(target, &parameters, &verdict, &guards());
        if target.split == Split::Refuse || most > 1_300 {
            assert!(most >= 1_000, "{}", target.name);
            continue;
        }
        let mut plan = plan.unwrap();
        assert!(plan.buckets.is_power_of_two() && plan.buckets > 1, "{}", target.name);
        let files = write::whole(target, &parameters, &verdict, &mut plan, None).unwrap();
        let read = read::files(target, &parameters, &files).unwrap();
        assert_eq!(read.len(), plan.atoms.len(), "{}", target.name);
        for bucket in 1..=plan.buckets {
            let inside = plan.atoms.iter().filter(|atom| atom.bucket == bucket).count() as u64;
            assert!(inside <= most, "{}: {inside}", target.name);
        }
    }
    let target = appliance::find("fortigate_urlfilter").unwrap();
    let given = BTreeMap::from([("max_entries".to_owned(), "100".to_owned())]);
    let error = plan::plan(target, &target.parameters(&given).unwrap(), &verdict, &guards()).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("2600") && text.contains("100") && text.contains("fortigate_feed_domain"), "{text}");
}

#[test]
fn removing_an_entry_does_not_move_the_others_to_other_files() {
    let target = appliance::find("umbrella_destination_list").unwrap();
    let parameters = defaults(target);
    let places = |verdict: &Verdict| -> BTreeMap<String, u32> {
        let mut plan = planned(target, &parameters, verdict);
        plan.spread(target, &parameters, 4).unwrap();
        plan.atoms.iter().map(|atom| (atom.value.to_owned(), atom.bucket)).collect()
    };
    let (all, fewer) = (places(&many(200)), places(&many(199)));
    assert!(fewer.iter().all(|(name, place)| all[name] == *place));
}

#[test]
fn widening_is_guarded_and_covered_again() {
    let rows = [
        ("microsoft.com", Some(Scope::Exact), ""),
        ("x.example", Some(Scope::Exact), ""),
        ("www.x.example", Some(Scope::Exact), ""),
    ];
    let verdict = verdict(rows.into_iter());
    let target = appliance::find("dnsmasq_local").unwrap();
    let plan = planned(target, &defaults(target), &verdict);
    assert!(matches!(plan.outcomes[0], Outcome::Protected(_)), "{:?}", plan.outcomes);
    assert!(matches!(plan.outcomes[1], Outcome::Widened(_)), "{:?}", plan.outcomes);
    assert_eq!(plan.outcomes[2], Outcome::Covered(1));
}

#[test]
fn references_never_stand_without_their_items() {
    for target in appliance::all() {
        let all = target.pages.iter().flat_map(|page| layout::items(page.pieces));
        let shapes: Vec<_> = all.flat_map(|items| items.shapes).collect();
        for reference in shapes.iter().filter(|shape| shape.form == Form::Reference) {
            for kind in reference.takes {
                let written = |shape: &&&layout::Shape| shape.form != Form::Reference && shape.takes.contains(kind);
                assert!(shapes.iter().any(|shape| written(&shape)), "{}: {kind:?}", target.name);
            }
        }
    }
}

/// Names alone, addresses alone: nothing refers to what is not there, as a commit or an import would refuse.
#[test]
fn a_list_of_one_sort_reads_back_and_refers_to_nothing_else() {
    for rows in [&["192.0.2.10", "2001:db8::/48"][..], &["a.example", "*.b.example"]] {
        let verdict = verdict(rows.iter().map(|text| (*text, None, "")));
        for target in appliance::all() {
            for parameters in settings(target) {
                let (files, atoms) = render(target, &parameters, &verdict);
                assert_eq!(read::files(target, &parameters, &files).as_ref(), Ok(&atoms), "{}", target.name);
            }
        }
    }
    let addresses = verdict([("192.0.2.10", None, "")].into_iter());
    for name in ["juniper_srx_utm", "cisco_asa_regex", "sophos_url_group"] {
        let target = appliance::find(name).unwrap();
        let (files, _) = render(target, &defaults(target), &addresses);
        let text = String::from_utf8(files[0].bytes.clone()).unwrap();
        for user in ["custom-url-category", "policy-map", "URLGroup"] {
            assert!(!text.contains(user), "{name}: {text}");
        }
    }
}
