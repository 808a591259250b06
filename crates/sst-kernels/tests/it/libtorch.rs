//! The functions of libtorch that tch does not bind.

use sst_kernels::{AdamW, AdamWTensors};
use tch::{Device, Kind, Tensor};

fn values(tensor: &Tensor) -> Vec<f32> {
    Vec::<f32>::try_from(tensor.detach().flatten(0, -1)).unwrap()
}

#[test]
fn autocast_casts_matrix_products_and_is_restored_by_a_panic() {
    let (a, b) = (
        Tensor::ones([2, 2], (Kind::Float, Device::Cpu)),
        Tensor::ones([2, 2], (Kind::Float, Device::Cpu)),
    );
    let result = std::panic::catch_unwind(|| {
        let _guard = sst_kernels::autocast(Device::Cpu, Some(Kind::BFloat16)).unwrap();
        let (a, b) = (
            Tensor::ones([2, 2], (Kind::Float, Device::Cpu)),
            Tensor::ones([2, 2], (Kind::Float, Device::Cpu)),
        );
        assert_eq!(a.matmul(&b).kind(), Kind::BFloat16);
        panic!("on purpose");
    });
    assert!(result.is_err());
    assert_eq!(a.matmul(&b).kind(), Kind::Float);
}

#[test]
fn autocast_can_be_switched_off_inside() {
    let a = Tensor::ones([2, 2], (Kind::Float, Device::Cpu));
    assert_eq!(sst_kernels::product_kind(&a).unwrap(), Kind::Float);
    let _outer = sst_kernels::autocast(Device::Cpu, Some(Kind::BFloat16)).unwrap();
    assert_eq!(sst_kernels::product_kind(&a).unwrap(), Kind::BFloat16);
    {
        let _inner = sst_kernels::autocast(Device::Cpu, None).unwrap();
        assert_eq!(a.matmul(&a).kind(), Kind::Float);
        assert_eq!(sst_kernels::product_kind(&a).unwrap(), Kind::Float);
    }
    {
        let _inner = sst_kernels::autocast(Device::Cpu, Some(Kind::Half)).unwrap();
        assert_eq!(
            (a.matmul(&a).kind(), sst_kernels::product_kind(&a).unwrap()),
            (Kind::Half, Kind::Half)
        );
    }
    assert_eq!(a.matmul(&a).kind(), Kind::BFloat16);
}

#[test]
fn gradients_are_set_to_none_and_their_norm_is_euclidean() {
    let w = Tensor::from_slice(&[1_f32, 2.0]).set_requires_grad(true);
    let v = Tensor::from_slice(&[3_f32]).set_requires_grad(true);
    (w.sum(Kind::Float) * 3.0 + &v * 4.0).sum(Kind::Float).f_backward().unwrap();
    let norm = sst_kernels::global_norm([&w.grad(), &v.grad()]).unwrap();
    assert!((norm.double_value(&[]) - (9.0_f64 + 9.0 + 16.0).sqrt()).abs() < 1e-6, "{norm:?}");
    sst_kernels::reset_gradients([&w, &v]).unwrap();
    assert!(!w.grad().defined() && !v.grad().defined());
}

#[test]
fn fused_adamw_follows_the_paper_for_one_step() {
    let (lr, beta1, beta2, eps, decay) = (0.1, 0.9, 0.98, 1e-6, 0.01);
    let w = Tensor::from_slice(&[1.0_f32, -2.0]);
    let g = Tensor::from_slice(&[0.5_f32, 4.0]);
    let (m, v) = (w.zeros_like(), w.zeros_like());
    let step = Tensor::from(1_f32);
    let tensors = AdamWTensors {
        params: vec![&w],
        grads: vec![&g],
        exp_avgs: vec![&m],
        exp_avg_sqs: vec![&v],
        steps: vec![&step],
        bf16_params: vec![],
        remainders: vec![],
    };
    let options = AdamW { lr, betas: (beta1, beta2), eps, weight_decay: decay };
    let halve = Tensor::from(2_f32);
    sst_kernels::fused_adamw(&tensors, options, Some(&halve), None).unwrap();
    for (got, (w, g)) in values(&w).iter().zip([(1.0_f64, 0.25_f64), (-2.0, 2.0)]) {
        // At the first step the bias-corrected moments are g and g squared.
        let want = w * (1.0 - lr * decay) - lr * g / (g.abs() + eps);
        assert!((f64::from(*got) - want).abs() < 1e-6, "{got} {want}");
    }
    let before = values(&w);
    sst_kernels::fused_adamw(&tensors, options, None, Some(&Tensor::from(1_f32))).unwrap();
    assert_eq!(values(&w), before, "found_inf holds the update back");
}

