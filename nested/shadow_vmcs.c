// SPDX-License-Identifier: GPL-2.0
/*
 * VMCS shadowing (SDM 3C 25.10, 26.1.3): L2's own VMREAD and VMWRITE, where L1's
 * bitmaps let them through, reach the VMCS that L1's link pointer names.  It is
 * used in a copy while L2 runs, as the current VMCS is.
 */
#include "nested/check.h"
#include "nested/nested.h"

bool l1_shadows_vmcs(const struct vmcs12 *v)
{
	return (secondary12(v) & SECONDARY_EXEC_SHADOW_VMCS) && v->vmcs_link_pointer != NO_ADDRESS;
}

bool shadow_vmcs_load(struct vcpu *vcpu)
{
	struct nested *n = nested_of(vcpu);
	const struct vmcs12 *v = n->vmcs12;
	u32 first;

	if (v->vmcs_link_pointer == NO_ADDRESS)
		return true;
	if (v->vmcs_link_pointer == n->current_ptr ||
	    guest_read(vcpu, v->vmcs_link_pointer, &first, sizeof(first)) || check_link(v, first))
		return false;
	if (!l1_shadows_vmcs(v))
		return true;
	if (guest_read(vcpu, v->vmcs_link_pointer, n->shadow12, sizeof(*n->shadow12)))
		return false;
	n->shadow12->revision = first; /* it was read twice, and belongs to no guest */
	return true;
}

void shadow_vmcs_flush(struct vcpu *vcpu)
{
	struct nested *n = nested_of(vcpu);

	if (l1_shadows_vmcs(n->vmcs12))
		guest_write(vcpu, n->vmcs12->vmcs_link_pointer, n->shadow12, sizeof(*n->shadow12));
}

/* Does L1 want to hear of L2's access to the field? */
bool l1_wants_field(struct vcpu *vcpu, u64 field, bool write)
{
	const struct vmcs12 *v = vmcs12_of(vcpu);
	gpa_t bitmap = write ? v->vmwrite_bitmap : v->vmread_bitmap;
	u8 byte;

	if (!(secondary12(v) & SECONDARY_EXEC_SHADOW_VMCS) || field >> 15)
		return true;
	return guest_read(vcpu, bitmap + field / 8, &byte, 1) || (byte >> (field % 8) & 1);
}
