//! Reading a call's parameters, with the original's words for what is wrong.

use atek_api::jsonrpc::{RpcError, code, positional};
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

/// The parameters of one call, by position.
#[derive(Debug)]
pub struct Params(Vec<Box<RawValue>>);

impl Params {
    /// Takes an array, or an object with these names.
    ///
    /// # Errors
    ///
    /// [`code::INVALID_PARAMS`].
    pub fn read(params: Option<&RawValue>, names: &[&str]) -> Result<Self, RpcError> {
        positional(params, names).map(Self)
    }

    fn get(&self, index: usize) -> Option<&RawValue> {
        self.0
            .get(index)
            .map(|value| &**value)
            .filter(|value| value.get() != "null")
    }

    /// A parameter that must be a string.
    ///
    /// # Errors
    ///
    /// `Parameter N must be string`.
    pub fn text(&self, index: usize) -> Result<String, RpcError> {
        self.get(index)
            .and_then(|value| serde_json::from_str(value.get()).ok())
            .ok_or_else(|| RpcError::invalid_param(index + 1, "must be string"))
    }

    /// A parameter that must be an array of strings.
    ///
    /// # Errors
    ///
    /// `Parameter N must be array of strings`.
    pub fn texts(&self, index: usize) -> Result<Vec<String>, RpcError> {
        self.get(index)
            .and_then(|value| serde_json::from_str(value.get()).ok())
            .ok_or_else(|| RpcError::invalid_param(index + 1, "must be array of strings"))
    }

    /// A parameter that must be an object of this shape.
    ///
    /// # Errors
    ///
    /// `Parameter N must be object`, or what is wrong inside it.
    pub fn object<T: DeserializeOwned>(&self, index: usize) -> Result<T, RpcError> {
        match self.get(index) {
            Some(value) if value.get().starts_with('{') => {
                serde_json::from_str(value.get()).map_err(|error| inside(index, value, &error))
            }
            _ => Err(RpcError::invalid_param(index + 1, "must be object")),
        }
    }

    /// As [`Params::object`], or the default when it is missing or null.
    ///
    /// # Errors
    ///
    /// As [`Params::object`].
    pub fn object_or_default<T: DeserializeOwned + Default>(
        &self,
        index: usize,
    ) -> Result<T, RpcError> {
        if self.get(index).is_none() {
            Ok(T::default())
        } else {
            self.object(index)
        }
    }

    /// As [`Params::object`], or none when it is missing or null.
    ///
    /// # Errors
    ///
    /// As [`Params::object`].
    pub fn optional<T: DeserializeOwned>(&self, index: usize) -> Result<Option<T>, RpcError> {
        match self.get(index) {
            None => Ok(None),
            Some(_) => self.object(index).map(Some),
        }
    }

    /// A parameter that may be missing or null, and otherwise is a whole number.
    ///
    /// # Errors
    ///
    /// `Parameter N must be number`.
    pub fn number(&self, index: usize) -> Result<Option<u64>, RpcError> {
        let Some(value) = self.get(index) else {
            return Ok(None);
        };
        serde_json::from_str(value.get())
            .map_err(|_| RpcError::invalid_param(index + 1, "must be number"))
    }

    /// A parameter that may be missing or null, and otherwise is a boolean.
    ///
    /// # Errors
    ///
    /// `Parameter N must be boolean`.
    pub fn flag(&self, index: usize) -> Result<bool, RpcError> {
        match self.get(index) {
            None => Ok(false),
            Some(value) => serde_json::from_str(value.get())
                .map_err(|_| RpcError::invalid_param(index + 1, "must be boolean")),
        }
    }
}

/// Names the member that does not fit.
fn inside(index: usize, value: &RawValue, error: &serde_json::Error) -> RpcError {
    let message = error.to_string();
    // The place within the parameter means nothing to who sent the whole call.
    let problem = message.split(" at line ").next().unwrap_or_default();
    let mut rpc = RpcError::invalid_param(index + 1, &format!("is not right: {problem}"));
    rpc.code = code::INVALID_PARAMS;
    if let Ok(Value::Object(members)) = serde_json::from_str(value.get()) {
        rpc.data = Some(serde_json::json!({ "given": members.keys().collect::<Vec<_>>() }));
    }
    rpc
}

#[cfg(test)]
mod tests {
    use super::*;
    use atek_api::services::InstallParams;

    fn params(text: &str) -> Params {
        let raw = RawValue::from_string(text.to_owned()).unwrap();
        Params::read(Some(&raw), &["id", "options"]).unwrap()
    }

    #[test]
    fn messages_are_those_of_the_original() {
        assert_eq!(
            params("[3]").text(0).unwrap_err().message,
            "Parameter 1 must be string"
        );
        assert_eq!(
            params("[]").text(0).unwrap_err().message,
            "Parameter 1 must be string"
        );
        let error = params(r#"["a",[]]"#)
            .object::<InstallParams>(1)
            .unwrap_err();
        assert_eq!(error.message, "Parameter 2 must be object");
        let error = params(r#"["a",{"id":"x"}]"#)
            .object::<InstallParams>(1)
            .unwrap_err();
        assert_eq!(
            error.message,
            "Parameter 2 is not right: missing field `sourceUrl`"
        );
        assert_eq!(error.code, -32001);
    }
}
