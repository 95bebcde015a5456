//! Whether the box has an owner.

/// Whether the box has an owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ownership {
    /// The records are not read yet.
    Unknown,
    /// There is no administrator.
    Unclaimed,
    /// There is one.
    Claimed,
}
