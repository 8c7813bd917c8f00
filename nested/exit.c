// SPDX-License-Identifier: GPL-2.0
/*
 * An exit of L2: is it L1's to have, by the controls that L1 set (SDM 3C 26), or
 * L0's alone?
 */
#include <linux/uaccess.h>

#include "nested/nested.h"

bool l1_wants_exception(const struct vmcs12 *v, u8 vector, u32 error)
{
	const struct pf_wish page_faults = l1_pf_wish(v);

	return vector == PF_VECTOR ? pf_exits(&page_faults, error) :
				     v->exception_bitmap & BIT(vector);
}

/* What a debugger in userspace asked for, and what the host's kernel is to look at. */
static bool l0_wants_exception(const struct vcpu_vmx *vmx, u32 info)
{
	switch (info & INTR_INFO_VECTOR_MASK) {
	case DB_VECTOR:
		return vmx->guest_debug & (KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_USE_HW_BP);
	case BP_VECTOR:
		return vmx->guest_debug & KVM_GUESTDBG_USE_SW_BP;
	case AC_VECTOR:
		return boot_cpu_has(X86_FEATURE_SPLIT_LOCK_DETECT);
	case MC_VECTOR:
		return true;
	}
	return (info & INTR_INFO_INTR_TYPE_MASK) == INTR_TYPE_NMI_INTR;
}

static bool wants_exception(struct vcpu *vcpu, u32 error)
{
	u32 info = vmread(VM_EXIT_INTR_INFO);

	return !l0_wants_exception(vcpu->vmx, info) &&
	       l1_wants_exception(vmcs12_of(vcpu), info & INTR_INFO_VECTOR_MASK, error);
}

/* A bit of a bitmap in L1's memory; where there is no memory, every bit is set. */
static bool bit_at(struct vcpu *vcpu, gpa_t bitmap, u32 bit)
{
	u8 byte;

	return guest_read(vcpu, bitmap + bit / 8, &byte, 1) || (byte >> (bit % 8) & 1);
}

bool l1_wants_msr(struct vcpu *vcpu, u32 index, bool write)
{
	const struct vmcs12 *v = vmcs12_of(vcpu);
	u32 low = index & 0x1fff;

	if (!(v->cpu_based_vm_exec_control & CPU_BASED_USE_MSR_BITMAPS))
		return true;
	if (index != low && index != (0xc0000000 | low))
		return true;
	return bit_at(vcpu, v->msr_bitmap,
		      low + (index == low ? 0 : 0x2000) + (write ? 0x4000 : 0));
}

static bool wants_io(struct vcpu *vcpu)
{
	const struct vmcs12 *v = vmcs12_of(vcpu);
	u64 qualification = vmread(EXIT_QUALIFICATION);
	u32 port = IO_ACCESS_PORT(qualification);
	u32 end = port + IO_ACCESS_SIZE(qualification);

	if (!(v->cpu_based_vm_exec_control & CPU_BASED_USE_IO_BITMAPS))
		return v->cpu_based_vm_exec_control & CPU_BASED_UNCOND_IO_EXITING;
	if (end > 0x10000) /* it wraps round */
		return true;
	for (; port < end; port++)
		if (bit_at(vcpu, port & 0x8000 ? v->io_bitmap_b : v->io_bitmap_a, port & 0x7fff))
			return true;
	return false;
}

/* MOV to CR0 or CR4: a bit of L1's would read otherwise than it wants it read. */
static bool wants_cr_write(const struct vmcs12 *v, unsigned int cr, u64 value)
{
	switch (cr) {
	case 0:
		return (value ^ v->cr0_read_shadow) & v->cr0_guest_host_mask;
	case 3: /* no CR3-target values are offered */
		return v->cpu_based_vm_exec_control & CPU_BASED_CR3_LOAD_EXITING;
	case 4:
		return (value ^ v->cr4_read_shadow) & v->cr4_guest_host_mask;
	case 8:
		return v->cpu_based_vm_exec_control & CPU_BASED_CR8_LOAD_EXITING;
	}
	return false;
}

