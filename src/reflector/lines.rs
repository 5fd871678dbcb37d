//! A byte stream → lines, with a cap.

use bytes::{Bytes, BytesMut};

use super::decode::DecodeError;

/// Cuts a stream into lines. Holds one unfinished line, never more than the cap and one read.
#[derive(Debug)]
pub struct Lines {
    buffer: BytesMut,
    /// Bytes at the start of `buffer` that are known to hold no newline.
    searched: usize,
    cap: usize,
}

impl Lines {
    /// Lines of at most `cap` bytes.
    pub fn new(cap: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            searched: 0,
            cap,
        }
    }

    /// Takes what was read.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next complete line without its newline; empty lines are skipped. `None`: more bytes
    /// are needed.
    ///
    /// # Errors
    /// [`DecodeError::TooLong`] once a line, finished or not, exceeds the cap. The stream is of no
    /// use after that.
    pub fn next_line(&mut self) -> Result<Option<Bytes>, DecodeError> {
        loop {
            let end = self.buffer[self.searched..]
                .iter()
                .position(|byte| *byte == b'\n')
                .map(|at| self.searched + at);
            if end.unwrap_or(self.buffer.len()) > self.cap {
                return Err(DecodeError::TooLong { limit: self.cap });
            }
            let Some(end) = end else {
                self.searched = self.buffer.len();
                return Ok(None);
            };
            let line = self.buffer.split_to(end + 1).freeze();
            self.searched = 0;
            if !line.trim_ascii().is_empty() {
                return Ok(Some(line.slice(..end)));
            }
        }
    }

    /// Whether the stream would end in the middle of a line if it ended now. Such a line is not to
    /// be used, even if it looks whole: a cut number looks whole too.
    pub fn is_partial(&self) -> bool {
        !self.buffer.trim_ascii().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(lines: &mut Lines) -> Vec<Bytes> {
        std::iter::from_fn(|| lines.next_line().expect("short lines")).collect()
    }

    #[test]
    fn f1_f2_a_cut_line_is_partial() {
        let mut lines = Lines::new(100);
        lines.push(b"one\ntw");
        assert_eq!(all(&mut lines), ["one"]);
        assert!(lines.is_partial());
        lines.push(b"o\n\r\n\n");
        assert_eq!(all(&mut lines), ["two"]);
        assert!(!lines.is_partial());
    }

    #[test]
    fn f12_an_endless_line_is_cut_at_the_cap() {
        let mut lines = Lines::new(8);
        lines.push(b"12345678\n");
        assert_eq!(all(&mut lines), ["12345678"]);
        lines.push(b"123456789");
        assert_eq!(lines.next_line(), Err(DecodeError::TooLong { limit: 8 }));
        let mut lines = Lines::new(8);
        lines.push(b"123456789\n");
        assert_eq!(lines.next_line(), Err(DecodeError::TooLong { limit: 8 }));
    }

    #[test]
    fn any_split_gives_the_same_lines() {
        let text = b"a\nbb\n\nccc\nd";
        for split in 0..text.len() {
            let mut lines = Lines::new(10);
            lines.push(&text[..split]);
            let mut got = all(&mut lines);
            lines.push(&text[split..]);
            got.extend(all(&mut lines));
            assert_eq!(got, ["a", "bb", "ccc"], "split at {split}");
            assert!(lines.is_partial());
        }
    }
}
