/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Address types and the TLB obligation: what every layer may use.
 *
 * Addresses carry their space in their type's name; a frame number is an
 * address shifted right by PAGE_SHIFT.
 */
#ifndef VELLUM_TYPES_H
#define VELLUM_TYPES_H

#include "env.h"

/* gva_t, gpa_t, gfn_t and hpa_t are the kernel's (linux/kvm_types.h), through env.h. */
typedef u64 hfn_t; /* host frame number */

#define GFN_NONE ((gfn_t)~0ull)

/* An entry of the guest's own page tables as it was read: @size (4 or 8) bytes at @gpa. */
struct guest_entry {
	gpa_t gpa;
	u64 old;
	u32 size;
};

/*
 * What must happen before the caller may report success: the SPTEs were
 * changed, but a CPU may still translate by what they said before.
 *
 * mmu functions add to a batch, they never flush.  Whoever owns the batch
 * discharges it exactly once (tlb_discharge() in vmx/): every vCPU drops its
 * translations and drains its PML log, and only then dead tables are freed.
 */
struct tlb_batch {
	bool flush;	   /* some CPU may hold a translation that is no longer true */
	void *dead_tables; /* unlinked page tables, chained through their first word */
};

#define TLB_BATCH_INIT ((struct tlb_batch){ .flush = false, .dead_tables = NULL })

#endif
