//! Unkeyed hashes of stated identifiers, because everybody who knows the address can compute them.

use ring::digest;

/// MD5, SHA-1 and SHA-256 of `text`: what "hashed e-mail" means in the field.
pub(super) fn all(text: &str) -> [Vec<u8>; 3] {
    [
        md5(text.as_bytes()).to_vec(),
        digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()).as_ref().to_vec(),
        digest::digest(&digest::SHA256, text.as_bytes()).as_ref().to_vec(),
    ]
}

const SHIFTS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];

/// MD5 (RFC 1321). Not for security: only to recognise an MD5 that somebody else made.
pub(super) fn md5(message: &[u8]) -> [u8; 16] {
    let mut state = [0x6745_2301_u32, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    let mut padded = message.to_vec();
    padded.push(0x80);
    while padded.len() % 64 != 56 {
        padded.push(0);
    }
    let bits = u64::try_from(message.len()).unwrap_or_default().wrapping_mul(8);
    padded.extend_from_slice(&bits.to_le_bytes());
    for block in padded.as_chunks::<64>().0 {
        compress(&mut state, block);
    }
    let mut out = [0_u8; 16];
    for (to, from) in out.iter_mut().zip(state.iter().flat_map(|word| word.to_le_bytes())) {
        *to = from;
    }
    out
}

fn compress(state: &mut [u32; 4], block: &[u8; 64]) {
    let (words, _) = block.as_chunks::<4>();
    let [mut a, mut b, mut c, mut d] = *state;
    for i in 0..64_usize {
        let (mix, from) = match i / 16 {
            0 => ((b & c) | (!b & d), i),
            1 => ((d & b) | (!d & c), (5 * i + 1) % 16),
            2 => (b ^ c ^ d, (3 * i + 5) % 16),
            _ => (c ^ (b | !d), (7 * i) % 16),
        };
        let word = words.get(from).map_or(0, |bytes| u32::from_le_bytes(*bytes));
        let shift = SHIFTS.get(i / 16).and_then(|row| row.get(i % 4)).copied().unwrap_or_default();
        let sum = a.wrapping_add(mix).wrapping_add(sine(i)).wrapping_add(word);
        (a, d, c, b) = (d, c, b, b.wrapping_add(sum.rotate_left(shift)));
    }
    *state = [state[0].wrapping_add(a), state[1].wrapping_add(b), state[2].wrapping_add(c), state[3].wrapping_add(d)];
}

/// The constant of step `i`: the integer part of 2³² · |sin(i + 1)|, as the RFC defines it.
fn sine(i: usize) -> u32 {
    let step = f64::from(u32::try_from(i + 1).unwrap_or_default());
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 2^32, and cut as the RFC says")]
    let constant = (step.sin().abs() * 4_294_967_296.0) as u32;
    constant
}
