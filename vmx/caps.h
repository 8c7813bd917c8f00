/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What this CPU's VMX can do, read once when the module is loaded.
 */
#ifndef VELLUM_VMX_CAPS_H
#define VELLUM_VMX_CAPS_H

#include "types.h"
#include "vmx/choose.h"

struct vmx_caps {
	u32 revision;		    /* VMCS revision identifier */
	u64 cr0_fixed0, cr0_fixed1; /* must be 1 where set; must be 0 where clear */
	u64 cr4_fixed0, cr4_fixed1;

	/* The control words every VMCS starts with. */
	u32 pin;
	u32 primary;
	u32 secondary;
	u32 exit;
	u32 entry;
	/* Secondary controls that may be switched on for one vCPU or one time. */
	u32 secondary_allowed;

	u8 timer_rate; /* the VMX-preemption timer counts every 2^rate ticks of the TSC */
	/* Ticks of the VMX-preemption timer that every entry starts with; 0: it is off. */
	u32 slice;

	struct cpu_choice choice;
	u8 maxphyaddr;
	bool narrow; /* guests may have fewer: see narrow.c */
};

extern struct vmx_caps vmx_caps;

/*
 * Reads the capability MSRs and settles the module's parameters.  0, or -errno
 * after a sentence in the log that says what is missing.
 */
int vmx_caps_init(void);
/* Two lines in the log: how writes are tracked, and how translations are dropped. */
void vmx_caps_tell(void);

#endif
