//! Block lists: whatever stands in a source, a target's text holds our entries and nothing else.

use logweir::block::appliance::{self, Allowed, Appliance, Parameters};
use logweir::block::guard::Guards;
use logweir::block::name::{self, Reading};
use logweir::block::plan::{self, Plan};
use logweir::block::report::{self, Counts};
use logweir::block::source::{self, Form};
use logweir::block::verdict::{Builder, Raw, Scope, Verdict};
use logweir::block::write::{self, File};
use logweir::block::{delta, official, read, script};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// Every target with every value of its parameters that has only a few.
static TARGETS: LazyLock<Vec<(&'static Appliance, Parameters)>> = LazyLock::new(|| {
    let mut all = Vec::new();
    for target in appliance::all() {
        let given = |given| target.parameters(&given).map(|set| (target, set));
        all.extend(given(BTreeMap::new()));
        for parameter in target.parameters {
            if let Allowed::OneOf(words) = parameter.allowed {
                let others = words.iter().filter(|word| **word != parameter.default);
                all.extend(others.flat_map(|word| given([(parameter.name.to_owned(), (*word).to_owned())].into())));
            }
        }
    }
    all
});

static GUARDS: LazyLock<Guards> = LazyLock::new(|| Guards::new(["contoso.com"].into_iter(), [].into_iter()));

/// The place of each target in what the first byte chooses from; of every setting, and of a target's default.
pub fn places() -> impl Iterator<Item = (&'static str, u8)> {
    TARGETS.iter().enumerate().map(|(at, (target, _))| (target.name, u8::try_from(at).unwrap_or(0)))
}

fn chosen(choice: u8) -> (&'static Appliance, &'static Parameters) {
    let (target, parameters) = &TARGETS[usize::from(choice) % TARGETS.len()];
    (target, parameters)
}

const SCOPES: [Option<Scope>; 8] = [
    None,
    None,
    None,
    Some(Scope::Subtree),
    Some(Scope::Exact),
    Some(Scope::Below),
    Some(Scope::Path),
    Some(Scope::Ip),
];

/// A line's first byte chooses its scope, the rest is the entry, the app and the reason.
fn verdict(lines: &[&[u8]], guards: &Guards) -> Verdict {
    let mut builder = Builder::new(Reading { underscores: true, ..Reading::default() });
    for line in lines {
        let (choice, text) = line.split_first().map_or((0, &[][..]), |(choice, text)| (*choice, text));
        let text = String::from_utf8_lossy(text);
        let scope = SCOPES[usize::from(choice) % SCOPES.len()];
        builder.add(Raw { text: &text, scope, app: &text, reason: &text, ..Raw::default() });
    }
    let verdict = builder.finish(guards, None);
    // Each input is accounted for once, and each entry is clean.
    assert_eq!(verdict.inputs.len(), lines.len());
    for entry in &verdict.entries {
        assert_clean(&entry.value);
    }
    verdict
}

/// A clean value stays what it is when it is cleaned again.
fn assert_clean(value: &str) {
    let again = name::clean(value, Reading { underscores: true, ..Reading::default() });
    assert!(again.as_ref().is_ok_and(|again| *again.value == *value), "{value:?} becomes {again:?}");
}

fn rendered(target: &Appliance, set: &Parameters, verdict: &Verdict, plan: &mut Plan<'_>) -> Option<Vec<File>> {
    let files = write::whole(target, set, verdict, plan, None).ok()?;
    let read = match read::files(target, set, &files) {
        Ok(read) => read,
        Err(mismatch) => panic!("{}: {mismatch}\n{}", target.name, String::from_utf8_lossy(&files[0].bytes)),
    };
    let wrote: BTreeSet<_> = plan.atoms.iter().map(|atom| (atom.kind, atom.value.to_owned())).collect();
    assert_eq!(read, wrote, "{}", target.name);
    Some(files)
}

