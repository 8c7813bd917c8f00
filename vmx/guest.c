// SPDX-License-Identifier: GPL-2.0
/*
 * Guest memory as vmx/ reaches it: EPT violations, which make it appear, and
 * accesses on the guest's behalf.
 */
#include "mmu/fault.h"
#include "vmx/stall.h"
#include "vmx/trace.h"

int guest_read(struct vcpu *vcpu, gpa_t gpa, void *to, size_t len)
{
	struct host *host = &vcpu->vm->host;
	int srcu = srcu_read_lock(&host->srcu);
	int ret = host_read_guest(srcu_dereference(host->slots, &host->srcu), gpa, to, len);

	srcu_read_unlock(&host->srcu, srcu);
	return ret;
}

int guest_read_words(struct vcpu *vcpu, gpa_t page, const u16 *number, unsigned int n, u64 *to)
{
	struct host *host = &vcpu->vm->host;
	int srcu = srcu_read_lock(&host->srcu);
	int ret = host_read_words(srcu_dereference(host->slots, &host->srcu), page, number, n, to);

	srcu_read_unlock(&host->srcu, srcu);
	return ret;
}

int guest_write(struct vcpu *vcpu, gpa_t gpa, const void *from, size_t len)
{
	struct host *host = &vcpu->vm->host;
	int srcu = srcu_read_lock(&host->srcu);
	int ret = host_write_guest(srcu_dereference(host->slots, &host->srcu), gpa, from, len,
				   &vcpu->ring);

	srcu_read_unlock(&host->srcu, srcu);
	return ret;
}

/*
 * A structure that the guest reads while we write it, within one page: it is
 * whole if *@version, which is a part of it, was even and the same before and
 * after.  One record for all, after the last write.
 */
int guest_write_versioned(struct vcpu *vcpu, gpa_t gpa, void *data, size_t len, u32 *version)
{
	struct host *host = &vcpu->vm->host;
	int srcu = srcu_read_lock(&host->srcu);
	const struct slots *slots = srcu_dereference(host->slots, &host->srcu);
	gpa_t at = gpa + ((void *)version - data);
	int ret;

	*version = (*version + 1) | 1;
	ret = host_write_guest(slots, at, version, sizeof(*version), NULL);
	smp_wmb(); /* with the guest's read of the version after the rest */
	ret = ret ?: host_write_guest(slots, gpa, data, len, NULL);
	smp_wmb(); /* with its read of the version before the rest */
	++*version;
	ret = ret ?: host_write_guest(slots, at, version, sizeof(*version), &vcpu->ring);
	srcu_read_unlock(&host->srcu, srcu);
	return ret;
}

void guest_poke(struct vcpu *vcpu, gpa_t gpa, u8 value)
{
	struct host *host = &vcpu->vm->host;
	int srcu = srcu_read_lock(&host->srcu);

	host_poke_guest(srcu_dereference(host->slots, &host->srcu), gpa, value);
	srcu_read_unlock(&host->srcu, srcu);
}

int guest_set_bits(struct vcpu *vcpu, const struct guest_entry *entry, u32 bits)
{
	struct host *host = &vcpu->vm->host;
	int srcu = srcu_read_lock(&host->srcu);
	int ret = host_set_guest_bits(srcu_dereference(host->slots, &host->srcu), entry, bits,
				      &vcpu->ring);

	srcu_read_unlock(&host->srcu, srcu);
	return ret;
}

bool guest_is_memory(struct vcpu *vcpu, gpa_t gpa, bool write)
{
	struct host *host = &vcpu->vm->host;
	int srcu = srcu_read_lock(&host->srcu);
	const struct slot *slot =
		slots_find(srcu_dereference(host->slots, &host->srcu), gpa >> PAGE_SHIFT);
	bool ret = slot && !(write && (slot->flags & KVM_MEM_READONLY));

	srcu_read_unlock(&host->srcu, srcu);
	return ret;
}

