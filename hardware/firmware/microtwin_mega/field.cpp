#include "field.h"

#include <math.h>

#include "sine_table.h"

namespace field {

namespace {

const float turn = 6.28318531f / 65536;
const float counts = 255.0f * 128;  // full duty in the units of Waves

// c cos + s sin, rounded from Q15. The sum is below 2^30, as c and s are quadratures of no more than full duty.
inline int16_t swing(int16_t c, int16_t s, int16_t cosine, int16_t sine) {
    const int32_t sum = static_cast<int32_t>(c) * cosine + static_cast<int32_t>(s) * sine;
    return static_cast<int16_t>((sum + 16384) * 2 >> 16);  // no shift by 15: the AVR shifts bit by bit
}

}  // namespace

uint16_t prepare(const Command &command, const Calibration &calibration, Waves &waves) {
    const float ca = cosf(command.alpha * turn), sa = sinf(command.alpha * turn);
    const float cg = cosf(command.gamma * turn), sg = sinf(command.gamma * turn);
    float still = 0;  // k / (1 + k) with k = 1 / tan(cone); the rest turns
    if (command.cone != no_cone) {
        const float cc = cosf(command.cone * turn), sc = sinf(command.cone * turn);
        still = cc / (cc + sc);
    }
    const float turning = 1 - still;
    const float c[3] = {turning * cg * sa, -turning * cg * ca, turning * sg};
    const float s[3] = {turning * ca, turning * sa, 0};
    const float n[3] = {-still * sg * sa, still * sg * ca, still * cg};

    float peak = 0;  // greatest |duty| of any axis at amplitude 1
    for (uint8_t i = 0; i < 3; i++) {
        const float axis = (sqrtf(c[i] * c[i] + s[i] * s[i]) + fabsf(n[i])) * fabsf(calibration.gain[i]) / one;
        if (axis > peak) {
            peak = axis;
        }
    }
    uint16_t amplitude = command.amplitude;
    if (amplitude * peak > calibration.max_duty + 0.5f) {  // half a step: rounding alone clips nothing
        amplitude = static_cast<uint16_t>(calibration.max_duty / peak);
    }
    for (uint8_t i = 0; i < 3; i++) {
        const float scale = counts * amplitude / one * calibration.gain[i] / one;
        waves.c[i] = static_cast<int16_t>(lroundf(scale * c[i]));
        waves.s[i] = static_cast<int16_t>(lroundf(scale * s[i]));
        waves.n[i] = static_cast<int16_t>(lroundf(scale * n[i]));
    }
    const uint32_t updates_per_s_uhz = update_hz * 1000000UL;
    waves.step = static_cast<uint32_t>(
        ((static_cast<uint64_t>(command.frequency_uhz) << 32) + updates_per_s_uhz / 2) / updates_per_s_uhz);
    return amplitude;
}

int16_t sine(uint16_t angle) {
    const int16_t *at = sine_table + (angle >> 8);
    const int16_t low = static_cast<int16_t>(pgm_read_word(at));
    const int16_t high = static_cast<int16_t>(pgm_read_word(at + 1));
    const int16_t between = angle & 0xFF;
    return low + static_cast<int16_t>((static_cast<int32_t>(high - low) * between + 128) >> 8);
}

void duties(const Waves &waves, uint32_t phase, uint16_t rise, int16_t counts[3]) {
    const uint16_t angle = phase >> 16;
    const int16_t sin_phase = sine(angle), cos_phase = sine(angle + no_cone);
    for (uint8_t i = 0; i < 3; i++) {
        int16_t duty = swing(waves.c[i], waves.s[i], cos_phase, sin_phase) + waves.n[i];
        if (rise < one) {
            duty = static_cast<int16_t>(static_cast<int32_t>(duty) * static_cast<int16_t>(rise) * 2 >> 16);
        }
        counts[i] = (duty + 64) >> 7;
    }
}

}  // namespace field
