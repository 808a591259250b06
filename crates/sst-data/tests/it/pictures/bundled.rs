//! The pictures of the repository in corpora/emoji.

use std::collections::HashSet;
use std::path::Path;

use sst_data::Ledger;
use sst_data::pictures::PictureSource;

/// The pictures and captions of a file or folder of corpora/emoji.
struct Found {
    pixels: Vec<Vec<u8>>,
    labels: HashSet<String>,
    /// The captions of each of the fields.
    captions: [Vec<Vec<String>>; 4],
}

fn read(path: &str, label: &str) -> Found {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpora/emoji");
    let mut source = PictureSource::new([folder.join(path).to_string_lossy()]);
    source.caption_fields = ["en", "zh", "en_captions", "zh_captions"].map(str::to_owned).to_vec();
    source.label_field = Some(label.to_owned());
    let (pixels, labels) = (Vec::new(), HashSet::new());
    let mut found = Found { pixels, labels, captions: Default::default() };
    let read = source.read(&Ledger::new(), &mut |raw| {
        let (decoded, is_misnamed) = raw.file.decode(&source.limits).unwrap();
        assert!(!is_misnamed, "{}", raw.key);
        assert_eq!((decoded.picture.width(), decoded.picture.height()), (32, 32), "{}", raw.key);
        found.pixels.push(decoded.picture.pixels().to_vec());
        found.labels.extend(raw.label);
        for (list, captions) in found.captions.iter_mut().zip(raw.captions) {
            list.push(captions);
        }
        Ok(())
    });
    read.unwrap();
    found
}

#[test]
fn every_emoji_is_read() {
    let (train, test) = (read("train.jsonl.gz", "label"), read("test.jsonl.gz", "label"));
    assert_eq!((train.pixels.len(), test.pixels.len()), (1526, 366));
    assert_eq!((train.labels.len(), &train.labels), (9, &test.labels));
    assert_eq!(read("test.jsonl.gz", "label_zh").labels.len(), 9);
    let [en, zh, en_captions, zh_captions] = &train.captions;
    for (names, lists) in [(en, en_captions), (zh, zh_captions)] {
        for (name, list) in names.iter().zip(lists) {
            assert_eq!(name.last(), list.last(), "the last caption is the name alone");
            assert!(list[0].starts_with(name[0].as_str()), "{list:?}");
        }
    }
    let latin: Vec<_> = zh.iter().flatten().filter(|name| name.is_ascii()).collect();
    assert_eq!(latin, ["DVD"], "all other names are Chinese");
}

#[test]
fn no_emoji_is_in_both_parts() {
    let (train, test) = (read("train.jsonl.gz", "label"), read("test.jsonl.gz", "label"));
    let known: HashSet<_> = train.pixels.iter().collect();
    assert_eq!(known.len(), train.pixels.len(), "two equal pictures");
    assert!(test.pixels.iter().all(|pixels| !known.contains(pixels)));
    for (train, test) in train.captions.iter().zip(&test.captions) {
        let known: HashSet<_> = train.iter().flatten().collect();
        let both: Vec<_> = test.iter().flatten().filter(|text| known.contains(text)).collect();
        assert!(both.is_empty(), "{both:?}");
    }
}

#[test]
fn the_folder_stands_for_its_training_part() {
    assert_eq!(read("", "label").pixels.len(), 1526);
}
