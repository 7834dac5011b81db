//! The composition root: builds every part from the configuration; the only place that knows all of them.
