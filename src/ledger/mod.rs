//! The memory: files, shipments, service calls and published block lists.
