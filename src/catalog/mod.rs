//! Cloud apps by host name.
