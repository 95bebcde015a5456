//! What a person does by their own hand. What shows or gives away a secret needs the password.

use super::host::{no_seed, words_of};
use super::{DONE, Keys, Params, State, now};
use crate::KeysError;
use crate::caller::Caller;
use crate::consent::{self, Choice, Operation, Request};
use crate::crypto::Kind;
use crate::keyring::{Grant, Origin, new_id};
use crate::seed::Opened;
use atek_api::ids::UserKey;
use atek_seed::Secret;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How many of the words are typed to confirm them.
const CONFIRMED_BY: usize = 2;

impl Keys {
    pub(super) fn person_method(
        &self,
        caller: &Caller,
        method: &str,
        params: &Params,
    ) -> Result<Value, KeysError> {
        let user = caller.in_person()?;
        let state = &mut *self.state();
        match method {
            "seed" => Ok(json!({
                "exists": state.seed.is_some(),
                "confirmed": state.seed.as_ref().is_some_and(|seed| seed.is_confirmed()),
                "holder": state.seed.as_ref().is_some_and(|seed| seed.is_holder(user)),
            })),
            "words" => self.words(state, user, params),
            "confirm" => self.confirm(state, user, params),
            "holdSeed" => self.hold_seed(state, user, params),
            "reseal" => self.reseal_own(state, user, params),
            "derive" => self.derive(state, user, params),
            "import" => self.import(state, user, params),
            "export" => self.export(state, user, params),
            "remove" => self.remove(state, user, params),
            "rename" => Err(KeysError::Refused("keys keep their names".into())),
            "pending" => pending(state, user),
            "answer" => self.answer(state, user, params),
            "grants" => Ok(json!({ "grants": state.ring(user)?.ring.grants })),
            "revoke" => self.revoke(state, user, &params.text("grant")?),
            _ => {
                let uses: Vec<_> = state.ring(user)?.uses.latest().collect();
                Ok(json!({ "uses": uses }))
            }
        }
    }

    /// Opens the seed with its holder's password.
    pub(super) fn open_seed(
        &self,
        state: &mut State,
        user: &UserKey,
        password: &str,
    ) -> Result<Opened, KeysError> {
        state.ring(user)?.guesses.admit(now())?;
        let seed = state.seed.as_ref().ok_or_else(no_seed)?;
        if !seed.is_holder(user) {
            return Err(KeysError::Refused("your password does not open the recovery words of this box: ask the administrator who set it up".into()));
        }
        let opened = seed.open(user, password);
        state.ring(user)?.guesses.note(&opened, now());
        opened
    }

    /// Shows the words until they are confirmed.
    fn words(
        &self,
        state: &mut State,
        user: &UserKey,
        params: &Params,
    ) -> Result<Value, KeysError> {
        match self.open_seed(state, user, &params.text("password")?)? {
            Opened::Words(words) => {
                let words: Vec<_> = words.words().collect();
                Ok(json!({ "words": words, "qr": qr(&words) }))
            }
            Opened::Seed(_) => Err(KeysError::Refused(
                "the recovery words were confirmed and are not kept: they are on your sheet".into(),
            )),
        }
    }

    /// Confirms the words by two or more of them: `{"3": "word", "17": "word"}`, counted from 1.
    fn confirm(
        &self,
        state: &mut State,
        user: &UserKey,
        params: &Params,
    ) -> Result<Value, KeysError> {
        let typed: BTreeMap<String, String> = params.get("words")?;
        let opened = self.open_seed(state, user, &params.text("password")?)?;
        let Opened::Words(words) = &opened else {
            return Ok(DONE);
        };
        let all: Vec<_> = words.words().collect();
        let is_right = |(place, word): (&String, &String)| {
            let at = place
                .parse::<usize>()
                .ok()
                .and_then(|place| place.checked_sub(1));
            at.and_then(|at| all.get(at))
                .is_some_and(|right| *right == word.trim().to_lowercase())
        };
        let places: std::collections::BTreeSet<_> = typed
            .keys()
            .filter_map(|place| place.parse::<usize>().ok())
            .collect();
        if places.len() < CONFIRMED_BY || !typed.iter().all(is_right) {
            return Err(KeysError::Refused(
                "these are not the words at these places of the sheet".into(),
            ));
        }
        let password = params.text("password")?;
        let seed = state.seed.as_mut().ok_or_else(no_seed)?;
        seed.confirm(user, &password, &opened, self.0.cost)?;
        self.save_seed(seed)?;
        Ok(DONE)
    }

