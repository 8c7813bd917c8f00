// SPDX-License-Identifier: GPL-2.0
/*
 * From L2 to L1: L2's state is saved to vmcs12, and L1 goes on with the host state
 * that it left there (SDM 3C 28).
 */
#include "nested/nested.h"

/* Only with an EPT of L1's are they state of their own (SDM 3C 28.3.1). */
static void save_pdptes(struct vcpu *vcpu, struct vmcs12 *v)
{
	if (!l1_has_ept(vcpu) || !(vmx_cr4(vcpu) & X86_CR4_PAE) || (vcpu->vmx->efer & EFER_LMA))
		return;
	v->guest_pdptr0 = vmread(GUEST_PDPTR0);
	v->guest_pdptr1 = vmread(GUEST_PDPTR1);
	v->guest_pdptr2 = vmread(GUEST_PDPTR2);
	v->guest_pdptr3 = vmread(GUEST_PDPTR3);
}

void save_guest12(struct vcpu *vcpu)
{
	struct nested *n = nested_of(vcpu);
	struct vcpu_vmx *vmx = vcpu->vmx;
	struct vmcs12 *v = n->vmcs12;
	u32 controls = v->vm_exit_controls;

	direct_from_vmcs02(n);
	save_pdptes(vcpu, v);
	v->guest_cr0 = vmx_cr0(vcpu);
	v->guest_cr4 = vmx_cr4(vcpu);
	v->guest_activity_state =
		vcpu->mp_state == KVM_MP_STATE_HALTED ? GUEST_ACTIVITY_HLT : GUEST_ACTIVITY_ACTIVE;
	if (controls & VM_EXIT_SAVE_DEBUG_CONTROLS)
		v->guest_dr7 = vmx->dr7;
	if (controls & VM_EXIT_SAVE_IA32_EFER)
		v->guest_ia32_efer = vmx->efer;
	if (controls & VM_EXIT_SAVE_IA32_PAT)
		v->guest_ia32_pat = vcpu->msrs.pat;
	if (n->timed && (controls & VM_EXIT_SAVE_VMX_PREEMPTION_TIMER))
		v->vmx_preemption_timer_value = timer_value(vcpu);
	v->vm_entry_controls &= ~(u32)VM_ENTRY_IA32E_MODE;
	if (vmx->efer & EFER_LMA)
		v->vm_entry_controls |= VM_ENTRY_IA32E_MODE;
}

/* Access rights of a data segment that a host has: read and write, accessed (SDM 3C 28.5.2). */
#define HOST_DATA (3 | SEG_AR_S | SEG_AR_P | SEG_AR_DB | SEG_AR_G)

static void put_segment(u32 seg, u16 selector, u64 base, u32 ar)
{
	vmwrite(SEGMENT_FIELD(GUEST_ES_SELECTOR, seg), selector);
	vmwrite(SEGMENT_FIELD(GUEST_ES_BASE, seg), base);
	vmwrite(SEGMENT_FIELD(GUEST_ES_LIMIT, seg), U32_MAX);
	vmwrite(SEGMENT_FIELD(GUEST_ES_AR_BYTES, seg), ar);
}

static void put_data_segment(u32 seg, u16 selector, u64 base)
{
	put_segment(seg, selector, base, selector ? HOST_DATA : SEG_AR_UNUSABLE);
}

static void load_host_segments(const struct vmcs12 *v)
{
	bool wide = v->vm_exit_controls & VM_EXIT_HOST_ADDR_SPACE_SIZE;

	put_segment(INSN_CS, v->host_cs_selector, 0,
		    0xb | SEG_AR_S | SEG_AR_P | SEG_AR_G | (wide ? SEG_AR_L : SEG_AR_DB));
	/* A null SS is fine in 64-bit mode: it is unusable, with a DPL of 0. */
	put_data_segment(INSN_SS, v->host_ss_selector, 0);
	put_data_segment(INSN_DS, v->host_ds_selector, 0);
	put_data_segment(INSN_ES, v->host_es_selector, 0);
	put_data_segment(INSN_FS, v->host_fs_selector, v->host_fs_base);
	put_data_segment(INSN_GS, v->host_gs_selector, v->host_gs_base);

	vmwrite(GUEST_TR_SELECTOR, v->host_tr_selector);
	vmwrite(GUEST_TR_BASE, v->host_tr_base);
	vmwrite(GUEST_TR_LIMIT, 0x67);
	vmwrite(GUEST_TR_AR_BYTES, SEG_AR_TYPE_BUSY_TSS | SEG_AR_P);
	vmwrite(GUEST_LDTR_SELECTOR, 0);
	vmwrite(GUEST_LDTR_AR_BYTES, SEG_AR_UNUSABLE);
	vmwrite(GUEST_GDTR_BASE, v->host_gdtr_base);
	vmwrite(GUEST_GDTR_LIMIT, 0xffff);
	vmwrite(GUEST_IDTR_BASE, v->host_idtr_base);
	vmwrite(GUEST_IDTR_LIMIT, 0xffff);
}

