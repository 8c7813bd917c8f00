// SPDX-License-Identifier: GPL-2.0
/*
 * The second level of world.h: a guest hypervisor (L1) whose EPTs are arrays,
 * and its own guest (L2), which runs on the real shadows of them.
 *
 * L1 changes its EPTs as it likes.  Until it executes INVEPT a CPU, and so a
 * shadow, may use what an entry was or what it is now, so each entry keeps what
 * it was.  Which of them an access went by is told from the page that it reached:
 * L1 invalidates before two of them could mean the same page of the host's.
 */
#include "mmu/walk.h"
#include "world.h"

#define L2_BASE 0x40000000 /* GFN; 2M aligned */

static gfn_t l2_gfn(unsigned int i, unsigned int offset)
{
	return i < L2_PAGES ? L2_BASE + i : L2_BASE + (i - L2_PAGES + 1) * HOST_BLOCK + offset;
}

static u64 entry_pages(unsigned int i)
{
	return i < L2_PAGES ? 1 : HOST_BLOCK;
}

static bool l1_allows(const struct l1_entry *entry, bool ad, enum cpu_access access)
{
	u64 need = access == CPU_WRITE ? EPT_W : access == CPU_FETCH ? EPT_X : EPT_R;

	/* Without its D bit an entry lets nobody write who does not set it first. */
	return (entry->rights & need) && !(access == CPU_WRITE && ad && !entry->dirty);
}

/* The host's page behind @gfn of L1, or NULL. */
static const struct host_pte *host_page_of(struct world *w, gfn_t gfn)
{
	struct oslot *os = oracle_slot(w, gfn);

	return os ? &fake_host.pte[host_index(slot_hva(os->slot, gfn))] : NULL;
}

/* L1's GFN that an access to @offset in entry @i went to, if that was right; or GFN_NONE. */
static gfn_t went_to(struct world *w, struct l1_ept *ept, unsigned int i, unsigned int offset,
		     const struct l2_done *done)
{
	const struct l1_entry *past = ept->past[i];
	const struct host_pte *pte;
	unsigned int k;

	for (k = 0; k <= ept->nr_past[i]; k++) {
		const struct l1_entry *entry = k ? &past[k - 1] : &ept->entry[i];

		pte = host_page_of(w, entry->gfn + offset);
		if (pte && pte->present && pte->hfn == done->hfn &&
		    l1_allows(entry, ept->eptp & EPTP_AD, done->access))
			return entry->gfn + offset;
	}
	return GFN_NONE;
}

static void check_access(struct world *w, unsigned int e, const struct l2_place *at,
			 const struct l2_done *done)
{
	struct l1_ept *ept = &w->ept[e];
	gfn_t gfn = went_to(w, ept, at->i, at->offset, done);

	if (gfn == GFN_NONE)
		world_fail(w, 13, "L2 reaches page %#llx by entry %u of EPT %u (%#llx, %d): %d",
			   done->hfn, at->i, e, ept->entry[at->i].gfn + at->offset,
			   ept->entry[at->i].rights, done->access);
	oracle_access(w, gfn, done->hfn, done->access == CPU_WRITE);
	w->stats.l2_writes += done->access == CPU_WRITE;
	w->stats.l2_reads += done->access != CPU_WRITE;
}

/* One entry in three is hot: there accesses meet. */
static struct l2_place pick_place(struct world *w)
{
	struct l2_place at = { .i = w->rnd(w->rnd(3) ? 24 : L2_PAGES) };

	if (!w->rnd(4)) {
		at.i = L2_PAGES + w->rnd(L2_BLOCKS);
		at.offset = w->rnd(w->rnd(2) ? 16 : HOST_BLOCK);
	}
	return at;
}

static unsigned int pick_ept(struct world *w)
{
	return w->rnd(w->rnd(16) ? 2 : NR_EPTS);
}

/* What a fault of L2's may have pushed: one entry, for its own write. */
static void check_record(struct world *w, struct vcpu *v, const struct shadow_fault *fault,
			 u32 head)
{
	gfn_t gfn = fault->l1.gpa >> PAGE_SHIFT;
	struct oslot *os = oracle_slot(w, gfn);
	u32 n = v->ring.head - head;

	if (os && slot_is_logged(os->slot) && fault->l1.write)
		oracle_touch(w, os, gfn - os->slot->base);
	if (!n)
		return;
	if (n > 1 || !os || !fault->l1.write)
		world_fail(w, 13, "a fault of L2's at gfn %#llx made %u ring entries", gfn, n);
	oracle_pushed(w, v, head, os, gfn - os->slot->base);
}

