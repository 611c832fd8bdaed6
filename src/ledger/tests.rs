//! The invariants of the ledger, one test each.

use super::*;
use crate::domain::{ByteCount, CallBudget, Digest, TenantName, Urgency};
use std::path::PathBuf;

fn ledger() -> (tempfile::TempDir, Ledger) {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&dir.path().join("ledger.db")).unwrap();
    (dir, ledger)
}

fn tenant() -> TenantName {
    TenantName::default_tenant()
}

fn mark(inode: u64, size: u64) -> FileMark {
    FileMark { device: 1, inode, size, mtime_ns: 4 }
}

fn slice(inode: u64, size: u64, digest: u8, from: u64, to: u64) -> NewSlice<'static> {
    let (path, digest) = (Path::new("/var/log/x"), Digest([digest; 32]));
    NewSlice { path, mark: mark(inode, size), head: b"head", digest, from, to }
}

fn take(ledger: &Ledger, slices: Vec<NewSlice<'_>>) -> Option<i64> {
    let new = NewShipment {
        tenant: &tenant(),
        feed: "hq",
        owner: "me",
        slices,
        packed: 2,
        log_type: "SQUID_NATIVE",
        destination: "HQ",
        snapshot: false,
        spool: "x.gz",
        filename: "x.gz",
        away: true,
        held: None,
        judgement: None,
    };
    ledger.take_in(&new).unwrap()
}

/// A shipment of one whole file.
fn pack(ledger: &Ledger, digest: u8) -> Option<i64> {
    take(ledger, vec![slice(u64::from(digest), 3, digest, 0, 3)])
}

fn finalise(ledger: &Ledger, id: i64, counters: Option<(u64, u64)>) {
    ledger.advance(id, Stage::Stored, None).unwrap();
    assert_eq!(ledger.finalising(id, counters).unwrap(), Turn::Yours);
    ledger.finalised(id).unwrap();
}

#[test]
fn the_same_content_is_taken_once_per_feed_and_a_refused_shipment_leaves_nothing() {
    let (_dir, ledger) = ledger();
    assert_eq!(ledger.seen(&tenant(), "hq", &mark(1, 3)).unwrap(), None);
    pack(&ledger, 1).unwrap();
    assert!(ledger.seen(&tenant(), "hq", &mark(1, 3)).unwrap().unwrap().done);
    assert!(matches!(ledger.alike(&tenant(), "hq", 3, b"head").unwrap()[..], [(_, true)]));
    assert!(ledger.alike(&tenant(), "hq", 3, b"other").unwrap().is_empty());
    assert!(ledger.alike(&tenant(), "other feed", 3, b"head").unwrap().is_empty());
    let half_known = vec![slice(7, 3, 7, 0, 3), slice(8, 3, 1, 0, 3)];
    assert_eq!(take(&ledger, half_known), None);
    assert_eq!(ledger.seen(&tenant(), "hq", &mark(7, 3)).unwrap(), None);
    assert_eq!(ledger.shipments(&[], 10).unwrap().len(), 1);
    assert!(pack(&ledger, 2).is_some());
}

#[test]
fn a_file_is_done_when_its_slices_cover_it_and_not_before() {
    let (_dir, ledger) = ledger();
    let done = || ledger.seen(&tenant(), "hq", &mark(5, 100)).unwrap().unwrap();
    let first = take(&ledger, vec![slice(5, 100, 1, 0, 60)]).unwrap();
    assert!(!done().done);
    take(&ledger, vec![slice(5, 100, 2, 60, 100)]).unwrap();
    assert!(done().done);
    let parts: Vec<_> = ledger.slices(done().id).unwrap().iter().map(|s| (s.from, s.to)).collect();
    assert_eq!(parts, [(0, 60), (60, 100)]);
    ledger.forget(first).unwrap();
    assert!(!done().done, "the forgotten part is to be shipped again");
    assert_eq!(ledger.slices(done().id).unwrap().len(), 1);
}

#[test]
fn stages_cannot_be_skipped_or_walked_backwards() {
    let (_dir, ledger) = ledger();
    let id = pack(&ledger, 1).unwrap();
    for to in [Stage::Finalising, Stage::Finalised, Stage::Confirmed, Stage::Uncertain] {
        assert!(ledger.advance(id, to, None).is_err(), "{to}");
    }
    assert!(ledger.finalising(id, None).is_err());
    finalise(&ledger, id, Some((1, 0)));
    assert!(ledger.retry(id).is_err(), "a finalised shipment is never sent again");
    ledger.advance(id, Stage::Confirmed, None).unwrap();
    assert_eq!(ledger.counts().unwrap(), [(Stage::Confirmed, 1, ByteCount(3))]);
}

