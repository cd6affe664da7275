#include "uart.h"

#include <avr/interrupt.h>
#include <avr/io.h>

namespace uart {

namespace {

const uint32_t baud = 500000;

// 256 bytes each, so that an index of eight bits wraps round by itself. One side writes an index, the other reads it.
uint8_t received[256];
volatile uint8_t received_end, received_start;
uint8_t sending[256];
volatile uint8_t sending_end, sending_start;

// A ring's bytes are read after the index that says they are there, and written before it.
inline void barrier() {
    __asm__ volatile("" ::: "memory");
}

}  // namespace

void begin() {
    UCSR0A = _BV(U2X0);
    UBRR0 = F_CPU / 8 / baud - 1;  // exact
    UCSR0C = _BV(UCSZ01) | _BV(UCSZ00);
    UCSR0B = _BV(RXEN0) | _BV(TXEN0) | _BV(RXCIE0);
}

int16_t read() {
    const uint8_t start = received_start;
    if (start == received_end) {
        return -1;
    }
    barrier();
    const uint8_t byte = received[start];
    received_start = start + 1;
    return byte;
}

uint8_t room() {
    return static_cast<uint8_t>(sending_start - sending_end - 1);
}

void write(const uint8_t *bytes, uint8_t size) {
    uint8_t end = sending_end;
    while (size--) {
        sending[end++] = *bytes++;
    }
    barrier();
    sending_end = end;
    UCSR0B = _BV(RXEN0) | _BV(TXEN0) | _BV(RXCIE0) | _BV(UDRIE0);
}

}  // namespace uart

ISR(USART0_RX_vect) {
    using namespace uart;
    const uint8_t byte = UDR0;
    const uint8_t end = received_end;
    if (static_cast<uint8_t>(end + 1) != received_start) {  // full: lost, and the packet's CRC will tell
        received[end] = byte;
        received_end = end + 1;
    }
}

ISR(USART0_UDRE_vect) {
    using namespace uart;
    const uint8_t start = sending_start;
    if (start == sending_end) {
        UCSR0B = _BV(RXEN0) | _BV(TXEN0) | _BV(RXCIE0);
    } else {
        UDR0 = sending[start];
        sending_start = start + 1;
    }
}
