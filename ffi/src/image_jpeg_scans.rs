//! Which coefficients the scans of a JPEG file bring: a file that lost its last scans is whole in
//! every other respect.

use crate::guard::Failure;
use crate::image_outline::damaged;
use crate::image_reader::Reader;

/// The decoder's limit, found out before it has been through that many. Pictures have about ten.
const MOST_SCANS: u32 = 100;

/// Bits that are still missing of a coefficient of which there has been no scan.
const ALL_BITS: u8 = 16;

#[derive(Default)]
pub struct Scans {
    progressive: bool,
    count: u32,
    components: Vec<Component>,
    /// Whether the first scan has some of the components only.
    apart: bool,
}

struct Component {
    identity: u8,
    /// Of every coefficient, how many low bits no scan has brought yet.
    missing: [u8; 64],
}

impl Scans {
    /// `components` as a start of frame lists them, three bytes each.
    pub fn set_frame(&mut self, components: &[u8], progressive: bool) {
        let of = |bytes: &[u8]| Component { identity: bytes[0], missing: [ALL_BITS; 64] };
        self.components = components.chunks_exact(3).map(of).collect();
        self.progressive = progressive;
    }

    /// Takes note of a start of scan.
    pub fn add(&mut self, segment: &[u8]) -> Result<(), Failure> {
        const WHAT: &str = "the start of a scan";
        self.count += 1;
        if self.count > MOST_SCANS {
            return Err(damaged(format!("more than {MOST_SCANS} scans, the most that are read")));
        }
        let mut reader = Reader::new(segment);
        let count = usize::from(reader.byte(WHAT)?);
        let chosen = reader.take(2 * count, WHAT)?;
        let band = reader.take(3, WHAT)?;
        // Without progression every scan is whole, whatever it says here.
        let (first, last, low) =
            if self.progressive { (band[0], band[1], band[2] & 15) } else { (0, 63, 0) };
        for component in &mut self.components {
            if chosen.chunks_exact(2).any(|one| one[0] == component.identity) {
                for index in first..=last.min(63) {
                    component.missing[usize::from(index)] = low;
                }
            }
        }
        self.apart |= self.count == 1 && count < self.components.len();
        Ok(())
    }

    /// Whether the decoder keeps the coefficients of the whole picture.
    pub fn all_at_once(&self) -> bool {
        self.progressive || self.apart
    }

    pub fn check_complete(&self) -> Result<(), Failure> {
        let complete = |component: &Component| component.missing == [0; 64];
        if self.components.iter().all(complete) {
            return Ok(());
        }
        Err(damaged(format!("truncated: {} scans do not bring the whole picture", self.count)))
    }
}
