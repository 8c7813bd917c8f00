// SPDX-License-Identifier: GPL-2.0
/*
 * VMLAUNCH and VMRESUME: all checks in software and on the copy, before anything
 * of L1's reaches vmcs02 (SDM 3C 27); then vmcs02 is made of what L1 wants and
 * what L0 needs, and takes the place of L1's VMCS.
 */
#include "nested/check.h"
#include "nested/nested.h"

/* Controls of L1's that are vmcs02's too; those of L0 are there in any case. */
#define PRIMARY_OF_L1 \
	(CPU_BASED_HLT_EXITING | CPU_BASED_INVLPG_EXITING | CPU_BASED_MWAIT_EXITING | \
	 CPU_BASED_RDPMC_EXITING | CPU_BASED_RDTSC_EXITING | CPU_BASED_CR3_LOAD_EXITING | \
	 CPU_BASED_CR3_STORE_EXITING | CPU_BASED_MOV_DR_EXITING | CPU_BASED_MONITOR_EXITING | \
	 CPU_BASED_PAUSE_EXITING)
#define SECONDARY_OF_L1 \
	(SECONDARY_EXEC_ENABLE_RDTSCP | SECONDARY_EXEC_ENABLE_INVPCID | \
	 SECONDARY_EXEC_WBINVD_EXITING | SECONDARY_EXEC_RDRAND_EXITING | \
	 SECONDARY_EXEC_RDSEED_EXITING | SECONDARY_EXEC_DESC | \
	 SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES | SECONDARY_EXEC_ENABLE_VMFUNC)
/* What follows other things than L1's VMCS and vmcs12. */
#define SECONDARY_OWN \
	(SECONDARY_EXEC_ENABLE_PML | SECONDARY_EXEC_TSC_SCALING | SECONDARY_EXEC_SHADOW_VMCS)
#define SECONDARY_OF_L12 (SECONDARY_EXEC_ENABLE_RDTSCP | SECONDARY_EXEC_ENABLE_INVPCID)

/* What L1 wants beside the control words: vmx/ heeds it wherever it matters. */
static struct l1_wish wish_of(const struct vmcs12 *v)
{
	struct l1_wish l1 = {
		.cr0_mask = v->cr0_guest_host_mask,
		.cr4_mask = v->cr4_guest_host_mask,
		.cr0_shadow = v->cr0_read_shadow,
		.cr4_shadow = v->cr4_read_shadow,
		.exceptions = v->exception_bitmap & ~BIT(PF_VECTOR),
		.page_faults = l1_pf_wish(v),
		.windows = v->cpu_based_vm_exec_control & WINDOW_EXITING,
	};

	if (v->cpu_based_vm_exec_control & CPU_BASED_USE_TSC_OFFSETTING) {
		l1.tsc_offset = v->tsc_offset;
		if (secondary12(v) & SECONDARY_EXEC_TSC_SCALING)
			l1.tsc_ratio = v->tsc_multiplier;
	}
	return l1;
}

static void write_controls02(struct vcpu *vcpu)
{
	struct vcpu_vmx *vmx = vcpu->vmx;
	const struct vmcs12 *v = vmcs12_of(vcpu);
	u32 primary = (vmx->vmcs01.primary & ~WINDOW_EXITING) | vmx->l1.windows |
		      (v->cpu_based_vm_exec_control & PRIMARY_OF_L1);
	u32 secondary = (vmx->vmcs01.secondary & ~(SECONDARY_OWN | SECONDARY_OF_L12)) |
			(secondary12(v) & SECONDARY_OF_L1) | (vmx->vmcs->secondary & SECONDARY_OWN);
	u32 pin = vmx_caps.pin | (v->pin_based_vm_exec_control & PIN_BASED_VMX_PREEMPTION_TIMER);

	vmcs_set_primary(vmx, ~primary, false);
	vmcs_set_primary(vmx, primary, true);
	vmcs_set_secondary(vmx, ~secondary, false);
	vmcs_set_secondary(vmx, secondary, true);
	vmwrite(PIN_BASED_VM_EXEC_CONTROL, pin);
	if (vmx_caps.slice) /* L1 may have had its own */
		vmwrite(VMX_PREEMPTION_TIMER_VALUE, vmx_caps.slice);
	exceptions_write(vmx);
	tsc_write_vmcs(vcpu);
}

