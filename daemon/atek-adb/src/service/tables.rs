//! The methods of ADB 1, for programs that were made for it: tables are paths of two segments.
//!
//! Records stay schema-free: `tblDefine` keeps the definition for others to read,
//! and its templates for the keys of new records; it validates nothing.

use super::lists::{into_raw, write_record};
use super::params::{Kind, Params};
use super::view::View;
use super::{Adb, databases, db_id, keep, kib};
use crate::caller::Caller;
use crate::error::AdbError;
use crate::meta::DbMeta;
use crate::path::RecordPath;
use crate::storage::Expected;
use atek_api::autokey::auto_key;
use atek_api::ids::DbId;
use base64::Engine as _;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Tables that one database may define.
const TABLES: usize = 100;

/// Keys for new records that sort by time and never repeat in this process.
#[derive(Debug, Default)]
pub(super) struct AutoKeys(Mutex<(u64, u32)>);

impl AutoKeys {
    fn next(&self) -> String {
        let now = jiff::Timestamp::now().as_millisecond().unsigned_abs();
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that goes back must not bring a key twice.
        *last = if now > last.0 {
            (now, 0)
        } else {
            (last.0, last.1 + 1)
        };
        auto_key(last.0, last.1)
    }
}

/// `tables` of `dbDescribe`.
pub(super) fn described(meta: &DbMeta) -> Value {
    let tables = meta.other.get("tables").and_then(Value::as_object);
    let list = tables
        .into_iter()
        .flatten()
        .map(|(id, table)| description(id, table));
    Value::Array(list.collect())
}

fn description(id: &str, table: &Value) -> Value {
    let mut out = Map::from_iter([("tableId".to_owned(), Value::from(id))]);
    for field in ["revision", "templates", "definition"] {
        out.extend(
            table
                .get(field)
                .map(|value| (field.to_owned(), value.clone())),
        );
    }
    Value::Object(out)
}

impl Adb {
    /// `tblDefine(dbId, tableId, {revision, templates, definition})`.
    pub(super) async fn tbl_define(
        &self,
        caller: &Caller,
        params: &Params,
    ) -> Result<Value, AdbError> {
        let id = db_id(params, 0)?;
        let table = self.table(params)?;
        let name = table.text().trim_start_matches('/').to_owned();
        let settings = params.object(2, &[])?.unwrap_or_default();
        let described = description(&name, &Value::Object(settings));
        let mut stored = described.clone();
        stored
            .as_object_mut()
            .map(|fields| fields.remove("tableId"));
        // Programs define their tables at every start: most of the time there is nothing to write.
        let known = self.look(|view, _| {
            view.readable(caller, &id)?;
            let meta = view.meta(&id)?;
            Ok(meta.is_some_and(|meta| {
                meta.other
                    .get("tables")
                    .and_then(|tables| tables.get(&name))
                    == Some(&stored)
            }))
        });
        if known.await? {
            return Ok(described);
        }
        self.change(caller, move |tx, shared, caller| {
            let view = View::new(tx, shared)?;
            view.writable(caller, &id)?;
            let server = view.server().no;
            let Some(mut meta) = view.meta(&id)? else {
                return Err(AdbError::NoConfig);
            };
            let tables = meta.other.entry("tables").or_insert_with(|| json!({}));
            if let Some(tables) = tables.as_object_mut() {
                tables.insert(name.clone(), stored.clone());
                if tables.len() > TABLES {
                    return Err(AdbError::Limit(format!(
                        "a database defines at most {TABLES} tables"
                    )));
                }
            }
            databases::write_meta(tx, shared, server, &id, &meta)
        })
        .await?;
        Ok(described)
    }

