//! Every log type of the registry: its sample against its golden, and real lines against what a careful reader saw.

use logweir::logs::detect::detect;
use logweir::logs::{self, Certainty, Format, Line, Position, Visit, output, vendor};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Log types that real lines exist for but that are not in the registry yet; empty once it is complete.
const REGISTRY_IS_COMPLETE: bool = true;

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// One line of JSON per line of the log.
#[derive(Default)]
struct Lines(Vec<u8>);

impl Visit for Lines {
    fn line(&mut self, _: Position, _: &[u8], line: &Line<'_>) {
        match line {
            Line::Record(record) => output::json(record, None, &mut self.0),
            Line::Other | Line::Reject(_) => self.0.extend_from_slice(b"null\n"),
        }
    }
    fn merge(&mut self, later: Lines) {
        self.0.extend(later.0);
    }
}

fn normalised(format: &'static Format, log: &Path) -> String {
    let file = std::fs::File::open(log).unwrap_or_else(|error| panic!("{}: {error}", log.display()));
    let lines = logs::read(format, file, 1, Lines::default).expect("readable");
    String::from_utf8(lines.0).expect("JSON is UTF-8")
}

fn sample(format: &Format) -> PathBuf {
    let name = format!("{}.log", format.log_type);
    let vendors = std::fs::read_dir(root("samples/logs")).expect("samples");
    let found = vendors.map(|vendor| vendor.expect("a folder").path().join(&name)).find(|path| path.exists());
    found.unwrap_or_else(|| panic!("samples/logs has no {name}"))
}

#[test]
fn every_sample_reads_as_its_golden_says() {
    let mut wrong = String::new();
    for format in vendor::all() {
        let found = normalised(format, &sample(format));
        assert!(
            found.lines().any(|line| line != "null"),
            "{}: no line of the sample is a transaction",
            format.log_type
        );
        let golden = root("tests/golden").join(format!("{}.jsonl", format.log_type));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::create_dir_all(golden.parent().expect("a folder")).expect("a folder");
            std::fs::write(&golden, found).expect("a golden");
            continue;
        }
        let expected = std::fs::read_to_string(&golden).unwrap_or_default();
        wrong.push_str(&difference(format.log_type, &expected, &found));
    }
    assert!(wrong.is_empty(), "{wrong}\nUPDATE_GOLDEN=1 rewrites them; read what changed");
}

fn difference(name: &str, expected: &str, found: &str) -> String {
    let (expected, found): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), found.lines().collect());
    let mut text = String::new();
    for line in 0..expected.len().max(found.len()) {
        let (old, new) = (expected.get(line).unwrap_or(&"(no line)"), found.get(line).unwrap_or(&"(no line)"));
        if old != new {
            text.push_str(&format!("{name} line {}:\n- {old}\n+ {new}\n", line + 1));
        }
    }
    text
}

#[test]
fn every_sample_has_lines_that_are_no_transactions() {
    for format in vendor::all() {
        let found = normalised(format, &sample(format));
        // The first sample feeds the demo, where every line counts.
        assert!(format.log_type == "SQUID_NATIVE" || found.lines().any(|line| line == "null"), "{}", format.log_type);
    }
}

#[test]
fn the_table_in_readme_is_the_registry() {
    let text = std::fs::read_to_string(root("README.md")).expect("README.md");
    let (before, rest) = text.split_once("<!-- log types").expect("the start of the table");
    let (comment, rest) = rest.split_once("-->\n").expect("the end of the comment");
    let (found, after) = rest.split_once("<!-- end of log types -->").expect("the end of the table");
    let mut rows: Vec<&Format> = vendor::all().collect();
    rows.sort_by_key(|format| format.log_type);
    let mut table = "| log type | product | dialect | layout |\n| --- | --- | --- | --- |\n".to_owned();
    for format in rows {
        let (name, product) = (format.log_type, format.product);
        table.push_str(&format!(
            "| `{name}` | {product} | {} | {} |\n",
            format.dialect.as_str(),
            format.certainty.as_str()
        ));
    }
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let whole = format!("{before}<!-- log types{comment}-->\n{table}<!-- end of log types -->{after}");
        std::fs::write(root("README.md"), whole).expect("README.md");
        return;
    }
    let wrong = difference("README.md", found, &table);
    assert!(wrong.is_empty(), "{wrong}\nUPDATE_GOLDEN=1 rewrites it");
}

