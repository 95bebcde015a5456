//! Who is calling, and what they may do. Pure: decisions over plain data.

mod caller;
mod decisions;
#[cfg(test)]
mod matrix_tests;
mod policy;
#[cfg(test)]
mod sharing_tests;

pub use caller::{Caller, Person, ServiceCaller};
pub use decisions::{Decisions, NOT_SHARED, Shares, in_force};
pub use policy::{
    Action, Approver, Decision, Rules, Target, Verb, decide, may_be_main_service,
    may_call_provider, may_change, may_visit, permission_for,
};