    /// `tblList(dbId, tableId, ListOpts?)`.
    pub(super) async fn tbl_list(
        &self,
        caller: &Caller,
        params: &Params,
    ) -> Result<Box<RawValue>, AdbError> {
        let (id, table) = (db_id(params, 0)?, self.table(params)?);
        let options = params
            .object(2, &[("limit", Kind::Number), ("reverse", Kind::Boolean)])?
            .unwrap_or_default();
        self.list(caller, &id, &table, &options).await
    }

    /// `tblGet(dbId, tableId, key)`.
    pub(super) async fn tbl_get(
        &self,
        caller: &Caller,
        params: &Params,
    ) -> Result<Box<RawValue>, AdbError> {
        let id = db_id(params, 0)?;
        let (path, key) = self.row(params)?;
        let record = match self.get(caller, &id, &path).await {
            Err(AdbError::RecordNotFound(_)) => return Err(AdbError::RecordNotFound(key)),
            other => other?,
        };
        let mut out = Vec::with_capacity(record.json.len() + 256);
        write_record(
            &mut out,
            &key,
            &path,
            id.as_str(),
            Some(record.seq),
            &record.json,
        );
        into_raw(out)
    }

    /// `tblCreate(dbId, tableId, value, blobs?)`: the key comes from the table's template, or is
    /// the time.
    pub(super) async fn tbl_create(
        &self,
        caller: &Caller,
        params: &Params,
    ) -> Result<Value, AdbError> {
        let (id, table) = (db_id(params, 0)?, self.table(params)?);
        params.record(2, self.limits())?;
        let mut value = params.object(2, &[])?.unwrap_or_default();
        let blobs: BTreeMap<String, &RawValue> = params
            .raw(3)
            .and_then(|raw| serde_json::from_str(raw.get()).ok())
            .unwrap_or_default();
        let name = table.text().trim_start_matches('/').to_owned();
        let definition = self
            .look(|view, _| {
                view.writable(caller, &id)?;
                let meta = view.meta(&id)?;
                Ok(meta.and_then(|mut meta| {
                    meta.other
                        .get_mut("tables")?
                        .get_mut(&name)
                        .map(Value::take)
                }))
            })
            .await?
            .unwrap_or_default();
        let key = match definition
            .pointer("/templates/record/key")
            .and_then(Value::as_str)
        {
            Some(template) => from_template(template, &value)?,
            None => self.keys.next(),
        };
        if definition
            .pointer("/definition/properties/createdAt")
            .is_some()
            && !value.contains_key("createdAt")
        {
            value.insert("createdAt".to_owned(), databases::now().into());
        }
        let path = self.row_path(&table, &key)?;
        let json = serde_json::to_vec(&value).unwrap_or_default();
        self.put(caller, &id, &path, json, Expected::Any).await?;
        for (name, blob) in &blobs {
            self.put_small_blob(caller, &id, self.row_path(&path, name)?, blob)
                .await?;
        }
        let url = path.url(id.as_str());
        Ok(json!({"key": key, "path": path.text(), "url": url, "value": value}))
    }

    /// `tblPut(dbId, tableId, key, value)`.
    pub(super) async fn tbl_put(
        &self,
        caller: &Caller,
        params: &Params,
    ) -> Result<Box<RawValue>, AdbError> {
        let id = db_id(params, 0)?;
        let (path, key) = self.row(params)?;
        let json = params.record(3, self.limits())?;
        self.put(caller, &id, &path, json.clone(), Expected::Any)
            .await?;
        let mut out = Vec::with_capacity(json.len() + 256);
        write_record(&mut out, &key, &path, id.as_str(), None, &json);
        into_raw(out)
    }

    /// `tblDelete(dbId, tableId, key)`.
    pub(super) async fn tbl_delete(
        &self,
        caller: &Caller,
        params: &Params,
    ) -> Result<(), AdbError> {
        let id = db_id(params, 0)?;
        let (path, _) = self.row(params)?;
        self.delete(caller, &id, &path, Expected::Any).await
    }

