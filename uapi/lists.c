// SPDX-License-Identifier: GPL-2.0
/*
 * A vCPU's ioctls that carry a list: MSRs and CPUID entries.
 */
#include <linux/uaccess.h>

#include "nested/init.h"
#include "uapi/uapi.h"

/* KVM's limit for one call. */
#define MSRS_MAX 256

/* A copy of the caller's list, for kvfree(); *@nr of them.  Or ERR_PTR. */
static struct kvm_msr_entry *msrs_from_user(struct kvm_msrs __user *user, u32 *nr)
{
	if (get_user(*nr, &user->nmsrs))
		return ERR_PTR(-EFAULT);
	if (*nr >= MSRS_MAX)
		return ERR_PTR(-E2BIG);
	return vmemdup_user(user->entries, *nr * sizeof(struct kvm_msr_entry));
}

static int read_msr(struct vcpu *vcpu, u32 index, u64 *value)
{
	int ret;

	if (vcpu)
		return vcpu_get_msr(vcpu, index, value);
	ret = msr_feature(index, value);
	return ret == -ENOENT && nested_is_offered() ? nested_msr_feature(index, value) : ret;
}

/*
 * The number of MSRs read, of @vcpu or, NULL, of the device: fewer than asked when one
 * is unknown.
 */
static long get_msrs(struct vcpu *vcpu, struct kvm_msrs __user *user)
{
	struct kvm_msr_entry *msrs;
	u32 nr, done = 0;
	u64 value;
	long ret;

	msrs = msrs_from_user(user, &nr);
	if (IS_ERR(msrs))
		return PTR_ERR(msrs);
	while (done < nr && !read_msr(vcpu, msrs[done].index, &value))
		msrs[done++].data = value;
	ret = done;
	if (copy_to_user(user->entries, msrs, done * sizeof(*msrs)))
		ret = -EFAULT;
	kvfree(msrs);
	return ret;
}

long vcpu_get_msrs(struct vcpu *vcpu, struct kvm_msrs __user *user)
{
	return get_msrs(vcpu, user);
}

long feature_get_msrs(struct kvm_msrs __user *user)
{
	return get_msrs(NULL, user);
}

/* The number of MSRs set: it stops at the first that is unknown or refused. */
long vcpu_set_msrs(struct vcpu *vcpu, struct kvm_msrs __user *user)
{
	struct kvm_msr_entry *msrs;
	u32 nr, done = 0;

	msrs = msrs_from_user(user, &nr);
	if (IS_ERR(msrs))
		return PTR_ERR(msrs);
	while (done < nr && !vcpu_set_msr(vcpu, msrs[done].index, msrs[done].data))
		done++;
	kvfree(msrs);
	return done;
}

long vcpu_get_cpuid2(struct vcpu *vcpu, struct kvm_cpuid2 __user *user)
{
	const struct cpuid_model *model = &vcpu->cpuid;
	u32 room;

	if (get_user(room, &user->nent))
		return -EFAULT;
	if (room < model->nr)
		return -E2BIG;
	if (copy_to_user(user->entries, model->entries, model->nr * sizeof(*model->entries)) ||
	    put_user(model->nr, &user->nent))
		return -EFAULT;
	return 0;
}

/* A guest that has run may have looked: its CPUID stays as it is. */
static long replace_cpuid(struct vcpu *vcpu, const struct kvm_cpuid_entry2 *entries, u32 nr)
{
	int err;

	if (vcpu->ran)
		return cpuid_is_same(&vcpu->cpuid, entries, nr) ? 0 : -EINVAL;
	err = cpuid_set(&vcpu->cpuid, entries, nr);
	if (!err)
		vcpu_cpuid_changed(vcpu);
	return err;
}

long vcpu_set_cpuid2(struct vcpu *vcpu, struct kvm_cpuid2 __user *user)
{
	struct kvm_cpuid_entry2 *entries;
	long err;
	u32 nr;

	if (get_user(nr, &user->nent))
		return -EFAULT;
	if (nr > CPUID_MAX_ENTRIES)
		return -E2BIG;
	entries = vmemdup_user(user->entries, nr * sizeof(*entries));
	if (IS_ERR(entries))
		return PTR_ERR(entries);
	err = replace_cpuid(vcpu, entries, nr);
	kvfree(entries);
	return err;
}
