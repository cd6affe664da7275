// The 2000 Hz update: the field's waves to the PWM, the guard, the current sense. All that loop() may ask of it.
//
// Timer 0 is its clock: the core's millis() and delay() stand still.
#pragma once

#include "field.h"
#include "guard.h"
#include "sense.h"

namespace update {

struct Snapshot {
    guard::State state;
    uint8_t faults;
    uint32_t uptime_ms;
    uint16_t phase;
    int16_t duty[3];
    uint16_t counts[sense::coils];
};

void begin();

Snapshot snapshot();

// An accepted request was received.
void heard();

// `max_duty` in Q15 is a last limit on every duty, however it came about. Disarms.
void configure(const guard::Limits &limits, uint16_t soft_start_ms, uint16_t max_duty);

void arm();
void off();
void disarm();

// Takes effect as a whole at the next update; false if the board is not armed (any more).
bool start(const field::Waves &waves);

}  // namespace update
