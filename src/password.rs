//! Passwords and secret keys at rest: argon2id, salted.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};

/// The memory of one argon2id, in KiB (OWASP's recommendation, with two passes).
const MEMORY_KIB: u32 = 19 * 1024;
/// Its passes.
const PASSES: u32 = 2;

/// The hash could not be computed.
#[derive(Debug, thiserror::Error)]
#[error("argon2: {0}")]
pub struct Unhashed(String);

fn argon2() -> Result<Argon2<'static>, Unhashed> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).map_err(|error| Unhashed(error.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// The hash of a secret, as a PHC string. It takes some 20 ms, so not on a thread that must not block.
///
/// # Errors
/// When it cannot be computed.
pub fn hash(secret: &str, salt: &[u8; 16]) -> Result<String, Unhashed> {
    let made = argon2()?.hash_password_with_salt(secret.as_bytes(), salt);
    made.map(|hash: PasswordHash| hash.to_string()).map_err(|error| Unhashed(error.to_string()))
}

/// Whether this is the secret. It takes as long whether it is or not.
#[must_use]
pub fn is(secret: &str, hash: &str) -> bool {
    let Ok(hash) = PasswordHash::new(hash) else { return false };
    argon2().is_ok_and(|argon2| argon2.verify_password(secret.as_bytes(), &hash).is_ok())
}
