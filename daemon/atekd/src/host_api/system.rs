//! `atek.cloud/system-api`: the box itself.

use super::account_rules;
use super::setup::field_error;
use super::{Call, HostApis, internal, methods};
use crate::authorities::AuthorityError;
use crate::confinement::with_network;
use crate::database::Change;
use crate::error_chain::DisplayChain;
use crate::permissions::{Action, Caller};
use crate::setup;
use crate::system::{self, About};
use atek_api::jsonrpc::{RpcError, RpcResult, raw};
use atek_api::metrics::MetricsOptions;
use atek_api::permission::PermissionRules;
use atek_api::system::{API, Resources, Security, SystemInfo, UnitSecurity};
use std::net::IpAddr;

/// The host's own units, in words.
const HOST_UNITS: [(&str, &str); 2] = [
    ("atekd.service", "Atek (the host)"),
    ("atek-spawnd.service", "Atek's launcher of apps"),
];

impl HostApis {
    pub(super) async fn system_api(&self, call: &Call<'_>) -> RpcResult {
        if call.method == "info" {
            self.may(call.caller, Action::SeeBox)?;
            return self.about().await;
        }
        self.may(call.caller, Action::AdministerBox)?;
        match call.method {
            "resources" => self.resources().await,
            "history" => {
                let MetricsOptions { since } = methods::params(API, call)?.object_or_default(0)?;
                let series = self.metrics.system(since).await;
                raw(&series.map_err(|error| internal(&error))?)
            }
            "security" => self.security().await,
            "setName" => {
                let name = methods::params(API, call)?.text(0)?;
                self.set_name(&name).await
            }
            "setNames" => {
                let names = methods::params(API, call)?.texts(0)?;
                self.set_added_names(&names).await
            }
            "setTimezone" => {
                let zone = methods::params(API, call)?.text(0)?;
                self.set_timezone(&zone).await
            }
            "reboot" => {
                announce(call.caller, "restarted");
                let begun = self.power.reboot().await;
                begun.map_err(|error| RpcError::general(DisplayChain(&error).to_string()))?;
                raw(&())
            }
            "powerOff" => {
                announce(call.caller, "turned off");
                let begun = self.power.off().await;
                begun.map_err(|error| RpcError::general(DisplayChain(&error).to_string()))?;
                raw(&())
            }
            "factoryReset" => self.factory_reset(call).await,
            "moveTargets" => self.move_targets().await,
            "moveData" => self.move_data(call).await,
            "mail" => raw(&self.mail.status()),
            "setMail" => self.set_mail(call),
            "testMail" => self.test_mail(call).await,
            "authorities" => raw(&self.authorities.list()),
            "addAuthority" => {
                let pem = methods::params(API, call)?.text(0)?;
                let added = self.authorities.add(&pem);
                let added = added.map_err(|error| authority_error(&error))?;
                for authority in &added {
                    let fingerprint = &authority.fingerprint;
                    tracing::info!(by = ?call.caller.owner_key(), fingerprint, "a certificate authority is trusted from now on");
                }
                raw(&added)
            }
            "removeAuthority" => {
                let fingerprint = methods::params(API, call)?.text(0)?;
                let removed = self.authorities.remove(&fingerprint);
                removed.map_err(|error| authority_error(&error))?;
                tracing::info!(by = ?call.caller.owner_key(), "a certificate authority is trusted no more");
                raw(&())
            }
            "permissionRules" => raw(&self.database.records().permission_rules()),
            "setPermissionRules" => {
                let rules = methods::params(API, call)?.object(0)?;
                self.set_permission_rules(rules).await
            }
            other => Err(RpcError::method_not_found(other)),
        }
    }

    /// Replaces what administrators let users decide. What users granted before stays granted.
    async fn set_permission_rules(&self, rules: PermissionRules) -> RpcResult {
        let written = self.database.write(vec![Change::PutPermissionRules(rules)]);
        written.await.map_err(|error| internal(&error))?;
        raw(&rules)
    }

    /// Replaces the names that administrators added.
    async fn set_added_names(&self, names: &[String]) -> RpcResult {
        let own = self.host_settings.name();
        let own = own.map(|name| format!("{name}.local"));
        let taken: Vec<&str> = own
            .as_deref()
            .into_iter()
            .chain([self.config.domain.as_str()])
            .collect();
        let names = setup::added_names(names, &taken).map_err(field_error)?;
        let written = self.database.write(vec![Change::PutAddedNames(names)]);
        written.await.map_err(|error| internal(&error))?;
        raw(&())
    }

