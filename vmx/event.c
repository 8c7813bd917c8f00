// SPDX-License-Identifier: GPL-2.0
/*
 * The event that the next entry delivers: an exception that an emulated
 * instruction raises, or what was being delivered when an exit interrupted that.
 * inject.c adds what waits for its turn.
 */
#include "vmx/vmx.h"

/* How an exception goes with one that was being delivered (SDM 3A tables 6-4 and 6-5). */
enum exception_class { BENIGN, CONTRIBUTORY, PAGE_FAULT, DOUBLE_FAULT };

static enum exception_class class_of(u8 vector)
{
	switch (vector) {
	case DE_VECTOR:
	case TS_VECTOR:
	case NP_VECTOR:
	case SS_VECTOR:
	case GP_VECTOR:
		return CONTRIBUTORY;
	case PF_VECTOR:
		return PAGE_FAULT;
	case DF_VECTOR:
		return DOUBLE_FAULT;
	}
	return BENIGN;
}

/* SDM 3A table 6-1. */
bool exception_pushes_error(u8 vector)
{
	const u32 with = BIT(DF_VECTOR) | BIT(TS_VECTOR) | BIT(NP_VECTOR) | BIT(SS_VECTOR) |
			 BIT(GP_VECTOR) | BIT(PF_VECTOR) | BIT(AC_VECTOR);

	return vector < 32 && (with & BIT(vector));
}

/*
 * An exception came while @event was being delivered: what of that is not done
 * again by the instruction that runs again is kept for later.
 */
static void put_off(struct vcpu_vmx *vmx)
{
	u32 info = vmx->event.info;

	if (!info)
		return;
	switch (info & INTR_INFO_INTR_TYPE_MASK) {
	case INTR_TYPE_EXT_INTR: /* acknowledged already: no APIC gives it again */
		vmx->interrupt = info & INTR_INFO_VECTOR_MASK;
		vcpu_request(vmx->vcpu, VCPU_REQ_EVENT);
		break;
	case INTR_TYPE_NMI_INTR:
		vmx->nmi_pending = 1;
		vcpu_request(vmx->vcpu, VCPU_REQ_EVENT);
		break;
	}
}

/* True: L1 wants it, and it waits in vmx->pending for the exit to L1. */
static bool goes_to_l1(struct vcpu *vcpu, struct vcpu_exception e)
{
	struct vcpu_vmx *vmx = vcpu->vmx;

	if (!vmx_in_l2(vmx) || !nested_ops->wants_exception(vcpu, &e))
		return false;
	vmx->pending = e;
	vcpu_request(vcpu, VCPU_REQ_NESTED);
	return true;
}

static void queue(struct vcpu *vcpu, u8 vector, bool has_error, u32 error)
{
	struct vcpu_exception e = { .valid = true, .vector = vector, .has_error = has_error };
	struct vcpu_vmx *vmx = vcpu->vmx;
	u32 old_info = vmx->event.info;

	e.error = error;
	if (goes_to_l1(vcpu, e))
		return;
	if (is_hard_exception(old_info)) {
		enum exception_class old = class_of(old_info & INTR_INFO_VECTOR_MASK);
		enum exception_class new = class_of(vector);

		if (old == DOUBLE_FAULT && new != BENIGN) {
			vmx->event.info = 0;
			vcpu_request(vcpu, VCPU_REQ_TRIPLE_FAULT);
			return;
		}
		if ((old == CONTRIBUTORY && new == CONTRIBUTORY) ||
		    (old == PAGE_FAULT && (new == CONTRIBUTORY || new == PAGE_FAULT))) {
			vector = DF_VECTOR;
			has_error = true;
			error = 0;
			vmx->event.info = 0; /* no part of a double fault (SDM 3C 28.2.4) */
			e = (struct vcpu_exception){ .valid = true,
						     .vector = DF_VECTOR,
						     .has_error = true };
			if (goes_to_l1(vcpu, e))
				return;
		}
	} else {
		put_off(vmx);
	}
	vmx->event = (struct vmx_event){
		.info = EVENT(INTR_TYPE_HARD_EXCEPTION, vector) |
			(has_error ? INTR_INFO_DELIVER_CODE_MASK : 0),
		.error = error,
	};
}

void queue_exception(struct vcpu *vcpu, u8 vector)
{
	queue(vcpu, vector, false, 0);
}

void queue_exception_error(struct vcpu *vcpu, u8 vector, u32 error)
{
	queue(vcpu, vector, true, error);
}

void queue_page_fault(struct vcpu *vcpu, gva_t gva, u32 error)
{
	const struct vcpu_exception e = {
		.valid = true,
		.vector = PF_VECTOR,
		.has_error = true,
		.error = error,
		.has_payload = true,
		.payload = gva,
	};

	if (goes_to_l1(vcpu, e))
		return;
	vcpu->vmx->cr2 = gva;
	queue_exception_error(vcpu, PF_VECTOR, error);
}

/*
 * The instruction did not complete, so no single-step trap of its own is due;
 * some CPU models save one.  Behind STI or MOV SS the bit must be set for VM
 * entry (SDM 3C 27.3.1.5), and is not the instruction's.
 */
static void drop_own_single_step(void)
{
	if (likely(!(vmread(GUEST_RFLAGS) & X86_EFLAGS_TF)) ||
	    (vmread(GUEST_INTERRUPTIBILITY_INFO) & INTR_STATE_SHADOW))
		return;
	vmwrite(GUEST_PENDING_DBG_EXCEPTIONS,
		vmread(GUEST_PENDING_DBG_EXCEPTIONS) & ~(u64)PENDING_DEBUG_BS);
}

/*
 * The format of what was being delivered is that of what is to be delivered,
 * but for bit 12, which is undefined there and reserved here.
 */
void event_keep(struct vcpu *vcpu)
{
	struct vmx_event *event = &vcpu->vmx->event;
	u32 info = vmread(IDT_VECTORING_INFO_FIELD);

	if (likely(!(info & VECTORING_INFO_VALID_MASK)))
		return;
	event->info = info & ~BIT(12);
	if (info & INTR_INFO_DELIVER_CODE_MASK)
		event->error = vmread(IDT_VECTORING_ERROR_CODE);
	if (event_has_len(info))
		event->len = vmread(VM_EXIT_INSTRUCTION_LEN);
	/* An NMI that is delivered again must not find itself blocked by its first attempt. */
	if ((info & INTR_INFO_INTR_TYPE_MASK) == INTR_TYPE_NMI_INTR)
		vmwrite(GUEST_INTERRUPTIBILITY_INFO,
			vmread(GUEST_INTERRUPTIBILITY_INFO) & ~(u64)GUEST_INTR_STATE_NMI);
}

void event_requeue(struct vcpu *vcpu)
{
	drop_own_single_step();
	event_keep(vcpu);
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

void event_unmake_interrupt(struct vcpu *vcpu)
{
	struct vcpu_vmx *vmx = vcpu->vmx;

	if (!vmx->event.info || (vmx->event.info & INTR_INFO_INTR_TYPE_MASK) != INTR_TYPE_EXT_INTR)
		return;
	put_off(vmx);
	vmx->event.info = 0;
}
