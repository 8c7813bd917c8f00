// SPDX-License-Identifier: GPL-2.0
/*
 * What is delivered to the guest next: an event whose delivery was interrupted
 * first of all, then an exception that userspace left, an NMI, an external
 * interrupt.  What cannot be delivered yet has a window exit wait for it.
 */
#include "compat.h"
#include "vmx/trace.h"
#include "vmx/vmx.h"

/* DR6 and CR2 have what comes with the exception only when it is delivered. */
static void apply_payload(struct vcpu_vmx *vmx)
{
	const struct vcpu_exception *e = &vmx->pending;

	if (!e->has_payload)
		return;
	if (e->vector == PF_VECTOR)
		write_cr2(e->payload); /* within a burst the CPU's is the guest's */
	else if (e->vector == DB_VECTOR)
		debug_payload(vmx->vcpu, e->payload);
}

static void choose_exception(struct vcpu_vmx *vmx)
{
	const struct vcpu_exception *e = &vmx->pending;

	if (vmx_in_l2(vmx) && nested_ops->wants_exception(vmx->vcpu, e)) {
		vcpu_request(vmx->vcpu, VCPU_REQ_NESTED);
		return;
	}
	apply_payload(vmx);
	if (e->has_error)
		queue_exception_error(vmx->vcpu, e->vector, e->error);
	else
		queue_exception(vmx->vcpu, e->vector);
	vmx->pending.valid = false;
}

/* One NMI is latched while they are blocked, another one can be on its way (SDM 3A 6.7.1). */
static void collect_nmis(struct vcpu *vcpu)
{
	int limit = (vmread(GUEST_INTERRUPTIBILITY_INFO) & GUEST_INTR_STATE_NMI) ? 1 : 2;
	int arrived = atomic_xchg(&vcpu->nmis, 0);

	vcpu->vmx->nmi_pending = min(vcpu->vmx->nmi_pending + arrived, limit);
}

/* The window that has to open for the next one, 0 if none waits any more. */
static u32 choose_nmi(struct vcpu_vmx *vmx)
{
	u32 state = vmread(GUEST_INTERRUPTIBILITY_INFO);

	/* Whether this one keeps an NMI window shut is the CPU's choice (SDM 3C 26.2). */
	if (state & GUEST_INTR_STATE_STI)
		return CPU_BASED_INTR_WINDOW_EXITING;
	if (vmx->event.info || (state & (GUEST_INTR_STATE_NMI | INTR_STATE_SHADOW)))
		return CPU_BASED_NMI_WINDOW_EXITING;
	vmx->event = (struct vmx_event){ .info = EVENT(INTR_TYPE_NMI_INTR, NMI_VECTOR) };
	return --vmx->nmi_pending ? CPU_BASED_NMI_WINDOW_EXITING : 0;
}

static bool interrupt_allowed(void)
{
	return (vmread(GUEST_RFLAGS) & X86_EFLAGS_IF) &&
	       !(vmread(GUEST_INTERRUPTIBILITY_INFO) & INTR_STATE_SHADOW);
}

/* The one that was acknowledged already is first. */
int interrupt_due(const struct vcpu *vcpu)
{
	if (vcpu->vmx->interrupt >= 0)
		return vcpu->vmx->interrupt;
	return vcpu->apic ? lapic_next(vcpu->apic) : -1;
}

int interrupt_take(struct vcpu *vcpu)
{
	int vector = interrupt_due(vcpu);

	if (vcpu->vmx->interrupt >= 0)
		vcpu->vmx->interrupt = -1;
	else
		lapic_take(vcpu->apic, vector);
	return vector;
}

/* False: there is one, and it has to wait. */
static bool choose_interrupt(struct vcpu *vcpu)
{
	struct vcpu_vmx *vmx = vcpu->vmx;
	int vector = interrupt_due(vcpu);

	if (vector < 0)
		return true;
	if (vmx->event.info || !interrupt_allowed())
		return false;
	interrupt_take(vcpu);
	vmx->event = (struct vmx_event){ .info = EVENT(INTR_TYPE_EXT_INTR, vector) };
	/* Behind the userspace's one the APIC may have its own. */
	return interrupt_due(vcpu) < 0;
}