#[test]
fn one_shipment_of_a_data_source_is_finalised_at_a_time() {
    let (_dir, ledger) = ledger();
    let ids: Vec<i64> = (1..=3).map(|digest| pack(&ledger, digest).unwrap()).collect();
    for id in &ids {
        ledger.advance(*id, Stage::Stored, None).unwrap();
    }
    let counters = Some((10, 0));
    assert_eq!(ledger.finalising(ids[0], counters).unwrap(), Turn::Yours);
    assert_eq!(ledger.finalising(ids[1], counters).unwrap(), Turn::Later);
    ledger.advance(ids[0], Stage::Uncertain, None).unwrap();
    assert_eq!(ledger.finalising(ids[1], counters).unwrap(), Turn::Blocked(ids[0]));
    ledger.finalised(ids[0]).unwrap();
    assert_eq!(ledger.finalising(ids[1], counters).unwrap(), Turn::Yours);
    ledger.finalised(ids[1]).unwrap();
    ledger.advance(ids[0], Stage::Confirmed, None).unwrap();
    // Counters read before the first one was counted: both are still to come, also the one confirmed meanwhile.
    assert_eq!(ledger.finalising(ids[2], counters).unwrap(), Turn::Yours);
    let pending = ledger.shipment(ids[2]).unwrap().baseline.unwrap().pending;
    assert_eq!(pending, 2);
}

#[test]
fn a_dead_owner_leaves_uncertain_and_free_shipments_and_no_claim() {
    let (_dir, ledger) = ledger();
    let (first, second) = (pack(&ledger, 1).unwrap(), pack(&ledger, 2).unwrap());
    ledger.advance(first, Stage::Stored, None).unwrap();
    ledger.finalising(first, Some((1, 0))).unwrap();
    assert_eq!(ledger.claim("me", &tenant(), "hq", &[mark(9, 9)]).unwrap(), [true]);
    assert_eq!(ledger.claim("other", &tenant(), "hq", &[mark(9, 9), mark(1, 3)]).unwrap(), [false, false]);
    assert!(ledger.share("other", &tenant(), 10).unwrap().is_empty());
    assert_eq!(ledger.owners().unwrap().into_iter().collect::<Vec<_>>(), ["me"]);
    assert_eq!(ledger.recover(Some("me")).unwrap(), 1);
    assert_eq!(ledger.claim("other", &tenant(), "hq", &[mark(9, 9)]).unwrap(), [true]);
    let shared: Vec<_> = ledger.share("other", &tenant(), 10).unwrap().iter().map(|s| s.id).collect();
    assert_eq!(shared, [second]);
    assert_eq!(ledger.shipment(first).unwrap().stage, Stage::Uncertain);
    ledger.integrity().unwrap();
}

#[test]
fn blocks_are_remembered_with_their_address_and_forgotten_with_it() {
    let (_dir, ledger) = ledger();
    let id = pack(&ledger, 1).unwrap();
    assert_eq!(ledger.grant(id).unwrap(), None);
    ledger.granted(id, b"sealed", &[(0, 4)]).unwrap();
    ledger.record_block(id, 2, 5).unwrap();
    ledger.record_block(id, 2, 5).unwrap();
    assert_eq!(ledger.grant(id).unwrap(), Some((b"sealed".to_vec(), vec![(0, 4), (2, 5)])));
    ledger.ungrant(id).unwrap();
    assert_eq!(ledger.grant(id).unwrap(), None);
}

#[test]
fn a_refused_shipment_is_tried_anew_and_then_held_until_a_person_retries_it() {
    let (_dir, ledger) = ledger();
    let id = pack(&ledger, 1).unwrap();
    for expected in [Stage::Packed, Stage::Held] {
        ledger.advance(id, Stage::Stored, None).unwrap();
        ledger.finalising(id, None).unwrap();
        assert_eq!(ledger.refused(id, "no", 2).unwrap(), expected);
    }
    ledger.retry(id).unwrap();
    let shipment = ledger.shipment(id).unwrap();
    assert_eq!((shipment.stage, shipment.attempts), (Stage::Packed, 0));
}

#[test]
fn files_are_put_away_once_every_shipment_of_them_is_finalised() {
    let (_dir, ledger) = ledger();
    let first = take(&ledger, vec![slice(5, 100, 1, 0, 60)]).unwrap();
    let second = take(&ledger, vec![slice(5, 100, 2, 60, 100)]).unwrap();
    let original = ledger.seen(&tenant(), "hq", &mark(5, 100)).unwrap().unwrap().id;
    ledger.same(&tenant(), "hq", Path::new("/var/log/copy"), &mark(6, 100), original, true).unwrap();
    finalise(&ledger, first, None);
    assert!(ledger.ready(10).unwrap().is_empty());
    finalise(&ledger, second, None);
    let ready = ledger.ready(10).unwrap();
    assert_eq!(ready.len(), 2, "the copy goes with it");
    assert!(ready.iter().all(|file| !file.confirmed));
    ledger.moved(original, Path::new("/var/log/x.1")).unwrap();
    assert_eq!(ledger.ready(10).unwrap()[0].path, PathBuf::from("/var/log/x.1"));
    for file in ready {
        ledger.put_away(file.id).unwrap();
    }
    assert!(ledger.ready(10).unwrap().is_empty());
}

