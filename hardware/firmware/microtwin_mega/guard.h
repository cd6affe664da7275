// What the board may do, and what stops it. Counted in updates by the timer's interrupt, so that it works when the rest
// of the sketch hangs. Knows nothing of registers.
#pragma once

#include <stdint.h>

namespace guard {

enum State : uint8_t { unconfigured, disarmed, armed, on };

enum Fault : uint8_t { silence = 1, on_too_long = 2, over_current = 4 };

struct Limits {
    uint16_t silence_updates;
    uint32_t on_updates;
    uint16_t max_counts;  // of the ADC; 1023 or more for none
};

class Guard {
public:
    State state() const { return state_; }
    uint8_t faults() const { return faults_; }
    bool live() const { return state_ >= armed; }

    void configure(const Limits &limits);
    void arm();  // clears the faults; a field that is on stays on
    void field_on();
    void field_off();
    void disarm();
    void heard() { silent_for_ = 0; }

    // One update has passed; `coil` (0-5) drew `counts`, or there is no sample (coil 6). True if this tripped.
    bool update(uint8_t coil, uint16_t counts);

private:
    State state_ = unconfigured;
    uint8_t faults_ = 0;
    Limits limits_ = {};
    uint16_t silent_for_ = 0;
    uint32_t on_for_ = 0;
    uint8_t excess_[6] = {};
};

}  // namespace guard