static bool try_restore(struct world *w, struct vcpu *v, struct shadow_fault *fault)
{
	int idx = srcu_read_lock(&w->host.srcu);
	u32 head = v->ring.head;
	bool restored = shadow_restore(&v->shadow, world_slots(w), fault);

	srcu_read_unlock(&w->host.srcu, idx);
	if (restored)
		check_record(w, v, fault, head);
	else if (v->ring.head != head)
		world_fail(w, 13, "nothing was restored, and it is recorded");
	w->stats.l2_restored += restored;
	return restored;
}

/* A walk of L1's tables, as the CPU makes it: false, it is L1 that has to hear of this. */
static bool walk_l1(struct world *w, unsigned int e, const struct l2_place *at,
		    struct shadow_fault *fault)
{
	struct l1_ept *ept = &w->ept[e];
	struct l1_entry *entry = &ept->entry[at->i];
	enum cpu_access access = fault->l1.write ? CPU_WRITE :
				 fault->l1.fetch ? CPU_FETCH :
						   CPU_READ;

	if (!l1_allows(entry, false, access))
		return false;
	if (fault->l1.write)
		entry->dirty = true;
	fault->l1.gpa = (entry->gfn + at->offset) << PAGE_SHIFT;
	fault->level = at->i < L2_PAGES ? 1 : 2;
	fault->rights = entry->rights;
	if (ept->eptp & EPTP_AD && !entry->dirty)
		fault->rights &= ~EPT_W;
	w->hot = fault->l1.gpa >> PAGE_SHIFT;
	return true;
}

static void check_result(struct world *w, const struct shadow_fault *fault, int ret)
{
	if (ret == FAULT_MMIO)
		world_check_mmio(w, &fault->l1);
	else if (ret)
		world_check_error(w, &fault->l1, ret);
}

/* An exit of L2's at @fault.  True: enter again. */
static bool handle_exit(struct world *w, struct vcpu *v, unsigned int e, const struct l2_place *at,
			struct shadow_fault *fault)
{
	struct tlb_batch batch = TLB_BATCH_INIT;
	int ret, idx;
	u32 head;

	vcpu_exit(w, v);
	w->stats.l2_faults++;
	if (w->rnd(8) && try_restore(w, v, fault))
		return true;
	if (!walk_l1(w, e, at, fault))
		return false;
	world_interleave(w);
	head = v->ring.head;
	idx = srcu_read_lock(&w->host.srcu);
	ret = shadow_fault(&v->shadow, world_slots(w), fault, &batch);
	check_record(w, v, fault, head);
	srcu_read_unlock(&w->host.srcu, idx);
	/* What makes room may have been the only one that knew of an access. */
	if (batch.flush)
		world_forget_all_accesses(w);
	world_discharge(w, &batch);
	check_result(w, fault, ret);
	return ret == FAULT_FIXED;
}

static void on_walk(struct fake_cpu *cpu, gfn_t gfn);

/* Made when it is needed: it is large. */
static struct fake_cpu *cpu_of(struct world *w, struct vcpu *v, unsigned int e)
{
	if (!v->l2[e]) {
		v->l2[e] = malloc(sizeof(*v->l2[e]));
		if (!v->l2[e])
			env_die("the machine itself is out of memory");
		cpu_init(v->l2[e], &w->mmu);
		v->l2[e]->on_walk = on_walk;
		v->l2[e]->pml_on = w->mmu.logs_l2 && v->cpu.pml_on;
		v->l2[e]->low_bits = v->cpu.low_bits;
	}
	return v->l2[e];
}

/* The vCPU's shadow is that of EPT @e.  False: no memory. */
static bool use_ept(struct world *w, struct vcpu *v, unsigned int e)
{
	struct tlb_batch batch = TLB_BATCH_INIT;
	int ret, idx;

	v->busy = true;
	/* L2 with another EPT is left for it. */
	vcpu_exit(w, v);
	idx = srcu_read_lock(&w->host.srcu);
	ret = shadow_use(&v->shadow, w->ept[e].eptp, world_slots(w), &batch);
	srcu_read_unlock(&w->host.srcu, idx);
	if (batch.flush)
		world_forget_all_accesses(w);
	world_discharge(w, &batch);
	if (ret && !(ret == -ENOMEM && w->injected))
		world_fail(w, 13, "a shadow cannot be had: %d", ret);
	if (!ret)
		cpu_of(w, v, e)->root = v->shadow.shadow->root;
	v->busy = false;
	return !ret;
}

