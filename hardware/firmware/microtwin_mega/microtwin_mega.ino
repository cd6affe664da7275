// Firmware of microtwin for the Arduino Mega 2560 and six BTS7960 half-bridges. The protocol is ../PROTOCOL.md.
//
// An interrupt makes the field and watches over it (update.cpp); loop() only listens and answers.

#include "commands.h"
#include "packet.h"
#include "uart.h"
#include "update.h"

static packet::Receiver receiver;

void setup() {
    update::begin();  // all coils at zero before anything else
    uart::begin();
}

void loop() {
    const int16_t byte = uart::read();
    if (byte < 0 || !receiver.take(byte)) {
        return;
    }
    uint8_t reply[packet::longest_reply];
    const uint8_t size = commands::obey(receiver.message(), receiver.size(), receiver.bad(), reply);
    if (size == 0) {
        receiver.count_bad();
        return;
    }
    uint8_t line[packet::longest_line];
    const uint8_t length = packet::encode(reply, size, line);
    if (uart::room() >= length) {  // a host that does not listen loses replies; the board never waits for it
        uart::write(line, length);
    }
}