/* The words of L1's MSR bitmap that matter; ones where there is none, or no memory. */
static void read_msr_bitmap12(struct vcpu *vcpu, u64 *words)
{
	const struct vmcs12 *v = vmcs12_of(vcpu);

	if (!(v->cpu_based_vm_exec_control & CPU_BASED_USE_MSR_BITMAPS) ||
	    guest_read_words(vcpu, v->msr_bitmap, vm_no_exit_words, VM_NO_EXIT_WORDS, words))
		memset(words, 0xff, VM_NO_EXIT_WORDS * sizeof(*words));
}

/* What exits by L0's wish or L1's.  The owner's MSR filter may change L0's at any time. */
static void write_msr_bitmap02(struct vcpu *vcpu)
{
	struct nested *n = nested_of(vcpu);
	u64 *bitmap = (u64 *)n->msr_bitmap;
	const u64 *l0 = (const u64 *)vcpu->vm->msr_bitmap;
	u64 l1[VM_NO_EXIT_WORDS];
	unsigned int i;

	read_msr_bitmap12(vcpu, l1);
	for (i = 0; i < VM_NO_EXIT_WORDS; i++) {
		unsigned int word = vm_no_exit_words[i];

		n->bitmap_l0[i] = READ_ONCE(l0[word]);
		bitmap[word] = n->bitmap_l0[i] | l1[i];
	}
	vmwrite(MSR_BITMAP, __pa(bitmap));
}

/* It was made of L0's as that is now. */
static bool msr_bitmap02_is_current(const struct vcpu *vcpu)
{
	const struct nested *n = nested_of(vcpu);
	const u64 *l0 = (const u64 *)vcpu->vm->msr_bitmap;
	unsigned int i;

	for (i = 0; i < VM_NO_EXIT_WORDS; i++)
		if (n->bitmap_l0[i] != READ_ONCE(l0[vm_no_exit_words[i]]))
			return false;
	return true;
}

/* What an entry does to EFER (SDM 3C 27.3.2.1). */
static u64 guest_efer(const struct vcpu *vcpu, const struct vmcs12 *v)
{
	u64 both = EFER_LMA | EFER_LME;

	if (nested_of(vcpu)->run_pending && (v->vm_entry_controls & VM_ENTRY_LOAD_IA32_EFER))
		return v->guest_ia32_efer;
	if (v->vm_entry_controls & VM_ENTRY_IA32E_MODE)
		return vcpu->vmx->efer | both;
	return vcpu->vmx->efer & ~(v->guest_cr0 & X86_CR0_PG ? both : EFER_LMA);
}

/* L2 may not clear what VMX operation fixes to 1; unrestricted, PE and PG are its own. */
static u64 cr0_must02(const struct nested *n)
{
	u64 must = n->caps.cr0_fixed0;

	if (secondary12(n->vmcs12) & SECONDARY_EXEC_UNRESTRICTED_GUEST)
		must &= ~(u64)(X86_CR0_PE | X86_CR0_PG);
	return must;
}

/* Control registers and what else vmx/ has in a variable of its own. */
static void load_guest02(struct vcpu *vcpu, u64 cr0_kept)
{
	const struct vmcs12 *v = vmcs12_of(vcpu);
	u32 loads = nested_of(vcpu)->run_pending ? v->vm_entry_controls : 0;

	vmx_put_efer(vcpu, guest_efer(vcpu, v));
	vmx_put_cr0(vcpu, (v->guest_cr0 & ~CR0_KEPT) | cr0_kept);
	vmx_put_cr4(vcpu, v->guest_cr4);
	if (loads & VM_ENTRY_LOAD_IA32_PAT)
		vcpu->msrs.pat = v->guest_ia32_pat;
	vmwrite(GUEST_IA32_PAT, vcpu->msrs.pat);
	debug_put_dr7(vcpu, loads & VM_ENTRY_LOAD_DEBUG_CONTROLS ? v->guest_dr7 : vcpu->vmx->dr7);
}