    /// `tblDiff(dbId, {left, …})`: never implemented in ADB 1; here it is `recordDiff` of the whole
    /// database.
    pub(super) async fn tbl_diff(
        &self,
        caller: &Caller,
        params: &Params,
    ) -> Result<Box<RawValue>, AdbError> {
        self.record_diff(caller, params).await
    }

    /// `tblGetBlob(dbId, tableId, key, name)`: a Buffer, as Node prints it in JSON.
    pub(super) async fn tbl_get_blob(
        &self,
        caller: &Caller,
        params: &Params,
    ) -> Result<Buffer, AdbError> {
        let id = db_id(params, 0)?;
        let (path, name) = self.row_blob(params)?;
        let (row, file) = match self.open_blob(caller, &id, &path).await {
            Err(AdbError::RecordNotFound(_)) => return Err(AdbError::RecordNotFound(name)),
            other => other?,
        };
        let answer = kib(6 * row.size.min(self.limits().list_bytes as u64) as usize);
        keep(self.budgets.answers.take(caller, answer).await);
        // Four characters of JSON for each byte.
        if row.size > self.limits().list_bytes as u64 / 4 {
            return Err(AdbError::Limit(
                "the blob is too large for this method: get it as a stream".to_owned(),
            ));
        }
        let bytes = tokio::task::spawn_blocking(move || {
            let (mut file, mut bytes) = (file, Vec::new());
            std::io::Read::read_to_end(&mut file, &mut bytes).map(|_| bytes)
        });
        match bytes.await {
            Ok(Ok(data)) => Ok(Buffer {
                kind: "Buffer",
                data,
            }),
            _ => Err(AdbError::Refused("the blob cannot be read".to_owned())),
        }
    }

    /// `tblPutBlob(dbId, tableId, key, name, {buf, mimeType})`.
    pub(super) async fn tbl_put_blob(
        &self,
        caller: &Caller,
        params: &Params,
    ) -> Result<(), AdbError> {
        let id = db_id(params, 0)?;
        let (path, _) = self.row_blob(params)?;
        let blob = params.raw(4).unwrap_or(RawValue::NULL);
        self.put_small_blob(caller, &id, path, blob).await
    }

    /// `tblDelBlob(dbId, tableId, key, name)`.
    pub(super) async fn tbl_del_blob(
        &self,
        caller: &Caller,
        params: &Params,
    ) -> Result<(), AdbError> {
        let id = db_id(params, 0)?;
        let (path, _) = self.row_blob(params)?;
        self.delete_blob(caller, &id, &path).await.map(drop)
    }

    async fn put_small_blob(
        &self,
        caller: &Caller,
        id: &DbId,
        path: RecordPath,
        blob: &RawValue,
    ) -> Result<(), AdbError> {
        let (bytes, media_type) = small_blob(blob).ok_or_else(|| {
            AdbError::Refused("Invalid blob: buf must be a Buffer or a base64 string".to_owned())
        })?;
        let mut upload = self
            .begin_blob(caller, id, &path, Some(bytes.len() as u64))
            .await?;
        upload.write(bytes.into()).await?;
        upload.finish(self, media_type).await.map(drop)
    }

    fn table(&self, params: &Params) -> Result<RecordPath, AdbError> {
        let name = params.string(1)?.unwrap_or_default();
        let table = RecordPath::parse(&name, self.limits())?;
        if table.is_root() {
            Err(AdbError::Refused(format!("Invalid table: {name:?}")))
        } else {
            Ok(table)
        }
    }

    fn row_path(&self, table: &RecordPath, key: &str) -> Result<RecordPath, AdbError> {
        Ok(RecordPath::from_segments(
            table.segments().chain([key]),
            self.limits(),
        )?)
    }

    fn row(&self, params: &Params) -> Result<(RecordPath, String), AdbError> {
        let table = self.table(params)?;
        let key = params.string(2)?.unwrap_or_default();
        Ok((self.row_path(&table, &key)?, key))
    }