static void access_at(struct world *w, struct vcpu *v, unsigned int e, const struct l2_place *at,
		      enum cpu_access access)
{
	gfn_t gfn = l2_gfn(at->i, at->offset);
	struct l2_done done = { .access = access };
	unsigned int try;

	for (try = 0; try < MAX_TRIES; try++) {
		struct shadow_fault fault = {
			.l2 = gfn << PAGE_SHIFT,
			.l1.write = access == CPU_WRITE,
			.l1.fetch = access == CPU_FETCH,
		};
		enum cpu_result result;
		struct oslot *os;

		if (w->ring && ring_is_soft_full(&v->ring))
			return;
		result = cpu_access(v->l2[e], gfn, access, &done.hfn);
		if (result == CPU_DONE) {
			check_access(w, e, at, &done);
			return;
		}
		if (result == CPU_PML_FULL) {
			w->stats.l2_full++;
			vcpu_exit(w, v);
			continue;
		}
		v->busy = true;
		if (!handle_exit(w, v, e, at, &fault))
			return;
		v->busy = false;
		os = oracle_slot(w, fault.l1.gpa >> PAGE_SHIFT);
		if (w->windows || (os && os->slot->dying))
			return;
	}
	if (!w->injected)
		world_fail(w, 13, "L2 makes no progress at entry %u of EPT %u", at->i, e);
}

static void map_memory(struct world *w, unsigned int e, const struct l2_place *at);

void l2_access(struct world *w, struct vcpu *v, enum cpu_access access)
{
	unsigned int e = pick_ept(w);
	struct l2_place at = pick_place(w);

	if (!w->nested)
		return;
	map_memory(w, e, &at);
	if (use_ept(w, v, e))
		access_at(w, v, e, &at, access);
	v->busy = false;
	if (v->ring.lost)
		world_fail(w, 7, "the reserve was exceeded, a ring entry is lost");
}

/* An access that needs no exit: where no lock can be taken. */
void l2_race(struct world *w, struct vcpu *v)
{
	struct l2_done done = { .access = w->rnd(4) ? CPU_WRITE : CPU_READ };
	struct l2_place at = pick_place(w);
	unsigned int e = pick_ept(w);

	/* By its root as it was last: who frees it flushes first. */
	if (!v->l2[e] || !v->shadow.shadow || v->l2[e]->root != v->shadow.shadow->root)
		return;
	v->busy = true;
	if (cpu_access(v->l2[e], l2_gfn(at.i, at.offset), done.access, &done.hfn) == CPU_DONE) {
		check_access(w, e, &at, &done);
		w->stats.l2_races++;
	}
	v->busy = false;
}

void l2_sweep(struct world *w, struct vcpu *v)
{
	unsigned int e = pick_ept(w);
	struct l2_place at = {};

	if (!w->nested || !use_ept(w, v, e))
		return;
	for (at.i = 0; at.i < L2_PAGES; at.i++) {
		map_memory(w, e, &at);
		access_at(w, v, e, &at, CPU_WRITE);
		v->busy = false;
		/* What ran in between may have left it elsewhere. */
		if (!use_ept(w, v, e))
			return;
	}
}

/* What went before INVEPT number @invept began is past for good. */
static void forget(struct l1_ept *ept, u64 invept)
{
	unsigned int i, k, kept;

	for (i = 0; i < L2_ENTRIES; i++) {
		for (k = kept = 0; k < ept->nr_past[i]; k++)
			if (ept->past[i][k].invepts >= invept)
				ept->past[i][kept++] = ept->past[i][k];
		ept->nr_past[i] = kept;
	}
}

