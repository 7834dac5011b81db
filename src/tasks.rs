//! Background tasks, each registered here with what happens on cancel, on error and at shutdown.
