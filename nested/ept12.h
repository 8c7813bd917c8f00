/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The guest hypervisor's EPT (SDM 3C 29.3): from its guest's (L2's) physical
 * address to its own (L1's), with the rights, the A and D bits and the faults
 * that the CPU would give.  Reads L1's memory through the caller's functions;
 * every entry is read once.
 */
#ifndef VELLUM_NESTED_EPT12_H
#define VELLUM_NESTED_EPT12_H

#include "types.h"
#include "ept_bits.h"

/*
 * What of an EPT violation's exit qualification says which access it was: what
 * the CPU reports can be handed in as it is.  GVA_VALID without GVA_TRANSLATED is
 * an access to L2's own page tables.
 */
#define EPT12_ACCESS \
	(EPT_VIOLATION_READ | EPT_VIOLATION_WRITE | EPT_VIOLATION_FETCH | \
	 EPT_VIOLATION_GVA_VALID | EPT_VIOLATION_GVA_TRANSLATED)

enum ept12_outcome {
	EPT12_FOUND,
	EPT12_VIOLATION, /* L1 is due one, with @qualification */
	EPT12_MISCONFIG, /* L1 is due one */
	EPT12_NO_TABLE,	 /* a table is not in L1's memory, or could not be read or written */
	EPT12_CHANGED,	 /* an entry was changed while it was used: walk again */
	EPT12_LOG_FULL,	 /* L1 is due a page-modification log-full event; no bit was set */
};

struct ept12_walk {
	u64 eptp;      /* valid: ept12_eptp_is_valid() */
	u64 cap;       /* IA32_VMX_EPT_VPID_CAP as L1 sees it */
	u8 maxphyaddr; /* L1's; entries' bits from here on to 51 are reserved */
	u64 access;    /* of EPT12_ACCESS */

	/* With EPT12_FOUND: */
	gpa_t found; /* L1's address for the very byte that was asked for */
	u8 level;    /* of the leaf: 1 (4K), 2 (2M), 3 (1G) */
	u64 rights;  /* EPT_R, EPT_W, EPT_X that all entries give */
	u64 memory;  /* the leaf's EPT_MT_MASK and EPT_IPAT */
	/*
	 * The leaf's D bit owes nothing to a write: it is set, or the EPTP has A/D bits
	 * off.  Else a shadow must not let L2 write before the walk for that write.
	 */
	bool dirty;
	/* With EPT12_VIOLATION: @access as the CPU tells it, and bits 5:3, the rights. */
	u64 qualification;

	/*
	 * PML (SDM 3C 29.3.6), where the EPTP has A/D bits on: a write whose D is set is
	 * logged at the index, in and out, which then goes down by one.  Out of range the
	 * log is full.
	 */
	bool logs;
	u16 log_index;

	void *opaque;					  /* for: */
	int (*read)(void *opaque, gpa_t gpa, u64 *entry); /* 0 or -errno */
	/*
	 * Sets @bits in the entry if it is still what it was.  0, -EAGAIN when it is
	 * not, another -errno.  NULL: A and D bits stay as they are.
	 */
	int (*set)(void *opaque, const struct guest_entry *entry, u32 bits);
	/* Puts L2's page @gpa at @index, below PML_ENTRIES, of the log; if @logs. */
	void (*log)(void *opaque, u16 index, gpa_t gpa);
};

/* At most four reads; where the EPTP has A/D bits on, four sets and an entry of the log. */
enum ept12_outcome ept12_translate(struct ept12_walk *walk, gpa_t l2_gpa);

/* What VM entry and VMFUNC ask of an EPTP (SDM 3C 27.2.1.1). */
bool ept12_eptp_is_valid(u64 eptp, u64 cap, u8 maxphyaddr);

#endif
