//! Who is calling, and what they may do. Pure: decisions over plain data.

mod caller;
#[cfg(test)]
mod matrix_tests;
mod policy;

pub use caller::{Caller, Person, ServiceCaller};
pub use policy::{
    Action, Approver, Decision, Rules, Target, Verb, decide, may_be_main_service,
    may_call_provider, may_visit,
};
