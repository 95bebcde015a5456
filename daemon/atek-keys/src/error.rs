//! Why a call was refused.

use atek_api::jsonrpc::{RpcError, code};

/// Why a call was refused. No variant repeats a secret.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    #[error("Not authorized")]
    NotAuthorized,
    #[error("there is no such key, or this app may not know of it")]
    NoKey,
    #[error("{0}")]
    Params(String),
    #[error("the keys are locked since the box started: sign in with your password once")]
    Locked,
    #[error("the password is wrong")]
    WrongPassword,
    #[error("too many wrong passwords: try again in {0} seconds")]
    Throttled(u64),
    #[error("these are not the recovery words of this box")]
    WrongWords,
    #[error("the person did not allow this")]
    Denied,
    #[error("a person has to allow this first")]
    Pending(String),
    #[error("{0} at most")]
    Limit(String),
    #[error("{0}")]
    Refused(String),
    #[error("cannot store the keys")]
    Store(#[from] atek_files::FileError),
    #[error("cannot read {path}: {problem}")]
    Damaged { path: String, problem: String },
    #[error("cannot seal a key")]
    Seal(#[from] atek_seed::sealing::SealError),
    #[error("the kernel gives no random bytes")]
    Random(#[from] getrandom::Error),
}

impl From<KeysError> for RpcError {
    fn from(error: KeysError) -> Self {
        let text = error.to_string();
        match error {
            KeysError::NotAuthorized => RpcError::not_authorized(),
            KeysError::Params(_) => RpcError::new(code::INVALID_PARAMS, text),
            KeysError::Locked => RpcError::general(text).because("locked"),
            KeysError::WrongPassword => RpcError::general(text).because("wrong-password"),
            KeysError::WrongWords => RpcError::general(text).because("wrong-words"),
            KeysError::Denied => RpcError::general(text).because("denied"),
            KeysError::Throttled(seconds) => RpcError {
                code: code::LIMITED,
                message: text,
                data: Some(serde_json::json!({ "retryAfterSecs": seconds })),
            },
            KeysError::Limit(_) => RpcError::new(code::LIMITED, text),
            KeysError::Pending(id) => RpcError {
                code: code::GENERAL,
                message: text,
                data: Some(serde_json::json!({ "reason": "pending", "request": id })),
            },
            KeysError::NoKey | KeysError::Refused(_) => RpcError::general(text),
            KeysError::Store(_)
            | KeysError::Damaged { .. }
            | KeysError::Seal(_)
            | KeysError::Random(_) => {
                tracing::error!(error = %text, "a call failed");
                RpcError::new(code::INTERNAL, text)
            }
        }
    }
}
