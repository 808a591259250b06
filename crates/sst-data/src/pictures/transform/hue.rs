//! Shifts the hue of a pixel, through hue, saturation and value.

/// The pixel with its hue shifted by a share of the circle of colours. Computed in f32 and rounded to 8 bits like
/// torchvision does it.
pub(super) fn shift_hue(pixel: [u8; 3], shift: f32) -> [u8; 3] {
    let [hue, saturation, value] = to_hsv(pixel.map(|value| f32::from(value) / 255.0));
    let shifted = turn(hue + shift);
    to_rgb([shifted, saturation, value]).map(|value| (value * (256.0 - 1e-3)) as u8)
}

/// The place on the circle of a hue from -1 to 2, as the remainder of a division by 1.
fn turn(hue: f32) -> f32 {
    if hue < 0.0 {
        hue + 1.0
    } else if hue >= 1.0 {
        hue - 1.0
    } else {
        hue
    }
}

fn to_hsv([red, green, blue]: [f32; 3]) -> [f32; 3] {
    let (most, least) = (red.max(green).max(blue), red.min(green).min(blue));
    if most == least {
        return [0.0, 0.0, most];
    }
    let range = most - least;
    let [from_red, from_green, from_blue] = [red, green, blue].map(|value| (most - value) / range);
    // In sixths of the circle, from the channel that is the greatest.
    let sixths = if most == red {
        from_blue - from_green
    } else if most == green {
        2.0 + from_red - from_blue
    } else {
        4.0 + from_green - from_red
    };
    [turn(sixths / 6.0 + 1.0), range / most, most]
}

fn to_rgb([hue, saturation, value]: [f32; 3]) -> [f32; 3] {
    // The hue is not negative, so the cast rounds down.
    let sixth = (hue * 6.0) as i32;
    let within = hue * 6.0 - sixth as f32;
    let low = value * (1.0 - saturation);
    let falling = value * (1.0 - saturation * within);
    let rising = value * (1.0 - saturation * (1.0 - within));
    let [low, falling, rising] = [low, falling, rising].map(|value| value.clamp(0.0, 1.0));
    match sixth % 6 {
        0 => [value, rising, low],
        1 => [falling, value, low],
        2 => [low, value, rising],
        3 => [low, falling, value],
        4 => [rising, low, value],
        _ => [value, low, falling],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_third_of_the_circle_moves_the_channels_on() {
        assert_eq!(shift_hue([255, 0, 0], 1.0 / 3.0), [0, 255, 0]);
        assert_eq!(shift_hue([0, 0, 255], 1.0 / 3.0), [255, 0, 0]);
        assert_eq!(shift_hue([90, 90, 90], 0.4), [90, 90, 90]);
        assert_eq!(shift_hue([200, 100, 50], 0.0), [200, 100, 50]);
    }
}