    /// Makes the caller a holder of the seed, with the words and the caller's password.
    fn hold_seed(
        &self,
        state: &mut State,
        user: &UserKey,
        params: &Params,
    ) -> Result<Value, KeysError> {
        let words = words_of(state, params)?;
        let password = params.text("password")?;
        state.ring(user)?.unlock(user, &password)?;
        let seed = state.seed.as_mut().ok_or_else(no_seed)?;
        seed.seal(user, &password, &Opened::Seed(words.seed()), self.0.cost)?;
        self.save_seed(seed)?;
        Ok(DONE)
    }

    /// After a password was set without the old one: opens the keys with the old one or the words.
    fn reseal_own(
        &self,
        state: &mut State,
        user: &UserKey,
        params: &Params,
    ) -> Result<Value, KeysError> {
        let password = params.text("password")?;
        match params.text("old") {
            Ok(old) => self.reseal(state, user, &old, &password),
            Err(_) => {
                let words = words_of(state, params)?;
                self.recover(state, user, &words, &password)
            }
        }
    }

    /// Adds the user's identity key, which comes back with the words.
    fn derive(
        &self,
        state: &mut State,
        user: &UserKey,
        params: &Params,
    ) -> Result<Value, KeysError> {
        let generation: u32 = params.get::<Option<u32>>("generation")?.unwrap_or(0);
        if generation >= 1 << 31 {
            return Err(KeysError::Params("a generation is less than 2^31".into()));
        }
        let password = params.text("password")?;
        let seed = self.open_seed(state, user, &password)?.seed();
        let secret = seed.identity_seed(user.as_str(), generation);
        self.put(
            state,
            user,
            &params.text("name")?,
            (Kind::Ed25519, &secret),
            Origin::Derived,
        )
    }

    fn import(
        &self,
        state: &mut State,
        user: &UserKey,
        params: &Params,
    ) -> Result<Value, KeysError> {
        state.ring(user)?.unlock(user, &params.text("password")?)?;
        let bytes = zeroize::Zeroizing::new(params.hex("secret", 32)?);
        let secret: [u8; 32] = bytes.as_slice().try_into().map_err(|_| {
            KeysError::Params("a private key has 32 bytes, as 64 hexadecimal digits".into())
        })?;
        let secret = Secret::new(secret);
        self.put(
            state,
            user,
            &params.text("name")?,
            (params.get("kind")?, &secret),
            Origin::Imported,
        )
    }

    fn put(
        &self,
        state: &mut State,
        user: &UserKey,
        name: &str,
        key: (Kind, &Secret),
        origin: Origin,
    ) -> Result<Value, KeysError> {
        let ring = state.ring(user)?;
        let open = ring.opened()?;
        let added = ring.ring.add(&open, name, key, origin, None, now())?;
        let shown = super::apps::shown(added);
        match self.save_ring(user, &ring.ring) {
            Ok(()) => Ok(shown),
            Err(error) => {
                ring.ring.keys.pop();
                Err(error)
            }
        }
    }

    /// Hands a private key to its person. Noted before it is shown.
    fn export(
        &self,
        state: &mut State,
        user: &UserKey,
        params: &Params,
    ) -> Result<Value, KeysError> {
        let ring = state.ring(user)?;
        let open = ring.unlock(user, &params.text("password")?)?;
        let id = params.text("key")?;
        let key = ring
            .ring
            .keys
            .iter()
            .find(|key| key.id == id)
            .ok_or(KeysError::NoKey)?;
        let (secret, kind) = (ring.ring.secret(&open, key)?, key.kind);
        self.remember(
            user,
            ring,
            None,
            &id,
            Operation::Export,
            "export the private key".into(),
        )?;
        Ok(json!({ "kind": kind, "secret": hex::encode(*secret) }))
    }

