// SPDX-License-Identifier: GPL-2.0
/*
 * VMX for guests, as userspace sees it: the nested state, whose size the caller
 * tells, and the capability MSRs in the lists of MSRs.
 */
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "nested/init.h"
#include "uapi/uapi.h"

#define VMCS12_BYTES KVM_STATE_NESTED_VMX_VMCS_SIZE

/* The header, a VMCS, and what shadows one.  For kfree(), or NULL. */
static struct kvm_nested_state *state_alloc(void)
{
	return kzalloc(nested_state_size(), GFP_KERNEL_ACCOUNT);
}

static long get_state(struct vcpu *vcpu, struct kvm_nested_state __user *user)
{
	struct kvm_nested_state *state;
	long err = 0;
	u32 room;

	if (get_user(room, &user->size))
		return -EFAULT;
	state = state_alloc();
	if (!state)
		return -ENOMEM;
	nested_get_state(vcpu, state, state->data.vmx);
	if (room < state->size)
		err = put_user(state->size, &user->size) ?: -E2BIG;
	else if (copy_to_user(user, state, state->size))
		err = -EFAULT;
	kfree(state);
	return err;
}

/* An address, or the guest's memory tells it. */
static bool names_vmcs(const struct kvm_nested_state *state)
{
	return ~state->hdr.vmx.vmcs12_pa || (state->flags & KVM_STATE_NESTED_EVMCS);
}

/* A VMCS comes with the header if there is room for it, and an address. */
static long set_state(struct vcpu *vcpu, struct kvm_nested_state __user *user)
{
	struct kvm_nested_state *state = state_alloc();
	const void *vmcs12 = NULL;
	long err = 0;

	if (!state)
		return -ENOMEM;
	if (copy_from_user(state, user, sizeof(*state)))
		err = -EFAULT;
	else if (state->size < sizeof(*state))
		err = -EINVAL;
	if (!err && state->size >= sizeof(*state) + VMCS12_BYTES && names_vmcs(state)) {
		vmcs12 = state->data.vmx;
		if (copy_from_user(state->data.vmx, user->data.vmx,
				   min_t(size_t, state->size, nested_state_size()) -
					   sizeof(*state)))
			err = -EFAULT;
	}
	err = err ?: nested_set_state(vcpu, state, vmcs12);
	kfree(state);
	return err;
}

long nested_vcpu_ioctl(struct vcpu *vcpu, unsigned int cmd, void __user *user)
{
	if (!nested_is_offered())
		return -EINVAL;
	return cmd == KVM_GET_NESTED_STATE ? get_state(vcpu, user) : set_state(vcpu, user);
}

long nested_state_size(void)
{
	return nested_is_offered() ?
		       sizeof(struct kvm_nested_state) + sizeof(struct kvm_vmx_nested_state_data) :
		       0;
}
