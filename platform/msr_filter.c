// SPDX-License-Identifier: GPL-2.0
/*
 * Which MSRs a guest may read and write.  Pure.
 */
#include "platform/msr_filter.h"

/* The local APIC's, which a filter is never about. */
#define X2APIC_FIRST 0x800
#define X2APIC_LAST  0x8ff

bool msr_filter_allows(const struct msr_filter *filter, u32 index, u32 access)
{
	u32 i;

	if (index >= X2APIC_FIRST && index <= X2APIC_LAST)
		return true;
	for (i = 0; i < filter->nr; i++) {
		const struct msr_range *range = &filter->ranges[i];
		u32 bit = index - range->base; /* wraps for what is below */

		if (bit < range->nmsrs && (range->flags & access))
			return range->bitmap[bit / BITS_PER_LONG] >> bit % BITS_PER_LONG & 1;
	}
	return filter->default_allow;
}

void msr_filter_free(struct msr_filter *filter)
{
	u32 i;

	if (!filter)
		return;
	for (i = 0; i < filter->nr; i++)
		kfree(filter->ranges[i].bitmap);
	kfree(filter);
}
