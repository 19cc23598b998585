//! One line of a stream as a field.

use core::time::Duration;

/// A line that is not blank, as a field (HTML 9.2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field<'a> {
    Data(&'a [u8]),
    Name(&'a [u8]),
    Id(&'a [u8]),
    Retry(Duration),
    Comment(&'a [u8]),
    /// An unknown field, or one whose value must be ignored.
    Other,
}

impl<'a> Field<'a> {
    #[inline(always)]
    pub(super) fn of(line: &'a [u8]) -> Self {
        let field = match line {
            [b'd', b'a', b't', b'a', rest @ ..] => value(rest).map(Self::Data),
            [b'i', b'd', rest @ ..] => value(rest).and_then(id),
            [b'e', b'v', b'e', b'n', b't', rest @ ..] => value(rest).map(Self::Name),
            [b':', ..] => value(line).map(Self::Comment),
            [b'r', b'e', b't', b'r', b'y', rest @ ..] => {
                value(rest).and_then(milliseconds).map(Self::Retry)
            }
            _ => None,
        };
        field.unwrap_or(Self::Other)
    }
}

/// The value so far, if `line` is the beginning of a line of data. Directly after the
/// colon it is not known yet: a space can follow.
#[inline]
pub(super) fn partial_data(line: &[u8]) -> Option<&[u8]> {
    line.strip_prefix(b"data: ")
        .or_else(|| line.strip_prefix(b"data:").filter(|value| !value.is_empty()))
}

/// The value after a field's name: without the colon and one space. A line without a
/// colon is a name with an empty value.
#[inline]
fn value(after_name: &[u8]) -> Option<&[u8]> {
    match after_name {
        [b':', b' ', value @ ..] | [b':', value @ ..] | value @ [] => Some(value),
        _ => None,
    }
}

// "If the field value contains U+0000 NULL, then ... ignore the field."
fn id(value: &[u8]) -> Option<Field<'_>> {
    if value.contains(&0) { None } else { Some(Field::Id(value)) }
}

fn milliseconds(value: &[u8]) -> Option<Duration> {
    whole_number(value).map(Duration::from_millis)
}

/// The number that `digits` are. `None` if `digits` is empty, or has other characters. A number
/// that is too large counts as [`u64::MAX`].
pub(crate) fn whole_number(digits: &[u8]) -> Option<u64> {
    let mut number = None::<u64>;
    for byte in digits {
        if !byte.is_ascii_digit() {
            return None;
        }
        let digit = u64::from(byte - b'0');
        number = Some(number.unwrap_or(0).saturating_mul(10).saturating_add(digit));
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_begins_after_the_colon_and_one_space() {
        for (line, value) in [
            ("data", ""),
            ("data:", ""),
            ("data: ", ""),
            ("data:  ", " "),
            ("data:x", "x"),
            ("data: x", "x"),
            ("data::x", ":x"),
        ] {
            assert_eq!(Field::of(line.as_bytes()), Field::Data(value.as_bytes()), "{line:?}");
        }
    }

    #[test]
    fn the_whole_name_of_a_field_counts() {
        for line in ["dat", "data ", "data :x", " data:x", "Data:x", "datax:", "\u{feff}data:x"] {
            assert_eq!(Field::of(line.as_bytes()), Field::Other, "{line:?}");
        }
    }

    #[test]
    fn a_retry_that_is_not_all_digits_is_ignored() {
        for line in ["retry", "retry:", "retry: +1", "retry: 1 ", "retry:  1", "retry: 1.5"] {
            assert_eq!(Field::of(line.as_bytes()), Field::Other, "{line:?}");
        }
        for (line, millis) in [
            ("retry: 0", 0),
            ("retry:007", 7),
            ("retry: 18446744073709551615", u64::MAX),
            ("retry: 18446744073709551616", u64::MAX),
            ("retry: 99999999999999999999999999", u64::MAX),
        ] {
            let delay = Duration::from_millis(millis);
            assert_eq!(Field::of(line.as_bytes()), Field::Retry(delay), "{line:?}");
        }
    }

    #[test]
    fn an_id_with_nul_is_ignored() {
        assert_eq!(Field::of(b"id: a\0b"), Field::Other);
        assert_eq!(Field::of(b"id"), Field::Id(b""));
        assert_eq!(Field::of(b"event: a\0b"), Field::Name(b"a\0b"));
    }
}