/* Without VPID every entry drops L2's translations; with another one than the last, too. */
static void settle_translations(struct vcpu *vcpu)
{
	const struct vmcs12 *v = vmcs12_of(vcpu);
	struct nested *n = nested_of(vcpu);
	u16 vpid = secondary12(v) & SECONDARY_EXEC_ENABLE_VPID ? v->virtual_processor_id : 0;

	if (vpid && vpid == n->last_vpid)
		clear_bit(__ffs(VCPU_REQ_VPID), &vcpu->pending);
	else
		vcpu_request(vcpu, VCPU_REQ_VPID);
	n->last_vpid = vpid;
}

void enter_l2(struct vcpu *vcpu)
{
	struct vcpu_vmx *vmx = vcpu->vmx;
	struct nested *n = nested_of(vcpu);
	u64 cr0_kept = vmx_cr0(vcpu) & CR0_KEPT;

	vmx->l1 = wish_of(n->vmcs12);
	vmx->cr0_must = cr0_must02(n);
	vmcs_switch(vcpu, &vmx->vmcs02);
	write_controls02(vcpu);
	ept_write02(vcpu);
	direct_to_vmcs02(n);
	load_guest02(vcpu, cr0_kept);
	settle_translations(vcpu);
	vcpu_request(vcpu, VCPU_REQ_EVENT);
}

/* Without an EPT of L1's they are loaded from memory (SDM 3C 27.3.1.6, 27.3.2.4). */
static int load_pdptes02(struct vcpu *vcpu)
{
	const struct vmcs12 *v = vmcs12_of(vcpu);
	const u64 pdptes[4] = { v->guest_pdptr0, v->guest_pdptr1, v->guest_pdptr2,
				v->guest_pdptr3 };

	if (!check_has_pdptes(v))
		return 0;
	if (!l1_has_ept(vcpu))
		return vmx_load_pdptes(vcpu, v->guest_cr3);
	if (check_pdptes(pdptes, vcpu->cpuid.maxphyaddr))
		return -EFAULT;
	vmx_put_pdptes(pdptes);
	return 0;
}

int refresh_pages(struct vcpu *vcpu)
{
	struct nested *n = nested_of(vcpu);

	write_msr_bitmap02(vcpu);
	if (!n->pages_due)
		return 0;
	if (apic_page_get(vcpu) || load_pdptes02(vcpu))
		return -EFAULT;
	if (n->has_apic_page)
		vmwrite(APIC_ACCESS_ADDR, n->apic_page.hfn << PAGE_SHIFT);
	n->pages_due = false;
	return 0;
}

void take_injection(struct vcpu *vcpu)
{
	const struct vmcs12 *v = vmcs12_of(vcpu);

	if (!(v->vm_entry_intr_info_field & INTR_INFO_VALID_MASK))
		return;
	vcpu->vmx->event = (struct vmx_event){
		.info = v->vm_entry_intr_info_field,
		.error = v->vm_entry_exception_error_code,
		.len = v->vm_entry_instruction_len,
	};
	/* It ends HLT, whatever it is. */
	halt_set_state(vcpu, KVM_MP_STATE_RUNNABLE);
}

