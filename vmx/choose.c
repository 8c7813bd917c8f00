// SPDX-License-Identifier: GPL-2.0
/* See choose.h. */
#include "vmx/choose.h"

static const char *refuse(const struct cpu_offer *offer)
{
	u64 cap = offer->ept_vpid;

	if (!offer->ept)
		return "this CPU has no EPT";
	if (!(cap & EPT_CAP_WALK_4))
		return "this CPU's EPT has no walk of 4 levels";
	if (!(cap & EPT_CAP_WB))
		return "this CPU's EPT tables cannot be write-back";
	if (!(cap & EPT_CAP_INVEPT) || !(cap & (EPT_CAP_INVEPT_ONE | EPT_CAP_INVEPT_ALL)))
		return "this CPU has no INVEPT of a type that is known";
	return NULL;
}

static enum inv_extent extent(u64 cap, u64 insn, u64 one, u64 all)
{
	if (!(cap & insn))
		return INV_NONE;
	return cap & one ? INV_ONE : cap & all ? INV_ALL : INV_NONE;
}

struct cpu_choice cpu_choose(const struct cpu_offer *offer, const struct cpu_wish *wish)
{
	struct cpu_choice choice = { .refused = refuse(offer), .ept_level = 1 };
	u64 cap = offer->ept_vpid;

	if (choice.refused)
		return choice;
	choice.ept_ad = wish->ept_ad && (cap & EPT_CAP_AD);
	/* The log is of D bits that the CPU sets (SDM 3C 29.3.6). */
	choice.pml = wish->pml && choice.ept_ad && offer->pml;
	choice.unrestricted_guest = wish->unrestricted_guest && offer->unrestricted_guest;
	if (cap & EPT_CAP_2M)
		choice.ept_level = cap & EPT_CAP_1G ? 3 : 2;
	choice.invept = extent(cap, EPT_CAP_INVEPT, EPT_CAP_INVEPT_ONE, EPT_CAP_INVEPT_ALL);
	choice.invept_all = cap & EPT_CAP_INVEPT_ALL;
	choice.invvpid = extent(cap, EPT_CAP_INVVPID, EPT_CAP_INVVPID_ONE, EPT_CAP_INVVPID_ALL);
	/* A tag that cannot be invalidated is of no use. */
	choice.vpid = wish->vpid && offer->vpid && choice.invvpid != INV_NONE;
	if (!choice.vpid)
		choice.invvpid = INV_NONE;
	return choice;
}

const char *cpu_tracking_name(const struct cpu_choice *choice)
{
	if (choice->pml)
		return "pml";
	return choice->ept_ad ? "dirty-bits" : "write-protection";
}

const char *inv_extent_name(enum inv_extent extent)
{
	switch (extent) {
	case INV_ONE:
		return "one";
	case INV_ALL:
		return "all";
	default:
		return "none";
	}
}
