//! The invariants of the ledger, one test each.

use super::*;

fn ledger() -> (tempfile::TempDir, Ledger) {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&dir.path().join("ledger.db")).unwrap();
    (dir, ledger)
}

const MARK: FileMark = FileMark { device: 1, inode: 2, size: 3, mtime_ns: 4 };

fn pack(ledger: &Ledger, digest: u8) -> Result<i64> {
    let tenant = TenantName::default_tenant();
    let packed = Packed {
        tenant: &tenant,
        feed: "hq",
        source: Path::new("/var/log/x"),
        digest: Digest([digest; 32]),
        raw: 3,
        packed: 2,
        log_type: "SQUID_NATIVE",
        destination: "HQ",
        snapshot: false,
        spool: "x.gz",
    };
    ledger.packed(&packed, &MARK)
}

#[test]
fn the_same_content_is_taken_once_per_feed() {
    let (_dir, ledger) = ledger();
    let tenant = TenantName::default_tenant();
    assert!(!ledger.seen(&tenant, "hq", &MARK).unwrap());
    let id = pack(&ledger, 1).unwrap();
    assert!(ledger.seen(&tenant, "hq", &MARK).unwrap());
    assert_eq!(ledger.known(&tenant, "hq", &Digest([1; 32]), 3).unwrap(), Some(id));
    assert_eq!(ledger.known(&tenant, "other", &Digest([1; 32]), 3).unwrap(), None);
    assert!(pack(&ledger, 1).is_err());
    assert!(pack(&ledger, 2).is_ok());
}

#[test]
fn stages_cannot_be_skipped_or_walked_backwards() {
    let (_dir, ledger) = ledger();
    let id = pack(&ledger, 1).unwrap();
    for to in [Stage::Finalising, Stage::Finalised, Stage::Confirmed, Stage::Uncertain] {
        assert!(ledger.advance(id, to, None).is_err(), "{to}");
    }
    ledger.advance(id, Stage::Stored, None).unwrap();
    ledger.finalising(id, Some(Baseline { history: 1, fails: 0, pending: 0 })).unwrap();
    ledger.advance(id, Stage::Finalised, None).unwrap();
    assert!(ledger.retry(id).is_err(), "a finalised shipment is never sent again");
    ledger.advance(id, Stage::Confirmed, None).unwrap();
    assert_eq!(ledger.counts().unwrap(), [(Stage::Confirmed, 1, ByteCount(3))]);
}

#[test]
fn a_crash_while_finalising_leaves_an_uncertain_shipment() {
    let (dir, ledger) = ledger();
    let (first, second) = (pack(&ledger, 1).unwrap(), pack(&ledger, 2).unwrap());
    ledger.advance(first, Stage::Stored, None).unwrap();
    ledger.finalising(first, None).unwrap();
    ledger.advance(second, Stage::Stored, None).unwrap();
    drop(ledger);
    let ledger = Ledger::open(&dir.path().join("ledger.db")).unwrap();
    assert_eq!(ledger.recover().unwrap(), 1);
    let stages: Vec<_> = ledger.shipments(&[], 10).unwrap().iter().map(|s| (s.id, s.stage)).collect();
    assert_eq!(stages, [(second, Stage::Packed), (first, Stage::Uncertain)]);
    ledger.integrity().unwrap();
}

#[test]
fn a_backlog_leaves_calls_to_people_and_processes_share_one_budget() {
    let (dir, ledger) = ledger();
    let other = Ledger::open(&dir.path().join("ledger.db")).unwrap();
    let (tenant, partner) = (TenantName::default_tenant(), "partner".parse().unwrap());
    let mut taken = 0;
    for turn in 0..100 {
        let book = if turn % 2 == 0 { &ledger } else { &other };
        taken += u32::from(book.take(&tenant, Urgency::Backlog).unwrap().is_zero());
    }
    assert_eq!(taken, CALLS_A_MINUTE - CALLS_A_MINUTE / KEPT_FOR_PEOPLE);
    assert!(ledger.take(&tenant, Urgency::Human).unwrap().is_zero());
    assert!(ledger.take(&partner, Urgency::Backlog).unwrap().is_zero());
}

#[test]
fn forgetting_makes_the_file_new_again() {
    let (_dir, ledger) = ledger();
    let id = pack(&ledger, 1).unwrap();
    assert_eq!(ledger.forget(id).unwrap(), "x.gz");
    assert!(ledger.forget(id).is_err());
    assert!(!ledger.seen(&TenantName::default_tenant(), "hq", &MARK).unwrap());
    assert!(pack(&ledger, 1).is_ok());
}
