// SPDX-License-Identifier: GPL-2.0
/*
 * Whom an interrupt message is for (SDM 3A 11.6, 11.11, 11.12.9).
 */
#include "platform/lapic.h"

/* Vector, delivery and destination mode stand at the same bits in the ICR and in an MSI's data. */
static struct lapic_ipi decode(u32 low)
{
	bool level_triggered = low & BIT(15), asserted = low & BIT(14);

	return (struct lapic_ipi){
		.vector = low,
		.delivery = low >> 8 & 7,
		.deassert = level_triggered && !asserted,
	};
}

struct lapic_ipi lapic_icr(const struct lapic *apic)
{
	u32 low = lapic_reg(apic, LAPIC_ICR_LOW), high = lapic_reg(apic, LAPIC_ICR_HIGH);
	struct lapic_ipi ipi = decode(low);

	ipi.logical = low & BIT(11);
	ipi.shorthand = low >> 18 & 3;
	ipi.dest = apic->mode == LAPIC_X2APIC ? high : high >> 24;
	ipi.broadcast = ipi.dest == (apic->mode == LAPIC_X2APIC ? ~0u : 0xff);
	return ipi;
}

struct lapic_ipi lapic_msi(u64 address, u32 data, bool wide)
{
	struct lapic_ipi ipi = decode(data);

	ipi.level = data & BIT(15);
	ipi.logical = address & BIT(2);
	ipi.dest = address >> 12 & 0xff;
	ipi.broadcast = ipi.dest == 0xff;
	if (wide) {
		ipi.dest |= (u32)(address >> 32) & 0xffffff00;
		ipi.broadcast = ipi.dest == ~0u;
	}
	return ipi;
}

/* Four bits of cluster and four of members, or eight members (SDM 3A 11.6.2.2). */
static bool xapic_logical(const struct lapic *apic, u32 dest)
{
	u32 ldr = lapic_reg(apic, LAPIC_LDR) >> 24;

	if (dest >> 8)
		return false;
	if (lapic_reg(apic, LAPIC_DFR) >> 28 == 0xf)
		return ldr & dest;
	return ldr >> 4 == dest >> 4 && (ldr & dest & 0xf);
}

static bool x2apic_logical(const struct lapic *apic, u32 dest)
{
	u32 ldr = lapic_reg(apic, LAPIC_LDR);

	return ldr >> 16 == dest >> 16 && (ldr & dest & 0xffff);
}

static bool is_addressed(const struct lapic *apic, const struct lapic_ipi *ipi)
{
	bool x2apic = READ_ONCE(apic->mode) == LAPIC_X2APIC;

	if (ipi->broadcast)
		return true;
	if (ipi->logical)
		return x2apic ? x2apic_logical(apic, ipi->dest) : xapic_logical(apic, ipi->dest);
	return ipi->dest == (x2apic ? apic->id : lapic_reg(apic, LAPIC_ID) >> 24);
}

bool lapic_is_target(const struct lapic *apic, const struct lapic_ipi *ipi, bool self)
{
	if (READ_ONCE(apic->mode) == LAPIC_OFF)
		return false;
	switch (ipi->shorthand) {
	case LAPIC_TO_SELF:
		return self;
	case LAPIC_TO_ALL:
		return true;
	case LAPIC_TO_OTHERS:
		return !self;
	default:
		return is_addressed(apic, ipi);
	}
}

/* The lower priority; between equals, who had fewer (SDM 3A 11.6.2.4 leaves that open). */
bool lapic_comes_first(const struct lapic *apic, const struct lapic *other)
{
	u32 mine = lapic_ppr(apic) & 0xf0, its = lapic_ppr(other) & 0xf0;

	if (mine != its)
		return mine < its;
	return (s32)(READ_ONCE(apic->arbitration) - READ_ONCE(other->arbitration)) < 0;
}
