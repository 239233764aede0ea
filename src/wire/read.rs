//! Reading fixed-size fields from the front of a payload, for every parser of a binary one.

/// Takes `N` bytes off the front, or returns `None` and leaves `input` as it is.
#[inline]
pub(super) fn take<const N: usize>(input: &mut &[u8]) -> Option<[u8; N]> {
    let (field, rest) = input.split_first_chunk()?;
    *input = rest;
    Some(*field)
}
