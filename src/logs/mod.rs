//! Understands log files: envelopes, dialects, vendors.
