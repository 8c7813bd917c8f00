// SPDX-License-Identifier: GPL-2.0
/*
 * Events for the guest: exceptions that an emulated instruction raises, an
 * event whose delivery an exit interrupted, and the one external interrupt
 * that KVM_SET_SREGS can leave.
 */
#include "vmx/trace.h"
#include "vmx/vmx.h"

/* Event types of the interruption-information fields (SDM 3C table 25-17). */
#define EVENT(type, vector) (INTR_INFO_VALID_MASK | (type) | (vector))

void queue_exception(struct vcpu *vcpu, u8 vector)
{
	vcpu->vmx->event = (struct vmx_event){
		.info = EVENT(INTR_TYPE_HARD_EXCEPTION, vector),
	};
}

void queue_exception_error(struct vcpu *vcpu, u8 vector, u32 error)
{
	/* Real mode delivers no error codes (SDM 3C 27.2.1.3). */
	bool real = !(vmx_cr0(vcpu) & X86_CR0_PE);

	vcpu->vmx->event = (struct vmx_event){
		.info = EVENT(INTR_TYPE_HARD_EXCEPTION, vector) |
			(real ? 0 : INTR_INFO_DELIVER_CODE_MASK),
		.error = error,
	};
}

void queue_page_fault(struct vcpu *vcpu, gva_t gva, u32 error)
{
	vcpu->vmx->cr2 = gva;
	queue_exception_error(vcpu, PF_VECTOR, error);
}

/* Types whose delivery pushes the RIP of the following instruction: its length counts. */
static bool event_has_len(u32 info)
{
	switch (info & INTR_INFO_INTR_TYPE_MASK) {
	case INTR_TYPE_SOFT_INTR:
	case INTR_TYPE_PRIV_SW_EXCEPTION:
	case INTR_TYPE_SOFT_EXCEPTION:
		return true;
	}
	return false;
}

/*
 * The instruction did not complete, so no single-step trap of its own is due;
 * some CPU models save one.  Behind STI or MOV SS the bit must be set for VM
 * entry (SDM 3C 27.3.1.5), and is not the instruction's.
 */
static void drop_own_single_step(void)
{
	const u32 shadow = GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS;

	if (likely(!(vmread(GUEST_RFLAGS) & X86_EFLAGS_TF)) ||
	    (vmread(GUEST_INTERRUPTIBILITY_INFO) & shadow))
		return;
	vmwrite(GUEST_PENDING_DBG_EXCEPTIONS,
		vmread(GUEST_PENDING_DBG_EXCEPTIONS) & ~(u64)PENDING_DEBUG_BS);
}

/*
 * The format of what was being delivered is that of what is to be delivered,
 * but for bit 12, which is undefined there and reserved here.
 */
void event_requeue(struct vcpu *vcpu)
{
	struct vmx_event *event = &vcpu->vmx->event;
	u32 info = vmread(IDT_VECTORING_INFO_FIELD);

	drop_own_single_step();
	if (likely(!(info & VECTORING_INFO_VALID_MASK)))
		return;
	event->info = info & ~BIT(12);
	/* An entry into real mode with an error code is refused (SDM 3C 27.2.1.3). */
	if (!(vmx_cr0(vcpu) & X86_CR0_PE))
		event->info &= ~INTR_INFO_DELIVER_CODE_MASK;
	if (event->info & INTR_INFO_DELIVER_CODE_MASK)
		event->error = vmread(IDT_VECTORING_ERROR_CODE);
	if (event_has_len(info))
		event->len = vmread(VM_EXIT_INSTRUCTION_LEN);
	/* An NMI that is delivered again must not find itself blocked by its first attempt. */
	if ((info & INTR_INFO_INTR_TYPE_MASK) == INTR_TYPE_NMI_INTR)
		vmwrite(GUEST_INTERRUPTIBILITY_INFO,
			vmread(GUEST_INTERRUPTIBILITY_INFO) & ~(u64)GUEST_INTR_STATE_NMI);
}

/*
 * IRET unblocked NMIs and then the exit happened: as the instruction will run
 * again, NMIs are still blocked (SDM 3C 28.2.3).
 */
void event_restore_nmi_blocking(void)
{
	u64 state = vmread(GUEST_INTERRUPTIBILITY_INFO);

	if (!(state & GUEST_INTR_STATE_NMI))
		vmwrite(GUEST_INTERRUPTIBILITY_INFO, state | GUEST_INTR_STATE_NMI);
}

/* The guest takes external interrupts at this instruction boundary. */
static bool interrupt_allowed(void)
{
	const u32 shadow = GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS;

	return (vmread(GUEST_RFLAGS) & X86_EFLAGS_IF) &&
	       !(vmread(GUEST_INTERRUPTIBILITY_INFO) & shadow);
}

static void interrupt_to_event(struct vcpu_vmx *vmx)
{
	bool now = !vmx->event.info && interrupt_allowed();

	if (now) {
		vmx->event = (struct vmx_event){
			.info = EVENT(INTR_TYPE_EXT_INTR, vmx->interrupt),
		};
		vmx->interrupt = -1;
	}
	vmcs_set_primary(vmx, CPU_BASED_INTR_WINDOW_EXITING, !now);
}

void event_inject(struct vcpu *vcpu)
{
	struct vcpu_vmx *vmx = vcpu->vmx;
	struct vmx_event *event = &vmx->event;

	if (vmx->interrupt >= 0)
		interrupt_to_event(vmx);
	if (!event->info)
		return;
	vcpu->stats.injections++;
	trace_vellum_inject(vcpu, event);
	vmwrite(VM_ENTRY_INTR_INFO_FIELD, event->info);
	if (event->info & INTR_INFO_DELIVER_CODE_MASK)
		vmwrite(VM_ENTRY_EXCEPTION_ERROR_CODE, event->error);
	if (event_has_len(event->info))
		vmwrite(VM_ENTRY_INSTRUCTION_LEN, event->len);
	event->info = 0;
}
