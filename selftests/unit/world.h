/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A VM with fake vCPUs on the real MMU, and beside it an oracle: flat arrays
 * that say of each page what each harvester is still owed.  What uapi/ and
 * vmx/ do around the MMU (publish, arm, discharge) is done here the same way.
 * Every choice comes from one source, a random one or a fuzzer's bytes.
 *
 * Time is a clock that goes on with every event that a harvest may tell of.
 */
#ifndef VELLUM_UNIT_WORLD_H
#define VELLUM_UNIT_WORLD_H

#include "fake_cpu.h"
#include "fake_host.h"
#include "mmu/shadow.h"

#define NR_VCPUS       3
#define NR_SLOT_IDS    6
#define MAX_SLOT_PAGES 4400 /* but for the slot of 1G */
#define MAX_TRIES      12
#define TRACE_OPS      40
#define RING_SIZE      1024

enum world_mode { MODE_PML, MODE_SCAN, MODE_WRPROT, MODE_SOFT, NR_MODES };
extern const char *const world_mode_names[NR_MODES];

#define NR_VIEWS 2
enum tracker { BITMAP, RING, VIEWS, NR_TRACKERS = VIEWS + NR_VIEWS };

/* of tracked.cleared: all that is told is right, for the tracker could not see it. */
#define NEVER (~0u)

/* What the oracle knows of one page of a slot. */
struct tracked {
	u32 touched;		  /* the last event that a bitmap may tell of */
	u32 cleared[NR_TRACKERS]; /* who takes bitmaps took it then */
	u32 before[NR_VIEWS];	  /* and what that was before it took what it holds */
	bool held[NR_VIEWS];
	u32 owed[NR_TRACKERS]; /* the first write not reported yet; 0: none */
	u16 in_rings;	       /* entries in rings */
};

/* When a harvest began, and when it began to take. */
struct moment {
	u32 since;
	u32 taken;
};

/* Who harvests, and when. */
struct asked {
	enum tracker who;
	struct moment moment;
};

/* The oracle's half of a slot: from its publication until the next. */
struct oslot {
	struct slot *slot;
	u32 serial;
	unsigned long *shown; /* the last GET's, for CLEAR */
	struct tracked page[];
};

/* What a ring entry was when it was pushed. */
struct pushed {
	u32 serial;
	u32 id;
	u64 rel;
};

/* L1's EPTs, one for each guest of its own; more than shadows are kept. */
#define NR_EPTS	   10
#define L2_PAGES   96 /* entries of 4K */
#define L2_BLOCKS  3  /* entries of 2M */
#define L2_ENTRIES (L2_PAGES + L2_BLOCKS)
#define L1_PAST	   4

struct l1_entry {
	gfn_t gfn;
	u8 rights; /* EPT_R, EPT_W, EPT_X */
	bool dirty;
	u64 invepts; /* of a past one: how many had begun when it went */
};

struct l1_ept {
	u64 eptp;
	struct l1_entry entry[L2_ENTRIES];
	struct l1_entry past[L2_ENTRIES][L1_PAST]; /* since the last INVEPT */
	u8 nr_past[L2_ENTRIES];
};

/* An address of L2's: an entry, and a page of it. */
struct l2_place {
	unsigned int i;
	unsigned int offset;
};

/* An access of L2's, and where it went. */
struct l2_done {
	enum cpu_access access;
	hfn_t hfn;
};

struct vcpu {
	struct fake_cpu cpu;
	struct fake_cpu *l2[NR_EPTS]; /* the same CPU in L2: translations by each EPT; or NULL */
	struct shadow_vcpu shadow;
	struct ring ring;
	struct table_cache tables;
	bool busy; /* in the kernel: no guest code runs */
	u32 fetch; /* userspace's index into the ring */
	struct pushed pushed[RING_SIZE];
};

struct world_op {
	const char *name;
	u64 a, b, c;
};

