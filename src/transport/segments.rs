//! Several shared byte ranges sent as one DATA frame.
//!
//! A message is a small prefix and a payload that many streams share. As two DATA frames they
//! would cost two headers and, at clients that budget small frames (RUSTSEC-2026-0258), a chance
//! to be cut off; joined by copying they would cost a copy per stream. So a frame's payload is a
//! list.

use std::{collections::VecDeque, io::IoSlice, mem};

use bytes::{Buf, Bytes};

/// A `Buf` over a sequence of `Bytes`. Two of them are held without an allocation.
///
/// Invariant: an empty `first` means that all is empty; an empty `second` that `rest` is.
#[derive(Debug, Default)]
pub(super) struct Segments {
    first: Bytes,
    second: Bytes,
    rest: VecDeque<Bytes>,
    len: usize,
}

impl Segments {
    /// Appends a range; an empty one is ignored.
    pub(super) fn push(&mut self, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        self.len += bytes.len();
        if self.first.is_empty() {
            self.first = bytes;
        } else if self.second.is_empty() {
            self.second = bytes;
        } else {
            self.rest.push_back(bytes);
        }
    }

    /// Total length in bytes.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Whether no byte is left.
    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Takes at most `n` bytes off the front; shares them, copies nothing.
    pub(super) fn take_front(&mut self, n: usize) -> Self {
        if n >= self.len {
            return mem::take(self);
        }
        let mut front = Self::default();
        while front.len < n {
            let want = n - front.len;
            if self.first.len() > want {
                self.len -= want;
                front.push(self.first.split_to(want));
            } else {
                front.push(self.pop());
            }
        }
        front
    }

    fn pop(&mut self) -> Bytes {
        let second = mem::replace(&mut self.second, self.rest.pop_front().unwrap_or_default());
        let first = mem::replace(&mut self.first, second);
        self.len -= first.len();
        first
    }
}

impl Buf for Segments {
    fn remaining(&self) -> usize {
        self.len
    }

    fn chunk(&self) -> &[u8] {
        &self.first
    }

    fn chunks_vectored<'a>(&'a self, dst: &mut [IoSlice<'a>]) -> usize {
        let mut filled = 0;
        let parts = [&self.first, &self.second];
        let parts = parts.into_iter().chain(&self.rest);
        for (slot, part) in dst.iter_mut().zip(parts.filter(|part| !part.is_empty())) {
            *slot = IoSlice::new(part);
            filled += 1;
        }
        filled
    }

    fn advance(&mut self, mut n: usize) {
        assert!(n <= self.len, "advance stays inside the buffer");
        while n > 0 {
            if self.first.len() > n {
                self.first.advance(n);
                self.len -= n;
                return;
            }
            n -= self.pop().len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(parts: &[&'static str]) -> Segments {
        let mut segments = Segments::default();
        for part in parts {
            segments.push(Bytes::from_static(part.as_bytes()));
        }
        segments
    }

    fn text(mut segments: Segments) -> String {
        let bytes = segments.copy_to_bytes(segments.remaining());
        String::from_utf8(bytes.to_vec()).expect("test data is ascii")
    }

    #[test]
    fn splits_anywhere_without_losing_a_byte() {
        let whole = "abcdefghij";
        for n in 0..=whole.len() {
            let mut back = of(&["ab", "", "cde", "f", "ghij"]);
            let front = back.take_front(n);
            assert_eq!(front.len(), n);
            assert_eq!(back.len(), whole.len() - n);
            assert_eq!(back.is_empty(), n == whole.len());
            assert_eq!(
                (text(front), text(back)),
                (whole[..n].into(), whole[n..].into())
            );
        }
    }

    #[test]
    fn shares_the_bytes_it_was_given() {
        let payload = Bytes::from(vec![7; 100]);
        let mut segments = Segments::default();
        segments.push(Bytes::from_static(b"head"));
        segments.push(payload.clone());
        let front = segments.take_front(54);
        assert_eq!(front.second.as_ptr(), payload.as_ptr());
        assert_eq!(segments.first.as_ptr(), payload[50..].as_ptr());
    }

    #[test]
    fn shows_all_parts_to_a_vectored_write() {
        let segments = of(&["ab", "cde", "f", "ghij"]);
        let mut slices = [IoSlice::new(&[]); 8];
        let n = segments.chunks_vectored(&mut slices);
        let seen: Vec<&[u8]> = slices[..n].iter().map(|slice| &**slice).collect();
        assert_eq!(seen, [&b"ab"[..], b"cde", b"f", b"ghij"]);
        let mut few = [IoSlice::new(&[]); 2];
        assert_eq!(segments.chunks_vectored(&mut few), 2);
    }

    #[test]
    fn advances_across_parts() {
        let mut segments = of(&["ab", "cde", "f"]);
        segments.advance(3);
        assert_eq!(segments.chunk(), b"de");
        segments.advance(3);
        assert_eq!(segments.remaining(), 0);
        assert!(segments.chunk().is_empty());
    }
}
