//! Block lists: so far the seven script formats that the service itself knows, as the embedded service writes them.

pub mod official;
