// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/vellum: what can be asked without a VM.
 */
#include <linux/compat.h>
#include <linux/module.h>
#include <linux/uaccess.h>

#include "nested/init.h"
#include "platform/hyperv.h"
#include "platform/xsave.h"
#include "uapi/uapi.h"

struct cap {
	u32 cap;
	u32 value;
};

/*
 * All that works, and nothing else.  KVM_CAP_IRQCHIP is not here, although
 * KVM_CREATE_IRQCHIP makes local APICs: there is no PIC and no I/O APIC.
 */
static const struct cap caps[] = {
	{ KVM_CAP_USER_MEMORY, 1 },
	{ KVM_CAP_USER_MEMORY2, 1 },
	{ KVM_CAP_DESTROY_MEMORY_REGION_WORKS, 1 },
	{ KVM_CAP_JOIN_MEMORY_REGIONS_WORKS, 1 },
	{ KVM_CAP_SYNC_MMU, 1 },
	{ KVM_CAP_READONLY_MEM, 1 },
	{ KVM_CAP_NR_MEMSLOTS, SLOTS_USER },
	{ KVM_CAP_MULTI_ADDRESS_SPACE, 1 },
	{ KVM_CAP_MAX_VCPUS, VM_MAX_VCPUS },
	{ KVM_CAP_MAX_VCPU_ID, VM_MAX_VCPU_ID },
	{ KVM_CAP_HLT, 1 },
	{ KVM_CAP_EXT_CPUID, 1 },
	{ KVM_CAP_EXT_EMUL_CPUID, 1 },
	{ KVM_CAP_MP_STATE, 1 },
	{ KVM_CAP_IMMEDIATE_EXIT, 1 },
	{ KVM_CAP_VCPU_EVENTS, 1 },
	{ KVM_CAP_INTR_SHADOW, 1 },
	{ KVM_CAP_USER_NMI, 1 },
	{ KVM_CAP_EXCEPTION_PAYLOAD, 1 },
	{ KVM_CAP_X86_TRIPLE_FAULT_EVENT, 1 },
	{ KVM_CAP_SET_BOOT_CPU_ID, 1 },
	{ KVM_CAP_SIGNAL_MSI, 1 },
	{ KVM_CAP_X2APIC_API, KVM_X2APIC_API_USE_32BIT_IDS },
	{ KVM_CAP_TSC_DEADLINE_TIMER, 1 },
	{ KVM_CAP_INTERNAL_ERROR_DATA, 1 },
	{ KVM_CAP_EXIT_ON_EMULATION_FAILURE, 1 },
	{ KVM_CAP_SET_TSS_ADDR, 1 },
	{ KVM_CAP_SET_IDENTITY_MAP_ADDR, 1 },
	{ KVM_CAP_CHECK_EXTENSION_VM, 1 },
	{ KVM_CAP_ENABLE_CAP_VM, 1 },
	{ KVM_CAP_BINARY_STATS_FD, 1 },
	{ KVM_CAP_SYS_ATTRIBUTES, 1 },
	{ KVM_CAP_SREGS2, 1 },
	{ KVM_CAP_GET_MSR_FEATURES, 1 },
	{ KVM_CAP_X86_MSR_FILTER, 1 },
	{ KVM_CAP_X86_USER_SPACE_MSR, 1 },
	{ KVM_CAP_MSR_PLATFORM_INFO, 1 },
	{ KVM_CAP_ENABLE_CAP, 1 },
	{ KVM_CAP_ENFORCE_PV_FEATURE_CPUID, 1 },
	{ KVM_CAP_NOP_IO_DELAY, 1 },
	{ KVM_CAP_DISABLE_QUIRKS2, VM_QUIRKS },
	{ KVM_CAP_X86_DISABLE_EXITS, VM_EXITS_TO_DISABLE },
	{ KVM_CAP_XSAVE, 1 },
	{ KVM_CAP_XSAVE2, sizeof(struct kvm_xsave) },
	{ KVM_CAP_DEBUGREGS, 1 },
	{ KVM_CAP_SET_GUEST_DEBUG, 1 },
	{ KVM_CAP_SET_GUEST_DEBUG2, GUEST_DEBUG_FLAGS },
	{ KVM_CAP_X86_ROBUST_SINGLESTEP, 1 },
	{ KVM_CAP_SYNC_REGS, SYNC_FIELDS },
	{ KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
	  KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET },
	{ KVM_CAP_DIRTY_LOG_RING, RING_MAX_ENTRIES * sizeof(struct kvm_dirty_gfn) },
	{ KVM_CAP_DIRTY_LOG_RING_ACQ_REL, RING_MAX_ENTRIES * sizeof(struct kvm_dirty_gfn) },
	{ KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP, 1 },
	{ KVM_CAP_GET_TSC_KHZ, 1 },
	{ KVM_CAP_VCPU_ATTRIBUTES, 1 },
	{ KVM_CAP_ADJUST_CLOCK, KVM_CLOCK_TSC_STABLE | KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC },
	{ KVM_CAP_KVMCLOCK_CTRL, 1 },
	{ KVM_CAP_STEAL_TIME, IS_ENABLED(CONFIG_SCHED_INFO) },
	{ KVM_CAP_MCE, MCE_BANKS_MAX },
	{ KVM_CAP_HYPERV_CPUID, 1 },
	{ KVM_CAP_SYS_HYPERV_CPUID, 1 },
	{ KVM_CAP_HYPERV_VP_INDEX, 1 },
};

