//! The properties of a unit, as systemd sends them one by one.

use super::unit::{Exit, Phase, UnitView};
use atek_api::ids::ServiceId;
use std::collections::HashMap;
use zbus::OwnedVariant;

/// The raw properties, as they arrive one by one.
#[derive(Debug, Clone, Default)]
pub(super) struct Properties {
    pub(super) active: String,
    pub(super) sub: String,
    pub(super) result: String,
    pub(super) exec_code: i32,
    pub(super) exec_status: i32,
    pub(super) main_pid: u32,
    pub(super) restarts: u32,
    pub(super) invocation: String,
    pub(super) since_usec: u64,
}

impl Properties {
    pub(super) fn view(&self, id: &ServiceId) -> UnitView {
        UnitView {
            id: id.clone(),
            invocation: self.invocation.clone(),
            phase: Phase::of(&self.active, &self.sub),
            pid: (self.main_pid != 0).then_some(self.main_pid),
            exit: Exit::of(&self.result, self.exec_code, self.exec_status),
            restarts: self.restarts,
            since_usec: self.since_usec,
        }
    }
}

impl Properties {
    /// Takes over what is in `changed`; unknown names and types are left alone.
    pub(super) fn merge(&mut self, changed: &HashMap<String, OwnedVariant>) {
        fn take<'v, T>(changed: &'v HashMap<String, OwnedVariant>, name: &str, into: &mut T)
        where
            T: TryFrom<&'v OwnedVariant>,
        {
            if let Some(value) = changed.get(name)
                && let Ok(value) = T::try_from(value)
            {
                *into = value;
            }
        }
        let text = |name: &str, into: &mut String| {
            if let Some(value) = changed.get(name)
                && let Ok(value) = <&str>::try_from(value)
            {
                value.clone_into(into);
            }
        };
        text("ActiveState", &mut self.active);
        text("SubState", &mut self.sub);
        text("Result", &mut self.result);
        take(changed, "ExecMainCode", &mut self.exec_code);
        take(changed, "ExecMainStatus", &mut self.exec_status);
        take(changed, "MainPID", &mut self.main_pid);
        take(changed, "NRestarts", &mut self.restarts);
        take(changed, "StateChangeTimestamp", &mut self.since_usec);
        if let Some(value) = changed.get("InvocationID")
            && let Ok(value) = value.try_clone()
            && let Ok(bytes) = Vec::<u8>::try_from(value)
        {
            self.invocation = hex::encode(bytes);
        }
    }
}
