//! Odd functions of the normal distribution, approximated by cubics, one for each of 32 pieces from zero on.

/// The end of the last piece. Beyond it the functions are taken as one half, with an error of 2e-8.
pub(in crate::linear::tiles) const END: f32 = 5.5;
/// The number of pieces, which two vectors hold.
pub(in crate::linear::tiles) const PIECES: usize = 32;

/// The coefficients of 1, t, t² and t³ for each piece, along which t runs from 0 to 1.
#[repr(align(64))]
pub(in crate::linear::tiles) struct Cubics(pub(super) [[f32; PIECES]; 4]);

/// `P(X < x) - 1/2`, with an error of at most 3e-7.
pub(in crate::linear::tiles) static SHARE: Cubics = cubics(false);
/// `P(X < x) - 1/2` plus `x` times the density: the derivative of GELU minus one half. The error is at most 2e-6.
pub(in crate::linear::tiles) static DERIVATIVE: Cubics = cubics(true);

/// Interpolates at four Chebyshev nodes of each piece.
const fn cubics(is_derivative: bool) -> Cubics {
    // (1 + cos k pi/8) / 2 for k = 7, 5, 3, 1.
    const OUTER: f64 = 0.923_879_532_511_286_8 / 2.0;
    const INNER: f64 = 0.382_683_432_365_089_8 / 2.0;
    const NODES: [f64; 4] = [0.5 - OUTER, 0.5 - INNER, 0.5 + INNER, 0.5 + OUTER];
    let mut all = [[0.0; PIECES]; 4];
    let mut piece = 0;
    while piece < PIECES {
        let mut d = [0.0; 4];
        let mut k = 0;
        while k < 4 {
            let x = (piece as f64 + NODES[k]) * END as f64 / PIECES as f64;
            d[k] = if is_derivative { share(x) + x * density(x) } else { share(x) };
            k += 1;
        }
        // Newton's divided differences, from the last to the first.
        let mut order = 1;
        while order < 4 {
            let mut k = 3;
            while k >= order {
                d[k] = (d[k] - d[k - 1]) / (NODES[k] - NODES[k - order]);
                k -= 1;
            }
            order += 1;
        }
        // The expanded form of ((d3 (t - n2) + d2) (t - n1) + d1) (t - n0) + d0.
        let mut c = [d[3], 0.0, 0.0, 0.0];
        let mut k = 3;
        while k > 0 {
            k -= 1;
            let mut power = 3;
            while power > 0 {
                c[power] = c[power - 1] - NODES[k] * c[power];
                power -= 1;
            }
            c[0] = d[k] - NODES[k] * c[0];
        }
        let mut power = 0;
        while power < 4 {
            all[power][piece] = c[power] as f32;
            power += 1;
        }
        piece += 1;
    }
    Cubics(all)
}

const ROOT: f64 = 2.506_628_274_631_000_5;

/// `e^-x²/2 / sqrt(2 pi)`.
const fn density(x: f64) -> f64 {
    // The 64th root by its series, then squared six times.
    let y = -x * x / 2.0 / 64.0;
    let (mut term, mut sum, mut n) = (1.0, 1.0, 1);
    while n < 20 {
        term *= y / n as f64;
        sum += term;
        n += 1;
    }
    let mut doubled = 0;
    while doubled < 6 {
        sum *= sum;
        doubled += 1;
    }
    sum / ROOT
}

/// `P(0 < X < x)`: x times the density times the sum of x^2n / (1 3 5 ... (2n + 1)) (Marsaglia 2004, "Evaluating the
/// Normal Distribution").
const fn share(x: f64) -> f64 {
    let (mut term, mut sum, mut n) = (1.0, 1.0, 1);
    while n < 120 {
        term *= x * x / (2 * n + 1) as f64;
        sum += term;
        n += 1;
    }
    x * density(x) * sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(Cubics(all): &Cubics, x: f32) -> f32 {
        let at = x * (PIECES as f32 / END);
        let (piece, t) = (at as usize, at.fract());
        all.iter().rev().fold(0.0, |y, c| y * t + c[piece])
    }

    #[test]
    fn cubics_are_near_what_libtorch_computes() {
        let x = tch::Tensor::linspace(0.0, f64::from(END) - 1e-6, 20_001, tch::kind::FLOAT_CPU);
        let wide = x.to_kind(tch::Kind::Double);
        let share = (&wide * 0.5_f64.sqrt()).erf() * 0.5;
        let derivative = &share + &wide * (&wide * &wide * -0.5).exp() / ROOT;
        let numbers: Vec<f32> = Vec::try_from(&x).unwrap();
        for (cubics, right, bound) in [(&SHARE, &share, 3e-7), (&DERIVATIVE, &derivative, 2e-6)] {
            let right: Vec<f64> = Vec::try_from(right).unwrap();
            let off = |(x, right): (&f32, f64)| (f64::from(at(cubics, *x)) - right).abs();
            let most = numbers.iter().zip(right).map(off).fold(0.0, f64::max);
            assert!(most < bound, "off by {most}");
            assert!(most > bound / 8.0, "the bound {bound} is far from {most}");
        }
    }
}
