/* SPDX-License-Identifier: GPL-2.0 */
/*
 * VMX for a guest (L1) that runs a guest of its own (L2): what a vCPU has for it,
 * and what the files of nested/ offer each other.
 *
 * While L2 runs, vmcs02 is loaded and VMREAD, VMWRITE and all of the vCPU's state
 * mean L2's.  L1's VMCS is used in a copy (vmcs12), which is read from the guest's
 * memory once, by VMPTRLD, and written back when it is not current any more.
 *
 * The vCPU's thread, between vcpu_load() and vcpu_put(), unless it says otherwise.
 */
#ifndef VELLUM_NESTED_NESTED_H
#define VELLUM_NESTED_NESTED_H

#include "mmu/host.h"
#include "mmu/shadow.h"
#include "nested/caps.h"
#include "nested/evmcs.h"
#include "nested/vmcs12.h"
#include "vmx/vmx.h"

#define NO_ADDRESS (~0ull)
/* Moved here: the VP assist page tells which it is, when there is memory to ask. */
#define EVMCS_UNKNOWN (NO_ADDRESS - 1)

/* The rate of the preemption timer that L1 has: one tick in 2^5 of its TSC, as KVM's. */
#define TIMER_RATE 5

/* Bits of CR0 that no entry changes (SDM 3C 27.3.2.1), and no exit (28.5.1). */
#define CR0_KEPT ((u64)(X86_CR0_ET | X86_CR0_CD | X86_CR0_NW))

/* What a vCPU begins with.  Set once. */
extern struct nested_caps nested_offer;

/* Guest-state fields that go from vmcs12 to vmcs02 and back as they are. */
#define NESTED_DIRECT_MAX 56

/* An exit from L2 to L1: fields of vmcs12 that tell why. */
struct l2_exit {
	u32 reason;
	u64 qualification;
	u32 intr_info, intr_error;
	u32 vectoring_info, vectoring_error; /* the event whose delivery it interrupted */
	u32 insn_len, insn_info;
	u64 linear, physical;
};

struct nested {
	struct nested_caps caps; /* what L1 finds in the capability MSRs */
	gpa_t vmxon_ptr;	 /* or NO_ADDRESS */
	gpa_t current_ptr;	 /* the current VMCS, or NO_ADDRESS */
	/* The enlightened one in its place, EVMCS_UNKNOWN, or NO_ADDRESS; never beside it. */
	gpa_t evmcs_ptr;
	bool mirrored; /* what vmx->mirror has is vmcs12's, and L1's VMREADs find it there */
	/* Its copy: a page; NULL until the first VMXON. */
	struct vmcs12 *vmcs12;
	struct vmcs12 *shadow12;   /* the copy of what its link pointer names, while L2 runs */
	unsigned long *msr_bitmap; /* of vmcs02: a page */
	/* What of L0's went into it. */
	u64 bitmap_l0[VM_NO_EXIT_WORDS];
	struct shadow_vcpu shadow; /* of the EPT that L1 gives L2 */

	/* What vmcs02 holds of the direct fields; valid once L2 was entered. */
	u64 known[NESTED_DIRECT_MAX];
	bool known_valid;
	bool direct_changed; /* vmcs12 may have others, beyond those always looked at */

	struct host_page apic_page; /* while has_apic_page: held for vmcs02 */
	bool has_apic_page;
	bool pages_due; /* what is read from L1's memory is to be read before the entry */
	/* Why an access that L0 was to make for L2 was not made: L1 has this exit; or reason 0. */
	struct l2_exit refused;

	/* What the page was at the last entry; NULL until KVM_CAP_HYPERV_ENLIGHTENED_VMCS. */
	struct hv_enlightened_vmcs *evmcs;
	u32 evmcs_clean;  /* fields that this entry did not read */
	bool evmcs_known; /* vmcs12 and msr_bitmap are of this page: clean fields count */

	bool run_pending; /* VMLAUNCH or VMRESUME is done, and the CPU has yet to enter L2 */
	u16 last_vpid;	  /* L1's VPID that vmcs02's translations are of */
	/* The preemption timer's end in ticks of its own rate; while it is @timed. */
	u64 deadline;
	bool timed;
};

