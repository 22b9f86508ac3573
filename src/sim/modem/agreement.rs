//! What two modems agree on when they have trained.

use super::config::ModemConfig;
use super::result::Agreed;
use super::settings::{ErrorControl, Settings};
use crate::proto::time::BitRate;

/// What the first sends and hears; the second the other way about. `None` when there is no rate,
/// or no error control, that both accept.
///
/// `carries` is what the wire carries from the first, and from the second.
pub(super) fn agree(
    modems: [(&ModemConfig, &Settings); 2],
    carries: [BitRate; 2],
) -> Option<[Agreed; 2]> {
    let [(config_a, a), (config_b, b)] = modems;
    let top = a
        .top_rate(config_a.top_rate)
        .min(b.top_rate(config_b.top_rate));
    let least = a.rates.0.max(b.rates.0);
    let rate = |carries: BitRate| {
        let most = top.min(carries.bits_per_second());
        let rates = RATES.iter().rev().copied();
        rates
            .into_iter()
            .find(|&rate| rate <= most)
            .filter(|&rate| rate >= least)
    };
    let [from_a, from_b] = [rate(carries[0])?, rate(carries[1])?];
    let control = [a.error_control, b.error_control];
    let has_none = control.contains(&ErrorControl::None);
    if has_none && control.contains(&ErrorControl::Required) {
        return None;
    }
    let agreed = |sends, hears| Agreed {
        sends,
        hears,
        reliable: !has_none,
        compressed: !has_none && a.compression && b.compression,
    };
    Some([agreed(from_a, from_b), agreed(from_b, from_a)])
}

/// Of V.21 to V.34, bit/s.
const RATES: [u32; 16] = [
    300, 1200, 2400, 4800, 7200, 9600, 12_000, 14_400, 16_800, 19_200, 21_600, 24_000, 26_400,
    28_800, 31_200, 33_600,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::modem::Family;

    fn rates(a: impl Fn(&mut Settings), carries: [u32; 2]) -> Option<(u32, u32, bool)> {
        let config = ModemConfig::new(Family::Chipset);
        let b = Settings::factory(Family::Chipset, 1);
        let mut changed = b;
        a(&mut changed);
        let carries = carries.map(|bits| BitRate::new(bits).unwrap());
        let [a, _] = agree([(&config, &changed), (&config, &b)], carries)?;
        Some((a.sends, a.hears, a.reliable))
    }

    #[test]
    fn the_rate_is_the_highest_step_that_wire_and_both_modems_bear() {
        assert_eq!(rates(|_| {}, [38_400; 2]), Some((33_600, 33_600, true)));
        assert_eq!(
            rates(|_| {}, [29_000, 16_799]),
            Some((28_800, 14_400, true))
        );
        assert_eq!(rates(|_| {}, [299, 9600]), None);
        let capped = |a: &mut Settings| a.rates = (2400, 16_800);
        assert_eq!(rates(capped, [33_600; 2]), Some((16_800, 16_800, true)));
        assert_eq!(rates(capped, [2399, 33_600]), None);
    }

    #[test]
    fn error_control_is_used_when_both_have_it_and_a_modem_may_insist() {
        let with = |wanted| move |a: &mut Settings| a.error_control = wanted;
        let none = rates(with(ErrorControl::None), [9600; 2]);
        assert_eq!(none, Some((9600, 9600, false)));
        let insisting = with(ErrorControl::Required);
        assert_eq!(rates(insisting, [9600; 2]), Some((9600, 9600, true)));
        let config = ModemConfig::new(Family::Chipset);
        let [mut a, mut b] = [Settings::factory(Family::Chipset, 1); 2];
        (a.error_control, b.error_control) = (ErrorControl::Required, ErrorControl::None);
        let carries = [BitRate::new(9600).unwrap(); 2];
        assert_eq!(agree([(&config, &a), (&config, &b)], carries), None);
    }
}
