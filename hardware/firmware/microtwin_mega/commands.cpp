#include "commands.h"

#include <string.h>

#include "field.h"
#include "guard.h"
#include "update.h"

namespace commands {

namespace {

const uint8_t protocol = 1;
const uint8_t firmware[3] = {1, 0, 0};
const char name[17] = "microtwin_mega\0";  // padded with zeros

enum Type : uint8_t { hello = 1, config, arm, field_, off, disarm, status };
enum Result : uint8_t { done, clipped, not_configured, not_armed, out_of_range, faulty };

const uint8_t body_size[] = {0, 0, 18, 0, 12, 0, 0, 0};  // by type

// As CONFIG and FIELD left them; of no meaning while the field is off.
field::Calibration calibration;
uint16_t applied_amplitude;
uint32_t applied_frequency_uhz;

uint16_t get16(const uint8_t *at) {
    return at[0] | static_cast<uint16_t>(at[1]) << 8;
}

uint32_t get32(const uint8_t *at) {
    return get16(at) | static_cast<uint32_t>(get16(at + 2)) << 16;
}

uint8_t *put16(uint8_t *at, uint16_t value) {
    *at++ = value & 0xFF;
    *at++ = value >> 8;
    return at;
}

uint8_t *put32(uint8_t *at, uint32_t value) {
    return put16(put16(at, value & 0xFFFF), value >> 16);
}

Result configure(const uint8_t *body) {
    field::Calibration wanted;
    for (uint8_t i = 0; i < 3; i++) {
        wanted.gain[i] = static_cast<int16_t>(get16(body + 2 * i));
    }
    wanted.max_duty = get16(body + 6);
    const uint16_t watchdog_ms = get16(body + 8), soft_start_ms = get16(body + 10);
    const uint32_t max_on_ms = get32(body + 12);
    const uint16_t max_counts = get16(body + 16);
    if (wanted.max_duty > field::one || watchdog_ms < 50 || watchdog_ms > 500 || soft_start_ms > 5000 ||
        max_on_ms < 100 || max_on_ms > 3600000 || update::snapshot().state == guard::on) {
        return out_of_range;
    }
    const uint8_t updates_per_ms = field::update_hz / 1000;
    const guard::Limits limits = {
        static_cast<uint16_t>(watchdog_ms * updates_per_ms), max_on_ms * updates_per_ms, max_counts};
    calibration = wanted;
    update::configure(limits, soft_start_ms, wanted.max_duty);
    return done;
}

// What stands in the way of a field, done if nothing does.
Result ready() {
    const update::Snapshot now = update::snapshot();
    if (now.state == guard::unconfigured) {
        return not_configured;
    }
    if (now.faults) {
        return faulty;
    }
    return now.state == guard::disarmed ? not_armed : done;
}

Result start(const uint8_t *body) {
    const field::Command wanted = {get16(body), get16(body + 2), get16(body + 4), get16(body + 6), get32(body + 8)};
    const Result hindrance = ready();
    if (hindrance != done) {
        return hindrance;
    }
    if (wanted.gamma > field::one || wanted.cone < 1 || wanted.cone > field::no_cone || wanted.amplitude > field::one ||
        wanted.frequency_uhz > 200000000) {
        return out_of_range;
    }
    field::Waves waves;
    const uint16_t amplitude = field::prepare(wanted, calibration, waves);
    if (amplitude == 0) {
        update::off();
    } else if (!update::start(waves)) {
        return ready();  // a fault came up meanwhile
    }
    applied_amplitude = amplitude;
    applied_frequency_uhz = wanted.frequency_uhz;
    return amplitude < wanted.amplitude ? clipped : done;
}

Result obey_order(uint8_t type, const uint8_t *body) {
    switch (type) {
        case config:
            return configure(body);
        case arm:
            if (update::snapshot().state == guard::unconfigured) {
                return not_configured;
            }
            update::arm();
            return done;
        case field_:
            return start(body);
        case off:
            update::off();
            return done;
        default:
            update::disarm();
            return done;
    }
}

uint8_t *put_order(uint8_t *at, Result result) {
    const update::Snapshot now = update::snapshot();
    const bool on = now.state == guard::on;
    *at++ = result;
    *at++ = now.state;
    *at++ = now.faults;
    at = put16(at, on ? applied_amplitude : 0);
    return put32(at, on ? applied_frequency_uhz : 0);
}

uint8_t *put_hello(uint8_t *at) {
    *at++ = protocol;
    for (uint8_t part : firmware) {
        *at++ = part;
    }
    at = put16(at, field::update_hz);
    memcpy(at, name, 16);
    return at + 16;
}

uint8_t *put_status(uint8_t *at, uint16_t bad_packets) {
    const update::Snapshot now = update::snapshot();
    *at++ = now.state;
    *at++ = now.faults;
    at = put32(at, now.uptime_ms);
    at = put16(at, now.phase);
    const uint8_t axis_of_coil[] = {1, 0, 1, 0, 2, 2};  // +Y +X -Y -X +Z -Z
    const bool negative[] = {false, false, true, true, false, true};
    for (uint8_t coil = 0; coil < sense::coils; coil++) {
        const int16_t duty = now.duty[axis_of_coil[coil]];
        at = put16(at, static_cast<uint16_t>(negative[coil] ? -duty : duty));
    }
    for (uint16_t counts : now.counts) {
        at = put16(at, counts);
    }
    return put16(at, bad_packets);
}

}  // namespace

uint8_t obey(const uint8_t *message, uint8_t size, uint16_t bad_packets, uint8_t *reply) {
    const uint8_t type = message[0];
    if (type < hello || type > status || size != 2 + body_size[type]) {
        return 0;
    }
    uint8_t *at = reply;
    *at++ = type + 0x80;
    *at++ = message[1];
    Result result = done;
    if (type != hello && type != status) {
        result = obey_order(type, message + 2);
    }
    if (result <= clipped) {
        update::heard();  // before the reply is made: it tells the state that this leaves
    }
    if (type == hello) {
        at = put_hello(at);
    } else if (type == status) {
        at = put_status(at, bad_packets);
    } else {
        at = put_order(at, result);
    }
    return at - reply;
}

}  // namespace commands
