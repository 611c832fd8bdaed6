//! Lists as the remote service gives them: filters, sorting, pages of at most 100, scan mode; asked by GET or POST, in
//! JSON or as a form, numbers as numbers or as text.

use super::families::millis;
use super::routes::{Api, Parameters, Refusal, answer, invalid, not_found};
use super::store::Store;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::get;
use serde_json::{Map, Value, json};
use std::cmp::Ordering;
use std::collections::HashMap;

const LARGEST_PAGE: usize = 100;
/// Where `skip` ends in a family with scan mode.
const SKIP_END: usize = 5_000;
const SCAN: std::ops::RangeInclusive<usize> = 500..=5_000;

/// How a family is listed.
pub(super) struct Served {
    /// Filter fields with the path they look at; `*` steps into every item.
    pub fields: &'static [(&'static str, &'static str)],
    /// Sort fields with their path; the first is the usual one, newest first.
    pub sort: &'static [(&'static str, &'static str)],
    /// Whether scan mode is offered, by this field in milliseconds.
    pub scan: Option<&'static str>,
    /// Fields that filters look at and nobody is shown.
    pub hidden: &'static [&'static str],
}

impl Served {
    fn shown(&self, mut document: Value) -> Value {
        if let Some(fields) = document.as_object_mut() {
            fields.retain(|name, _| !self.hidden.contains(&name.as_str()));
        }
        document
    }
}

/// A family that is read: a list, and one record by its id.
pub(super) struct Family {
    /// The list's path; a record's lies below it.
    pub path: &'static str,
    /// Any of these lets in; none but a legacy token's owner when there are none.
    pub scopes: &'static [&'static str],
    pub served: Served,
    /// Every record, oldest first.
    pub documents: fn(&Store) -> Vec<Value>,
    /// The fields that a record is found by; none where it is not found by its id.
    pub ids: &'static [&'static str],
}

/// The calls that read a family.
pub(super) fn reading(family: &'static Family) -> Router<Api> {
    let all = move |State(api): State<Api>, headers: HeaderMap, Query(query): Parameters, body: Bytes| async move {
        api.admit(&headers, family.scopes)?;
        let asked = Asked::read(&query, &body)?;
        list(&(family.documents)(&api.store), &asked, &family.served, millis())
    };
    let one = move |State(api): State<Api>, headers: HeaderMap, Path(id): Path<String>| async move {
        api.admit(&headers, family.scopes)?;
        let named = |document: &Value| family.ids.iter().any(|key| document[*key] == *id);
        let found = (family.documents)(&api.store).into_iter().find(named);
        found.map(|document| answer(StatusCode::OK, &family.served.shown(document))).ok_or_else(not_found)
    };
    let router = Router::new().route(family.path, get(all).post(all));
    if family.ids.is_empty() { router } else { router.route(&format!("{}{{id}}/", family.path), get(one)) }
}

/// What was asked for.
pub(super) struct Asked(Map<String, Value>);

impl Asked {
    /// From a body, else from the query, where `filters` is JSON in text.
    pub(super) fn read(query: &HashMap<String, String>, body: &Bytes) -> Result<Asked, Refusal> {
        let from = |pairs: Vec<(String, String)>| {
            let value = |name: &str, text: String| match name {
                "filters" => serde_json::from_str(&text).unwrap_or(Value::String(text)),
                _ => Value::String(text),
            };
            pairs.into_iter().map(|(name, text)| (name.clone(), value(&name, text))).collect::<Map<_, _>>()
        };
        if body.is_empty() {
            return Ok(Asked(from(query.iter().map(|(k, v)| (k.clone(), v.clone())).collect())));
        }
        match serde_json::from_slice(body) {
            Ok(Value::Object(fields)) => Ok(Asked(fields)),
            Ok(_) => Err(invalid("body", "what is no object")),
            Err(_) => Ok(Asked(from(url::form_urlencoded::parse(body).into_owned().collect()))),
        }
    }

