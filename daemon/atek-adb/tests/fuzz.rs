//! Hostile JSON, paths and archives.

#![allow(clippy::unwrap_used, reason = "a failure ends the test")]

use atek_adb::json::{compact_object, elements, tree};
use atek_adb::limits::Limits;
use atek_adb::path::RecordPath;
use atek_adb::tar::{self, Reader};
use bytes::Bytes;
use serde_json::Value;
use serde_json::value::RawValue;

#[test]
fn fuzz_values_and_paths() {
    let seeds: [&[u8]; 5] = [
        br#"{"a":[1,2,{"b":null}],"c":"d\u0041\n","e":-1.5e10}"#,
        br#"{ "text" : "x \\" , "deep" : [[[[{}]]]] }"#,
        br#"["a","b\u0000c",1,true]"#,
        b"example.com/table/key",
        br#"{"jsonrpc":"2.0","id":1,"method":"recordPut","params":["x","y",{}]}"#,
    ];
    let tokens: [&[u8]; 5] = [b"[[[[[[[[", b"{\"a\":", b"\\u0000", b"//", b"hyper://"];
    let limits = Limits {
        depth: 16,
        value_bytes: 4 << 10,
        ..Limits::default()
    };
    atek_fuzz::run("values and paths", &seeds, &tokens, |input| {
        let Ok(text) = std::str::from_utf8(input) else {
            return false;
        };
        if let Ok(path) = RecordPath::parse(text, &limits) {
            assert!(path.key().len() <= limits.key_bytes);
            assert_eq!(RecordPath::from_key(path.key()), path);
        }
        let Ok(raw) = RawValue::from_string(text.to_owned()) else {
            return false;
        };
        if let Ok(list) = elements(raw.get(), 8) {
            assert!(list.len() <= 8);
        }
        let parsed = tree(raw.get(), 1000);
        let Ok(compact) = compact_object(&raw, &limits) else {
            return false;
        };
        assert!(compact.len() <= limits.value_bytes);
        if let Ok(value) = parsed {
            let again: Value = serde_json::from_slice(&compact).unwrap();
            assert_eq!(again, value, "compacting changed a value");
        }
        true
    });
}

#[test]
fn fuzz_archives() {
    let file = |name: &str, content: &[u8]| {
        let mut bytes = tar::header(name, content.len() as u64).to_vec();
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len() + tar::padding(content.len() as u64), 0);
        bytes
    };
    let records = file("records-000001.jsonl", b"{\"path\":[\"a\"],\"value\":{}}\n");
    let whole = [
        file("database.json", b"{}"),
        records.clone(),
        tar::END.to_vec(),
    ]
    .concat();
    let blobs = [file("blobs/000001", &[7; 600]), tar::END.to_vec()].concat();
    let seeds: [&[u8]; 3] = [&whole, &blobs, &records];
    let tokens: [&[u8]; 6] = [
        b"ustar",
        b"../../etc/passwd",
        b"77777777777",
        b"\x80\0\0",
        b"2",
        b"L",
    ];
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    atek_fuzz::run("archives", &seeds, &tokens, |input| {
        runtime.block_on(async {
            let pieces: Vec<Result<Bytes, &str>> = input
                .chunks(700)
                .map(|piece| Ok(Bytes::copy_from_slice(piece)))
                .collect();
            let mut reader = Reader::new(futures_util::stream::iter(pieces));
            let (mut entries, mut bytes) = (0, 0);
            loop {
                match reader.next().await {
                    Ok(Some(_)) => entries += 1,
                    Ok(None) => return entries > 0,
                    Err(_) => return false,
                }
                while let Ok(Some(chunk)) = reader.chunk().await {
                    bytes += chunk.len();
                }
                assert!(bytes <= input.len() && entries <= input.len() / 512);
            }
        })
    });
}
