/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Small questions that the checks of VM entry ask more than once.
 */
#ifndef VELLUM_NESTED_BITS_H
#define VELLUM_NESTED_BITS_H

#include "nested/check.h"
#include "platform/gva.h"

/* Types of events that the kernel has no name for (SDM 3C table 25-17). */
#define EVENT_RESERVED	    BIT(8)
#define EVENT_OTHER	    (7u << 8)
#define EVENT_INFO_RESERVED GENMASK(30, 12)

#define SELECTOR_RPL	3u
#define SELECTOR_TI	4u
#define SELECTOR_RPL_TI (SELECTOR_RPL | SELECTOR_TI)

static inline bool has_primary(const struct vmcs12 *v, u32 control)
{
	return v->cpu_based_vm_exec_control & control;
}

/* The secondary controls are 0 unless the primary ones say that they count. */
static inline u32 secondary_of(const struct vmcs12 *v)
{
	return has_primary(v, CPU_BASED_ACTIVATE_SECONDARY_CONTROLS) ?
		       v->secondary_vm_exec_control :
		       0;
}

/* One of @controls. */
static inline bool has_secondary(const struct vmcs12 *v, u32 controls)
{
	return secondary_of(v) & controls;
}

/* No bits beyond the address width, which is below 64. */
static inline bool fits(u64 address, u8 maxphyaddr)
{
	return !(address >> maxphyaddr);
}

/* Interrupts and exceptions that an instruction makes, and whose length therefore counts. */
static inline bool is_software_event(u32 type)
{
	return type == INTR_TYPE_SOFT_INTR || type == INTR_TYPE_PRIV_SW_EXCEPTION ||
	       type == INTR_TYPE_SOFT_EXCEPTION;
}

/* Eight memory types, 2 and 3 are none and neither is anything above 7 (SDM 3A 12.12.2). */
static inline bool is_pat(u64 pat)
{
	/* Bits 7:3 are clear; bit 1 only with bit 2. */
	return !(pat & 0xf8f8f8f8f8f8f8f8ull) && !(pat & 0x0202020202020202ull & ~(pat >> 1));
}

#endif
