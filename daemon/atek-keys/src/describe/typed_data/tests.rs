use super::*;
use proptest::prelude::*;
use serde_json::json;

/// The example of EIP-712.
fn mail() -> Value {
    json!({
        "types": {
            "EIP712Domain": [
                { "name": "name", "type": "string" },
                { "name": "version", "type": "string" },
                { "name": "chainId", "type": "uint256" },
                { "name": "verifyingContract", "type": "address" }
            ],
            "Person": [
                { "name": "name", "type": "string" },
                { "name": "wallet", "type": "address" }
            ],
            "Mail": [
                { "name": "from", "type": "Person" },
                { "name": "to", "type": "Person" },
                { "name": "contents", "type": "string" }
            ]
        },
        "primaryType": "Mail",
        "domain": {
            "name": "Ether Mail",
            "version": "1",
            "chainId": 1,
            "verifyingContract": "0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC"
        },
        "message": {
            "from": { "name": "Cow", "wallet": "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826" },
            "to": { "name": "Bob", "wallet": "0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB" },
            "contents": "Hello, Bob!"
        }
    })
}

/// A payload of one type `T` with one member `x`.
fn one(kind: &str, value: Value) -> Value {
    json!({
        "types": {
            "EIP712Domain": [{ "name": "name", "type": "string" }],
            "T": [{ "name": "x", "type": kind }]
        },
        "primaryType": "T",
        "domain": { "name": "n" },
        "message": { "x": value }
    })
}

fn digest(payload: &Value) -> String {
    match typed_data(payload).expect("reads").to_sign {
        ToSign::Recoverable(hash) => hex::encode(hash),
        other => panic!("{other:?}"),
    }
}

fn shown(payload: &Value, name: &str) -> String {
    let fields = typed_data(payload).expect("reads").description.fields;
    let field = fields.into_iter().find(|field| field.name == name);
    field.unwrap_or_else(|| panic!("no {name}")).value
}

#[test]
fn the_example_of_eip_712_has_its_digest_and_signature() {
    let expected = "be609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2";
    assert_eq!(digest(&mail()), expected);
    // As wallets take it: a text.
    assert_eq!(digest(&json!(mail().to_string())), expected);
    let read = typed_data(&mail()).expect("reads");
    // The key of the example is the hash of "cow".
    let key = atek_seed::Secret::new(keccak(b"cow"));
    let kind = crate::crypto::Kind::Secp256k1;
    let signed = crate::crypto::sign(kind, &key, &read.to_sign).expect("signed");
    assert_eq!(
        hex::encode(signed.bytes),
        "4355c47d63924e8a72e509b65029052eb6c299d53a04e167c5775fd466751c9d\
         07299936d304c153f6443dfa05f40ff007d72911b6f72307f996231605b91562"
    );
    assert_eq!(signed.recovery, Some(1));
}

#[test]
fn every_value_is_shown_with_its_place() {
    let words = typed_data(&mail()).expect("reads").description.words;
    assert_eq!(
        words,
        "sign Mail for Ether Mail (0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC on Ethereum): \
         it may allow anything there, also a payment"
    );
    assert_eq!(shown(&mail(), "message.to.name"), "Bob");
    assert_eq!(
        shown(&mail(), "message.from.wallet"),
        "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"
    );
    assert_eq!(shown(&mail(), "message.contents"), "Hello, Bob!");
    assert_eq!(shown(&mail(), "type"), "Mail");
    let rows = one("uint8[][2]", json!([[1, 2], []]));
    assert_eq!(shown(&rows, "message.x[0][1]"), "2");
    assert_eq!(shown(&rows, "message.x[1]"), "(empty)");
    // A domain without a chain holds on every one, and this is said.
    assert_eq!(shown(&rows, "chain"), "any");
    assert_eq!(
        shown(&one("string", json!("a\u{202e}b")), "message.x"),
        "a⟨U+202E⟩b"
    );
}

fn permit(primary: &str, members: Value, message: Value) -> Value {
    let mut payload = mail();
    payload["types"][primary] = members;
    payload["primaryType"] = primary.into();
    payload["message"] = message;
    payload
}