    fn number(&self, name: &str) -> Result<Option<usize>, Refusal> {
        let Some(value) = self.0.get(name).filter(|value| !value.is_null()) else { return Ok(None) };
        let number = value.as_u64().or_else(|| value.as_str()?.trim().parse().ok());
        number.and_then(|number| usize::try_from(number).ok()).map(Some).ok_or_else(|| invalid(name, &shown(value)))
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    pub(super) fn filters(&self) -> Result<Map<String, Value>, Refusal> {
        match self.0.get("filters") {
            None | Some(Value::Null) => Ok(Map::new()),
            Some(Value::Object(filters)) => Ok(filters.clone()),
            Some(other) => Err(invalid("filters", &shown(other))),
        }
    }
}

fn shown(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.chars().filter(|c| !c.is_control()).take(80).collect()
}

/// The values at a path.
fn at<'v>(value: &'v Value, path: &str) -> Vec<&'v Value> {
    if let Some(found) = value.get(path) {
        return vec![found];
    }
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let inner: Vec<&Value> = match first {
        "*" => value.as_array().into_iter().flatten().collect(),
        name => value.get(name).into_iter().collect(),
    };
    match rest {
        Some(rest) => inner.into_iter().flat_map(|inner| at(inner, rest)).collect(),
        None => inner,
    }
}

fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    let number = |value: &Value| value.as_f64().or_else(|| value.as_str()?.parse().ok());
    match (number(a), number(b)) {
        (Some(a), Some(b)) => a.partial_cmp(&b),
        _ => {
            let time =
                |value: &Value| value.as_str()?.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond);
            let millis = |value: &Value| time(value).or_else(|| value.as_i64());
            match (millis(a), millis(b)) {
                (Some(a), Some(b)) => Some(a.cmp(&b)),
                _ => Some(a.as_str()?.cmp(b.as_str()?)),
            }
        }
    }
}

fn same(stored: &Value, wanted: &Value) -> bool {
    match wanted {
        // An entity's key: its id is what counts here.
        Value::Object(key) => key.get("id").is_some_and(|id| same(stored, id)),
        Value::String(text) => match stored {
            Value::String(stored) => stored.eq_ignore_ascii_case(text),
            other => {
                let shown = other.to_string();
                shown == *text
            }
        },
        Value::Number(_) => compare(stored, wanted) == Some(Ordering::Equal),
        other => stored == other,
    }
}

fn holds(values: &[&Value], operator: &str, wanted: &Value, now: i64) -> Option<bool> {
    let wanted_list = || match wanted {
        Value::Array(list) => list.iter().collect::<Vec<_>>(),
        one => vec![one],
    };
    let any = |test: &dyn Fn(&Value, &Value) -> bool| {
        values.iter().any(|value| wanted_list().into_iter().any(|wanted| test(value, wanted)))
    };
    let text = |test: fn(&str, &str) -> bool| {
        any(&|value, wanted| match (value.as_str(), wanted.as_str()) {
            (Some(value), Some(wanted)) => test(&value.to_lowercase(), &wanted.to_lowercase()),
            _ => false,
        })
    };
    let ordered = |fits: fn(Ordering) -> bool| any(&|value, wanted| compare(value, wanted).is_some_and(fits));
    let days = |fits: fn(Ordering) -> bool| {
        let edge = wanted.as_i64().map(|days| Value::from(now - days * 86_400_000));
        edge.is_some_and(|edge| values.iter().any(|value| compare(value, &edge).is_some_and(fits)))
    };
    let there = values.iter().any(|value| !value.is_null() && value.as_str() != Some(""));
    Some(match operator {
        "eq" | "deq" => any(&same),
        "neq" => !any(&same),
        "gt" => ordered(Ordering::is_gt),
        "gte" => ordered(Ordering::is_ge),
        "lt" => ordered(Ordering::is_lt),
        "lte" => ordered(Ordering::is_le),
        "gte_ndays" => days(Ordering::is_ge),
        "lte_ndays" => days(Ordering::is_le),
        "range" => wanted_list().into_iter().any(|range| {
            let within = |value: &&Value| {
                compare(value, &range["start"]).is_some_and(Ordering::is_ge)
                    && compare(value, &range["end"]).is_some_and(Ordering::is_le)
            };
            values.iter().any(within)
        }),
        "contains" | "text" => text(|value, wanted| value.contains(wanted)),
        "ncontains" => !text(|value, wanted| value.contains(wanted)),
        "startswith" | "startswithsingle" => text(|value, wanted| value.starts_with(wanted)),
        "doesnotstartwith" => !text(|value, wanted| value.starts_with(wanted)),
        "endswith" => text(|value, wanted| value.ends_with(wanted)),
        "isset" => there,
        "isnotset" => !there,
        _ => return None,
    })
}

