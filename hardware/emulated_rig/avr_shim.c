/* The emulated board: an ATmega2560 of simavr whose time its caller owns.
 *
 * Python loads this through ctypes (mega.py). `shim_run` emulates a number of clock cycles and returns; on the way the
 * twelve half-bridge inputs are sampled every `period` cycles, as duties: reading the compare registers, the COM bits
 * and the ports sees what counting pin edges would miss (no edges at 0 and at 255). Bytes for UART 0 wait here and
 * enter at the speed the firmware set; bytes it sends are kept with the cycle at which their stop bit has passed.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <simavr/avr_adc.h>
#include <simavr/avr_extint.h>
#include <simavr/avr_uart.h>
#include <simavr/sim_avr.h>
#include <simavr/sim_elf.h>

#define PINS 12
#define COILS 6

typedef struct {
	uint8_t *bytes;
	uint64_t *cycles; /* only used on the way out */
	size_t head, tail, room;
} queue_t;

typedef struct {
	avr_t *avr;
	avr_irq_t *uart_in, *adc;
	uint64_t period, next_sample;
	float *samples; /* rows of PINS duties; shim_samples empties it */
	size_t rows, room;
	queue_t in, out;
	uint64_t line_free; /* when the next byte may start towards the board */
	int feeding, full;
	uint64_t unmasked, longest_masked; /* when interrupts were last on; the longest time off */
} shim_t;

/* Where a pin's level comes from: its port bit, and its output compare register. Data-space addresses of the 2560. */
typedef struct {
	uint16_t port; /* PORTx; DDRx is one below */
	uint8_t bit;
	uint16_t control; /* TCCRnA */
	uint8_t com;	  /* shift of its two COM bits */
	uint16_t compare; /* OCRnx */
	uint8_t wide;	  /* 16-bit timer */
} pin_t;

enum { PORTA = 0x22, PORTB = 0x25, PORTC = 0x28, PORTE = 0x2E, PORTH = 0x102, PORTL = 0x10B };
enum { TIMER1 = 0x80, TIMER3 = 0x90, TIMER4 = 0xA0, TIMER2 = 0xB0, TIMER5 = 0x120 };
enum { UCSR0A = 0xC0, UBRR0L = 0xC4, UBRR0H = 0xC5 };

static const pin_t PWM[PINS] = { /* R, L of +Y +X -Y -X +Z -Z */
	{PORTE, 4, TIMER3, 4, 0x9A, 1},	 /* 2 OC3B */
	{PORTE, 5, TIMER3, 2, 0x9C, 1},	 /* 3 OC3C */
	{PORTL, 5, TIMER5, 2, 0x12C, 1}, /* 44 OC5C */
	{PORTL, 4, TIMER5, 4, 0x12A, 1}, /* 45 OC5B */
	{PORTH, 3, TIMER4, 6, 0xA8, 1},	 /* 6 OC4A */
	{PORTH, 4, TIMER4, 4, 0xAA, 1},	 /* 7 OC4B */
	{PORTB, 4, TIMER2, 6, 0xB3, 0},	 /* 10 OC2A */
	{PORTH, 6, TIMER2, 4, 0xB4, 0},	 /* 9 OC2B */
	{PORTB, 6, TIMER1, 4, 0x8A, 1},	 /* 12 OC1B */
	{PORTB, 5, TIMER1, 6, 0x88, 1},	 /* 11 OC1A */
	{PORTH, 5, TIMER4, 2, 0xAC, 1},	 /* 8 OC4C */
	{PORTL, 3, TIMER5, 6, 0x128, 1}, /* 46 OC5A */
};

