//! The bytes of one channel, with the ids of the merged stream.

use std::string::String;
use std::vec::Vec;

use super::id;
use super::part::Part;
use crate::channel::notice::MARK;
use crate::line::LineSplitter;

/// Appends the events of the part `nth` to `out`. Each has the id of its place in all channels, and a
/// notice has the name of its channel. Returns whether the client must be sent its position.
pub(super) fn rewrite(parts: &mut [Part], nth: usize, events: &[u8], out: &mut Vec<u8>) -> bool {
    let (mut splitter, mut rest) = (LineSplitter::default(), events);
    let (mut is_notice, mut lacks_position) = (false, false);
    let place = |parts: &mut [Part], id: &[u8]| {
        parts.iter_mut().skip(nth).take(1).for_each(|part| part.set_place(id));
    };
    let mut id = String::new();
    while let Some(line) = splitter.split_long(&mut rest) {
        match line {
            [MARK] => is_notice = true,
            [MARK, id @ ..] => {
                place(parts, id);
                lacks_position = true;
            }
            [b'i', b'd'] | [b'i', b'd', b':', ..] => {
                place(parts, value(line));
                id.clear();
                id::join(&mut id, parts.iter().map(Part::place));
                put_line(out, &[b"id: ", id.as_bytes()]);
            }
            [b'd', b'a', b't', b'a', b':', b' ', b'{', fields @ ..] if is_notice => {
                let name = parts.get(nth).map_or("", Part::name);
                put_line(out, &[b"data: {\"channel\":\"", name.as_bytes(), b"\",", fields]);
            }
            line => {
                is_notice &= !line.is_empty();
                put_line(out, &[line]);
            }
        }
    }
    out.extend_from_slice(rest);
    lacks_position
}

/// The value of a field (HTML 9.2.6).
fn value(line: &[u8]) -> &[u8] {
    let value = line.get(3..).unwrap_or_default();
    value.strip_prefix(b" ").unwrap_or(value)
}

fn put_line(out: &mut Vec<u8>, line: &[&[u8]]) {
    line.iter().for_each(|part| out.extend_from_slice(part));
    out.push(b'\n');
}