/* L1 executes INVEPT, on all its CPUs, for EPT @e or for all. */
void l1_invept(struct world *w, unsigned int e)
{
	struct tlb_batch batch = TLB_BATCH_INIT;
	unsigned int i;
	u64 number;
	int idx;

	if (!w->nested)
		return;
	/* L1 and L2 run on until the flush is over: what they change and map then stays. */
	number = ++w->stats.invepts;
	idx = srcu_read_lock(&w->host.srcu);
	shadow_invept(&w->mmu, e < NR_EPTS ? w->ept[e].eptp : SHADOW_ALL, world_slots(w), &batch);
	srcu_read_unlock(&w->host.srcu, idx);
	/* With the leaves goes what they knew; others age pages before the flush is over. */
	world_forget_all_accesses(w);
	world_discharge(w, &batch);
	for (i = 0; i < NR_EPTS; i++)
		if (e >= NR_EPTS || !((w->ept[i].eptp ^ w->ept[e].eptp) & EPT_ADDR_MASK))
			forget(&w->ept[i], number);
}

/* And nobody runs until it has: what it made impossible is not there again. */
void l1_invept_alone(struct world *w, unsigned int e)
{
	w->depth += 2;
	l1_invept(w, e);
	w->depth -= 2;
}

static bool same_host_page(struct world *w, gfn_t a, gfn_t b)
{
	const struct host_pte *pte = host_page_of(w, a);

	return a != b && pte && pte == host_page_of(w, b);
}

/* Would an access by @gfn look like one by what entry @i was? */
static bool is_ambiguous(struct world *w, const struct l1_ept *ept, unsigned int i, gfn_t gfn)
{
	unsigned int k;
	u64 offset;

	for (offset = 0; offset < entry_pages(i); offset++) {
		if (same_host_page(w, ept->entry[i].gfn + offset, gfn + offset))
			return true;
		for (k = 0; k < ept->nr_past[i]; k++)
			if (same_host_page(w, ept->past[i][k].gfn + offset, gfn + offset))
				return true;
	}
	return false;
}

/* Mostly memory of the VM's; where that is large enough, 2M of it. */
static gfn_t pick_memory(struct world *w, u64 pages)
{
	struct oslot *os = w->oslot[w->rnd(NR_SLOT_IDS)];
	gfn_t gfn = world_pick_gfn(w);

	if (pages > 1 && os && os->slot->npages > pages)
		gfn = os->slot->base + pages - 1;
	return gfn & -pages;
}

static struct l1_entry pick_entry(struct world *w, unsigned int i)
{
	static const u8 rights[] = { EPT_RWX,	    EPT_RWX, EPT_RWX, EPT_R | EPT_W,
				     EPT_R | EPT_X, EPT_R,   0 };

	return (struct l1_entry){
		.gfn = pick_memory(w, entry_pages(i)),
		.rights = rights[w->rnd(ARRAY_SIZE(rights))],
		.dirty = w->rnd(2),
	};
}

static void set_entry(struct world *w, unsigned int e, unsigned int i, struct l1_entry entry)
{
	struct l1_ept *ept = &w->ept[e];

	if (ept->nr_past[i] == L1_PAST || is_ambiguous(w, ept, i, entry.gfn)) {
		/* Then what the entry was is known to nobody. */
		l1_invept_alone(w, e);
	} else {
		ept->entry[i].invepts = w->stats.invepts;
		ept->past[i][ept->nr_past[i]++] = ept->entry[i];
	}
	ept->entry[i] = entry;
	w->stats.l1_changes++;
}

/* L1 writes to entries of one of its EPTs, and may invalidate. */
void l1_change(struct world *w)
{
	unsigned int n, e = pick_ept(w);

	if (!w->nested)
		return;
	for (n = 1 + w->rnd(8); n; n--) {
		unsigned int i = pick_place(w).i;
		struct l1_entry entry = pick_entry(w, i);

		/* Mostly a part of it alone. */
		if (w->rnd(3))
			entry.gfn = w->ept[e].entry[i].gfn;
		set_entry(w, e, i, entry);
	}
	if (!w->rnd(3))
		l1_invept(w, e);
}

/*
 * L1 maps what is memory, where it had none.  Not while a vCPU has walked its
 * tables and not yet used what it found: that one's INVEPT comes after.
 */
static void map_memory(struct world *w, unsigned int e, const struct l2_place *at)
{
	gfn_t gfn = w->ept[e].entry[at->i].gfn + at->offset;

	if (world_all_idle(w) && w->rnd(8) && !oracle_slot(w, gfn))
		set_entry(w, e, at->i, pick_entry(w, at->i));
}

