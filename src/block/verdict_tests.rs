//! What becomes of inputs: kept, repeated, covered, ended, refused, protected; each exactly once.

use super::*;

fn verdict(texts: &[&str]) -> Verdict {
    let mut builder = Builder::new(Reading::default());
    builder.source("test");
    for (line, text) in texts.iter().enumerate() {
        builder.add(Raw { text, line: u32::try_from(line + 1).unwrap(), ..Raw::default() });
    }
    builder.finish(&Guards::new([].into_iter(), [].into_iter()), None)
}

fn values(verdict: &Verdict) -> Vec<String> {
    verdict.entries.iter().map(|entry| format!("{} {}", entry.scope, entry.value)).collect()
}

#[test]
fn entries_come_out_sorted_by_reversed_labels_and_in_the_same_order_whatever_the_input_order() {
    let texts = ["b.example", "a.example", "x.test", "192.0.2.1", "*.a-b.example", "a.b.test", "198.51.100.0/24"];
    let mut backwards = texts;
    backwards.reverse();
    let expected = [
        "subtree a.example",
        "below a-b.example",
        "subtree b.example",
        "subtree a.b.test",
        "subtree x.test",
        "ip 192.0.2.1",
        "ip 198.51.100.0/24",
    ];
    assert_eq!(values(&verdict(&texts)), expected);
    assert_eq!(values(&verdict(&backwards)), expected);
}

#[test]
fn what_a_broader_entry_takes_in_is_covered_and_what_looks_alike_is_not() {
    let texts = [
        "www.x.example",
        "x.example",
        "notx.example",
        "x.example/path",
        "*.y.example",
        "a.y.example",
        "y.example/p",
        "z.example/a",
        "z.example/a/b",
        "z.example/a-b",
        "192.0.2.0/24",
        "192.0.2.9",
        "192.0.3.9",
        "2001:db8::/32",
        "2001:db8:1::/48",
    ];
    let verdict = verdict(&texts);
    let kept = [
        "subtree notx.example",
        "subtree x.example",
        "below y.example",
        "path y.example/p",
        "path z.example/a",
        "path z.example/a-b",
        "ip 192.0.2.0/24",
        "ip 192.0.3.9",
        "ip 2001:db8::/32",
    ];
    assert_eq!(values(&verdict), kept);
    for (input, text) in verdict.inputs.iter().zip(texts) {
        let covered = matches!(input.fate, Fate::Covered(..));
        let expected =
            ["www.x.example", "x.example/path", "a.y.example", "z.example/a/b", "192.0.2.9", "2001:db8:1::/48"];
        assert_eq!(covered, expected.contains(&text), "{text}: {:?}", input.fate);
    }
}

#[test]
fn a_below_and_its_exact_name_stand_side_by_side_and_still_cover() {
    let mut builder = Builder::new(Reading { bare: Scope::Exact, ..Reading::default() });
    for text in ["*.y.example", "y.example", "a.y.example", "y.example/p"] {
        builder.add(Raw { text, ..Raw::default() });
    }
    let verdict = builder.finish(&Guards::none(), None);
    assert_eq!(values(&verdict), ["below y.example", "exact y.example"]);
    let fates: Vec<_> = verdict.inputs.iter().map(|input| input.fate.clone()).collect();
    assert_eq!(
        fates,
        [Fate::Kept(0), Fate::Kept(1), Fate::Covered(0, "a.y.example".into()), Fate::Covered(1, "y.example/p".into())]
    );
}

#[test]
fn a_stray_broad_entry_is_refused_before_it_can_swallow_others() {
    let verdict = verdict(&["com", "good.com", "co.uk", "shop.co.uk"]);
    assert_eq!(values(&verdict), ["subtree good.com", "subtree shop.co.uk"]);
    assert!(matches!(verdict.inputs[0].fate, Fate::Refused(..)));
    assert!(matches!(&verdict.inputs[2].fate, Fate::Protected(_, objection) if objection.rule == "public suffix"));
}

#[test]
fn every_input_is_accounted_for_exactly_once() {
    let texts = ["a.example", "A.example.", "b a", "*.a.example", "login.microsoftonline.com", ""];
    let verdict = verdict(&texts);
    let fates: Vec<_> = verdict.inputs.iter().map(|input| &input.fate).collect();
    assert_eq!(fates.len(), texts.len());
    assert_eq!(fates[0], &Fate::Kept(0));
    assert_eq!(fates[1], &Fate::Repeats(0));
    assert!(matches!(fates[2], Fate::Refused(text, _) if &**text == "b a"));
    assert_eq!(fates[3], &Fate::Covered(0, "a.example".into()));
    assert!(matches!(fates[4], Fate::Protected(..)));
    assert!(matches!(fates[5], Fate::Refused(..)));
    let lines: Vec<u32> = verdict.inputs.iter().map(|input| input.line).collect();
    assert_eq!(lines, [1, 2, 3, 4, 5, 6]);
}

#[test]
fn an_entry_of_two_apps_stays_until_both_are_gone() {
    let list = |apps: &[&str]| {
        let mut builder = Builder::new(Reading::default());
        builder.source("verdict");
        for app in apps {
            builder.add(Raw { text: "shared.example", app, ..Raw::default() });
        }
        builder.finish(&Guards::none(), None)
    };
    let both = list(&["Example Share", "Example Chat", "Example Share"]);
    assert_eq!(both.apps_of(&both.entries[0]), "Example Chat, Example Share");
    assert_eq!(values(&list(&["Example Chat"])), ["subtree shared.example"]);
}

#[test]
fn end_dates_end_and_the_longest_claim_counts() {
    let date = |text: &str| text.parse::<Date>().unwrap();
    let list = |today: &str| {
        let mut builder = Builder::new(Reading::default());
        let mut add = |text, until: Option<&str>| builder.add(Raw { text, until: until.map(date), ..Raw::default() });
        add("a.example", Some("2026-01-31"));
        add("b.example", Some("2026-01-31"));
        add("b.example", Some("2026-02-28"));
        add("c.example", Some("2026-01-31"));
        add("c.example", None);
        builder.finish(&Guards::none(), Some(date(today)))
    };
    assert_eq!(values(&list("2026-01-30")).len(), 3);
    assert_eq!(values(&list("2026-01-31")), ["subtree b.example", "subtree c.example"]);
    assert_eq!(list("2026-02-01").inputs[0].fate, Fate::Ended(date("2026-01-31"), "a.example".into()));
    assert_eq!(list("2026-01-01").entries[1].until, Some(date("2026-02-28")));
    assert_eq!(list("2026-01-01").entries[2].until, None);
}

#[test]
fn labels_from_outside_become_one_harmless_line() {
    assert_eq!(&*harmless(" Example\n,Share\u{1b}[2J "), "Example  Share [2J");
    assert_eq!(harmless(&"x".repeat(1_000)).len(), MAX_LABEL);
}
