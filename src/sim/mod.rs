//! Lines that misbehave on purpose.
