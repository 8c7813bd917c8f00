// SPDX-License-Identifier: GPL-2.0
/*
 * A VM's MSR filter and its MSR bitmap: the MSRs whose accesses do not exit,
 * less those that the filter denies.
 *
 * The filter is replaced whole, under RCU: an access is judged by the old one
 * or by the new one.  The bitmap is changed bit by bit while vCPUs run; what a
 * CPU makes of that before its next VM entry is its own affair (SDM 3C 25.11.4),
 * so every vCPU leaves the guest before the ioctl returns.
 */
#include "vmx/vmx.h"

/* Accesses to these harm nobody: the VMCS or load.c keeps guest and host apart. */
static const u32 no_exit[] = {
	MSR_FS_BASE,	      MSR_GS_BASE,	     MSR_KERNEL_GS_BASE,
	MSR_IA32_SYSENTER_CS, MSR_IA32_SYSENTER_ESP, MSR_IA32_SYSENTER_EIP,
};

/* One bit an MSR: reads of low and high MSRs, then writes. */
#define WRITES		 0x4000
#define READ_BIT(index)	 (((index)&0x1fff) + ((index) >= 0xc0000000 ? 0x2000 : 0))
#define READ_WORD(index) (READ_BIT(index) / 64)

const u16 vm_no_exit_words[VM_NO_EXIT_WORDS] = {
	READ_WORD(MSR_IA32_SYSENTER_CS),
	READ_WORD(MSR_FS_BASE),
	READ_WORD(MSR_IA32_SYSENTER_CS) + WRITES / 64,
	READ_WORD(MSR_FS_BASE) + WRITES / 64,
};

static_assert(READ_WORD(MSR_IA32_SYSENTER_CS) == READ_WORD(MSR_IA32_SYSENTER_EIP));
static_assert(READ_WORD(MSR_FS_BASE) == READ_WORD(MSR_KERNEL_GS_BASE));

static unsigned int msr_bit(u32 index, u32 access)
{
	return READ_BIT(index) + (access == KVM_MSR_FILTER_WRITE ? WRITES : 0);
}

static void put_access(struct vm *vm, u32 index, u32 access, const struct msr_filter *filter)
{
	unsigned int bit = msr_bit(index, access);

	if (!filter || msr_filter_allows(filter, index, access))
		clear_bit(bit, vm->msr_bitmap);
	else
		set_bit(bit, vm->msr_bitmap);
}

static void update_bitmap(struct vm *vm, const struct msr_filter *filter)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(no_exit); i++) {
		put_access(vm, no_exit[i], KVM_MSR_FILTER_READ, filter);
		put_access(vm, no_exit[i], KVM_MSR_FILTER_WRITE, filter);
	}
}

int vm_msrs_create(struct vm *vm)
{
	vm->msr_bitmap = (void *)__get_free_page(GFP_KERNEL_ACCOUNT);
	if (!vm->msr_bitmap)
		return -ENOMEM;
	memset(vm->msr_bitmap, 0xff, PAGE_SIZE);
	update_bitmap(vm, NULL);
	return 0;
}

void vm_msrs_destroy(struct vm *vm)
{
	msr_filter_free(rcu_dereference_protected(vm->msr_filter, true)); /* nobody is left */
	free_page((unsigned long)vm->msr_bitmap);
}

bool vm_filters_msr(struct vm *vm, u32 index, u32 access)
{
	const struct msr_filter *filter;
	bool denied;

	if (likely(!rcu_access_pointer(vm->msr_filter)))
		return false;
	rcu_read_lock();
	filter = rcu_dereference(vm->msr_filter);
	denied = filter && !msr_filter_allows(filter, index, access);
	rcu_read_unlock();
	return denied;
}

void vm_set_msr_filter(struct vm *vm, struct msr_filter *filter)
{
	struct msr_filter *old;

	mutex_lock(&vm->lock);
	old = rcu_replace_pointer(vm->msr_filter, filter, lockdep_is_held(&vm->lock));
	update_bitmap(vm, filter);
	/* A vCPU in L2 has a bitmap of its own, made of this one. */
	vm_request(vm, VCPU_REQ_NESTED);
	mutex_unlock(&vm->lock);
	synchronize_rcu();
	msr_filter_free(old);
}
