#include "packet.h"

namespace packet {

uint16_t crc16(const uint8_t *bytes, uint8_t size) {
    uint16_t crc = 0xFFFF;
    while (size--) {
        // Eight steps of the polynomial x^16 + x^12 + x^5 + 1 at once.
        uint8_t x = static_cast<uint8_t>(crc >> 8) ^ *bytes++;
        x ^= x >> 4;
        crc = (crc << 8) ^ (static_cast<uint16_t>(x) << 12) ^ (static_cast<uint16_t>(x) << 5) ^ x;
    }
    return crc;
}

uint8_t encode(const uint8_t *message, uint8_t size, uint8_t *line) {
    const uint16_t crc = crc16(message, size);
    uint8_t end = 0;
    line[end++] = 0;
    uint8_t code_at = end++;  // holds the distance to the next zero
    for (uint8_t i = 0; i < size + 2; i++) {
        const uint8_t byte = i < size ? message[i] : i == size ? crc & 0xFF : crc >> 8;
        if (byte) {
            line[end++] = byte;
        } else {
            line[code_at] = end - code_at;
            code_at = end++;
        }
    }
    line[code_at] = end - code_at;
    line[end++] = 0;
    return end;
}

bool Receiver::take(uint8_t byte) {
    if (byte) {
        if (filled_ < room_) {
            line_[filled_] = byte;
        }
        if (filled_ <= room_) {
            filled_++;
        }
        return false;
    }
    if (filled_ == 0) {
        return false;  // two zeros in a row: the first ends a packet, the second begins one
    }
    const bool good = filled_ <= room_ && decode();
    filled_ = 0;
    if (!good) {
        count_bad();
    }
    return good;
}

void Receiver::count_bad() {
    if (bad_ != 0xFFFF) {
        bad_++;
    }
}

bool Receiver::decode() {
    uint8_t end = 0;
    for (uint8_t at = 0; at < filled_;) {
        const uint8_t next = at + line_[at];  // at most 23 + 255: it may wrap round to `at` or before
        if (next <= at || next > filled_) {
            return false;
        }
        for (at++; at < next; at++) {
            line_[end++] = line_[at];
        }
        if (at < filled_) {
            line_[end++] = 0;
        }
    }
    if (end < 4) {
        return false;  // no room for type, seq and CRC
    }
    size_ = end - 2;
    return crc16(line_, size_) == (line_[size_] | static_cast<uint16_t>(line_[size_ + 1]) << 8);
}

}  // namespace packet
