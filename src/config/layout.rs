//! `[[layout]]`: logs of the site's own, as data. What a format is made of, whoever reads logs makes.

use super::resolve::{Origin, Resolver};
use crate::domain::{CUSTOM_PARSER, Layout, LayoutKind};
use std::sync::Arc;

impl Resolver<'_> {
    /// The layouts of the file that have no mistakes.
    pub(super) fn layouts(&mut self, typed: Vec<Layout>) -> Vec<Arc<Layout>> {
        let mut layouts: Vec<Arc<Layout>> = Vec::new();
        for layout in typed {
            let key = |name: &str| format!("layout.{}.{name}", layout.name);
            if layouts.iter().any(|other| other.name == layout.name) {
                self.wrong.push(format!("{}: two layouts have this name", key("name")));
            }
            if layout.name.as_str() == CUSTOM_PARSER {
                self.wrong.push(format!("{}: so the service calls every such layout; give it another", key("name")));
            }
            let mistakes = layout.mistakes();
            self.wrong.extend(mistakes.iter().map(|(name, why)| format!("{}: {why}", key(name))));
            self.show(&layout);
            layouts.push(Arc::new(layout));
        }
        layouts
    }

    /// Notes what a layout says, and what it leaves to the default.
    fn show(&mut self, layout: &Layout) {
        let key = |name: &str| format!("layout.{}.{name}", layout.name);
        let kind = match layout.kind {
            LayoutKind::Delimited => "delimited",
            LayoutKind::KeyValue => "key-value",
        };
        self.note(&key("kind"), kind, Origin::File);
        let visible = |text: &Option<String>| text.as_ref().map(|text| format!("{text:?}"));
        let usual = match layout.kind {
            LayoutKind::Delimited => [("separator", &layout.separator, "\",\""), ("quote", &layout.quote, "\"\\\"\"")],
            LayoutKind::KeyValue => {
                [("separator", &layout.separator, "seen from the line"), ("assign", &layout.assign, "\"=\"")]
            }
        };
        for (name, typed, usual) in usual {
            self.file_or(&key(name), visible(typed), usual.to_owned());
        }
        self.note(&key("syslog"), layout.syslog, if layout.syslog { Origin::File } else { Origin::Default });
        self.file_or(&key("time_format"), layout.time_format.clone(), "seen from the text".to_owned());
        self.file_or(&key("zone"), layout.zone.clone(), "UTC".to_owned());
        let lists = [
            ("columns", Some(&layout.columns)),
            ("ignore", Some(&layout.ignore)),
            ("allowed", layout.allowed.as_ref()),
            ("blocked", layout.blocked.as_ref()),
        ];
        for (name, list) in lists {
            if let Some(list) = list.filter(|list| !list.is_empty()) {
                self.note(&key(name), list.join(", "), Origin::File);
            }
        }
        for (part, place) in &layout.fields {
            self.note(&key(&format!("fields.{}", part.as_str())), place, Origin::File);
        }
    }
}
