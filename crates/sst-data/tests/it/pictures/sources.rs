//! The files that pictures are read from: folders, tables and tar files, and what is counted.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use sst_data::Ledger;
use sst_data::pictures::{PictureError, PictureLimits, PictureSource, RawPicture, decode};
use sst_data::read::OnError;

use super::golden::{bytes, golden};
use super::store::{gzip, member, png, write};

/// What is read, as `key: first pixel label captions`, relative to `folder`.
fn read(
    source: &PictureSource,
    folder: &Path,
    ledger: &Ledger,
) -> Result<Vec<String>, PictureError> {
    let mut found = Vec::new();
    source.read(ledger, &mut |RawPicture { key, file, label, captions }| {
        let pixel = match file.decode(&source.limits) {
            Ok((decoded, _)) => format!("{:?}", &decoded.picture.pixels()[..3]),
            Err(problem) => problem.to_string(),
        };
        let key = key.to_string().replace(&format!("{}/", folder.display()), "");
        let rest: Vec<String> =
            label.into_iter().chain(captions.into_iter().map(|texts| texts.join("|"))).collect();
        found.push(format!("{key}: {pixel} {}", rest.join(" ")).trim_end().to_owned());
        Ok(())
    })?;
    Ok(found)
}

fn source(folder: &Path, path: &str, captions: &[&str], label: Option<&str>) -> PictureSource {
    let mut source = PictureSource::new([folder.join(path).display().to_string()]);
    source.caption_fields = captions.iter().map(|field| (*field).to_owned()).collect();
    source.label_field = label.map(str::to_owned);
    source
}

#[test]
fn a_text_file_holds_base64_or_names_files() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder, "data/files/1.png", &png([1, 1, 1], 2, 2));
    let encoded = STANDARD.encode(png([2, 2, 2], 2, 2));
    let unpadded = encoded.trim_end_matches('=');
    let url = format!("data:image/png;base64,{encoded}");
    let table = format!(
        "image,caption,kind\nfiles/1.png,one,3\n{encoded},two,4\n{unpadded},three,3\n\"{url}\",four,4\n"
    );
    write(folder, "data/a.csv", table.as_bytes());
    let expected = [
        "data/a.csv:2: [1, 1, 1] 3 one",
        "data/a.csv:3: [2, 2, 2] 4 two",
        "data/a.csv:4: [2, 2, 2] 3 three",
        "data/a.csv:5: [2, 2, 2] 4 four",
    ];
    let source_of = |path: &str| source(folder, path, &["caption"], Some("kind"));
    assert_eq!(read(&source_of("data/a.csv"), folder, &Ledger::new()).unwrap(), expected);
    write(folder, "data/b.csv.gz", &gzip(table.as_bytes()));
    assert_eq!(read(&source_of("data/b.csv.gz"), folder, &Ledger::new()).unwrap().len(), 4);
    // Beside a table lie the pictures that it names.
    let ledger = Ledger::new();
    assert_eq!(read(&source_of("data"), folder, &ledger).unwrap().len(), 8);
    assert_eq!(ledger.count("read.other_files"), 0);
}

