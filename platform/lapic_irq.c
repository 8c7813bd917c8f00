// SPDX-License-Identifier: GPL-2.0
/*
 * The local APIC's interrupts: requested, taken, in service (SDM 3A 11.8).
 */
#include "platform/lapic.h"

int lapic_highest(const unsigned long *bits)
{
	int word;

	for (word = LAPIC_VECTOR_WORDS - 1; word >= 0; word--) {
		unsigned long value = READ_ONCE(bits[word]);

		if (value)
			return word * BITS_PER_LONG + fls64(value) - 1;
	}
	return -1;
}

bool lapic_enabled(const struct lapic *apic)
{
	return READ_ONCE(apic->mode) != LAPIC_OFF && (lapic_reg(apic, LAPIC_SVR) & BIT(8));
}

/* The task's class or that of the interrupt in service, whichever is higher (11.8.3.1). */
u32 lapic_ppr(const struct lapic *apic)
{
	int in_service = lapic_highest(apic->isr);
	u32 tpr = lapic_reg(apic, LAPIC_TPR);
	u32 service_class = in_service < 0 ? 0 : in_service & 0xf0;

	return (tpr & 0xf0) >= service_class ? tpr : service_class;
}

bool lapic_accept(struct lapic *apic, u8 vector, bool level)
{
	if (!lapic_enabled(apic))
		return false;
	if (vector < 16)
		return lapic_error(apic, LAPIC_ERROR_RECEIVE_VECTOR);
	if (level)
		set_bit(vector, apic->tmr);
	else
		clear_bit(vector, apic->tmr);
	/* A full barrier: the trigger mode is there before the request is seen. */
	return !test_and_set_bit(vector, apic->irr);
}

int lapic_next(const struct lapic *apic)
{
	int vector;

	if (apic->mode == LAPIC_OFF)
		return -1;
	vector = lapic_highest(apic->irr);
	return vector >= 0 && (vector & 0xf0) > (lapic_ppr(apic) & 0xf0) ? vector : -1;
}

void lapic_take(struct lapic *apic, u8 vector)
{
	/* Whoever requests it again from here on finds the bit clear and is not lost. */
	clear_bit(vector, apic->irr);
	apic->isr[BIT_WORD(vector)] |= BIT_MASK(vector);
}

bool lapic_error(struct lapic *apic, unsigned int bit)
{
	u32 lvt = lapic_reg(apic, LAPIC_LVT_ERROR);

	if (test_and_set_bit(bit, &apic->errors) || (lvt & LAPIC_LVT_MASKED))
		return false;
	/* A vector that is an error itself would come here again, and ends here. */
	return (lvt & 0xff) >= 16 && lapic_accept(apic, lvt & 0xff, false);
}