#[test]
fn allowances_are_said_plainly() {
    let spender = "0x1111111111111111111111111111111111111111";
    let most = format!("0x{}", "f".repeat(64));
    let members = json!([{ "name": "owner", "type": "address" }, { "name": "spender", "type": "address" },
        { "name": "value", "type": "uint256" }]);
    let words = |payload: &Value| typed_data(payload).expect("reads").description.words;
    let said = |value: &str| {
        let message = json!({ "owner": spender, "spender": spender, "value": value });
        words(&permit("Permit", members.clone(), message))
    };
    let unlimited = format!("let {spender} spend an unlimited amount of the token Ether Mail (");
    assert!(said(&most).starts_with(&unlimited), "{}", said(&most));
    assert!(said("1000").starts_with(&format!("let {spender} spend 1000 units of the token")));

    let members =
        json!([{ "name": "spender", "type": "address" }, { "name": "allowed", "type": "bool" }]);
    let message = json!({ "spender": spender, "allowed": true });
    assert!(words(&permit("Permit", members, message)).starts_with(&unlimited));

    let details =
        json!([{ "name": "token", "type": "address" }, { "name": "amount", "type": "uint160" }]);
    let one = json!({ "token": spender, "amount": format!("0x{}", "f".repeat(40)) });
    let members =
        json!([{ "name": "details", "type": "Details" }, { "name": "spender", "type": "address" }]);
    let mut single = permit(
        "PermitSingle",
        members,
        json!({ "spender": spender, "details": one }),
    );
    single["types"]["Details"] = details.clone();
    let expected = format!("let {spender} spend an unlimited amount of the token {spender}, by ");
    assert!(words(&single).starts_with(&expected), "{}", words(&single));

    let members = json!([{ "name": "details", "type": "Details[]" }, { "name": "spender", "type": "address" }]);
    let mut batch = permit(
        "PermitBatch",
        members,
        json!({ "spender": spender, "details": [one] }),
    );
    batch["types"]["Details"] = details;
    assert!(words(&batch).contains("spend unlimited amounts of several tokens"));

    // A text that is called the spender has no words of its own.
    let members =
        json!([{ "name": "spender", "type": "string" }, { "name": "value", "type": "uint256" }]);
    let message = json!({ "spender": "you", "value": 1 });
    assert!(words(&permit("Permit", members, message)).starts_with("sign Permit for "));
}

#[test]
fn what_is_not_typed_data_is_refused() {
    let refused = |payload: &Value, why: &str| {
        let error = typed_data(payload).expect_err("is refused").to_string();
        assert!(error.contains(why), "{error}");
    };
    let changed = |pointer: &str, value: Value| {
        let mut payload = mail();
        *payload.pointer_mut(pointer).expect("is there") = value;
        payload
    };
    refused(
        &changed("/primaryType", json!("Letter")),
        "no type \"Letter\"",
    );
    refused(
        &changed("/primaryType", json!("EIP712Domain")),
        "no message but its domain",
    );
    refused(
        &changed("/message/to", json!({ "name": "Bob" })),
        "\"to.wallet\" is missing",
    );
    refused(
        &changed("/message/to", Value::Null),
        "\"to\" is not an object",
    );
    refused(
        &changed("/types/Mail/0/type", json!("Persons")),
        "a type that is not known",
    );
    refused(
        &changed("/types/Mail/0/type", json!("Mail")),
        "contains itself",
    );
    refused(
        &changed("/types/Mail/0/type", json!("Mail[]")),
        "contains itself",
    );
    refused(&changed("/types/Mail/0/name", json!("to")), "twice there");
    refused(
        &changed("/types/Mail/0/name", json!("a b")),
        "a name that is none",
    );
    refused(
        &changed("/types/EIP712Domain/0/name", json!("title")),
        "not of EIP-712",
    );
    refused(
        &changed("/types/EIP712Domain/2/type", json!("uint8")),
        "not of EIP-712",
    );
    refused(&changed("/domain/chainId", json!("one")), "is no number");
    refused(
        &changed("/message/contents", json!("x".repeat(MAX_PAYLOAD))),
        "64 KiB",
    );
    let mut more = mail();
    more["message"]["amount"] = json!(5);
    refused(&more, "would not be signed");
    for name in [
        "uint256", "uint", "int7", "bytes33", "bool", "a(b)", "", "9a",
    ] {
        let mut named = mail();
        named["types"][name] = json!([]);
        refused(&named, "a name that is none");
    }
    let mut missing = mail();
    missing["types"]
        .as_object_mut()
        .expect("types")
        .remove("EIP712Domain");
    refused(&missing, "no type \"EIP712Domain\"");
    refused(&one("uint8[]", json!(vec![1; 201])), "more than 200 values");
    refused(
        &one("uint8[][][][][]", json!([])),
        "a type that is not known",
    );
    refused(&json!("[".repeat(10_000)), "no typed data");
}

