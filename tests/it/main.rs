//! Tests of the command line, one module per topic. Each test has a folder of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic, in its helpers too")]
#![allow(clippy::disallowed_methods, reason = "a test damages files on purpose")]

mod accumulation;
mod augment;
mod bad_input;
mod commands;
mod contrastive;
mod damaged;
mod data;
mod dry_run;
mod embed;
mod eval;
mod evaluate;
mod fill_mask;
mod folders;
mod formats;
mod generate;
mod help;
mod kill;
mod limits;
mod merge;
mod outputs;
mod picture_commands;
mod picture_resume;
mod precision;
mod pretrain;
mod profile;
mod recipes;
mod remedies;
mod report;
mod resume;
mod sandbox;
mod signals;
mod task_heads;
mod task_resume;
mod tasks;
mod tls;
mod tokenizer;
mod two_processes;
mod usage;
mod verify_resume;