/// The documents that a filter object lets through, in their order.
pub(super) fn matching<'d>(
    documents: impl Iterator<Item = &'d Value>,
    filters: &Map<String, Value>,
    served: &Served,
    now: i64,
) -> Result<Vec<&'d Value>, Refusal> {
    for (field, operators) in filters {
        let known = served.fields.iter().any(|(name, _)| name == field);
        let legal = operators
            .as_object()
            .is_some_and(|all| all.iter().all(|(operator, wanted)| holds(&[], operator, wanted, now).is_some()));
        if !known || !legal {
            return Err(invalid("filters", field));
        }
    }
    let fits = |document: &&Value| {
        filters.iter().all(|(field, operators)| {
            let path = served.fields.iter().find(|(name, _)| name == field).map_or("", |(_, path)| path);
            let values: Vec<&Value> = path.split('|').flat_map(|path| at(document, path)).collect();
            operators
                .as_object()
                .into_iter()
                .flatten()
                .all(|(operator, wanted)| holds(&values, operator, wanted, now) == Some(true))
        })
    };
    Ok(documents.filter(fits).collect())
}

/// The answer to a list call. `documents` are oldest first.
fn list(documents: &[Value], asked: &Asked, served: &Served, now: i64) -> Result<Response, Refusal> {
    let filters = asked.filters()?;
    let mut found = matching(documents.iter(), &filters, served, now)?;
    let total = found.len();
    if asked.0.get("isScan").is_some_and(|flag| *flag == true || *flag == "true") {
        let Some(field) = served.scan else { return Err(invalid("isScan", "true")) };
        let limit = asked.number("limit")?.unwrap_or(*SCAN.start());
        if !SCAN.contains(&limit) {
            return Err(invalid("limit", &limit.to_string()));
        }
        return Ok(scan(found, filters, field, limit, served));
    }
    let ascending = match asked.text("sortDirection") {
        None | Some("desc" | "dsc") => false,
        Some("asc") => true,
        Some(other) => return Err(invalid("sortDirection", other)),
    };
    let by = match asked.text("sortField") {
        None => served.sort.first(),
        Some(name) => {
            Some(served.sort.iter().find(|(known, _)| *known == name).ok_or_else(|| invalid("sortField", name))?)
        }
    };
    if let Some((_, path)) = by {
        let key = |document: &&Value| at(document, path).first().copied().cloned().unwrap_or_default();
        found.sort_by(|a, b| compare(&key(a), &key(b)).unwrap_or(Ordering::Equal));
    }
    if !ascending {
        found.reverse();
    }
    let (skip, limit) =
        (asked.number("skip")?.unwrap_or(0), asked.number("limit")?.unwrap_or(LARGEST_PAGE).min(LARGEST_PAGE));
    if served.scan.is_some() && skip.saturating_add(limit) > SKIP_END + LARGEST_PAGE {
        return Err(invalid("skip", &skip.to_string()));
    }
    let more = total > skip.saturating_add(limit);
    let data: Vec<Value> = found.into_iter().skip(skip).take(limit).map(|found| served.shown(found.clone())).collect();
    let document =
        json!({ "data": data, "hasNext": more, "max": LARGEST_PAGE, "total": total, "moreThanTotal": false });
    Ok(answer(StatusCode::OK, &document))
}

/// A page of a scan, newest first. Records of one moment are never split over two pages: the last ones are dropped.
fn scan(
    mut found: Vec<&Value>,
    mut filters: Map<String, Value>,
    field: &str,
    limit: usize,
    served: &Served,
) -> Response {
    let moment = |document: &Value| document[field].as_i64().unwrap_or_default();
    found.sort_by_key(|document| std::cmp::Reverse(moment(document)));
    let mut end = limit.min(found.len());
    if end < found.len() {
        let cut = moment(found[end]);
        let clean = found[..end].iter().rposition(|document| moment(document) != cut).map_or(0, |at| at + 1);
        // A moment with more records than a page is given whole.
        end = if clean > 0 {
            clean
        } else {
            found.iter().position(|document| moment(document) != cut).unwrap_or(found.len())
        };
    }
    let more = end < found.len();
    let data: Vec<Value> = found[..end].iter().map(|found| served.shown((*found).clone())).collect();
    let mut document = json!({ "data": data, "hasNext": more });
    if more {
        let slot = filters.entry(field).or_insert_with(|| json!({}));
        slot["lte"] = moment(found[end]).into();
        document["nextQueryFilters"] = Value::Object(filters);
    }
    answer(StatusCode::OK, &document)
}
