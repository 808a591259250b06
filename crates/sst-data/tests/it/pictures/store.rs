//! Pictures from folders, tables and tar files, in a store, and as rows.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use sst_data::pictures::transform::PictureTransforms;
use sst_data::pictures::{
    CaptionChoice, LABEL, PIXEL_VALUES, Picture, PicturePreparation, PictureSource, PictureStore,
    Pictures, Resample, StoredPictures, StoredSize,
};
use sst_data::read::OnError;
use sst_data::rows::{Dataset, Subset};
use sst_data::{Ledger, PixelValues};

/// A picture of one colour, `width` x `height`, as a PNG.
pub(super) fn png(colour: [u8; 3], width: u32, height: u32) -> Vec<u8> {
    let pixels = colour.repeat((width * height) as usize);
    Picture::new(width, height, pixels).unwrap().to_png().unwrap()
}

pub(super) fn write(folder: &Path, name: &str, bytes: &[u8]) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    sst_data::atomic::write(&path, bytes).unwrap();
}

fn source(folder: &Path, path: &str) -> PictureSource {
    PictureSource::new([folder.join(path).display().to_string()])
}

fn prepare(
    source: &PictureSource,
    folder: &Path,
    size: StoredSize,
    ledger: &Ledger,
) -> Result<Arc<PictureStore>, sst_data::pictures::PictureError> {
    let stored = StoredPictures { size, ..StoredPictures::default() };
    let cache = folder.join("cache");
    let preparation = PicturePreparation { source, stored, labels: None, ledger, cache: &cache };
    preparation.prepare(&mut |_, _| {})
}

#[test]
fn a_folder_for_each_class_gives_labels_and_resized_pixels() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder, "animals/cat/1.png", &png([200, 0, 0], 8, 4));
    write(folder, "animals/dog/a.png", &png([0, 200, 0], 4, 8));
    write(folder, "animals/dog/b.png", &png([0, 0, 200], 6, 6));
    let mut source = source(folder, "animals");
    source.label_field = Some("label".to_owned());
    let ledger = Ledger::new();
    let store = prepare(&source, folder, StoredSize::Square(2), &ledger).unwrap();
    assert_eq!(store.num_pictures(), 3);
    assert_eq!(store.labels().unwrap().names, ["cat", "dog"]);
    let colours: Vec<[u8; 3]> =
        (0..3).map(|at| store.picture(at).unwrap().pixels()[..3].try_into().unwrap()).collect();
    assert_eq!(colours, [[200, 0, 0], [0, 200, 0], [0, 0, 200]]);
    assert_eq!(store.record(2).unwrap().label, Some(1));
    assert!(store.record(2).unwrap().key.to_string().ends_with("animals/dog/b.png"));

    // The same files and settings are opened and not decoded again; other ones are prepared anew.
    let again = prepare(&source, folder, StoredSize::Square(2), &ledger).unwrap();
    assert_eq!(again.folder(), store.folder());
    let other = prepare(&source, folder, StoredSize::ShortSide(4), &ledger).unwrap();
    assert_eq!((other.size(0).unwrap(), other.size(1).unwrap()), ((8, 4), (4, 8)));
    write(folder, "animals/cat/2.png", &png([1, 2, 3], 2, 2));
    let more = prepare(&source, folder, StoredSize::Square(2), &ledger).unwrap();
    assert_eq!(more.num_pictures(), 4);

    // A damaged store is noticed.
    let file = std::fs::read_dir(store.folder()).unwrap().map(|entry| entry.unwrap().path());
    let pixels = file.max_by_key(|path| std::fs::metadata(path).unwrap().len()).unwrap();
    let mut bytes = std::fs::read(&pixels).unwrap();
    bytes[0] ^= 1;
    sst_data::atomic::write(&pixels, &bytes).unwrap();
    assert!(PictureStore::open(store.folder()).is_err());
}