static int enter(struct vcpu *vcpu)
{
	struct nested *n = nested_of(vcpu);
	struct vmcs12 *v = n->vmcs12;
	u32 bad;

	/* Nothing of L1's state is gone yet, should there be no such page. */
	if (apic_page_get(vcpu))
		return exit_internal_error(vcpu, KVM_INTERNAL_ERROR_EMULATION);
	if (ept_prepare(vcpu))
		return -ENOMEM;
	n->run_pending = true;
	enter_l2(vcpu);
	if (n->has_apic_page)
		vmwrite(APIC_ACCESS_ADDR, n->apic_page.hfn << PAGE_SHIFT);
	if (!evmcs_keeps_bitmap(vcpu) || !msr_bitmap02_is_current(vcpu))
		write_msr_bitmap02(vcpu);
	if (load_pdptes02(vcpu)) {
		fail_entry(vcpu, EXIT_REASON_INVALID_STATE, ENTRY_FAIL_PDPTE);
		return ENTER_AGAIN;
	}
	bad = load_msr_list(vcpu, v->vm_entry_msr_load_addr, v->vm_entry_msr_load_count);
	if (bad) {
		fail_entry(vcpu, EXIT_REASON_MSR_LOAD_FAIL, bad);
		return ENTER_AGAIN;
	}
	v->launch_state = VMCS12_LAUNCHED;
	n->evmcs_known = true;
	if (v->guest_activity_state == GUEST_ACTIVITY_HLT)
		halt_set_state(vcpu, KVM_MP_STATE_HALTED);
	take_injection(vcpu);
	timer_start(vcpu);
	return ENTER_AGAIN;
}

/* What stands before any check of the VMCS (SDM 3C 27.1): an error number, or 0. */
static u32 check_launch(const struct vmcs12 *v, bool launch)
{
	if (vmread(GUEST_INTERRUPTIBILITY_INFO) & GUEST_INTR_STATE_MOV_SS)
		return VMXERR_ENTRY_EVENTS_BLOCKED_BY_MOV_SS;
	if (launch && v->launch_state)
		return VMXERR_VMLAUNCH_NONCLEAR_VMCS;
	if (!launch && v->launch_state != VMCS12_LAUNCHED)
		return VMXERR_VMRESUME_NONLAUNCHED_VMCS;
	return 0;
}

/* LBR and BTF, as platform/msr.c has it of WRMSR: taken, to no effect. */
#define DEBUGCTL_TAKEN 3

u32 nested_check(struct vcpu *vcpu, u64 *qualification)
{
	const struct check check = {
		.v = vmcs12_of(vcpu),
		.caps = &nested_of(vcpu)->caps,
		.maxphyaddr = vcpu->cpuid.maxphyaddr,
		.long_mode = vcpu->vmx->efer & EFER_LMA,
		.rtm = cpuid_entry(&vcpu->cpuid, 7, 0)->ebx & BIT(11),
		.efer = vcpu->cpuid.efer_bits,
		.debugctl = DEBUGCTL_TAKEN,
	};

	if (check_controls(&check))
		return VMXERR_ENTRY_INVALID_CONTROL_FIELD;
	if (check_host(&check))
		return VMXERR_ENTRY_INVALID_HOST_STATE_FIELD;
	return check_guest(&check, qualification) ? CHECK_GUEST : 0;
}

int nested_run(struct vcpu *vcpu, bool launch)
{
	struct nested *n = nested_of(vcpu);
	u64 qualification;
	u32 error;

	if (nested_is_enlightened(n)) {
		int bad = evmcs_load(vcpu, launch);

		if (bad)
			return bad == -EFAULT ? exit_undefined(vcpu) : vmx_fail_invalid(vcpu);
	}
	if (!nested_has_vmcs(n) || (n->vmcs12->revision & VMCS12_SHADOW))
		return vmx_fail_invalid(vcpu);
	error = check_launch(n->vmcs12, launch);
	error = error ?: nested_check(vcpu, &qualification);
	if (error && error != CHECK_GUEST)
		return vmx_fail(vcpu, error);
	if (error) {
		fail_entry(vcpu, EXIT_REASON_INVALID_STATE, qualification);
		return ENTER_AGAIN;
	}
	if (!shadow_vmcs_load(vcpu)) {
		fail_entry(vcpu, EXIT_REASON_INVALID_STATE, ENTRY_FAIL_VMCS_LINK_PTR);
		return ENTER_AGAIN;
	}
	return enter(vcpu);
}
