//! The decoder: what it hands out, what it refuses, and what it holds meanwhile.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use proptest::prelude::*;

use super::*;

const MAX: u32 = 1 << 20;

fn take(_: Header) -> Admit {
    Admit::Take
}

/// What a decoder found, without borrowing.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Frame(Tag, Vec<u8>),
    Refused(Header),
}

/// Feeds `input` as one read; each header with an odd tag is refused.
fn feed(decoder: &mut Decoder, mut input: &[u8], seen: &mut Vec<Seen>) -> Result<(), DecodeError> {
    let odd = |h: Header| if h.tag.as_byte() % 2 == 1 { Admit::Skip } else { Admit::Take };
    while let Some(decoded) = decoder.decode(&mut input, odd)? {
        seen.push(match decoded {
            Decoded::Frame(frame) => Seen::Frame(frame.tag, frame.payload.to_vec()),
            Decoded::Refused(header) => Seen::Refused(header),
        });
    }
    assert!(input.is_empty(), "needs more, but left {} bytes", input.len());
    Ok(())
}

fn frame(tag: u8, payload: &[u8]) -> Vec<u8> {
    let header = Header::of(Tag::from_byte(tag), payload.len());
    [&header.encode()[..], payload].concat()
}

#[test]
fn an_idle_decoder_is_small_and_holds_nothing() {
    let decoder = Decoder::new(MAX);
    assert!(size_of::<Decoder>() <= 48, "{}", size_of::<Decoder>());
    assert_eq!((decoder.held(), decoder.is_unfinished(), decoder.pending()), (0, false, None));
}

#[test]
fn a_frame_in_one_piece_is_not_copied() {
    let bytes = [frame(2, b"hello"), frame(4, b"")].concat();
    let (mut input, mut decoder) = (&bytes[..], Decoder::new(MAX));
    let Ok(Some(Decoded::Frame(frame))) = decoder.decode(&mut input, take) else { panic!() };
    assert_eq!(frame, Frame { tag: Tag::DATA, payload: b"hello" });
    assert_eq!(frame.payload.as_ptr(), bytes[5..].as_ptr());
    assert_eq!(decoder.held(), 0);
    let Ok(Some(Decoded::Frame(frame))) = decoder.decode(&mut input, take) else { panic!() };
    assert_eq!(frame, Frame { tag: Tag::MESSAGE, payload: b"" });
    assert_eq!(decoder.decode(&mut input, take), Ok(None));
}

#[test]
fn a_frame_cut_only_behind_its_header_is_not_copied_either() {
    let bytes = frame(2, b"hello");
    let mut decoder = Decoder::new(MAX);
    assert_eq!(decoder.decode(&mut &bytes[..5], take), Ok(None));
    assert_eq!(decoder.pending(), Some((5, 10)));
    let payload = &bytes[5..];
    let found = decoder.decode(&mut &bytes[5..], take);
    let Ok(Some(Decoded::Frame(frame))) = found else { panic!("{found:?}") };
    assert_eq!((frame.payload, frame.payload.as_ptr()), (payload, payload.as_ptr()));
    assert_eq!((decoder.is_unfinished(), decoder.held()), (false, 0));
}

#[test]
fn the_memory_of_a_cut_frame_goes_when_the_next_decode_begins() {
    let bytes = frame(2, &[7; 100]);
    let (mut first, mut second) = (&bytes[..50], &bytes[50..]);
    let mut decoder = Decoder::new(MAX);
    assert_eq!(decoder.decode(&mut first, take), Ok(None));
    assert!(decoder.is_unfinished());
    assert!(matches!(decoder.decode(&mut second, take), Ok(Some(Decoded::Frame(_)))));
    assert_eq!((decoder.is_unfinished(), decoder.held()), (false, 100));
    assert_eq!(decoder.decode(&mut second, take), Ok(None));
    assert_eq!(decoder.held(), 0);
}

#[test]
fn tag_zero_is_refused_before_its_length() {
    let mut decoder = Decoder::new(MAX);
    assert_eq!(decoder.decode(&mut &[0][..], take), Err(DecodeError::InvalidTag));
}

#[test]
fn a_length_over_the_bound_is_refused_before_its_payload() {
    let error = DecodeError::FrameTooLarge { length: MAX + 1, max_frame: MAX };
    let mut decoder = Decoder::new(MAX);
    let ask = |_| panic!("a frame that is refused anyway needs no admission");
    assert_eq!(decoder.decode(&mut &[2, 0, 0x10, 0, 1][..], ask), Err(error));
    assert_eq!(decoder.held(), 0);
    assert_eq!(error.to_string(), "a frame of 1048577 bytes, where at most 1048576 are allowed");
}

