//! Guildhall server library.
