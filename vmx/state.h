/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a vCPU has beyond vmx/vcpu.h: its VMCSs, what the last exit left, and what waits
 * for the next entry.  For vmx.h alone to include.
 */
#ifndef VELLUM_VMX_STATE_H
#define VELLUM_VMX_STATE_H

#include <linux/hrtimer.h>

#include "vmcs_fields.h"
#include "vmx/on.h"
#include "vmx/operand.h"
#include "vmx/pf_wish.h"
#include "vmx/vcpu.h"

/* See stall.h. */
struct stall {
	enum stall_cause cause; /* STALL_NONE: there is none */
	u64 since;		/* of the TSC */
};

/* An event for the next entry, in the format of the entry's fields (SDM 3C 25.8.3). */
struct vmx_event {
	u32 info; /* 0: none */
	u32 error;
	u32 len; /* of the instruction, for software interrupts and exceptions */
};

/* Event types of the interruption-information fields (SDM 3C table 25-17). */
#define EVENT(type, vector) (INTR_INFO_VALID_MASK | (type) | (vector))

/* Types whose delivery pushes the RIP of the following instruction: its length counts. */
static inline bool event_has_len(u32 info)
{
	switch (info & INTR_INFO_INTR_TYPE_MASK) {
	case INTR_TYPE_SOFT_INTR:
	case INTR_TYPE_PRIV_SW_EXCEPTION:
	case INTR_TYPE_SOFT_EXCEPTION:
		return true;
	}
	return false;
}

/* An exception from KVM_SET_VCPU_EVENTS that was not raised yet. */
struct vcpu_exception {
	bool valid;
	bool has_error, has_payload;
	u8 vector;
	u32 error;
	u64 payload; /* of #PF: CR2; of #DB: what DR6 gets */
};

/* The local APIC's timer; see apic_timer.c. */
struct apic_timer {
	struct hrtimer hrtimer;
	u64 deadline;	    /* IA32_TSC_DEADLINE, 0: none; cleared by the callback */
	u64 period;	    /* ns */
	unsigned int shift; /* of the counts in the time that is running */
};

/* What perf wants switched around the guest, until the burst is over. */
struct host_perf {
	struct perf_guest_switch_msr *msrs;
	int n;
};

/* The host thread's state that the guest's takes the place of. */
struct host_task {
	bool guest_loaded; /* the guest's MSRs are in the CPU */
	union {
		struct {
			u16 ds, es, fs, gs;
		};
		u64 selectors; /* all four: mostly null */
	};
	u16 ldt;
	u64 kernel_gs_base;
	u64 tsc_aux;
	u64 debugctl;
	struct host_perf perf;
};

/* An access of the guest that userspace is to complete. */
struct io_pending {
	/* Called at the next KVM_RUN with what userspace left; NULL: nothing pending. */
	int (*complete)(struct vcpu *vcpu);
	u64 rip;	 /* of the instruction: if userspace moved it, the access is void */
	u32 size, count; /* port input */
};

/* The guest's TSC: the host's at @ratio, plus @offset.  Others read it under vm->clock.lock. */
struct vcpu_tsc {
	u64 offset;
	u64 ratio; /* see platform/clock.h; TSC_RATIO_ONE without scaling */
	u32 khz;
	u64 adjust; /* IA32_TSC_ADJUST */
};

/* kvmclock (clock.c): its page, and what is to be written there. */
struct vcpu_clock {
	u64 system_time; /* MSR_KVM_SYSTEM_TIME */
	bool wall_due;	 /* MSR_KVM_WALL_CLOCK was written */
	bool stopped;	 /* KVM_KVMCLOCK_CTRL */
};

/* Steal time (steal.c). */
struct vcpu_steal {
	u64 msr;
	bool shown;			  /* KVM_RUN, and the page is in use */
	bool owed;			  /* "preempted" stands there without a record */
	const struct task_struct *thread; /* only compared: of whom @delay is */
	u64 delay;			  /* its sched_info.run_delay when last looked at */
};

