//! Empty: the stress tests are in `tests`.
