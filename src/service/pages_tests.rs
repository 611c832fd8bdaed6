//! Lists against a service that behaves well, badly, and differently from call to call.

use super::super::alerts::FAMILY;
use super::super::script::{self, Answer, Request};
use super::super::{activities, alerts};
use super::*;

/// A list as the service keeps it, newest first, with the usual answers.
fn served(ids: &[u64], request: &Request) -> Answer {
    let body = request.json();
    let number = |name: &str| usize::try_from(body[name].as_u64().unwrap()).unwrap();
    let (skip, limit) = (number("skip"), number("limit").min(100));
    let data: Vec<Value> = ids.iter().skip(skip).take(limit).map(|id| json!({ "_id": format!("{id:024x}") })).collect();
    let more = ids.len() > skip + limit;
    script::json(200, &json!({ "data": data, "hasNext": more, "total": ids.len(), "max": 100, "moreThanTotal": false }))
}

async fn read(pages: &mut Pages) -> Vec<u64> {
    let mut ids = Vec::new();
    while let Some(page) = pages.next().await.unwrap() {
        assert!(!page.records.is_empty());
        ids.extend(page.records.iter().map(|r| u64::from_str_radix(&r.id().unwrap(), 16).unwrap()));
    }
    ids
}

async fn pages(limit: Option<u64>, mut answer: impl FnMut(usize, &Request) -> Answer + Send + 'static) -> Pages {
    let mut calls = 0;
    let base = script::server(move |request| {
        calls += 1;
        assert_eq!(request.headers["authorization"], "Token t0ken");
        answer(calls, &request)
    })
    .await;
    script::client(script::settings(&base)).list(&FAMILY, Query { limit, ..Query::default() })
}

#[tokio::test]
async fn lists_of_any_length_come_whole_and_in_order() {
    for length in [0, 1, 99, 100, 101, 5_000, 12_345] {
        let ids: Vec<u64> = (0..length).collect();
        let kept = ids.clone();
        let mut pages = pages(None, move |_, request| served(&kept, request)).await;
        assert_eq!(read(&mut pages).await, ids, "{length}");
        assert!(pages.doubts().is_empty(), "{length}: {:?}", pages.doubts());
    }
}

#[tokio::test]
async fn a_limit_asks_for_no_more_than_it_gives() {
    for limit in [1, 100, 150, 1_000] {
        let mut asked = 0;
        let mut pages = pages(Some(limit), move |_, request| {
            asked += request.json()["limit"].as_u64().unwrap();
            assert!(asked <= limit + limit / 99 + 1, "{asked}");
            served(&(0..500).collect::<Vec<_>>(), request)
        })
        .await;
        assert_eq!(read(&mut pages).await.len() as u64, limit.min(500));
    }
}

#[tokio::test]
async fn an_empty_page_that_promises_more_ends_the_list_and_is_said() {
    let mut pages = pages(None, |_, request| match request.json()["skip"].as_u64() {
        Some(0) => served(&(0..200).collect::<Vec<_>>(), request),
        _ => script::json(200, &json!({ "data": [], "hasNext": true, "total": 200 })),
    })
    .await;
    assert_eq!(read(&mut pages).await.len(), 100);
    assert!(pages.doubts()[0].contains("may be incomplete"), "{:?}", pages.doubts());
}

#[tokio::test]
async fn a_service_that_always_sends_the_same_page_is_left() {
    let ids: Vec<u64> = (0..100).collect();
    let mut pages = pages(None, move |calls, _| {
        assert!(calls < 10);
        let data: Vec<Value> = ids.iter().map(|id| json!({ "_id": format!("{id:x}") })).collect();
        script::json(200, &json!({ "data": data, "hasNext": true, "total": 1_000_000 }))
    })
    .await;
    assert_eq!(read(&mut pages).await.len(), 100);
    assert!(!pages.doubts().is_empty());
}

#[tokio::test]
async fn a_total_that_lies_changes_nothing() {
    for total in [json!(0), json!(7), json!(1_000_000), json!(null), json!("many"), json!(-1)] {
        let mut pages = pages(None, move |_, request| {
            let (status, headers, text) = served(&(0..250).collect::<Vec<_>>(), request);
            let mut document: Value = serde_json::from_str(&text).unwrap();
            document["total"] = total.clone();
            (status, headers, document.to_string())
        })
        .await;
        assert_eq!(read(&mut pages).await.len(), 250);
    }
}

#[tokio::test]
async fn records_that_come_in_front_meanwhile_are_not_given_twice() {
    let mut ids: VecDeque<u64> = (1_000..1_250).collect();
    let mut pages = pages(None, move |calls, request| {
        if calls > 1 {
            (0..3).for_each(|n| ids.push_front(calls as u64 * 10 + n));
        }
        served(ids.make_contiguous(), request)
    })
    .await;
    let found = read(&mut pages).await;
    assert_eq!(found, (1_000..1_250).collect::<Vec<_>>());
    assert!(pages.doubts()[0].contains("came twice"), "{:?}", pages.doubts());
}

#[tokio::test]
async fn records_that_leave_meanwhile_make_us_step_back_so_that_none_is_passed_over() {
    let mut ids: Vec<u64> = (0..350).collect();
    let mut pages = pages(None, move |calls, request| {
        if calls == 2 {
            ids.drain(10..40);
        }
        served(&ids, request)
    })
    .await;
    assert_eq!(read(&mut pages).await, (0..350).collect::<Vec<_>>());
    assert!(pages.doubts().is_empty(), "{:?}", pages.doubts());
}