#[test]
fn the_largest_frame_is_whole_and_never_takes_more_than_it_announced() {
    let bytes = frame(2, &vec![9; MAX as usize]);
    let mut decoder = Decoder::new(MAX);
    for part in bytes.chunks(16 << 10) {
        let mut input = part;
        if let Some(Decoded::Frame(frame)) = decoder.decode(&mut input, take).unwrap() {
            assert_eq!(frame.payload, &bytes[5..]);
        }
        assert!(decoder.held() <= MAX as usize);
    }
    assert_eq!(decoder.held(), MAX as usize);
}

#[test]
fn an_announced_length_takes_no_memory() {
    let mut decoder = Decoder::new(u32::MAX);
    assert_eq!(decoder.decode(&mut &[2, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3][..], take), Ok(None));
    assert_eq!(decoder.held(), 6);
    assert_eq!(decoder.pending(), Some((8, 5 + 0xFFFF_FFFF)));
}

#[test]
fn a_refused_frame_is_reported_at_its_header_and_skipped_without_memory() {
    let mut decoder = Decoder::new(MAX);
    let header = Header { tag: Tag::from_byte(0x80), length: 100 };
    let skip = |_| Admit::Skip;
    assert_eq!(decoder.decode(&mut &header.encode()[..], skip), Ok(Some(Decoded::Refused(header))));
    assert_eq!(decoder.pending(), Some((5, 105)));
    assert_eq!(decoder.decode(&mut &[1; 60][..], skip), Ok(None));
    assert_eq!((decoder.pending(), decoder.held()), (Some((65, 105)), 0));
    let rest = [&[1; 40][..], &frame(2, b"a")].concat();
    let found = decoder.decode(&mut &rest[..], take).unwrap();
    assert_eq!(found, Some(Decoded::Frame(Frame { tag: Tag::DATA, payload: b"a" })));
}

#[test]
fn a_refused_frame_without_a_payload_is_over_at_once() {
    let mut decoder = Decoder::new(MAX);
    let bytes = frame(7, b"");
    let refused = decoder.decode(&mut &bytes[..], |_| Admit::Skip).unwrap();
    assert_eq!(refused, Some(Decoded::Refused(Header { tag: Tag::from_byte(7), length: 0 })));
    assert!(!decoder.is_unfinished());
}

#[test]
fn part_of_a_header_is_unfinished() {
    let mut decoder = Decoder::new(MAX);
    assert_eq!(decoder.decode(&mut &[2, 0][..], take), Ok(None));
    assert!(decoder.is_unfinished());
    assert_eq!((decoder.pending(), decoder.held()), (Some((2, 5)), 0));
}

fn frames() -> impl Strategy<Value = Vec<(u8, Vec<u8>)>> {
    let payload = prop::collection::vec(any::<u8>(), 0..200);
    prop::collection::vec((1..=u8::MAX, payload), 0..8)
}

proptest! {
    #[test]
    fn any_cut_gives_the_same_frames(frames in frames(), cuts in prop::collection::vec(1usize..40, 1..9)) {
        let bytes = frames.iter().flat_map(|(tag, payload)| frame(*tag, payload)).collect::<Vec<_>>();
        let (mut whole, mut pieces) = (Vec::new(), Vec::new());
        feed(&mut Decoder::new(MAX), &bytes, &mut whole).unwrap();
        let (mut decoder, mut rest, mut cut) = (Decoder::new(MAX), &bytes[..], cuts.iter().cycle());
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at((*cut.next().unwrap()).min(rest.len()));
            rest = behind;
            feed(&mut decoder, piece, &mut pieces).unwrap();
            let (arrived, announced) = decoder.pending().unwrap_or_default();
            prop_assert!(decoder.held() as u64 <= arrived * 2, "{} of {arrived}", decoder.held());
            prop_assert!(decoder.held() as u64 <= announced);
        }
        prop_assert!(!decoder.is_unfinished());
        prop_assert_eq!(&pieces, &whole);
        prop_assert_eq!(whole.len(), frames.len());
    }

    #[test]
    fn arbitrary_bytes_never_panic(reads: Vec<Vec<u8>>, max_frame in 0u32..300) {
        let mut decoder = Decoder::new(max_frame);
        for read in reads {
            if feed(&mut decoder, &read, &mut Vec::new()).is_err() {
                break;
            }
            prop_assert!(decoder.held() <= max_frame as usize);
        }
    }
}
