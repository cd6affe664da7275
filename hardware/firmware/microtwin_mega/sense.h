// Current sense on A0-A5 (order +Y +X -Y -X +Z -Z) without waiting: one conversion in every update, in turn.
#pragma once

#include <avr/io.h>
#include <stdint.h>

namespace sense {

const uint8_t coils = 6;

inline void begin() {
    ADCSRB = 0;
    DIDR0 = 0x3F;  // no digital inputs on A0-A5
    ADMUX = _BV(REFS0);  // 5 V is 1024 counts; A0
    ADCSRA = _BV(ADEN) | _BV(ADPS2) | _BV(ADPS1) | _BV(ADPS0);  // 125 kHz: 104 us, well within an update
    ADCSRA |= _BV(ADSC);
}

// Files the conversion that was begun an update ago and begins the next. Returns the coil it was of; `coils` if it is
// not done yet.
inline uint8_t update(uint16_t counts[coils]) {
    static uint8_t coil = 0;
    if (ADCSRA & _BV(ADSC)) {
        return coils;
    }
    const uint8_t done = coil;
    counts[done] = ADC;
    coil = coil + 1 < coils ? coil + 1 : 0;
    ADMUX = _BV(REFS0) | coil;
    ADCSRA |= _BV(ADSC);
    return done;
}

}  // namespace sense
