// The rotating field of ../PROTOCOL.md, "The field". Knows nothing of registers.
#pragma once

#include <stdint.h>

namespace field {

const uint16_t one = 32768;  // Q15
const uint16_t update_hz = 2000;
const uint16_t no_cone = 16384;  // a quarter of a turn

// FIELD as it is sent: angles in 1/65536 turn, amplitude in Q15.
struct Command {
    uint16_t alpha;
    uint16_t gamma;
    uint16_t cone;
    uint16_t amplitude;
    uint32_t frequency_uhz;
};

// From CONFIG: what the axes differ by, and what no coil may exceed. Q15.
struct Calibration {
    int16_t gain[3];
    uint16_t max_duty;
};

// What the update needs: duty = c cos(phase) + s sin(phase) + n for x, y, z, in 1/128 of a PWM count.
struct Waves {
    int16_t c[3];
    int16_t s[3];
    int16_t n[3];
    uint32_t step;  // of the phase in an update, 2^-32 turn
};

// Works out the waves in floating point (about a millisecond). Returns the amplitude that they have: less than was
// asked for where an axis would exceed max_duty.
uint16_t prepare(const Command &command, const Calibration &calibration, Waves &waves);

// Sine of an angle in 1/65536 turn, Q15; within 2e-4 of full scale.
int16_t sine(uint16_t angle);

// Duties of x, y, z in PWM counts, rounded, at a phase in 2^-32 turn; `rise` (Q15) is the soft start's share.
void duties(const Waves &waves, uint32_t phase, uint16_t rise, int16_t counts[3]);

}  // namespace field