/// Any bytes as entries: the strict reader of the target finds our entries in its text, and only these; each input has
/// one end; and scripts lead from one half of the entries to the other and back.
pub fn render(data: &[u8]) {
    let Some((choice, text)) = data.split_first() else { return };
    let (target, set) = chosen(*choice);
    // Entries may hold line feeds themselves: a byte that no text has stands between them.
    let lines: Vec<&[u8]> = text.split(|c| *c == 0xff).take(64).collect();
    let none = Guards::none();
    let guards = if *choice & 0x80 == 0 { &*GUARDS } else { &none };
    let verdict = verdict(&lines, guards);
    let Ok(mut plan) = plan::plan(target, set, &verdict, guards) else { return };
    assert_eq!(report::rows(&verdict, &plan).count(), lines.len());
    assert_eq!(Counts::of(&verdict, &plan).total(), lines.len() as u64);
    rendered(target, set, &verdict, &mut plan);
    if target.delta.is_none() {
        return;
    }
    let halves = lines.split_at(lines.len() / 2);
    let [old, new] = [halves.0, halves.1].map(|lines| {
        let verdict = self::verdict(lines, guards);
        let mut plan = plan::plan(target, set, &verdict, guards).ok()?;
        rendered(target, set, &verdict, &mut plan)
    });
    let (Some(old), Some(new)) = (old, new) else { return };
    let there = delta::scripts(target, set, &old, &new).expect("both are ours").expect("it takes scripts");
    let back = delta::scripts(target, set, &new, &old).expect("both are ours").expect("it takes scripts");
    assert_eq!((there.delta, there.inverse), (back.inverse, back.delta), "{}", target.name);
}

/// Any bytes as a published file: the strict reader refuses it, or finds clean values only.
pub fn reader(data: &[u8]) {
    let Some((choice, text)) = data.split_first() else { return };
    let (target, set) = chosen(*choice);
    let mut texts = text.split(|c| *c == 0xff);
    let page = |page: &logweir::block::layout::Page| File {
        role: page.role,
        part: 0,
        bytes: texts.next().unwrap_or_default().to_vec(),
    };
    let files: Vec<File> = target.pages(set).iter().map(page).collect();
    for item in read::items(target, set, &files).into_iter().flatten() {
        assert_clean(&item.value);
        let entry = Raw { text: &item.value, scope: Some(item.kind.scope()), ..Raw::default() };
        let mut builder = Builder::new(Reading { underscores: true, ..Reading::default() });
        builder.add(entry);
        assert_eq!(builder.finish(&Guards::none(), None).entries.len(), 1, "{}: {item:?}", target.name);
    }
}

/// Any bytes as a source of every form, and as one of the service's scripts.
pub fn source(data: &[u8]) {
    let Some((choice, text)) = data.split_first() else { return };
    let scripts = official::OFFICIAL.iter().map(|official| Form::Script(official.format));
    let forms = [Form::Domains, Form::Hosts, Form::Csv, Form::Adblock, Form::Json].into_iter().chain(scripts);
    let forms: Vec<Option<Form>> = forms.map(Some).chain([None]).collect();
    let mut builder = Builder::new(Reading::default());
    // A text that is not whole is an error; what of it was read is checked all the same.
    let whole = source::read(&mut builder, "fuzz", text, forms[usize::from(*choice) % forms.len()]);
    assert!(whole.as_ref().err().is_none_or(|why| !why.is_empty()));
    let inputs = builder.len();
    let verdict = builder.finish(&GUARDS, "2026-11-25".parse().ok());
    assert_eq!(verdict.inputs.len(), inputs);
    for entry in &verdict.entries {
        assert_clean(&entry.value);
    }
    for official in official::OFFICIAL {
        let judged = script::judge(official.format, text, Some(&["a.example".to_owned()]));
        for host in &judged.hosts {
            assert_clean(host);
        }
    }
}
