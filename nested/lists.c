// SPDX-License-Identifier: GPL-2.0
/*
 * The lists of MSRs that VM entry and exit load and store (SDM 3C 25.7.2, 27.4,
 * 28.4).  Every entry is read once, and goes the way of RDMSR and WRMSR, through
 * the owner's filter, too.
 */
#include "nested/check.h"
#include "nested/nested.h"

struct msr_entry {
	u64 index; /* bits 63:32 are 0 */
	u64 value;
};

/* What is longer than IA32_VMX_MISC recommends fails at the first that is too much. */
static u32 list_max(const struct vcpu *vcpu)
{
	return MISC_LIST_MAX(nested_of(vcpu)->caps.misc);
}

u32 load_msr_list(struct vcpu *vcpu, gpa_t list, u32 count)
{
	struct msr_entry entry;
	u32 i;

	for (i = 0; i < count; i++) {
		if (i >= list_max(vcpu) ||
		    guest_read(vcpu, list + i * sizeof(entry), &entry, sizeof(entry)) ||
		    !check_may_load_msr(entry.index) ||
		    vm_filters_msr(vcpu->vm, entry.index, KVM_MSR_FILTER_WRITE) ||
		    vmx_set_msr(vcpu, entry.index, entry.value, false))
			return i + 1;
		cond_resched();
	}
	return 0;
}

int store_msr_list(struct vcpu *vcpu, gpa_t list, u32 count)
{
	const size_t at = offsetof(struct msr_entry, value);
	struct msr_entry entry;
	u64 value;
	u32 i;

	for (i = 0; i < count; i++) {
		gpa_t gpa = list + i * sizeof(entry);

		if (i >= list_max(vcpu) || guest_read(vcpu, gpa, &entry, at) ||
		    !check_may_store_msr(entry.index) ||
		    vm_filters_msr(vcpu->vm, entry.index, KVM_MSR_FILTER_READ) ||
		    guest_check_read_msr(vcpu, entry.index) ||
		    vmx_get_msr(vcpu, entry.index, &value) ||
		    guest_write(vcpu, gpa + at, &value, sizeof(value)))
			return -EINVAL;
		cond_resched();
	}
	return 0;
}
