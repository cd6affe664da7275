#include "guard.h"

namespace guard {

namespace {

// A sample over the limit counts 2, one under it takes 1 away: three in a row trip, and so does the current of a
// turning field that is over it for more than a third of the time; a single spike does not.
const uint8_t over = 2;
const uint8_t trip_at = 6;

}  // namespace

void Guard::configure(const Limits &limits) {
    limits_ = limits;
    state_ = disarmed;
}

void Guard::arm() {
    faults_ = 0;
    if (state_ == disarmed) {
        state_ = armed;
        silent_for_ = 0;
        for (uint8_t &excess : excess_) {
            excess = 0;
        }
    }
}

void Guard::field_on() {
    if (state_ == armed) {
        on_for_ = 0;
        state_ = on;
    }
}

void Guard::field_off() {
    if (state_ == on) {
        state_ = armed;
    }
}

void Guard::disarm() {
    if (state_ != unconfigured) {
        state_ = disarmed;
    }
}

bool Guard::update(uint8_t coil, uint16_t counts) {
    if (!live()) {
        return false;
    }
    if (++silent_for_ >= limits_.silence_updates) {
        faults_ |= silence;
    }
    if (state_ == on && ++on_for_ > limits_.on_updates) {
        faults_ |= on_too_long;
    }
    if (coil < 6) {
        uint8_t &excess = excess_[coil];
        if (counts > limits_.max_counts) {
            excess += over;
        } else if (excess) {
            excess--;
        }
        if (excess >= trip_at) {
            faults_ |= over_current;
        }
    }
    if (!faults_) {
        return false;
    }
    state_ = disarmed;
    return true;
}

}  // namespace guard
