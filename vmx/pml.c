// SPDX-License-Identifier: GPL-2.0
/*
 * The vCPU's page-modification log: armed while the VM logs, collected after
 * every exit (SDM 3C 29.3.6; the log's meaning is mmu/pml.c's).
 */
#include "mmu/pml.h"
#include "vmx/stall.h"
#include "vmx/trace.h"

void pml_arm(struct vcpu *vcpu)
{
	struct vcpu_vmx *vmx = vcpu->vmx;
	bool logs = !vmx->vmcs->shadowed || vcpu->vm->mmu.logs_l2;
	bool arm = vmx->pml && logs && atomic_read(&vcpu->vm->nr_logging);

	if (arm == vmx->vmcs->pml_armed)
		return;
	if (arm)
		vmwrite(GUEST_PML_INDEX, PML_INDEX_EMPTY);
	vmx->vmcs->pml_armed = arm;
	vmcs_set_secondary(vmx, SECONDARY_EXEC_ENABLE_PML, arm);
}

/* The log is of addresses that the guest calls physical: under an EPT of L1's, L2's. */
static unsigned int drain(struct vcpu *vcpu, u16 index, const struct slots *slots)
{
	struct vcpu_vmx *vmx = vcpu->vmx;

	if (unlikely(vmx->vmcs->shadowed))
		return nested_ops->drain(vcpu, vmx->pml, index, slots);
	return pml_drain(vmx->pml, index, slots, &vcpu->ring);
}

/*
 * Right after an exit, interrupts still off: whoever sees this vCPU outside
 * the guest sees its writes in the trackers.
 */
void pml_collect(struct vcpu *vcpu)
{
	struct host *host = &vcpu->vm->host;
	unsigned int entries;
	u16 index;
	u32 since;
	int srcu;

	index = vmread(GUEST_PML_INDEX);
	if (index == PML_INDEX_EMPTY)
		return;
	since = rdtsc();
	srcu = srcu_read_lock(&host->srcu);
	entries = drain(vcpu, index, srcu_dereference(host->slots, &host->srcu));
	srcu_read_unlock(&host->srcu, srcu);
	vcpu->stats.pml_drains++;
	vcpu->stats.pml_entries += entries;
	trace_vellum_pml_drain(vcpu, entries);
	vmwrite(GUEST_PML_INDEX, PML_INDEX_EMPTY);
	stall_count(vcpu, STALL_PML, since);
}