/* Hyper-V's interface (hyperv.c). */
struct vcpu_hyperv {
	u64 assist; /* HV_X64_MSR_VP_ASSIST_PAGE */
	u32 index;  /* HV_X64_MSR_VP_INDEX */
};

#define VCPU_RESET_RDX 0x600 /* after reset and INIT: family 6 (SDM 3A 10.1.2) */

/* One VMCS, and copies of what it holds, so that only changes are written. */
struct vmcs {
	void *region; /* NULL: there is none */
	u64 pa;
	bool launched;
	bool pml_armed;
	bool shadowed; /* its EPT is a shadow of L1's: PML would log L2's addresses */
	u16 vpid;      /* 0 without VPID */
	int host_cpu;  /* whose host state it has; -1: nobody's */
	u64 host_rsp;
	u64 host_cr3;
	u64 host_cr4;
	u64 host_fs_base;
	u32 primary;
	u32 secondary;
	u32 pf_mask, pf_match; /* as the fields of the page faults that exit */
};

/*
 * What a guest hypervisor (L1) wants of its guest (L2) while that runs; all zero
 * while L1 runs itself.  Written by nested/ alone.
 */
struct l1_wish {
	u64 cr0_mask, cr4_mask; /* bits that are L1's, and what L2 reads there */
	u64 cr0_shadow, cr4_shadow;
	u32 exceptions; /* those that exit to L1, but page faults */
	struct pf_wish page_faults;
	u32 windows;		   /* CPU_BASED_INTR_WINDOW_EXITING, _NMI_ */
	u64 tsc_offset, tsc_ratio; /* on top of L1's own TSC; ratio 0: unscaled */
};

struct nested;

struct vcpu_vmx {
	/* L1's comes first: whether it is the one in use is one comparison. */
	struct vmcs vmcs01, vmcs02;
	struct vmcs mirror; /* what the CPU reads for L1 (SDM 3C 25.10); no guest runs on it */
	/* The one that is loaded when the vCPU is: L1's, or that of the L2 it runs. */
	struct vmcs *vmcs;
	struct vcpu *vcpu;
	struct list_head active; /* on.c */
	struct preempt_notifier notifier;

	/* VMX for the guest; nested/ writes these. */
	struct nested *nested;
	struct l1_wish l1;
	bool vmxon;		/* the guest is in VMX operation */
	u64 cr0_must, cr4_must; /* bits that it may not clear there (SDM 3C 24.8) */

	/* The last exit. */
	u32 exit_reason;
	struct stall stall;

	struct vmx_event event; /* is delivered by the next entry */
	/* What waits for its turn; see inject.c.  The vCPU's thread alone. */
	struct vcpu_exception pending;
	int nmi_pending;    /* 0 to 2 */
	int interrupt;	    /* vector of an acknowledged external interrupt, or -1 */
	bool window_wanted; /* userspace waits for an interrupt window */
	struct apic_timer timer;

	u64 *pml; /* the log page; NULL without PML */

	u64 cr0_shadow, cr4_shadow; /* valid for the bits that the guest does not own */
	u64 cr2;
	u64 flat_cr3;	/* while no_paging: CR3 as the guest has it */
	bool no_paging; /* CR0.PG is 1 in the CPU alone; see restricted.c */
	u64 cr8;	/* without a local APIC */
	u64 efer;
	u64 db[4], dr6, dr7;
	/* KVM_SET_GUEST_DEBUG: KVM_GUESTDBG_*, and what takes the place of db and dr7. */
	u32 guest_debug;
	u64 debug_db[4], debug_dr7;
	u64 star, lstar, cstar, sfmask, kernel_gs_base;
	u64 xcr0;
	struct vcpu_tsc tsc;
	struct vcpu_clock clock;
	struct vcpu_steal steal;
	struct vcpu_hyperv hyperv;

	struct host_task host;
	struct fpu_guest fpu;
	struct xregs_state *fpu_image; /* for KVM_GET_FPU and KVM_SET_FPU */
	struct io_pending io;
	struct emulation emul;
};

#endif