/// The update of one number in fp64.
fn adamw_by_hand(x: f64, grad: f64, [m, v]: [f64; 2], step: i32, options: AdamW) -> [f64; 3] {
    let (beta1, beta2) = options.betas;
    let m = beta1 * m + (1.0 - beta1) * grad;
    let v = beta2 * v + (1.0 - beta2) * grad * grad;
    let (mean, square) = (m / (1.0 - beta1.powi(step)), v / (1.0 - beta2.powi(step)));
    let decayed = x - options.lr * options.weight_decay * x;
    [decayed - options.lr * mean / (square.sqrt() + options.eps), m, v]
}

#[test]
fn fused_adamw_takes_bf16_gradients_and_writes_copies() {
    // The size is more than two chunks of the kernel, and a remainder.
    let count = 150_001;
    let wave = |factor: f64| {
        (Tensor::arange(count, (Kind::Double, Device::Cpu)) * factor).sin().to_kind(Kind::Float)
    };
    let options = AdamW { lr: 0.01, betas: (0.9, 0.98), eps: 1e-6, weight_decay: 0.1 };
    for kind in [Kind::Float, Kind::BFloat16] {
        let (param, grad) = (wave(0.37), wave(0.11).to_kind(kind));
        let (exp_avg, exp_avg_sq) = (wave(0.5) * 0.1, wave(0.7).square());
        let copy = param.to_kind(Kind::BFloat16);
        let before = [&param, &grad, &exp_avg, &exp_avg_sq].map(values);
        let step = Tensor::from(3_f32);
        let tensors = AdamWTensors {
            params: vec![&param],
            grads: vec![&grad],
            exp_avgs: vec![&exp_avg],
            exp_avg_sqs: vec![&exp_avg_sq],
            steps: vec![&step],
            bf16_params: vec![Some(&copy)],
            remainders: vec![],
        };
        sst_kernels::fused_adamw(&tensors, options, Some(&Tensor::from(2_f32)), None).unwrap();
        let after = [&param, &exp_avg, &exp_avg_sq].map(values);
        for i in 0..count as usize {
            let [x, g, m, v] = [0, 1, 2, 3].map(|part| f64::from(before[part][i]));
            let wanted = adamw_by_hand(x, g / 2.0, [m, v], 3, options);
            for (after, wanted) in after.iter().zip(wanted) {
                let found = f64::from(after[i]);
                assert!((found - wanted).abs() < 1e-6, "{i}: {found} instead of {wanted}");
            }
        }
        assert!(copy.equal(&param.to_kind(Kind::BFloat16)));
        let norm = sst_kernels::global_norm([&grad, &param]).unwrap().double_value(&[]);
        let squares = |x: &Tensor| x.to_kind(Kind::Double).square().sum(Kind::Double);
        let wanted = (squares(&grad) + squares(&param)).sqrt().double_value(&[]);
        assert!((norm / wanted - 1.0).abs() < 1e-6, "{norm} instead of {wanted}");
    }
    let infinite = Tensor::from_slice(&[1_f32, f32::INFINITY]);
    assert!(sst_kernels::global_norm([&infinite]).unwrap().double_value(&[]).is_infinite());
}

#[test]
fn bytes_of_a_view_are_refused() {
    let x = Tensor::from_slice(&[1_f32, 2.0, 3.0, 4.0]).reshape([2, 2]);
    assert_eq!(sst_kernels::bytes_of(&x).unwrap()[4..8], 2_f32.to_ne_bytes());
    assert!(sst_kernels::bytes_of(&x.transpose(0, 1)).is_err());
}

#[test]
fn unscaling_divides_and_finds_what_is_not_finite() {
    let inv_scale = Tensor::from(0.25_f32);
    let (a, b) = (Tensor::from_slice(&[4.0_f32, -8.0]), Tensor::from_slice(&[2.0_f32]));
    assert_eq!(values(&sst_kernels::unscale([&a, &b], &inv_scale).unwrap()), [0.0]);
    assert_eq!((values(&a), values(&b)), (vec![1.0, -2.0], vec![0.5]));
    for bad in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
        let bad = Tensor::from_slice(&[0.0, bad]);
        assert_eq!(
            values(&sst_kernels::unscale([&a, &bad], &inv_scale).unwrap()),
            [1.0],
            "{bad:?}"
        );
    }
    assert_eq!(values(&sst_kernels::unscale([], &inv_scale).unwrap()), [0.0]);
}