static const pin_t ENABLE[PINS] = { /* 22-29 are PA0-PA7, 30-33 are PC7-PC4 */
	{PORTA, 0, 0, 0, 0, 0}, {PORTA, 1, 0, 0, 0, 0}, {PORTA, 2, 0, 0, 0, 0}, {PORTA, 3, 0, 0, 0, 0},
	{PORTA, 4, 0, 0, 0, 0}, {PORTA, 5, 0, 0, 0, 0}, {PORTA, 6, 0, 0, 0, 0}, {PORTA, 7, 0, 0, 0, 0},
	{PORTC, 7, 0, 0, 0, 0}, {PORTC, 6, 0, 0, 0, 0}, {PORTC, 5, 0, 0, 0, 0}, {PORTC, 4, 0, 0, 0, 0},
};

#define UNUSED __attribute__((unused))

static void silent(UNUSED avr_t *avr, UNUSED const int level, UNUSED const char *format, UNUSED va_list ap) {}

static void no_sleep(UNUSED avr_t *avr, UNUSED avr_cycle_count_t cycles) {} /* emulated time passes, ours does not */

static int push(queue_t *q, uint8_t byte, uint64_t cycle) {
	if (q->head == q->tail)
		q->head = q->tail = 0;
	if (q->tail == q->room) {
		size_t room = q->room ? 2 * q->room : 4096;
		uint8_t *bytes = realloc(q->bytes, room);
		if (bytes)
			q->bytes = bytes;
		uint64_t *cycles = realloc(q->cycles, room * sizeof *cycles);
		if (cycles)
			q->cycles = cycles;
		if (!bytes || !cycles)
			return -1;
		q->room = room;
	}
	q->bytes[q->tail] = byte;
	q->cycles[q->tail++] = cycle;
	return 0;
}

/* Cycles of one 8N1 byte at the speed that is set. */
static uint64_t byte_cycles(const avr_t *avr) {
	unsigned divider = 1 + avr->data[UBRR0L] + ((avr->data[UBRR0H] & 0x0F) << 8);
	return (uint64_t)10 * divider * (avr->data[UCSR0A] & 2 ? 8 : 16);
}

static int high(const avr_t *avr, const pin_t *pin) {
	return avr->data[pin->port - 1] & avr->data[pin->port] & (1 << pin->bit) ? 1 : 0;
}

/* The greatest count of the timer behind a pin; 0 if it makes no PWM. */
static unsigned top_of(const avr_t *avr, const pin_t *pin) {
	const uint8_t *timer = avr->data + pin->control;
	if (!(timer[1] & 7)) /* no clock */
		return 0;
	if (!pin->wide)
		return (timer[0] & 1) && !(timer[1] & 8) ? 255 : 0;
	switch ((timer[0] & 3) | (timer[1] & 0x18) >> 1) {
	case 1: case 5: return 255;
	case 2: case 6: return 511;
	case 3: case 7: return 1023;
	case 8: case 10: case 14: return timer[6] | timer[7] << 8; /* ICRn */
	default: return 0;
	}
}

static float duty_of(const avr_t *avr, const pin_t *pin) {
	if (!(avr->data[pin->port - 1] & (1 << pin->bit))) /* an input */
		return 0.0f;
	int com = avr->data[pin->control] >> pin->com & 3;
	unsigned top = top_of(avr, pin);
	if (com < 2 || !top)
		return high(avr, pin) ? 1.0f : 0.0f;
	unsigned count = avr->data[pin->compare] | (pin->wide ? avr->data[pin->compare + 1] << 8 : 0);
	float duty = count >= top ? 1.0f : (float)count / (float)top;
	return com == 2 ? duty : 1.0f - duty;
}

static avr_cycle_count_t sample(avr_t *avr, avr_cycle_count_t when, void *param) {
	shim_t *shim = param;
	if (shim->rows == shim->room) {
		size_t room = shim->room ? 2 * shim->room : 1024;
		float *samples = realloc(shim->samples, room * PINS * sizeof *samples);
		if (!samples)
			return when + shim->period;
		shim->samples = samples;
		shim->room = room;
	}
	float *row = shim->samples + PINS * shim->rows++;
	for (int coil = 0; coil < COILS; coil++) {
		int on = high(avr, &ENABLE[2 * coil]) && high(avr, &ENABLE[2 * coil + 1]); /* half a bridge closes no circuit */
		for (int side = 0; side < 2; side++)
			row[2 * coil + side] = on ? duty_of(avr, &PWM[2 * coil + side]) : 0.0f;
	}
	shim->next_sample = when + shim->period;
	return shim->next_sample;
}

