//! `logweir block formats`: the targets, or one of them in full.

use super::{Context, target};
use crate::block::appliance::{self, Allowed, Appliance, Limit, Per};
use crate::block::layout::{self, Kind};
use crate::error::Result;
use crate::ui::{Format, Table};
use clap::Args;
use serde_json::json;

/// List the targets that lists can be rendered for
#[derive(Debug, Args)]
pub struct Formats {
    /// Show everything about one target
    #[arg(long, value_name = "NAME")]
    appliance: Option<String>,
}

impl Formats {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<()> {
        if let Some(name) = self.appliance {
            return one(context, target(&name)?);
        }
        let mut table =
            Table::new(&["appliance", "kind", "scopes", "limits", "validator", "service_format", "certainty"]);
        for target in appliance::all() {
            table.row([
                target.name.into(),
                target.sort.to_string().into(),
                scopes(target).into(),
                limits(target).into(),
                target.validator.map(|validator| validator.program).into(),
                target.service_format.map(u64::from).into(),
                target.certainty.into(),
            ]);
        }
        context.ui.table("appliances", &table)
    }
}

fn has(target: &Appliance, kind: Kind) -> bool {
    let mut pages = std::iter::once(target.pages).chain(target.variants.iter().map(|(.., pages)| *pages));
    pages.any(|pages| layout::shapes(pages).any(|shape| shape.takes.contains(&kind)))
}

/// The scopes a target can say, in some setting of its parameters; how well is told per entry.
pub(in crate::cli) fn scopes(target: &Appliance) -> String {
    let (exact, below) = (has(target, Kind::Exact), has(target, Kind::Below));
    let mut words = Vec::new();
    if exact {
        words.push("exact");
    }
    if has(target, Kind::Subtree) || (exact && below) {
        words.push("subtree");
    }
    if below {
        words.push("below");
    }
    match (has(target, Kind::Ip4), has(target, Kind::Net4)) {
        (true, true) => words.push("ip"),
        (true, false) => words.push("address"),
        _ => {}
    }
    if has(target, Kind::Path) {
        words.push("path");
    }
    words.join(" ")
}

/// The limits in words.
pub(in crate::cli) fn limits(target: &Appliance) -> String {
    target.limits.iter().map(limit).collect::<Vec<_>>().join("; ")
}

fn limit(limit: &Limit) -> String {
    let what = match limit.per {
        Per::Items => "entries",
        Per::Bytes => "bytes",
        Per::Parts => "files",
        Per::Labels => "labels a name",
        Per::Label => "characters a label",
        Per::WithZone => "octets with the zone",
    };
    match limit.when {
        Some((parameter, "")) => format!("{parameter} {what}"),
        Some((_, value)) => format!("{} {what} ({value})", limit.most),
        None => format!("{} {what}", limit.most),
    }
}

fn one(context: &mut Context<'_>, target: &Appliance) -> Result<()> {
    let parameters: Vec<(&str, &str, String, &str)> = target
        .parameters
        .iter()
        .map(|parameter| (parameter.name, parameter.default, allowed(parameter.allowed), parameter.meaning))
        .collect();
    let files: Vec<&str> = target.pages.iter().map(|page| page.role).collect();
    if context.ui.format == Format::Json {
        let parameters: Vec<_> = parameters
            .iter()
            .map(|(name, default, allowed, meaning)| {
                json!({ "name": name, "default": default, "allowed": allowed, "meaning": meaning })
            })
            .collect();
        return context.ui.json(&json!({
            "appliance": target.name, "product": target.product, "kind": target.sort.to_string(),
            "scopes": scopes(target), "limits": limits(target), "parameters": parameters, "files": files,
            "validator": target.validator.map(|validator| validator.program), "delta": target.delta.is_some(),
            "service_format": target.service_format, "certainty": target.certainty, "better": target.better,
            "notes": target.notes,
        }));
    }
    let mut table = Table::new(&["what", "value"]);
    let mut row = |what: &str, value: String| {
        if !value.is_empty() {
            table.row([what.into(), value.into()]);
        }
    };
    row("appliance", target.name.to_owned());
    row("product", target.product.to_owned());
    row("kind", target.sort.to_string());
    row("scopes", scopes(target));
    row("limits", limits(target));
    row("files", files.iter().filter(|role| !role.is_empty()).copied().collect::<Vec<_>>().join(", "));
    row("validator", target.validator.map_or_else(String::new, |validator| validator.program.to_owned()));
    row(
        "changes",
        if target.delta.is_some() { "delta, inverse and undo scripts" } else { "the whole file" }.to_owned(),
    );
    row("service format", target.service_format.map_or_else(String::new, |format| format.to_string()));
    row("certainty", target.certainty.to_owned());
    row("better target", target.better.unwrap_or_default().to_owned());
    row("notes", target.notes.to_owned());
    for (name, default, allowed, meaning) in parameters {
        row(&format!("parameter {name}"), format!("{meaning}; {allowed} (default {default})"));
    }
    context.ui.table("appliance", &table)
}

fn allowed(allowed: Allowed) -> String {
    allowed.to_string()
}
