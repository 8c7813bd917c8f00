// SPDX-License-Identifier: GPL-2.0
/*
 * The local APIC's registers (SDM 3A 11.4, 11.5, 11.12).
 */
#include "platform/lapic.h"

/* IA32_APIC_BASE (SDM 3A figure 11-5, 11-26). */
#define BASE_X2APIC BIT_ULL(10)
#define BASE_ENABLE BIT_ULL(11)

#define SVR_ENABLED  BIT(8)
#define SVR_WRITABLE 0x3ffu /* no suppression of EOI broadcasts */
/* Integrated, six LVT entries; each more counts. */
#define VERSION_VALUE 0x50014u
#define VERSION_LVT   0x10000u

#define ICR_STATUS BIT(12) /* idle, always: an IPI is delivered when its write is over */
/* #GP when written in x2APIC mode; the status is ignored. */
#define X2APIC_ICR_RESERVED (GENMASK_ULL(31, 20) | GENMASK_ULL(17, 16) | BIT(13))
#define X2APIC_MSR	    0x800u

static void put(struct lapic *apic, u32 offset, u32 value)
{
	WRITE_ONCE(apic->regs[offset / 16], value);
}

static bool is_lvt(const struct lapic *apic, u32 offset)
{
	if (offset == LAPIC_LVT_CMCI)
		return apic->has_cmci;
	return offset >= LAPIC_LVT_TIMER && offset <= LAPIC_LVT_ERROR && offset % 16 == 0;
}

static u32 version(const struct lapic *apic)
{
	return VERSION_VALUE + (apic->has_cmci ? VERSION_LVT : 0);
}

/* Whose LDR is not to be set: 16 clusters of 16 (SDM 3A 11.12.10.2). */
static u32 x2apic_ldr(u32 id)
{
	return id >> 4 << 16 | 1u << (id & 0xf);
}

static void reset_registers(struct lapic *apic)
{
	u32 offset;

	memset(apic->irr, 0, sizeof(apic->irr));
	memset(apic->tmr, 0, sizeof(apic->tmr));
	memset(apic->isr, 0, sizeof(apic->isr));
	WRITE_ONCE(apic->errors, 0);
	for (offset = 0; offset < LAPIC_REGS_BYTES; offset += 16)
		if (offset != LAPIC_ID)
			put(apic, offset, is_lvt(apic, offset) ? (u32)LAPIC_LVT_MASKED : 0);
	put(apic, LAPIC_VERSION, version(apic));
	put(apic, LAPIC_DFR, ~0u);
	put(apic, LAPIC_SVR, 0xff);
}

void lapic_reset(struct lapic *apic, u32 id)
{
	*apic = (struct lapic){
		.id = id,
		.mode = LAPIC_XAPIC,
		.has_deadline = apic->has_deadline,
		.has_cmci = apic->has_cmci,
	};
	put(apic, LAPIC_ID, id << 24);
	reset_registers(apic);
}

void lapic_init(struct lapic *apic)
{
	reset_registers(apic);
	lapic_set_mode(apic, apic->mode);
}

/* Off and on again is a reset; from xAPIC to x2APIC most stays (SDM 3A 11.12.5). */
void lapic_set_mode(struct lapic *apic, enum lapic_mode mode)
{
	if (mode == LAPIC_OFF && apic->mode != LAPIC_OFF)
		reset_registers(apic);
	if (mode == LAPIC_X2APIC) {
		put(apic, LAPIC_ID, apic->id);
		put(apic, LAPIC_LDR, x2apic_ldr(apic->id));
		if (apic->mode != LAPIC_X2APIC)
			put(apic, LAPIC_ICR_HIGH, 0);
	} else if (apic->mode == LAPIC_X2APIC || mode == LAPIC_OFF) {
		put(apic, LAPIC_ID, apic->id << 24);
		put(apic, LAPIC_LDR, 0);
	}
	WRITE_ONCE(apic->mode, mode);
}

enum lapic_mode lapic_base_mode(u64 base)
{
	if (!(base & BASE_ENABLE))
		return LAPIC_OFF;
	return base & BASE_X2APIC ? LAPIC_X2APIC : LAPIC_XAPIC;
}

bool lapic_base_is_valid(u64 old, u64 base, bool x2apic, bool host)
{
	enum lapic_mode from = lapic_base_mode(old), to = lapic_base_mode(base);

	if ((base & BASE_X2APIC) && (!x2apic || to == LAPIC_OFF))
		return false;
	/* Out of x2APIC mode only by switching off, and into it only from xAPIC. */
	return host || !((from == LAPIC_X2APIC && to == LAPIC_XAPIC) ||
			 (from == LAPIC_OFF && to == LAPIC_X2APIC));
}