long cap_value(unsigned long cap)
{
	size_t i;

	if (cap == KVM_CAP_TSC_CONTROL || cap == KVM_CAP_VM_TSC_CONTROL)
		return tsc_can_scale();
	if (cap == KVM_CAP_NESTED_STATE)
		return nested_state_size();
	if (cap == KVM_CAP_HYPERV_ENLIGHTENED_VMCS)
		return nested_is_offered();
	if (cap == KVM_CAP_SMALLER_MAXPHYADDR)
		return vmx_allows_narrow();
	if (cap == KVM_CAP_XCRS)
		return boot_cpu_has(X86_FEATURE_XSAVE);
	if (cap == KVM_CAP_NR_VCPUS)
		return min_t(unsigned int, num_online_cpus(), VM_MAX_VCPUS);
	for (i = 0; i < ARRAY_SIZE(caps); i++)
		if (caps[i].cap == cap)
			return caps[i].value;
	return 0;
}

/* Room for every entry that could be asked for; the caller frees. */
static struct kvm_cpuid_entry2 *cpuid_buffer(void)
{
	return kvcalloc(CPUID_MAX_ENTRIES, sizeof(struct kvm_cpuid_entry2), GFP_KERNEL_ACCOUNT);
}

static long get_supported_cpuid(struct kvm_cpuid2 __user *user)
{
	struct kvm_cpuid_entry2 *entries;
	u32 room;
	long nr;

	if (get_user(room, &user->nent))
		return -EFAULT;
	entries = cpuid_buffer();
	if (!entries)
		return -ENOMEM;

	nr = cpuid_supported(entries, min_t(u32, room, CPUID_MAX_ENTRIES));
	if (nr >= 0) {
		if (copy_to_user(user->entries, entries, nr * sizeof(*entries)) ||
		    put_user((u32)nr, &user->nent))
			nr = -EFAULT;
		else
			nr = 0;
	}
	kvfree(entries);
	return nr;
}

long get_hyperv_cpuid(const struct vcpu *vcpu, struct kvm_cpuid2 __user *user)
{
	bool evmcs = nested_is_offered() && (!vcpu || nested_may_enlighten(vcpu));
	struct kvm_cpuid_entry2 entries[HYPERV_CPUID_LEAVES];
	u32 room;
	int nr;

	if (get_user(room, &user->nent))
		return -EFAULT;
	nr = hyperv_cpuid(entries, min_t(u32, room, ARRAY_SIZE(entries)), VM_MAX_VCPUS,
			  evmcs ? NESTED_EVMCS_VERSIONS : 0);
	if (nr < 0)
		return nr;
	if (copy_to_user(user->entries, entries, nr * sizeof(*entries)) ||
	    put_user((u32)nr, &user->nent))
		return -EFAULT;
	return 0;
}

/* No instruction is emulated that the CPU does not have: an empty list. */
static long get_emulated_cpuid(struct kvm_cpuid2 __user *user)
{
	u32 room;

	if (get_user(room, &user->nent))
		return -EFAULT;
	if (!room)
		return -E2BIG;
	return put_user(0, &user->nent);
}

/* With VMX's capability MSRs behind it, where that is offered. */
static long put_msr_list(struct kvm_msr_list __user *user, const u32 *list, u32 count)
{
	u32 more = nested_is_offered() ? nested_msr_count : 0;
	u32 room;

	if (get_user(room, &user->nmsrs) || put_user(count + more, &user->nmsrs))
		return -EFAULT;
	if (room < count + more)
		return -E2BIG;
	if (copy_to_user(user->indices, list, count * sizeof(u32)) ||
	    copy_to_user(user->indices + count, nested_msr_list, more * sizeof(u32)))
		return -EFAULT;
	return 0;
}

/* What a guest can have in XCR0, and no other attribute. */
static long dev_attribute(unsigned int cmd, const struct kvm_device_attr __user *user)
{
	struct kvm_device_attr attr;

	if (copy_from_user(&attr, user, sizeof(attr)))
		return -EFAULT;
	if (attr.group || attr.attr != KVM_X86_XCOMP_GUEST_SUPP)
		return -ENXIO;
	if (cmd == KVM_HAS_DEVICE_ATTR)
		return 0;
	return put_user(xsave_supported_xcr0(), (u64 __user *)(unsigned long)attr.addr);
}

static long dev_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *user = (void __user *)arg;

	switch (cmd) {
	case KVM_GET_API_VERSION:
		return arg ? -EINVAL : KVM_API_VERSION;
	case KVM_CREATE_VM:
		return vm_ioctl_create(arg);
	case KVM_CHECK_EXTENSION:
		return cap_value(arg);
	case KVM_GET_VCPU_MMAP_SIZE:
		return arg ? -EINVAL : VCPU_RUN_PAGES * PAGE_SIZE;
	case KVM_GET_SUPPORTED_CPUID:
		return get_supported_cpuid(user);
	case KVM_GET_SUPPORTED_HV_CPUID:
		return get_hyperv_cpuid(NULL, user);
	case KVM_GET_EMULATED_CPUID:
		return get_emulated_cpuid(user);
	case KVM_X86_GET_MCE_CAP_SUPPORTED:
		return mce_supported_ioctl(user);
	case KVM_GET_MSR_INDEX_LIST:
		return put_msr_list(user, msr_index_list, msr_index_count);
	case KVM_GET_MSR_FEATURE_INDEX_LIST:
		return put_msr_list(user, msr_feature_list, msr_feature_count);
	case KVM_GET_MSRS:
		return feature_get_msrs(user);
	case KVM_HAS_DEVICE_ATTR:
	case KVM_GET_DEVICE_ATTR:
		return dev_attribute(cmd, user);
	case VELLUM_CHECK_EXTENSION:
		return extension_value(arg);
	default:
		return -EINVAL;
	}
}

const struct file_operations dev_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = dev_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};
