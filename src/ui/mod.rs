//! Everything a person or a program reads from us: streams, colour, progress, tables, escaping.