static int resolve(struct vcpu *vcpu, struct fault *fault)
{
	struct host *host = &vcpu->vm->host;
	u64 since = rdtsc();
	int srcu = srcu_read_lock(&host->srcu);
	int ret = mmu_fault(&vcpu->vm->mmu, srcu_dereference(host->slots, &host->srcu), fault,
			    &vcpu->tables, &vcpu->ring);

	srcu_read_unlock(&host->srcu, srcu);
	vcpu->stats.faults[fault->kind]++;
	trace_vellum_ept_fault(vcpu, fault, ret);
	if (ret == FAULT_FIXED)
		stall_begin(vcpu, fault->kind == FAULT_SPLIT ? STALL_SPLIT : STALL_MAP, since);
	else if (unlikely(ret == -EINTR))
		vcpu->run->exit_reason = KVM_EXIT_INTR;
	return ret;
}

static struct fault violation(u64 qualification)
{
	return (struct fault){
		.gpa = vmread(GUEST_PHYSICAL_ADDRESS),
		.write = qualification & EPT_VIOLATION_WRITE,
		.fetch = qualification & EPT_VIOLATION_FETCH,
	};
}

void ept_before_retry(struct vcpu *vcpu, u64 qualification)
{
	event_requeue(vcpu);
	if (!vcpu->vmx->event.info && (qualification & EPT_VIOLATION_NMI_UNBLOCK))
		event_restore_nmi_blocking();
}

bool exit_ept_restore(struct vcpu *vcpu)
{
	const u64 any = EPT_VIOLATION_READABLE | EPT_VIOLATION_WRITABLE | EPT_VIOLATION_EXECUTABLE;
	u64 qualification = vmread(EXIT_QUALIFICATION);
	struct host *host = &vcpu->vm->host;
	struct fault fault;
	bool restored;
	u32 since;
	int srcu;

	/* No access at all: only access tracking leaves something to be restored. */
	if (!(qualification & any) && vcpu->vm->mmu.kind != SPTE_SOFT)
		return false;
	since = rdtsc();
	fault = violation(qualification);
	srcu = srcu_read_lock(&host->srcu);
	restored = mmu_restore(&vcpu->vm->mmu, srcu_dereference(host->slots, &host->srcu), &fault,
			       &vcpu->ring);
	srcu_read_unlock(&host->srcu, srcu);
	if (!restored)
		return false;
	vcpu->stats.faults[fault.kind]++;
	trace_vellum_ept_fault(vcpu, &fault, FAULT_FIXED);
	ept_before_retry(vcpu, qualification);
	stall_count(vcpu, STALL_RESTORE, since);
	return true;
}

int exit_ept_violation(struct vcpu *vcpu)
{
	u64 qualification = vmread(EXIT_QUALIFICATION);
	struct fault fault = violation(qualification);
	int ret;

	if (vmx_is_narrow(vcpu) && narrow_violation(vcpu, qualification))
		return ENTER_AGAIN;
	ept_before_retry(vcpu, qualification);
	ret = resolve(vcpu, &fault);
	if (ret != FAULT_MMIO)
		return ret; /* FAULT_FIXED is ENTER_AGAIN */
	/* No instruction's own access: the guest's page tables, or its code, are no memory. */
	if (!(qualification & EPT_VIOLATION_GVA_TRANSLATED))
		return mmio_impossible(vcpu);
	if (fault.fetch)
		return mmio_fetch(vcpu);
	return mmio_emulate(vcpu, fault.gpa);
}

static bool is_mmio(struct vcpu *vcpu, gpa_t gpa)
{
	struct host *host = &vcpu->vm->host;
	int srcu = srcu_read_lock(&host->srcu);
	bool ret = mmu_is_mmio(&vcpu->vm->mmu, srcu_dereference(host->slots, &host->srcu), gpa);

	srcu_read_unlock(&host->srcu, srcu);
	return ret;
}

/* A misconfiguration does not tell the access: what is memory by now is given for reading. */
int exit_ept_misconfig(struct vcpu *vcpu)
{
	struct fault fault = { .gpa = vmread(GUEST_PHYSICAL_ADDRESS) };
	int ret;

	event_requeue(vcpu);
	if (is_mmio(vcpu, fault.gpa))
		return mmio_emulate(vcpu, fault.gpa);
	ret = resolve(vcpu, &fault);
	return ret == FAULT_MMIO ? mmio_emulate(vcpu, fault.gpa) : ret;
}
