//! Files that are no pictures, or damaged or oversized ones: each is an error with its name, or is skipped and counted.

use proptest::prelude::*;
use proptest::sample::Index;
use sst_data::Ledger;
use sst_data::pictures::{
    PictureLimits, PicturePreparation, PictureSource, StoredPictures, StoredSize, decode,
};
use sst_data::read::OnError;

use super::golden::{bytes, golden};
use super::store::{gzip, member, png, write};

/// A PNG that claims to have these sides.
fn claiming(width: u32, height: u32) -> Vec<u8> {
    let mut file = png([1, 2, 3], 2, 2);
    file[16..20].copy_from_slice(&width.to_be_bytes());
    file[20..24].copy_from_slice(&height.to_be_bytes());
    let sum = crc32(&file[12..29]);
    file[29..33].copy_from_slice(&sum.to_be_bytes());
    file
}

/// The checksum of a chunk of a PNG (ISO 3309).
fn crc32(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg());
        }
    }
    !sum
}

fn hostile() -> Vec<(String, Vec<u8>)> {
    let good = png([9, 80, 200], 16, 16);
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    let mut add = |name: &str, bytes: &[u8]| files.push((name.to_owned(), bytes.to_vec()));
    add("empty.png", b"");
    add("text.png", b"this is no picture at all");
    add("html.jpg", b"<!doctype html><html></html>");
    add("zeros.png", &[0; 64]);
    add("huge.png", &claiming(60_000, 60_000));
    add("wide.png", &claiming(u32::MAX >> 1, 1));
    add("no_width.png", &claiming(0, 8));
    add("no_height.png", &claiming(8, 0));
    for length in [8, 20, 33, 40, good.len() / 2, good.len() - 13] {
        add(&format!("cut_{length}.png"), &good[..length]);
    }
    add("gif_header.gif", b"GIF89a");
    add("gif_cut.gif", b"GIF89a\x10\x00\x10\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00,");
    add("jpeg_header.jpg", &[0xff, 0xd8, 0xff, 0xe0]);
    add(
        "jpeg_no_end.jpg",
        &[0xff, 0xd8, 0xff, 0xe0, 0, 16, b'J', b'F', b'I', b'F', 0, 1, 1, 0, 0, 1, 0, 1, 0, 0],
    );
    add("bmp_header.bmp", b"BM\x00\x00\x00\x00\x00\x00\x00\x00\x36\x00\x00\x00");
    let mut bmp = b"BM\xff\xff\xff\x7f\x00\x00\x00\x00\x36\x00\x00\x00\x28\x00\x00\x00".to_vec();
    bmp.extend([0xff, 0xff, 0, 0, 0xff, 0xff, 0, 0, 1, 0, 24, 0]);
    bmp.resize(60, 0);
    add("bmp_bomb.bmp", &bmp);
    add("tiff_header.tif", b"II*\x00\x08\x00\x00\x00");
    add("tiff_far.tif", b"II*\x00\xff\xff\xff\xff\x00\x00");
    add("webp_header.webp", b"RIFF\x24\x00\x00\x00WEBPVP8 ");
    add("webp_lossless.webp", b"RIFF\x24\x00\x00\x00WEBPVP8L\x10\x00\x00\x00\x2f\xff\xff\xff\xff");
    add("svg.svg.png", b"<svg xmlns='http://www.w3.org/2000/svg'/>");
    add("zip.png", b"PK\x03\x04\x14\x00\x00\x00\x08\x00");
    add("pickle.png", b"\x80\x04\x95\x0c\x00\x00\x00\x00\x00\x00\x00\x8c\x08builtins");
    add("ico.png", b"\x00\x00\x01\x00\x01\x00\x10\x10");
    add("heic.jpg", b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00");
    add("avif.png", b"\x00\x00\x00\x18ftypavif\x00\x00\x00\x00");
    add("lfs.png", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n");
    add("paper.jpg", b"%PDF-1.7\n");
    add("packed.png", b"\x1f\x8b\x08\x00\x00\x00\x00\x00");
    add("gif_zero.gif", b"GIF89a\x00\x00\x00\x00\x00\x00\x00\x3b");
    add(
        "gif_bomb.gif",
        b"GIF89a\xff\xff\xff\xff\x00\x00\x00,\x00\x00\x00\x00\xff\xff\xff\xff\x00\x02\x01\x00\x3b",
    );
    let mut flipped = good.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0xff;
    add("flipped.png", &flipped);
    files
}

#[test]
fn hostile_files_are_named_and_counted() {
    let files = hostile();
    assert!(files.len() >= 30, "{}", files.len());
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let cache = folder.join("cache");
    let stored = StoredPictures { size: StoredSize::Square(4), ..StoredPictures::default() };
    for (name, bytes) in &files {
        let refused = decode(bytes, &PictureLimits::default());
        assert!(refused.is_err(), "{name}");
        write(folder, &format!("one/{name}/x/{name}"), bytes);
        let path = folder.join("one").join(name).display().to_string();
        let (source, ledger) = (PictureSource::new([path]), Ledger::new());
        let preparation = PicturePreparation {
            source: &source,
            stored,
            labels: None,
            ledger: &ledger,
            cache: &cache,
        };
        let error = preparation.prepare(&mut |_, _| {}).unwrap_err().to_string();
        assert!(error.contains(name.as_str()), "{name}: {error}");
        write(folder, &format!("all/x/{name}"), bytes);
    }
    write(folder, "all/x/good.png", &png([9, 80, 200], 16, 16));
    let mut source = PictureSource::new([folder.join("all").display().to_string()]);
    source.on_error = OnError::Skip;
    let ledger = Ledger::new();
    let preparation = PicturePreparation {
        source: &source,
        stored,
        labels: None,
        ledger: &ledger,
        cache: &cache,
    };
    let store = preparation.prepare(&mut |_, _| {}).unwrap();
    assert_eq!(store.num_pictures(), 1);
    let entries = ledger.entries();
    let skipped = entries.iter().filter(|(name, _)| name.starts_with("pictures."));
    let skipped: u64 = skipped.map(|(_, entry)| entry.count).sum();
    assert_eq!(skipped, files.len() as u64, "{entries:?}");
}

/// A change of the bytes of a file: another byte, a shorter file, or a part that is repeated.
#[derive(Debug, Clone)]
enum Mutation {
    Write(Index, u8),
    Cut(Index),
    Repeat(Index, usize),
    Large(Index),
}

fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    let mutation = prop_oneof![
        6 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Mutation::Write(at, byte)),
        1 => any::<Index>().prop_map(Mutation::Cut),
        1 => (any::<Index>(), 1_usize..600).prop_map(|(at, count)| Mutation::Repeat(at, count)),
        1 => any::<Index>().prop_map(Mutation::Large),
    ];
    prop::collection::vec(mutation, 1..6)
}

