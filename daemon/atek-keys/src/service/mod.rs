//! Who may do what with which key: the method table, over the state of all users.

mod apps;
mod from_backup;
mod host;
mod params;
mod person;
#[cfg(test)]
mod tests;

use crate::KeysError;
use crate::caller::Caller;
use crate::consent::{Operation, Requests, Use, Uses};
use crate::keyring::Keyring;
use crate::seed::SeedFile;
use crate::store;
use atek_api::ids::{ServiceKey, UserKey};
use atek_api::jsonrpc::{RpcError, RpcResult, raw};
use atek_rpc::server::{Call, Service};
use atek_seed::Secret;
use atek_seed::sealing::Cost;
use params::Params;
use serde_json::Value;
use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

/// Users whose keys are held.
const MAX_USERS: usize = 1_000;
/// The longest wait of a call for a person's answer, in seconds.
const MAX_WAIT: u64 = 60;
/// Wrong passwords after which a user's next one has to wait.
const FREE_GUESSES: u32 = 5;

/// The service. Cheap to share.
#[derive(Debug, Clone)]
pub struct Keys(Arc<Inner>);

struct Inner {
    own_key: String,
    folder: PathBuf,
    cost: Cost,
    state: Mutex<State>,
    /// Changes with each answer of a person.
    answered: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    seed: Option<SeedFile>,
    rings: HashMap<UserKey, Ring>,
}

/// A user's keyring while the service runs.
struct Ring {
    ring: Keyring,
    /// The keyring's key, once the user signed in.
    open: Option<Secret>,
    requests: Requests,
    uses: Uses,
    guesses: Guesses,
}

/// Wrong passwords of one user in a row.
#[derive(Default)]
struct Guesses {
    wrong: u32,
    last: u64,
}

impl Guesses {
    /// Goes on unless the last wrong passwords are too recent.
    fn admit(&self, now: u64) -> Result<(), KeysError> {
        let Some(over) = self.wrong.checked_sub(FREE_GUESSES) else {
            return Ok(());
        };
        let wait = 1u64 << over.min(8);
        let left = (self.last + wait).saturating_sub(now);
        match left {
            0 => Ok(()),
            left => Err(KeysError::Throttled(left)),
        }
    }

    fn note<T>(&mut self, outcome: &Result<T, KeysError>, now: u64) {
        match outcome {
            Ok(_) => self.wrong = 0,
            Err(KeysError::WrongPassword) => {
                self.wrong = self.wrong.saturating_add(1);
                self.last = now;
            }
            Err(_) => {}
        }
    }
}

