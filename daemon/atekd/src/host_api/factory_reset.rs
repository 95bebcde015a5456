//! The factory reset: the part of `atek.cloud/system-api` that asks for it.

use super::sessions::login_error;
use super::system::announce;
use super::{Call, HostApis, internal, methods};
use crate::error_chain::DisplayChain;
use crate::factory_reset;
use crate::layout::DEFAULT_STATE;
use crate::permissions::Caller;
use atek_api::jsonrpc::{RpcError, RpcResult, raw};
use atek_api::secret::Secret;
use atek_api::system::{API, FactoryReset, ResetRequest};
use std::path::Path;

impl HostApis {
    /// Writes the request down and restarts the machine, whose next start carries it out. An
    /// administrator types the password once more.
    pub(super) async fn factory_reset(&self, call: &Call<'_>) -> RpcResult {
        let wanted: FactoryReset = methods::params(API, call)?.object_or_default(0)?;
        if self.state != Path::new(DEFAULT_STATE) {
            let text = "only a box is reset, and this host is run by hand: remove its folder";
            return Err(RpcError::general(text));
        }
        if crate::moving::here().is_some_and(|here| here.old_data) {
            let text = "data from before a move are on the card still: remove them first with atek system move --remove-old";
            return Err(RpcError::general(text));
        }
        if let Caller::User(person) = call.caller {
            let password = wanted.password.unwrap_or_else(|| Secret::new(""));
            let confirmed = self.sessions.confirm(person, password).await;
            confirmed.map_err(|error| login_error(&error))?;
        }
        let request = ResetRequest {
            keep_network: wanted.keep_network,
        };
        factory_reset::ask(&self.state, &request).map_err(|error| internal(&error))?;
        announce(call.caller, "reset: its next start makes it a new box");
        if let Err(error) = self.power.reboot().await {
            factory_reset::take_back(&self.state).map_err(|error| internal(&error))?;
            return Err(RpcError::general(DisplayChain(&error).to_string()));
        }
        raw(&())
    }
}
