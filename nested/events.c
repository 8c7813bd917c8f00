// SPDX-License-Identifier: GPL-2.0
/*
 * What waits for its turn while L2 runs, and is L1's: exceptions that L0 raises,
 * NMIs and external interrupts that L1 asked to hear of, INIT, the end of the
 * preemption timer, a triple fault.
 */
#include "nested/nested.h"

bool nested_wants_exception(const struct vcpu *vcpu, const struct vcpu_exception *e)
{
	return l1_wants_exception(vmcs12_of(vcpu), e->vector, e->error);
}

/* In the order of SDM 3A table 6-2, and 3C 26.2: what the exit would be by. */
enum due {
	DUE_NONE,
	DUE_EXCEPTION,
	DUE_INIT,
	DUE_TIMER,
	DUE_NMI,
	DUE_INTERRUPT,
	DUE_REFUSED, /* the next instruction's own */
};

static enum due what_is_due(const struct vcpu *vcpu)
{
	const struct vcpu_vmx *vmx = vcpu->vmx;
	u32 pin = vmcs12_of(vcpu)->pin_based_vm_exec_control;

	if (vmx->pending.valid && nested_wants_exception(vcpu, &vmx->pending))
		return DUE_EXCEPTION;
	if (test_bit(STARTUP_INIT, &vcpu->startup))
		return DUE_INIT;
	if (timer_is_over(vcpu))
		return DUE_TIMER;
	if ((pin & PIN_BASED_NMI_EXITING) && (vmx->nmi_pending || atomic_read(&vcpu->nmis)))
		return DUE_NMI;
	if ((pin & PIN_BASED_EXT_INTR_MASK) && interrupt_due(vcpu) >= 0)
		return DUE_INTERRUPT;
	return nested_of(vcpu)->refused.reason ? DUE_REFUSED : DUE_NONE;
}

bool nested_exit_is_due(const struct vcpu *vcpu)
{
	return what_is_due(vcpu) != DUE_NONE;
}

/* An event that was to be delivered is what the exit came in the middle of. */
static void take_vectoring(struct vcpu *vcpu, struct l2_exit *exit)
{
	struct vmx_event *event = &vcpu->vmx->event;

	exit->vectoring_info = event->info;
	exit->vectoring_error = event->error;
	if (event_has_len(event->info))
		exit->insn_len = event->len;
	event->info = 0;
}

static struct l2_exit exception_exit(struct vcpu *vcpu)
{
	struct vcpu_exception *e = &vcpu->vmx->pending;
	struct l2_exit exit = {
		.reason = EXIT_REASON_EXCEPTION_NMI,
		.intr_info = EVENT(INTR_TYPE_HARD_EXCEPTION, e->vector),
	};

	/* The CPU has no more than 16 bits of an error code. */
	if (e->has_error && (vmread(GUEST_CR0) & X86_CR0_PE)) {
		exit.intr_info |= INTR_INFO_DELIVER_CODE_MASK;
		exit.intr_error = (u16)e->error;
	}
	if (e->vector == PF_VECTOR)
		exit.qualification = e->has_payload ? e->payload : vcpu->vmx->cr2;
	else if (e->vector == DB_VECTOR)
		exit.qualification = e->has_payload ? e->payload : 0;
	e->valid = false;
	take_vectoring(vcpu, &exit);
	return exit;
}

static struct l2_exit nmi_exit(struct vcpu *vcpu)
{
	struct vcpu_vmx *vmx = vcpu->vmx;

	if (vmx->nmi_pending)
		vmx->nmi_pending--;
	else
		atomic_dec_if_positive(&vcpu->nmis);
	return (struct l2_exit){
		.reason = EXIT_REASON_EXCEPTION_NMI,
		.intr_info = EVENT(INTR_TYPE_NMI_INTR, NMI_VECTOR),
	};
}

/* Acknowledged by the exit if L1 wants that; else it waits for L1 to open interrupts. */
static struct l2_exit interrupt_exit(struct vcpu *vcpu)
{
	struct l2_exit exit = { .reason = EXIT_REASON_EXTERNAL_INTERRUPT };

	if (vmcs12_of(vcpu)->vm_exit_controls & VM_EXIT_ACK_INTR_ON_EXIT)
		exit.intr_info = EVENT(INTR_TYPE_EXT_INTR, interrupt_take(vcpu));
	return exit;
}

static struct l2_exit exit_by(struct vcpu *vcpu, enum due due)
{
	switch (due) {
	case DUE_EXCEPTION:
		return exception_exit(vcpu);
	case DUE_INIT:
		clear_bit(STARTUP_INIT, &vcpu->startup);
		return (struct l2_exit){ .reason = EXIT_REASON_INIT_SIGNAL };
	case DUE_TIMER:
		return (struct l2_exit){ .reason = EXIT_REASON_PREEMPTION_TIMER };
	case DUE_NMI:
		return nmi_exit(vcpu);
	case DUE_REFUSED:
		return nested_of(vcpu)->refused;
	default:
		return interrupt_exit(vcpu);
	}
}

int nested_settle(struct vcpu *vcpu)
{
	enum due due = what_is_due(vcpu);
	struct l2_exit exit;

	/* What else is due has to wait until the event under way is delivered; see inject.c. */
	if (due == DUE_EXCEPTION || (due != DUE_NONE && !vcpu->vmx->event.info)) {
		exit = exit_by(vcpu, due);
		leave_l2(vcpu, &exit);
		return ENTER_AGAIN;
	}
	/* The owner's MSR filter may be another one, or the vCPU came from elsewhere. */
	if (refresh_pages(vcpu)) {
		vcpu_request(vcpu, VCPU_REQ_NESTED);
		return exit_internal_error(vcpu, KVM_INTERNAL_ERROR_EMULATION);
	}
	if (vcpu->mp_state != KVM_MP_STATE_RUNNABLE)
		vcpu_request(vcpu, VCPU_REQ_MP);
	return ENTER_AGAIN;
}

int nested_triple_fault(struct vcpu *vcpu)
{
	const struct l2_exit exit = { .reason = EXIT_REASON_TRIPLE_FAULT };

	vcpu->vmx->event.info = 0;
	leave_l2(vcpu, &exit);
	return ENTER_AGAIN;
}
