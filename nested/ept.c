// SPDX-License-Identifier: GPL-2.0
/*
 * L2's memory where L1 gives it an EPT: the shadow that vmcs02 uses, faults in it,
 * and the addresses that L0 meets when it does something for L2.
 */
#include "mmu/shadow.h"
#include "nested/ept12.h"
#include "nested/nested.h"
#include "platform/gva.h"
#include "vmx/trace.h"

/* How often an entry of L1's may change under our eyes before L2 tries again. */
#define WALK_TRIES 4

/* Whose tables are walked, and the slots that they are in while it lasts. */
struct walker {
	struct vcpu *vcpu;
	const struct slots *slots;
};

static int read_entry(void *opaque, gpa_t gpa, u64 *entry)
{
	const struct walker *walker = opaque;

	return host_read_guest(walker->slots, gpa, entry, sizeof(*entry));
}

static int set_bits(void *opaque, const struct guest_entry *entry, u32 bits)
{
	const struct walker *walker = opaque;

	return guest_set_bits(walker->vcpu, entry, bits);
}

/* As with the CPU, what is written where there is no memory is gone. */
static void log_write(void *opaque, u16 index, gpa_t gpa)
{
	const struct walker *walker = opaque;
	gpa_t log = vmcs12_of(walker->vcpu)->pml_address;
	u64 entry = gpa;

	guest_write(walker->vcpu, log + index * sizeof(entry), &entry, sizeof(entry));
}

/* @logs: as far as L1 wants it. */
static enum ept12_outcome walk_ept12(struct vcpu *vcpu, struct ept12_walk *walk, gpa_t gpa,
				     u64 access, bool logs)
{
	enum ept12_outcome outcome = EPT12_CHANGED;
	struct vmcs12 *v = vmcs12_of(vcpu);
	struct host *host = &vcpu->vm->host;
	int tries, srcu = srcu_read_lock(&host->srcu);
	struct walker walker = { vcpu, srcu_dereference(host->slots, &host->srcu) };

	*walk = (struct ept12_walk){
		.eptp = v->ept_pointer,
		.cap = nested_of(vcpu)->caps.ept_vpid,
		.maxphyaddr = vcpu->cpuid.maxphyaddr,
		.access = access,
		.logs = logs && (secondary12(v) & SECONDARY_EXEC_ENABLE_PML),
		.log_index = v->guest_pml_index,
		.opaque = &walker,
		.read = read_entry,
		.set = set_bits,
		.log = log_write,
	};
	for (tries = 0; outcome == EPT12_CHANGED && tries < WALK_TRIES; tries++)
		outcome = ept12_translate(walk, gpa);
	srcu_read_unlock(&host->srcu, srcu);
	v->guest_pml_index = walk->log_index;
	return outcome;
}

bool l1_has_ept(const struct vcpu *vcpu)
{
	return secondary12(vmcs12_of(vcpu)) & SECONDARY_EXEC_ENABLE_EPT;
}

static int use_shadow(struct vcpu *vcpu, u64 eptp)
{
	struct host *host = &vcpu->vm->host;
	struct tlb_batch batch = TLB_BATCH_INIT;
	int ret, srcu;

	srcu = srcu_read_lock(&host->srcu);
	ret = shadow_use(&nested_of(vcpu)->shadow, eptp, srcu_dereference(host->slots, &host->srcu),
			 &batch);
	srcu_read_unlock(&host->srcu, srcu);
	tlb_discharge(vcpu->vm, &batch);
	return ret;
}

/* Before vmcs02 is loaded, while a failure has no effect. */
int ept_prepare(struct vcpu *vcpu)
{
	return l1_has_ept(vcpu) ? use_shadow(vcpu, vmcs12_of(vcpu)->ept_pointer) : 0;
}