/* Starts one byte towards the board. simavr raises RXC one byte time later, which is when its last bit is in. */
static avr_cycle_count_t feed(avr_t *avr, avr_cycle_count_t when, void *param) {
	shim_t *shim = param;
	if (shim->in.head == shim->in.tail) {
		shim->feeding = 0;
		return 0;
	}
	if (!shim->full)
		avr_raise_irq(shim->uart_in, shim->in.bytes[shim->in.head++]);
	shim->line_free = when + byte_cycles(avr);
	return shim->line_free;
}

static void start_feeding(shim_t *shim) {
	if (shim->feeding || shim->in.head == shim->in.tail)
		return;
	uint64_t now = shim->avr->cycle;
	shim->feeding = 1;
	avr_cycle_timer_register(shim->avr, shim->line_free > now ? shim->line_free - now : 1, feed, shim);
}

static void sent(UNUSED avr_irq_t *irq, uint32_t value, void *param) {
	shim_t *shim = param;
	push(&shim->out, (uint8_t)value, shim->avr->cycle + byte_cycles(shim->avr));
}

static void room_again(UNUSED avr_irq_t *irq, UNUSED uint32_t value, void *param) { ((shim_t *)param)->full = 0; }

static void no_room(UNUSED avr_irq_t *irq, uint32_t value, void *param) {
	if (value)
		((shim_t *)param)->full = 1;
}

/* What avr_reset() forgets. */
static void prepare(shim_t *shim) {
	avr_t *avr = shim->avr;
	uint32_t flags = 0; /* neither lines on our standard output nor naps while the firmware polls */
	avr_ioctl(avr, AVR_IOCTL_UART_SET_FLAGS('0'), &flags);
	for (int i = 0; i < 8; i++) /* else every low INTn pin is a standing interrupt to look at: ten times slower */
		avr_extint_set_strict_lvl_trig(avr, i, 0);
	avr->sleep = no_sleep;
	shim->full = shim->feeding = 0;
	uint64_t next = shim->next_sample > avr->cycle ? shim->next_sample - avr->cycle : 1;
	avr_cycle_timer_register(avr, next, sample, shim);
}

void shim_free(shim_t *shim) {
	if (!shim)
		return;
	if (shim->avr) {
		avr_terminate(shim->avr);
		free(shim->avr);
	}
	free(shim->samples);
	free(shim->in.bytes);
	free(shim->in.cycles);
	free(shim->out.bytes);
	free(shim->out.cycles);
	free(shim);
}

/* A board with the program of an ELF file, about to start; NULL if there is no such program. */
shim_t *shim_new(const char *elf, uint64_t period) {
	elf_firmware_t *firmware = calloc(1, sizeof *firmware);
	shim_t *shim = calloc(1, sizeof *shim);
	avr_global_logger_set(silent);
	int loaded = firmware && shim && !elf_read_firmware(elf, firmware) && firmware->flash;
	if (loaded && (shim->avr = avr_make_mcu_by_name("atmega2560"))) {
		avr_init(shim->avr);
		firmware->frequency = 16000000;
		firmware->vcc = firmware->avcc = firmware->aref = 5000;
		avr_load_firmware(shim->avr, firmware);
		free(firmware->flash);
	}
	free(firmware);
	if (!shim || !shim->avr) {
		free(shim);
		return NULL;
	}
	shim->avr->log = LOG_NONE;
	shim->period = period;
	shim->next_sample = period / 2; /* off the round counts at which timers start: a firmware writes its registers then */
	shim->uart_in = avr_io_getirq(shim->avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_INPUT);
	shim->adc = avr_io_getirq(shim->avr, AVR_IOCTL_ADC_GETIRQ, ADC_IRQ_ADC0);
	avr_irq_register_notify(avr_io_getirq(shim->avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_OUTPUT), sent, shim);
	avr_irq_register_notify(avr_io_getirq(shim->avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_OUT_XON), room_again, shim);
	avr_irq_register_notify(avr_io_getirq(shim->avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_OUT_XOFF), no_room, shim);
	prepare(shim);
	return shim;
}

