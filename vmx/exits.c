// SPDX-License-Identifier: GPL-2.0
/*
 * VM exits: one call for each reason, one tail that says everything about what
 * nobody handles.
 */
#include <asm/cpu.h>

#include "vmx/exits.h"
#include "vmx/insn_end.h"

void skip_insn(struct vcpu *vcpu)
{
	end_insn(vcpu, vmread(VM_EXIT_INSTRUCTION_LEN));
	trap_if_stepped(vmread(GUEST_RFLAGS));
}

int exit_undefined(struct vcpu *vcpu)
{
	queue_exception(vcpu, UD_VECTOR);
	return ENTER_AGAIN;
}

int exit_protection(struct vcpu *vcpu)
{
	queue_exception_error(vcpu, GP_VECTOR, 0);
	return ENTER_AGAIN;
}

/* The log was drained when the exit was taken: only the interrupted event is left. */
static int exit_pml_full(struct vcpu *vcpu)
{
	event_requeue(vcpu);
	if (!vcpu->vmx->event.info && (vmread(EXIT_QUALIFICATION) & PML_FULL_NMI_UNBLOCK))
		event_restore_nmi_blocking();
	return ENTER_AGAIN;
}

int exit_internal_error(struct vcpu *vcpu, u32 suberror)
{
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->internal.suberror = suberror;
	run->internal.ndata = 4;
	run->internal.data[0] = vcpu->vmx->exit_reason;
	run->internal.data[1] = vmread(EXIT_QUALIFICATION);
	run->internal.data[2] = vmread(GUEST_RIP);
	run->internal.data[3] = vmread(GUEST_PHYSICAL_ADDRESS);
	return EXIT_TO_USER;
}

/*
 * Intercepted for the same reason as #DB: it may raise itself for ever.  One
 * that the guest has not asked for is the host's trap for split locks.
 */
static int exit_alignment(struct vcpu *vcpu)
{
	bool user = (vmread(GUEST_SS_AR_BYTES) >> SEG_AR_DPL_SHIFT & 3) == 3;

	if ((user && (vmx_cr0(vcpu) & X86_CR0_AM) && (vmread(GUEST_RFLAGS) & X86_EFLAGS_AC)) ||
	    !boot_cpu_has(X86_FEATURE_SPLIT_LOCK_DETECT)) {
		queue_exception_error(vcpu, AC_VECTOR, vmread(VM_EXIT_INTR_ERROR_CODE));
		return ENTER_AGAIN;
	}
	if (handle_guest_split_lock(vmread(GUEST_RIP)))
		return ENTER_AGAIN;
	vcpu->run->exit_reason = KVM_EXIT_EXCEPTION;
	vcpu->run->ex.exception = AC_VECTOR;
	vcpu->run->ex.error_code = vmread(VM_EXIT_INTR_ERROR_CODE);
	return EXIT_TO_USER;
}

static int exit_exception(struct vcpu *vcpu)
{
	u32 info = vmread(VM_EXIT_INTR_INFO);

	/* NMIs and machine checks were the host's, and have been handled at once. */
	if ((info & INTR_INFO_INTR_TYPE_MASK) == INTR_TYPE_NMI_INTR ||
	    (info & INTR_INFO_VECTOR_MASK) == MC_VECTOR) {
		event_requeue(vcpu);
		return ENTER_AGAIN;
	}
	event_keep(vcpu);
	if (!vcpu->vmx->event.info && (info & INTR_INFO_UNBLOCK_NMI))
		event_restore_nmi_blocking();
	switch (info & INTR_INFO_VECTOR_MASK) {
	case DB_VECTOR:
		return exit_debug(vcpu);
	case BP_VECTOR:
		return exit_breakpoint(vcpu);
	case UD_VECTOR:
		return exit_invalid_opcode(vcpu);
	case AC_VECTOR:
		return exit_alignment(vcpu);
	case PF_VECTOR:
		return exit_page_fault(vcpu);
	}
	return exit_internal_error(vcpu, KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON);
}

