//! Writes what lies in several places in memory in one piece, without putting it together first.

use std::fs::File;
use std::io::{self, ErrorKind, IoSlice, Seek as _, SeekFrom, Write as _};

/// Writes the pieces one behind the other from `at` on. The file must have no other writer: its own position is moved.
pub(super) fn write_all_at(mut file: &File, mut pieces: &mut [IoSlice<'_>], at: u64) -> io::Result<()> {
    file.seek(SeekFrom::Start(at))?;
    // Empty ones in front would make a write of nothing, which looks like a failure.
    IoSlice::advance_slices(&mut pieces, 0);
    while !pieces.is_empty() {
        match file.write_vectored(pieces) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut pieces, written),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_pieces_than_the_system_takes_at_once_and_empty_ones_are_written_in_order() {
        let mut file = tempfile::tempfile().unwrap();
        let held: Vec<Vec<u8>> = (0..5000_usize).map(|i| vec![u8::try_from(i % 251).unwrap(); i % 7]).collect();
        let mut pieces: Vec<IoSlice<'_>> = held.iter().map(|piece| IoSlice::new(piece)).collect();
        write_all_at(&file, &mut pieces, 3).unwrap();
        write_all_at(&file, &mut [IoSlice::new(&[]), IoSlice::new(&[])], 1).unwrap();
        let mut found = Vec::new();
        file.seek(SeekFrom::Start(0)).unwrap();
        io::Read::read_to_end(&mut file, &mut found).unwrap();
        assert_eq!(found, [vec![0; 3], held.concat()].concat());
    }
}
