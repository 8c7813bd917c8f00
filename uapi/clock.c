// SPDX-License-Identifier: GPL-2.0
/*
 * Time by ioctl: the TSC's frequency and offset, kvmclock.
 */
#include <linux/uaccess.h>

#include "uapi/uapi.h"

/* The vCPU has one attribute: KVM_VCPU_TSC_OFFSET of KVM_VCPU_TSC_CTRL. */
static long vcpu_attribute(struct vcpu *vcpu, unsigned int cmd, void __user *user)
{
	struct kvm_device_attr attr;
	u64 __user *where;
	u64 offset;

	if (copy_from_user(&attr, user, sizeof(attr)))
		return -EFAULT;
	if (attr.group != KVM_VCPU_TSC_CTRL || attr.attr != KVM_VCPU_TSC_OFFSET)
		return -ENXIO;
	if (cmd == KVM_HAS_DEVICE_ATTR)
		return 0;
	where = u64_to_user_ptr(attr.addr);
	if ((u64)(unsigned long)where != attr.addr)
		return -EFAULT;
	if (cmd == KVM_GET_DEVICE_ATTR)
		return put_user(vcpu_get_tsc_offset(vcpu), where);
	if (get_user(offset, where))
		return -EFAULT;
	vcpu_set_tsc_offset(vcpu, offset);
	return 0;
}

long clock_vcpu_ioctl(struct vcpu *vcpu, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case KVM_SET_TSC_KHZ:
		return vcpu_set_tsc_khz(vcpu, arg);
	case KVM_GET_TSC_KHZ:
		return vcpu_get_tsc_khz(vcpu);
	case KVM_KVMCLOCK_CTRL:
		return vcpu_clock_paused(vcpu);
	default: /* KVM_HAS_DEVICE_ATTR, KVM_GET_DEVICE_ATTR, KVM_SET_DEVICE_ATTR */
		return vcpu_attribute(vcpu, cmd, (void __user *)arg);
	}
}

long clock_vm_ioctl(struct vm *vm, unsigned int cmd, unsigned long arg)
{
	void __user *user = (void __user *)arg;
	struct kvm_clock_data data;

	switch (cmd) {
	case KVM_GET_CLOCK:
		vm_get_clock(vm, &data);
		return copy_to_user(user, &data, sizeof(data)) ? -EFAULT : 0;
	case KVM_SET_CLOCK:
		if (copy_from_user(&data, user, sizeof(data)))
			return -EFAULT;
		return vm_set_clock(vm, &data);
	case KVM_SET_TSC_KHZ:
		return vm_set_tsc_khz(vm, arg);
	default: /* KVM_GET_TSC_KHZ */
		return READ_ONCE(vm->clock.khz);
	}
}
