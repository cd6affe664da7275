#include "update.h"

#include <avr/interrupt.h>
#include <avr/io.h>
#include <util/atomic.h>

#include "pins.h"

namespace update {

namespace {

const uint32_t risen = 1UL << 30;  // the soft start is over; `rise` >> 15 is Q15

// Shared with the interrupt: loop() touches them in atomic blocks only.
guard::Guard guarded;
field::Waves waves;
uint32_t phase;
uint32_t rise;
uint32_t rise_step = risen;
int16_t limit;
int16_t duty[3];
uint16_t counts[sense::coils];
uint32_t uptime_ms;
bool half_ms;

void zero() {
    pins::drive(0, 0, 0);
    duty[0] = duty[1] = duty[2] = 0;
}

void one_update() {
    half_ms = !half_ms;
    if (!half_ms) {
        uptime_ms++;
    }
    const uint8_t coil = sense::update(counts);
    if (guarded.update(coil, counts[coil < sense::coils ? coil : 0])) {
        zero();
        pins::enable(false);
        return;
    }
    if (guarded.state() != guard::on) {
        return;  // the phase waits where it is
    }
    phase += waves.step;
    if (rise < risen) {
        rise = rise + rise_step < risen ? rise + rise_step : risen;
    }
    field::duties(waves, phase, rise >> 15, duty);
    for (int16_t &axis : duty) {
        axis = axis > limit ? limit : axis < -limit ? -limit : axis;
    }
    pins::drive(duty[0], duty[1], duty[2]);
}

}  // namespace

void begin() {
    TIMSK0 = 0;  // the core's clock, the only interrupt so far: it would upset the start of the timers
    pins::begin();
    sense::begin();
    TCCR0A = _BV(WGM01);  // up to OCR0A and again from 0
    OCR0A = F_CPU / 64 / field::update_hz - 1;
    TCNT0 = 0;
    TCCR0B = _BV(CS01) | _BV(CS00);
    TIFR0 = _BV(OCF0A);
    TIMSK0 = _BV(OCIE0A);
}

Snapshot snapshot() {
    Snapshot now;
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE) {
        now.state = guarded.state();
        now.faults = guarded.faults();
        now.uptime_ms = uptime_ms;
        now.phase = phase >> 16;
        for (uint8_t i = 0; i < 3; i++) {
            now.duty[i] = duty[i];
        }
        for (uint8_t i = 0; i < sense::coils; i++) {
            now.counts[i] = counts[i];
        }
    }
    return now;
}

void heard() {
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE) {
        guarded.heard();
    }
}

void configure(const guard::Limits &limits, uint16_t soft_start_ms, uint16_t max_duty) {
    const uint32_t updates = soft_start_ms * static_cast<uint32_t>(field::update_hz / 1000);
    const uint32_t step = updates ? (risen + updates - 1) / updates : risen;
    const int16_t greatest = static_cast<uint32_t>(max_duty) * pins::full / field::one;  // not a count above it
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE) {
        zero();
        pins::enable(false);
        guarded.configure(limits);
        rise_step = step;
        limit = greatest;
    }
}

void arm() {
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE) {
        guarded.arm();
        pins::enable(guarded.live());
    }
}

void off() {
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE) {
        zero();
        guarded.field_off();
    }
}

void disarm() {
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE) {
        zero();
        pins::enable(false);
        guarded.disarm();
    }
}

bool start(const field::Waves &wanted) {
    bool taken = false;
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE) {
        if (guarded.live()) {
            if (guarded.state() != guard::on) {
                rise = 0;
            }
            waves = wanted;
            guarded.field_on();
            taken = true;
        }
    }
    return taken;
}

}  // namespace update

// A byte at 500,000 baud takes 20 us and the UART holds two: others may interrupt the update, but not itself.
ISR(TIMER0_COMPA_vect) {
    TIMSK0 = 0;
    sei();
    update::one_update();
    cli();
    TIMSK0 = _BV(OCIE0A);
}
