//! The plot of the losses.

use std::path::Path;

use sst_core::{Event, Tracker};
use sst_train::track::{LossPlot, plot};

/// Draws the plot of a `metrics.jsonl` with this content. Returns its folder and the path of the picture.
fn draw(metrics: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let (rows, picture) = (folder.path().join("metrics.jsonl"), folder.path().join("loss.png"));
    sst_data::atomic::write(&rows, metrics.as_bytes()).unwrap();
    let mut plot = LossPlot::new(&rows, &picture);
    plot.on_event(&Event::End { step: 1 }).unwrap();
    (folder, picture)
}

/// The width and height in the header of a PNG.
fn size(path: &Path) -> (u32, u32) {
    let bytes = std::fs::read(path).unwrap();
    assert_eq!(&bytes[..8], b"\x89PNG\r\n\x1a\n");
    assert_eq!(&bytes[12..16], b"IHDR");
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    (number(16), number(20))
}

#[test]
fn the_picture_has_its_size_and_no_temporary_file_is_left() {
    let (folder, picture) = draw(
        "{\"_step\":1,\"train/loss\":3.5}\n{\"_step\":2,\"train/loss\":2.5}\n\
         {\"_step\":2,\"eval/mlm/loss\":3.0}\n{\"_step\":3,\"train/loss\":null}\n",
    );
    assert_eq!(size(&picture), plot::SIZE);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn a_single_point_can_be_drawn() {
    let (_folder, picture) = draw("{\"_step\":5,\"train/loss\":3.5}\n");
    assert_eq!(size(&picture), plot::SIZE);
}

#[test]
fn losses_of_any_size_can_be_drawn() {
    let check = |first: f64, second: f64| {
        let row = |step: u64, loss: f64| format!("{{\"_step\":{step},\"train/loss\":{loss:e}}}\n");
        let (_folder, picture) = draw(&(row(1, first) + &row(u64::MAX, second)));
        assert_eq!(size(&picture), plot::SIZE, "{first} {second}");
    };
    check(0.0, f64::from_bits(1));
    check(-f64::MAX, f64::MAX);
    check(1.0, 1.0 + f64::EPSILON);
    check(1e300, 1e300);
}

#[test]
fn a_hundred_lines_can_be_drawn_and_the_legend_shows_their_names() {
    let row = |name: &str| {
        let losses: Vec<_> = (0..100).map(|i| format!("\"eval/{name}{i}/loss\":{i}")).collect();
        format!("{{\"_step\":1,{}}}\n", losses.join(","))
    };
    let picture = |name: &str| {
        let (_folder, picture) = draw(&row(name));
        assert_eq!(size(&picture), plot::SIZE);
        std::fs::read(picture).unwrap()
    };
    assert_ne!(picture("task"), picture("other"));
}

#[test]
fn another_loss_gives_another_picture() {
    let bytes = |metrics: &str| {
        let (_folder, picture) = draw(metrics);
        std::fs::read(picture).unwrap()
    };
    let rows = |loss: f64| {
        format!("{{\"_step\":1,\"train/loss\":3}}\n{{\"_step\":2,\"train/loss\":{loss}}}\n")
    };
    assert_ne!(bytes(&rows(1.0)), bytes(&rows(5.0)));
}

#[test]
fn without_a_loss_there_is_no_picture() {
    let (_folder, picture) = draw("");
    assert!(!picture.exists());
}
