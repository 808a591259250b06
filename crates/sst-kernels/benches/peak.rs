//! The upper bound of the speed of a step: bf16 products whose sums stay in the registers of all cores. Beside it the
//! matrix products themselves, in multiplications and additions per second.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a benchmark may panic; its functions are made by macros"
)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tch::{Device, Kind, Tensor};

/// No product is faster than one whose operands stay in registers.
#[cfg(target_arch = "x86_64")]
fn registers(c: &mut Criterion) {
    const TIMES: usize = 1 << 22;
    let Some(each) = sst_kernels::multiply_in_registers(TIMES) else {
        return;
    };
    let threads = tch::get_num_threads() as u64;
    let mut group = c.benchmark_group("peak");
    group.sample_size(10);
    group.throughput(Throughput::Elements(threads * each));
    group.bench_function("registers", |b| {
        b.iter(|| {
            std::thread::scope(|scope| {
                for _ in 0..threads {
                    scope.spawn(|| sst_kernels::multiply_in_registers(TIMES).unwrap());
                }
            });
        });
    });
}

#[cfg(not(target_arch = "x86_64"))]
fn registers(_: &mut Criterion) {}

/// The square product that `train.measure_mfu` uses as its bound, and the product of the first MLP layer of BERT-base
/// with as many rows as 32 verses have tokens, whose weight is not packed yet.
fn products(c: &mut Criterion) {
    let make = |shape: &[i64]| Tensor::randn(shape, (Kind::BFloat16, Device::Cpu));
    let mut group = c.benchmark_group("peak");
    let square = make(&[1024, 1024]);
    group.throughput(Throughput::Elements(2 << 30));
    group.bench_function("libtorch/1024x1024x1024", |b| {
        b.iter(|| black_box(square.matmul(&square)));
    });
    let (x, weight) = (make(&[1056, 768]), make(&[3072, 768]));
    group.throughput(Throughput::Elements(2 * 1056 * 768 * 3072));
    group.bench_function("libtorch/1056x768x3072", |b| {
        b.iter(|| black_box(x.linear(&weight, None::<&Tensor>)));
    });
    if sst_kernels::has_linear_kernel(&x, &weight).unwrap() {
        let run = || {
            sst_kernels::fast_linear(&x, &weight, sst_kernels::WeightLayout::OutIn, None).unwrap()
        };
        group.bench_function("kernel/1056x768x3072", |b| b.iter(|| black_box(run())));
    }
}

criterion_group!(benches, registers, products);
criterion_main!(benches);
