//! Tests of sst-core.

mod checkpoint;
mod ext;
mod params;
