//! What is wrong with a value, in ajv's words: programs and tests know them from the original.

use crate::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use serde_json::Value;

pub(crate) fn of(error: &jsonschema::ValidationError<'_>) -> ValidationError {
    let message = match error.kind() {
        Kind::Type {
            kind: TypeKind::Single(kind),
        } => format!("must be {kind}"),
        Kind::Type {
            kind: TypeKind::Multiple(kinds),
        } => {
            let names: Vec<String> = kinds.iter().map(|kind| kind.to_string()).collect();
            format!("must be {}", names.join(","))
        }
        Kind::Required { property } => format!("must have required property '{}'", text(property)),
        Kind::AdditionalProperties { .. } => "must NOT have additional properties".to_owned(),
        Kind::AdditionalItems { limit } => format!("must NOT have more than {limit} items"),
        Kind::Enum { .. } => "must be equal to one of the allowed values".to_owned(),
        Kind::Constant { .. } => "must be equal to constant".to_owned(),
        Kind::Format { format } => format!("must match format \"{format}\""),
        Kind::Pattern { pattern } => format!("must match pattern \"{pattern}\""),
        Kind::MinLength { limit } => format!("must NOT have fewer than {limit} characters"),
        Kind::MaxLength { limit } => format!("must NOT have more than {limit} characters"),
        Kind::MinItems { limit } => format!("must NOT have fewer than {limit} items"),
        Kind::MaxItems { limit } => format!("must NOT have more than {limit} items"),
        Kind::MinProperties { limit } => format!("must NOT have fewer than {limit} properties"),
        Kind::MaxProperties { limit } => format!("must NOT have more than {limit} properties"),
        Kind::Minimum { limit } => format!("must be >= {limit}"),
        Kind::Maximum { limit } => format!("must be <= {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("must be > {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("must be < {limit}"),
        Kind::MultipleOf { multiple_of } => format!("must be multiple of {multiple_of}"),
        Kind::OneOfNotValid { .. } | Kind::OneOfMultipleValid { .. } => {
            "must match exactly one schema in oneOf".to_owned()
        }
        Kind::AnyOf { .. } => "must match a schema in anyOf".to_owned(),
        Kind::Not { .. } => "must NOT be valid".to_owned(),
        Kind::FalseSchema => "boolean schema is false".to_owned(),
        // Rare keywords keep the words of the library: nobody compares them.
        _ => error.to_string(),
    };
    ValidationError {
        instance_path: error.instance_path().to_string(),
        message,
    }
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
