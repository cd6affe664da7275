// SerialTransfer's framing: 7E | id | position of the first 7E | length | payload | CRC-8 | 81. In the payload every 7E
// is replaced by the distance to the next, 0 in the last; the CRC (polynomial 9B) is of the payload as sent.
#pragma once

#include <Arduino.h>

const uint8_t start_byte = 0x7E, stop_byte = 0x81, longest = 0xFE;

inline uint8_t crc8(const uint8_t *bytes, uint8_t size) {
    uint8_t crc = 0;
    while (size--) {
        crc ^= *bytes++;
        for (uint8_t bit = 0; bit < 8; bit++) {
            crc = crc & 0x80 ? crc << 1 ^ 0x9B : crc << 1;
        }
    }
    return crc;
}

// Takes bytes one by one. A packet shorter than the last leaves that one's end where it was.
class TransferReceiver {
public:
    uint8_t payload[longest] = {};

    bool take(uint8_t byte) {  // true when it ends a good packet
        switch (part_) {
            case 0:
                part_ = byte == start_byte ? 1 : 0;
                return false;
            case 1:  // the id
                part_ = 2;
                return false;
            case 2:
                first_ = byte;
                part_ = 3;
                return false;
            case 3:
                size_ = byte;
                got_ = 0;
                part_ = byte && byte <= longest ? 4 : 0;
                return false;
            case 4:
                payload[got_++] = byte;
                part_ = got_ == size_ ? 5 : 4;
                return false;
            case 5:
                part_ = byte == crc8(payload, size_) ? 6 : 0;
                return false;
            default:
                part_ = 0;
                return byte == stop_byte && put_back();
        }
    }

private:
    bool put_back() {
        for (uint8_t at = first_; first_ != 0xFF;) {
            if (at >= size_) {
                return false;
            }
            const uint8_t further = payload[at];
            payload[at] = start_byte;
            if (further == 0) {
                break;
            }
            at = further < size_ - at ? at + further : size_;
        }
        return true;
    }

    uint8_t part_ = 0, first_ = 0, size_ = 0, got_ = 0;
};

inline void send_transfer(uint8_t *payload, uint8_t size) {
    uint8_t next = 0xFF;  // the 7E after this byte
    for (uint8_t i = size; i-- > 0;) {
        if (payload[i] == start_byte) {
            payload[i] = next == 0xFF ? 0 : next - i;
            next = i;
        }
    }
    const uint8_t head[4] = {start_byte, 0, next, size};
    const uint8_t tail[2] = {crc8(payload, size), stop_byte};
    Serial.write(head, sizeof head);
    Serial.write(payload, size);
    Serial.write(tail, sizeof tail);
}