fn apply(bytes: &mut Vec<u8>, mutations: &[Mutation]) {
    for mutation in mutations {
        if bytes.is_empty() {
            return;
        }
        let length = bytes.len();
        match mutation {
            Mutation::Write(at, byte) => bytes[at.index(length)] = *byte,
            Mutation::Cut(at) => bytes.truncate(at.index(length)),
            Mutation::Repeat(at, count) => {
                let at = at.index(length);
                let part = bytes[at..length.min(at + count)].to_vec();
                bytes.splice(at..at, part);
            }
            Mutation::Large(at) => {
                let at = at.index(length);
                bytes[at..length.min(at + 4)].fill(0xff);
            }
        }
    }
}

/// A tar file of three samples with a picture, a caption and JSON each.
fn shard() -> Vec<u8> {
    let mut tar = Vec::new();
    for at in 0..3 {
        let (picture, json) = (png([at, 2, 3], 2, 2), format!("{{\"kind\": \"k{at}\"}}"));
        let long = "long/".repeat(30);
        tar.extend(member(&format!("a/{at:03}.png"), &picture));
        tar.extend(member(&format!("a/{at:03}.txt"), long.as_bytes()));
        tar.extend(member(&format!("a/{at:03}.json"), json.as_bytes()));
    }
    tar.extend([0; 1024]);
    tar
}

/// Reads a file of pictures with their captions and labels, skipping what is damaged: that must not fail, and must tell
/// what is missing.
fn check_read(name: &str, bytes: &[u8], fields: [&str; 2]) -> Result<(), TestCaseError> {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), name, bytes);
    let mut source = PictureSource::new([folder.path().join(name).display().to_string()]);
    source.caption_fields = vec![fields[0].to_owned()];
    source.label_field = Some(fields[1].to_owned());
    let limits = PictureLimits { max_pixels: 1 << 16, max_file_bytes: 1 << 16 };
    source.limits = limits;
    for on_error in [OnError::Skip, OnError::Fail] {
        source.on_error = on_error;
        let (ledger, mut pictures) = (Ledger::new(), 0);
        let read = source.read(&ledger, &mut |picture| {
            pictures += 1;
            if let Ok((decoded, _)) = picture.file.decode(&limits) {
                assert!(decoded.picture.pixels().len() <= 3 << 16);
            }
            Ok(())
        });
        prop_assert!(on_error == OnError::Fail || read.is_ok(), "{:?}", read.err());
        if on_error == OnError::Skip && pictures == 0 {
            prop_assert!(!ledger.entries().is_empty(), "nothing is read and nothing is told");
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn mutated_pictures_are_decoded_or_refused(seed in any::<Index>(), mutations in mutations()) {
        let golden = golden();
        let files = golden["decoded"].as_array().unwrap();
        let file = &files[seed.index(files.len())];
        let mut file = bytes(&file["file"]);
        apply(&mut file, &mutations);
        let limits = PictureLimits { max_pixels: 1 << 16, ..PictureLimits::default() };
        let start = std::time::Instant::now();
        if let Ok(decoded) = decode(&file, &limits) {
            let (width, height) = (decoded.picture.width(), decoded.picture.height());
            prop_assert!(u64::from(width) * u64::from(height) <= 1 << 16);
        }
        prop_assert!(start.elapsed().as_secs() < 10, "took {:?}", start.elapsed());
    }

    #[test]
    fn mutated_shards_are_read_or_refused(mutations in mutations()) {
        let mut tar = shard();
        apply(&mut tar, &mutations);
        check_read("s.tar", &tar, ["txt", "kind"])?;
        check_read("s.tar.gz", &gzip(&tar), ["txt", "kind"])?;
    }

    #[test]
    fn mutated_tables_are_read_or_refused(mutations in mutations()) {
        use base64::Engine;
        let engine = base64::engine::general_purpose::STANDARD;
        let (line, picture) = (|text: &str| format!("{{\"image\": \"{text}\", \"t\": [\"a\", \"b\"], \"k\": 3}}\n"), png([1, 2, 3], 5, 5));
        let mut lines = line(&engine.encode(&picture)) + &line("data:image/png;base64,iVBORw0KGgo=") + &line("x.png");
        lines += &line(&engine.encode(&picture));
        let mut lines = lines.into_bytes();
        apply(&mut lines, &mutations);
        check_read("a.jsonl", &lines, ["t", "k"])?;
    }
}
