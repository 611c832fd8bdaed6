//! Totals over records: apps, users, bytes.
