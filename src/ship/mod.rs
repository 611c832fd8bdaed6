//! From a file on disk to a confirmed shipment.
