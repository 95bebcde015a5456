//! One conversation with the host, and how its refusals are understood.

use crate::cli::Global;
use crate::connect;
use crate::error::Failure;
use crate::out::Out;
use crate::text::suggest;
use atek_api::services::{self, ServiceInfo};
use atek_rpc::client::{CallError, Client};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// What every command works with.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) client: Client,
    pub(crate) out: Out,
    /// The reader's time zone.
    pub(crate) zone: TimeZone,
    /// Whether the host sees the same files as this process.
    pub(crate) is_local: bool,
}

/// Result of services-api `list`.
#[derive(Debug, Deserialize)]
pub(crate) struct ServiceList {
    pub(crate) services: Vec<ServiceInfo>,
}

impl Host {
    pub(crate) fn new(flags: &Global, out: Out) -> Result<Self, Failure> {
        Ok(Self {
            client: connect::client(flags)?,
            out,
            zone: crate::localtime::zone(),
            is_local: connect::is_local(flags),
        })
    }

    /// Calls a method; `action` completes "cannot …".
    pub(crate) async fn call(
        &self,
        api: &str,
        method: &str,
        params: impl Serialize,
        action: &str,
    ) -> Result<Box<RawValue>, Failure> {
        self.client
            .call(api, method, params)
            .await
            .map_err(|source| Failure::Call {
                action: action.to_owned(),
                source: Box::new(source),
            })
    }

    /// Calls a method of services-api about one service; `action` completes "cannot … ID".
    pub(crate) async fn on_service(
        &self,
        method: &str,
        params: impl Serialize,
        action: &'static str,
        id: &str,
    ) -> Result<Box<RawValue>, Failure> {
        match self.client.call(services::API, method, params).await {
            Ok(result) => Ok(result),
            Err(source) => Err(self.service_failure(action, id, source).await),
        }
    }

    /// Understands the host's refusal of something about a service.
    ///
    /// The host answers `Not authorized` for an unknown id as for another user's,
    /// so that ids cannot be probed; a user who may list the services learns which it is.
    pub(crate) async fn service_failure(
        &self,
        action: &'static str,
        id: &str,
        source: CallError,
    ) -> Failure {
        let may_not_exist = match &source {
            CallError::Rpc(error) => {
                error.message == "Not authorized" || error.message.starts_with("Service not found")
            }
            CallError::Send(_)
            | CallError::Status { .. }
            | CallError::Body { .. }
            | CallError::Malformed { .. }
            | CallError::Unexpressible(_) => false,
        };
        let failure = Failure::Service {
            action,
            id: id.to_owned(),
            source: Box::new(source),
        };
        if !may_not_exist {
            return failure;
        }
        match self.services().await {
            Ok(list)
                if !list
                    .iter()
                    .any(|service| service.settings.id.as_str() == id) =>
            {
                let ids = list.iter().map(|service| service.settings.id.as_str());
                let nearest = suggest::nearest(id, ids)
                    .into_iter()
                    .map(str::to_owned)
                    .collect();
                Failure::NoService {
                    id: id.to_owned(),
                    nearest,
                }
            }
            Ok(_) | Err(_) => failure,
        }
    }

    /// All services that the caller may see.
    pub(crate) async fn services(&self) -> Result<Vec<ServiceInfo>, Failure> {
        let answer = self
            .call(services::API, "list", [(); 0], "list the services")
            .await?;
        Ok(read::<ServiceList>("list", &answer)?.services)
    }

    /// One service, with the host's own words for programs.
    pub(crate) async fn service(
        &self,
        action: &'static str,
        id: &str,
    ) -> Result<(ServiceInfo, Box<RawValue>), Failure> {
        let answer = self.on_service("get", (id,), action, id).await?;
        Ok((read("get", &answer)?, answer))
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// Reads the host's answer to `method`.
pub(crate) fn read<T: DeserializeOwned>(
    method: &'static str,
    answer: &RawValue,
) -> Result<T, Failure> {
    serde_json::from_str(answer.get()).map_err(|source| Failure::BadAnswer { method, source })
}