/* The reset button; also what opening a serial port does to a Mega. Bytes under way are lost. */
void shim_reset(shim_t *shim) {
	uint64_t cycle = shim->avr->cycle;
	avr_reset(shim->avr);
	shim->avr->cycle = cycle;
	shim->in.head = shim->in.tail = 0;
	prepare(shim);
}

uint64_t shim_cycle(const shim_t *shim) { return shim->avr->cycle; }

/* Runs until the cycle counter reaches `until`, give or take one instruction. Returns 0, or 1 if the program crashed. */
int shim_run(shim_t *shim, uint64_t until) {
	start_feeding(shim);
	while (shim->avr->cycle < until) {
		int state = avr_run(shim->avr);
		if (state == cpu_Done || state == cpu_Crashed)
			return 1;
		if (shim->avr->sreg[S_I])
			shim->unmasked = shim->avr->cycle;
		else if (shim->avr->cycle - shim->unmasked > shim->longest_masked)
			shim->longest_masked = shim->avr->cycle - shim->unmasked;
	}
	return 0;
}

/* The most cycles for which interrupts were off without a break, since it was asked last. */
uint64_t shim_longest_masked(shim_t *shim) {
	uint64_t longest = shim->longest_masked;
	shim->longest_masked = 0;
	return longest;
}

/* A register, by its address in data space. */
uint8_t shim_register(const shim_t *shim, uint16_t address) { return shim->avr->data[address]; }

/* Moves up to `room` rows of PINS duties, 0 to 1, into `rows`, and forgets the rest; returns how many there were. */
size_t shim_samples(shim_t *shim, float *rows, size_t room) {
	size_t count = shim->rows < room ? shim->rows : room;
	if (count)
		memcpy(rows, shim->samples, count * PINS * sizeof *rows);
	shim->rows = 0;
	return count;
}

size_t shim_sample_count(const shim_t *shim) { return shim->rows; }

/* Queues bytes towards UART 0; returns 0, or -1 without memory. */
int shim_write(shim_t *shim, const uint8_t *bytes, size_t count) {
	for (size_t i = 0; i < count; i++)
		if (push(&shim->in, bytes[i], 0))
			return -1;
	return 0;
}

/* Bytes that still wait to enter UART 0. */
size_t shim_unsent(const shim_t *shim) { return shim->in.tail - shim->in.head; }

/* Bytes that have come out of UART 0 by now. */
size_t shim_waiting(const shim_t *shim) {
	size_t tail = shim->out.tail;
	while (tail > shim->out.head && shim->out.cycles[tail - 1] > shim->avr->cycle)
		tail--;
	return tail - shim->out.head;
}

/* Moves up to `room` of them and the cycles at which they were complete; returns how many. */
size_t shim_read(shim_t *shim, uint8_t *bytes, uint64_t *cycles, size_t room) {
	size_t count = shim_waiting(shim);
	if (count > room)
		count = room;
	if (count) {
		memcpy(bytes, shim->out.bytes + shim->out.head, count);
		memcpy(cycles, shim->out.cycles + shim->out.head, count * sizeof *cycles);
	}
	shim->out.head += count;
	return count;
}

/* Voltage on an analogue input. */
void shim_set_mv(shim_t *shim, int channel, uint32_t mv) { avr_raise_irq(shim->adc + channel, mv); }
