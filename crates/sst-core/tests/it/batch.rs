//! Host batches keep their shapes, types and numbers on the device.

use sst_core::Batch;
use sst_data::{ArrayData, HostBatch, Key, Normalizer};
use tch::{Device, Kind, Tensor};

#[test]
fn every_type_of_array_arrives_as_it_is() {
    let pixels: Vec<u8> = (0..=255).collect();
    let host = HostBatch::new(Normalizer::Count(2), vec![Key::new("a", 1), Key::new("a", 2)])
        .with("pixels", &[2, 8, 16], ArrayData::U8(pixels.clone()))
        .and_then(|host| host.with("ids", &[2], ArrayData::I64(vec![-1, 1 << 40])))
        .and_then(|host| host.with("scores", &[1, 2], ArrayData::F32(vec![0.5, -2.0])))
        .and_then(|host| host.with("mask", &[2], ArrayData::Bool(vec![true, false])))
        .unwrap();
    let batch = Batch::from_host(&host, Device::Cpu).unwrap();
    let kinds = ["pixels", "ids", "scores", "mask"].map(|name| batch.get(name).unwrap().kind());
    assert_eq!(kinds, [Kind::Uint8, Kind::Int64, Kind::Float, Kind::Bool]);
    let found = batch.get("pixels").unwrap();
    assert_eq!(found.size(), [2, 8, 16]);
    assert_eq!(Vec::<u8>::try_from(found.flatten(0, -1)).unwrap(), pixels);
    let expected = Tensor::from_slice(&[0.5_f32, -2.0]).reshape([1, 2]);
    assert!(batch.get("scores").unwrap().equal(&expected));
}
