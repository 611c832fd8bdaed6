//! The one integration-test binary: the real `logweir` against the embedded service and real programs.

mod appliances;
mod apps;
mod architecture;
mod blob;
mod block;
mod catalog;
mod check;
mod client;
mod commands;
mod discover;
mod doctor;
mod embedded;
mod families;
mod faults;
mod logs;
mod offline;
mod publish;
mod readme;
mod reports;
mod samples;
mod scopes;
mod service;
mod ship;
mod start;
mod support;
mod whole_loop;
