//! `logweir catalog` as a person uses it: search, show, own files, mistakes; README tells the counts.

use crate::support::Sandbox;
use serde_json::Value;

fn json(sandbox: &Sandbox, arguments: &[&str]) -> Value {
    let arguments: Vec<&str> = arguments.iter().copied().chain(["--format", "json"]).collect();
    serde_json::from_str(&sandbox.run(&arguments, 0).stdout).expect("one JSON document")
}

#[test]
fn show_finds_an_app_by_id_name_or_host_name() {
    let sandbox = Sandbox::new();
    for (asked, by) in [("1001", "id"), ("DROPBOX", "name"), ("www.Dropbox.com", "host name")] {
        let document = json(&sandbox, &["catalog", "show", asked]);
        assert_eq!((&document["app"]["id"], &document["app"]["found_by"]), (&1001.into(), &by.into()), "{asked}");
        assert_eq!(document["app"]["category"], "SAASDB_CATEGORY_CLOUD_STORAGE");
        assert_eq!(document["app"]["traits"]["uploads"], true);
    }
    let text = sandbox.run(&["catalog", "show", "Dropbox"], 0).stdout;
    assert!(text.contains("accepts uploads") && text.contains("dropboxusercontent.com"), "{text}");
}

#[test]
fn show_suggests_the_nearest_name() {
    let ran = Sandbox::new().run(&["catalog", "show", "Dropbpx"], 1);
    assert!(ran.stderr.contains("did you mean \"Dropbox\"?"), "{}", ran.stderr);
    let ran = Sandbox::new().run(&["catalog", "show", "notdropbox.com"], 1);
    assert!(ran.stderr.contains("\"notdropbox.com\""), "{}", ran.stderr);
}

#[test]
fn search_narrows_by_words_kind_and_traits() {
    let sandbox = Sandbox::new();
    let ids = |arguments: &[&str]| -> Vec<u64> {
        let document = json(&sandbox, arguments);
        let apps = document["apps"].as_array().expect("rows");
        apps.iter().map(|app| app["id"].as_u64().expect("a number")).collect()
    };
    assert!(ids(&["catalog", "search", "cloud", "DROPBOX"]).contains(&1001));
    assert!(ids(&["catalog", "search", "dropbox", "--kind", "infrastructure"]).is_empty());
    let remote = ids(&["catalog", "search", "--with", "remote_control"]);
    assert!(remote.contains(&1064) && !remote.contains(&1001));
    let ran = sandbox.run(&["catalog", "search", "--with", "remote-control"], 2);
    assert!(ran.stderr.contains("did you mean remote_control?"), "{}", ran.stderr);
    assert!(sandbox.run(&["catalog", "search", "no such thing"], 0).stdout.is_empty());
}

#[test]
fn a_row_written_as_csv_is_a_row_of_a_file_of_ones_own() {
    let sandbox = Sandbox::new();
    let row = sandbox.run(&["catalog", "show", "Dropbox", "--format", "csv"], 0).stdout;
    sandbox.write("own.csv", &row.replace("dropbox.com ", "dropbox.com files.contoso.com "));
    sandbox.write("logweir.toml", "catalog_files = [\"own.csv\"]\n");
    let document = json(&sandbox, &["catalog", "show", "x.files.contoso.com", "--config", "logweir.toml"]);
    assert_eq!(document["app"]["name"], "Dropbox");
    let everything = sandbox.run(&["catalog", "search", "--format", "csv"], 0).stdout;
    sandbox.write("all.csv", &everything);
    sandbox.run(&["catalog", "check", "all.csv"], 0);
}

#[test]
fn the_tenants_apps_and_address_ranges_are_used_when_configured() {
    let sandbox = Sandbox::new();
    sandbox.write("own.csv", "id,name,category,domains\n1000001,Contoso Share,Cloud storage,share.contoso.com\n");
    let verdict = r#"{"data":[{"name":"Share","appId":7,"domainList":["share.contoso.com"]}]}"#;
    sandbox.write("tenant.json", verdict);
    sandbox.write("nets.csv", "# data centre\n198.51.100.0/24,1000001\n198.51.100.128/25,1002\n");
    let toml = "catalog_files = [\"tenant.json\", \"own.csv\"]\naddress_files = [\"nets.csv\"]\n";
    sandbox.write("logweir.toml", toml);
    let rows = [
        ("share.contoso.com", "Share", "host name"),
        ("198.51.100.1", "Contoso Share", "address"),
        ("198.51.100.200", "Box", "address"),
    ];
    for (asked, name, by) in rows {
        let document = json(&sandbox, &["catalog", "show", asked, "--config", "logweir.toml"]);
        assert_eq!((&document["app"]["name"], &document["app"]["found_by"]), (&name.into(), &by.into()));
    }
    let ran = sandbox.run(&["catalog", "check", "--config", "logweir.toml"], 0);
    assert!(ran.stderr.contains("takes share.contoso.com from Contoso Share"), "{}", ran.stderr);
    let shown = sandbox.run(&["config", "show", "--config", "logweir.toml"], 0).stdout;
    assert!(shown.contains("catalog_files") && shown.contains("address_files"), "{shown}");
}

#[test]
fn check_lists_every_mistake_and_a_command_refuses_the_file() {
    let sandbox = Sandbox::new();
    sandbox.write("own.csv", "id,name,domains\n7,A,a.example.com\n1000001,B,co.uk\n");
    sandbox.write("nets", "192.0.2.1/24,1001\n");
    let ran = sandbox.run(&["catalog", "check", "own.csv", "--addresses", "nets"], 2);
    assert_eq!(ran.stdout.lines().count(), 4, "{}", ran.stdout);
    assert!(ran.stdout.contains("own.csv") && ran.stdout.contains("public suffix"), "{}", ran.stdout);
    sandbox.write("logweir.toml", "catalog_files = [\"own.csv\"]\n");
    let ran = sandbox.run(&["catalog", "search", "--config", "logweir.toml"], 2);
    assert!(ran.stderr.contains("line 2") && ran.stderr.contains("logweir catalog check"), "{}", ran.stderr);
    let ran = sandbox.run(&["catalog", "check", "nowhere.csv"], 2);
    assert!(ran.stderr.contains("nowhere.csv") && ran.stderr.contains("catalog_files"), "{}", ran.stderr);
}

/// `UPDATE_GOLDEN=1` writes the table into README.
#[test]
fn readme_tells_the_counts_of_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let readme = std::fs::read_to_string(path).expect("README.md");
    let document = json(&Sandbox::new(), &["catalog", "check"]);
    let mut table =
        String::from("| category | apps | infrastructure | page noise | domains |\n| --- | --: | --: | --: | --: |\n");
    let columns = ["apps", "infrastructure", "page_noise", "domains"];
    let mut sums = [0; 4];
    for row in document["categories"].as_array().expect("rows") {
        let counts = columns.map(|column| row[column].as_u64().expect("a count"));
        sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        let [apps, infrastructure, noise, domains] = counts;
        let category = row["category"].as_str().expect("an id");
        table.push_str(&format!("| `{category}` | {apps} | {infrastructure} | {noise} | {domains} |\n"));
    }
    let [apps, infrastructure, noise, domains] = sums;
    table.push_str(&format!("| all | {apps} | {infrastructure} | {noise} | {domains} |\n"));
    let start = readme.find("| category | apps |").expect("the table");
    let end = start + readme[start..].find("\n\n").expect("its end") + 1;
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, format!("{}{table}{}", &readme[..start], &readme[end..])).expect("README.md");
        return;
    }
    assert_eq!(&readme[start..end], table, "UPDATE_GOLDEN=1 writes it");
}
