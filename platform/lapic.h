/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The local APIC's registers (SDM 3A 11.4).  They hold real state; nothing is
 * delivered yet, and an access that would have to deliver says so.
 */
#ifndef VELLUM_PLATFORM_LAPIC_H
#define VELLUM_PLATFORM_LAPIC_H

#include "types.h"

#define LAPIC_DEFAULT_BASE 0xfee00000ull
#define LAPIC_SIZE	   0x1000

struct lapic {
	u32 regs[LAPIC_SIZE / 16]; /* one 32-bit register every 16 bytes */
};

void lapic_reset(struct lapic *apic, u32 id);
/* @offset within the page, 32 bits wide.  Reserved registers read as zero. */
u32 lapic_read(const struct lapic *apic, u32 offset);
/* 0; -EOPNOTSUPP when the write would have to deliver an interrupt or start the timer. */
int lapic_write(struct lapic *apic, u32 offset, u32 value);
/*
 * KVM_SET_LAPIC: all registers at once, @nr of them.  0; -EINVAL when they hold
 * a pending interrupt or a running timer, which nothing here could deliver.
 */
int lapic_set(struct lapic *apic, const u32 *regs, u32 nr);

#endif
