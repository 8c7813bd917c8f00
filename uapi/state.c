// SPDX-License-Identifier: GPL-2.0
/*
 * A vCPU's state: the ioctls whose argument is one structure of fixed size, and
 * KVM_CAP_SYNC_REGS, which moves the same structures through the run page.
 */
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "uapi/uapi.h"

/*
 * All ioctls whose argument is one structure of fixed size.  @state is that of
 * the caller, or zero for those that fill it.
 */
union vcpu_state {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_sregs2 sregs2;
	struct kvm_xsave xsave;
	struct kvm_xcrs xcrs;
	struct kvm_debugregs debugregs;
	struct kvm_guest_debug guest_debug;
	struct kvm_fpu fpu;
	struct kvm_mp_state mp;
	struct kvm_lapic_state lapic;
	struct kvm_vcpu_events events;
};

static long get_state(struct vcpu *vcpu, unsigned int cmd, union vcpu_state *state)
{
	switch (cmd) {
	case KVM_GET_REGS:
		vcpu_get_regs(vcpu, &state->regs);
		return 0;
	case KVM_GET_SREGS:
		vcpu_get_sregs(vcpu, &state->sregs);
		return 0;
	case KVM_GET_SREGS2:
		vcpu_get_sregs2(vcpu, &state->sregs2);
		return 0;
	case KVM_GET_FPU:
		vcpu_get_fpu(vcpu, &state->fpu);
		return 0;
	case KVM_GET_XSAVE:
	case KVM_GET_XSAVE2:
		vcpu_get_xsave(vcpu, &state->xsave);
		return 0;
	case KVM_GET_XCRS:
		vcpu_get_xcrs(vcpu, &state->xcrs);
		return 0;
	case KVM_GET_DEBUGREGS:
		vcpu_get_debugregs(vcpu, &state->debugregs);
		return 0;
	case KVM_GET_MP_STATE:
		state->mp.mp_state = vcpu_get_mp_state(vcpu);
		return 0;
	case KVM_GET_VCPU_EVENTS:
		vcpu_get_events(vcpu, &state->events);
		return 0;
	case KVM_GET_LAPIC:
		return irq_get_lapic(vcpu, &state->lapic);
	default:
		return -EINVAL;
	}
}

static long set_state(struct vcpu *vcpu, unsigned int cmd, const union vcpu_state *state)
{
	switch (cmd) {
	case KVM_SET_REGS:
		vcpu_set_regs(vcpu, &state->regs);
		return 0;
	case KVM_SET_SREGS:
		return vcpu_set_sregs(vcpu, &state->sregs);
	case KVM_SET_SREGS2:
		return vcpu_set_sregs2(vcpu, &state->sregs2);
	case KVM_SET_FPU:
		return vcpu_set_fpu(vcpu, &state->fpu);
	case KVM_SET_XSAVE:
		return vcpu_set_xsave(vcpu, &state->xsave);
	case KVM_SET_XCRS:
		return vcpu_set_xcrs(vcpu, &state->xcrs);
	case KVM_SET_DEBUGREGS:
		return vcpu_set_debugregs(vcpu, &state->debugregs);
	case KVM_SET_GUEST_DEBUG:
		return vcpu_set_guest_debug(vcpu, &state->guest_debug);
	case KVM_SET_MP_STATE:
		return vcpu_set_mp_state(vcpu, state->mp.mp_state);
	case KVM_SET_VCPU_EVENTS:
		return vcpu_set_events(vcpu, &state->events);
	case KVM_SET_LAPIC:
		return irq_set_lapic(vcpu, &state->lapic);
	default:
		return -EINVAL;
	}
}

/* Nothing of another size gets as far as a handler: the size is part of @cmd. */
long vcpu_ioctl_state(struct vcpu *vcpu, unsigned int cmd, void __user *user)
{
	bool reads = _IOC_DIR(cmd) == _IOC_READ; /* userspace reads */
	union vcpu_state *state;
	long err;

	if (_IOC_TYPE(cmd) != KVMIO || !_IOC_SIZE(cmd) || _IOC_SIZE(cmd) > sizeof(*state))
		return -EINVAL;
	state = kzalloc(_IOC_SIZE(cmd), GFP_KERNEL_ACCOUNT);
	if (!state)
		return -ENOMEM;
	if (reads) {
		err = get_state(vcpu, cmd, state);
		if (!err && copy_to_user(user, state, _IOC_SIZE(cmd)))
			err = -EFAULT;
	} else if (copy_from_user(state, user, _IOC_SIZE(cmd))) {
		err = -EFAULT;
	} else {
		err = set_state(vcpu, cmd, state);
	}
	kfree(state);
	return err;
}

static bool sync_fields_valid(u64 fields)
{
	return !(fields & ~(u64)SYNC_FIELDS);
}

/* The run page is userspace's to write at any time: each part is copied, then used. */
static int sync_store(struct vcpu *vcpu, u64 fields)
{
	const struct kvm_sync_regs *shared = &vcpu->run->s.regs;
	union {
		struct kvm_regs regs;
		struct kvm_sregs sregs;
		struct kvm_vcpu_events events;
	} copy;
	int err = 0;

	if (fields & KVM_SYNC_X86_REGS) {
		memcpy(&copy.regs, &shared->regs, sizeof(copy.regs));
		vcpu_set_regs(vcpu, &copy.regs);
	}
	if (fields & KVM_SYNC_X86_SREGS) {
		memcpy(&copy.sregs, &shared->sregs, sizeof(copy.sregs));
		err = vcpu_set_sregs(vcpu, &copy.sregs);
	}
	if (!err && (fields & KVM_SYNC_X86_EVENTS)) {
		memcpy(&copy.events, &shared->events, sizeof(copy.events));
		err = vcpu_set_events(vcpu, &copy.events);
	}
	return err;
}

int sync_regs_before(struct vcpu *vcpu)
{
	u64 valid = READ_ONCE(vcpu->run->kvm_valid_regs);
	u64 dirty = READ_ONCE(vcpu->run->kvm_dirty_regs);
	int err;

	if (!sync_fields_valid(valid | dirty))
		return -EINVAL;
	if (!dirty)
		return 0;
	err = sync_store(vcpu, dirty);
	if (!err)
		WRITE_ONCE(vcpu->run->kvm_dirty_regs, 0);
	return err;
}

void sync_regs_after(struct vcpu *vcpu)
{
	struct kvm_sync_regs *shared = &vcpu->run->s.regs;
	u64 valid = READ_ONCE(vcpu->run->kvm_valid_regs);

	if (valid & KVM_SYNC_X86_REGS)
		vcpu_get_regs(vcpu, &shared->regs);
	if (valid & KVM_SYNC_X86_SREGS)
		vcpu_get_sregs(vcpu, &shared->sregs);
	if (valid & KVM_SYNC_X86_EVENTS)
		vcpu_get_events(vcpu, &shared->events);
}