/* LMSW sets PE but never clears it, and leaves all above TS alone. */
static bool wants_lmsw(const struct vmcs12 *v, u64 qualification)
{
	u64 source = CR_ACCESS_LMSW_SOURCE(qualification) & 0xf;
	u64 changes = (source ^ v->cr0_read_shadow) & v->cr0_guest_host_mask;

	return changes & (source & X86_CR0_PE ? 0xf : 0xe);
}

static bool wants_cr(struct vcpu *vcpu)
{
	const struct vmcs12 *v = vmcs12_of(vcpu);
	u64 qualification = vmread(EXIT_QUALIFICATION);
	unsigned int cr = CR_ACCESS_REG(qualification);

	switch (CR_ACCESS_TYPE(qualification)) {
	case CR_MOV_TO:
		return wants_cr_write(v, cr, gpr_read(vcpu, CR_ACCESS_GPR(qualification)));
	case CR_MOV_FROM:
		return v->cpu_based_vm_exec_control &
		       (cr == 3 ? CPU_BASED_CR3_STORE_EXITING : CPU_BASED_CR8_STORE_EXITING);
	case CR_CLTS:
		return v->cr0_guest_host_mask & v->cr0_read_shadow & X86_CR0_TS;
	default:
		return wants_lmsw(v, qualification);
	}
}

/* Exits that one control of L1's decides on: its bit, in which word. */
static bool wants_by_control(const struct vmcs12 *v, u32 reason)
{
	u32 primary = v->cpu_based_vm_exec_control, secondary = secondary12(v);

	switch (reason) {
	case EXIT_REASON_HLT:
		return primary & CPU_BASED_HLT_EXITING;
	case EXIT_REASON_INVLPG:
		return primary & CPU_BASED_INVLPG_EXITING;
	case EXIT_REASON_INVPCID:
		return primary & CPU_BASED_INVLPG_EXITING;
	case EXIT_REASON_RDPMC:
		return primary & CPU_BASED_RDPMC_EXITING;
	case EXIT_REASON_RDTSC:
	case EXIT_REASON_RDTSCP:
		return primary & CPU_BASED_RDTSC_EXITING;
	case EXIT_REASON_DR_ACCESS:
		return primary & CPU_BASED_MOV_DR_EXITING;
	case EXIT_REASON_MWAIT_INSTRUCTION:
		return primary & CPU_BASED_MWAIT_EXITING;
	case EXIT_REASON_MONITOR_INSTRUCTION:
		return primary & CPU_BASED_MONITOR_EXITING;
	case EXIT_REASON_PAUSE_INSTRUCTION:
		return primary & CPU_BASED_PAUSE_EXITING ||
		       secondary & SECONDARY_EXEC_PAUSE_LOOP_EXITING;
	case EXIT_REASON_WBINVD:
		return secondary & SECONDARY_EXEC_WBINVD_EXITING;
	case EXIT_REASON_RDRAND:
		return secondary & SECONDARY_EXEC_RDRAND_EXITING;
	case EXIT_REASON_RDSEED:
		return secondary & SECONDARY_EXEC_RDSEED_EXITING;
	case EXIT_REASON_GDTR_IDTR:
	case EXIT_REASON_LDTR_TR:
		return secondary & SECONDARY_EXEC_DESC;
	}
	return true;
}

static bool l1_wants(struct vcpu *vcpu, u32 reason, u32 error)
{
	const struct l1_wish *l1 = &vcpu->vmx->l1;

	switch (reason) {
	case EXIT_REASON_EXCEPTION_NMI:
		return wants_exception(vcpu, error);
	case EXIT_REASON_INTERRUPT_WINDOW:
		return l1->windows & CPU_BASED_INTR_WINDOW_EXITING;
	case EXIT_REASON_NMI_WINDOW:
		return l1->windows & CPU_BASED_NMI_WINDOW_EXITING;
	case EXIT_REASON_CR_ACCESS:
		return wants_cr(vcpu);
	case EXIT_REASON_IO_INSTRUCTION:
		return wants_io(vcpu);
	case EXIT_REASON_MSR_READ:
	case EXIT_REASON_MSR_WRITE:
		return l1_wants_msr(vcpu, vcpu->regs[GPR_RCX], reason == EXIT_REASON_MSR_WRITE);
	case EXIT_REASON_PREEMPTION_TIMER:
		return timer_is_over(vcpu);
	/* The host's, and what vmcs02 has for L0 alone. */
	case EXIT_REASON_EXTERNAL_INTERRUPT:
	case EXIT_REASON_MCE_DURING_VMENTRY:
	case EXIT_REASON_EPT_VIOLATION:
	case EXIT_REASON_EPT_MISCONFIG:
	case EXIT_REASON_PML_FULL:
	case EXIT_REASON_ENCLS:
		return false;
	}
	return wants_by_control(vmcs12_of(vcpu), reason);
}