impl Keys {
    /// Reads the keys in `folder`. `own_key` is the key that the host gave to this service; new
    /// seals cost `cost`.
    ///
    /// # Errors
    ///
    /// When a file cannot be read, or is damaged: keys are then not overwritten.
    pub fn open(folder: &Path, own_key: String, cost: Cost) -> Result<Self, KeysError> {
        let mut state = State {
            seed: store::read(&folder.join("seed.json"))?,
            rings: HashMap::new(),
        };
        from_backup::remove(folder)?;
        for kind in ["users", "uses"] {
            let folder = folder.join(kind);
            std::fs::create_dir_all(&folder).map_err(|error| damaged(&folder, &error))?;
        }
        let users = folder.join("users");
        for entry in std::fs::read_dir(&users).map_err(|error| damaged(&users, &error))? {
            let path = entry.map_err(|error| damaged(&users, &error))?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            let user = name.and_then(|name| name.strip_suffix(".json")?.parse::<UserKey>().ok());
            if let (Some(user), Some(ring)) = (user, store::read::<Keyring>(&path)?) {
                // The list of uses is worth less than the keys: a damaged one is begun again.
                let uses = store::read(&uses_file(folder, &user)).unwrap_or_else(|error| {
                    tracing::warn!(%error, "the list of uses cannot be read, and starts empty");
                    None
                });
                state
                    .rings
                    .insert(user, Ring::new(ring, uses.unwrap_or_default()));
            }
        }
        Ok(Self(Arc::new(Inner {
            own_key,
            folder: folder.to_owned(),
            cost,
            state: Mutex::new(state),
            answered: watch::Sender::new(0),
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic leaves what is on the disk as it was, and the maps consistent.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn save_seed(&self, seed: &SeedFile) -> Result<(), KeysError> {
        store::write(&self.0.folder.join("seed.json"), seed)
    }

    fn save_ring(&self, user: &UserKey, ring: &Keyring) -> Result<(), KeysError> {
        store::write(&self.ring_file(user), ring)
    }

    fn ring_file(&self, user: &UserKey) -> PathBuf {
        self.0.folder.join("users").join(format!("{user}.json"))
    }

    /// Answers one call of a caller that the host named.
    ///
    /// # Errors
    ///
    /// Why it was refused.
    pub fn dispatch(&self, caller: &Caller, method: &str, params: &Params) -> RpcResult {
        // The command line of the box names the person for whom it is used.
        let for_person = match caller {
            Caller::System => params
                .get::<Option<UserKey>>("asUser")
                .map_err(RpcError::from)?,
            _ => None,
        };
        let for_person = for_person.map(Caller::Person);
        let caller = for_person.as_ref().unwrap_or(caller);
        let outcome = match method {
            "begin" | "signedIn" | "passwordChanged" | "recover" | "checkWords" | "deleteUser"
            | "passwordSet" | "bringBack" | "unattended" => {
                self.host_method(caller, method, params)
            }
            "seed" | "words" | "confirm" | "derive" | "import" | "export" | "rename" | "remove"
            | "reseal" | "holdSeed" | "pending" | "answer" | "grants" | "revoke" | "uses" => {
                self.person_method(caller, method, params)
            }
            "list" | "create" | "publicKey" | "sign" | "decrypt" | "result" | "verify"
            | "encrypt" | "describe" => self.app_method(caller, method, params),
            other => return Err(RpcError::method_not_found(other)),
        };
        raw(&outcome.map_err(RpcError::from)?)
    }

    /// Waits until a person answered something, at most `seconds`.
    async fn wait(&self, mut answers: watch::Receiver<u64>, seconds: u64) {
        let wait = Duration::from_secs(seconds.min(MAX_WAIT));
        // Whether it was answered is looked up again.
        let _ = tokio::time::timeout(wait, answers.changed()).await;
    }

    async fn call_async(&self, caller: Caller, method: String, params: Params) -> RpcResult {
        let deadline =
            tokio::time::Instant::now() + Duration::from_secs(params.wait_seconds().min(MAX_WAIT));
        let (mut method, mut params) = (method, params);
        loop {
            let answers = self.0.answered.subscribe();
            let (keys, by, name, given) =
                (self.clone(), caller.clone(), method.clone(), params.clone());
            // Stretching a password takes a second of a processor.
            let done = tokio::task::spawn_blocking(move || keys.dispatch(&by, &name, &given)).await;
            let outcome = done.unwrap_or_else(|_| {
                Err(RpcError::new(
                    atek_api::jsonrpc::code::INTERNAL,
                    "the call failed",
                ))
            });
            let left = deadline.saturating_duration_since(tokio::time::Instant::now());
            let Some(request) = pending(&outcome).filter(|_| !left.is_zero()) else {
                return outcome;
            };
            self.wait(answers, left.as_secs() + 1).await;
            method = "result".to_owned();
            params = Params::request(&request);
        }
    }

    /// Adds to the list of uses.
    fn remember(
        &self,
        user: &UserKey,
        ring: &mut Ring,
        app: Option<&ServiceKey>,
        key: &str,
        operation: Operation,
        words: String,
    ) -> Result<(), KeysError> {
        ring.uses.push(Use {
            at: now(),
            app: app.cloned(),
            key: key.to_owned(),
            operation,
            words,
        });
        store::write(&uses_file(&self.0.folder, user), &ring.uses)
    }
}

impl Service for Keys {
    async fn call(&self, call: Call<'_>) -> RpcResult {
        let caller = Caller::from_headers(call.headers, &self.0.own_key).map_err(RpcError::from)?;
        let params = Params::read(call.params).map_err(RpcError::from)?;
        self.call_async(caller, call.method.to_owned(), params)
            .await
    }
}

impl Ring {
    fn new(ring: Keyring, uses: Uses) -> Self {
        Self {
            ring,
            open: None,
            requests: Requests::default(),
            uses,
            guesses: Guesses::default(),
        }
    }

    fn opened(&self) -> Result<Secret, KeysError> {
        self.open.clone().ok_or(KeysError::Locked)
    }

    /// Opens the keyring's key with a password, which is checked whether or not it is open.
    fn unlock(&mut self, user: &UserKey, password: &str) -> Result<Secret, KeysError> {
        let now = now();
        self.guesses.admit(now)?;
        let outcome = self.ring.open(user, password);
        self.guesses.note(&outcome, now);
        let key = outcome?;
        self.open = Some(key.clone());
        Ok(key)
    }
}

impl State {
    fn ring(&mut self, user: &UserKey) -> Result<&mut Ring, KeysError> {
        self.rings.get_mut(user).ok_or(KeysError::Locked)
    }
}

/// The request that an outcome waits for.
fn pending(outcome: &RpcResult) -> Option<String> {
    let data = outcome.as_ref().err()?.data.as_ref()?;
    if data["reason"] != "pending" {
        return None;
    }
    data["request"].as_str().map(str::to_owned)
}

fn uses_file(folder: &Path, user: &UserKey) -> PathBuf {
    folder.join("uses").join(format!("{user}.json"))
}

fn damaged(path: &Path, error: &std::io::Error) -> KeysError {
    KeysError::Damaged {
        path: path.display().to_string(),
        problem: error.to_string(),
    }
}

/// Seconds since 1970.
fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| now.as_secs())
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.folder.display())
    }
}

/// The answer of methods that have none.
const DONE: Value = Value::Null;