#[test]
fn rows_depend_on_seed_epoch_and_index_alone() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let noise: Vec<u8> = (0..3 * 64).map(|at: u32| (at * 37 % 256) as u8).collect();
    for name in ["a", "b", "c", "d"] {
        let picture = Picture::new(8, 8, noise.clone()).unwrap();
        write(folder, &format!("x/{name}/1.png"), &picture.to_png().unwrap());
    }
    let mut source = source(folder, "x");
    source.label_field = Some("label".to_owned());
    let store = prepare(&source, folder, StoredSize::Square(8), &Ledger::new()).unwrap();
    let transforms = || {
        let configs = [
            json!({"name": "random_resized_crop", "size": 4, "scale": [0.2, 1.0]}),
            json!({"name": "horizontal_flip"}),
            json!({"name": "normalize"}),
        ];
        PictureTransforms::from_configs(3, &configs).unwrap()
    };
    let rows = Pictures::new(Arc::clone(&store), transforms(), Subset::All).unwrap().with_views(2);
    assert_eq!(rows.len(), 4);
    let values = |row: u64, epoch: u64, field: &str| {
        let example = rows.get(row, epoch).unwrap();
        assert_eq!(example.int(LABEL), Some(row as i64));
        let pixels = example.pixels(field).unwrap().clone();
        assert_eq!((pixels.height, pixels.width), (4, 4));
        match pixels.values {
            PixelValues::F32(values) => values,
            PixelValues::U8(_) => panic!("normalised values are f32"),
        }
    };
    let second = format!("{PIXEL_VALUES}.1");
    let first = values(0, 0, PIXEL_VALUES);
    assert_eq!(first, values(0, 0, PIXEL_VALUES));
    assert_ne!(first, values(0, 1, PIXEL_VALUES));
    assert_ne!(first, values(1, 0, PIXEL_VALUES));
    assert_ne!(first, values(0, 0, &second));
    let unknown = PictureTransforms::from_configs(0, &[json!({"name": "rotate"})]).unwrap_err();
    assert!(unknown.to_string().contains("solarize"), "{unknown}");
}

#[test]
fn tables_and_tar_files_give_the_same_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let colours = [[9, 8, 7], [60, 50, 40], [250, 251, 252]];
    let mut lines = String::new();
    let mut tar = Vec::new();
    for (at, colour) in colours.iter().enumerate() {
        let file = png(*colour, 3, 3);
        write(folder, &format!("files/{at}.png"), &file);
        let caption = format!("colour {at}");
        lines += &format!("{}\n", json!({"image": format!("files/{at}.png"), "text": caption}));
        for (extension, bytes) in [("png", &file[..]), ("txt", caption.as_bytes())] {
            tar.extend(member(&format!("{at:03}.{extension}"), bytes));
        }
    }
    tar.extend([0; 1024]);
    write(folder, "pairs.jsonl", lines.as_bytes());
    write(folder, "shards/s-000.tar", &tar);
    let stored = |path: &str, captions: &str| {
        let mut source = source(folder, path);
        source.caption_fields = vec![captions.to_owned()];
        prepare(&source, folder, StoredSize::Square(1), &Ledger::new()).unwrap()
    };
    for store in [stored("pairs.jsonl", "text"), stored("shards/s-{000..000}.tar", "txt")] {
        for (at, colour) in (0..).zip(colours) {
            assert_eq!(store.picture(at).unwrap().pixels(), colour);
            assert_eq!(store.record(at).unwrap().captions, [[format!("colour {at}")]]);
        }
    }
    // What is missing is told with its line, or skipped and counted.
    lines += &format!("{}\n", json!({"image": "files/none.png", "text": "x"}));
    write(folder, "missing.jsonl", lines.as_bytes());
    let mut source = source(folder, "missing.jsonl");
    let error = prepare(&source, folder, StoredSize::Square(1), &Ledger::new()).unwrap_err();
    assert!(error.to_string().contains("missing.jsonl:4"), "{error}");
    source.on_error = OnError::Skip;
    let ledger = Ledger::new();
    let store = prepare(&source, folder, StoredSize::Square(1), &ledger).unwrap();
    assert_eq!(store.num_pictures(), 3);
    let entries: Value = json!(ledger.entries());
    assert_eq!(entries["pictures.unreadable"]["count"], 1, "{entries}");
}

/// A folder with three pictures, and a source that names it.
fn three(folder: &Path) -> PictureSource {
    for at in 0..3 {
        write(folder, &format!("three/{at}.png"), &png([at, 100, 200], 5, 4));
    }
    source(folder, "three")
}

