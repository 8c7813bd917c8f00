/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which page faults exit: a bit of the exception bitmap, and a mask and a match for
 * the error code (SDM 3C 25.6.3).  And what two sides that each wish some are given
 * by the one VMCS there is.  Pure.
 */
#ifndef VELLUM_VMX_PF_WISH_H
#define VELLUM_VMX_PF_WISH_H

#include "types.h"

struct pf_wish {
	bool bit;	 /* of PF_VECTOR in the bitmap */
	u32 mask, match; /* of the error code.  All zero: none exits */
};

/* Where the code does not match, the bit is turned round. */
static inline bool pf_exits(const struct pf_wish *wish, u32 error)
{
	return wish->bit == ((error & wish->mask) == wish->match);
}

static inline bool pf_wishes_none(const struct pf_wish *wish)
{
	/* All codes match, and may not exit; or all must match to exit, and none can. */
	return wish->bit ? wish->match & ~wish->mask : !wish->mask && !wish->match;
}

/*
 * Where only one side wishes some, or both the same, exactly these exit.  Else all do:
 * who handles the exit asks pf_exits() of each side's wish.
 */
static inline struct pf_wish pf_both(const struct pf_wish *a, const struct pf_wish *b)
{
	if (pf_wishes_none(a))
		return pf_wishes_none(b) ? (struct pf_wish){} : *b;
	if (pf_wishes_none(b) || (a->bit == b->bit && a->mask == b->mask && a->match == b->match))
		return *a;
	return (struct pf_wish){ .bit = true };
}

#endif
