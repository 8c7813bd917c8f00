// SPDX-License-Identifier: GPL-2.0
/*
 * KVM_GET_VCPU_EVENTS and KVM_SET_VCPU_EVENTS: everything that is on its way to
 * the guest, so that it can go on in another VM; and KVM_INTERRUPT and KVM_NMI.
 */
#include "vmx/vmx.h"

#define ALL_FLAGS \
	(KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SIPI_VECTOR | \
	 KVM_VCPUEVENT_VALID_SHADOW | KVM_VCPUEVENT_VALID_SMM | KVM_VCPUEVENT_VALID_PAYLOAD | \
	 KVM_VCPUEVENT_VALID_TRIPLE_FAULT)

static u32 event_type(const struct vcpu_vmx *vmx)
{
	return vmx->event.info ? vmx->event.info & INTR_INFO_INTR_TYPE_MASK : INTR_TYPE_RESERVED;
}

static void get_exception(const struct vcpu_vmx *vmx, struct kvm_vcpu_events *events)
{
	const struct vcpu_exception *e = &vmx->pending;
	u32 type = event_type(vmx);

	if (type == INTR_TYPE_HARD_EXCEPTION || type == INTR_TYPE_SOFT_EXCEPTION) {
		events->exception.injected = 1;
		events->exception.nr = vmx->event.info & INTR_INFO_VECTOR_MASK;
		events->exception.has_error_code =
			!!(vmx->event.info & INTR_INFO_DELIVER_CODE_MASK);
		events->exception.error_code = vmx->event.error;
	} else if (e->valid) {
		events->exception.pending = 1;
		events->exception.nr = e->vector;
		events->exception.has_error_code = e->has_error;
		events->exception.error_code = e->error;
		events->exception_has_payload = e->has_payload;
		events->exception_payload = e->payload;
	}
}

static void get_interrupt(const struct vcpu_vmx *vmx, struct kvm_vcpu_events *events)
{
	u32 type = event_type(vmx);

	if (type == INTR_TYPE_EXT_INTR || type == INTR_TYPE_SOFT_INTR) {
		events->interrupt.injected = 1;
		events->interrupt.nr = vmx->event.info & INTR_INFO_VECTOR_MASK;
		events->interrupt.soft = type == INTR_TYPE_SOFT_INTR;
	} else if (vmx->interrupt >= 0) {
		events->interrupt.injected = 1;
		events->interrupt.nr = vmx->interrupt;
	}
}

void vcpu_get_events(struct vcpu *vcpu, struct kvm_vcpu_events *events)
{
	struct vcpu_vmx *vmx = vcpu->vmx;
	u32 state;

	memset(events, 0, sizeof(*events));
	vcpu_load(vcpu);
	state = vmread(GUEST_INTERRUPTIBILITY_INFO);
	vcpu_put(vcpu);
	get_exception(vmx, events);
	get_interrupt(vmx, events);
	events->interrupt.shadow =
		(state & GUEST_INTR_STATE_MOV_SS ? KVM_X86_SHADOW_INT_MOV_SS : 0) |
		(state & GUEST_INTR_STATE_STI ? KVM_X86_SHADOW_INT_STI : 0);
	events->nmi.injected = event_type(vmx) == INTR_TYPE_NMI_INTR;
	events->nmi.pending = vmx->nmi_pending || atomic_read(&vcpu->nmis);
	events->nmi.masked = !!(state & GUEST_INTR_STATE_NMI);
	events->flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW;
	if (vcpu->vm->exception_payload)
		events->flags |= KVM_VCPUEVENT_VALID_PAYLOAD;
	if (vcpu->vm->triple_fault_event) {
		events->flags |= KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
		events->triple_fault.pending = !!(READ_ONCE(vcpu->pending) & VCPU_REQ_TRIPLE_FAULT);
	}
}

/* There is no SMM here: what speaks of it has nothing to say. */
static bool has_smm(const struct kvm_vcpu_events *events)
{
	return (events->flags & KVM_VCPUEVENT_VALID_SMM) &&
	       (events->smi.smm || events->smi.pending || events->smi.smm_inside_nmi ||
		events->smi.latched_init);
}

static bool flags_are_valid(const struct vcpu *vcpu, u32 flags)
{
	if (flags & ~(u32)ALL_FLAGS)
		return false;
	if ((flags & KVM_VCPUEVENT_VALID_PAYLOAD) && !vcpu->vm->exception_payload)
		return false;
	return !(flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT) || vcpu->vm->triple_fault_event;
}

static bool exception_is_valid(const struct kvm_vcpu_events *events)
{
	bool payload = events->flags & KVM_VCPUEVENT_VALID_PAYLOAD;

	if (payload && events->exception.injected && events->exception.pending)
		return false;
	if (!events->exception.injected && !(payload && events->exception.pending))
		return true;
	return events->exception.nr <= 31 && events->exception.nr != NMI_VECTOR;
}