#[test]
fn tf32_is_allowed_and_forbidden() {
    for allow in [true, false] {
        sst_kernels::allow_tf32(allow).unwrap();
        assert_eq!(sst_kernels::tf32_allowed().unwrap(), allow);
    }
}

#[test]
fn the_cpu_has_no_allocator_to_ask() {
    assert_eq!(sst_kernels::device_memory(Device::Cpu).unwrap(), None);
    sst_kernels::empty_cache(Device::Cpu).unwrap();
}

#[test]
fn memory_that_was_freed_is_handed_out_again() {
    sst_kernels::keep_freed_memory().unwrap();
    // A second call changes nothing.
    sst_kernels::keep_freed_memory().unwrap();
    let make = |count: i64, value: f64| Tensor::full([count], value, (Kind::Float, Device::Cpu));
    let address = |tensor: &Tensor| tensor.data_ptr() as usize;
    // Another test may take the memory that is freed first, but not in every attempt.
    let is_taken_again = (0..100).any(|_| {
        let first = make(8_000_000, 1.0);
        let place = address(&first);
        let second = make(8_000_000, 2.0);
        assert!(address(&second) != place);
        drop(first);
        // Allocates parts of it side by side, and then the whole after both parts are freed.
        let parts = [make(3_000_000, 3.0), make(4_000_000, 4.0)];
        let are_inside =
            parts.each_ref().map(|x| (place..place + 32_000_000).contains(&address(x)));
        assert_eq!([3.0, 4.0], parts.each_ref().map(|x| x.double_value(&[2_999_999])));
        assert!(address(&parts[0]).abs_diff(address(&parts[1])) >= 12_000_000);
        drop(parts);
        let whole = make(8_000_000, 5.0);
        assert_eq!((second.double_value(&[7_999_999]), whole.double_value(&[0])), (2.0, 5.0));
        are_inside == [true; 2] && address(&whole) == place
    });
    assert!(is_taken_again);
    // A request far beyond the memory of the machine gives the error that callers recognise.
    let error = Tensor::f_zeros([1 << 46], (Kind::Float, Device::Cpu)).unwrap_err().to_string();
    assert!(error.contains("DefaultCPUAllocator: not enough memory"), "{error}");
}

#[test]
fn parts_that_lie_side_by_side_are_joined_where_they_lie() {
    let all = Tensor::arange(24, (Kind::Float, Device::Cpu)).reshape([12, 2]);
    let part = |from: i64, rows: i64| all.narrow(0, from, rows).detach().set_requires_grad(true);
    let parts = [part(1, 3), part(4, 2), part(6, 4)];
    let [a, b, c] = &parts;
    let joint = sst_kernels::joint([a, b, c]).unwrap();
    assert_eq!(joint.data_ptr(), a.data_ptr());
    assert!(joint.detach().equal(&all.narrow(0, 1, 9)));
    let weight = Tensor::arange(18, (Kind::Float, Device::Cpu)).reshape([9, 2]);
    (&joint * &weight).sum(Kind::Float).backward();
    let grads = parts.each_ref().map(Tensor::grad);
    assert!(Tensor::cat(&grads, 0).equal(&weight));
    // Tensors in another order, or with a gap between them, are copied.
    for parts in [[a, c, b], [&part(0, 3), b, c]] {
        let joint = sst_kernels::joint(parts).unwrap();
        assert!(joint.data_ptr() != parts[0].data_ptr());
        assert!(joint.equal(&Tensor::cat(&parts, 0)));
    }
}

#[test]
fn parts_are_joined_and_their_gradients_taken_apart() {
    let parts = [1_i64, 2, 3].map(|rows| {
        Tensor::full([rows, 2], rows, (Kind::Float, Device::Cpu)).set_requires_grad(true)
    });
    let [a, b, c] = &parts;
    let joint = sst_kernels::joint([a, b, c]).unwrap();
    assert_eq!(values(&joint), [1., 1., 2., 2., 2., 2., 3., 3., 3., 3., 3., 3.]);
    let weight = Tensor::arange(12, (Kind::Float, Device::Cpu)).reshape([6, 2]);
    (joint * weight).sum(Kind::Float).f_backward().unwrap();
    assert_eq!(values(&a.grad()), [0., 1.]);
    assert_eq!(values(&b.grad()), [2., 3., 4., 5.]);
    assert_eq!(values(&c.grad()), [6., 7., 8., 9., 10., 11.]);
    let _autocast = sst_kernels::autocast(Device::Cpu, Some(Kind::BFloat16)).unwrap();
    let low = sst_kernels::joint([a, b, c]).unwrap();
    assert_eq!(low.kind(), Kind::BFloat16);
    low.to_kind(Kind::Float).sum(Kind::Float).f_backward().unwrap();
    assert_eq!((a.grad().kind(), values(&a.grad())), (Kind::Float, vec![1., 2.]));
    let wide = Tensor::zeros([1, 3], (Kind::Float, Device::Cpu));
    assert!(sst_kernels::joint([a, b, &wide]).unwrap_err().to_string().contains("equal shapes"));
}

