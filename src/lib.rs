//! Ships firewall and proxy logs to Microsoft Defender for Cloud Apps, proves what arrived, and turns the verdict into
//! block lists.
//!
//! ```text
//!            files                    bytes                        HTTPS
//! feed dirs ───────► scan ► settle ► pack (understand + gzip) ► grant ► store ► finalise ► confirm
//!             notify wakes scan        │  one pass over the bytes        │         │          │
//!                                      ▼                                 ▼         ▼          ▼
//!                                  quality                            ledger: every step recorded, before and after
//! service ► streams, categories, apps ─► report (text, JSON, CSV, HTML)
//! service ► verdict ► guards ► render ► publish (atomic, versioned, reversible) ─► appliance
//! ```
//!
//! | folder | owns |
//! | --- | --- |
//! | [`cli`] | arguments and one file per command |
//! | [`ui`] | what people and programs read from us |
//! | [`config`] | layers, validation, secrets |
//! | [`service`] | the client of the remote (or embedded) service |
//! | [`ledger`] | what was sent, what is on its way, what was published |
//! | [`ship`] | scan, pack, send, the daemon |
//! | [`logs`] | log types: envelope × dialect × vendor |
//! | [`catalog`] | host → app |
//! | [`discover`] | apps, users, traffic: the offline report and its page |
//! | [`block`] | block lists: verdict, guards, appliances |
//! | [`embedded`] | the same service, in this binary |

pub mod block;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod discover;
pub mod domain;
pub mod embedded;
pub mod error;
pub mod ledger;
pub mod logs;
pub mod service;
pub mod ship;
pub mod ui;

/// README's example is compiled as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
