//! What apps asked for, what people answered, and the list of uses. All bounded; pure.

use crate::KeysError;
use crate::describe::{Description, Meaning};
use atek_api::ids::ServiceKey;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::VecDeque;

/// Requests of one app that wait for an answer or to be fetched.
pub const MAX_OF_APP: usize = 8;
/// Requests of all apps of one user.
pub const MAX_OF_USER: usize = 64;
/// How long a request waits for its person, and an answer for its app, in seconds.
pub const PATIENCE: u64 = 600;
/// Uses that are remembered for each user.
pub const MAX_USES: usize = 500;

/// What is done with a private key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// Sign.
    Sign,
    /// Decrypt.
    Decrypt,
    /// Hand the private key to its person.
    Export,
}

/// What a person answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Choice {
    /// This one.
    Once,
    /// This one, and others of its meaning for an hour.
    Hour,
    /// This one, and others of its meaning until it is taken back.
    Always,
    /// Not.
    Deny,
}

/// How a request stands.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// Nothing was answered.
    Waiting,
    /// It was allowed and done.
    Done(Value),
    /// It was not allowed; the app is not asked about again for a while.
    Denied,
}

/// A request of an app.
#[derive(Debug, Clone)]
pub struct Request {
    /// Names it.
    pub id: String,
    /// Who asks.
    pub app: ServiceKey,
    /// For a use of this key.
    pub key: String,
    /// See [`Operation`].
    pub operation: Operation,
    /// In words.
    pub description: Description,
    /// The parameters, with which it is done when it is allowed.
    pub params: Value,
    /// Seconds since 1970.
    pub at: u64,
    /// See [`State`].
    pub state: State,
}

/// The requests of one user's apps.
#[derive(Debug, Default)]
pub struct Requests(Vec<Request>);

impl Requests {
    /// Adds a request. The same one again is the one that is there.
    ///
    /// # Errors
    ///
    /// [`KeysError::Limit`]; [`KeysError::Denied`] shortly after a no to the same.
    pub fn add(&mut self, request: Request, now: u64) -> Result<String, KeysError> {
        self.0.retain(|old| now.saturating_sub(old.at) < PATIENCE);
        let meaning = request.description.meaning;
        let alike = |old: &&Request| {
            old.app == request.app && old.key == request.key && old.operation == request.operation
        };
        let denied =
            |old: &Request| old.state == State::Denied && old.description.meaning == meaning;
        if self.0.iter().filter(alike).any(denied) {
            return Err(KeysError::Denied);
        }
        let same = self
            .0
            .iter()
            .filter(alike)
            .find(|old| old.params == request.params);
        if let Some(old) = same.filter(|old| old.state == State::Waiting) {
            return Ok(old.id.clone());
        }
        if self.0.iter().filter(|old| old.app == request.app).count() >= MAX_OF_APP {
            return Err(KeysError::Limit(format!(
                "an app has {MAX_OF_APP} requests that wait"
            )));
        }
        if self.0.len() >= MAX_OF_USER {
            return Err(KeysError::Limit(format!(
                "a user has {MAX_OF_USER} requests that wait"
            )));
        }
        let id = request.id.clone();
        self.0.push(request);
        Ok(id)
    }

    /// Those that wait for an answer.
    pub fn waiting(&self, now: u64) -> impl Iterator<Item = &Request> {
        self.0
            .iter()
            .filter(move |it| it.state == State::Waiting && now.saturating_sub(it.at) < PATIENCE)
    }

    /// A request by its id.
    pub fn get_mut(&mut self, id: &str, now: u64) -> Option<&mut Request> {
        self.0
            .iter_mut()
            .find(|it| it.id == id && now.saturating_sub(it.at) < PATIENCE)
    }

    /// Takes the outcome of an app's own request; one that waits stays.
    ///
    /// # Errors
    ///
    /// [`KeysError::Pending`], [`KeysError::Denied`]; [`KeysError::NoKey`] for one of another app.
    pub fn take(&mut self, app: &ServiceKey, id: &str, now: u64) -> Result<Value, KeysError> {
        let at = self
            .0
            .iter()
            .position(|it| it.id == id && it.app == *app && now.saturating_sub(it.at) < PATIENCE);
        let at =
            at.ok_or_else(|| KeysError::Refused("there is no such request, or it is over".into()))?;
        match &self.0[at].state {
            State::Waiting => Err(KeysError::Pending(id.to_owned())),
            State::Denied => Err(KeysError::Denied),
            State::Done(result) => {
                let result = result.clone();
                self.0.remove(at);
                Ok(result)
            }
        }
    }
}

/// Whether an answer may stand for others of its meaning: not for payments, not for what a contract
/// may act on, and not for what could not be read.
#[must_use]
pub fn may_stand(meaning: Meaning) -> bool {
    !matches!(
        meaning,
        Meaning::Unknown | Meaning::EthereumTransaction | Meaning::EthereumTypedData
    )
}

/// A use of a private key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Use {
    /// Seconds since 1970.
    pub at: u64,
    /// The app; none: the person by their own hand.
    pub app: Option<ServiceKey>,
    /// The key's id.
    pub key: String,
    /// See [`Operation`].
    pub operation: Operation,
    /// What, in words.
    pub words: String,
}

/// The latest uses, oldest first.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Uses(VecDeque<Use>);

impl Uses {
    /// Remembers a use, and forgets the oldest one when there are too many.
    pub fn push(&mut self, used: Use) {
        self.0.push_back(used);
        while self.0.len() > MAX_USES {
            self.0.pop_front();
        }
    }

    /// The latest first.
    pub fn latest(&self) -> impl Iterator<Item = &Use> {
        self.0.iter().rev()
    }
}
