// SPDX-License-Identifier: GPL-2.0
/*
 * Machine checks by ioctl.
 */
#include <linux/uaccess.h>

#include "uapi/uapi.h"

long mce_supported_ioctl(u64 __user *user)
{
	return put_user(mce_supported(), user);
}

long mce_vcpu_ioctl(struct vcpu *vcpu, unsigned int cmd, void __user *user)
{
	struct kvm_x86_mce error;
	u64 cap;

	if (cmd == KVM_X86_SETUP_MCE) {
		if (copy_from_user(&cap, user, sizeof(cap)))
			return -EFAULT;
		return vcpu_setup_mce(vcpu, cap);
	}
	if (copy_from_user(&error, user, sizeof(error)))
		return -EFAULT;
	return vcpu_set_mce(vcpu, &error);
}