#[test]
fn why_a_file_is_skipped_is_news_once() {
    let (_dir, ledger) = ledger();
    let path = Path::new("/var/log/empty");
    assert!(ledger.skip(&tenant(), "hq", path, &mark(5, 0), "it is empty").unwrap());
    assert!(!ledger.skip(&tenant(), "hq", path, &mark(5, 0), "it is empty").unwrap());
    assert!(ledger.seen(&tenant(), "hq", &mark(5, 0)).unwrap().unwrap().done);
    assert_eq!(ledger.skipped(10).unwrap()[0].why, "it is empty");
}

#[test]
fn forgetting_makes_the_files_new_again_with_their_copies() {
    let (_dir, ledger) = ledger();
    let id = pack(&ledger, 1).unwrap();
    let original = ledger.seen(&tenant(), "hq", &mark(1, 3)).unwrap().unwrap().id;
    ledger.same(&tenant(), "hq", Path::new("/var/log/copy"), &mark(6, 3), original, false).unwrap();
    assert_eq!(ledger.forget(id).unwrap(), "x.gz");
    assert!(ledger.forget(id).is_err());
    for inode in [1, 6] {
        assert_eq!(ledger.seen(&tenant(), "hq", &mark(inode, 3)).unwrap(), None);
    }
    assert!(pack(&ledger, 1).is_some());
}

#[test]
fn a_backlog_leaves_calls_to_people_and_processes_share_one_budget() {
    let (dir, ledger) = ledger();
    let other = Ledger::open(&dir.path().join("ledger.db")).unwrap();
    let partner = "partner".parse().unwrap();
    let mut taken = 0;
    for turn in 0..100 {
        let book = if turn % 2 == 0 { &ledger } else { &other };
        taken += u32::from(book.take(&tenant(), Urgency::Backlog).unwrap().is_zero());
    }
    assert_eq!(taken, CALLS_A_MINUTE - CALLS_A_MINUTE / 5);
    assert!(ledger.take(&tenant(), Urgency::Human).unwrap().is_zero());
    assert!(ledger.take(&partner, Urgency::Backlog).unwrap().is_zero());
}

/// A status over a million shipments reads a few rows: every query it makes walks an index and sorts nothing.
#[test]
fn the_questions_of_status_and_scan_walk_indexes() {
    let (_dir, ledger) = ledger();
    let questions = [
        "SELECT stage, shipments, raw FROM tally WHERE shipments > 0",
        "SELECT * FROM shipment WHERE id < 9 ORDER BY id DESC LIMIT 20",
        "SELECT * FROM shipment WHERE stage = 'confirmed' AND id < 9 ORDER BY id DESC LIMIT 20",
        "SELECT * FROM shipment WHERE stage = 'packed' AND tenant = 't' ORDER BY id LIMIT 20",
        "SELECT * FROM file WHERE tenant = 't' AND feed = 'f' AND device = 1 AND inode = 2 AND size = 3 AND mtime_ns = 4",
        "SELECT * FROM file WHERE tenant = 't' AND feed = 'f' AND size = 3 AND (head = x'00' OR head IS NULL)",
        "SELECT * FROM slice WHERE file = 1 ORDER BY from_byte",
        "SELECT * FROM file WHERE away = 1",
        "SELECT feed, path, size, note FROM file WHERE note IS NOT NULL ORDER BY id DESC LIMIT 9",
        "SELECT count(*) FROM shipment WHERE tenant = 't' AND destination = 'd' AND history IS NOT NULL AND history + pending >= 3",
        "SELECT id FROM shipment WHERE tenant = 't' AND destination = 'd' AND stage IN ('finalising', 'uncertain')",
        "SELECT DISTINCT owner FROM shipment WHERE owner IS NOT NULL",
    ];
    for question in questions {
        let connection = ledger.lock();
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {question}")).unwrap();
        let plan: Vec<String> = statement.query_map([], |row| row.get(3)).unwrap().map(|row| row.unwrap()).collect();
        let plan = plan.join("; ");
        assert!(!plan.contains("TEMP B-TREE"), "{question}: {plan}");
        let walks = plan.contains("USING") || plan == "SCAN tally";
        assert!(walks, "{question}: {plan}");
    }
}