struct l2_exit read_exit(u32 reason)
{
	struct l2_exit exit = {
		.reason = reason,
		.qualification = vmread(EXIT_QUALIFICATION),
		.intr_info = vmread(VM_EXIT_INTR_INFO),
		.insn_len = vmread(VM_EXIT_INSTRUCTION_LEN),
		.insn_info = vmread(VMX_INSTRUCTION_INFO),
		.linear = vmread(GUEST_LINEAR_ADDRESS),
		.physical = vmread(GUEST_PHYSICAL_ADDRESS),
	};

	/* Valid for external interrupts and exceptions alone. */
	if (reason != EXIT_REASON_EXCEPTION_NMI && reason != EXIT_REASON_EXTERNAL_INTERRUPT)
		exit.intr_info = 0;
	exit.vectoring_info = vmread(IDT_VECTORING_INFO_FIELD);
	if (exit.vectoring_info & INTR_INFO_DELIVER_CODE_MASK)
		exit.vectoring_error = vmread(IDT_VECTORING_ERROR_CODE);
	return exit;
}

/*
 * The CPU refused L2's state, which software found good: for L1 its VMLAUNCH or
 * VMRESUME failed so.  Later, it is what userspace has set, and no CPU could be in.
 */
static int entry_failed(struct vcpu *vcpu, u32 reason)
{
	struct nested *n = nested_of(vcpu);

	if ((u16)reason == EXIT_REASON_MCE_DURING_VMENTRY)
		return NESTED_L0;
	event_take_back(vcpu);
	vcpu->vmx->event.info = 0;
	if (!n->run_pending)
		return nested_triple_fault(vcpu);
	fail_entry(vcpu, reason, vmread(EXIT_QUALIFICATION));
	return ENTER_AGAIN;
}

static bool is_vmwrite(u32 reason)
{
	return reason == EXIT_REASON_VMWRITE;
}

static bool is_field_access(u32 reason)
{
	return reason == EXIT_REASON_VMREAD || is_vmwrite(reason);
}

int nested_exit(struct vcpu *vcpu)
{
	struct nested *n = nested_of(vcpu);
	u32 reason = vcpu->vmx->exit_reason;
	struct l2_exit exit;
	u32 error = 0;

	if (unlikely(reason & VMX_EXIT_REASONS_FAILED_VMENTRY))
		return entry_failed(vcpu, reason);
	n->run_pending = false;
	if (reason == EXIT_REASON_EPT_VIOLATION && vcpu->vmx->vmcs->shadowed)
		return nested_ept_violation(vcpu);
	if (reason == EXIT_REASON_VMFUNC)
		return nested_vmfunc(vcpu);
	if (is_field_access(reason) && !l1_wants_field(vcpu, insn_field(vcpu), is_vmwrite(reason)))
		return is_vmwrite(reason) ? insn_vmwrite(vcpu) : insn_vmread(vcpu);
	if (reason == EXIT_REASON_EXCEPTION_NMI)
		error = vmx_exception_error(vcpu);
	if (!l1_wants(vcpu, reason, error))
		return NESTED_L0;
	exit = read_exit(reason);
	exit.intr_error = error;
	leave_l2(vcpu, &exit);
	return ENTER_AGAIN;
}

/*
 * Nothing may sleep: where L1's bitmap is not at hand its bits read as ones, and
 * nested_exit() looks again.
 */
bool nested_exit_is_quick(struct vcpu *vcpu)
{
	bool quick;

	if (vcpu->vmx->exit_reason != EXIT_REASON_MSR_READ)
		return false;
	pagefault_disable();
	quick = !l1_wants_msr(vcpu, vcpu->regs[GPR_RCX], false);
	pagefault_enable();
	if (!quick)
		return false;
	nested_of(vcpu)->run_pending = false;
	timer_write(vcpu); /* the next entry may follow at once */
	return true;
}