static struct vmx_event exception_event(const struct kvm_vcpu_events *events)
{
	u8 nr = events->exception.nr;
	bool soft = nr == BP_VECTOR || nr == OF_VECTOR; /* INT3 and INTO: one byte */

	return (struct vmx_event){
		.info = EVENT(soft ? INTR_TYPE_SOFT_EXCEPTION : INTR_TYPE_HARD_EXCEPTION, nr) |
			(exception_pushes_error(nr) ? INTR_INFO_DELIVER_CODE_MASK : 0),
		.error = events->exception.error_code,
		.len = 1,
	};
}

/* One event can be under way; an interrupt or NMI beside it comes after it. */
static void set_under_way(struct vcpu_vmx *vmx, const struct kvm_vcpu_events *events)
{
	u8 vector = events->interrupt.nr;

	vmx->event.info = 0;
	vmx->interrupt = -1;
	if (events->interrupt.injected && !events->interrupt.soft)
		vmx->interrupt = vector;
	if (events->exception.injected) {
		vmx->event = exception_event(events);
		if (events->nmi.injected)
			vmx->nmi_pending = 1;
	} else if (events->nmi.injected) {
		vmx->event = (struct vmx_event){ .info = EVENT(INTR_TYPE_NMI_INTR, NMI_VECTOR) };
	} else if (events->interrupt.injected && events->interrupt.soft) {
		vmx->event = (struct vmx_event){
			.info = EVENT(INTR_TYPE_SOFT_INTR, vector), .len = 2, /* INT n */
		};
	}
}

static void set_pending_exception(struct vcpu_vmx *vmx, const struct kvm_vcpu_events *events)
{
	bool valid = (events->flags & KVM_VCPUEVENT_VALID_PAYLOAD) && events->exception.pending;

	vmx->pending = (struct vcpu_exception){
		.valid = valid,
		.vector = events->exception.nr,
		.has_error = exception_pushes_error(events->exception.nr & 31),
		.error = events->exception.error_code,
		.has_payload = events->exception_has_payload,
		.payload = events->exception_payload,
	};
}

static void set_interruptibility(const struct kvm_vcpu_events *events)
{
	u64 state = vmread(GUEST_INTERRUPTIBILITY_INFO) & ~(u64)GUEST_INTR_STATE_NMI;

	if (events->nmi.masked)
		state |= GUEST_INTR_STATE_NMI;
	if (events->flags & KVM_VCPUEVENT_VALID_SHADOW) {
		state &= ~INTR_STATE_SHADOW;
		/* VM entry takes one of them (SDM 3C 27.3.1.5). */
		if (events->interrupt.shadow & KVM_X86_SHADOW_INT_MOV_SS)
			state |= GUEST_INTR_STATE_MOV_SS;
		else if (events->interrupt.shadow & KVM_X86_SHADOW_INT_STI)
			state |= GUEST_INTR_STATE_STI;
	}
	vmwrite(GUEST_INTERRUPTIBILITY_INFO, state);
}

static void set_nmis(struct vcpu *vcpu, const struct kvm_vcpu_events *events)
{
	if (!(events->flags & KVM_VCPUEVENT_VALID_NMI_PENDING))
		return;
	atomic_set(&vcpu->nmis, 0);
	vcpu->vmx->nmi_pending = !!events->nmi.pending;
}

int vcpu_set_events(struct vcpu *vcpu, const struct kvm_vcpu_events *events)
{
	if (!flags_are_valid(vcpu, events->flags) || has_smm(events) || !exception_is_valid(events))
		return -EINVAL;
	vcpu_load(vcpu);
	set_nmis(vcpu, events);
	set_under_way(vcpu->vmx, events);
	set_pending_exception(vcpu->vmx, events);
	set_interruptibility(events);
	vcpu_put(vcpu);
	if ((events->flags & KVM_VCPUEVENT_VALID_SIPI_VECTOR) && vcpu->apic)
		WRITE_ONCE(vcpu->sipi_vector, events->sipi_vector);
	if (events->flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT) {
		clear_bit(__ffs(VCPU_REQ_TRIPLE_FAULT), &vcpu->pending);
		if (events->triple_fault.pending)
			vcpu_request(vcpu, VCPU_REQ_TRIPLE_FAULT);
	}
	vcpu_request(vcpu, VCPU_REQ_EVENT);
	return 0;
}

int vcpu_interrupt(struct vcpu *vcpu, u32 vector)
{
	if (vector > 255)
		return -EINVAL;
	if (vcpu->apic)
		return -ENXIO;
	if (vcpu->vmx->interrupt >= 0 || event_type(vcpu->vmx) == INTR_TYPE_EXT_INTR)
		return -EEXIST;
	vcpu->vmx->interrupt = vector;
	vcpu_request(vcpu, VCPU_REQ_EVENT);
	return 0;
}
