// Packets on the wire: 00 | COBS(message | CRC) | 00, see ../PROTOCOL.md. Knows nothing of Arduino.
#pragma once

#include <stdint.h>

namespace packet {

const uint8_t longest_request = 20;  // CONFIG: type, seq and 18 bytes
const uint8_t longest_reply = 36;  // STATUS: type, seq and 34 bytes
const uint8_t longest_line = longest_reply + 2 + 1 + 2;  // and CRC, COBS's own byte, two zeros

// CRC-16/CCITT-FALSE.
uint16_t crc16(const uint8_t *bytes, uint8_t size);

// Fills `line` (size + 5 bytes) with the packet of a message of at most 250 bytes; returns its length.
uint8_t encode(const uint8_t *message, uint8_t size, uint8_t *line);

// Takes bytes one by one and tells when they make a message whose CRC is right.
class Receiver {
public:
    // True when `byte` ends a good packet: message() and size() then hold until the next call.
    bool take(uint8_t byte);

    const uint8_t *message() const { return line_; }
    uint8_t size() const { return size_; }

    // Packets refused so far, here or (count_bad) by whoever knows the types; stays at 65535.
    uint16_t bad() const { return bad_; }
    void count_bad();

private:
    bool decode();

    static const uint8_t room_ = longest_request + 2 + 1;
    uint8_t line_[room_];
    uint8_t filled_ = 0;  // room_ + 1: too long for any request
    uint8_t size_ = 0;
    uint16_t bad_ = 0;
};

}  // namespace packet
