//! `atek.cloud/inspect-api`.

use super::{Call, HostApis};
use crate::permissions::Action;
use atek_api::jsonrpc::{RpcError, RpcResult, raw};

/// The API's id.
pub(super) const API: &str = "atek.cloud/inspect-api";

impl HostApis {
    pub(super) fn inspect(&self, call: &Call<'_>) -> RpcResult {
        self.may(call.caller, Action::AdministerBox)?;
        match call.method {
            // Host APIs are not routed to before the host is ready.
            "isReady" => raw(&true),
            "getConfig" => raw(&*self.shown_config.borrow()),
            other => Err(RpcError::method_not_found(other)),
        }
    }
}