fn entries(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder.join("cache")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_build_killed_half_way_and_a_cut_store_do_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let source = three(folder);
    let store = prepare(&source, folder, StoredSize::Square(2), &Ledger::new()).unwrap();
    let whole = store.folder().to_owned();
    // What a killed process leaves has every file but the manifest.
    let half =
        |name: &str| folder.join("cache").join(format!("{}.{name}.tmp", store.fingerprint()));
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(7200);
    for name in ["999-0", "999-1"] {
        std::fs::create_dir(half(name)).unwrap();
        for file in ["pixels.bin", "records.bin", "index.bin"] {
            std::fs::copy(whole.join(file), half(name).join(file)).unwrap();
        }
    }
    for file in ["pixels.bin", "records.bin", "index.bin", "."] {
        std::fs::File::open(half("999-0").join(file)).unwrap().set_modified(long_ago).unwrap();
    }
    assert!(PictureStore::open(&half("999-1")).is_err());
    // Each file of the store is cut off in turn; it is noticed, and the store is built again.
    for file in ["pixels.bin", "records.bin", "index.bin", "manifest.json"] {
        let path = whole.join(file);
        let size = std::fs::metadata(&path).unwrap().len();
        std::fs::File::options().write(true).open(&path).unwrap().set_len(size - 1).unwrap();
        assert!(PictureStore::open(&whole).is_err(), "{file}");
        let again = prepare(&source, folder, StoredSize::Square(2), &Ledger::new()).unwrap();
        assert_eq!(again.num_pictures(), 3);
        assert_eq!(again.picture(2).unwrap().pixels()[..3], [2, 100, 200], "{file}");
    }
    // The build of long ago is gone, and the one that may be at work is left.
    let mut left = entries(folder);
    left.sort();
    assert_eq!(
        left,
        [store.fingerprint().to_owned(), format!("{}.999-1.tmp", store.fingerprint())]
    );
}

#[test]
fn builders_at_the_same_time_make_one_store() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let source = three(folder);
    let stores: Vec<_> = std::thread::scope(|scope| {
        let build = || prepare(&source, folder, StoredSize::ShortSide(3), &Ledger::new()).unwrap();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(build)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for store in &stores {
        assert_eq!(store.size(1).unwrap(), (3, 3), "int(3 * 5 / 4) columns");
        assert_eq!(store.picture(1).unwrap(), stores[0].picture(1).unwrap());
    }
    assert_eq!(entries(folder), [stores[0].fingerprint()]);
}

#[test]
fn a_changed_picture_or_setting_makes_another_store() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut source = three(folder);
    let fingerprint = |source: &PictureSource, stored: StoredPictures| {
        let (ledger, cache) = (Ledger::new(), folder.join("cache"));
        let preparation =
            PicturePreparation { source, stored, labels: None, ledger: &ledger, cache: &cache };
        preparation.fingerprint().unwrap()
    };
    let stored = StoredPictures::default();
    let mut seen = vec![fingerprint(&source, stored)];
    assert_eq!(fingerprint(&source, stored), seen[0]);
    seen.push(fingerprint(&source, StoredPictures { resample: Resample::Box, ..stored }));
    source.on_error = OnError::Skip;
    seen.push(fingerprint(&source, stored));
    write(folder, "three/1.png", &png([1, 2, 3], 6, 6));
    seen.push(fingerprint(&source, stored));
    // Also a picture that a table names.
    write(folder, "t.jsonl", b"{\"image\": \"three/1.png\"}\n");
    source.paths = vec![folder.join("t.jsonl").display().to_string()];
    seen.push(fingerprint(&source, stored));
    write(folder, "three/1.png", &png([1, 2, 4], 7, 7));
    seen.push(fingerprint(&source, stored));
    let count = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), count);
}

