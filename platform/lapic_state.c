// SPDX-License-Identifier: GPL-2.0
/*
 * A local APIC's state to and from userspace, in the form of its register page.
 */
#include "platform/lapic.h"

static u32 get(const u8 *page, u32 offset)
{
	u32 value;

	memcpy(&value, page + offset, sizeof(value));
	return value;
}

static void put(u8 *page, u32 offset, u32 value)
{
	memcpy(page + offset, &value, sizeof(value));
}

void lapic_get_state(const struct lapic *apic, u8 *page, u32 current_count, bool wide_id)
{
	u32 offset;

	memset(page, 0, LAPIC_REGS_BYTES);
	for (offset = 0; offset < LAPIC_REGS_BYTES; offset += 16)
		put(page, offset, lapic_read(apic, offset));
	put(page, LAPIC_TIMER_CURRENT, current_count);
	if (apic->mode == LAPIC_X2APIC && !wide_id)
		put(page, LAPIC_ID, apic->id << 24);
}

static void set_vectors(unsigned long *bits, const u8 *page, u32 first)
{
	unsigned int i;

	for (i = 0; i < LAPIC_VECTOR_WORDS; i++)
		WRITE_ONCE(bits[i], get(page, first + i * 32) |
					    (unsigned long)get(page, first + i * 32 + 16) << 32);
}

/* By the guest's own way in, so that only what a guest can make comes in. */
static void set_by_writes(struct lapic *apic, const u8 *page)
{
	static const u32 offsets[] = {
		LAPIC_ID,
		LAPIC_TPR,
		LAPIC_LDR,
		LAPIC_DFR,
		LAPIC_SVR,
		LAPIC_LVT_TIMER,
		LAPIC_LVT_THERMAL,
		LAPIC_LVT_PERF,
		LAPIC_LVT_LINT0,
		LAPIC_LVT_LINT1,
		LAPIC_LVT_ERROR,
		LAPIC_TIMER_DIVIDE,
		LAPIC_TIMER_INITIAL,
	};
	u32 mode = apic->mode;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(offsets); i++)
		lapic_write(apic, offsets[i], get(page, offsets[i]));
	if (apic->has_cmci)
		lapic_write(apic, LAPIC_LVT_CMCI, get(page, LAPIC_LVT_CMCI));
	WRITE_ONCE(apic->regs[LAPIC_ICR_LOW / 16], get(page, LAPIC_ICR_LOW) & ~(u32)BIT(12));
	WRITE_ONCE(apic->regs[LAPIC_ICR_HIGH / 16],
		   get(page, LAPIC_ICR_HIGH) & (mode == LAPIC_X2APIC ? ~0u : 0xff000000));
	WRITE_ONCE(apic->regs[LAPIC_ESR / 16], get(page, LAPIC_ESR) & 0xff);
	lapic_set_mode(apic, mode); /* an x2APIC's id and LDR are not written */
}

int lapic_set_state(struct lapic *apic, const u8 *page, bool wide_id)
{
	u32 id = get(page, LAPIC_ID);

	if (apic->mode == LAPIC_X2APIC && id != (wide_id ? apic->id : apic->id << 24))
		return -EINVAL;
	set_by_writes(apic, page);
	set_vectors(apic->isr, page, LAPIC_ISR);
	set_vectors(apic->tmr, page, LAPIC_TMR);
	set_vectors(apic->irr, page, LAPIC_IRR);
	return 0;
}
