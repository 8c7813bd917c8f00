// SPDX-License-Identifier: GPL-2.0
/*
 * The enlightened VMCS in use (TLFS, "Enlightened VMCS"): a page that the VP assist page
 * names and that an entry reads, once and whole, in place of the current VMCS.  What an
 * exit leaves goes there at once, so that L1 finds it without an instruction that exits.
 */
#include "nested/init.h"
#include "nested/nested.h"

int nested_enlighten(struct vcpu *vcpu)
{
	struct nested *n = nested_of(vcpu);

	if (!n->evmcs)
		n->evmcs = kzalloc(sizeof(*n->evmcs), GFP_KERNEL_ACCOUNT);
	if (!n->evmcs)
		return -ENOMEM;
	nested_caps_enlighten(&n->caps);
	return 0;
}

bool nested_may_enlighten(const struct vcpu *vcpu)
{
	return nested_is_enlightened(nested_of(vcpu));
}

/* What L1 wants its next entry to take; or NO_ADDRESS: the current VMCS. */
static gpa_t named(struct vcpu *vcpu)
{
	gpa_t gpa = hyperv_assist_page(vcpu);
	struct hv_vp_assist_page page;

	if (gpa == NO_ADDRESS || guest_read(vcpu, gpa, &page, sizeof(page)) ||
	    !page.enlighten_vmentry)
		return NO_ADDRESS;
	return page.current_nested_vmcs;
}

static bool is_page(struct vcpu *vcpu, gpa_t gpa)
{
	return !offset_in_page(gpa) && !(gpa >> vcpu->cpuid.maxphyaddr) &&
	       guest_is_memory(vcpu, gpa, true);
}

/* The former VMCS, of either kind, goes; of the new one nothing is known. */
static void take_over(struct vcpu *vcpu, gpa_t gpa)
{
	struct nested *n = nested_of(vcpu);

	vmcs12_flush(vcpu);
	*n->vmcs12 = (struct vmcs12){ .revision = VMCS12_REVISION };
	n->evmcs_ptr = gpa;
	n->evmcs_known = false;
}

/* Groups of direct fields, beyond those that every entry looks at. */
#define DIRECT_GROUPS \
	(HV_VMX_ENLIGHTENED_CLEAN_FIELD_GUEST_BASIC | HV_VMX_ENLIGHTENED_CLEAN_FIELD_GUEST_GRP1 | \
	 HV_VMX_ENLIGHTENED_CLEAN_FIELD_GUEST_GRP2)

/* L1 tells what it did not change since an entry that was made; VMLAUNCH takes everything. */
static void take_fields(struct nested *n, bool launch)
{
	n->evmcs_clean = launch || !n->evmcs_known ? 0 : n->evmcs->hv_clean_fields;
	n->evmcs_known = false; /* until the entry is made */
	evmcs_to_vmcs12(n->vmcs12, n->evmcs, n->evmcs_clean);
	if (~n->evmcs_clean & DIRECT_GROUPS)
		n->direct_changed = true;
	/* There is no launch state in the page: either instruction is right. */
	n->vmcs12->launch_state = launch ? 0 : VMCS12_LAUNCHED;
}

int evmcs_load(struct vcpu *vcpu, bool launch)
{
	struct nested *n = nested_of(vcpu);
	gpa_t gpa = named(vcpu);

	if (gpa == NO_ADDRESS) {
		n->evmcs_ptr = NO_ADDRESS;
		return 0;
	}
	if (!is_page(vcpu, gpa) || guest_read(vcpu, gpa, n->evmcs, sizeof(*n->evmcs)))
		return -EFAULT;
	if (n->evmcs->revision_id != EVMCS_VERSION && n->evmcs->revision_id != VMCS12_REVISION) {
		vmcs12_flush(vcpu);
		return -EINVAL;
	}
	if (gpa != n->evmcs_ptr)
		take_over(vcpu, gpa);
	take_fields(n, launch);
	return 0;
}

void evmcs_find(struct vcpu *vcpu)
{
	struct nested *n = nested_of(vcpu);
	gpa_t gpa;

	if (n->evmcs_ptr != EVMCS_UNKNOWN)
		return;
	gpa = named(vcpu);
	n->evmcs_ptr = gpa != NO_ADDRESS && is_page(vcpu, gpa) ? gpa : NO_ADDRESS;
}

/* A part of the page; where there is no memory any more, nothing is kept. */
static void put(struct vcpu *vcpu, u16 from, u16 bytes)
{
	const struct nested *n = nested_of(vcpu);

	guest_write(vcpu, n->evmcs_ptr + from, (u8 *)n->evmcs + from, bytes);
}

void evmcs_publish(struct vcpu *vcpu)
{
	struct nested *n = nested_of(vcpu);
	unsigned int i;

	evmcs_find(vcpu);
	if (n->evmcs_ptr == NO_ADDRESS)
		return;
	evmcs_from_vmcs12(n->evmcs, n->vmcs12);
	for (i = 0; i < EVMCS_RUNS; i++)
		put(vcpu, evmcs_runs[i].from, evmcs_runs[i].bytes);
	/* From here on L1 takes bits away, of what it changes. */
	if (!n->evmcs_known)
		return;
	n->evmcs->hv_clean_fields = HV_VMX_ENLIGHTENED_CLEAN_FIELD_ALL;
	put(vcpu, offsetof(struct hv_enlightened_vmcs, hv_clean_fields), sizeof(u32));
}

void evmcs_put_error(struct vcpu *vcpu)
{
	struct nested *n = nested_of(vcpu);

	n->evmcs->vm_instruction_error = n->vmcs12->vm_instruction_error;
	put(vcpu, offsetof(struct hv_enlightened_vmcs, vm_instruction_error), sizeof(u32));
}

bool evmcs_is_in_use(struct vcpu *vcpu)
{
	return nested_is_enlightened(nested_of(vcpu)) && named(vcpu) != NO_ADDRESS;
}

bool evmcs_keeps_bitmap(const struct vcpu *vcpu)
{
	const u32 both = HV_VMX_ENLIGHTENED_CLEAN_FIELD_MSR_BITMAP |
			 HV_VMX_ENLIGHTENED_CLEAN_FIELD_CONTROL_PROC;
	const struct nested *n = nested_of(vcpu);

	return n->evmcs_ptr != NO_ADDRESS && (n->evmcs_clean & both) == both &&
	       n->evmcs->hv_enlightenments_control.msr_bitmap;
}