/* What an exit does to EFER (SDM 3C 28.5.1). */
static u64 host_efer(const struct vcpu *vcpu, const struct vmcs12 *v)
{
	u64 both = EFER_LMA | EFER_LME;

	if (v->vm_exit_controls & VM_EXIT_LOAD_IA32_EFER)
		return v->host_ia32_efer;
	return v->vm_exit_controls & VM_EXIT_HOST_ADDR_SPACE_SIZE ? vcpu->vmx->efer | both :
								    vcpu->vmx->efer & ~both;
}

/* The CPU has one PAT: what the exit does not load is L2's.  0, or -EFAULT: no PDPTEs. */
static int load_host_crs(struct vcpu *vcpu, const struct vmcs12 *v, u64 cr0_kept)
{
	vmx_put_efer(vcpu, host_efer(vcpu, v));
	vmx_put_cr0(vcpu, (v->host_cr0 & ~CR0_KEPT) | cr0_kept);
	vmx_put_cr4(vcpu, v->host_cr4);
	vmx_put_cr3(vcpu, v->host_cr3);
	if (v->vm_exit_controls & VM_EXIT_LOAD_IA32_PAT)
		vcpu->msrs.pat = v->host_ia32_pat;
	vmwrite(GUEST_IA32_PAT, vcpu->msrs.pat);
	if (!(v->host_cr4 & X86_CR4_PAE) || (vcpu->vmx->efer & EFER_LMA))
		return 0;
	return vmx_load_pdptes(vcpu, v->host_cr3);
}

/* The guest is in VMX abort: the CPU shuts down (SDM 3C 28.7). */
static void vmx_abort(struct vcpu *vcpu, u32 why)
{
	vmcs12_of(vcpu)->abort = why;
	vcpu_request(vcpu, VCPU_REQ_TRIPLE_FAULT);
}

#define ABORT_STORE_MSRS 1
#define ABORT_PDPTES	 2
#define ABORT_LOAD_MSRS	 4

/* L1's VMCS is loaded; @cr0_kept and NMI blocking are what L2 left. */
static void load_host(struct vcpu *vcpu, u64 cr0_kept, u64 nmi_blocking)
{
	const struct vmcs12 *v = vmcs12_of(vcpu);

	if (load_host_crs(vcpu, v, cr0_kept))
		vmx_abort(vcpu, ABORT_PDPTES);
	load_host_segments(v);
	vmwrite(GUEST_SYSENTER_CS, v->host_ia32_sysenter_cs);
	vmwrite(GUEST_SYSENTER_ESP, v->host_ia32_sysenter_esp);
	vmwrite(GUEST_SYSENTER_EIP, v->host_ia32_sysenter_eip);
	vmwrite(GUEST_RSP, v->host_rsp);
	vmwrite(GUEST_RIP, v->host_rip);
	vmwrite(GUEST_RFLAGS, X86_EFLAGS_FIXED);
	vmwrite(GUEST_INTERRUPTIBILITY_INFO, nmi_blocking);
	vmwrite(GUEST_PENDING_DBG_EXCEPTIONS, 0);
	debug_put_dr7(vcpu, 0x400);
	if (load_msr_list(vcpu, v->vm_exit_msr_load_addr, v->vm_exit_msr_load_count))
		vmx_abort(vcpu, ABORT_LOAD_MSRS);
}

/*
 * Blocking of NMIs that L1 has.  With virtual NMIs L2's is its own, and L1's is as
 * it was left; an exit by an NMI sets it (SDM 3C 28.5.6).
 */
static u64 nmi_blocking(const struct vmcs12 *v, u64 l1_state, u64 l2_state, bool nmi)
{
	u64 state = v->pin_based_vm_exec_control & PIN_BASED_VIRTUAL_NMIS ? l1_state : l2_state;

	return (state & GUEST_INTR_STATE_NMI) | (nmi ? GUEST_INTR_STATE_NMI : 0);
}

static bool is_nmi(const struct l2_exit *exit)
{
	return exit->reason == EXIT_REASON_EXCEPTION_NMI &&
	       (exit->intr_info & INTR_INFO_INTR_TYPE_MASK) == INTR_TYPE_NMI_INTR;
}

