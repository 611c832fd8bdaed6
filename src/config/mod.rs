//! Configuration: layers with provenance, validation, secrets.
