//! Writes that cost less than those of tokio.

use std::io::{self, ErrorKind, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Writes slices, as many as are accepted at once. If they are small, they are copied into
/// one slice first, because that costs less than a vectored write.
pub fn poll_write_slices(
    io: Pin<&mut impl AsyncWrite>,
    slices: &[IoSlice<'_>],
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    if slices.iter().map(|slice| slice.len()).sum::<usize>() > SMALL {
        return io.poll_write_vectored(cx, slices);
    }
    let mut space = [const { MaybeUninit::uninit() }; SMALL];
    let mut copy = ReadBuf::uninit(&mut space);
    slices.iter().for_each(|slice| copy.put_slice(slice));
    io.poll_write(cx, copy.filled())
}

/// Writes what a socket accepts at once. A socket mostly accepts all, and then this costs
/// less than its `poll_write`.
pub(crate) fn poll_write_socket(
    socket: &mut TcpStream,
    bytes: &[u8],
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    match socket.try_write(bytes) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            Pin::new(socket).poll_write(cx, bytes)
        }
        written => Poll::Ready(written),
    }
}

/// Up to how many bytes are copied.
const SMALL: usize = 1024;