/* insn.c */
int nested_insn(struct vcpu *vcpu);
/* VMREAD and VMWRITE: the field that the instruction names; carried out for L1 or L2. */
u64 insn_field(const struct vcpu *vcpu);
int insn_vmread(struct vcpu *vcpu);
int insn_vmwrite(struct vcpu *vcpu);
/* RFLAGS as the instruction leaves them (SDM 3C 31.2), and RIP behind it. */
int vmx_succeed(struct vcpu *vcpu);
int vmx_fail_invalid(struct vcpu *vcpu);
/* With the number in the current VMCS, if there is one. */
int vmx_fail(struct vcpu *vcpu, u32 error);
/* The current VMCS goes back to the guest's memory. */
void vmcs12_flush(struct vcpu *vcpu);
/* 0 or -ENOMEM: the memory that VMX operation takes, kept until the vCPU goes. */
int nested_alloc(struct vcpu *vcpu);
/* In VMX operation from now on, or not. */
void nested_set_vmxon(struct vcpu *vcpu, gpa_t vmxon_ptr);

/* entry.c */
int nested_run(struct vcpu *vcpu, bool launch);
/* All checks of vmcs12: 0, an error number, or CHECK_GUEST with *qualification. */
#define CHECK_GUEST (~0u)
u32 nested_check(struct vcpu *vcpu, u64 *qualification);
/*
 * vmcs02, made of what L1 and L0 want, is loaded.  Of L2's state the VMCS's part is
 * vmcs12's; what the entry would load beside it, only if n->run_pending.
 */
void enter_l2(struct vcpu *vcpu);
/* The event that the entry delivers. */
void take_injection(struct vcpu *vcpu);
/*
 * What vmcs02 has of L1's memory: MSR bitmap, APIC-access page, PDPTEs.  0, or
 * -EFAULT: there is no memory for one of the latter.  May sleep.
 */
int refresh_pages(struct vcpu *vcpu);

/* exit.c: what L1 has to hear of. */
int nested_exit(struct vcpu *vcpu);
bool nested_exit_is_quick(struct vcpu *vcpu);
/* What the CPU tells of the exit, as it tells it. */
struct l2_exit read_exit(u32 reason);
/* The page faults that L1 wants (SDM 3C 25.6.3). */
static inline struct pf_wish l1_pf_wish(const struct vmcs12 *v)
{
	return (struct pf_wish){
		.bit = v->exception_bitmap & BIT(PF_VECTOR),
		.mask = v->page_fault_error_code_mask,
		.match = v->page_fault_error_code_match,
	};
}

bool l1_wants_exception(const struct vmcs12 *v, u8 vector, u32 error);
/* Does L1's MSR bitmap have this access exit? */
bool l1_wants_msr(struct vcpu *vcpu, u32 index, bool write);

/* leave.c: L1 goes on behind its VMLAUNCH or VMRESUME. */
void leave_l2(struct vcpu *vcpu, const struct l2_exit *exit);
/* The entry failed after L1's host state was found good: reason, with bit 31, and qualification. */
void fail_entry(struct vcpu *vcpu, u32 reason, u64 qualification);
/* L2 is given up without an exit. */
void abandon_l2(struct vcpu *vcpu);
/* L2's state as it is now goes into vmcs12; L2's VMCS loaded. */
void save_guest12(struct vcpu *vcpu);

/* state12.c: the direct fields. */
void direct_to_vmcs02(struct nested *n);
void direct_from_vmcs02(struct nested *n);
void direct_written(struct nested *n, u64 field); /* of vmcs12, by L1 */

/* lists.c: MSRs to be loaded; 0, or the number, from 1, of the entry that cannot be. */
u32 load_msr_list(struct vcpu *vcpu, gpa_t list, u32 count);
/* And stored: 0 or -EINVAL. */
int store_msr_list(struct vcpu *vcpu, gpa_t list, u32 count);

/* events.c */
bool nested_wants_exception(const struct vcpu *vcpu, const struct vcpu_exception *e);
bool nested_exit_is_due(const struct vcpu *vcpu);
int nested_settle(struct vcpu *vcpu);
int nested_triple_fault(struct vcpu *vcpu);

/* timer.c: L1's preemption timer. */
void timer_start(struct vcpu *vcpu); /* L2 is about to be entered */
void timer_write(struct vcpu *vcpu); /* just before an entry, interrupts off */
bool timer_is_over(const struct vcpu *vcpu);
u32 timer_value(const struct vcpu *vcpu); /* as it is saved by an exit */
u64 timer_ns(const struct vcpu *vcpu);	  /* until then; U64_MAX: it does not run */

