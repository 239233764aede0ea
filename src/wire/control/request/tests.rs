//! Requests: what each may say, what it may not, and what the refusal still knows.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::wire::Code;

fn op(json: &str) -> Op {
    Request::parse(json.as_bytes()).unwrap_or_else(|e| panic!("{json}: {e}")).op
}

fn join(fields: &str) -> Join {
    match op(&format!(r#"{{"op":"join","room_id":"a"{fields}}}"#)) {
        Op::Join(join) => join,
        other => panic!("{other:?}"),
    }
}

/// Refuses `json`, gives back its id 1, and says why in words that contain `word`.
fn bad(json: &str, word: &str) {
    let error = Request::parse(json.as_bytes()).expect_err(json);
    assert_eq!(error.code(), Code::BadControl, "{json}: {error}");
    assert_eq!(error.id(), Some(&RequestId::Number(1)), "{json}: {error}");
    assert!(error.to_string().contains(word), "{json}: {error}");
}

fn bad_join(fields: &str, word: &str) {
    bad(&format!(r#"{{"id":1,"op":"join","room_id":"a",{fields}}}"#), word);
}

#[test]
fn hello_has_only_optional_fields() {
    assert_eq!(op(r#"{"op":"hello"}"#), Op::Hello(Hello::default()));
    let full = op(
        r#"{"op":"hello","user_id":"ann","client_id":"c","token":"t","features":["x","y"],"new":[{}]}"#,
    );
    let hello = Hello {
        user_id: UserId::new("ann"),
        client_id: ClientId::new("c"),
        token: Some("t".into()),
        features: vec!["x".into(), "y".into()],
    };
    assert_eq!(full, Op::Hello(hello));
}

#[test]
fn a_plain_join_hears_what_comes_after_it_as_data() {
    let plain = Join {
        room_id: RoomName::new("a").unwrap(),
        user_id: None,
        deliver: Deliver::Data,
        start: Start::Live,
        echo: true,
    };
    assert_eq!(join(""), plain);
}

#[test]
fn a_join_says_where_it_starts() {
    assert_eq!(join(r#","from":7"#).start, Start::Seq(Seq(7)));
    assert_eq!(join(r#","from":"earliest""#).start, Start::Earliest);
    assert_eq!(join(r#","from":{"last":3}"#).start, Start::Last(3));
    let start = join(r#","after":{"epoch":"e","seq":0,"time_ms":9007199254740991}"#).start;
    let after = Start::After { epoch: "e".into(), seq: Seq(0), time_ms: (1 << 53) - 1 };
    assert_eq!(start, after);
}

#[test]
fn a_join_that_contradicts_itself_is_refused() {
    bad_join(r#""from":1,"after":{"epoch":"e","seq":1,"time_ms":1}"#, "exclude");
    bad_join(r#""echo":false,"deliver":"message""#, "echo");
    assert!(!join(r#","echo":false"#).echo);
    assert_eq!(join(r#","echo":false,"deliver":"none""#).deliver, Deliver::None);
}

#[test]
fn a_field_of_the_wrong_type_is_refused_by_name() {
    for (field, value) in [
        ("user_id", "null"),
        ("user_id", "7"),
        ("deliver", "\"all\""),
        ("deliver", "null"),
        ("echo", "\"true\""),
        ("echo", "null"),
        ("from", "-1"),
        ("from", "1.5"),
        ("from", "1.0"),
        ("from", "null"),
        ("from", "\"latest\""),
        ("from", "{}"),
        ("from", r#"{"last":-1}"#),
        ("from", "9007199254740992"),
        ("from", "18446744073709551616"),
        ("after", "\"a\""),
        ("after", "null"),
        ("after", r#"{"epoch":"e","seq":1}"#),
        ("after", r#"{"epoch":1,"seq":1,"time_ms":1}"#),
        ("after", r#"{"epoch":"e","seq":1,"seq":1,"time_ms":1}"#),
    ] {
        bad_join(&format!("\"{field}\":{value}"), field);
    }
    bad_join(r#""after":{"epoch":"e","seq":9007199254740992,"time_ms":1}"#, "seq");
    bad_join(r#""after":{"epoch":"e","seq":1,"time_ms":9007199254740992}"#, "time_ms");
    bad(r#"{"id":1,"op":7}"#, "op");
    bad(r#"{"id":1}"#, "op is missing");
    bad(r#"{"id":1,"op":"join"}"#, "room_id is missing");
    bad(r#"{"id":1,"op":"leave","room_id":null}"#, "room_id");
    bad(r#"{"id":1,"op":"token_refresh"}"#, "token is missing");
    bad(r#"{"id":1,"op":"hello","features":["a",1]}"#, "features");
    bad(r#"{"id":1,"op":"hello","features":{}}"#, "features");
    bad(r#"{"id":1,"op":"hello","client_id":""}"#, "client_id");
}

#[test]
fn a_list_has_1_to_1000_entries() {
    let limit = |json: &str| match op(json) {
        Op::Rooms { limit, .. } | Op::Members { limit, .. } => limit,
        other => panic!("{other:?}"),
    };
    assert_eq!(limit(r#"{"op":"rooms"}"#), 1000);
    assert_eq!(limit(r#"{"op":"members","room_id":"a","limit":1}"#), 1);
    assert_eq!(limit(r#"{"op":"rooms","limit":9007199254740991}"#), 1000);
    for wrong in ["0", "-1", "1.5", "\"9\"", "null", "9007199254740992", "1e3"] {
        bad(&format!(r#"{{"id":1,"op":"rooms","limit":{wrong}}}"#), "limit");
    }
    let page = op(r#"{"op":"rooms","limit":2,"after":"lobby"}"#);
    assert_eq!(page, Op::Rooms { limit: 2, after: Some("lobby".into()) });
    bad(r#"{"id":1,"op":"rooms","after":{"epoch":"e"}}"#, "after");
}

#[test]
fn the_other_requests_are_read() {
    assert_eq!(op(r#"{"op":"stats"}"#), Op::Stats);
    assert_eq!(op("{\"\\u006fp\":\"stat\\u0073\"}"), Op::Stats);
    assert_eq!(op(r#"{"op":"token_refresh","token":"t"}"#), Op::TokenRefresh { token: "t".into() });
    let room_id = RoomName::new("a").unwrap();
    assert_eq!(op(r#"{"op":"leave","room_id":"a"}"#), Op::Leave { room_id });
}

#[test]
fn a_field_of_another_request_is_unknown_and_so_ignored() {
    assert_eq!(op(r#"{"op":"stats","user_id":5,"limit":null,"x":[1.5,{"y":null}]}"#), Op::Stats);
}

#[test]
fn a_known_field_twice_or_a_reserved_one_is_refused() {
    bad(r#"{"id":1,"op":"stats","op":"stats"}"#, "op is there twice");
    bad("{\"id\":1,\"op\":\"stats\",\"\\u006fp\":\"stats\"}", "op is there twice");
    bad(r#"{"id":1,"op":"stats","id":1}"#, "id is there twice");
    bad(r#"{"id":1,"op":"stats","group":null}"#, "group");
    assert_eq!(op(r#"{"op":"stats","x":1,"x":2}"#), Op::Stats);
}

#[test]
fn bad_names_have_their_own_codes() {
    let code = |json: &str| Request::parse(json.as_bytes()).unwrap_err().code();
    for room in ["", "*", ">", "a b", "a\\nb", "../x", "\u{430}", &"x".repeat(65)] {
        let json = format!(r#"{{"op":"join","room_id":"{room}"}}"#);
        assert_eq!(code(&json), Code::BadRoom, "{json}");
    }
    for user in ["", "a\\u0000", "\\u009b", &"x".repeat(65)] {
        let json = format!(r#"{{"op":"hello","user_id":"{user}"}}"#);
        assert_eq!(code(&json), Code::BadUser, "{json}");
    }
}

#[test]
fn an_id_is_a_short_text_or_any_integer_kept_exactly() {
    let id = |id: &str| Request::parse(format!(r#"{{"op":"stats","id":{id}}}"#).as_bytes());
    let longest = "x".repeat(64);
    let text = RequestId::Text(longest.as_str().into());
    assert_eq!(id(&format!("\"{longest}\"")).unwrap().id, Some(text));
    assert_eq!(id("18446744073709551615").unwrap().id, Some(RequestId::Number(u64::MAX)));
    assert_eq!(id("-9223372036854775808").unwrap().id, Some(RequestId::Negative(i64::MIN)));
    let long = format!("\"{longest}x\"");
    for wrong in ["null", "true", "1.5", "18446744073709551616", "[]", "{}", &long] {
        let error = id(wrong).unwrap_err();
        assert_eq!((error.code(), error.id()), (Code::BadControl, None), "{wrong}");
        assert!(error.to_string().starts_with("id must"), "{error}");
    }
}

#[test]
fn what_is_not_one_object_is_refused() {
    for bad in [
        "",
        "[]",
        "1",
        "null",
        "\"op\"",
        "{",
        "{]",
        r#"{"op":"stats"} x"#,
        r#"{"op":"stats"}{}"#,
        "\u{feff}{\"op\":\"stats\"}",
        r#"{"op":"stats","a":1e400}"#,
        r#"{"op":"stats","a":"\uD800"}"#,
        r#"{"op":"stats","\uDFFF":1}"#,
        r#"{"op":"stats","a":[{"b":"\uD800x"}]}"#,
        r#"{"op":"stats",}"#,
        "{\"op\":\"stats\",\"a\":\"\n\"}",
    ] {
        let error = Request::parse(bad.as_bytes()).expect_err(bad);
        assert_eq!(error.code(), Code::BadControl, "{bad}: {error}");
    }
    let not_text = b"{\"op\":\"stats\",\"a\":\"\xFF\"}";
    assert_eq!(Request::parse(not_text).unwrap_err().to_string(), "not UTF-8");
}

#[test]
fn the_id_survives_an_error_behind_it() {
    bad(r#"{"id":1,"op":"stats"} x"#, "line 1, column 23");
    bad(r#"{"id":1,"op":"stats","a":1e400}"#, "not one JSON object");
    bad(r#"{"id":1,"op":"sta"#, "too early");
}

#[test]
fn nesting_ends_at_16() {
    let nested = |levels: usize| {
        let (open, close) = ("[".repeat(levels), "]".repeat(levels));
        format!(r#"{{"id":1,"op":"stats","brackets":"[[[[\"[[[[[[[[[[[[[[","a":{open}{close}}}"#)
    };
    assert_eq!(op(&nested(15)), Op::Stats);
    bad(&nested(16), "nested deeper than 16");
    bad(&nested(1000), "nested deeper than 16");
}

#[test]
fn a_payload_ends_at_16_kib() {
    let payload = |len: usize| format!("{:len$}", r#"{"op":"stats"}"#);
    assert_eq!(op(&payload(16 << 10)), Op::Stats);
    let error = Request::parse(payload((16 << 10) + 1).as_bytes()).unwrap_err();
    assert_eq!(error.to_string(), "over 16384 bytes");
}

#[test]
fn the_worst_payloads_are_refused_quickly() {
    let inner = r#"{"a":"#.repeat(3000);
    let strings = format!(r#"{{"features":[{}"#, "\"\",".repeat(5000));
    let keys = format!("{{{}", "\"op\":{},".repeat(2000));
    for payload in ["[".repeat(16000), inner, strings, keys] {
        #[expect(clippy::disallowed_methods, reason = "a test measures itself")]
        let begin = Instant::now();
        assert!(Request::parse(payload.as_bytes()).is_err());
        // 5 ms is the promise for a release build; here there is a debug build on a busy machine.
        assert!(begin.elapsed() < Duration::from_millis(100), "{:?}", begin.elapsed());
    }
}

#[test]
fn an_error_repeats_only_a_short_escaped_piece_of_the_input() {
    let long = "\\u001b[2J\\n".repeat(1000);
    for json in [
        format!(r#"{{"op":"{long}"}}"#),
        format!(r#"{{"op":"join","room_id":"{long}"}}"#),
        format!(r#"{{"op":"join","room_id":"a","deliver":"{long}"}}"#),
        format!(r#""{long}""#),
        format!(r#"{{"{long}":1}}"#),
    ] {
        let text = Request::parse(json.as_bytes()).unwrap_err().to_string();
        assert!(text.len() <= 400 && !text.contains(char::is_control), "{text}");
    }
    let error = Request::parse(r#"{"op":"st\u001bats\"","id":"x"}"#.as_bytes()).unwrap_err();
    assert_eq!(error.code(), Code::UnknownOp);
    assert_eq!(error.to_string(), r#"there is no op "st\u{1b}ats\"""#);
    assert_eq!(error.id(), Some(&RequestId::Text("x".into())));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(payload: Vec<u8>, json in r#"[\[\]{}":,0-9a-z\\ ]{0,60}"#) {
        let _ = Request::parse(&payload);
        let _ = Request::parse(json.as_bytes());
        let _ = Request::parse(format!(r#"{{"op":"join","room_id":"a",{json}}}"#).as_bytes());
    }

    #[test]
    fn any_text_is_a_token(token: String) {
        let json = serde_json::json!({ "op": "token_refresh", "token": token }).to_string();
        if json.len() <= 16 << 10 {
            prop_assert_eq!(op(&json), Op::TokenRefresh { token });
        }
    }
}
