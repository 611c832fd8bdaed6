//! Filters: what may be asked of each family, by table; a mistake is answered with what is allowed.
//!
//! A filter is written `FIELD OPERATOR VALUE[, VALUE...]`, such as `severity eq high, medium` or `date gte_ndays 7`.
//! Different fields must all hold; several values of one operator are alternatives. The tables are the documented ones
//! \[documented\]; the service knows more than its documentation, and for that there is a filter object written by hand.

use super::dates::{self, Clock, Edge};
use super::{Failure, FailureKind};
use crate::domain::nearest;
use serde_json::{Map, Value, json};

/// What the values of a field are.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Text as it stands.
    Text,
    /// A whole number.
    Number,
    /// `true` or `false`.
    Flag,
    /// A date, sent as Unix milliseconds.
    Time,
    /// An entity's key: `ID`, `ID/APP` or `ID/APP/INSTANCE`, or a JSON object.
    Entity,
    /// A number with a name.
    Names(&'static [(&'static str, i64)]),
    /// One of these words.
    Words(&'static [&'static str]),
}

/// A field with what may be asked of it.
#[derive(Debug)]
pub struct Field {
    /// Its name, as the service spells it.
    pub name: &'static str,
    /// The operators documented for it.
    pub operators: &'static [&'static str],
    /// What its values are.
    pub kind: Kind,
}

/// A row of a family's table.
pub(super) const fn field(name: &'static str, operators: &'static [&'static str], kind: Kind) -> Field {
    Field { name, operators, kind }
}

/// Equal or not.
pub(super) const EQ: &[&str] = &["eq", "neq"];
/// Equal only.
pub(super) const IS: &[&str] = &["eq"];
/// Equal or not, there or not.
pub(super) const SET: &[&str] = &["eq", "neq", "isset", "isnotset"];
/// Points in time, absolute or by days.
pub(super) const DATES: &[&str] = &["lte", "gte", "range", "lte_ndays", "gte_ndays"];
/// Points in time, absolute only.
pub(super) const SPAN: &[&str] = &["lte", "gte", "range"];

/// One family of records: where it is listed, what it can be filtered and sorted by.
#[derive(Debug)]
pub struct Family {
    /// What messages call its records.
    pub name: &'static str,
    /// The list's path.
    pub path: &'static str,
    /// What may be filtered by.
    pub fields: &'static [Field],
    /// What may be sorted by; the first is the usual one.
    pub sort: &'static [&'static str],
    /// Whether the service offers scan mode, and `skip` ends at 5,000.
    pub scan: bool,
}

/// A filter object, ready to be sent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filters(Map<String, Value>);

impl Filters {
    /// Nothing asked: everything matches.
    pub fn none() -> Filters {
        Filters::default()
    }

    /// Whether everything matches.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The object as it is sent.
    pub fn json(&self) -> Value {
        Value::Object(self.0.clone())
    }

    /// Records with one of these ids.
    pub fn ids(ids: &[String]) -> Filters {
        Filters::none().with("id", "eq", json!(ids))
    }

    /// Adds a condition as it is.
    #[must_use]
    pub fn with(mut self, field: &str, operator: &str, value: Value) -> Filters {
        let slot = self.0.entry(field).or_insert_with(|| json!({}));
        slot[operator] = value;
        self
    }

    /// Reads filters as people write them, and a filter object written by hand, whose fields win.
    ///
    /// # Errors
    /// [`FailureKind::Local`], naming the mistake and what is allowed.
    pub fn parse(family: &Family, texts: &[String], by_hand: Option<&str>, clock: &Clock) -> Result<Filters, Failure> {
        let mut filters = Filters::none();
        for text in texts {
            filters.add(family, text, clock)?;
        }
        if let Some(text) = by_hand {
            let wrong = |why: String| {
                Failure::new(FailureKind::Local, format!("the filter object is not usable: {why}"))
                    .hint(r#"write a JSON object such as {"severity":{"eq":[2]}}"#)
            };
            let object: Map<String, Value> = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
            if let Some((field, _)) = object.iter().find(|(_, value)| !value.is_object()) {
                return Err(wrong(format!("{field:?} holds no object of operators")));
            }
            filters.0.extend(object);
        }
        Ok(filters)
    }

    fn add(&mut self, family: &Family, text: &str, clock: &Clock) -> Result<(), Failure> {
        let (name, rest) = word(text);
        let (operator, values) = word(rest);
        let field = family.field(name)?;
        let wrong = |why: String| Failure::new(FailureKind::Local, format!("the filter {text:?} is not usable: {why}"));
        let operators = field.operators;
        let Some(operator) = operators.iter().find(|known| known.eq_ignore_ascii_case(operator)) else {
            let why = if operator.is_empty() {
                "it has no operator".to_owned()
            } else {
                format!("{} has no operator {operator:?}", field.name)
            };
            return Err(wrong(why).hint(format!(
                "{} takes: {}; {}",
                field.name,
                operators.join(", "),
                field.kind.described()
            )));
        };
        let value = field.value(operator, values, clock).map_err(|why| wrong(why).hint(field.kind.described()))?;
        let slot = self.0.entry(field.name).or_insert_with(|| json!({}));
        match (slot.get_mut(*operator), value) {
            // The same operator again: alternatives.
            (Some(Value::Array(before)), Value::Array(more)) => before.extend(more),
            (Some(_), _) => return Err(wrong(format!("{} {operator} is asked twice", field.name))),
            (None, value) => slot[*operator] = value,
        }
        Ok(())
    }
}

impl Family {
    /// The field of this name, whatever its letters' case.
    ///
    /// # Errors
    /// [`FailureKind::Local`] with the nearest name and all of them.
    pub fn field(&self, name: &str) -> Result<&'static Field, Failure> {
        if let Some(field) = self.fields.iter().find(|field| field.name.eq_ignore_ascii_case(name)) {
            return Ok(field);
        }
        let names = || self.fields.iter().map(|field| field.name);
        let near = nearest(name, names()).map_or(String::new(), |near| format!("did you mean {near}? "));
        let known = names().collect::<Vec<_>>().join(", ");
        Err(Failure::new(FailureKind::Local, format!("{} cannot be filtered by {name:?}", self.name))
            .hint(format!("{near}fields: {known}; --filter-json takes any other")))
    }
}