    fn remove(
        &self,
        state: &mut State,
        user: &UserKey,
        params: &Params,
    ) -> Result<Value, KeysError> {
        let ring = state.ring(user)?;
        ring.unlock(user, &params.text("password")?)?;
        let id = params.text("key")?;
        if !ring.ring.keys.iter().any(|key| key.id == id) {
            return Err(KeysError::NoKey);
        }
        ring.ring.keys.retain(|key| key.id != id);
        ring.ring.grants.retain(|grant| grant.key != id);
        self.save_ring(user, &ring.ring)?;
        Ok(DONE)
    }

    fn revoke(&self, state: &mut State, user: &UserKey, id: &str) -> Result<Value, KeysError> {
        let ring = state.ring(user)?;
        ring.ring.grants.retain(|grant| grant.id != id);
        self.save_ring(user, &ring.ring)?;
        Ok(DONE)
    }

    /// Answers a request of an app: what was asked for is done with the parameters of that time.
    fn answer(
        &self,
        state: &mut State,
        user: &UserKey,
        params: &Params,
    ) -> Result<Value, KeysError> {
        let choice: Choice = params.get("choice")?;
        let id = params.text("request")?;
        let ring = state.ring(user)?;
        let request = ring.requests.get_mut(&id, now());
        let request = request.filter(|request| request.state == consent::State::Waiting);
        let Some(request) = request else {
            return Err(KeysError::Refused(
                "this request is over or was answered".into(),
            ));
        };
        if choice == Choice::Deny {
            request.state = consent::State::Denied;
            self.0.answered.send_modify(|count| *count += 1);
            return Ok(DONE);
        }
        let request = request.clone();
        let stands = choice != Choice::Once;
        if stands && !consent::may_stand(request.description.meaning) {
            return Err(KeysError::Refused(
                "payments, and what this box cannot read, are allowed once each time".into(),
            ));
        }
        let result = self.perform(user, ring, &request)?;
        if stands {
            let until = (choice == Choice::Hour).then(|| now() + 3600);
            let grant = Grant {
                id: new_id()?,
                app: request.app.clone(),
                key: request.key.clone(),
                meaning: (request.operation == Operation::Sign)
                    .then_some(request.description.meaning),
                until,
            };
            ring.ring.grant(grant, now())?;
            self.save_ring(user, &ring.ring)?;
        }
        if let Some(request) = ring.requests.get_mut(&id, now()) {
            request.state = consent::State::Done(result);
        }
        self.0.answered.send_modify(|count| *count += 1);
        Ok(DONE)
    }

    fn perform(
        &self,
        user: &UserKey,
        ring: &mut super::Ring,
        request: &Request,
    ) -> Result<Value, KeysError> {
        let params = Params::of(&request.params);
        self.use_key(
            user,
            ring,
            Some(&request.app),
            &request.key,
            request.operation,
            &params,
        )
    }
}

/// What apps wait for, with what is shown of it.
fn pending(state: &mut State, user: &UserKey) -> Result<Value, KeysError> {
    let ring = state.ring(user)?;
    let name = |id: &str| {
        ring.ring
            .keys
            .iter()
            .find(|key| key.id == id)
            .map(|key| key.name.clone())
    };
    let requests: Vec<_> = ring
        .requests
        .waiting(now())
        .map(|request| {
            json!({
                "id": request.id,
                "app": request.app,
                "key": request.key,
                "keyName": name(&request.key),
                "operation": request.operation,
                "meaning": request.description.meaning,
                "words": request.description.words,
                "fields": request.description.fields,
                "onceOnly": !consent::may_stand(request.description.meaning),
                "at": request.at,
            })
        })
        .collect();
    Ok(json!({ "requests": requests }))
}

/// The words as a QR code for the printed sheet: a row of `1` (dark) and `0` for each line.
fn qr(words: &[&str]) -> Vec<String> {
    let Ok(code) = qrcode::QrCode::new(words.join(" ")) else {
        return Vec::new();
    };
    let dark = |color: &qrcode::Color| {
        if *color == qrcode::Color::Dark {
            '1'
        } else {
            '0'
        }
    };
    let colors = code.to_colors();
    colors
        .chunks(code.width())
        .map(|row| row.iter().map(dark).collect())
        .collect()
}