/* ept.c: does L1 give its guest an EPT? */
bool l1_has_ept(const struct vcpu *vcpu);
/* L2 is about to be entered, with the EPT that vmcs12 names: 0 or -ENOMEM. */
int ept_prepare(struct vcpu *vcpu);
void ept_write02(struct vcpu *vcpu); /* after that, vmcs02 loaded */
/* L2, which has an EPT, has this one from now on: 0, or -ENOMEM and nothing is changed. */
int ept_switch(struct vcpu *vcpu, u64 eptp);
int nested_ept_violation(struct vcpu *vcpu); /* as exit_handle() */
unsigned int nested_drain(struct vcpu *vcpu, const u64 *log, u16 index, const struct slots *slots);
/* Of L2's physical address, L1's: see struct nested_ops. */
int nested_translate(struct vcpu *vcpu, gpa_t *gpa, u32 access, const gva_t *gva);
void nested_invept(struct vcpu *vcpu, u64 eptp); /* or SHADOW_ALL */

/* shadow_vmcs.c: around L2; false: the link pointer names none that an entry takes. */
bool shadow_vmcs_load(struct vcpu *vcpu);
void shadow_vmcs_flush(struct vcpu *vcpu);
bool l1_shadows_vmcs(const struct vmcs12 *v);
bool l1_wants_field(struct vcpu *vcpu, u64 field, bool write);

/*
 * enlighten.c: the enlightened VMCS that L1's VP assist page names.  On an entry: 0, and if
 * there is one it is in vmcs12; -EFAULT: it names no page; -EINVAL: of another revision.
 */
int evmcs_load(struct vcpu *vcpu, bool launch);
/* While n->evmcs_ptr is not NO_ADDRESS: vmcs12 into the page; the error number alone. */
void evmcs_publish(struct vcpu *vcpu);
void evmcs_put_error(struct vcpu *vcpu);
/* After a move: which page it is; n->evmcs_ptr is NO_ADDRESS if none is named any more. */
void evmcs_find(struct vcpu *vcpu);
/* L1's entries take it, and not the current VMCS. */
bool evmcs_is_in_use(struct vcpu *vcpu);
/* In an entry: L1 says that its MSR bitmap is what it was at the last one. */
bool evmcs_keeps_bitmap(const struct vcpu *vcpu);

/*
 * mirror.c: a shadow VMCS of L0's, in which the CPU finds what L1 reads most of its current
 * VMCS.  L1's own VMCS is loaded.
 */
void mirror_init(bool nested); /* at load */
bool mirror_is_possible(void);
/* L1 exited to read @field of its current VMCS: it need not again. */
void mirror_after_read(struct vcpu *vcpu, u64 field);
/* While n->mirrored: @field is @value in vmcs12 now; an exit has changed any of them. */
void mirror_after_write(struct vcpu *vcpu, u64 field, u64 value);
void mirror_fill(struct vcpu *vcpu);
/* What was the current VMCS is so no more. */
void mirror_stop(struct vcpu *vcpu);

/* vmfunc.c: L2 executed VMFUNC, which L1 enabled.  As exit_handle(). */
int nested_vmfunc(struct vcpu *vcpu);

/* apic_page.c: L1's APIC-access page, held from get to put.  0, -EFAULT, -EINTR, ... */
int apic_page_get(struct vcpu *vcpu);
void apic_page_put(struct nested *n);

/* msr.c */
bool nested_has_msr(u32 index);
int nested_get_msr(struct vcpu *vcpu, u32 index, u64 *value);
int nested_set_msr(struct vcpu *vcpu, u32 index, u64 value, bool host);

/* CPUID gives the guest VMX. */
bool nested_has_vmx(const struct vcpu *vcpu);

static inline struct nested *nested_of(const struct vcpu *vcpu)
{
	return vcpu->vmx->nested;
}

/* KVM_CAP_HYPERV_ENLIGHTENED_VMCS was enabled. */
static inline bool nested_is_enlightened(const struct nested *n)
{
	return unlikely(n->evmcs);
}

/* There is a VMCS for VMLAUNCH, and for error numbers. */
static inline bool nested_has_vmcs(const struct nested *n)
{
	return n->current_ptr != NO_ADDRESS || n->evmcs_ptr != NO_ADDRESS;
}

static inline struct vmcs12 *vmcs12_of(const struct vcpu *vcpu)
{
	return vcpu->vmx->nested->vmcs12;
}

/* The secondary controls, as they count. */
static inline u32 secondary12(const struct vmcs12 *v)
{
	return v->cpu_based_vm_exec_control & CPU_BASED_ACTIVATE_SECONDARY_CONTROLS ?
		       v->secondary_vm_exec_control :
		       0;
}

#endif