#[test]
fn a_record_that_cannot_be_used_is_named_or_counted() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder, "1.png", &png([1, 1, 1], 2, 2));
    let cases = [
        (json!({"image": "none.png", "t": "a"}), "", ": cannot read"),
        (
            json!({"image": "https://example.org/1.png", "t": "a"}),
            "pictures.on_network",
            "on the network",
        ),
        (
            json!({"image": "data:image/png;base64,????", "t": "a"}),
            "",
            "base64 of the picture is damaged",
        ),
        (json!({"image": null, "t": "a"}), "read.not_text", "field `image` is null"),
        (
            json!({"picture": "1.png", "t": "a"}),
            "read.missing_field",
            "has no field `image` (it has `picture`, `t`)",
        ),
        (json!({"image": "", "t": "a"}), "pictures.missing", "there is no picture"),
        (json!({"image": "1.png"}), "pictures.bad_field", "field `t` is missing"),
        (json!({"image": "1.png", "t": "  "}), "pictures.bad_field", "field `t` is empty"),
        (json!({"image": "1.png", "t": []}), "pictures.bad_field", "field `t` is an empty list"),
        (json!({"image": "1.png", "t": [1]}), "pictures.bad_field", "neither a text nor a list"),
        (json!({"image": "/dev/zero", "t": "a"}), "", "it is a device, not a file"),
        (json!({"image": ".", "t": "a"}), "", "it is a folder, not a file"),
    ];
    for (record, counted, message) in cases {
        let line = format!("{}\n{record}\n", json!({"image": "1.png", "t": ["a", "b"]}));
        write(folder, "a.jsonl", line.as_bytes());
        let mut source = source(folder, "a.jsonl", &["t"], None);
        let told = match read(&source, folder, &Ledger::new()) {
            Ok(found) => found[1].clone(),
            Err(error) => error.to_string(),
        };
        assert!(told.contains("a.jsonl:2") && told.contains(message), "{record}: {told}");
        source.on_error = OnError::Skip;
        let ledger = Ledger::new();
        let found = read(&source, folder, &ledger).unwrap();
        assert_eq!(found[0], "a.jsonl:1: [1, 1, 1] a|b");
        // What is found when the file is opened is counted then.
        assert_eq!(found.len(), if counted.is_empty() { 2 } else { 1 }, "{record}");
        assert_eq!(ledger.count(counted), u64::from(!counted.is_empty()), "{record}");
    }
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_holds_pictures_as_the_datasets_library_writes_them() {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, BinaryArray, Int64Array, RecordBatch, StringArray, StructArray};
    use arrow_schema::{DataType, Field};
    use parquet::arrow::ArrowWriter;

    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder, "files/2.png", &png([2, 2, 2], 2, 2));
    let file = png([1, 1, 1], 2, 2);
    let bytes: ArrayRef = Arc::new(BinaryArray::from(vec![Some(&file[..]), None, Some(b"no")]));
    let paths: ArrayRef =
        Arc::new(StringArray::from(vec![Some("x.png"), Some("files/2.png"), None]));
    let image = StructArray::from(vec![
        (Arc::new(Field::new("bytes", DataType::Binary, true)), Arc::clone(&bytes)),
        (Arc::new(Field::new("path", DataType::Utf8, true)), Arc::clone(&paths)),
    ]);
    let captions: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "c"]));
    let labels: ArrayRef = Arc::new(Int64Array::from(vec![1, 0, 1]));
    let save = |name: &str, image: ArrayRef| {
        let columns = [("image", image), ("text", captions.clone()), ("label", labels.clone())];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let mut file = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        write(folder, name, &file);
    };
    save("train-00000-of-00001.parquet", Arc::new(image));
    save("plain.parquet", bytes);
    let no_picture =
        "the file is of no format that is known, not a picture: remove it, or name other files";
    let name = "train-00000-of-00001.parquet";
    assert_eq!(
        read(&source(folder, name, &["text"], Some("label")), folder, &Ledger::new()).unwrap(),
        [
            format!("{name}:1: [1, 1, 1] 1 a"),
            format!("{name}:2: [2, 2, 2] 0 b"),
            format!("{name}:3: {no_picture} 1 c"),
        ]
    );
    let mut plain = source(folder, "plain.parquet", &[], None);
    let error = read(&plain, folder, &Ledger::new()).unwrap_err().to_string();
    assert!(error.contains("plain.parquet:2: field `image` is null"), "{error}");
    plain.on_error = OnError::Skip;
    assert_eq!(read(&plain, folder, &Ledger::new()).unwrap().len(), 2);
}

#[test]
fn shards_are_read_in_order_and_what_they_lack_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let picture = |value: u8| png([value; 3], 2, 2);
    let end = [0; 1024];
    let first = [
        member("a/1.left.PNG", &picture(9)),
        member("a/1.cls", b"7\n"),
        member("a/2.json", br#"{"txt": "from json", "cls": 3}"#),
        member("a/2.png", &picture(8)),
        member("README", b"no extension"),
        member("a/.hidden", b""),
    ];
    write(folder, "s-00.tar", &[first.concat(), end.to_vec()].concat());
    let second = [member("b.png", &picture(7)), member("b.txt", b"caption"), member("b.cls", b"1")];
    write(folder, "s-01.tar.gz", &gzip(&[second.concat(), end.to_vec()].concat()));
    let mut source = source(folder, "s-{00..00}.tar", &[], Some("cls"));
    let ledger = Ledger::new();
    assert_eq!(
        read(&source, folder, &ledger).unwrap(),
        ["s-00.tar:a/1.left.PNG: [9, 9, 9] 7", "s-00.tar:a/2.png: [8, 8, 8] 3"]
    );
    assert_eq!(ledger.count("pictures.members_without_extension"), 2);
    source.paths = vec![folder.display().to_string()];
    assert_eq!(read(&source, folder, &Ledger::new()).unwrap().len(), 3);

    // A repeated extension, a sample without a picture, and a file that is cut off.
    let bad = [
        member("1.png", &picture(1)),
        member("1.png", &picture(1)),
        member("2.cls", b"1"),
        member("3.png", &picture(3)),
        member("3.cls", b"1"),
        member("4.png", &picture(4))[..600].to_vec(),
    ];
    write(folder, "bad.tar", &bad.concat());
    source.paths = vec![folder.join("bad.tar").display().to_string()];
    let error = read(&source, folder, &Ledger::new()).unwrap_err().to_string();
    assert!(error.contains("bad.tar:1.png: the tar file has two members .png"), "{error}");
    source.on_error = OnError::Skip;
    let ledger = Ledger::new();
    let found = read(&source, folder, &ledger).unwrap();
    assert_eq!(found, ["bad.tar:3.png: [3, 3, 3] 1"]);
    for name in ["pictures.repeated_member", "pictures.missing", "read.damaged_file"] {
        assert_eq!(ledger.count(name), 1, "{name}");
    }
    // A member above the limit is not read into memory.
    source.limits = PictureLimits { max_file_bytes: 10, ..PictureLimits::default() };
    let told = read(&source, folder, &Ledger::new()).unwrap();
    assert!(told[0].contains("more than 10"), "{told:?}");
}

