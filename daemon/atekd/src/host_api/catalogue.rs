//! `atek.cloud/catalogue-api`: recipes of apps, and the catalogues that they are in.

use super::{Call, HostApis, internal, methods};
use crate::catalogues::CatalogueError;
use crate::error_chain::DisplayChain;
use crate::permissions::Action;
use atek_api::catalogue::{API, AddParams, Name, SearchParams};
use atek_api::jsonrpc::{RpcError, RpcResult, raw};
use serde_json::json;

impl HostApis {
    pub(super) async fn catalogue_api(&self, call: &Call<'_>) -> RpcResult {
        if !call.caller.is_known() {
            return Err(RpcError::not_authorized());
        }
        self.catalogues.ready().await;
        let read = || methods::params(API, call);
        match call.method {
            "list" => raw(&json!({ "catalogues": self.catalogues.list() })),
            "search" => {
                let params: SearchParams = read()?.object_or_default(0)?;
                raw(&json!({ "recipes": self.catalogues.search(&params) }))
            }
            "add" => {
                self.may(call.caller, Action::AdministerBox)?;
                let params: AddParams = read()?.object(0)?;
                let added = self.catalogues.add(params).await;
                raw(&added.map_err(|error| catalogue_error(&error))?)
            }
            "refresh" => {
                self.may(call.caller, Action::AdministerBox)?;
                let name = name(&read()?.text(0)?)?;
                let refreshed = self.catalogues.refresh(&name).await;
                raw(&refreshed.map_err(|error| catalogue_error(&error))?)
            }
            "remove" => {
                self.may(call.caller, Action::AdministerBox)?;
                let name = name(&read()?.text(0)?)?;
                let removed = self.catalogues.remove(&name).await;
                removed.map_err(|error| catalogue_error(&error))?;
                raw(&())
            }
            other => Err(RpcError::method_not_found(other)),
        }
    }
}

fn name(text: &str) -> Result<Name, RpcError> {
    let name = text.parse();
    name.map_err(|_| RpcError::general(format!("there is no catalogue {text:?}")))
}

fn catalogue_error(error: &CatalogueError) -> RpcError {
    match error {
        CatalogueError::Write(_) | CatalogueError::Aborted => internal(error),
        error => RpcError::general(DisplayChain(error).to_string()),
    }
}
