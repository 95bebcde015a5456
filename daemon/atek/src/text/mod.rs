//! Text for people, without I/O: sizes, times, tables, suggestions.

pub(crate) mod clean;
pub(crate) mod size;
pub(crate) mod source;
pub(crate) mod span;
pub(crate) mod suggest;
pub(crate) mod table;
pub(crate) mod time;
pub(crate) mod words;