/*
 * Without VPID an exit drops L1's translations, as the entry has dropped L2's; with
 * it what was set here is no reason to (SDM 3C 29.4.3.1).
 */
static void settle_translations(struct vcpu *vcpu)
{
	if (secondary12(vmcs12_of(vcpu)) & SECONDARY_EXEC_ENABLE_VPID)
		clear_bit(__ffs(VCPU_REQ_VPID), &vcpu->pending);
}

/* L1's VMCS takes vmcs02's place, and its wishes are none any more. */
static void switch_to_l1(struct vcpu *vcpu, bool nmi)
{
	struct nested *n = nested_of(vcpu);
	struct vcpu_vmx *vmx = vcpu->vmx;
	u64 cr0_kept = vmx_cr0(vcpu) & CR0_KEPT;
	u64 l2_state = vmread(GUEST_INTERRUPTIBILITY_INFO);

	n->refused.reason = 0;
	if (vmx_in_l2(vmx))
		vmcs_switch(vcpu, &vmx->vmcs01);
	vmx->l1 = (struct l1_wish){};
	vmx->cr0_must = n->caps.cr0_fixed0;
	vmx->cr4_must = n->caps.cr4_fixed0;
	apic_page_put(n);
	n->pages_due = false;
	n->timed = false;
	n->run_pending = false;
	halt_set_state(vcpu, KVM_MP_STATE_RUNNABLE);
	load_host(vcpu, cr0_kept,
		  nmi_blocking(n->vmcs12, vmread(GUEST_INTERRUPTIBILITY_INFO), l2_state, nmi));
	/* L2, or userspace, may have changed what both have a part in. */
	exceptions_write(vmx);
	tsc_write_vmcs(vcpu);
	settle_translations(vcpu);
	vcpu_request(vcpu, VCPU_REQ_EVENT);
}

/* An exception that L2 was to get and L1 does not want: what of it lasts is #DB's causes. */
static void drop_pending(struct vcpu *vcpu)
{
	struct vcpu_exception *e = &vcpu->vmx->pending;

	if (e->valid && e->vector == DB_VECTOR && e->has_payload)
		vmcs12_of(vcpu)->guest_pending_dbg_exceptions = e->payload;
	e->valid = false;
}

static void put_exit(struct vmcs12 *v, const struct l2_exit *exit)
{
	v->vm_exit_reason = exit->reason;
	v->exit_qualification = exit->qualification;
	v->vm_exit_intr_info = exit->intr_info;
	v->vm_exit_intr_error_code = exit->intr_error;
	v->idt_vectoring_info_field = exit->vectoring_info;
	v->idt_vectoring_error_code = exit->vectoring_error;
	v->vm_exit_instruction_len = exit->insn_len;
	v->vmx_instruction_info = exit->insn_info;
	v->guest_linear_address = exit->linear;
	v->guest_physical_address = exit->physical;
	v->vm_entry_intr_info_field &= ~(u32)INTR_INFO_VALID_MASK;
}

/* What L1 reads without an exit. */
static void publish(struct vcpu *vcpu)
{
	const struct nested *n = nested_of(vcpu);

	if (n->mirrored)
		mirror_fill(vcpu);
	if (unlikely(n->evmcs_ptr != NO_ADDRESS))
		evmcs_publish(vcpu);
}

void leave_l2(struct vcpu *vcpu, const struct l2_exit *exit)
{
	struct vmcs12 *v = vmcs12_of(vcpu);
	int stored;

	save_guest12(vcpu);
	put_exit(v, exit);
	drop_pending(vcpu);
	shadow_vmcs_flush(vcpu);
	stored = store_msr_list(vcpu, v->vm_exit_msr_store_addr, v->vm_exit_msr_store_count);
	switch_to_l1(vcpu, is_nmi(exit));
	if (stored)
		vmx_abort(vcpu, ABORT_STORE_MSRS);
	publish(vcpu);
}

void abandon_l2(struct vcpu *vcpu)
{
	drop_pending(vcpu);
	nested_of(vcpu)->known_valid = false;
	switch_to_l1(vcpu, false);
}

void fail_entry(struct vcpu *vcpu, u32 reason, u64 qualification)
{
	struct vmcs12 *v = vmcs12_of(vcpu);

	v->vm_exit_reason = reason | VMX_EXIT_REASONS_FAILED_VMENTRY;
	v->exit_qualification = qualification;
	/* Userspace may have been at vmcs02's fields, and nothing is read back. */
	nested_of(vcpu)->known_valid = false;
	switch_to_l1(vcpu, false);
	publish(vcpu);
}