/// Numbers of all magnitudes, numbers halfway between two bf16 numbers, and NaN and infinities.
fn wild() -> Tensor {
    let mut bits: Vec<u32> = (0..70_000_u32).map(|i| i.wrapping_mul(0x9e37_79b9)).collect();
    bits.extend([0, 0x8000_0000, 0x3f80_8000, 0x3f80_7fff, 0xbf81_8000, 0x7f80_0000, 0xff80_0000]);
    Tensor::from_slice(&bits.into_iter().map(f32::from_bits).collect::<Vec<_>>())
}

#[test]
fn halves_are_the_number_bit_for_bit() {
    let full = wild();
    let high = Tensor::zeros(full.size(), (Kind::BFloat16, Device::Cpu));
    let rest = Tensor::zeros(full.size(), (Kind::Int16, Device::Cpu));
    sst_kernels::split_bf16_remainder(&full, &high, &rest).unwrap();
    let joined = sst_kernels::join_bf16_remainder(&high, &rest).unwrap();
    let bits = |x: &Tensor| Vec::<i32>::try_from(x.view_dtype(Kind::Int)).unwrap();
    assert_eq!(bits(&joined), bits(&full));
    // The high part is the nearest bf16 number; for ties either of the two.
    let nearest = full.to_kind(Kind::BFloat16);
    let numbers = nearest.isfinite();
    let [found, expected] = [&high, &nearest].map(|x| values(&x.masked_select(&numbers)));
    let full = values(&full.masked_select(&numbers));
    for ((found, expected), x) in found.iter().zip(expected).zip(full) {
        let off = |y: f32| (f64::from(y) - f64::from(x)).abs();
        assert!(off(*found) == off(expected) || found.is_infinite(), "{x}: {found}, {expected}");
    }
    let short = rest.narrow(0, 0, 5);
    assert!(
        sst_kernels::split_bf16_remainder(&joined, &high, &short)
            .unwrap_err()
            .to_string()
            .contains("one size")
    );
}

#[test]
fn fused_adamw_of_halves_is_that_of_the_whole() {
    let wave = |factor: f64, kind: Kind| {
        (Tensor::arange(150_001, (Kind::Double, Device::Cpu)) * factor).sin().to_kind(kind)
    };
    let options = AdamW { lr: 0.01, betas: (0.9, 0.98), eps: 1e-6, weight_decay: 0.1 };
    let (whole, none) = (wave(0.37, Kind::Float), Tensor::zeros([0], (Kind::Float, Device::Cpu)));
    let (high, rest) = (wave(0.0, Kind::BFloat16), wave(0.0, Kind::Int16));
    sst_kernels::split_bf16_remainder(&whole, &high, &rest).unwrap();
    let step = Tensor::from(1_f32);
    for (param, copy, rest) in [(&whole, None, None), (&none, Some(&high), Some(&rest))] {
        let moments = [wave(0.5, Kind::Float), wave(0.7, Kind::Float).square()];
        for seed in [0.11, 0.13] {
            let grad = wave(seed, Kind::BFloat16);
            let tensors = AdamWTensors {
                params: vec![param],
                grads: vec![&grad],
                exp_avgs: vec![&moments[0]],
                exp_avg_sqs: vec![&moments[1]],
                steps: vec![&step],
                bf16_params: vec![copy],
                remainders: vec![rest],
            };
            sst_kernels::fused_adamw(&tensors, options, None, None).unwrap();
        }
    }
    assert_eq!(values(&sst_kernels::join_bf16_remainder(&high, &rest).unwrap()), values(&whole));
    let grad = wave(0.1, Kind::Double);
    let tensors = AdamWTensors {
        params: vec![&none],
        grads: vec![&grad],
        exp_avgs: vec![&whole],
        exp_avg_sqs: vec![&whole],
        steps: vec![&step],
        bf16_params: vec![Some(&high)],
        remainders: vec![Some(&rest)],
    };
    let error = sst_kernels::fused_adamw(&tensors, options, None, None).unwrap_err();
    assert!(error.to_string().contains("with a remainder"), "{error}");
}
