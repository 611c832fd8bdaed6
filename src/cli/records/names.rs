//! Who a record is about, as it is shown: as logged, or as tokens under a key.

use crate::discover::pseudonym::Pseudonyms;
use crate::logs::Record;

/// The names that records are written with.
pub(super) struct Names(pub(super) Pseudonyms);

impl Names {
    /// Hands `show` the record as it may be seen, and what stands in place of its origin address. With tokens the URL
    /// goes too: it may name the user.
    pub(super) fn show<T>(&self, record: &Record<'_>, show: impl FnOnce(&Record<'_>, Option<&str>) -> T) -> T {
        if !self.0.is_on() {
            return show(record, None);
        }
        let user = record.user.filter(|user| !user.is_empty()).map(|user| self.0.user(user));
        let origin = record.src_ip.map(|address| self.0.address(address));
        let hidden = Record { user: user.as_deref().map(str::as_bytes), src_ip: None, url: None, ..*record };
        show(&hidden, origin.as_deref())
    }
}
