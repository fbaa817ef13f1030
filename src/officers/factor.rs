//! The second factor: codes by time (RFC 6238), and recovery codes for a lost phone.

use qrcode::{Color, QrCode};
use totp_rs::{Builder, Totp};

use super::Error;
use crate::clock::{Chance, Millis, NoChance};
use crate::vault::Vault;

/// How many recovery codes somebody gets.
pub(super) const RECOVERY_CODES: usize = 10;
/// The bytes of the secret: as many as the hash has (RFC 4226, R6).
const SECRET_BYTES: usize = 20;
/// The empty border of a QR code, in modules (ISO/IEC 18004).
const QUIET: usize = 4;
/// The letters of recovery codes: none looks like another (Crockford's base 32, small).
const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// What somebody needs to set up an authenticator.
#[derive(Debug)]
pub struct Setup {
    /// The secret, to be typed, in groups of four.
    pub secret: String,
    /// The same as `otpauth://`.
    pub url: String,
    /// The same as a QR code.
    pub picture: Picture,
}

/// A QR code as one path of squares.
#[derive(Debug)]
pub struct Picture {
    /// How many modules it has to a side, its border included.
    pub size: usize,
    /// The dark modules, as the `d` of an SVG path.
    pub path: String,
}

/// The secret that belongs to an invitation: the same whenever the page is looked at, and nowhere before it is confirmed.
pub(super) fn secret(vault: &Vault, token: &str) -> [u8; SECRET_BYTES] {
    let mut secret = [0; SECRET_BYTES];
    let (head, tail) = (vault.mac("officers/totp/1", token.as_bytes()), vault.mac("officers/totp/2", token.as_bytes()));
    secret.iter_mut().zip(head.into_iter().chain(tail)).for_each(|(to, from)| *to = from);
    secret
}

fn totp(secret: &[u8], issuer: &str, name: &str) -> Result<Totp, Error> {
    let issuer = issuer.replace(':', " ");
    let built = Builder::new().with_secret(secret.to_vec()).with_account_name(name).with_issuer(Some(issuer)).build();
    built.map_err(|error| Error::Factor(error.to_string()))
}

/// The step that a code belongs to: the present one, the one before or the one after.
pub(super) fn step(secret: &[u8], code: &str, at: Millis) -> Result<Option<u64>, Error> {
    let digits: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    let seconds = u64::try_from(at / 1000).unwrap_or(0);
    Ok(totp(secret, "pforte", "officer")?.check(&digits, seconds))
}

/// What an authenticator is set up with.
pub(super) fn setup(secret: &[u8], issuer: &str, name: &str) -> Result<Setup, Error> {
    let totp = totp(secret, issuer, name)?;
    let url = totp.to_url().map_err(|error| Error::Factor(error.to_string()))?;
    let letters: Vec<char> = totp.secret().to_base32().chars().collect();
    let groups: Vec<String> = letters.chunks(4).map(|group| group.iter().collect()).collect();
    Ok(Setup { secret: groups.join(" "), picture: picture(&url)?, url })
}

fn picture(text: &str) -> Result<Picture, Error> {
    let code = QrCode::new(text).map_err(|error| Error::Factor(error.to_string()))?;
    let width = code.width();
    let mut path = String::new();
    for (at, _) in code.to_colors().iter().enumerate().filter(|(_, color)| **color == Color::Dark) {
        path.push_str(&format!("M{} {}h1v1h-1z", at % width + QUIET, at / width + QUIET));
    }
    Ok(Picture { size: width + 2 * QUIET, path })
}

/// New recovery codes, 80 bits each.
pub(super) fn recovery_codes(chance: &Chance) -> Result<Vec<String>, NoChance> {
    (0..RECOVERY_CODES).map(|_| Ok(written(&chance.bytes::<16>()?))).collect()
}

fn written(bytes: &[u8; 16]) -> String {
    let letters = bytes.iter().map(|byte| LETTERS.get(usize::from(byte & 31)).copied().map_or('0', char::from));
    let mut text = String::new();
    for (at, letter) in letters.enumerate() {
        if at > 0 && at % 4 == 0 {
            text.push('-');
        }
        text.push(letter);
    }
    text
}

/// The keyed digest of a recovery code, however it is written.
pub(super) fn digest(vault: &Vault, name: &str, code: &str) -> String {
    let plain: String = code.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    hex::encode(vault.mac("officers/recovery", format!("{name}\n{plain}").as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_rfc_and_belong_to_one_step() {
        // RFC 6238, appendix B; six digits are the last six of eight.
        let secret = b"12345678901234567890";
        for (seconds, code) in [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924"), (2_000_000_000, "279037")] {
            let at = seconds * 1000;
            let step_of = u64::try_from(seconds / 30).unwrap();
            assert_eq!(step(secret, code, at).unwrap(), Some(step_of), "{code}");
            assert_eq!(step(secret, &format!("{} {}", &code[..3], &code[3..]), at + 30_000).unwrap(), Some(step_of));
            assert_eq!(step(secret, code, at + 60_000).unwrap(), None, "{code} is over");
            assert_eq!(step(secret, "", at).unwrap(), None);
            assert_eq!(step(secret, "28708", at).unwrap(), None);
            assert_eq!(step(secret, "２８７０８２", at).unwrap(), None);
        }
    }

    #[test]
    fn what_an_authenticator_gets_says_the_secret_three_times() {
        let setup = setup(b"12345678901234567890", "Weinhaus: Muster & Co", "ines").unwrap();
        assert_eq!(setup.secret, "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ");
        assert!(
            setup.url.starts_with("otpauth://totp/") && setup.url.contains("secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"),
            "{}",
            setup.url
        );
        assert!(setup.picture.size > 20 + 2 * QUIET && setup.picture.path.starts_with("M4 4h1"));
    }

    #[test]
    fn recovery_codes_differ_and_are_found_however_they_are_written() {
        let codes = recovery_codes(&Chance::system()).unwrap();
        let mut once = codes.clone();
        once.sort();
        once.dedup();
        assert_eq!((once.len(), codes[0].len()), (RECOVERY_CODES, 19));
    }
}
