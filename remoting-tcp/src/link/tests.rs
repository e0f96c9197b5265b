//! Links over streams in memory that come in any pieces and go in any pieces.

use std::future::poll_fn;
use std::task::Waker;

use tokio::io::{AsyncWriteExt, duplex};

use super::*;

/// A stream that gives and takes a fixed number of bytes at a time, and counts writes.
struct Pieces {
    incoming: Vec<u8>,
    written: Vec<u8>,
    writes: usize,
    size: usize,
}

fn pieces(incoming: &[u8], size: usize) -> Pieces {
    Pieces {
        incoming: incoming.to_vec(),
        written: Vec::new(),
        writes: 0,
        size,
    }
}

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let count = self.size.min(self.incoming.len()).min(buffer.remaining());
        let rest = self.incoming.split_off(count);
        buffer.put_slice(&std::mem::replace(&mut self.incoming, rest));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pieces {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let all: Vec<u8> = slices
            .iter()
            .flat_map(|slice| slice.iter().copied())
            .collect();
        let count = self.size.min(all.len());
        self.written.extend_from_slice(&all[..count]);
        self.writes += 1;
        Poll::Ready(Ok(count))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Reset for Pieces {
    const HAS_BUFFER: bool = false;

    fn reset(self) {}
}

fn cx() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// Reads all that comes, to the end.
fn read_all<R: AsyncRead + Unpin + Send>(stream: R) -> Result<Vec<u8>, LinkError> {
    let (mut reader, mut buffer) = (StreamReader::new(stream), Vec::new());
    loop {
        match reader.poll_read(&mut cx(), &mut buffer) {
            Poll::Ready(Ok(0)) => return Ok(buffer),
            Poll::Ready(Ok(_)) => {}
            Poll::Ready(Err(error)) => return Err(error),
            Poll::Pending => panic!("all bytes are there"),
        }
    }
}

fn write_all(stream: Pieces, bytes: &[u8]) -> Pieces {
    let (mut writer, mut rest) = (StreamWriter::new(stream), bytes);
    while !rest.is_empty() {
        let Poll::Ready(Ok(count)) = writer.poll_write(&mut cx(), rest) else {
            panic!("there is always room")
        };
        assert!(
            count > 0,
            "zero would mean that the peer takes nothing more"
        );
        rest = &rest[count..];
    }
    writer.stream
}

/// A stream with a buffer, as TLS has one, over a socket that is full or broken.
struct Buffered {
    is_broken: bool,
}

impl AsyncWrite for Buffered {
    fn poll_write(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(match self.is_broken {
            true => Err(io::ErrorKind::BrokenPipe.into()),
            false => Ok(bytes.len()),
        })
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl Reset for Buffered {
    const HAS_BUFFER: bool = true;

    fn reset(self) {}
}

#[test]
fn what_a_stream_with_a_buffer_may_have_passed_on_is_known_though_it_was_not_said_to_be_taken() {
    for is_broken in [false, true] {
        let mut writer = StreamWriter::new(Buffered { is_broken });
        writer.preface = &[];
        assert_eq!(writer.kept_back(), 0);
        let written = writer.poll_write(&mut cx(), b"frame");
        assert_eq!(written.is_pending(), !is_broken);
        assert_eq!(writer.kept_back(), 5);
    }
}

#[test]
fn the_frames_after_the_preface_are_read_whatever_the_pieces() {
    let sent = [&PREFACE[..], b"the frames"].concat();
    for size in 1..=sent.len() {
        assert_eq!(
            read_all(pieces(&sent, size)).unwrap(),
            b"the frames",
            "pieces of {size}"
        );
    }
}

#[test]
fn bytes_that_the_buffer_held_before_stay_in_front() {
    let sent = [&PREFACE[..], b"new"].concat();
    let mut buffer = b"old ".to_vec();
    let mut reader = StreamReader::new(pieces(&sent, 3));
    assert!(matches!(
        reader.poll_read(&mut cx(), &mut buffer),
        Poll::Ready(Ok(1))
    ));
    assert_eq!(buffer, b"old n");
}

#[test]
fn a_connection_that_ends_at_once_just_ends() {
    assert_eq!(read_all(pieces(b"", 1)).unwrap(), b"");
    assert_eq!(read_all(pieces(&PREFACE, 3)).unwrap(), b"");
}

#[test]
fn a_connection_that_ends_within_the_preface_is_an_error() {
    assert!(matches!(
        read_all(pieces(&PREFACE[..5], 2)),
        Err(LinkError::Io(_))
    ));
}

#[test]
fn another_protocol_is_refused_whatever_the_pieces() {
    for size in 1..20 {
        let error = read_all(pieces(b"GET / HTTP/1.1\r\n\r\n", size)).unwrap_err();
        assert!(matches!(error, LinkError::NotOurProtocol(_)), "{error}");
    }
}

#[test]
fn the_preface_and_the_first_frames_leave_in_one_write() {
    let stream = write_all(pieces(b"", usize::MAX), b"the frames");
    assert_eq!(stream.written, [&PREFACE[..], b"the frames"].concat());
    assert_eq!(stream.writes, 1);
}

#[test]
fn the_preface_leaves_once_whatever_the_pieces() {
    for size in 1..20 {
        let stream = write_all(pieces(b"", size), b"the frames");
        assert_eq!(
            stream.written,
            [&PREFACE[..], b"the frames"].concat(),
            "pieces of {size}"
        );
    }
}

#[test]
fn no_read_takes_more_than_65_kib_and_a_quiet_reader_keeps_little() {
    let sent = [&PREFACE[..], &vec![1; 1_000_000]].concat();
    let mut reader = StreamReader::new(pieces(&sent, usize::MAX));
    let (mut buffer, mut total) = (Vec::new(), 0);
    while let Poll::Ready(Ok(count)) = reader.poll_read(&mut cx(), &mut buffer) {
        assert!(count <= MOST_ROOM);
        assert!(
            buffer.capacity() <= 2 * MOST_ROOM,
            "room for {} bytes",
            buffer.capacity()
        );
        total += count;
        buffer.clear();
        if count == 0 {
            break;
        }
    }
    assert_eq!(total, 1_000_000);
    assert!(reader.room <= MOST_ROOM / 2, "{}", reader.room);
}

#[test]
fn room_that_somebody_else_has_made_teaches_the_reader_nothing() {
    let sent = [&PREFACE[..], &vec![1; 1_000_000]].concat();
    let mut reader = StreamReader::new(pieces(&sent, usize::MAX));
    let mut buffer = Vec::new();
    while reader.room < MOST_ROOM {
        assert!(reader.poll_read(&mut cx(), &mut buffer).is_ready());
        buffer.clear();
    }
    buffer = Vec::with_capacity(5_000);
    buffer.push(0);
    assert!(reader.poll_read(&mut cx(), &mut buffer).is_ready());
    assert_eq!((buffer.len(), reader.room), (5_000, MOST_ROOM));
}

#[tokio::test]
async fn a_reader_that_waits_gives_a_large_buffer_back() {
    let (mut peer, stream) = duplex(1 << 20);
    let mut reader = StreamReader::new(stream);
    peer.write_all(&[&PREFACE[..], &[1; 100]].concat())
        .await
        .unwrap();
    let mut buffer = Vec::with_capacity(2 * KEPT);
    assert_eq!(
        poll_fn(|cx| reader.poll_read(cx, &mut buffer))
            .await
            .unwrap(),
        100
    );
    assert!(reader.poll_read(&mut cx(), &mut buffer).is_pending());
    assert_eq!(buffer.len(), 100, "what is not used yet is kept");
    buffer.clear();
    assert!(reader.poll_read(&mut cx(), &mut buffer).is_pending());
    assert_eq!(buffer.capacity(), 0);
}
