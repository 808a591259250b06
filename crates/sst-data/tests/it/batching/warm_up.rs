//! Sizes and lengths that grow with the steps.

use std::sync::Arc;

use sst_data::batching::{
    Batching, BatchingError, FixedBatches, LengthRamp, LengthWarmUp, PackConfig, Packed, Position,
    SizeRamp,
};

use super::{Rows, samples, take};

#[test]
fn the_batch_grows_linearly() {
    let ramp = SizeRamp { from: 2, steps: 4 };
    let sizes: Vec<_> = (0..6).map(|step| ramp.size(step, 12)).collect();
    assert_eq!(sizes, [2, 4, 7, 9, 12, 12]);
    assert_eq!(SizeRamp { from: 2, steps: 0 }.size(0, 12), 12);
    assert_eq!(SizeRamp { from: 1, steps: u64::MAX }.size(u64::MAX - 1, 1 << 40), (1 << 40) - 1);

    let rule = FixedBatches::new(1, 100, 12, 4).unwrap().with_ramp(ramp).unwrap();
    let plans = take(&rule, Position::default(), 6);
    assert_eq!(plans.iter().map(|p| p.num_samples()).collect::<Vec<_>>(), sizes);
    assert_eq!(plans[5].end, Position { step: 6, sample: 46 });
    assert_eq!(plans[2].micro.iter().map(Vec::len).collect::<Vec<_>>(), [4, 3]);
    let plain = take(&FixedBatches::new(1, 100, 46, 46).unwrap(), Position::default(), 1);
    assert_eq!(samples(&plans), samples(&plain), "the order is that of the epoch");

    let refused = |from| {
        let rule = FixedBatches::new(1, 100, 12, 4).unwrap();
        rule.with_ramp(SizeRamp { from, steps: 4 }).unwrap_err().to_string()
    };
    assert!(refused(0).contains("`from` must be"));
    assert!(refused(13).contains("`from` is 13, above the 12"));
}

#[test]
fn the_length_grows_in_multiples() {
    let ramp = LengthRamp { from: 60, steps: 4, multiple_of: 64 };
    let lengths: Vec<_> = (0..6).map(|step| ramp.length(step, 512)).collect();
    assert_eq!(lengths, [Some(60), Some(128), Some(256), Some(384), None, None]);

    let rule = Arc::new(FixedBatches::new(1, 100, 12, 4).unwrap());
    let warm = LengthWarmUp::new(rule.clone(), ramp, 512).unwrap();
    let plans = take(&warm, Position::default(), 6);
    assert_eq!(plans.iter().map(|p| p.max_row_length).collect::<Vec<_>>(), lengths);
    assert_eq!(samples(&plans), samples(&take(&*rule, Position::default(), 6)));
    let resumed = take(&warm, plans[1].end, 4);
    assert_eq!(resumed, plans[2..]);

    let packs = PackConfig { length: 9, packs_per_step: 1, micro_packs: 1, window: None };
    let packed = Packed::new(1, Rows::of(vec![3]), packs).unwrap();
    let refused = |rule: Arc<dyn Batching>, ramp| LengthWarmUp::new(rule, ramp, 512).err().unwrap();
    assert_eq!(refused(Arc::new(packed), ramp), BatchingError::PackedLengthRamp);
    for (ramp, expected) in [
        (LengthRamp { from: 0, ..ramp }, "`from` must"),
        (LengthRamp { multiple_of: 0, ..ramp }, "`multiple_of` must"),
        (LengthRamp { from: 513, ..ramp }, "`from` is 513, above"),
    ] {
        let error = refused(rule.clone(), ramp).to_string();
        assert!(error.contains(expected), "{error}");
    }
}