struct world *l2_world;

/*
 * A translation was made by a walk of @cpu's.  A large leaf of a shadow may go for
 * the sake of one of its pages, and nothing else knew that the others were accessed:
 * that costs the host a page brought in again, and is not held against the MMU.
 */
static void on_walk(struct fake_cpu *cpu, gfn_t gfn)
{
	const struct host_frame *frame = host_frame(cpu_cached(cpu, gfn));
	int level;

	walk_end_of(cpu->root, gfn, &level);
	if (level == 1 && frame->used)
		l2_world->accessed[frame->index] = true;
}

void l2_init(struct world *w)
{
	unsigned int i, e;

	l2_world = w;
	w->nested = w->rnd(2);
	for (e = 0; e < NR_EPTS; e++) {
		struct l1_ept *ept = &w->ept[e];

		/* The last two are one table, with A/D flags and without. */
		ept->eptp = (u64)min(e, NR_EPTS - 2u) << PAGE_SHIFT | (e % 2 ? EPTP_AD : 0);
		/* What is there is picked when L2 comes to it. */
		for (i = 0; i < L2_ENTRIES; i++)
			ept->entry[i].gfn = L2_BASE;
	}
	for (i = 0; i < NR_VCPUS; i++) {
		struct vcpu *v = &w->vcpu[i];

		shadow_vcpu_init(&v->shadow, &w->mmu, &v->tables, w->ring ? &v->ring : NULL);
	}
}

void l2_exit(struct world *w)
{
	unsigned int i, e;

	for (i = 0; i < NR_VCPUS; i++) {
		shadow_vcpu_exit(&w->vcpu[i].shadow);
		for (e = 0; e < NR_EPTS; e++) {
			if (w->vcpu[i].l2[e])
				w->stats.l2_large += w->vcpu[i].l2[e]->large_walks;
			free(w->vcpu[i].l2[e]);
		}
	}
}

/* L1's GFN of what @cpu has logged as @l2, if it may be recorded by the log. */
static gfn_t logged_as(struct fake_cpu *cpu, gfn_t l2)
{
	u64 *table = leaf_table_of(cpu->root, l2);
	u64 *sptep = table ? &table[index_at(l2, 1)] : NULL;

	return sptep && spte_is_dirty_ad(*sptep) ? rmap_gfn(sptep) : GFN_NONE;
}

static void drain_cpu(struct world *w, struct vcpu *v, struct fake_cpu *cpu)
{
	unsigned int i, n = cpu->nr_logged;

	if (!n)
		return;
	/* The log of another root than the one in use would be taken for this one's. */
	if (!v->shadow.shadow || cpu->root != v->shadow.shadow->root)
		world_fail(w, 13, "a log of L2's is left for another shadow");
	if (shadow_drain(&v->shadow, cpu->log, cpu->index, world_slots(w)) != n)
		world_fail(w, 6, "a log of L2's has not %u entries", n);
	for (i = 0; i < n; i++) {
		gfn_t gfn = logged_as(cpu, cpu->logged[i]);
		struct oslot *os = gfn == GFN_NONE ? NULL : oracle_slot(w, gfn);

		if (!os || !slot_is_logged(os->slot))
			continue;
		if (!test_bit(gfn - os->slot->base, os->slot->dirty.word))
			world_fail(w, 13, "gfn %#llx was logged for L2, its bit is not set", gfn);
		oracle_touch(w, os, gfn - os->slot->base);
	}
	w->stats.l2_logged += n;
	cpu_log_reset(cpu);
}

void l2_drain(struct world *w, struct vcpu *v)
{
	unsigned int e;

	for (e = 0; e < NR_EPTS; e++)
		if (v->l2[e])
			drain_cpu(w, v, v->l2[e]);
}

void l2_update_pml(struct world *w, struct vcpu *v)
{
	unsigned int e;

	for (e = 0; e < NR_EPTS; e++)
		if (v->l2[e])
			v->l2[e]->pml_on = w->mmu.logs_l2 && v->cpu.pml_on;
}

void l2_flush(struct world *w, struct vcpu *v)
{
	unsigned int e;

	for (e = 0; e < NR_EPTS; e++)
		if (v->l2[e])
			cpu_flush(v->l2[e]);
}
