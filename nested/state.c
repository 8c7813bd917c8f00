// SPDX-License-Identifier: GPL-2.0
/*
 * KVM_GET_NESTED_STATE and KVM_SET_NESTED_STATE, in KVM's format: VMX operation,
 * the current VMCS, and whether L2 runs, so that a VM can be moved in mid-run.
 */
#include "nested/init.h"
#include "nested/nested.h"

void nested_get_state(struct vcpu *vcpu, struct kvm_nested_state *state, void *vmcs12)
{
	struct kvm_vmx_nested_state_hdr *hdr = &state->hdr.vmx;
	const struct nested *n = nested_of(vcpu);

	*state = (struct kvm_nested_state){
		.format = KVM_STATE_NESTED_FORMAT_VMX,
		.size = sizeof(*state),
	};
	hdr->vmxon_pa = n->vmxon_ptr;
	hdr->vmcs12_pa = n->current_ptr;
	if (!nested_has_vmcs(n))
		return;
	if (n->evmcs_ptr != NO_ADDRESS)
		state->flags |= KVM_STATE_NESTED_EVMCS;
	state->size += VMCS12_SIZE;
	if (vmx_in_l2(vcpu->vmx)) {
		state->flags |= KVM_STATE_NESTED_GUEST_MODE;
		if (n->run_pending)
			state->flags |= KVM_STATE_NESTED_RUN_PENDING;
		if (n->timed) {
			hdr->flags |= KVM_STATE_VMX_PREEMPTION_TIMER_DEADLINE;
			hdr->preemption_timer_deadline = n->deadline;
		}
		vcpu_load(vcpu);
		save_guest12(vcpu);
		vcpu_put(vcpu);
	}
	memcpy(vmcs12, n->vmcs12, VMCS12_SIZE);
	if (!vmx_in_l2(vcpu->vmx) || !l1_shadows_vmcs(n->vmcs12))
		return;
	memcpy(vmcs12 + VMCS12_SIZE, n->shadow12, VMCS12_SIZE);
	state->size += VMCS12_SIZE;
}

/* There is no SMM here. */
static bool flags_are_valid(const struct vcpu *vcpu, const struct kvm_nested_state *state)
{
	u32 known = KVM_STATE_NESTED_GUEST_MODE | KVM_STATE_NESTED_RUN_PENDING;

	if (nested_is_enlightened(nested_of(vcpu)))
		known |= KVM_STATE_NESTED_EVMCS;

	if (state->format != KVM_STATE_NESTED_FORMAT_VMX || (state->flags & ~known))
		return false;
	if ((state->flags & KVM_STATE_NESTED_RUN_PENDING) &&
	    !(state->flags & KVM_STATE_NESTED_GUEST_MODE))
		return false;
	return !state->hdr.vmx.smm.flags &&
	       !(state->hdr.vmx.flags & ~KVM_STATE_VMX_PREEMPTION_TIMER_DEADLINE);
}

static bool address_is_valid(const struct vcpu *vcpu, u64 pa)
{
	return !offset_in_page(pa) && !(pa >> vcpu->cpuid.maxphyaddr);
}

static bool header_is_valid(const struct vcpu *vcpu, const struct kvm_nested_state *state,
			    const struct vmcs12 *v)
{
	const struct kvm_vmx_nested_state_hdr *hdr = &state->hdr.vmx;

	if (!flags_are_valid(vcpu, state))
		return false;
	if (hdr->vmxon_pa == NO_ADDRESS)
		return hdr->vmcs12_pa == NO_ADDRESS && !(state->flags & ~KVM_STATE_NESTED_EVMCS);
	if (!nested_has_vmx(vcpu) || !address_is_valid(vcpu, hdr->vmxon_pa))
		return false;
	/* Which page it is the guest's memory tells. */
	if (state->flags & KVM_STATE_NESTED_EVMCS)
		return hdr->vmcs12_pa == NO_ADDRESS && v && v->revision == VMCS12_REVISION;
	if (hdr->vmcs12_pa == NO_ADDRESS)
		return !v && !state->flags;
	/* One with the mark of a shadow may be current, but not run. */
	return v &&
	       (v->revision == VMCS12_REVISION ||
		(v->revision == (VMCS12_REVISION | VMCS12_SHADOW) &&
		 !(state->flags & KVM_STATE_NESTED_GUEST_MODE))) &&
	       hdr->vmcs12_pa != hdr->vmxon_pa && address_is_valid(vcpu, hdr->vmcs12_pa);
}

/* L2 goes on where it was left; what the entry would have loaded is loaded already. */
static int resume_l2(struct vcpu *vcpu, const struct kvm_nested_state *state)
{
	struct nested *n = nested_of(vcpu);
	u64 ignored;

	if (nested_check(vcpu, &ignored))
		return -EINVAL;
	if (ept_prepare(vcpu))
		return -ENOMEM;
	n->run_pending = state->flags & KVM_STATE_NESTED_RUN_PENDING;
	enter_l2(vcpu);
	if (n->run_pending)
		take_injection(vcpu);
	timer_start(vcpu);
	if (n->timed && (state->hdr.vmx.flags & KVM_STATE_VMX_PREEMPTION_TIMER_DEADLINE))
		n->deadline = state->hdr.vmx.preemption_timer_deadline;
	/* The guest's memory may come later: what is read from there is due before the entry. */
	n->pages_due = true;
	vcpu_request(vcpu, VCPU_REQ_NESTED);
	return 0;
}

/* Between load and put, after header_is_valid(). */
static int set_state(struct vcpu *vcpu, const struct kvm_nested_state *state,
		     const struct vmcs12 *v)
{
	struct nested *n = nested_of(vcpu);
	int ret;

	if (vmx_in_l2(vcpu->vmx))
		abandon_l2(vcpu);
	mirror_stop(vcpu);
	/* Their content is in the state that was saved. */
	n->current_ptr = NO_ADDRESS;
	n->evmcs_ptr = NO_ADDRESS;
	if (state->hdr.vmx.vmxon_pa == NO_ADDRESS) {
		nested_set_vmxon(vcpu, NO_ADDRESS);
		return 0;
	}
	ret = nested_alloc(vcpu);
	if (ret)
		return ret;
	nested_set_vmxon(vcpu, state->hdr.vmx.vmxon_pa);
	if (!v)
		return 0;
	*n->vmcs12 = *v;
	n->direct_changed = true;
	n->current_ptr = state->hdr.vmx.vmcs12_pa;
	if (state->flags & KVM_STATE_NESTED_EVMCS)
		n->evmcs_ptr = EVMCS_UNKNOWN;
	n->evmcs_known = false;
	if (!(state->flags & KVM_STATE_NESTED_GUEST_MODE))
		return 0;
	if (l1_shadows_vmcs(v)) {
		const struct vmcs12 *shadow12 = (void *)v + VMCS12_SIZE;

		if (state->size < sizeof(*state) + 2 * VMCS12_SIZE ||
		    shadow12->revision != (VMCS12_REVISION | VMCS12_SHADOW))
			return -EINVAL;
		*n->shadow12 = *shadow12;
	}
	return resume_l2(vcpu, state);
}

int nested_set_state(struct vcpu *vcpu, const struct kvm_nested_state *state, const void *vmcs12)
{
	int ret;

	if (!header_is_valid(vcpu, state, vmcs12))
		return -EINVAL;
	vcpu_load(vcpu);
	ret = set_state(vcpu, state, vmcs12);
	vcpu_put(vcpu);
	return ret;
}