/* 32 bits of a bitmap of vectors; @offset from its first register. */
static u32 vector_word(const unsigned long *bits, u32 offset)
{
	u32 word = offset / 16;

	return READ_ONCE(bits[word * 32 / BITS_PER_LONG]) >> word * 32 % BITS_PER_LONG;
}

u32 lapic_read(const struct lapic *apic, u32 offset)
{
	if (offset >= LAPIC_REGS_BYTES || offset % 16)
		return 0;
	switch (offset) {
	case LAPIC_EOI: /* write-only */
	case LAPIC_SELF_IPI:
		return 0;
	case LAPIC_PPR:
		return lapic_ppr(apic);
	case LAPIC_ISR ... LAPIC_TMR - 1:
		return vector_word(apic->isr, offset - LAPIC_ISR);
	case LAPIC_TMR ... LAPIC_IRR - 1:
		return vector_word(apic->tmr, offset - LAPIC_TMR);
	case LAPIC_IRR ... LAPIC_ESR - 1:
		return vector_word(apic->irr, offset - LAPIC_IRR);
	default:
		return lapic_reg(apic, offset);
	}
}

/* Which bits of an LVT entry can be written (SDM 3A figure 11-8). */
static u32 lvt_writable(const struct lapic *apic, u32 offset)
{
	switch (offset) {
	case LAPIC_LVT_TIMER:
		return (apic->has_deadline ? BIT(18) : 0) | BIT(17) | LAPIC_LVT_MASKED | 0xff;
	case LAPIC_LVT_LINT0:
	case LAPIC_LVT_LINT1:
		return LAPIC_LVT_MASKED | BIT(15) | BIT(13) | 0x7ff;
	case LAPIC_LVT_ERROR:
		return LAPIC_LVT_MASKED | 0xff;
	default:
		return LAPIC_LVT_MASKED | 0x7ff;
	}
}

static int write_lvt(struct lapic *apic, u32 offset, u32 value)
{
	bool was_deadline = lapic_timer_mode(apic) == LAPIC_DEADLINE;

	value &= lvt_writable(apic, offset);
	if (!(lapic_reg(apic, LAPIC_SVR) & SVR_ENABLED))
		value |= LAPIC_LVT_MASKED;
	put(apic, offset, value);
	if (offset != LAPIC_LVT_TIMER || was_deadline == (lapic_timer_mode(apic) == LAPIC_DEADLINE))
		return 0;
	put(apic, LAPIC_TIMER_INITIAL, 0);
	return LAPIC_TIMER_STOP;
}

/* An APIC that software switches off masks all its local interrupts (SDM 3A 11.4.7.2). */
static void write_svr(struct lapic *apic, u32 value)
{
	u32 offset;

	put(apic, LAPIC_SVR, value & SVR_WRITABLE);
	if (value & SVR_ENABLED)
		return;
	for (offset = LAPIC_LVT_CMCI; offset <= LAPIC_LVT_ERROR; offset += 16)
		if (is_lvt(apic, offset))
			put(apic, offset, lapic_reg(apic, offset) | LAPIC_LVT_MASKED);
}

void lapic_set_cmci(struct lapic *apic, bool on)
{
	apic->has_cmci = on;
	put(apic, LAPIC_VERSION, version(apic));
	put(apic, LAPIC_LVT_CMCI, on ? (u32)LAPIC_LVT_MASKED : 0);
}

int lapic_set_tpr(struct lapic *apic, u32 tpr)
{
	u32 old = lapic_reg(apic, LAPIC_TPR);

	put(apic, LAPIC_TPR, tpr & 0xff);
	return (tpr & 0xff) < old ? LAPIC_RECHECK : 0;
}

static int end_of_interrupt(struct lapic *apic)
{
	int vector = lapic_highest(apic->isr);

	if (vector < 0)
		return 0;
	apic->isr[BIT_WORD(vector)] &= ~BIT_MASK(vector);
	return LAPIC_RECHECK;
}

/* The count stands still in TSC-deadline mode (SDM 3A 11.5.4.1). */
static int write_initial_count(struct lapic *apic, u32 value)
{
	if (lapic_timer_mode(apic) == LAPIC_DEADLINE)
		return 0;
	put(apic, LAPIC_TIMER_INITIAL, value);
	return LAPIC_TIMER_START;
}

