//! Expected values are those of `goavro` 2.15, which Argo Events reads with, and of `hamba/avro` 2.31, which it writes
//! with, unless a test says otherwise.

use serde_json::{Value, json};

use super::*;

fn schema(field: &str) -> Schema {
    Schema::parse(
        &format!(r#"{{"type":"record","name":"r","namespace":"n.s","fields":[{{"name":"f","type":{field}}}]}}"#),
        &[],
    )
    .unwrap()
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

const INNER: &str = r#"{"type":"record","name":"in","fields":[{"name":"a","type":"int"}]}"#;

#[test]
fn values_are_read_as_argo_events_reads_them() {
    for (field, binary, expected) in [
        (r#""int""#, "0d", "-7"),
        (r#""long""#, "feffffffffffffffff01", "9223372036854775807"),
        (r#""float""#, "cdcc8c3f", "1.1"),
        (r#""double""#, "9a9999999999f13f", "1.1"),
        (r#""double""#, "50efe2d6e41a4b44", "1e+21"),
        (r#""double""#, "0000000000000840", "3"),
        (r#""double""#, "48afbc9af2d77a3e", "1e-07"),
        (r#""double""#, "010000000000f87f", "null"),
        (r#""double""#, "000000000000f07f", "1e999"),
        (r#""double""#, "000000000000f0ff", "-1e999"),
        (r#""bytes""#, "080041ff22", r#""\u0000A"#),
        (r#""boolean""#, "01", "true"),
        (r#""null""#, "", "null"),
        (r#"["null","string"]"#, "00", "null"),
        (r#"["null","string"]"#, "020278", r#"{"string":"x"}"#),
        (
            r#"["null",{"type":"array","items":"int"}]"#,
            "0204020400",
            r#"{"array":[1,2]}"#,
        ),
        (
            r#"["null",{"type":"map","values":"int"}]"#,
            "0202026b0200",
            r#"{"map":{"k":1}}"#,
        ),
        (
            r#"["null",{"type":"long","logicalType":"timestamp-millis"}]"#,
            "02f6a1abfef962",
            r#"{"long.timestamp-millis":1700000000123}"#,
        ),
        (r#"{"type":"int","logicalType":"date"}"#, "b6b302", "19675"),
        (
            r#"["null",{"type":"bytes","logicalType":"decimal","precision":6,"scale":2}]"#,
            "02043039",
            r#"{"bytes.decimal":"09"}"#,
        ),
        (
            r#"{"type":"fixed","name":"fx","size":3}"#,
            "014142",
            r#""\u0001AB""#,
        ),
        (
            r#"["null",{"type":"fixed","name":"fx","size":3}]"#,
            "02014142",
            r#"{"n.s.fx":"\u0001AB"}"#,
        ),
        (
            r#"["null",{"type":"enum","name":"e","symbols":["A","B"]}]"#,
            "0202",
            r#"{"n.s.e":"B"}"#,
        ),
        (
            r#"["null",{"type":"string","logicalType":"uuid"}]"#,
            "020278",
            r#"{"string":"x"}"#,
        ),
        (
            r#"{"type":"map","values":"string"}"#,
            "02026b027600",
            r#"{"k":"v"}"#,
        ),
    ] {
        let json = schema(field).read(&bytes(binary)).unwrap();
        let json = String::from_utf8(json).unwrap();
        let expected = format!(r#"{{"f":{expected}"#);
        assert!(
            json.starts_with(&expected),
            "{field}: {json}, not {expected}"
        );
    }
    let with_record = schema(&format!(r#"["null",{INNER}]"#)).read(&bytes("0202"));
    assert_eq!(with_record.unwrap(), br#"{"f":{"n.s.in":{"a":1}}}"#);
}

#[test]
fn a_byte_is_a_character() {
    let json = schema(r#""bytes""#).read(&bytes("080041ff22")).unwrap();
    let json: Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json, json!({"f": "\u{0}A\u{ff}\""}));
}

#[test]
fn a_schema_may_be_of_itself_and_of_others() {
    let list = r#"{"type":"record","name":"Node","fields":[
        {"name":"v","type":"int"},{"name":"next","type":["null","Node"]}]}"#;
    let list = Schema::parse(list, &[]).unwrap();
    let json = br#"{"v":1,"next":{"Node":{"v":2,"next":null}}}"#;
    assert_eq!(list.read(&bytes("02020400")).unwrap(), json);

    let known = [r#"{"type":"enum","name":"a.Color","symbols":["RED","BLUE"]}"#.to_owned()];
    let car = r#"{"type":"record","name":"a.Car","fields":[{"name":"c","type":"Color"}]}"#;
    let car = Schema::parse(car, &known).unwrap();
    assert_eq!(car.read(&[2]).unwrap(), br#"{"c":"BLUE"}"#);
    assert_eq!(car.write(&json!({"c": "BLUE"})).unwrap(), [2]);
}

#[test]
fn what_a_schema_lacks_is_named() {
    for (text, expected) in [
        (
            "{",
            "the schema is no JSON: EOF while parsing an object at line 1 column 1",
        ),
        (r#""Car""#, "the schema names Car, which it does not define"),
        (
            r#"{"type":"array"}"#,
            "a schema of the type array has no items",
        ),
        (r#"{"type":"record","name":"a.b"}"#, "a.b has no fields"),
        (
            r#"{"type":"fixed","size":1}"#,
            "a schema of the type fixed has no name",
        ),
        ("7", "7 is no schema"),
    ] {
        let error = Schema::parse(text, &[]).unwrap_err();
        assert_eq!(error.to_string(), expected, "{text}");
    }
    let deep = format!("{}\"int\"{}", r#"{"type":"#.repeat(120), "}".repeat(120));
    assert!(Schema::parse(&deep, &[]).is_ok());
}

#[test]
fn hostile_bytes_end_in_an_error() {
    let array = schema(r#"{"type":"array","items":"null"}"#);
    // 2^62 nulls in nine bytes.
    assert_eq!(
        array.read(&bytes("808080808080808080010200")),
        Err(ReadError::Size)
    );
    let text = schema(r#""string""#);
    assert_eq!(text.read(&bytes("fe07")), Err(ReadError::End));
    let below = ReadError::Number("a size is below 0");
    assert_eq!(text.read(&bytes("01")), Err(below));
    assert_eq!(text.read(&bytes("0278ff")), Err(ReadError::Rest));
    assert_eq!(
        text.read(&[0xff; 11]),
        Err(ReadError::Number("a long has over 64 bits"))
    );
    let list = r#"{"type":"record","name":"N","fields":[{"name":"n","type":["null","N"]}]}"#;
    let list = Schema::parse(list, &[]).unwrap();
    assert_eq!(list.read(&[2; 10_000]), Err(ReadError::Depth));
}

#[test]
fn values_are_written_as_argo_events_writes_them_and_more_of_them() {
    for (field, value, expected) in [
        (r#""double""#, json!(1.5), "000000000000f83f"),
        (r#""string""#, json!("x"), "0278"),
        (r#"["null","string"]"#, json!("x"), "020278"),
        (r#"["null","string"]"#, json!({"string": "x"}), "020278"),
        (r#"["null","string"]"#, Value::Null, "00"),
        (
            r#"{"type":"enum","name":"e","symbols":["A","B"]}"#,
            json!("B"),
            "02",
        ),
        (
            r#"["string","double"]"#,
            json!({"double": 1.5}),
            "02000000000000f83f",
        ),
        (r#"["string","double"]"#, json!(1.5), "02000000000000f83f"),
        // As a whole number, bytes, or a record without its name, `hamba/avro` refuses what it is given.
        (r#""int""#, json!(-7), "0d"),
        (r#""int""#, json!(7.0), "0e"),
        (r#""long""#, json!(1_700_000_000_123_i64), "f6a1abfef962"),
        (r#""float""#, json!(1.5), "0000c03f"),
        (r#"["null","int"]"#, json!(3), "0206"),
        (r#""bytes""#, json!("A\u{ff}"), "0441ff"),
        (
            r#"{"type":"fixed","name":"fx","size":3}"#,
            json!("abc"),
            "616263",
        ),
        // Without the size of the block, which nobody needs.
        (
            r#"{"type":"array","items":"string"}"#,
            json!(["a"]),
            "02026100",
        ),
        (r#"{"type":"array","items":"string"}"#, json!([]), "00"),
        (
            r#"{"type":"map","values":"string"}"#,
            json!({"k": "v"}),
            "02026b027600",
        ),
    ] {
        let binary = schema(field).write(&json!({"f": value, "extra": 1}));
        assert_eq!(binary, Ok(bytes(expected)), "{field} {value}");
    }
    let inner = schema(&format!(r#"["null",{INNER}]"#));
    for value in [json!({"f": {"a": 1}}), json!({"f": {"n.s.in": {"a": 1}}})] {
        assert_eq!(inner.write(&value), Ok(vec![2, 2]), "{value}");
    }
    let defaults = r#"{"type":"record","name":"r","fields":[{"name":"f","type":"string","default":"d"},
        {"name":"g","type":["null","string"],"default":null}]}"#;
    let defaults = Schema::parse(defaults, &[]).unwrap();
    assert_eq!(defaults.write(&json!({})), Ok(bytes("026400")));
}

#[test]
fn what_does_not_fit_says_where() {
    for (field, value, expected) in [
        (r#""int""#, json!({"f": 1.5}), "f: 1.5 is no int"),
        (
            r#""int""#,
            json!({"f": 2_147_483_648_i64}),
            "f: 2147483648 is no int",
        ),
        (
            r#""string""#,
            json!({}),
            "f: is missing, and the schema has no default for it",
        ),
        (
            r#""string""#,
            json!(["x"]),
            "the message: an array is no object",
        ),
        (
            r#"["null","int"]"#,
            json!({"f": "x"}),
            "f: \"x\" is none of null, int",
        ),
        (
            r#"{"type":"array","items":"boolean"}"#,
            json!({"f": [true, 0]}),
            "f.1: 0 is no boolean",
        ),
        (
            r#"{"type":"enum","name":"e","symbols":["A","B"]}"#,
            json!({"f": "C"}),
            "f: \"C\" is no symbol of A, B",
        ),
        (INNER, json!({"f": {"a": null}}), "f.a: null is no int"),
    ] {
        let error = schema(field).write(&value).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}
