//! A pipe polled by hand: order, back pressure, wake-ups, ends.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use super::*;

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn waker() -> (Arc<Wakes>, Waker) {
    let wakes = Arc::new(Wakes::default());
    (Arc::clone(&wakes), Waker::from(wakes))
}

fn write(link: &mut Link, bytes: &[u8]) -> Poll<io::Result<usize>> {
    link.writer
        .poll_write(&mut Context::from_waker(Waker::noop()), bytes)
}

fn read(link: &mut Link, buffer: &mut Vec<u8>) -> Poll<Result<usize, LinkError>> {
    link.reader
        .poll_read(&mut Context::from_waker(Waker::noop()), buffer)
}

#[test]
fn what_one_end_writes_the_other_reads() {
    let (mut left, mut right) = pipe();
    let mut buffer = b"kept ".to_vec();
    assert!(matches!(write(&mut left, b"there"), Poll::Ready(Ok(5))));
    assert!(matches!(read(&mut right, &mut buffer), Poll::Ready(Ok(5))));
    assert_eq!(buffer, b"kept there");
    assert!(matches!(write(&mut right, b"and back"), Poll::Ready(Ok(8))));
    assert!(matches!(read(&mut left, &mut buffer), Poll::Ready(Ok(8))));
    assert_eq!(buffer, b"kept thereand back");
    assert!(read(&mut left, &mut buffer).is_pending());
}

#[test]
fn a_waiting_reader_is_woken_by_bytes() {
    let (mut left, mut right) = pipe();
    let (wakes, waker) = waker();
    let mut buffer = Vec::new();
    assert!(
        right
            .reader
            .poll_read(&mut Context::from_waker(&waker), &mut buffer)
            .is_pending()
    );
    assert!(write(&mut left, b"x").is_ready());
    assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
}

#[test]
fn a_full_pipe_makes_its_writer_wait_until_some_of_it_is_read() {
    let (mut left, mut right) = pipe();
    let (wakes, waker) = waker();
    let bytes = vec![7; CAPACITY + 1];
    assert!(matches!(
        write(&mut left, &bytes),
        Poll::Ready(Ok(CAPACITY))
    ));
    assert!(
        left.writer
            .poll_write(&mut Context::from_waker(&waker), &bytes)
            .is_pending()
    );
    let mut buffer = Vec::new();
    assert!(matches!(
        read(&mut right, &mut buffer),
        Poll::Ready(Ok(READ_AT_MOST))
    ));
    assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
    assert!(matches!(
        write(&mut left, &bytes),
        Poll::Ready(Ok(READ_AT_MOST))
    ));
}

#[test]
fn bytes_that_were_under_way_are_read_before_the_end() {
    let (mut left, mut right) = pipe();
    assert!(write(&mut left, b"last words").is_ready());
    drop(left);
    let mut buffer = Vec::new();
    assert!(matches!(read(&mut right, &mut buffer), Poll::Ready(Ok(10))));
    assert!(matches!(read(&mut right, &mut buffer), Poll::Ready(Ok(0))));
}

#[test]
fn an_end_that_goes_away_wakes_the_other() {
    let (left, mut right) = pipe();
    let (wakes, waker) = waker();
    let mut buffer = Vec::new();
    assert!(
        right
            .reader
            .poll_read(&mut Context::from_waker(&waker), &mut buffer)
            .is_pending()
    );
    drop(left);
    assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
    let Poll::Ready(Err(error)) = write(&mut right, b"x") else {
        panic!("nobody could read it")
    };
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}

#[test]
fn one_direction_may_be_closed_alone() {
    let (mut left, mut right) = pipe();
    assert!(
        left.writer
            .poll_close(&mut Context::from_waker(Waker::noop()))
            .is_ready()
    );
    let mut buffer = Vec::new();
    assert!(matches!(read(&mut right, &mut buffer), Poll::Ready(Ok(0))));
    assert!(matches!(write(&mut right, b"still"), Poll::Ready(Ok(5))));
    assert!(matches!(read(&mut left, &mut buffer), Poll::Ready(Ok(5))));
}