#[test]
fn folders_of_splits_are_kept_apart_and_others_are_classes() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for name in ["train/cat/1.png", "train/test tube/2.png", "val/cat/3.png", "train/cat/.4.png"] {
        write(folder, &format!("p/{name}"), &png([5; 3], 2, 2));
    }
    write(folder, "p/train/cat/notes.txt", b"x");
    let mut source = source(folder, "p", &[], Some("class"));
    let ledger = Ledger::new();
    let expected =
        ["p/train/cat/1.png: [5, 5, 5] cat", "p/train/test tube/2.png: [5, 5, 5] test tube"];
    assert_eq!(read(&source, folder, &ledger).unwrap(), expected);
    assert_eq!((ledger.count("read.other_splits"), ledger.count("read.other_files")), (1, 1));
    source.paths = vec![folder.join("p/val").display().to_string()];
    assert_eq!(read(&source, folder, &Ledger::new()).unwrap(), ["p/val/cat/3.png: [5, 5, 5] cat"]);
    // Pictures that lie in no folder of a class.
    source.paths = vec![folder.join("p/val/cat").display().to_string()];
    let error = read(&source, folder, &Ledger::new()).unwrap_err().to_string();
    assert!(error.contains("p/val/cat/3.png: field `class`"), "{error}");
    source.label_field = None;
    assert_eq!(read(&source, folder, &Ledger::new()).unwrap(), ["p/val/cat/3.png: [5, 5, 5]"]);
    // As the `datasets` library lays out a folder of pictures.
    write(folder, "q/metadata.jsonl", b"{\"file_name\": \"1.png\", \"text\": \"one\"}\n");
    write(folder, "q/1.png", &png([6; 3], 2, 2));
    let mut captioned = PictureSource::new([folder.join("q").display().to_string()]);
    captioned.caption_fields = vec!["text".to_owned()];
    assert_eq!(
        read(&captioned, folder, &Ledger::new()).unwrap(),
        ["q/metadata.jsonl:1: [6, 6, 6] one"]
    );
    for (path, message) in
        [("none", "does not exist"), ("n*", "matches no file"), ("p-{2..1}.tar", "downwards")]
    {
        let error =
            read(&PictureSource::new([path]), folder, &Ledger::new()).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
    std::fs::create_dir(folder.join("empty")).unwrap();
    let empty = PictureSource::new([folder.join("empty").display().to_string()]);
    let error = read(&empty, folder, &Ledger::new()).unwrap_err().to_string();
    assert!(error.contains("holds no pictures"), "{error}");
}

#[test]
fn every_format_is_refused_when_it_is_cut_off() {
    let golden = golden();
    for case in golden["decoded"].as_array().unwrap() {
        let (name, file) = (case["name"].as_str().unwrap(), bytes(&case["file"]));
        // Frames and pages after the first one, tables behind the pixels, and a BMP's colours are not missed.
        if ["animated", "TIFF", "two pages"].iter().any(|part| name.contains(part)) {
            continue;
        }
        for part in [0.3, 0.6, 0.8] {
            let length = (file.len() as f64 * part) as usize;
            let cut = decode(&file[..length], &PictureLimits::default());
            assert!(cut.is_err(), "{name} cut at {length} of {}", file.len());
        }
    }
}