void ept_write02(struct vcpu *vcpu)
{
	struct mmu *mmu = &vcpu->vm->mmu;
	struct vmcs *vmcs = &vcpu->vmx->vmcs02;

	vmcs->shadowed = l1_has_ept(vcpu);
	vmwrite(EPT_POINTER,
		mmu_eptp(mmu, vmcs->shadowed ? nested_of(vcpu)->shadow.shadow->root : mmu->root));
}

/*
 * Nothing is flushed: what the CPU has cached is of the root that it was reached by (SDM 3C
 * 29.4.3.1).  vmcs02's log is empty, as after each exit.
 */
int ept_switch(struct vcpu *vcpu, u64 eptp)
{
	int ret = use_shadow(vcpu, eptp);

	if (ret)
		return ret;
	vmcs12_of(vcpu)->ept_pointer = eptp;
	ept_write02(vcpu);
	return 0;
}

/* L1 gets what the walk of its tables found. */
static int reflect(struct vcpu *vcpu, u32 reason, u64 qualification)
{
	struct l2_exit exit = read_exit(reason);

	exit.qualification = qualification;
	leave_l2(vcpu, &exit);
	return ENTER_AGAIN;
}

/* Bits of the CPU's own qualification that the walk knows nothing of. */
#define QUALIFICATION_KEPT EPT_VIOLATION_NMI_UNBLOCK

/* The walk of L2's page tables reads before it writes; some CPU models tell half of it. */
static u64 access_of(u64 qualification)
{
	u64 access = qualification & EPT12_ACCESS;

	if ((access & EPT_VIOLATION_WRITE) && !(access & EPT_VIOLATION_GVA_TRANSLATED))
		access |= EPT_VIOLATION_READ;
	return access;
}

/* L1's tables let the access through: the shadow is to do so, too. */
static int resolve(struct vcpu *vcpu, struct shadow_fault *fault, u64 qualification)
{
	struct host *host = &vcpu->vm->host;
	struct tlb_batch batch = TLB_BATCH_INIT;
	int ret, srcu;

	ept_before_retry(vcpu, qualification);
	srcu = srcu_read_lock(&host->srcu);
	ret = shadow_fault(&nested_of(vcpu)->shadow, srcu_dereference(host->slots, &host->srcu),
			   fault, &batch);
	srcu_read_unlock(&host->srcu, srcu);
	tlb_discharge(vcpu->vm, &batch);
	vcpu->stats.faults[fault->l1.kind]++;
	trace_vellum_ept_fault(vcpu, &fault->l1, ret);
	if (ret == -EINTR)
		vcpu->run->exit_reason = KVM_EXIT_INTR;
	if (ret != FAULT_MMIO)
		return ret;
	if (!(qualification & EPT_VIOLATION_GVA_TRANSLATED))
		return mmio_impossible(vcpu);
	return fault->l1.fetch ? mmio_fetch(vcpu) : mmio_emulate(vcpu, fault->l1.gpa);
}

static bool restore(struct vcpu *vcpu, struct shadow_fault *fault)
{
	struct host *host = &vcpu->vm->host;
	int srcu = srcu_read_lock(&host->srcu);
	bool restored = shadow_restore(&nested_of(vcpu)->shadow,
				       srcu_dereference(host->slots, &host->srcu), fault);

	srcu_read_unlock(&host->srcu, srcu);
	if (restored)
		vcpu->stats.faults[fault->l1.kind]++;
	return restored;
}

