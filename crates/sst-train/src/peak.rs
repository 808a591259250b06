//! The speed of matrix products on this machine: what the utilisation is measured against.

use std::time::{Duration, Instant};

use sst_core::nn;
use sst_kernels::CpuLevel;
use tch::{Device, Kind, Tensor};

use crate::error::TrainError;
use crate::precision::Precision;

/// How long it is measured.
const TIME: Duration = Duration::from_millis(500);

/// Floating-point operations a second of square matrix products in the type that `precision` multiplies
/// in: the best of several runs within half a second, so that a disturbance does not lower the measure.
/// Factors are 1,024 wide on the CPU and 8,192 on an accelerator, which smaller ones would not fill; in fp16 on the CPU
/// 256, for libtorch multiplies it a number at a time. The products are libtorch's, but for bf16 on a processor without
/// instructions for it, whose products are sst's own in a run.
///
/// # Errors
/// If libtorch fails.
pub fn measure_peak(device: Device, precision: Precision) -> Result<f64, TrainError> {
    let (width, products) = match (device.is_cuda(), precision) {
        (true, _) => (8192, 4),
        (false, Precision::Fp16) => (256, 1),
        (false, _) => (1024, 4),
    };
    let is_widened = device == Device::Cpu
        && precision == Precision::Bf16
        && !CpuLevel::current().has_fast_bf16();
    let options = (Kind::Float, device);
    let factor = Tensor::f_ones([width, width], options)?.f_mul_scalar(1.0 / width as f64)?;
    let factor = factor.f_to_kind(precision.kind())?;
    let work = 2.0 * (width as f64).powi(3) * f64::from(products);
    let _no_grad = tch::no_grad_guard();
    let run = || -> Result<f64, TrainError> {
        let began = Instant::now();
        let mut product = factor.shallow_clone();
        for _ in 0..products {
            product = match is_widened {
                true => nn::linear(&product, &factor, None)?,
                false => factor.f_matmul(&product)?,
            };
        }
        // Reading an element waits for the device.
        product.f_double_value(&[0, 0])?;
        Ok(began.elapsed().as_secs_f64())
    };
    // The first run chooses and prepares kernels.
    run()?;
    let (start, mut best) = (Instant::now(), f64::INFINITY);
    while start.elapsed() < TIME {
        best = best.min(run()?);
    }
    Ok(work / best)
}
