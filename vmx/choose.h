/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which of a CPU's means are used: the one place where what the CPU offers and
 * what the module's parameters allow become a decision.  Pure: values in, values
 * out, so that CPUs which nobody here has are tried too.
 */
#ifndef VELLUM_VMX_CHOOSE_H
#define VELLUM_VMX_CHOOSE_H

#include "types.h"

/* IA32_VMX_EPT_VPID_CAP (SDM 3D A.10). */
#define EPT_CAP_WALK_4	    BIT_ULL(6)
#define EPT_CAP_WB	    BIT_ULL(14)
#define EPT_CAP_2M	    BIT_ULL(16)
#define EPT_CAP_1G	    BIT_ULL(17)
#define EPT_CAP_INVEPT	    BIT_ULL(20)
#define EPT_CAP_AD	    BIT_ULL(21)
#define EPT_CAP_INVEPT_ONE  BIT_ULL(25)
#define EPT_CAP_INVEPT_ALL  BIT_ULL(26)
#define EPT_CAP_INVVPID	    BIT_ULL(32)
#define EPT_CAP_INVVPID_ONE BIT_ULL(41)
#define EPT_CAP_INVVPID_ALL BIT_ULL(42)

/* What the CPU offers. */
struct cpu_offer {
	u64 ept_vpid; /* IA32_VMX_EPT_VPID_CAP */
	/* Secondary processor-based controls that may be 1. */
	bool ept, vpid, unrestricted_guest, pml;
};

/* What the module's parameters allow. */
struct cpu_wish {
	bool pml, ept_ad, vpid, unrestricted_guest;
};

/* How far an invalidation reaches. */
enum inv_extent {
	INV_NONE, /* there is nothing to invalidate */
	INV_ONE,  /* this guest's translations */
	INV_ALL,  /* every guest's: the CPU knows nothing narrower */
};

struct cpu_choice {
	const char *refused; /* a sentence: this CPU cannot be used.  Else NULL */
	bool ept_ad;
	bool pml; /* only with ept_ad */
	bool vpid;
	bool unrestricted_guest;
	u8 ept_level; /* of the largest EPT leaf: 1 (4K), 2 (2M) or 3 (1G) */
	enum inv_extent invept;
	bool invept_all;	 /* that type is there too */
	enum inv_extent invvpid; /* INV_NONE without vpid: each entry and exit does it */
};

struct cpu_choice cpu_choose(const struct cpu_offer *offer, const struct cpu_wish *wish);

/* For people: how writes are tracked, and how far an invalidation reaches. */
const char *cpu_tracking_name(const struct cpu_choice *choice);
const char *inv_extent_name(enum inv_extent extent);

#endif
