//! What apps may ask for, and people as well: uses of keys, never a private key.

use super::{Keys, Params, Ring, State, now};
use crate::KeysError;
use crate::caller::Caller;
use crate::consent::{self, Operation, Request};
use crate::crypto::{self, Kind, ToSign};
use crate::describe::{self, Description, Field, Format, Meaning, Read};
use crate::keyring::{Origin, StoredKey, new_id};
use atek_api::ids::{ServiceKey, UserKey};
use serde_json::{Value, json};

/// Bytes of the longest message that is encrypted.
const MAX_MESSAGE: usize = 32 * 1024;

impl Keys {
    pub(super) fn app_method(
        &self,
        caller: &Caller,
        method: &str,
        params: &Params,
    ) -> Result<Value, KeysError> {
        let user = caller.user()?;
        match method {
            "verify" => return verify(params),
            "encrypt" => return encrypt(params),
            _ => {}
        }
        let state = &mut *self.state();
        match method {
            "list" => list(state, user, caller.app()),
            "create" => self.create(state, user, caller.app(), params),
            "publicKey" => {
                let key = find(state.ring(user)?, caller.app(), params, true)?;
                Ok(shown(key))
            }
            "describe" => {
                let key = find(state.ring(user)?, caller.app(), params, true)?;
                Ok(json!(read_with(key, params)?.description))
            }
            "sign" => self.ask(state, user, caller.app(), Operation::Sign, params),
            "decrypt" => self.ask(state, user, caller.app(), Operation::Decrypt, params),
            _ => {
                let app = caller.app().ok_or(KeysError::NotAuthorized)?;
                let id = params.text("request")?;
                state.ring(user)?.requests.take(app, &id, now())
            }
        }
    }

    fn create(
        &self,
        state: &mut State,
        user: &UserKey,
        app: Option<&ServiceKey>,
        params: &Params,
    ) -> Result<Value, KeysError> {
        let kind: Kind = params.get("kind")?;
        let ring = state.ring(user)?;
        let open = ring.opened()?;
        let secret = crypto::generate(kind)?;
        let name = params.text("name")?;
        let key = ring
            .ring
            .add(&open, &name, (kind, &secret), Origin::Made, app, now())?;
        let shown = shown(key);
        match self.save_ring(user, &ring.ring) {
            Ok(()) => Ok(shown),
            Err(error) => {
                ring.ring.keys.pop();
                Err(error)
            }
        }
    }

    /// Uses a key, or asks its person first.
    fn ask(
        &self,
        state: &mut State,
        user: &UserKey,
        app: Option<&ServiceKey>,
        operation: Operation,
        params: &Params,
    ) -> Result<Value, KeysError> {
        let ring = state.ring(user)?;
        let key = find(ring, app, params, false)?;
        let (id, is_own) = (key.id.clone(), key.app.as_ref() == app);
        let description = match operation {
            Operation::Sign => read_with(key, params)?.description,
            _ => describe_message(key, params)?,
        };
        let Some(app) = app else {
            return self.use_key(user, ring, None, &id, operation, params);
        };
        let meaning = (operation == Operation::Sign).then_some(description.meaning);
        let stands = operation == Operation::Decrypt || consent::may_stand(description.meaning);
        if is_own || (stands && ring.ring.granted(app, &id, meaning, now())) {
            return self.use_key(user, ring, Some(app), &id, operation, params);
        }
        let request = Request {
            id: new_id()?,
            app: app.clone(),
            key: id,
            operation,
            description,
            params: params.value(),
            at: now(),
            state: consent::State::Waiting,
        };
        Err(KeysError::Pending(ring.requests.add(request, now())?))
    }

    /// Uses a private key. The use is on the list before its result is handed out.
    pub(super) fn use_key(
        &self,
        user: &UserKey,
        ring: &mut Ring,
        app: Option<&ServiceKey>,
        id: &str,
        operation: Operation,
        params: &Params,
    ) -> Result<Value, KeysError> {
        let open = ring.opened()?;
        let key = ring
            .ring
            .keys
            .iter()
            .find(|key| key.id == id)
            .ok_or(KeysError::NoKey)?;
        let secret = ring.ring.secret(&open, key)?;
        let (words, result) = match operation {
            Operation::Sign => {
                let read = read_with(key, params)?;
                let signature = crypto::sign(key.kind, &secret, &read.to_sign)?;
                (
                    read.description.words.clone(),
                    signed(key, read, &signature),
                )
            }
            Operation::Decrypt => {
                let words = describe_message(key, params)?.words;
                let message = params.hex("message", MAX_MESSAGE)?;
                let plain = crypto::decrypt(&secret, b"message", &message)?;
                (words, json!({ "plain": hex::encode(plain.as_slice()) }))
            }
            Operation::Export => return Err(KeysError::NotAuthorized),
        };
        self.remember(user, ring, app, id, operation, words)?;
        Ok(result)
    }
}