struct world_stats {
	u64 reads, writes, faults, restored, mmio, errors, spins;
	u64 logged, log_full, pushes, ring_full;
	u64 gets, clears, resets, reported, given_back, invalidations, aged, copied;
	u64 slots_made, slots_gone, slots_moved, log_on, log_off, enomem, races, lost_races,
		overtaken, takes, settled, trackers, marked, large, splits, host_splits, collapses,
		restored_large, ranges;
	u64 l2_reads, l2_writes, l2_faults, l2_restored, l2_races, l2_large, l2_logged, l2_full,
		l1_changes, invepts;
	u64 giant, giant_splits, giant_collapses;
};

struct world {
	struct mmu mmu;
	struct host host;
	enum world_mode mode;
	u32 trackers; /* that are there, by bits of their ids */
	bool ring, manual, initially_set, hostile, racy;
	bool nested; /* the guest is a hypervisor */
	struct l1_ept ept[NR_EPTS];
	bool large; /* most memory is huge, and not logged at first */
	bool giant; /* and there is a slot of 1G */
	struct vcpu vcpu[NR_VCPUS];
	struct oslot *oslot[NR_SLOT_IDS];
	bool accessed[HOST_ALL_PAGES]; /* by a walk, since the page was last aged or zapped */
	u32 clock, serial;
	unsigned int nr_logging; /* logged slots; PML is on while there are any */
	u32 (*rnd)(u32 n);	 /* [0, n) */
	unsigned int depth;
	unsigned int windows;	       /* invalidations under way */
	unsigned int zap_index, zap_n; /* what the one that just begins is about */
	bool injected;		       /* an error was asked for */
	bool slots_locked;
	bool lazy; /* userspace leaves the rings alone for a while */
	unsigned int race_budget;
	gfn_t hot; /* where races are likely to hurt */
	struct world_stats stats;
	struct world_op trace[TRACE_OPS];
	unsigned int nr_trace;
};

static inline struct slots *world_slots(struct world *w)
{
	return rcu_dereference(w->host.slots);
}

/* Ends the test: @invariant is a number of the design. */
void world_fail(struct world *w, int invariant, const char *fmt, ...) __printf(3, 4)
	__attribute__((__noreturn__));
void world_trace(struct world *w, const char *name, u64 a, u64 b, u64 c);
void world_print_trace(const struct world *w);

/* world.c: the VM. */
void world_init(struct world *w, enum world_mode mode, bool giant, u32 (*rnd)(u32 n));
/* Takes it all down, and checks that nothing is left or lost. */
void world_exit(struct world *w);
void world_exit_all(struct world *w);
/* One that is not in the middle of an exit, or NULL. */
struct vcpu *world_idle_vcpu(struct world *w);
/* No vCPU is in the middle of an exit. */
bool world_all_idle(const struct world *w);
/* Guests run for a moment, in the middle of something else. */
void world_interleave(struct world *w);
/* What vmx does with a batch: every vCPU drains and flushes, then tables die. */
void world_discharge(struct world *w, struct tlb_batch *batch);
gfn_t world_pick_gfn(struct world *w);
/* The MMU has forgotten what was accessed of these host pages, or of all. */
void world_forget_accesses(struct world *w, unsigned int index, unsigned int n);
void world_forget_all_accesses(struct world *w);
/* Races go for one of these pages. */
static inline void world_aim(struct world *w, gfn_t gfn, u64 n)
{
	w->hot = gfn + w->rnd(min(n, 24ull));
}

/* vcpus.c */
enum access_outcome { ACC_DONE, ACC_MMIO, ACC_ERROR, ACC_SPIN, ACC_FULL };
enum access_outcome vcpu_access(struct world *w, struct vcpu *v, gfn_t gfn, enum cpu_access access);
/* A VM exit: the log is read. */
void vcpu_exit(struct world *w, struct vcpu *v);
/* A violation at @fault, in a burst: true if that is all. */
bool vcpu_restore(struct world *w, struct vcpu *v, struct fault *fault);
/* Was there a reason for a fault's result? */
void world_check_error(struct world *w, const struct fault *fault, int error);
void world_check_mmio(struct world *w, const struct fault *fault);

/* races.c: from here on, and no longer. */
void races_begin(struct world *w);
void races_end(struct world *w);

