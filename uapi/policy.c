// SPDX-License-Identifier: GPL-2.0
/*
 * What an owner chooses about his guests by KVM_ENABLE_CAP and
 * KVM_X86_SET_MSR_FILTER: which accesses he wants to hear of, which quirks of
 * KVM's he does without, what must not exit.
 */
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "nested/init.h"
#include "uapi/uapi.h"

static long set_max_vcpu_id(struct vm *vm, u64 ids)
{
	long err = 0;

	if (ids > VM_MAX_VCPU_ID)
		return -EINVAL;
	mutex_lock(&vm->lock);
	/* Once, and nothing else afterwards. */
	if (vm->max_vcpu_id && vm->max_vcpu_id != ids)
		err = -EINVAL;
	else
		vm->max_vcpu_id = ids;
	mutex_unlock(&vm->lock);
	return err;
}

/* HLT_EXITING is settled when a vCPU is made. */
static long disable_exits(struct vm *vm, u64 exits)
{
	if (exits & ~(u64)VM_EXITS_TO_DISABLE)
		return -EINVAL;
	mutex_lock(&vm->lock);
	vm->disabled_exits |= exits;
	mutex_unlock(&vm->lock);
	return 0;
}

long policy_enable(struct vm *vm, const struct kvm_enable_cap *cap)
{
	u64 value = cap->args[0];

	switch (cap->cap) {
	case KVM_CAP_MAX_VCPU_ID:
		return set_max_vcpu_id(vm, value);
	case KVM_CAP_DISABLE_QUIRKS2:
		if (value & ~(u64)VM_QUIRKS)
			return -EINVAL;
		WRITE_ONCE(vm->disabled_quirks, value);
		return 0;
	case KVM_CAP_X86_DISABLE_EXITS:
		return disable_exits(vm, value);
	case KVM_CAP_MSR_PLATFORM_INFO:
		WRITE_ONCE(vm->hide_platform_info, !value);
		return 0;
	case KVM_CAP_X86_USER_SPACE_MSR:
		if (value & ~(u64)(KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_UNKNOWN |
				   KVM_MSR_EXIT_REASON_FILTER))
			return -EINVAL;
		WRITE_ONCE(vm->user_msrs, value);
		return 0;
	default:
		return -EINVAL;
	}
}

/* @versions: where the caller wants to read which there are; NULL: he knows. */
static long enable_evmcs(struct vcpu *vcpu, u16 __user *versions)
{
	long err = nested_is_offered() ? nested_enlighten(vcpu) : -ENOTTY;

	if (!err && versions)
		err = put_user((u16)NESTED_EVMCS_VERSIONS, versions);
	return err;
}

long vcpu_enable_cap(struct vcpu *vcpu, const struct kvm_enable_cap __user *user)
{
	struct kvm_enable_cap cap;

	if (copy_from_user(&cap, user, sizeof(cap)))
		return -EFAULT;
	if (cap.flags)
		return -EINVAL;
	switch (cap.cap) {
	case KVM_CAP_ENFORCE_PV_FEATURE_CPUID:
		vcpu->pv_enforced = cap.args[0];
		return 0;
	case KVM_CAP_HYPERV_ENLIGHTENED_VMCS:
		return enable_evmcs(vcpu, u64_to_user_ptr(cap.args[0]));
	default:
		return -EINVAL;
	}
}

/* 0 or -errno; a range of no MSRs is none. */
static int copy_range(struct msr_filter *filter, const struct kvm_msr_filter_range *user)
{
	struct msr_range *range = &filter->ranges[filter->nr];
	size_t bytes = DIV_ROUND_UP_ULL(user->nmsrs, BITS_PER_LONG) * sizeof(long);

	if (!user->nmsrs)
		return 0;
	if (!user->flags || (user->flags & ~(u32)(KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE)) ||
	    bytes > KVM_MSR_FILTER_MAX_BITMAP_SIZE)
		return -EINVAL;
	range->bitmap = kmalloc(bytes, GFP_KERNEL_ACCOUNT);
	if (!range->bitmap)
		return -ENOMEM;
	if (copy_from_user(range->bitmap, (const void __user *)user->bitmap, bytes)) {
		kfree(range->bitmap);
		return -EFAULT;
	}
	range->flags = user->flags;
	range->base = user->base;
	range->nmsrs = user->nmsrs;
	filter->nr++;
	return 0;
}

static struct msr_filter *copy_filter(const struct kvm_msr_filter *user)
{
	struct msr_filter *filter = kzalloc(sizeof(*filter), GFP_KERNEL_ACCOUNT);
	int i, err = 0;

	if (!filter)
		return ERR_PTR(-ENOMEM);
	filter->default_allow = !(user->flags & KVM_MSR_FILTER_DEFAULT_DENY);
	for (i = 0; i < ARRAY_SIZE(user->ranges) && !err; i++)
		err = copy_range(filter, &user->ranges[i]);
	/* Nothing but a default says that all is allowed; that all is denied it must not say. */
	if (!err && !filter->nr && !filter->default_allow)
		err = -EINVAL;
	if (err) {
		msr_filter_free(filter);
		return ERR_PTR(err);
	}
	return filter;
}

long policy_set_msr_filter(struct vm *vm, const struct kvm_msr_filter __user *user)
{
	struct kvm_msr_filter copy;
	struct msr_filter *filter;

	if (copy_from_user(&copy, user, sizeof(copy)))
		return -EFAULT;
	if (copy.flags & ~(u32)KVM_MSR_FILTER_DEFAULT_DENY)
		return -EINVAL;
	filter = copy_filter(&copy);
	if (IS_ERR(filter))
		return PTR_ERR(filter);
	vm_set_msr_filter(vm, filter);
	return 0;
}
