//! Who is calling, and what they may do. Pure: decisions over plain data.

mod caller;
mod decide;

pub use caller::{Caller, Person, ServiceCaller};
pub use decide::{
    may_be_main_service, may_call_provider, may_manage_service, may_see_service, may_use_host_api,
    may_visit,
};
