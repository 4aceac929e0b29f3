//! How callers speak to us.