/// A key as it is shown: without its private part.
pub(super) fn shown(key: &StoredKey) -> Value {
    let public = hex::decode(&key.public).unwrap_or_default();
    let address = (key.kind == Kind::Secp256k1).then(|| crypto::ethereum_address(&public));
    json!({
        "id": key.id,
        "name": key.name,
        "kind": key.kind,
        "publicKey": key.public,
        "app": key.app,
        "origin": key.origin,
        "created": key.created,
        "ethereumAddress": address.flatten(),
    })
}

fn list(state: &mut State, user: &UserKey, app: Option<&ServiceKey>) -> Result<Value, KeysError> {
    let Ok(ring) = state.ring(user) else {
        return Ok(json!({ "keys": [], "locked": true }));
    };
    let may_see = |key: &&StoredKey| app.is_none_or(|app| ring.ring.knows(app, key, now()));
    let keys: Vec<_> = ring.ring.keys.iter().filter(may_see).map(shown).collect();
    Ok(json!({ "keys": keys, "locked": ring.open.is_none() }))
}

/// The key that a call means: by id, or the first one of a kind. A key of one app is unknown to
/// every other; a person's is named to an app only where `known` is false, to be asked for.
fn find<'a>(
    ring: &'a Ring,
    app: Option<&ServiceKey>,
    params: &Params,
    known: bool,
) -> Result<&'a StoredKey, KeysError> {
    let id: Option<String> = params.get("key")?;
    let kind: Option<Kind> = params.get("kind")?;
    let keys = &ring.ring.keys;
    let may = |key: &&StoredKey| match app {
        None => true,
        Some(app) if known => ring.ring.knows(app, key, now()),
        Some(app) => key.app.is_none() || key.app.as_ref() == Some(app),
    };
    let found = match (id, kind) {
        (Some(id), _) => keys.iter().filter(may).find(|key| key.id == id),
        (None, Some(kind)) => {
            let mut of_person = keys.iter().filter(may).filter(|key| key.app.is_none());
            of_person.find(|key| key.kind == kind)
        }
        (None, None) => return Err(KeysError::Params("say which key, by its id or kind".into())),
    };
    found.ok_or(KeysError::NoKey)
}

fn read_with(key: &StoredKey, params: &Params) -> Result<Read, KeysError> {
    let format: Format = params.get("format")?;
    let payload: Value = params.get("payload")?;
    let public = hex::decode(&key.public).unwrap_or_default();
    if key.kind == Kind::X25519 {
        return Err(KeysError::Params(
            "an x25519 key encrypts and does not sign".into(),
        ));
    }
    describe::read(format, &payload, key.kind, &public)
}

fn describe_message(key: &StoredKey, params: &Params) -> Result<Description, KeysError> {
    if key.kind != Kind::X25519 {
        return Err(KeysError::Params("only an x25519 key decrypts".into()));
    }
    let message = params.hex("message", MAX_MESSAGE)?;
    Ok(Description {
        meaning: Meaning::Message,
        words: format!(
            "read a message of {} bytes that was encrypted for you",
            message.len()
        ),
        fields: vec![Field {
            name: "bytes".into(),
            value: message.len().to_string(),
        }],
    })
}

fn signed(key: &StoredKey, read: Read, signature: &crypto::Signature) -> Value {
    let bytes = hex::encode(signature.bytes);
    let mut event = read.event;
    if let Some(event) = &mut event {
        event["sig"] = bytes.clone().into();
    }
    json!({
        "signature": bytes,
        "recovery": signature.recovery,
        "publicKey": key.public,
        "event": event,
    })
}

fn verify(params: &Params) -> Result<Value, KeysError> {
    let kind: Kind = params.get("kind")?;
    let public = params.hex("publicKey", 65)?;
    let format: Format = params.get("format")?;
    let payload: Value = params.get("payload")?;
    let read = describe::read(format, &payload, kind, &public)?;
    // BIP-340 has keys without their first byte.
    let is_short = public.len() == 32 && matches!(read.to_sign, ToSign::Recoverable(_));
    let good =
        !is_short && crypto::verify(kind, &public, &read.to_sign, &params.hex("signature", 64)?);
    Ok(json!(good))
}

fn encrypt(params: &Params) -> Result<Value, KeysError> {
    let public = params.hex("publicKey", 32)?;
    let plain = params.hex("plain", MAX_MESSAGE - 128)?;
    let message = crypto::encrypt(&public, b"message", &plain)?;
    Ok(json!({ "message": hex::encode(message) }))
}