void event_exit_soon(struct vcpu *vcpu)
{
	vcpu_request(vcpu, VCPU_REQ_EVENT);
	smp_send_reschedule(smp_processor_id());
}

/*
 * True: L2 exits to L1 instead of being entered; or it is entered for an event
 * that is being delivered already, and leaves again before its first instruction.
 */
static bool leaves_l2(struct vcpu *vcpu)
{
	if (!nested_ops->exit_is_due(vcpu))
		return false;
	if (vcpu->vmx->event.info)
		event_exit_soon(vcpu);
	else
		vcpu_request(vcpu, VCPU_REQ_NESTED);
	return true;
}

void event_choose(struct vcpu *vcpu)
{
	struct vcpu_vmx *vmx = vcpu->vmx;
	u32 windows = vmx->l1.windows;

	if (unlikely(vmx->pending.valid) && !vmx->event.info)
		choose_exception(vmx);
	/* A debugger steps through what there is, not through handlers. */
	if (unlikely(vmx->guest_debug & KVM_GUESTDBG_BLOCKIRQ)) {
		vmcs_set_primary(vmx, WINDOW_EXITING & ~windows, false);
		return;
	}
	if (unlikely(atomic_read(&vcpu->nmis)))
		collect_nmis(vcpu);
	if (vmx_in_l2(vmx) && leaves_l2(vcpu))
		return;
	if (unlikely(vmx->nmi_pending))
		windows |= choose_nmi(vmx);
	if (!choose_interrupt(vcpu) || vmx->window_wanted)
		windows |= CPU_BASED_INTR_WINDOW_EXITING;
	vmcs_set_primary(vmx, WINDOW_EXITING & ~windows, false);
	vmcs_set_primary(vmx, windows, true);
}

/*
 * VM entry insists on an error code where the CPU pushes one, refuses it in real
 * mode, and takes no bit above 15 of it (SDM 3C 27.2.1.3).  The mode may have
 * changed, by userspace's doing, since the exception was raised.
 */
static u32 with_error_code(u32 info)
{
	info &= ~INTR_INFO_DELIVER_CODE_MASK;
	if (exception_pushes_error(info & INTR_INFO_VECTOR_MASK) &&
	    (vmread(GUEST_CR0) & X86_CR0_PE))
		info |= INTR_INFO_DELIVER_CODE_MASK;
	return info;
}

void event_inject(struct vcpu *vcpu)
{
	struct vmx_event *event = &vcpu->vmx->event;
	u32 info = event->info;

	if (is_hard_exception(info))
		info = with_error_code(info);
	vcpu->stats.injections++;
	trace_vellum_inject(vcpu, event);
	vmwrite(VM_ENTRY_INTR_INFO_FIELD, info);
	if (info & INTR_INFO_DELIVER_CODE_MASK)
		vmwrite(VM_ENTRY_EXCEPTION_ERROR_CODE, (u16)event->error);
	if (event_has_len(info))
		vmwrite(VM_ENTRY_INSTRUCTION_LEN, event->len);
	event->info = 0;
}

void event_take_back(struct vcpu *vcpu)
{
	vcpu->vmx->event.info = vmread(VM_ENTRY_INTR_INFO_FIELD);
	if (!(vcpu->vmx->event.info & INTR_INFO_VALID_MASK))
		vcpu->vmx->event.info = 0;
	vmwrite(VM_ENTRY_INTR_INFO_FIELD, 0);
}

int exit_interrupt_window(struct vcpu *vcpu)
{
	struct vcpu_vmx *vmx = vcpu->vmx;

	vcpu_request(vcpu, VCPU_REQ_EVENT);
	if (!vmx->window_wanted || interrupt_due(vcpu) >= 0)
		return ENTER_AGAIN;
	vmx->window_wanted = false;
	vcpu->run->exit_reason = KVM_EXIT_IRQ_WINDOW_OPEN;
	return EXIT_TO_USER;
}

int exit_nmi_window(struct vcpu *vcpu)
{
	vcpu_request(vcpu, VCPU_REQ_EVENT);
	return ENTER_AGAIN;
}
