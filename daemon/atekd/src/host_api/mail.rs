//! Mail: the part of `atek.cloud/system-api` that sets it up and tries it.

use super::{Call, HostApis, internal, methods};
use crate::mail::MailError;
use atek_api::jsonrpc::{RpcError, RpcResult, raw};
use atek_api::mail::MailChanges;
use atek_api::system::API;

impl HostApis {
    pub(super) fn set_mail(&self, call: &Call<'_>) -> RpcResult {
        let changes: MailChanges = methods::params(API, call)?.object(0)?;
        let status = self.mail.set(changes);
        raw(&status.map_err(|error| refusal(&error))?)
    }

    pub(super) async fn test_mail(&self, call: &Call<'_>) -> RpcResult {
        let changes: Option<MailChanges> = methods::params(API, call)?.optional(0)?;
        let sent = self.mail.test(changes).await;
        sent.map_err(|error| refusal(&error))?;
        raw(&())
    }
}

fn refusal(error: &MailError) -> RpcError {
    match error {
        MailError::File(_) => internal(error),
        _ => RpcError::general(error.to_string()).because(error.reason()),
    }
}
