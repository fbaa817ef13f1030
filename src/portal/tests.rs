//! The portal on a store of its own.
