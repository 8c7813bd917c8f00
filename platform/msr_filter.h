/* SPDX-License-Identifier: GPL-2.0 */
/*
 * KVM_X86_SET_MSR_FILTER's rules: which MSRs the guest may read and write.
 */
#ifndef VELLUM_PLATFORM_MSR_FILTER_H
#define VELLUM_PLATFORM_MSR_FILTER_H

#include "types.h"

struct msr_range {
	u32 flags;	       /* KVM_MSR_FILTER_READ, _WRITE: the accesses it is about */
	u32 base;	       /* of the first MSR */
	u32 nmsrs;	       /* bits in the map */
	unsigned long *bitmap; /* owned; a bit that is set allows */
};

struct msr_filter {
	bool default_allow; /* what no range is about */
	u32 nr;
	struct msr_range ranges[KVM_MSR_FILTER_MAX_RANGES];
};

/* @access: KVM_MSR_FILTER_READ or _WRITE.  The first range that is about it decides. */
bool msr_filter_allows(const struct msr_filter *filter, u32 index, u32 access);
void msr_filter_free(struct msr_filter *filter); /* NULL is allowed */

#endif