impl Kind {
    /// What may be written, in a clause.
    pub fn described(self) -> String {
        let list = |names: Vec<&str>| names.join(", ");
        match self {
            Kind::Text => "values are text; separate several with commas, quote one that holds a comma".to_owned(),
            Kind::Number => "values are whole numbers".to_owned(),
            Kind::Flag => "the value is true or false".to_owned(),
            Kind::Time => format!("{}; a range is FROM..TO", dates::WRITTEN),
            Kind::Entity => {
                "write an entity as ID, ID/APP or ID/APP/INSTANCE, such as ann@contoso.com/11161/0".to_owned()
            }
            Kind::Names(names) => format!("values are: {}", list(names.iter().map(|(name, _)| *name).collect())),
            Kind::Words(words) => format!("values are: {}", list(words.to_vec())),
        }
    }

    fn value(self, text: &str, edge: Edge, clock: &Clock) -> Result<Value, String> {
        let plain = |word: &str| word.to_ascii_lowercase().replace([' ', '_'], "-");
        match self {
            Kind::Text => Ok(text.into()),
            Kind::Number => text.parse::<i64>().map(Value::from).map_err(|_| format!("{text:?} is not a whole number")),
            Kind::Flag => match plain(text).as_str() {
                "true" | "yes" => Ok(true.into()),
                "false" | "no" => Ok(false.into()),
                _ => Err(format!("{text:?} is neither true nor false")),
            },
            Kind::Time => dates::millis(text, edge, clock).map(Value::from),
            Kind::Entity => entity(text),
            Kind::Names(names) => {
                let number = text.parse::<i64>().ok().filter(|number| names.iter().any(|(_, known)| known == number));
                let named = names.iter().find(|(name, _)| *name == plain(text)).map(|(_, number)| *number);
                named.or(number).map(Value::from).ok_or_else(|| format!("{text:?} is none of its values"))
            }
            Kind::Words(words) => words
                .iter()
                .find(|word| word.eq_ignore_ascii_case(text))
                .map(|word| if *word == "null" { Value::Null } else { (*word).into() })
                .ok_or_else(|| format!("{text:?} is none of its values")),
        }
    }
}

impl Field {
    fn value(&self, operator: &str, values: &str, clock: &Clock) -> Result<Value, String> {
        if ["isset", "isnotset"].contains(&operator) {
            return if values.is_empty() { Ok(true.into()) } else { Err(format!("{operator} takes no value")) };
        }
        if values.is_empty() {
            return Err("it has no value".to_owned());
        }
        let edge = if ["lte", "gt"].contains(&operator) { Edge::End } else { Edge::Start };
        match operator {
            "gte_ndays" | "lte_ndays" => {
                let days = values.trim_end_matches("days").trim_end_matches('d').trim();
                days.parse::<u32>().map(Value::from).map_err(|_| format!("{values:?} is not a number of days"))
            }
            "range" => {
                let (from, to) = values.split_once("..").ok_or_else(|| format!("{values:?} is not FROM..TO"))?;
                let (start, end) =
                    (self.kind.value(from.trim(), Edge::Start, clock)?, self.kind.value(to.trim(), Edge::End, clock)?);
                if start.as_i64() > end.as_i64() {
                    return Err("the range ends before it begins".to_owned());
                }
                Ok(json!([{ "start": start, "end": end }]))
            }
            _ if matches!(self.kind, Kind::Time | Kind::Flag) => self.kind.value(values, edge, clock),
            _ => {
                let parts = if matches!(self.kind, Kind::Entity) && values.starts_with('{') {
                    vec![values.to_owned()]
                } else {
                    split(values)?
                };
                let values: Result<Vec<Value>, String> =
                    parts.iter().map(|part| self.kind.value(part, edge, clock)).collect();
                values.map(Value::Array)
            }
        }
    }
}

