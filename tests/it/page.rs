//! The page of `discover` in a real browser: nothing fetched, no complaint, and what a person does with it.

use crate::discover::{HOSTILE, discover, generated, line};
use crate::support::Sandbox;
use crate::support::browser::Browser;
use serde_json::{Value, json};
use std::path::PathBuf;

/// The app that a reader looks for.
const WANTED: &str = "GitHub";

/// A page over hostile names and enough rows to sort, search and unfold, with the number of the app wanted.
fn page(sandbox: &Sandbox) -> (PathBuf, u64) {
    let log: String =
        HOSTILE.iter().map(|name| line(0, "192.0.2.1", "TCP_TUNNEL/200", 9_000_000_000, "github.com", name)).collect();
    sandbox.write("h.log", &(log + &generated(3_000)));
    sandbox.write("tags.csv", "app,tag\nDropbox,unsanctioned\nGitHub,sanctioned\n");
    let report = discover(sandbox, &["h.log", "--tags", "tags.csv", "--html", "h.html"]);
    let apps = report["apps"].as_array().expect("apps");
    let wanted = apps.iter().find(|app| app["name"] == WANTED).expect("the app");
    (sandbox.path("h.html"), wanted["id"].as_u64().expect("a number"))
}

/// The text of the first cells of a table.
fn names(browser: &mut Browser, table: &str) -> Vec<String> {
    let script = format!(
        "[...document.querySelectorAll('#{table} tbody tr:not(.detail) button.name')].map((b) => b.textContent)"
    );
    serde_json::from_value(browser.value(&script)).expect("names")
}

/// Moves the focus by the Tab key until an element has it.
#[track_caller]
fn tab_to(browser: &mut Browser, selector: &str) {
    for _ in 0..80 {
        browser.press("Tab");
        if browser.value(&format!("document.activeElement.matches({selector:?})")) == Value::Bool(true) {
            return;
        }
    }
    panic!("Tab does not reach {selector}");
}

#[test]
fn a_real_browser_sorts_searches_and_unfolds_it_by_keyboard_without_a_complaint_or_a_request() {
    let sandbox = Sandbox::new();
    let Some(mut browser) = Browser::start(&sandbox) else { return };
    let (file, id) = page(&sandbox);
    browser.open(&file, "");
    // The skip link is the first stop; the search of the apps, the heads and the rows follow.
    browser.press("Tab");
    assert_eq!(browser.value("document.activeElement.className"), "skip");
    let before = names(&mut browser, "apps-t");
    assert!(before.len() >= 3 && before[0] == WANTED, "{before:?}");
    tab_to(&mut browser, "[data-for=apps-t] input");
    browser.insert("  dropBOX ");
    assert_eq!(names(&mut browser, "apps-t"), ["Dropbox"]);
    let told = browser.value("document.querySelector('[data-for=apps-t] [role=status]').textContent");
    assert_eq!(told, format!("1 of {}", before.len()));
    browser.value("document.activeElement.select()");
    browser.insert("unsanctioned");
    assert_eq!(names(&mut browser, "apps-t"), ["Dropbox"]);
    browser.value("document.activeElement.select()");
    browser.insert("no such app");
    assert!(names(&mut browser, "apps-t").is_empty());
    browser.value("document.activeElement.value = ''; document.activeElement.dispatchEvent(new Event('input'))");
    // Sorting by name, twice, with Enter and with the space bar.
    let sorted = {
        let mut sorted = before.clone();
        sorted.sort_by_key(|name| name.to_lowercase());
        sorted
    };
    tab_to(&mut browser, "#apps-t thead button");
    browser.press("Enter");
    assert_eq!(names(&mut browser, "apps-t"), sorted);
    assert_eq!(browser.value("document.querySelector('#apps-t [aria-sort]').getAttribute('aria-sort')"), "ascending");
    browser.press(" ");
    assert!(names(&mut browser, "apps-t").iter().eq(sorted.iter().rev()));
    // An app unfolds with its reasons, users and domains.
    tab_to(&mut browser, &format!("#app-{id} button"));
    browser.press("Enter");
    let detail = browser.value(&format!("document.querySelector('#app-{id} + tr.detail').textContent"));
    let detail = detail.as_str().expect("the details");
    assert!(detail.contains("Why this risk") && detail.contains("github.com"), "{detail}");
    // Hostile names are text: shown, not run, and what would reorder the line is spelt out.
    assert!(detail.contains(HOSTILE[0]) && detail.contains("\\u{202e}"), "{detail}");
    assert_eq!(browser.value("document.title"), "Cloud app discovery");
    assert!(names(&mut browser, "users-t").contains(&HOSTILE[0].to_owned()));
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn a_link_to_an_app_opens_it_and_nothing_is_wider_than_the_screen_in_light_dark_and_print() {
    let sandbox = Sandbox::new();
    let Some(mut browser) = Browser::start(&sandbox) else { return };
    let (file, id) = page(&sandbox);
    browser.open(&file, &format!("#app-{id}"));
    let open = format!("document.querySelector('#app-{id} button').getAttribute('aria-expanded')");
    assert_eq!(browser.value(&open), "true");
    let mut grounds = Vec::new();
    // Paper of A4 without its margins is 700 wide.
    let screens = [380, 768, 1440];
    let ways = [("screen", "light", &screens[..]), ("screen", "dark", &screens), ("print", "light", &[700])];
    for (media, scheme, widths) in ways {
        let scheme = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        browser.call("Emulation.setEmulatedMedia", json!({"media": media, "features": scheme}));
        grounds.push(browser.value("getComputedStyle(document.body).backgroundColor").to_string());
        for width in widths {
            let size = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false});
            browser.call("Emulation.setDeviceMetricsOverride", size);
            let wide = browser.value("document.documentElement.scrollWidth - document.documentElement.clientWidth");
            assert_eq!(wide, 0, "{media} at {width}");
            // No label of a figure is cut off at the figure's edge.
            let cut = browser.value(
                "[...document.querySelectorAll('figure > svg text')].filter((t) => { \
                   const r = t.getBoundingClientRect(), s = t.ownerSVGElement.getBoundingClientRect(); \
                   return r.width && (r.left < s.left - 1 || r.right > s.right + 1 || r.top < s.top - 1); \
                 }).map((t) => t.textContent)",
            );
            assert_eq!(cut, json!([]), "{media} at {width}");
        }
    }
    assert!(grounds[0] != grounds[1] && grounds[1] != grounds[2], "{grounds:?}");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