#[tokio::test]
async fn a_record_that_moves_behind_us_is_given_once() {
    let mut ids: Vec<u64> = (0..250).collect();
    let mut pages = pages(None, move |calls, request| {
        if calls == 2 {
            let moved = ids.remove(20);
            ids.push(moved);
        }
        served(&ids, request)
    })
    .await;
    let mut found = read(&mut pages).await;
    found.sort_unstable();
    assert_eq!(found, (0..250).collect::<Vec<_>>());
}

#[tokio::test]
async fn more_leaving_than_a_page_holds_is_said_since_it_cannot_be_known() {
    let mut ids: Vec<u64> = (0..600).collect();
    let mut pages = pages(None, move |calls, request| {
        if calls == 4 {
            ids.drain(..290);
        }
        served(&ids, request)
    })
    .await;
    read(&mut pages).await;
    assert!(pages.doubts().iter().any(|doubt| doubt.contains("cannot be known")), "{:?}", pages.doubts());
}

#[tokio::test]
async fn past_five_thousand_scan_mode_follows_the_filters_of_the_answer() {
    let total = 12_345_u64;
    let base = script::server(move |request| {
        let body = request.json();
        assert_eq!((body["isScan"].clone(), body.get("skip")), (json!(true), None));
        let from = body["filters"]["from"]["gte"].as_u64().unwrap_or(0);
        let limit = body["limit"].as_u64().unwrap();
        assert!((500..=5_000).contains(&limit));
        // Its last few records are dropped; one page in the middle is empty.
        let until = if from == 1_990 { from } else { (from + limit - 5).min(total) };
        let data: Vec<Value> = (from..until).map(|id| json!({ "_id": format!("{id:x}") })).collect();
        let next = if from == 1_990 { 1_991 } else { until };
        let data = if from == 1_990 { Vec::new() } else { data };
        let more = next < total;
        let mut answer = json!({ "data": data, "hasNext": more });
        if more {
            answer["nextQueryFilters"] = json!({ "from": { "gte": next } });
        }
        script::json(200, &answer)
    })
    .await;
    let service = script::client(script::settings(&base));
    let mut pages = service.list(&activities::FAMILY, Query::default());
    let found = read(&mut pages).await;
    // The record that the empty page stood for is the only one missing.
    assert_eq!(found.len() as u64, total - 1);
    assert!(pages.doubts().is_empty(), "{:?}", pages.doubts());
}

#[tokio::test]
async fn a_scan_whose_filters_stand_still_ends_and_says_so() {
    let base = script::server(|_| {
        script::json(200, &json!({ "data": [{ "_id": "1" }], "hasNext": true, "nextQueryFilters": {} }))
    })
    .await;
    let mut pages = script::client(script::settings(&base)).list(&activities::FAMILY, Query::default());
    assert_eq!(read(&mut pages).await.len(), 1);
    assert!(pages.doubts()[0].contains("may be incomplete"));
}

#[tokio::test]
async fn ids_not_found_are_read_from_an_answer_and_from_a_refusal() {
    for status in [200, 400, 404] {
        let base = script::server(move |request| {
            assert_eq!(request.uri.path(), "/api/v1/alerts/close_benign/");
            assert_eq!(request.json(), json!({"filters": {"id": {"eq": ["a", "b"]}}, "reasonId": 5, "comment": "c"}));
            script::json(status, &json!({ "closed_benign": 1, "alertsNotFound": ["b"] }))
        })
        .await;
        let service = script::client(script::settings(&base));
        let remarks = alerts::Remarks { reason: Some(5), comment: Some("c".to_owned()), ..alerts::Remarks::default() };
        let closed =
            service.close_alerts(&["a".to_owned(), "b".to_owned()], &alerts::CLOSINGS[0], &remarks).await.unwrap();
        assert_eq!(closed, alerts::Closed { closed: 1, not_found: vec!["b".to_owned()] });
        assert!(service.close_alerts(&[], &alerts::CLOSINGS[0], &remarks).await.is_err());
    }
}

#[tokio::test]
async fn ids_and_entity_keys_are_one_segment_of_the_path() {
    let base = script::server(|request| script::json(200, &json!({ "path": request.uri.to_string() }))).await;
    let service = script::client(script::settings(&base));
    let path = |record: Record| record.text("path").unwrap();
    assert_eq!(path(service.file("site|a/b?c#d").await.unwrap()), "/api/v1/files/site|a%2Fb%3Fc%23d/");
    let key = super::super::entities::EntityKey { id: "???>>>".to_owned(), app: 1, instance: 0 };
    let tree = path(service.entity_tree(&key).await.unwrap());
    assert!(tree.ends_with("/retrieve_tree/") && tree.matches('/').count() == 6, "{tree}");
    assert!(service.file("..").await.is_err() && service.file("").await.is_err());
    for path in ["https://evil.example/", "//evil.example/", "../../x", "/api/../../x"] {
        let raw = service.raw(&Method::GET, path, None).await;
        assert!(raw.is_err_and(|failure| failure.kind == FailureKind::Local), "{path}");
    }
    let answer = service.raw(&Method::GET, "alerts/?limit=1", None).await.unwrap();
    assert_eq!(answer, br#"{"path":"/api/v1/alerts/?limit=1"}"#);
}
