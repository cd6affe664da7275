// How the lab's boards listen, made again from the facts so that the host's lab profiles have something to talk to in
// the emulator. Faithful in what is wrong with it: it copies its floats out of whatever packet comes, the last command
// stays for ever, nothing watches, the phase is wt in float32. Do not flash this: microtwin_mega is the firmware to
// use.
//
// LAB_FLOATS   8: Bx By Bz alpha gamma f psi acoustic
//             10: Bx By Bz alpha gamma f psi gradient equal acoustic
//             17: amplitude, those ten, duties of the coils +Y +X -Y -X +Z -Z
// `acoustic` and `gradient` are taken and left alone: they set no duty here.

#include "transfer.h"

#ifndef LAB_FLOATS
#define LAB_FLOATS 17
#endif
#ifndef LAB_BAUD
#define LAB_BAUD (LAB_FLOATS == 8 ? 115200 : 500000)
#endif
static_assert(LAB_FLOATS == 8 || LAB_FLOATS == 10 || LAB_FLOATS == 17, "LAB_FLOATS is 8, 10 or 17");

const uint8_t coils = 6;  // +Y +X -Y -X +Z -Z
const uint8_t right_pin[coils] = {2, 44, 6, 10, 12, 8};
const uint8_t left_pin[coils] = {3, 45, 7, 9, 11, 46};
const uint8_t axis_of[coils] = {1, 0, 1, 0, 2, 2};
const int8_t sign_of[coils] = {1, 1, -1, -1, 1, -1};
const float amps_per_count = 5.0 / 1024 / 1000 * 8500;  // BTS7960: I/8500 through 1 kOhm

static TransferReceiver receiver;
static float still[3], c[3], s[3], extra[coils], frequency_hz;

// The command's floats to the waves: Eq. 1 of the pushing paper, with its own alpha (a quarter turn ahead of the
// heading).
static void obey() {
    float sent[LAB_FLOATS];
    memcpy(sent, receiver.payload, sizeof sent);  // whatever the packet's length was
    const float *common = LAB_FLOATS == 17 ? sent + 1 : sent;
    const float amplitude = LAB_FLOATS == 17 ? sent[0] : 1;
    const float alpha = common[3], gamma = common[4], psi = common[6];
    const bool equal = LAB_FLOATS != 8 && common[8] != 0;
    frequency_hz = common[5];
    const float bias = psi == 0 ? 0 : 1 / tan(psi);
    const float scale[3] = {1, equal ? 0.6f : 1, equal ? 0.3f : 1};
    const float ca = cos(alpha), sa = sin(alpha), cg = cos(gamma), sg = sin(gamma);
    const float turning[2][3] = {{-cg * ca, -cg * sa, sg}, {sa, -ca, 0}};
    const float axis[3] = {sg * ca, sg * sa, cg};
    for (uint8_t i = 0; i < 3; i++) {
        const float each = frequency_hz > 0 ? amplitude * scale[i] / (1 + bias) : 0;
        c[i] = each * turning[0][i];
        s[i] = each * turning[1][i];
        still[i] = scale[i] * common[i] + each * bias * axis[i];
    }
    for (uint8_t coil = 0; coil < coils; coil++) {
        extra[coil] = LAB_FLOATS == 17 ? sent[LAB_FLOATS - coils + coil] : 0;
    }
}

// Called between all that takes long: the core's buffer of 64 bytes is less than one packet of 17 floats.
static void listen() {
    while (Serial.available()) {
        if (receiver.take(Serial.read())) {
            obey();
        }
    }
}

static void drive() {
    const float turn = 2 * PI * frequency_hz * (micros() / 1e6f);
    const float cosine = cos(turn), sine = sin(turn);
    for (uint8_t coil = 0; coil < coils; coil++) {
        const uint8_t i = axis_of[coil];
        const float duty = sign_of[coil] * (still[i] + c[i] * cosine + s[i] * sine) + extra[coil];
        const uint8_t counts = static_cast<uint8_t>(255 * min(fabs(duty), 1.0) + 0.5);
        analogWrite(duty > 0 ? left_pin[coil] : right_pin[coil], 0);
        analogWrite(duty > 0 ? right_pin[coil] : left_pin[coil], counts);
        listen();
    }
}

static void report() {
    float currents_a[coils];
    for (uint8_t coil = 0; coil < coils; coil++) {
        currents_a[coil] = analogRead(A0 + coil) * amps_per_count;
        listen();
    }
    send_transfer(reinterpret_cast<uint8_t *>(currents_a), sizeof currents_a);
}

void setup() {
    for (uint8_t coil = 0; coil < coils; coil++) {
        pinMode(right_pin[coil], OUTPUT);
        pinMode(left_pin[coil], OUTPUT);
    }
    for (uint8_t pin = 22; pin <= 33; pin++) {
        pinMode(pin, OUTPUT);
        digitalWrite(pin, HIGH);
    }
    // No prescaler: 31.4 kHz instead of the core's 490 Hz.
    TCCR1B = (TCCR1B & 0xF8) | 1;
    TCCR2B = (TCCR2B & 0xF8) | 1;
    TCCR3B = (TCCR3B & 0xF8) | 1;
    TCCR4B = (TCCR4B & 0xF8) | 1;
    TCCR5B = (TCCR5B & 0xF8) | 1;
    Serial.begin(LAB_BAUD);
}

void loop() {
    static uint32_t last_ms = 0;
    listen();
    drive();
    if (millis() - last_ms >= 20) {
        last_ms += 20;
        report();
    }
}