/// The first word and the rest.
fn word(text: &str) -> (&str, &str) {
    let text = text.trim();
    text.split_once(char::is_whitespace).map_or((text, ""), |(first, rest)| (first, rest.trim()))
}

/// Values between commas; one in double quotes may hold commas.
fn split(text: &str) -> Result<Vec<String>, String> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).trim(csv::Trim::All).from_reader(text.as_bytes());
    let record =
        reader.records().next().and_then(Result::ok).ok_or_else(|| format!("{text:?} is no list of values"))?;
    if record.iter().any(str::is_empty) {
        return Err("one of its values is empty".to_owned());
    }
    Ok(record.iter().map(str::to_owned).collect())
}

/// `ID`, `ID/APP` or `ID/APP/INSTANCE`, or the object itself.
fn entity(text: &str) -> Result<Value, String> {
    if text.starts_with('{') {
        return serde_json::from_str(text).map_err(|error| format!("{text:?} is no JSON object: {error}"));
    }
    let number = |text: &str| text.parse::<u64>().map_err(|_| format!("{text:?} is not a number"));
    let parts: Vec<&str> = text.rsplitn(3, '/').collect();
    match parts.as_slice() {
        [id] => Ok(json!({ "id": id, "inst": 0 })),
        [app, id] => Ok(json!({ "id": id, "saas": number(app)?, "inst": 0 })),
        [instance, app, id] => Ok(json!({ "id": id, "saas": number(app)?, "inst": number(instance)? })),
        _ => Err(format!("{text:?} is no entity")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::alerts::FAMILY;
    use super::*;
    use jiff::tz::TimeZone;

    fn clock() -> Clock {
        Clock { now: "2026-03-10T12:00:00Z".parse().unwrap(), zone: TimeZone::UTC }
    }

    fn parse(texts: &[&str]) -> Result<Value, Failure> {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        Filters::parse(&FAMILY, &texts, None, &clock()).map(|filters| filters.json())
    }

    #[test]
    fn filters_become_what_the_service_reads() {
        let rows: [(&[&str], Value); 9] = [
            (&["severity eq high"], json!({"severity": {"eq": [2]}})),
            (&["Severity EQ high, 0"], json!({"severity": {"eq": [2, 0]}})),
            (&["severity eq high", "severity eq low"], json!({"severity": {"eq": [2, 0]}})),
            (&["date gte_ndays 7"], json!({"date": {"gte_ndays": 7}})),
            (
                &["date gte 2026-03-01", "date lte 2026-03-02"],
                json!({"date": {"gte": 1_772_323_200_000_i64, "lte": 1_772_495_999_999_i64}}),
            ),
            (
                &["date range 2026-03-01..2026-03-01"],
                json!({"date": {"range": [{"start": 1_772_323_200_000_i64, "end": 1_772_409_599_999_i64}]}}),
            ),
            (&["alertOpen eq true"], json!({"alertOpen": {"eq": true}})),
            (
                &["entity.entity eq ann@contoso.example/11161/0"],
                json!({"entity.entity": {"eq": [{"id": "ann@contoso.example", "saas": 11161, "inst": 0}]}}),
            ),
            (&["id eq \"a,b\", c"], json!({"id": {"eq": ["a,b", "c"]}})),
        ];
        for (texts, expected) in rows {
            assert_eq!(parse(texts).unwrap(), expected, "{texts:?}");
        }
    }

    #[test]
    fn a_mistake_is_answered_with_what_is_allowed() {
        let rows = [
            ("severty eq high", "severty", "did you mean severity?"),
            ("severity is high", "\"is\"", "eq, neq"),
            ("severity eq hgh", "\"hgh\"", "low, medium, high"),
            ("severity", "no operator", "eq, neq"),
            ("severity eq", "no value", "low, medium"),
            ("date gte soon", "not a date", "2026-03-01"),
            ("date range 2026-03-02..2026-03-01", "ends before", "FROM..TO"),
            ("alertOpen eq maybe", "neither true nor false", "true or false"),
            ("id eq a,,b", "empty", "commas"),
        ];
        for (text, what, hint) in rows {
            let failure = parse(&[text]).unwrap_err();
            let said = format!("{} | {}", failure.message, failure.hint.clone().unwrap_or_default());
            assert!(failure.message.contains(what) && said.contains(hint), "{text}: {said}");
        }
        assert!(parse(&["date gte 7d", "date gte 8d"]).unwrap_err().message.contains("twice"));
    }

    #[test]
    fn a_filter_object_by_hand_wins_and_is_checked() {
        let parse = |text: &str| Filters::parse(&FAMILY, &["severity eq high".to_owned()], Some(text), &clock());
        assert_eq!(parse(r#"{"x":{"eq":1}}"#).unwrap().json(), json!({"severity": {"eq": [2]}, "x": {"eq": 1}}));
        assert!(parse("[]").is_err() && parse(r#"{"x":1}"#).is_err());
    }
}
