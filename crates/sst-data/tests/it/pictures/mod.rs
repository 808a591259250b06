//! Pictures: decoded, kept in a store, and transformed.

mod bundled;
mod captions;
mod golden;
mod hostile;
mod processor;
mod sources;
mod store;
mod transforms;