#[test]
fn a_given_table_numbers_the_labels_and_captions_are_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder, "1.png", &png([1; 3], 2, 2));
    let line =
        |label: &str| json!({"image": "1.png", "c": ["a", "b", "c"], "l": label}).to_string();
    write(folder, "t.jsonl", format!("{}\n{}\n", line("dog"), line("cat")).as_bytes());
    let mut source = source(folder, "t.jsonl");
    (source.label_field, source.caption_fields) = (Some("l".to_owned()), vec!["c".to_owned()]);
    let store = |labels: &[&str], on_error, ledger: &Ledger| {
        let labels: Vec<String> = labels.iter().map(|label| (*label).to_owned()).collect();
        let source = PictureSource { on_error, ..source.clone() };
        let cache = folder.join("cache");
        let (stored, labels) = (StoredPictures::default(), Some(&labels[..]));
        let preparation =
            PicturePreparation { source: &source, stored, labels, ledger, cache: &cache };
        preparation.prepare(&mut |_, _| {})
    };
    let given = store(&["dog", "fox", "cat"], OnError::Fail, &Ledger::new()).unwrap();
    let labels: Vec<_> = (0..2).map(|at| given.record(at).unwrap().label).collect();
    assert_eq!(labels, [Some(0), Some(2)]);
    let error = store(&["dog"], OnError::Fail, &Ledger::new()).unwrap_err().to_string();
    assert!(error.contains("t.jsonl:2: field `l` is `cat`, which is none of `dog`"), "{error}");
    let ledger = Ledger::new();
    let skipped = store(&["dog"], OnError::Skip, &ledger).unwrap();
    assert_eq!((skipped.num_pictures(), ledger.count("pictures.bad_field")), (1, 1));

    let rows = |choice| {
        let rows = Pictures::new(Arc::clone(&given), PictureTransforms::none(), Subset::All);
        rows.unwrap().with_captions(choice)
    };
    let captions = |choice| -> Vec<String> {
        let rows = rows(choice);
        let caption = |epoch| rows.get(0, epoch).unwrap().text("c").unwrap().to_owned();
        (0..20).map(caption).collect()
    };
    assert_eq!(captions(CaptionChoice::First), ["a"; 20]);
    let drawn = captions(CaptionChoice::Draw { seed: 1 });
    assert!(
        ["a", "b", "c"].iter().all(|text| drawn.iter().any(|found| found == text)),
        "{drawn:?}"
    );
    assert_eq!(drawn, captions(CaptionChoice::Draw { seed: 1 }));
    assert_ne!(drawn, captions(CaptionChoice::Draw { seed: 2 }));
    // The validation set and the rest share no picture; no view reads no pixels.
    let none = rows(CaptionChoice::First).with_views(0).get(1, 0).unwrap();
    assert_eq!((none.pixels(PIXEL_VALUES), none.int(LABEL)), (None, Some(2)));
    assert!(rows(CaptionChoice::First).get(2, 0).is_err());
}

#[test]
fn what_was_done_to_a_picture_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let golden = super::golden::golden();
    let file = |name: &str| {
        let cases = golden["decoded"].as_array().unwrap();
        let case = cases.iter().find(|case| case["name"] == name).unwrap();
        super::golden::bytes(&case["file"])
    };
    write(folder, "p/a.gif", &file("animated GIF"));
    write(folder, "p/b.jpg", &file("alpha PNG"));
    write(folder, "p/c.png", &file("PNG"));
    let ledger = Ledger::new();
    prepare(&source(folder, "p"), folder, StoredSize::Square(8), &ledger).unwrap();
    for (name, place) in [
        ("pictures.first_frame_only", "p/a.gif"),
        ("pictures.composited", "p/b.jpg"),
        ("pictures.misnamed", "p/b.jpg"),
    ] {
        let entry = &ledger.entries()[name];
        assert_eq!(entry.count, 1, "{name}");
        assert!(entry.first.as_ref().unwrap().ends_with(place), "{entry:?}");
    }
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A member of a tar file in the form of POSIX 1003.1-1988 (ustar).
pub(super) fn member(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut header = [0_u8; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[100..107].copy_from_slice(b"0000644");
    header[108..115].copy_from_slice(b"0000000");
    header[116..123].copy_from_slice(b"0000000");
    header[124..135].copy_from_slice(format!("{:011o}", bytes.len()).as_bytes());
    header[136..147].copy_from_slice(b"00000000000");
    header[148..156].copy_from_slice(b"        ");
    header[156] = b'0';
    header[257..263].copy_from_slice(b"ustar\0");
    header[263..265].copy_from_slice(b"00");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut member = header.to_vec();
    member.extend(bytes);
    member.resize(member.len().next_multiple_of(512), 0);
    member
}

#[test]
fn files_that_are_left_out_are_counted_anew_beside_a_store_in_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = folder.path().join("pictures");
    std::fs::create_dir(&pictures).unwrap();
    write(&pictures, "1.png", &png([1; 3], 2, 2));
    let left_out = || {
        let ledger = Ledger::new();
        let source = PictureSource::new([pictures.display().to_string()]);
        let preparation = PicturePreparation {
            source: &source,
            stored: StoredPictures::default(),
            labels: None,
            ledger: &ledger,
            cache: &folder.path().join("cache"),
        };
        preparation.prepare(&mut |_, _| {}).unwrap();
        ledger.count("read.other_files")
    };
    assert_eq!((left_out(), left_out()), (0, 0));
    write(&pictures, "2.avif", b"x");
    assert_eq!((left_out(), left_out()), (1, 1));
    std::fs::remove_file(pictures.join("2.avif")).unwrap();
    assert_eq!(left_out(), 0);
}
