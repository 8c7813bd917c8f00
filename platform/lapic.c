// SPDX-License-Identifier: GPL-2.0
/*
 * The local APIC's registers.  Whatever would have to deliver an interrupt or
 * run a timer is refused: state that nothing acts upon would be a lie.
 */
#include "platform/lapic.h"

#define LAPIC_ID	    0x20
#define LAPIC_VERSION	    0x30
#define LAPIC_TPR	    0x80
#define LAPIC_PPR	    0xa0
#define LAPIC_EOI	    0xb0
#define LAPIC_LDR	    0xd0
#define LAPIC_DFR	    0xe0
#define LAPIC_SVR	    0xf0
#define LAPIC_ISR	    0x100
#define LAPIC_IRR	    0x200
#define LAPIC_ESR	    0x280
#define LAPIC_ICR_LOW	    0x300
#define LAPIC_ICR_HIGH	    0x310
#define LAPIC_LVT_TIMER	    0x320
#define LAPIC_LVT_THERMAL   0x330
#define LAPIC_LVT_PERF	    0x340
#define LAPIC_LVT_LINT0	    0x350
#define LAPIC_LVT_LINT1	    0x360
#define LAPIC_LVT_ERROR	    0x370
#define LAPIC_TIMER_INITIAL 0x380
#define LAPIC_TIMER_CURRENT 0x390
#define LAPIC_TIMER_DIVIDE  0x3e0

#define LAPIC_LVT_MASKED  BIT(16)
#define LAPIC_SVR_ENABLED BIT(8)
/* Version 14h, six LVT entries. */
#define LAPIC_VERSION_VALUE 0x50014
#define VECTOR_WORDS	    8

static u32 *reg(struct lapic *apic, u32 offset)
{
	return &apic->regs[offset / 16];
}

static u32 get(const struct lapic *apic, u32 offset)
{
	return apic->regs[offset / 16];
}

void lapic_reset(struct lapic *apic, u32 id)
{
	u32 offset;

	*apic = (struct lapic){};
	*reg(apic, LAPIC_ID) = id << 24;
	*reg(apic, LAPIC_VERSION) = LAPIC_VERSION_VALUE;
	*reg(apic, LAPIC_DFR) = ~0u;
	*reg(apic, LAPIC_SVR) = 0xff;
	for (offset = LAPIC_LVT_TIMER; offset <= LAPIC_LVT_ERROR; offset += 16)
		*reg(apic, offset) = LAPIC_LVT_MASKED;
}

/* The highest vector of ISR or IRR, or -1. */
static int highest_vector(const u32 *regs, u32 first)
{
	int word;

	for (word = VECTOR_WORDS - 1; word >= 0; word--) {
		u32 bits = regs[first / 16 + word];

		if (bits)
			return word * 32 + fls(bits) - 1;
	}
	return -1;
}

/* The task's class or that of the interrupt in service, whichever is higher (SDM 3A 11.8.3.1). */
static u32 processor_priority(const struct lapic *apic)
{
	int in_service = highest_vector(apic->regs, LAPIC_ISR);
	u32 tpr = get(apic, LAPIC_TPR) & 0xff;
	u32 service_class = in_service < 0 ? 0 : in_service & 0xf0;

	return (tpr & 0xf0) >= service_class ? tpr : service_class;
}

u32 lapic_read(const struct lapic *apic, u32 offset)
{
	if (offset >= LAPIC_SIZE || offset % 16)
		return 0;
	switch (offset) {
	case LAPIC_EOI: /* write-only */
		return 0;
	case LAPIC_PPR:
		return processor_priority(apic);
	default:
		return get(apic, offset);
	}
}

/* Which bits of an LVT entry can be written (SDM 3A figure 11-8). */
static u32 lvt_writable(u32 offset)
{
	switch (offset) {
	case LAPIC_LVT_TIMER:
		return BIT(17) | LAPIC_LVT_MASKED | 0xff; /* no TSC deadline */
	case LAPIC_LVT_LINT0:
	case LAPIC_LVT_LINT1:
		return LAPIC_LVT_MASKED | BIT(15) | BIT(13) | 0x7ff;
	case LAPIC_LVT_ERROR:
		return LAPIC_LVT_MASKED | 0xff;
	default:
		return LAPIC_LVT_MASKED | 0x7ff;
	}
}

static void write_lvt(struct lapic *apic, u32 offset, u32 value)
{
	value &= lvt_writable(offset);
	if (!(get(apic, LAPIC_SVR) & LAPIC_SVR_ENABLED))
		value |= LAPIC_LVT_MASKED;
	*reg(apic, offset) = value;
}

/* An APIC that is switched off masks all its local interrupts. */
static void write_svr(struct lapic *apic, u32 value)
{
	u32 offset;

	*reg(apic, LAPIC_SVR) = value & 0x1ff;
	if (value & LAPIC_SVR_ENABLED)
		return;
	for (offset = LAPIC_LVT_TIMER; offset <= LAPIC_LVT_ERROR; offset += 16)
		*reg(apic, offset) |= LAPIC_LVT_MASKED;
}

static void end_of_interrupt(struct lapic *apic)
{
	int vector = highest_vector(apic->regs, LAPIC_ISR);

	if (vector >= 0)
		apic->regs[LAPIC_ISR / 16 + vector / 32] &= ~BIT(vector % 32);
}

int lapic_write(struct lapic *apic, u32 offset, u32 value)
{
	switch (offset) {
	case LAPIC_ID:
	case LAPIC_LDR:
	case LAPIC_ICR_HIGH:
		*reg(apic, offset) = value & 0xff000000;
		return 0;
	case LAPIC_TPR:
		*reg(apic, offset) = value & 0xff;
		return 0;
	case LAPIC_EOI:
		end_of_interrupt(apic);
		return 0;
	case LAPIC_DFR:
		*reg(apic, offset) = value | 0x0fffffff;
		return 0;
	case LAPIC_SVR:
		write_svr(apic, value);
		return 0;
	case LAPIC_ESR: /* shows the errors since its last write: there were none */
		*reg(apic, offset) = 0;
		return 0;
	case LAPIC_LVT_TIMER:
	case LAPIC_LVT_THERMAL:
	case LAPIC_LVT_PERF:
	case LAPIC_LVT_LINT0:
	case LAPIC_LVT_LINT1:
	case LAPIC_LVT_ERROR:
		write_lvt(apic, offset, value);
		return 0;
	case LAPIC_ICR_LOW:
		return -EOPNOTSUPP; /* sends an IPI */
	case LAPIC_TIMER_INITIAL:
		return value ? -EOPNOTSUPP : 0; /* 0 stops the timer, which stands still anyway */
	case LAPIC_TIMER_DIVIDE:
		*reg(apic, offset) = value & 0xb;
		return 0;
	default:
		return 0; /* read-only or reserved */
	}
}

int lapic_set(struct lapic *apic, const u32 *regs, u32 nr)
{
	u32 i;

	if (nr <= LAPIC_TIMER_DIVIDE / 16 || highest_vector(regs, LAPIC_IRR) >= 0 ||
	    regs[LAPIC_TIMER_INITIAL / 16])
		return -EINVAL;
	for (i = 0; i < ARRAY_SIZE(apic->regs); i++)
		apic->regs[i] = i < nr ? regs[i] : 0;
	*reg(apic, LAPIC_VERSION) = LAPIC_VERSION_VALUE;
	*reg(apic, LAPIC_TIMER_CURRENT) = 0;
	return 0;
}
