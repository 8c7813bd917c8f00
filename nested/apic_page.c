// SPDX-License-Identifier: GPL-2.0
/*
 * The APIC-access page of L1's choice (SDM 3C 25.6.8): a page of its memory, kept
 * where it is in the host's while L2 runs, so that vmcs02 can name it.
 */
#include "mmu/host.h"
#include "nested/nested.h"

static unsigned long hva_of(struct vcpu *vcpu, gpa_t gpa)
{
	struct host *host = &vcpu->vm->host;
	int srcu = srcu_read_lock(&host->srcu);
	const struct slot *slot =
		slots_find(srcu_dereference(host->slots, &host->srcu), gpa >> PAGE_SHIFT);
	unsigned long hva = slot ? slot_hva(slot, gpa >> PAGE_SHIFT) : 0;

	srcu_read_unlock(&host->srcu, srcu);
	return hva;
}

void apic_page_put(struct nested *n)
{
	if (n->has_apic_page)
		host_put_page(&n->apic_page);
	n->has_apic_page = false;
}

int apic_page_get(struct vcpu *vcpu)
{
	const struct vmcs12 *v = vmcs12_of(vcpu);
	struct nested *n = nested_of(vcpu);
	unsigned long hva;
	int ret;

	apic_page_put(n);
	if (!(secondary12(v) & SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES))
		return 0;
	hva = hva_of(vcpu, v->apic_access_addr);
	if (!hva)
		return -EFAULT;
	ret = host_get_page(hva, true, &n->apic_page);
	n->has_apic_page = !ret;
	return ret;
}
