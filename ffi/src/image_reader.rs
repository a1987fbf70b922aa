//! A cursor over the bytes of a picture file that knows where they end.

use std::ops::Range;

use crate::guard::Failure;

pub struct Reader<'a> {
    data: &'a [u8],
    pub position: usize,
}

impl<'a> Reader<'a> {
    pub fn new(data: &'a [u8]) -> Self {
        Reader { data, position: 0 }
    }

    /// What has not been read yet.
    pub fn rest(&self) -> &'a [u8] {
        &self.data[self.position..]
    }

    /// The next `count` bytes; `what` says what ends too early without them.
    pub fn take(&mut self, count: usize, what: &str) -> Result<&'a [u8], Failure> {
        let taken = self.rest().get(..count).ok_or_else(|| {
            Failure::bad_input(format!(
                "truncated: {} bytes, but {what} needs {count} from byte {}",
                self.data.len(),
                self.position
            ))
        })?;
        self.position += count;
        Ok(taken)
    }

    /// A reader of the next `count` bytes alone, which counts positions as this one does.
    pub fn part(&self, count: usize, what: &str) -> Result<Reader<'a>, Failure> {
        let position = self.position;
        let end = position + Reader { data: self.data, position }.take(count, what)?.len();
        Ok(Reader { data: &self.data[..end], position })
    }

    /// Bytes at a place that has been read.
    pub fn bytes(&self, range: &Range<usize>) -> &'a [u8] {
        &self.data[range.clone()]
    }

    pub fn byte(&mut self, what: &str) -> Result<u8, Failure> {
        Ok(self.take(1, what)?[0])
    }

    pub fn u16_be(&mut self, what: &str) -> Result<u16, Failure> {
        self.take(2, what).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }
}

/// Little-endian unsigned number of up to four bytes.
pub fn le(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte))
}

/// Big-endian unsigned number of up to four bytes.
pub fn be(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |value, byte| value << 8 | u32::from(*byte))
}