    fn row_blob(&self, params: &Params) -> Result<(RecordPath, String), AdbError> {
        let (row, _) = self.row(params)?;
        let name = params.string(3)?.unwrap_or_default();
        Ok((self.row_path(&row, &name)?, name))
    }
}

/// A key from a template such as `{{/author}}-{{/title}}`.
fn from_template(template: &str, value: &Map<String, Value>) -> Result<String, AdbError> {
    let value = Value::Object(value.clone());
    let (mut key, mut rest) = (String::new(), template);
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((pointer, after)) = after.split_once("}}") else {
            return Err(AdbError::Refused(format!(
                "Invalid key template: {template}"
            )));
        };
        key.push_str(before);
        match crate::json::pointer(&value, pointer.trim()) {
            Some(Value::String(text)) => key.push_str(text),
            Some(other @ (Value::Number(_) | Value::Bool(_))) => key.push_str(&other.to_string()),
            _ => {
                return Err(AdbError::Refused(format!(
                    "Unable to generate key, {pointer} is no text or number"
                )));
            }
        }
        rest = after;
    }
    key.push_str(rest);
    if key.is_empty() {
        Err(AdbError::Refused(
            "Unable to generate key: it is empty".to_owned(),
        ))
    } else {
        Ok(key)
    }
}

/// Bytes, as Node prints them in JSON.
#[derive(Debug, Serialize)]
pub(super) struct Buffer {
    #[serde(rename = "type")]
    kind: &'static str,
    data: Vec<u8>,
}

/// Bytes and media type of `{buf, mimeType?}`.
fn small_blob(blob: &RawValue) -> Option<(Vec<u8>, Option<String>)> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct SmallBlob<'a> {
        #[serde(borrow)]
        buf: &'a RawValue,
        mime_type: Option<String>,
    }
    let blob: SmallBlob<'_> = serde_json::from_str(blob.get()).ok()?;
    Some((buffer(blob.buf)?, blob.mime_type))
}

/// The bytes of a Buffer as Node prints it in JSON, or of base64.
fn buffer(value: &RawValue) -> Option<Vec<u8>> {
    #[derive(Deserialize)]
    struct Data {
        data: Vec<u8>,
    }
    if value.get().starts_with('"') {
        let text: String = serde_json::from_str(value.get()).ok()?;
        return base64::engine::general_purpose::STANDARD.decode(text).ok();
    }
    let buffer: Data = serde_json::from_str(value.get()).ok()?;
    Some(buffer.data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_from_templates() {
        let value = json!({"a": "x", "b": {"c": 2}});
        let key = |template| {
            from_template(template, value.as_object().unwrap()).map_err(|e| e.to_string())
        };
        assert_eq!(key("{{/a}}"), Ok("x".to_owned()));
        assert_eq!(key("{{/a}}:{{ /b/c }}!"), Ok("x:2!".to_owned()));
        assert!(key("{{/b}}").unwrap_err().contains("/b is no text"));
        assert!(key("{{/a").unwrap_err().contains("Invalid key template"));
        assert!(key("").is_err());
    }

    #[test]
    fn keys_of_the_same_moment_differ_and_sort() {
        let keys = AutoKeys::default();
        let list: Vec<String> = (0..50).map(|_| keys.next()).collect();
        assert!(list.windows(2).all(|pair| pair[0] < pair[1]), "{list:?}");
    }

    #[test]
    fn buffers_are_read_as_node_prints_them() {
        let buffer = |value: Value| {
            let raw = RawValue::from_string(value.to_string()).unwrap();
            buffer(&raw)
        };
        assert_eq!(
            buffer(json!({"type": "Buffer", "data": [1, 255]})),
            Some(vec![1, 255])
        );
        assert_eq!(buffer(json!("AQI=")), Some(vec![1, 2]));
        assert_eq!(buffer(json!({"data": [256]})), None);
        assert_eq!(buffer(json!(null)), None);
    }
}
