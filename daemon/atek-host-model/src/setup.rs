//! Whether the box has an owner.

/// Whether the box has an owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The records are not read yet.
    Unknown,
    /// There is no administrator.
    Needed,
    /// There is one.
    Done,
}