/* The guest's state cannot be entered (SDM 3C 27.8); the host is as it was. */
static int exit_entry_failed(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	/* The machine check that came between is the host's. */
	if ((u16)vcpu->vmx->exit_reason == EXIT_REASON_MCE_DURING_VMENTRY)
		asm volatile("int $18" : : : "memory");
	/* Nothing was delivered, and the field is still valid (SDM 3C 27.8). */
	event_take_back(vcpu);
	run->exit_reason = KVM_EXIT_FAIL_ENTRY;
	run->fail_entry.hardware_entry_failure_reason = vcpu->vmx->exit_reason;
	run->fail_entry.cpu = READ_ONCE(vcpu->cpu);
	return EXIT_TO_USER;
}

static int exit_user(struct vcpu *vcpu, u32 exit_reason)
{
	vcpu->run->exit_reason = exit_reason;
	return EXIT_TO_USER;
}

static int exit_vmx_insn(struct vcpu *vcpu)
{
	return nested_ops ? nested_ops->insn(vcpu) : exit_undefined(vcpu);
}

int exit_handle(struct vcpu *vcpu)
{
	u32 reason = vcpu->vmx->exit_reason;

	if (unlikely(reason & VMX_EXIT_REASONS_FAILED_VMENTRY))
		return exit_entry_failed(vcpu);
	switch (reason) {
	case EXIT_REASON_EXCEPTION_NMI:
		return exit_exception(vcpu);
	case EXIT_REASON_EXTERNAL_INTERRUPT: /* taken when interrupts were opened */
		return ENTER_AGAIN;
	case EXIT_REASON_PREEMPTION_TIMER: /* its slice is over, and interrupts were open since */
		return ENTER_AGAIN;
	case EXIT_REASON_TRIPLE_FAULT:
		return exit_user(vcpu, KVM_EXIT_SHUTDOWN);
	case EXIT_REASON_INTERRUPT_WINDOW:
		return exit_interrupt_window(vcpu);
	case EXIT_REASON_NMI_WINDOW:
		return exit_nmi_window(vcpu);
	case EXIT_REASON_CPUID:
		return exit_cpuid(vcpu);
	case EXIT_REASON_HLT:
		return exit_hlt(vcpu);
	case EXIT_REASON_VMCALL:
		return exit_vmcall(vcpu);
	case EXIT_REASON_CR_ACCESS:
		return exit_cr_access(vcpu);
	case EXIT_REASON_DR_ACCESS:
		return exit_dr_access(vcpu);
	case EXIT_REASON_IO_INSTRUCTION:
		return exit_io(vcpu);
	case EXIT_REASON_MSR_READ:
		return exit_rdmsr(vcpu);
	case EXIT_REASON_MSR_WRITE:
		return exit_wrmsr(vcpu);
	case EXIT_REASON_EPT_VIOLATION:
		return exit_ept_violation(vcpu);
	case EXIT_REASON_EPT_MISCONFIG:
		return exit_ept_misconfig(vcpu);
	case EXIT_REASON_PML_FULL:
		return exit_pml_full(vcpu);
	case EXIT_REASON_WBINVD: /* the guest's memory is coherent write-back: nothing to do */
	case EXIT_REASON_INVD:
		skip_insn(vcpu);
		return ENTER_AGAIN;
	case EXIT_REASON_RDPMC: /* no counters are offered */
		return exit_protection(vcpu);
	case EXIT_REASON_XSETBV:
		return exit_xsetbv(vcpu);
	case EXIT_REASON_MONITOR_INSTRUCTION:
	case EXIT_REASON_MWAIT_INSTRUCTION:
		return exit_mwait(vcpu);
	case EXIT_REASON_VMCLEAR:
	case EXIT_REASON_VMLAUNCH:
	case EXIT_REASON_VMPTRLD:
	case EXIT_REASON_VMPTRST:
	case EXIT_REASON_VMREAD:
	case EXIT_REASON_VMRESUME:
	case EXIT_REASON_VMWRITE:
	case EXIT_REASON_VMOFF:
	case EXIT_REASON_VMON:
	case EXIT_REASON_INVEPT:
	case EXIT_REASON_INVVPID:
		return exit_vmx_insn(vcpu);
	case EXIT_REASON_ENCLS:
	case EXIT_REASON_SEAMCALL_INSN:
	case EXIT_REASON_TDCALL_INSN:
		return exit_undefined(vcpu);
	}
	return exit_internal_error(vcpu, KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON);
}
