/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shadow EPTs: what the CPU uses while the guest of a guest hypervisor (L2 of
 * L1) runs.  Each stands for one EPTP of L1's and holds what L1's tables and the
 * VM's own EPT say together: L2 GPA, L1 GPA, host page.  Pure.
 *
 * L1's tables are not watched.  As the CPU does with a TLB, leaves are made at
 * faults, from what a walk of L1's tables found, and stay until L1 executes
 * INVEPT, or the page goes from the VM's own EPT.  A shadow leaf stands only
 * where the VM's EPT maps the L1 GPA to the same host page (rmap.h).
 *
 * L2's writes are known by D, where struct mmu's logs_l2.  The CPU logs L2's address, and
 * shadow_drain() finds the leaf: if its D is set, L1's GFN is recorded.  It need not
 * be, since nobody takes D who does not tell of it: a leaf that goes away with D set is
 * recorded as it goes, and arming takes D of pages that are being harvested.
 *
 * Else by W.  In a slot that is logged a leaf has no W until a write faults, and is recorded
 * with L1's GFN under the same hold of the lock.
 *
 * Locking: the MMU's lock.  For write: the list of shadows and who uses which.
 */
#ifndef VELLUM_MMU_SHADOW_H
#define VELLUM_MMU_SHADOW_H

#include "mmu/fault.h"
#include "mmu/rmap.h"

/* Shadows that no vCPU uses are kept as long as there are no more than this in all. */
#define SHADOWS_KEPT 8

/* What L1's EPTP says that makes a translation different: its tables, and A/D flags. */
#define SHADOW_EPTP_MASK (EPT_ADDR_MASK | EPTP_AD)

struct shadow {
	u64 *root;
	u64 eptp;	    /* L1's, under SHADOW_EPTP_MASK */
	unsigned int users; /* vCPUs whose it is, and who looks at it just now */
	u64 used;	    /* when a vCPU took or left it, by struct shadows' clock */
	struct shadow *next;
};

/* A VM's. */
struct shadows {
	struct shadow *first;
	unsigned int nr;
	u64 clock;
	u64 *heads[SHADOW_LEVELS]; /* rmap.h: of leaves at level 1, at level 2 */
	atomic_long_t nr_leaves;
	atomic_long_t nr_tables; /* of shadows and rmap, but roots; in mmu->nr_tables, too */
};

/* A vCPU's part.  Its thread's alone. */
struct shadow_vcpu {
	struct mmu *mmu;
	struct table_cache *l1_tables; /* the vCPU's for the VM's own EPT */
	struct ring *ring;	       /* the vCPU's, or NULL */
	struct shadow *shadow;	       /* the one in use, or NULL */
	struct table_cache tables;
	struct table_cache heads;
	u64 *links; /* for one table of leaves */
};

/* An access of L2's that its shadow does not let through, and what L1's tables say. */
struct shadow_fault {
	gpa_t l2;
	struct fault l1; /* @gpa: L1's GPA of it; write and fetch: L2's access; @kind: out */
	u8 rights;	 /* EPT_R, W and X that L1 gives; no W where D has to be set first */
	u8 level;	 /* of L1's leaf */
};

void shadow_vcpu_init(struct shadow_vcpu *v, struct mmu *mmu, struct table_cache *l1_tables,
		      struct ring *ring);
void shadow_vcpu_exit(struct shadow_vcpu *v);

/*
 * Makes the shadow of L1's @eptp the vCPU's, in place of the one it had: its root
 * is what the CPU is to use, before which the batch is discharged.  May sleep.
 * 0 or -ENOMEM; then it keeps the one it had, which the CPU may be using.
 */
int shadow_use(struct shadow_vcpu *v, u64 eptp, const struct slots *slots, struct tlb_batch *batch);
/* It has none, until the next shadow_use(). */
void shadow_leave(struct shadow_vcpu *v);

/*
 * Resolves @fault in the vCPU's shadow.  As mmu_fault() in what it wants and
 * returns; FAULT_MMIO: L1's GPA is no memory, or the write is to a read-only
 * slot.  Also -EINVAL: L1's rights do not allow the access, or the address is
 * wider than an EPT's.  The batch is discharged before the CPU enters again.
 */
int shadow_fault(struct shadow_vcpu *v, const struct slots *slots, struct shadow_fault *fault,
		 struct tlb_batch *batch);

/*
 * mmu_restore() for L2: gives back what logging or access tracking took, and
 * records a write that was permitted so.  Needs no walk of L1's tables: sets
 * @fault->l1.gpa.  Takes the lock if nobody keeps it from it, never waits; in a
 * burst or not.
 */
bool shadow_restore(struct shadow_vcpu *v, const struct slots *slots, struct shadow_fault *fault);

/*
 * L1 executes INVEPT: for @eptp, or SHADOW_ALL.  The leaves are taken away, in
 * bounded holds of the lock; what is written meanwhile is recorded.  Allocates
 * nothing, never sleeps.
 */
#define SHADOW_ALL (~0ull)
void shadow_invept(struct mmu *mmu, u64 eptp, const struct slots *slots, struct tlb_batch *batch);

/* The same, and what the rmap has in tables goes too. */
void shadows_shrink(struct mmu *mmu, const struct slots *slots, struct tlb_batch *batch);

/*
 * pml_drain() for a log of L2's addresses, all of the vCPU's shadow.  Takes no lock: in
 * the burst that made the entries, for which every flush waits.
 */
unsigned int shadow_drain(const struct shadow_vcpu *v, const u64 *log, u16 index,
			  const struct slots *slots);

/* The VM goes, no vCPU is left. */
void shadows_destroy(struct mmu *mmu);

#endif
