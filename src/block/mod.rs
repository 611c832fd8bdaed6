//! Block lists: verdict, guards, appliances.
