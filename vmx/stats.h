/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a vCPU counts.  Written by its own thread, read by anybody through
 * KVM_GET_STATS_FD (uapi/stats.c has the names, in this order).
 */
#ifndef VELLUM_VMX_STATS_H
#define VELLUM_VMX_STATS_H

#include "types.h"

struct vcpu_stats {
	u64 exits;
	u64 exits_intr;
	u64 exits_ept_violation;
	u64 exits_ept_misconfig;
	u64 exits_pml_full;
	u64 exits_io;
	u64 exits_cpuid;
	u64 exits_hlt;
	u64 exits_msr;
	u64 exits_other;
	u64 pml_entries;
	u64 ept_faults;
	u64 tlb_flushes;
};

#endif