#[test]
fn every_sample_is_detected_as_its_type() {
    let mut wrong = Vec::new();
    for format in vendor::all() {
        let text = std::fs::read(sample(format)).expect("a sample");
        let found = detect(&text);
        let best = found.best.map(|best| best.format);
        // Where nothing public says what the layout is, a relative or a generic type is an honest answer.
        let guess = format.certainty == Certainty::Inferred;
        let family = |name: &str| name.split('_').next().map(|first| first[..first.len().min(5)].to_owned());
        let near = |best: &Format| best.sign.generic || family(best.log_type) == family(format.log_type);
        if best.is_none_or(|best| best.log_type != format.log_type && !(guess && near(best))) {
            wrong.push(format!("{}: {}", format.log_type, found.sentence()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn real_files_are_detected_as_their_type_and_look_alikes_as_none() {
    let Some(corpus) = corpus() else {
        println!("no corpus here: set LOGWEIR_CORPUS to compare with real lines");
        return;
    };
    let mut wrong = Vec::new();
    for folder in std::fs::read_dir(corpus).expect("a corpus") {
        let folder = folder.expect("a folder").path();
        let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
        let lookalikes = name == "_LOOKALIKES";
        if !folder.is_dir() || !(lookalikes || vendor::find(&name).is_some()) {
            continue;
        }
        for log in logs_below(&folder) {
            let file = std::fs::File::open(&log).expect("a log");
            let found = detect(&logs::detect::head(file).expect("a head"));
            let best = found.best.map(|best| best.format.log_type);
            let sure = found.sure().is_some();
            if if lookalikes { sure } else { best != Some(&name) || !sure } {
                wrong.push(format!("{name}/{}: {}", log.file_name().expect("a name").display(), found.sentence()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Where the real lines are, if they are on this machine.
fn corpus() -> Option<PathBuf> {
    let path = std::env::var_os("LOGWEIR_CORPUS").map_or_else(|| root("../shared/corpus"), PathBuf::from);
    path.is_dir().then_some(path)
}

fn logs_below(folder: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).expect("a folder").map(|file| file.expect("a file").path());
    let mut logs: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|e| e == "log")).collect();
    logs.sort();
    logs
}

#[test]
fn real_lines_read_as_a_careful_reader_saw_them() {
    let Some(corpus) = corpus() else {
        println!("no corpus here: set LOGWEIR_CORPUS to compare with real lines");
        return;
    };
    let (mut wrong, mut compared, mut unknown) = (Vec::new(), 0, Vec::new());
    for folder in std::fs::read_dir(corpus).expect("a corpus") {
        let folder = folder.expect("a folder").path();
        let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
        if !folder.is_dir() || name.starts_with('_') {
            continue;
        }
        let Some(format) = vendor::find(&name) else {
            unknown.push(name);
            continue;
        };
        for log in logs_below(&folder) {
            let text = std::fs::read_to_string(log.with_extension("expected.json")).expect("expected values");
            let expected: Vec<Value> = serde_json::from_str(&text).expect("JSON");
            let found = normalised(format, &log);
            let found: Vec<Value> = found.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
            assert_eq!(found.len(), expected.len(), "{}: one entry per line", log.display());
            for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
                compared += 1;
                for problem in compare(found, expected) {
                    wrong.push(format!(
                        "{name}/{} line {}: {problem}",
                        log.file_name().expect("a name").display(),
                        at + 1
                    ));
                }
            }
        }
    }
    println!("{compared} real lines compared; not in the registry: {unknown:?}");
    assert!(unknown.is_empty() || !REGISTRY_IS_COMPLETE, "{unknown:?}");
    assert!(wrong.is_empty(), "{} differences\n{}", wrong.len(), wrong.join("\n"));
}

/// The fields in which two readings differ.
fn compare(found: &Value, expected: &Value) -> Vec<String> {
    let Some(fields) = expected.as_object() else {
        return if found.is_null() { Vec::new() } else { vec![format!("is no transaction, read as {found}")] };
    };
    let unsure = |key: &str| expected["_unsure"].as_array().is_some_and(|keys| keys.iter().any(|unsure| unsure == key));
    let same = |key: &str, value: &Value| match (key, value.as_str(), found[key].as_str()) {
        ("time", Some(one), Some(other)) => {
            // Ours are microseconds.
            let instant = |text: &str| text.parse::<jiff::Timestamp>().expect("RFC 3339").as_microsecond();
            instant(one) == instant(other)
        }
        // A date without a year may be completed.
        ("time", None, _) => true,
        _ => *value == found[key],
    };
    let differ = fields.iter().filter(|(key, value)| !key.starts_with('_') && !unsure(key) && !same(key, value));
    differ.map(|(key, value)| format!("{key} is {value}, read as {}", found[key.as_str()])).collect()
}
