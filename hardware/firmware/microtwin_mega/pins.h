// Where the six half-bridges hang on the Mega 2560, and the only code that moves them.
//
//   coil     R pin, register   L pin, register     A positive duty on an axis drives R of its + coil and L of its
//   +Y        2     OCR3B       3     OCR3C        - coil; 22-33 are the bridges' enables.
//   +X       44     OCR5C      45     OCR5B
//   -Y        6     OCR4A       7     OCR4B
//   -X       10     OCR2A       9     OCR2B
//   +Z       12     OCR1B      11     OCR1A
//   -Z        8     OCR4C      46     OCR5A
#pragma once

#include <avr/io.h>
#include <stdint.h>

namespace pins {

const int16_t full = 255;  // the timers' TOP: this count is 100 % duty

inline void enable(bool high) {
    if (high) {
        PORTA = 0xFF;  // 22-29
        PORTC |= 0xF0;  // 33-30
    } else {
        PORTA = 0;
        PORTC &= 0x0F;
    }
}

// Both inputs of a bridge are never up together: the one that goes to zero does so first.
#define MICROTWIN_BRIDGE(R, L, counts) \
    do {                               \
        if ((counts) >= 0) {           \
            (L) = 0;                   \
            (R) = (counts);            \
        } else {                       \
            (R) = 0;                   \
            (L) = -(counts);           \
        }                              \
    } while (0)

// Counts -255..255 for x, y, z. Call with interrupts off or from the update alone: 16-bit registers share a latch.
inline void drive(int16_t x, int16_t y, int16_t z) {
    MICROTWIN_BRIDGE(OCR5C, OCR5B, x);
    MICROTWIN_BRIDGE(OCR2B, OCR2A, x);  // -X: turned round
    MICROTWIN_BRIDGE(OCR3B, OCR3C, y);
    MICROTWIN_BRIDGE(OCR4B, OCR4A, y);  // -Y
    MICROTWIN_BRIDGE(OCR1B, OCR1A, z);
    MICROTWIN_BRIDGE(OCR5A, OCR4C, z);  // -Z
}

#undef MICROTWIN_BRIDGE

// Everything low, then 8-bit phase-correct PWM of 16 MHz / 510 on all twelve inputs.
inline void begin() {
    enable(false);
    DDRA = 0xFF;
    DDRC |= 0xF0;

    TCCR1B = TCCR2B = TCCR3B = TCCR4B = TCCR5B = 0;  // stopped while they are set up
    PORTE &= ~(_BV(4) | _BV(5));
    PORTH &= ~(_BV(3) | _BV(4) | _BV(5) | _BV(6));
    PORTB &= ~(_BV(4) | _BV(5) | _BV(6));
    PORTL &= ~(_BV(3) | _BV(4) | _BV(5));
    drive(0, 0, 0);
    TCCR1A = _BV(COM1A1) | _BV(COM1B1) | _BV(WGM10);
    TCCR2A = _BV(COM2A1) | _BV(COM2B1) | _BV(WGM20);
    TCCR3A = _BV(COM3B1) | _BV(COM3C1) | _BV(WGM30);
    TCCR4A = _BV(COM4A1) | _BV(COM4B1) | _BV(COM4C1) | _BV(WGM40);
    TCCR5A = _BV(COM5A1) | _BV(COM5B1) | _BV(COM5C1) | _BV(WGM50);
    DDRE |= _BV(4) | _BV(5);
    DDRH |= _BV(3) | _BV(4) | _BV(5) | _BV(6);
    DDRB |= _BV(4) | _BV(5) | _BV(6);
    DDRL |= _BV(3) | _BV(4) | _BV(5);

    // -Z has its inputs on two timers: all count in step, so that both change in the same period. Each start is a store
    // of two cycles, by which a later timer has to be ahead.
    TCNT1 = 0;
    TCNT2 = 2;
    TCNT3 = 4;
    TCNT4 = 6;
    TCNT5 = 8;
    const uint8_t no_prescaler = _BV(CS10);  // the same bit in all five
    TCCR1B = no_prescaler;
    TCCR2B = no_prescaler;
    TCCR3B = no_prescaler;
    TCCR4B = no_prescaler;
    TCCR5B = no_prescaler;
}

}  // namespace pins