#[test]
fn values_are_those_of_their_types() {
    let good = [
        ("uint8", json!(255), "255"),
        ("uint8", json!("0xff"), "255"),
        ("int8", json!(-128), "-128"),
        ("int8", json!("127"), "127"),
        (
            "uint256",
            json!("18446744073709551616"),
            "18446744073709551616",
        ),
        (
            "uint64",
            json!("18446744073709551615"),
            "18446744073709551615 (unlimited)",
        ),
        ("bytes4", json!("0x01020304"), "0x01020304"),
        ("bytes", json!("0x"), "0x"),
        ("bool", json!(false), "false"),
        ("string", json!(""), "(empty)"),
    ];
    for (kind, value, expected) in good {
        assert_eq!(shown(&one(kind, value), "message.x"), expected, "{kind}");
    }
    let wrong = [
        ("uint8", json!(256)),
        ("uint8", json!(-1)),
        ("uint8", json!("-0x1")),
        ("int8", json!(128)),
        ("int8", json!(-129)),
        ("int8", json!("-192")),
        // JavaScript would take it for another number.
        ("uint256", json!(9_007_199_254_740_993_u64)),
        ("uint256", json!(1.5)),
        ("uint256", json!(1e3)),
        ("uint256", json!(true)),
        ("uint7", json!(1)),
        ("uint08", json!(1)),
        ("uint", json!(1)),
        ("uint264", json!(1)),
        ("bytes0", json!("0x")),
        ("bytes4", json!("0x010203")),
        ("bytes4", json!("01020304")),
        ("bytes", json!("0x0")),
        ("bool", json!("true")),
        ("bool", json!(1)),
        ("string", json!(1)),
        ("address", json!("0x11")),
        (
            "address",
            json!("0xcD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"),
        ),
        ("uint8[2]", json!([1])),
        ("uint8[0]", json!([])),
        ("uint8[]", json!({})),
    ];
    for (kind, value) in wrong {
        let payload = one(kind, value);
        assert!(typed_data(&payload).is_err(), "{payload}");
    }
}

/// Many types with many ways through them take no time: each is looked at once a level.
#[test]
fn types_that_lie_in_one_another_many_times_are_refused_at_once() {
    let mut payload = one("A0", json!({}));
    for at in 0..40 {
        let next = format!("A{}", at + 1);
        let members: Vec<_> = (0..60)
            .map(|member| json!({ "name": format!("m{member}"), "type": next }))
            .collect();
        payload["types"][format!("A{at}")] = json!(members);
    }
    payload["types"]["A40"] = json!([]);
    let error = typed_data(&payload).expect_err("is refused").to_string();
    assert!(
        error.contains("64 KiB") || error.contains("16 deep"),
        "{error}"
    );
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[0-9a-fx-]{0,70}".prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map("[a-z]{1,3}", inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_value_is_read_or_refused(value in values(), kind in "(u?int(8|64|256)|bytes(4|32)?|bool|address|string|T|U)(\\[[0-3]?\\]){0,3}") {
        let mut payload = one(&kind, value.clone());
        payload["types"]["U"] = json!([{ "name": "a", "type": "uint8" }]);
        let _ = typed_data(&payload);
        let _ = typed_data(&value);
        let mut domain = mail();
        domain["domain"] = value;
        let _ = typed_data(&domain);
    }

    /// No two numbers come to one hash, and what is shown is the number that is hashed.
    #[test]
    fn another_number_is_another_hash(a: i64, b: i64) {
        let payload = |number: i64| one("int64", json!(number.to_string()));
        prop_assert_eq!(shown(&payload(a), "message.x"), a.to_string());
        prop_assert_eq!(a == b, digest(&payload(a)) == digest(&payload(b)));
    }
}
