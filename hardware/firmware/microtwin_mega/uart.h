// UART 0 with rings of 256 bytes both ways. The core's Serial has 64, which a millisecond of 500,000 baud overruns.
#pragma once

#include <stdint.h>

namespace uart {

void begin();

// The next byte received, or -1.
int16_t read();

// Room to send, in bytes.
uint8_t room();

// Hands bytes to the sender; never waits. The caller has seen to it that there is room.
void write(const uint8_t *bytes, uint8_t size);

}  // namespace uart