int nested_ept_violation(struct vcpu *vcpu)
{
	u64 qualification = vmread(EXIT_QUALIFICATION);
	struct shadow_fault fault = {
		.l2 = vmread(GUEST_PHYSICAL_ADDRESS),
		.l1.write = qualification & EPT_VIOLATION_WRITE,
		.l1.fetch = qualification & EPT_VIOLATION_FETCH,
	};
	struct ept12_walk walk;

	if (vmx_is_narrow(vcpu) && narrow_violation(vcpu, qualification))
		return ENTER_AGAIN;
	if (restore(vcpu, &fault)) {
		ept_before_retry(vcpu, qualification);
		return ENTER_AGAIN;
	}
	switch (walk_ept12(vcpu, &walk, fault.l2, access_of(qualification), true)) {
	case EPT12_VIOLATION:
		return reflect(vcpu, EXIT_REASON_EPT_VIOLATION,
			       walk.qualification | (qualification & QUALIFICATION_KEPT));
	case EPT12_MISCONFIG:
	case EPT12_NO_TABLE: /* what is not memory reads as ones, which is no entry */
		return reflect(vcpu, EXIT_REASON_EPT_MISCONFIG, 0);
	case EPT12_LOG_FULL:
		return reflect(vcpu, EXIT_REASON_PML_FULL, qualification & QUALIFICATION_KEPT);
	case EPT12_CHANGED:
		ept_before_retry(vcpu, qualification);
		return ENTER_AGAIN;
	case EPT12_FOUND:
		break;
	}
	fault.l1.gpa = walk.found;
	fault.level = walk.level;
	fault.rights = walk.dirty ? walk.rights : walk.rights & ~EPT_W;
	return resolve(vcpu, &fault, qualification);
}

/* The access is not made: L1 has an exit instead, before L2 goes on.  -EAGAIN. */
static int refuse(struct vcpu *vcpu, u32 reason, const struct ept12_walk *walk, gpa_t gpa,
		  gva_t gva)
{
	nested_of(vcpu)->refused = (struct l2_exit){
		.reason = reason,
		.qualification = reason == EXIT_REASON_EPT_VIOLATION ? walk->qualification : 0,
		.linear = gva,
		.physical = gpa,
	};
	vcpu_request(vcpu, VCPU_REQ_EVENT);
	return -EAGAIN;
}

static u64 violation_of(u32 access)
{
	u64 kind = access & GVA_FETCH ? EPT_VIOLATION_FETCH :
		   access & GVA_WRITE ? EPT_VIOLATION_WRITE :
					EPT_VIOLATION_READ;

	return kind | EPT_VIOLATION_GVA_VALID | EPT_VIOLATION_GVA_TRANSLATED;
}

/* A full log stops writes alone: otherwise A bits are set as if there were none. */
int nested_translate(struct vcpu *vcpu, gpa_t *gpa, u32 access, const gva_t *gva)
{
	struct ept12_walk walk;
	enum ept12_outcome outcome =
		walk_ept12(vcpu, &walk, *gpa, violation_of(access), access & GVA_WRITE);

	if (outcome == EPT12_FOUND) {
		*gpa = walk.found;
		return 0;
	}
	if (outcome == EPT12_CHANGED)
		return -EAGAIN;
	if (outcome == EPT12_LOG_FULL)
		return refuse(vcpu, EXIT_REASON_PML_FULL, &walk, 0, 0);
	if (!gva)
		return -EOPNOTSUPP;
	return refuse(vcpu,
		      outcome == EPT12_VIOLATION ? EXIT_REASON_EPT_VIOLATION :
						   EXIT_REASON_EPT_MISCONFIG,
		      &walk, *gpa, *gva);
}

void nested_invept(struct vcpu *vcpu, u64 eptp)
{
	struct host *host = &vcpu->vm->host;
	struct mmu *mmu = &vcpu->vm->mmu;
	struct tlb_batch batch = TLB_BATCH_INIT;
	int srcu;

	if (!mmu_has_shadows(mmu))
		return;
	srcu = srcu_read_lock(&host->srcu);
	shadow_invept(mmu, eptp, srcu_dereference(host->slots, &host->srcu), &batch);
	srcu_read_unlock(&host->srcu, srcu);
	tlb_discharge(vcpu->vm, &batch);
}

unsigned int nested_drain(struct vcpu *vcpu, const u64 *log, u16 index, const struct slots *slots)
{
	return shadow_drain(&nested_of(vcpu)->shadow, log, index, slots);
}
