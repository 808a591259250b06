//! `sst reconstruct`.

use sst_data::pictures::{PictureLimits, decode};

use super::{CLIP, COLOURS, MAE, close, picture, refused, trained};

#[test]
fn reconstructions_keep_the_visible_patches() {
    let sandbox = trained(MAE);
    let args = [
        "reconstruct",
        "--model",
        "runs/r",
        "--data",
        "pictures.jsonl",
        "--count",
        "3",
        "--out",
        "out.png",
    ];
    let told = sandbox.good(&[&args[..], &["--json"]].concat()).json();
    assert_eq!(
        (&told["patches"], &told["masked_patches"], &told["norm_pix_loss"]),
        (&16.into(), &12.into(), &true.into())
    );
    let losses: Vec<f64> = told["pictures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|of| of["loss"].as_f64().unwrap())
        .collect();
    assert!(losses.len() == 3 && losses.iter().all(|loss| *loss > 0.0));
    close("loss", &told["loss"], losses.iter().sum::<f64>() / 3.0);
    let png = std::fs::read(sandbox.path("out.png")).unwrap();
    let sheet = decode(&png, &PictureLimits::default()).unwrap().picture;
    assert_eq!((sheet.width(), sheet.height()), (3 * 104, 3 * 104));
    let pixel = |column: u32, row: u32, x: u32, y: u32| {
        let at =
            3 * ((row * 104 + 4 + 12 * y) * sheet.width() + column * 104 + 4 + 12 * x) as usize;
        <[u8; 3]>::try_from(&sheet.pixels()[at..at + 3]).unwrap()
    };
    let (mut masked, mut changed) = (0, 0);
    for (column, x, y) in
        (0..3).flat_map(|c| (0..8).flat_map(move |x| (0..8).map(move |y| (c, x, y))))
    {
        let [original, seen, made] = [0, 1, 2].map(|row| pixel(column, row, x, y));
        if seen == [128; 3] {
            masked += 1;
            changed += u32::from(made != original);
        } else {
            assert_eq!((seen, made), (original, original), "{column} {x} {y}");
        }
    }
    // 12 of 16 patches of 4 pixels, and a model of 6 steps is never exact everywhere.
    assert_eq!(masked, 3 * 12 * 4);
    assert!(changed > masked / 4, "{changed}");
    // The first picture of the sheet is the one that is named.
    let key = told["pictures"][0]["key"].as_str().unwrap();
    let number: u32 = key.rsplit_once(':').unwrap().1.parse().unwrap();
    let expected = picture(COLOURS[(number as usize - 1) % 3].1, number - 1);
    assert_eq!(pixel(0, 0, 0, 0), expected.pixels()[..3]);
    let ended = sandbox.good(&args);
    assert!(
        ended.stderr.contains("mean and deviation of the original patches"),
        "{}",
        ended.stderr
    );
    refused(
        &sandbox,
        &[&args[..], &["--mask-ratio", "0.99"]].concat(),
        &["--mask-ratio is 0.99", "visible"],
    );
    refused(&sandbox, &[&args[..5], &["--out", "out.jpg"]].concat(), &["name a .png"]);
    let clip = trained(CLIP);
    refused(&clip, &args, &["take a model that was trained with `mae`"]);
}