    async fn about(&self) -> RpcResult {
        let about = tokio::task::spawn_blocking(system::about).await;
        let about = about.map_err(|error| internal(&error))?;
        let name = self
            .host_settings
            .name()
            .unwrap_or_else(|| "atek".to_owned());
        let (domain, port) = (self.config.domain.clone(), self.config.port);
        let urls = urls(&name, &domain, port, &about.addresses);
        let About {
            os,
            kernel,
            model,
            uptime_sec,
            addresses,
        } = about;
        raw(&SystemInfo {
            name,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            os,
            kernel,
            arch: std::env::consts::ARCH.to_owned(),
            model,
            timezone: system::timezone(),
            time: jiff::Timestamp::now().to_string(),
            uptime_sec,
            domain,
            names: self.database.records().added_names().to_vec(),
            addresses: addresses.iter().map(ToString::to_string).collect(),
            urls,
            password_min_length: Some(account_rules::min_length(self.config.password_min_length)),
        })
    }

    async fn set_name(&self, name: &str) -> RpcResult {
        let name = setup::box_name(name).map_err(field_error)?;
        let set = self.host_settings.set_name(&name).await;
        set.map_err(|error| RpcError::general(DisplayChain(&error).to_string()))?;
        raw(&())
    }

    async fn set_timezone(&self, zone: &str) -> RpcResult {
        let zone = setup::timezone(zone).map_err(field_error)?;
        if !self.host_settings.knows_timezone(zone) {
            return Err(field_error(setup::no_such_zone()));
        }
        let set = self.host_settings.set_timezone(zone).await;
        set.map_err(|error| RpcError::general(DisplayChain(&error).to_string()))?;
        raw(&())
    }

    async fn resources(&self) -> RpcResult {
        let (folder, backups) = (self.state.clone(), self.backups.clone());
        let read = tokio::task::spawn_blocking(move || {
            (system::resources(&folder), backups.storage_problems())
        });
        let (read, storage) = read.await.map_err(|error| internal(&error))?;
        let read = read.map_err(|error| internal(&error))?;
        raw(&Resources {
            disk: read.disk,
            memory: read.memory,
            swap: read.swap,
            load: read.load,
            cpus: read.cpus,
            temperature_c: read.temperature,
            storage,
        })
    }

    async fn security(&self) -> RpcResult {
        let mut scores = self.confinement.scores().await.map_err(|error| {
            tracing::warn!(error = %DisplayChain(&error), "cannot score the sandboxes");
            RpcError::general(error.to_string())
        })?;
        let mut units = Vec::new();
        for (unit, title) in HOST_UNITS {
            if let Some(score) = scores.remove(unit) {
                units.push(UnitSecurity {
                    unit: unit.to_owned(),
                    id: None,
                    title: title.to_owned(),
                    exposure: score.exposure,
                    words: score.words,
                });
            }
        }
        for entry in self.directory.now().entries() {
            let unit = entry.unit();
            if let Some(score) = scores.remove(&unit) {
                let title = entry.settings.package.title.clone();
                units.push(UnitSecurity {
                    unit,
                    id: Some(entry.id().clone()),
                    title: title.unwrap_or_else(|| entry.id().to_string()),
                    exposure: score.exposure,
                    words: with_network(&score.words, &entry.granted),
                });
            }
        }
        raw(&Security { units })
    }
}

/// Logs who restarts the machine or turns it off.
pub(super) fn announce(caller: &Caller, what: &str) {
    tracing::info!(by = %caller.label(), "the machine is being {what}");
}

/// Where the main page is, the address first that works for most: mDNS needs no set-up, a
/// configured domain may, and a number always works.
fn urls(name: &str, domain: &str, port: u16, addresses: &[IpAddr]) -> Vec<String> {
    let port = match port {
        80 => String::new(),
        other => format!(":{other}"),
    };
    let mut hosts = vec![format!("{name}.local")];
    if domain != "localhost" && !hosts.iter().any(|host| host == domain) {
        hosts.push(domain.to_owned());
    }
    hosts.extend(addresses.iter().map(|address| match address {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    }));
    hosts
        .iter()
        .map(|host| format!("http://{host}{port}/"))
        .collect()
}

fn authority_error(error: &AuthorityError) -> RpcError {
    match error {
        AuthorityError::Write(_) => internal(error),
        _ => RpcError::general(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_the_box_is_told_with_its_port() {
        let addresses = ["192.168.1.5".parse().unwrap(), "fd00::2".parse().unwrap()];
        assert_eq!(
            urls("atek", "localhost", 80, &addresses),
            [
                "http://atek.local/",
                "http://192.168.1.5/",
                "http://[fd00::2]/"
            ]
        );
        assert_eq!(
            urls("attic", "home.example.org", 8080, &[]),
            ["http://attic.local:8080/", "http://home.example.org:8080/"]
        );
        assert_eq!(urls("atek", "atek.local", 80, &[]), ["http://atek.local/"]);
    }
}
