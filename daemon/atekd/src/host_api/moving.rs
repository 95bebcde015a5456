//! The move of the data: the part of `atek.cloud/system-api` that tells where they could go, and
//! asks for it.

use super::backups::refusal;
use super::sessions::login_error;
use super::system::announce;
use super::{Call, HostApis, internal, methods};
use crate::error_chain::DisplayChain;
use crate::layout::DEFAULT_STATE;
use crate::moving;
use crate::permissions::Caller;
use crate::random;
use atek_api::jsonrpc::{RpcError, RpcResult, raw};
use atek_api::moving::{FileSystemId, MoveData, MoveDisk, MoveRequest, MoveTargets, MoveTo};
use atek_api::secret::Secret;
use atek_api::system::API;
use std::path::Path;

/// Only a box has it: elsewhere `/var` is the machine's, and not Atek's.
const MARK_OF_BOX: &str = "/usr/lib/atek/etc.keep";

impl HostApis {
    pub(super) async fn move_targets(&self) -> RpcResult {
        let (used, disks) = self.places_for_data().await?;
        let here = moving::here();
        raw(&MoveTargets {
            old_data: here.as_ref().is_some_and(|here| here.old_data),
            disk: here.map(|here| here.name),
            used,
            disks,
            last: moving::last(),
        })
    }

    /// Bytes that the data take, and the disks that are plugged in.
    async fn places_for_data(&self) -> Result<(u64, Vec<MoveDisk>), RpcError> {
        let stat = nix::sys::statvfs::statvfs(&self.state).map_err(|error| internal(&error))?;
        let blocks = stat.blocks().saturating_sub(stat.blocks_free());
        let used = blocks.saturating_mul(stat.fragment_size());
        let listed = self
            .backups
            .listed()
            .await
            .map_err(|error| refusal(&error))?;
        let backups = self.backups.disk_set();
        Ok((
            used,
            moving::disks(&listed, used, backups.as_ref().map(AsRef::as_ref)),
        ))
    }

    /// Writes the request down and restarts the machine, whose next start carries it out. An
    /// administrator types the password once more.
    pub(super) async fn move_data(&self, call: &Call<'_>) -> RpcResult {
        let wanted: MoveData = methods::params(API, call)?.object(0)?;
        if self.state != Path::new(DEFAULT_STATE) || !Path::new(MARK_OF_BOX).exists() {
            let text = "only a box moves its data: on another machine its administrator does";
            return Err(RpcError::general(text));
        }
        if let Caller::User(person) = call.caller {
            let password = wanted.password.unwrap_or_else(|| Secret::new(""));
            let confirmed = self.sessions.confirm(person, password).await;
            confirmed.map_err(|error| login_error(&error))?;
        }
        let here = moving::here();
        let request = match (wanted.to, here) {
            (MoveTo::Disk, None) => self.disk_for_data(&wanted.disk.unwrap_or_default()).await?,
            (MoveTo::Disk, Some(here)) => {
                let text = format!(
                    "the data are on the disk {} already: move them back to the card first",
                    here.name
                );
                return Err(RpcError::general(text));
            }
            (MoveTo::Card | MoveTo::Nowhere, None) => {
                return Err(RpcError::general(
                    "the data are on the card, and were not moved",
                ));
            }
            (MoveTo::Nowhere, Some(here)) if !here.old_data => {
                return Err(RpcError::general("no old data are on the card any more"));
            }
            (MoveTo::Card, Some(_)) => MoveRequest::Card,
            (MoveTo::Nowhere, Some(_)) => MoveRequest::Nowhere,
        };
        moving::ask(&self.state, &request).map_err(|error| internal(&error))?;
        announce(call.caller, "restarted to move its data");
        if let Err(error) = self.power.reboot().await {
            moving::take_back(&self.state).map_err(|error| internal(&error))?;
            return Err(RpcError::general(DisplayChain(&error).to_string()));
        }
        raw(&())
    }

    /// Makes a file system on a disk that was shown. From here on what was on it is lost.
    async fn disk_for_data(&self, id: &str) -> Result<MoveRequest, RpcError> {
        let (_, disks) = self.places_for_data().await?;
        let disk = disks
            .into_iter()
            .find(|disk| disk.id == id)
            .ok_or_else(|| {
                RpcError::general(
                    "there is no such disk any more, or something else is on it than was shown",
                )
            })?;
        if let Some(reason) = disk.refused {
            let text = format!("the disk {} cannot be used: {reason}", disk.device);
            return Err(RpcError::general(text));
        }
        let device = disk.device.parse().map_err(|error| internal(&error))?;
        let id = FileSystemId::of(random::bytes().map_err(|error| internal(&error))?);
        let made = self.backups.make_data_disk(&device, &id).await;
        made.map_err(|error| refusal(&error))?;
        let name = match disk.name.is_empty() {
            true => disk.device,
            false => disk.name,
        };
        Ok(MoveRequest::Disk { id, name })
    }
}
