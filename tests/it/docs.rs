//! Goal: the examples in docs/protocol.md are true. Method: read each line of its `hex` blocks as a frame,
//! and each line of its conversation as JSON.

/// The contract, as it is shipped.
const PROTOCOL: &str = include_str!("../../docs/protocol.md");

/// The lines of every block that begins with this fence.
fn block_lines(fence: &str) -> Vec<&'static str> {
    let mut inside = None;
    let lines = PROTOCOL.lines().filter(|line| {
        match (inside, line.strip_prefix("```")) {
            (Some(_), Some(_)) => inside = None,
            (None, Some(_)) => inside = Some(*line),
            (block, None) => return block == Some(fence),
        }
        false
    });
    lines.collect()
}

/// The bytes at the start of a line, up to the first word that is none.
fn bytes(line: &str) -> Vec<u8> {
    let byte = |word: &str| match word.len() {
        2 => u8::from_str_radix(word, 16).ok(),
        _ => None,
    };
    line.split_whitespace().map_while(byte).collect()
}

#[test]
fn every_frame_is_as_long_as_it_says() {
    let lines = block_lines("```hex");
    assert!(lines.len() >= 11, "{lines:?}");
    for line in lines {
        let frame = bytes(line);
        let (header, payload) = frame.split_at_checked(5).expect(line);
        let length = u32::from_be_bytes(header[1..].try_into().unwrap());
        assert_eq!(length as usize, payload.len(), "{line}");
    }
}

#[test]
fn every_line_of_the_conversation_is_json_with_an_op() {
    let lines = block_lines("```");
    assert!(lines.len() >= 5, "{lines:?}");
    for line in lines {
        let text = line.strip_prefix("> ").or_else(|| line.strip_prefix("< ")).expect(line);
        let value: serde_json::Value = serde_json::from_str(text).expect(line);
        assert!(value["op"].is_string(), "{line}");
    }
}