/* l2.c: the second level.  Each does nothing where the guest is no hypervisor. */
extern struct world *l2_world;
void l2_init(struct world *w);
void l2_exit(struct world *w);
void l2_access(struct world *w, struct vcpu *v, enum cpu_access access);
void l2_race(struct world *w, struct vcpu *v);
void l2_sweep(struct world *w, struct vcpu *v);
void l2_flush(struct world *w, struct vcpu *v);
/* An exit: what was logged in L2 is read.  And whether it is logged, as for L1. */
void l2_drain(struct world *w, struct vcpu *v);
void l2_update_pml(struct world *w, struct vcpu *v);
void l1_change(struct world *w);
/* @e: NR_EPTS for all. */
void l1_invept(struct world *w, unsigned int e);
void l1_invept_alone(struct world *w, unsigned int e);

/* slots.c: changes of slots, and the host's notifications. */
void world_set_region(struct world *w, const struct kvm_userspace_memory_region *region);
/* A slot that is not logged is tracked by ranges from now on, or no longer. */
void world_set_coarse(struct world *w, struct oslot *os, bool coarse);
void world_invalidate_begin(struct world *w, unsigned int index, unsigned int n);
void world_invalidate_end(struct world *w, unsigned int index, unsigned int n);
bool world_age(struct world *w, unsigned int index, unsigned int n, bool clear);

/* oracle.c */
struct oslot *oracle_slot(struct world *w, gfn_t gfn);
static inline struct tracked *oracle_page(struct oslot *os, gfn_t gfn)
{
	return &os->page[gfn - os->slot->base];
}

/* Something may tell of page @rel from now on; in a coarse slot of its whole range. */
void oracle_touch(struct world *w, struct oslot *os, u64 rel);
void oracle_access(struct world *w, gfn_t gfn, hfn_t hfn, bool write);
void oracle_written(struct world *w, struct oslot *os, u64 rel, bool to_ring);
/* The entry that @v's ring holds at @index must be page @rel of @os. */
void oracle_pushed(struct world *w, struct vcpu *v, u32 index, struct oslot *os, u64 rel);
void oracle_check_get(struct world *w, struct oslot *os, const unsigned long *words,
		      const struct moment *moment, bool taken);
/* Page @rel was or was not told: was that right? */
void oracle_check_page(struct world *w, const struct oslot *os, u64 rel, bool told,
		       const struct asked *by);
/* Page @rel may be told: it, or one that is tracked as one with it, was touched. */
bool oracle_may_tell(const struct oslot *os, u64 rel, enum tracker who);
/*
 * @who is about to take page @rel, and others with it.  What it leaves of a range that it
 * may be told of, it may be told again with the range, until it takes that, too.
 */
void oracle_before_taking(struct oslot *os, u64 rel, enum tracker who);
void oracle_check_ring_complete(struct world *w, u32 since);
int oracle_classify(struct world *w, const struct kvm_userspace_memory_region *region);
/* The counts the MMU keeps are what stands in its tables; shadow leaves are what they may be. */
void oracle_audit(struct world *w);

/* trackers.c: trackers come and go, take, and settle what they hold. */
int world_views_add(struct world *w, struct slot *slot);
void world_tracker_toggle(struct world *w, unsigned int id);
void world_tracker_take(struct world *w, struct oslot *os, unsigned int id);
void world_tracker_settle(struct world *w, struct oslot *os, unsigned int id, bool owed);
/* Userspace says that it wrote; @v: by that vCPU's ring, too. */
void world_mark(struct world *w, struct oslot *os, struct vcpu *v);

/* harvest.c: what userspace takes. */
struct moment world_begin_harvest(struct world *w);
void world_get(struct world *w, struct oslot *os);
void world_clear(struct world *w, struct oslot *os);
/* A coarse slot's ranges, some at a time. */
void world_take_ranges(struct world *w, struct oslot *os);
void world_collect(struct world *w, struct vcpu *v, u32 max);
void world_reset(struct world *w);

/* ops_slot.c: the slot of 1G comes. */
void world_add_giant(struct world *w);
/* ops.c: one operation of the caller's source. */
void world_op(struct world *w);
/* One that holds the slots' lock, while a notification is under way that does not. */
void world_locked_op(struct world *w);
/* A notification in the middle of whatever is under way. */
void world_host_op(struct world *w);

#endif