/* What xAPIC and x2APIC have in common; reserved bits have been judged. */
static int write_common(struct lapic *apic, u32 offset, u32 value)
{
	switch (offset) {
	case LAPIC_TPR:
		return lapic_set_tpr(apic, value);
	case LAPIC_EOI:
		return end_of_interrupt(apic);
	case LAPIC_SVR:
		write_svr(apic, value);
		return 0;
	case LAPIC_ESR: /* shows the errors since its last write */
		put(apic, LAPIC_ESR, xchg(&apic->errors, 0));
		return 0;
	case LAPIC_ICR_LOW:
		put(apic, offset, value & ~(u32)ICR_STATUS);
		return LAPIC_SEND;
	case LAPIC_TIMER_INITIAL:
		return write_initial_count(apic, value);
	case LAPIC_TIMER_DIVIDE:
		put(apic, offset, value & 0xb);
		return LAPIC_TIMER_SCALE;
	}
	return is_lvt(apic, offset) ? write_lvt(apic, offset, value) : -EINVAL;
}

static bool is_read_only(u32 offset)
{
	switch (offset) {
	case LAPIC_VERSION:
	case 0x90: /* arbitration priority */
	case LAPIC_PPR:
	case 0xc0: /* remote read */
	case LAPIC_ISR ... LAPIC_ESR - 1:
	case LAPIC_TIMER_CURRENT:
		return true;
	}
	return false;
}

int lapic_write(struct lapic *apic, u32 offset, u32 value)
{
	int ret;

	switch (offset) {
	case LAPIC_ID:
	case LAPIC_LDR:
	case LAPIC_ICR_HIGH:
		put(apic, offset, value & 0xff000000);
		return 0;
	case LAPIC_DFR:
		put(apic, offset, value | 0x0fffffff);
		return 0;
	}
	ret = write_common(apic, offset, value);
	if (ret >= 0 || is_read_only(offset))
		return ret < 0 ? 0 : ret;
	return lapic_error(apic, LAPIC_ERROR_REGISTER) ? LAPIC_RECHECK : 0;
}

static bool msr_is_readable(const struct lapic *apic, u32 offset)
{
	switch (offset) {
	case LAPIC_ID:
	case LAPIC_VERSION:
	case LAPIC_TPR:
	case LAPIC_PPR:
	case LAPIC_LDR:
	case LAPIC_SVR:
	case LAPIC_ISR ... LAPIC_ESR:
	case LAPIC_ICR_LOW:
	case LAPIC_TIMER_INITIAL ... LAPIC_TIMER_CURRENT:
	case LAPIC_TIMER_DIVIDE:
		return true;
	}
	return is_lvt(apic, offset);
}

int lapic_msr_read(const struct lapic *apic, u32 index, u64 *value)
{
	u32 offset = (index - X2APIC_MSR) * 16;

	if (apic->mode != LAPIC_X2APIC || !msr_is_readable(apic, offset))
		return -EINVAL;
	*value = lapic_read(apic, offset);
	if (offset == LAPIC_ICR_LOW)
		*value |= (u64)lapic_reg(apic, LAPIC_ICR_HIGH) << 32;
	return 0;
}

/* Bits that fault when they are set in a register's MSR. */
static u64 msr_reserved(const struct lapic *apic, u32 offset)
{
	switch (offset) {
	case LAPIC_TPR:
	case LAPIC_SELF_IPI:
		return ~0xffull;
	case LAPIC_EOI:
	case LAPIC_ESR:
		return ~0ull;
	case LAPIC_SVR:
		return ~(u64)SVR_WRITABLE;
	case LAPIC_ICR_LOW:
		return X2APIC_ICR_RESERVED;
	case LAPIC_TIMER_INITIAL:
		return ~0xffffffffull;
	case LAPIC_TIMER_DIVIDE:
		return ~0xbull;
	}
	/* Delivery status and remote IRR are read-only, not reserved. */
	return is_lvt(apic, offset) ? ~(u64)(lvt_writable(apic, offset) | BIT(12) | BIT(14)) :
				      ~0ull;
}

static int self_ipi(struct lapic *apic, u8 vector)
{
	bool look = vector < 16 ? lapic_error(apic, LAPIC_ERROR_SEND_VECTOR) :
				  lapic_accept(apic, vector, false);

	return look ? LAPIC_RECHECK : 0;
}

int lapic_msr_write(struct lapic *apic, u32 index, u64 value)
{
	u32 offset = (index - X2APIC_MSR) * 16;

	if (apic->mode != LAPIC_X2APIC || (value & msr_reserved(apic, offset)))
		return -EINVAL;
	if (offset == LAPIC_SELF_IPI)
		return self_ipi(apic, value);
	if (offset == LAPIC_ICR_LOW)
		put(apic, LAPIC_ICR_HIGH, value >> 32);
	return write_common(apic, offset, value);
}
