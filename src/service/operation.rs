//! Following and cancelling long-running work.
