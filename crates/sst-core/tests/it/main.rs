//! Tests of sst-core.
// Tests fail by panicking, and damage files on purpose.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

mod activation;
mod attention;
mod batch;
mod checkpoint;
mod example;
mod linear;
mod params;
mod pooling;
mod product;
