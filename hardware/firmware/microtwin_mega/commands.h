// Requests to replies: the table of ../PROTOCOL.md.
#pragma once

#include <stdint.h>

namespace commands {

// Obeys a message. Returns the size of the `reply` (room for packet::longest_reply), 0 if there is no such request.
uint8_t obey(const uint8_t *message, uint8_t size, uint16_t bad_packets, uint8_t *reply);

}  // namespace commands
