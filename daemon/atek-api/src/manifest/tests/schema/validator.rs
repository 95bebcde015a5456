//! As much of JSON Schema as the manifest's schema uses. Panics at a keyword that it
//! does not know, so that no rule of the schema is passed over in silence.

use super::pattern;
use serde_json::Value;

pub(super) struct Schema {
    pub(super) root: Value,
}

impl Schema {
    pub(super) fn parse(text: &str) -> Self {
        Self {
            root: serde_json::from_str(text).unwrap(),
        }
    }

    pub(super) fn check(&self, value: &Value) -> Result<(), String> {
        self.apply(&self.root, value)
    }

    fn apply(&self, schema: &Value, value: &Value) -> Result<(), String> {
        let rules = match schema {
            Value::Bool(true) => return Ok(()),
            Value::Bool(false) => return Err(format!("{value} must not be there")),
            other => other.as_object().unwrap(),
        };
        for (keyword, rule) in rules {
            let fits = self.keyword(keyword, rule, schema, value)?;
            if !fits {
                return Err(format!("{value} breaks {keyword}: {rule}"));
            }
        }
        Ok(())
    }

    fn keyword(
        &self,
        keyword: &str,
        rule: &Value,
        schema: &Value,
        value: &Value,
    ) -> Result<bool, String> {
        let limit = || rule.as_u64().unwrap();
        let text = value.as_str();
        let number = value.as_i64();
        Ok(match keyword {
            "$schema" | "$id" | "$defs" | "title" | "description" | "then" | "else" => true,
            "$ref" => {
                let pointer = rule.as_str().unwrap().strip_prefix('#').unwrap();
                self.apply(self.root.pointer(pointer).unwrap(), value)?;
                true
            }
            "type" => match rule.as_str().unwrap() {
                "object" => value.is_object(),
                "array" => value.is_array(),
                "string" => value.is_string(),
                "boolean" => value.is_boolean(),
                "integer" => value.is_i64() || value.is_u64(),
                other => panic!("type {other}"),
            },
            "enum" => rule.as_array().unwrap().contains(value),
            "const" => rule == value,
            "maxLength" => text.is_none_or(|text| text.chars().count() as u64 <= limit()),
            "pattern" => text.is_none_or(|text| pattern::matches(rule.as_str().unwrap(), text)),
            "minimum" => number.is_none_or(|n| n >= rule.as_i64().unwrap()),
            "maximum" => number.is_none_or(|n| n <= rule.as_i64().unwrap()),
            "minItems" => value
                .as_array()
                .is_none_or(|list| list.len() as u64 >= limit()),
            "maxItems" => value
                .as_array()
                .is_none_or(|list| list.len() as u64 <= limit()),
            "maxProperties" => value
                .as_object()
                .is_none_or(|map| map.len() as u64 <= limit()),
            "required" => value.as_object().is_none_or(|map| {
                rule.as_array()
                    .unwrap()
                    .iter()
                    .all(|key| map.contains_key(key.as_str().unwrap()))
            }),
            "items" => {
                for item in value.as_array().into_iter().flatten() {
                    self.apply(rule, item)?;
                }
                true
            }
            "properties" => {
                for (key, inner) in rule.as_object().unwrap() {
                    if let Some(member) = value.get(key) {
                        self.apply(inner, member)?;
                    }
                }
                true
            }
            "additionalProperties" => {
                for (key, member) in value.as_object().into_iter().flatten() {
                    if schema
                        .pointer("/properties")
                        .is_none_or(|known| known.get(key).is_none())
                    {
                        self.apply(rule, member)?;
                    }
                }
                true
            }
            "propertyNames" => {
                for key in value.as_object().into_iter().flatten().map(|(key, _)| key) {
                    self.apply(rule, &Value::from(key.as_str()))?;
                }
                true
            }
            "allOf" => {
                for inner in rule.as_array().unwrap() {
                    self.apply(inner, value)?;
                }
                true
            }
            "anyOf" => rule
                .as_array()
                .unwrap()
                .iter()
                .any(|inner| self.apply(inner, value).is_ok()),
            "if" => {
                let branch = if self.apply(rule, value).is_ok() {
                    "then"
                } else {
                    "else"
                };
                if let Some(inner) = schema.get(branch) {
                    self.apply(inner, value)?;
                }
                true
            }
            other => panic!("the schema uses {other}, which this validator does not know"),
        })
    }
}
