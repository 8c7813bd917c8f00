// SPDX-License-Identifier: GPL-2.0
/* Shadows of a guest hypervisor's EPT (invariant 13): roots, leaves, the reverse map, its hooks. */
#include "fixture.h"
#include "flat.h"
#include "mmu/shadow.h"

#define EPTP1  0x123000ull
#define EPTP2  0x456000ull
#define BASE   (8 * HOST_BLOCK) /* L1's memory: 2M aligned, as index 0 of the host is */
#define NPAGES 300
#define L2     0x7700000 /* where L2 has it; 2M aligned, too */
#define RWX    EPT_RWX

#define FOR_EACH_MODE(mode) for (enum fixture_mode mode = 0; mode < NR_FIX_MODES; mode++)

/* A VM whose vCPU runs an L2, too. */
struct nested {
	struct fixture f;
	struct slot *slot;
	struct shadow_vcpu v;
	struct fake_cpu cpu; /* in L2: translations by the shadow's root */
};

static struct nested n;

static void discharge(struct tlb_batch *batch)
{
	if (batch->flush)
		cpu_flush(&n.cpu);
	fixture_discharge(&n.f, batch);
}

static void notified(struct host *host, struct tlb_batch *batch)
{
	discharge(batch);
}

static void use(u64 eptp)
{
	struct tlb_batch batch = TLB_BATCH_INIT;

	CHECK_EQ(shadow_use(&n.v, eptp, fixture_slots(&n.f), &batch), 0);
	discharge(&batch);
	n.cpu.root = n.v.shadow->root;
}

static void begin_level(enum fixture_mode mode, u32 flags, int level)
{
	unsigned int i;

	fixture_init(&n.f, mode);
	n.f.host.discharge = notified;
	n.f.mmu.caps.level = level;
	for (i = 0; level > 1 && i < 2 * HOST_BLOCK; i += HOST_BLOCK)
		host_make_huge(i);
	n.slot = fixture_slot(&n.f, 1, BASE, level > 1 ? 2 * HOST_BLOCK : NPAGES, 0, flags);
	shadow_vcpu_init(&n.v, &n.f.mmu, &n.f.tables, &n.f.ring);
	cpu_init(&n.f.cpu, &n.f.mmu);
	cpu_init(&n.cpu, &n.f.mmu);
	use(EPTP1);
}

static void begin(enum fixture_mode mode, u32 flags)
{
	begin_level(mode, flags, 1);
}

static void end(void)
{
	shadow_vcpu_exit(&n.v);
	fixture_exit(&n.f);
}

/* What a walk of L1's tables gives. */
struct walked {
	gfn_t gfn;
	u8 rights;
	u8 level;
};

static struct shadow_fault fault_of(gfn_t l2, struct walked walked, enum cpu_access access)
{
	return (struct shadow_fault){
		.l2 = l2 << PAGE_SHIFT | 0x123,
		.l1.gpa = walked.gfn << PAGE_SHIFT | 0x123,
		.l1.write = access == CPU_WRITE,
		.l1.fetch = access == CPU_FETCH,
		.rights = walked.rights,
		.level = walked.level,
	};
}

static bool flushed; /* the last fault asked for it */

static int resolve(gfn_t l2, struct walked walked, enum cpu_access access)
{
	struct shadow_fault fault = fault_of(l2, walked, access);
	struct tlb_batch batch = TLB_BATCH_INIT;
	int ret = shadow_fault(&n.v, fixture_slots(&n.f), &fault, &batch);

	flushed = batch.flush;
	discharge(&batch);
	return ret;
}

static bool restore(gfn_t l2, enum cpu_access access)
{
	struct shadow_fault fault = fault_of(l2, (struct walked){}, access);

	return shadow_restore(&n.v, fixture_slots(&n.f), &fault);
}

/* An access of L2's, until it is done.  How many faults it took; -1: it is refused. */
static int touch(gfn_t l2, struct walked walked, enum cpu_access access)
{
	int faults;
	hfn_t hfn;

	for (faults = 0; faults < 8; faults++) {
		if (cpu_access(&n.cpu, l2, access, &hfn) == CPU_DONE) {
			CHECK_EQ(hfn, fake_host.pte[host_index(slot_hva(n.slot, walked.gfn))].hfn);
			host_guest_access(hfn, access == CPU_WRITE);
			return faults;
		}
		if (resolve(l2, walked, access) != FAULT_FIXED)
			return -1;
	}
	return -1;
}

static struct walked page(u64 rel)
{
	return (struct walked){ BASE + rel, RWX, 1 };
}

static u64 leaf(gfn_t l2)
{
	struct mmu shadow = { .root = n.v.shadow->root };

	return ept_get(&shadow, l2);
}

static long nr_leaves(void)
{
	return atomic_long_read(&n.f.mmu.shadows->nr_leaves);
}

/* GET: the pages that it tells of, one word. */
static u64 get(void)
{
	unsigned long words[BITS_TO_LONGS(2 * HOST_BLOCK)];
	struct tlb_batch batch = TLB_BATCH_INIT;

	flat_get(&n.f.mmu, n.slot, words, &batch);
	discharge(&batch);
	return words[0];
}

static void test_writes_are_recorded(void)
{
	FOR_EACH_MODE(mode)
	{
		begin(mode, KVM_MEM_LOG_DIRTY_PAGES);
		CHECK_EQ(touch(L2, page(5), CPU_READ), 1);
		CHECK(!(leaf(L2) & EPT_W));
		CHECK_EQ(get(), 0);
		CHECK_EQ(touch(L2, page(5), CPU_WRITE), 1);
		CHECK_EQ(touch(L2, page(5), CPU_WRITE), 0);
		CHECK_EQ(touch(L2 + 1, page(9), CPU_WRITE), 1);
		CHECK_EQ(get(), BIT(5) | BIT(9));
		CHECK_EQ(get(), 0);
		/* It was armed, and flushed: the next one faults, and needs L1's tables no more. */
		CHECK(restore(L2, CPU_WRITE));
		CHECK_EQ(touch(L2, page(5), CPU_WRITE), 0);
		CHECK_EQ(touch(L2 + 1, page(9), CPU_WRITE), 1);
		CHECK_EQ(get(), BIT(5) | BIT(9));
		if (n.f.ring.entries) {
			CHECK_EQ(n.f.ring.head, 4);
			CHECK_EQ(n.f.ring.entries[2].offset, 5);
			CHECK_EQ(n.f.ring.entries[3].offset, 9);
		}
		end();
	}
}

/* L1 has written the page, too, and all of it is harvested by ring. */
static void test_reset_arms(void)
{
	struct tlb_batch batch = TLB_BATCH_INIT;
	unsigned int i, rel;

	FOR_EACH_MODE(mode)
	{
		if (mode == FIX_SCAN)
			continue;
		begin(mode, KVM_MEM_LOG_DIRTY_PAGES);
		n.f.cpu.pml_on = n.f.mmu.caps.pml;
		for (rel = 0; rel < 6; rel++) {
			CHECK_EQ(touch(L2 + rel, page(rel), CPU_WRITE), 1);
			CHECK(rel % 2 || fixture_touch(&n.f, BASE + rel, CPU_WRITE));
		}
		fixture_drain(&n.f);
		for (i = n.f.ring.tail; i < n.f.ring.head; i++)
			n.f.ring.entries[i].flags = KVM_DIRTY_GFN_F_RESET;
		CHECK_EQ(dirty_reset(&n.f.mmu, fixture_slots(&n.f), &n.f.ring, &batch), 9);
		discharge(&batch);
		for (rel = 0; rel < 6; rel++) {
			CHECK(!(leaf(L2 + rel) & EPT_W));
			CHECK_EQ(touch(L2 + rel, page(rel), CPU_WRITE), 1);
		}
		CHECK_EQ(n.f.ring.head, 15);
		end();
	}
}

static void test_logging_begins(void)
{
	struct tlb_batch batch = TLB_BATCH_INIT;

	FOR_EACH_MODE(mode)
	{
		begin(mode, 0);
		/* Nobody logs it: one fault for all. */
		CHECK_EQ(touch(L2, page(3), CPU_READ), 1);
		CHECK_EQ(touch(L2, page(3), CPU_WRITE), 0);
		n.slot = fixture_relog(&n.f, n.slot, false);
		dirty_start(&n.f.mmu, n.slot, &batch);
		discharge(&batch);
		CHECK(!(leaf(L2) & EPT_W));
		CHECK_EQ(touch(L2, page(3), CPU_WRITE), 1);
		CHECK_EQ(get(), BIT(3));
		end();
	}
}

static void test_rights_are_l1s(void)
{
	struct walked walked = page(7);

	FOR_EACH_MODE(mode)
	{
		begin(mode, 0);
		/* Read-only, or not dirty yet. */
		walked.rights = EPT_R;
		CHECK_EQ(touch(L2, walked, CPU_READ), 1);
		CHECK_EQ(resolve(L2, walked, CPU_WRITE), -EINVAL);
		CHECK_EQ(resolve(L2, walked, CPU_FETCH), -EINVAL);
		CHECK(!restore(L2, CPU_WRITE));
		CHECK(!spte_may_restore_write(leaf(L2)));
		walked.rights = EPT_R | EPT_W;
		CHECK_EQ(touch(L2, walked, CPU_WRITE), 1);
		CHECK_EQ(resolve(L2, walked, CPU_FETCH), -EINVAL);
		/* L1 took W back, and has not invalidated yet: that may show or not. */
		walked.rights = EPT_R | EPT_X;
		CHECK_EQ(touch(L2, walked, CPU_FETCH), 1);
		CHECK_EQ(touch(L2, walked, CPU_WRITE), 0);
		CHECK_EQ(nr_leaves(), 1);
		/* Execute-only. */
		walked.rights = EPT_X;
		CHECK_EQ(resolve(L2 + 1, walked, CPU_FETCH), FAULT_FIXED);
		CHECK_EQ(leaf(L2 + 1) & RWX, EPT_X);
		CHECK_EQ(resolve(EPT_MAX_GFN + 1, walked, CPU_FETCH), -EINVAL);
		end();
	}
}

static void test_the_host_takes_the_page(void)
{
	FOR_EACH_MODE(mode)
	{
		begin(mode, 0);
		CHECK_EQ(touch(L2, page(4), CPU_WRITE), 1);
		CHECK_EQ(touch(L2 + 9, page(4), CPU_READ), 1);
		CHECK_EQ(touch(L2 + 1, page(5), CPU_READ), 1);
		host_notify_begin(4, 1);
		CHECK_EQ(leaf(L2) | leaf(L2 + 9), 0);
		CHECK(leaf(L2 + 1));
		CHECK_EQ(cpu_cached(&n.cpu, L2), 0);
		CHECK(host_is_dirty(fake_host.pte[4].hfn));
		/* Not while it is under way. */
		CHECK_EQ(resolve(L2, page(4), CPU_WRITE), FAULT_FIXED);
		CHECK_EQ(leaf(L2), 0);
		host_replace(4);
		host_notify_end(4, 1);
		CHECK_EQ(touch(L2, page(4), CPU_WRITE), 1);
		CHECK_EQ(nr_leaves(), 2);
		end();
	}
}

static void copied(unsigned int index, bool begin)
{
	if (begin)
		host_notify_begin(index, 1);
	else
		host_notify_end(index, 1);
}

/* After a fork the host's page can be read; a write gets another one. */
static void test_a_shared_page_is_copied(void)
{
	FOR_EACH_MODE(mode)
	{
		begin(mode, KVM_MEM_LOG_DIRTY_PAGES);
		fake_host.before_copy = copied;
		host_replace(6);
		fake_host.pte[6].writable = false;
		CHECK(touch(L2, page(6), CPU_READ) > 0);
		CHECK(!spte_may_restore_write(leaf(L2)));
		CHECK(touch(L2, page(6), CPU_WRITE) > 0);
		CHECK_EQ(get(), BIT(6));
		end();
	}
}

static void test_ageing(void)
{
	FOR_EACH_MODE(mode)
	{
		begin(mode, 0);
		CHECK_EQ(touch(L2, page(4), CPU_WRITE), 1);
		CHECK(host_notify_young(4, 1, false));
		CHECK(host_notify_young(4, 1, true));
		CHECK(!host_notify_young(4, 1, true));
		cpu_flush(&n.cpu);
		if (mode == FIX_SOFT)
			CHECK(restore(L2, CPU_READ));
		CHECK_EQ(touch(L2, page(4), CPU_READ), 0);
		CHECK(host_notify_young(0, NPAGES, false));
		end();
	}
}

static void test_no_memory_there(void)
{
	const struct walked nothing = { BASE - 1, RWX, 1 };

	FOR_EACH_MODE(mode)
	{
		begin(mode, KVM_MEM_READONLY);
		CHECK_EQ(resolve(L2, nothing, CPU_READ), FAULT_MMIO);
		CHECK_EQ(touch(L2, page(1), CPU_READ), 1);
		CHECK_EQ(resolve(L2, page(1), CPU_WRITE), FAULT_MMIO);
		CHECK(!restore(L2, CPU_WRITE));
		n.slot->dying = true;
		CHECK_EQ(resolve(L2 + 1, page(2), CPU_READ), FAULT_FIXED);
		CHECK(!restore(L2, CPU_READ));
		CHECK_EQ(nr_leaves(), 1);
		n.slot->dying = false;
		end();
	}
}

static void invept(u64 eptp)
{
	struct tlb_batch batch = TLB_BATCH_INIT;

	shadow_invept(&n.f.mmu, eptp, fixture_slots(&n.f), &batch);
	CHECK_EQ(batch.flush, nr_leaves() == 0 || batch.dead_tables);
	discharge(&batch);
}

static void test_invept(void)
{
	FOR_EACH_MODE(mode)
	{
		begin(mode, KVM_MEM_LOG_DIRTY_PAGES);
		CHECK_EQ(touch(L2, page(1), CPU_WRITE), 1);
		use(EPTP1 | EPTP_AD);
		CHECK_EQ(touch(L2, page(2), CPU_WRITE), 1);
		use(EPTP2);
		CHECK_EQ(touch(L2 + 0x1000000, page(1), CPU_WRITE), 1);
		CHECK_EQ(nr_leaves(), 3);
		/* Both of that address, whatever they say of A/D flags. */
		invept(EPTP1 | EPTP_MT_WB | EPTP_WALK_4);
		CHECK_EQ(nr_leaves(), 1);
		CHECK(leaf(L2 + 0x1000000));
		use(EPTP1);
		CHECK_EQ(leaf(L2), 0);
		CHECK_EQ(get(), BIT(1) | BIT(2));
		use(EPTP2);
		CHECK(!(leaf(L2 + 0x1000000) & EPT_W));
		invept(SHADOW_ALL);
		CHECK_EQ(nr_leaves(), 0);
		CHECK(host_is_dirty(fake_host.pte[1].hfn));
		end();
	}
}

static void test_roots_are_bounded(void)
{
	struct tlb_batch batch = TLB_BATCH_INIT;
	u64 *root;
	u64 i;

	begin(FIX_PML, 0);
	CHECK_EQ(shadow_use(&n.v, EPTP1 | EPTP_MT_WB, fixture_slots(&n.f), &batch), 0);
	CHECK(!batch.flush);
	root = n.v.shadow->root;
	for (i = 0; i < 3 * SHADOWS_KEPT; i++) {
		CHECK_EQ(shadow_use(&n.v, EPTP2 + (i << PAGE_SHIFT), fixture_slots(&n.f), &batch),
			 0);
		/* The CPU may know the page by what it was before. */
		CHECK(batch.flush);
		discharge(&batch);
		batch = TLB_BATCH_INIT;
		n.cpu.root = n.v.shadow->root;
		CHECK_EQ(touch(L2, page(i), CPU_WRITE), 1);
		CHECK_EQ(nr_leaves(), min(i + 1, (u64)SHADOWS_KEPT));
		CHECK_EQ(n.f.mmu.shadows->nr, min(i + 2, (u64)SHADOWS_KEPT));
		if (i == SHADOWS_KEPT / 2)
			CHECK(env_table_is_live(root));
	}
	CHECK(!env_table_is_live(root));
	/* One of the last is there as it was. */
	CHECK_EQ(shadow_use(&n.v, EPTP2 + ((i - 2) << PAGE_SHIFT), fixture_slots(&n.f), &batch), 0);
	CHECK(!batch.flush);
	CHECK(leaf(L2));
	end();
}

/* Many vCPUs, each with an EPT of its own: all have their shadow. */
static void test_roots_in_use_stay(void)
{
	static struct shadow_vcpu v[2 * SHADOWS_KEPT];
	struct tlb_batch batch = TLB_BATCH_INIT;
	unsigned int i;

	begin(FIX_PML, 0);
	for (i = 0; i < ARRAY_SIZE(v); i++) {
		shadow_vcpu_init(&v[i], &n.f.mmu, &n.f.tables, NULL);
		CHECK_EQ(shadow_use(&v[i], (u64)i << PAGE_SHIFT, fixture_slots(&n.f), &batch), 0);
	}
	CHECK_EQ(n.f.mmu.shadows->nr, ARRAY_SIZE(v) + 1);
	discharge(&batch);
	for (i = 0; i < ARRAY_SIZE(v); i++) {
		CHECK(env_table_is_live(v[i].shadow->root));
		shadow_vcpu_exit(&v[i]);
	}
	use(EPTP2);
	CHECK_EQ(n.f.mmu.shadows->nr, SHADOWS_KEPT);
	end();
}

static void test_a_chain_is_bounded(void)
{
	unsigned int i, there = 0;

	FOR_EACH_MODE(mode)
	{
		begin(mode, KVM_MEM_LOG_DIRTY_PAGES);
		for (i = 0; i < 5 * RMAP_CHAIN_MAX; i++) {
			CHECK_EQ(touch(L2 + i * 7, page(1), CPU_WRITE), 1);
			CHECK(nr_leaves() <= RMAP_CHAIN_MAX);
		}
		CHECK_EQ(touch(L2, page(2), CPU_WRITE), 1);
		CHECK_EQ(get(), BIT(1) | BIT(2));
		for (i = 0, there = 0; i < 5 * RMAP_CHAIN_MAX; i++) {
			CHECK(!(leaf(L2 + i * 7) & EPT_W));
			there += !!leaf(L2 + i * 7);
		}
		CHECK_EQ(there, nr_leaves());
		CHECK_EQ(touch(L2 + 7, page(1), CPU_WRITE), 1);
		CHECK_EQ(get(), BIT(1));
		end();
	}
}

/* L1 maps another page there, and a write faults before it invalidates. */
static void test_l1_changes_its_mind(void)
{
	struct walked walked = page(1);

	FOR_EACH_MODE(mode)
	{
		begin(mode, KVM_MEM_LOG_DIRTY_PAGES);
		CHECK_EQ(touch(L2, walked, CPU_READ), 1);
		CHECK(!flushed);
		CHECK_EQ(touch(L2, page(2), CPU_WRITE), 1);
		CHECK(flushed);
		CHECK_EQ(nr_leaves(), 1);
		CHECK_EQ(get(), BIT(2));
		CHECK_EQ(touch(L2, page(2), CPU_WRITE), 1);
		CHECK_EQ(get(), BIT(2));
		end();
	}
	/* Two GFNs of L1 with the same page of the host behind them. */
	begin(FIX_WRPROT, KVM_MEM_LOG_DIRTY_PAGES);
	n.slot = fixture_slot(&n.f, 2, 2 * BASE, NPAGES, 0, KVM_MEM_LOG_DIRTY_PAGES);
	walked.gfn = 2 * BASE + 2;
	CHECK_EQ(resolve(L2, page(2), CPU_READ), FAULT_FIXED);
	CHECK_EQ(touch(L2, walked, CPU_WRITE), 1);
	CHECK_EQ(get(), BIT(2));
	CHECK_EQ(touch(L2, walked, CPU_WRITE), 1);
	CHECK_EQ(get(), BIT(2));
	n.slot = slots_by_id(fixture_slots(&n.f), 1);
	CHECK_EQ(get(), 0);
	end();
}

static void test_large_leaves(void)
{
	const struct walked large = { BASE + 70, RWX, 2 }, small = { BASE + 70, RWX, 1 };
	struct tlb_batch batch = TLB_BATCH_INIT;

	FOR_EACH_MODE(mode)
	{
		begin_level(mode, 0, 2);
		CHECK_EQ(touch(L2 + 70, large, CPU_WRITE), 1);
		CHECK(leaf(L2 + 70) & EPT_PS);
		CHECK_EQ(touch(L2 + 71, (struct walked){ BASE + 71, RWX, 2 }, CPU_WRITE), 0);
		CHECK_EQ(nr_leaves(), 1);
		/* L1 has small ones there now. */
		CHECK_EQ(resolve(L2 + 70, small, CPU_WRITE), FAULT_FIXED);
		CHECK_EQ(touch(L2 + 70, small, CPU_WRITE), 0);
		CHECK(!(leaf(L2 + 70) & EPT_PS));
		CHECK_EQ(touch(L2 + 72, (struct walked){ BASE + 72, RWX, 2 }, CPU_WRITE), 1);
		/* Part of the 2M goes, and all that was made of it. */
		CHECK_EQ(touch(L2 + 512 + 70, large, CPU_READ), 1);
		CHECK_EQ(nr_leaves(), 3);
		host_notify_begin(3, 1);
		CHECK_EQ(nr_leaves(), 0);
		host_notify_end(3, 1);
		/* Logging begins. */
		CHECK_EQ(touch(L2 + 512 + 70, large, CPU_WRITE), 1);
		CHECK(leaf(L2 + 512) & EPT_PS);
		CHECK(host_notify_young(400, 1, true));
		n.slot = fixture_relog(&n.f, n.slot, false);
		dirty_start(&n.f.mmu, n.slot, &batch);
		discharge(&batch);
		CHECK_EQ(touch(L2 + 512 + 2, (struct walked){ BASE + 2, RWX, 2 }, CPU_WRITE), 1);
		CHECK(!(leaf(L2 + 512 + 2) & EPT_PS));
		CHECK_EQ(get(), BIT(2));
		end();
	}
}

/* All begins dirty: the large leaf stays until a page of it is cleared. */
static void test_initially_set(void)
{
	struct tlb_batch batch = TLB_BATCH_INIT;
	unsigned long mask = BIT(2);

	FOR_EACH_MODE(mode)
	{
		begin_level(mode, 0, 2);
		CHECK_EQ(touch(L2, (struct walked){ BASE, RWX, 2 }, CPU_WRITE), 1);
		n.slot = fixture_relog(&n.f, n.slot, true);
		CHECK_EQ(touch(L2 + 1, (struct walked){ BASE + 1, RWX, 2 }, CPU_WRITE), 0);
		dirty_clear(&n.f.mmu, n.slot, 0, 64, &mask, &batch);
		discharge(&batch);
		CHECK_EQ(n.slot->dirty.word[0], ~mask);
		CHECK_EQ(touch(L2 + 2, (struct walked){ BASE + 2, RWX, 2 }, CPU_WRITE), 1);
		CHECK_EQ(n.slot->dirty.word[0], ~0ul);
		end();
	}
}

static void test_memory_is_short(void)
{
	struct tlb_batch batch = TLB_BATCH_INIT;
	const struct shadow *had;
	unsigned int fail_at;
	int ret;

	begin(FIX_SOFT, KVM_MEM_LOG_DIRTY_PAGES);
	for (fail_at = 1, ret = -ENOMEM; ret; fail_at++) {
		env_fail_at(fail_at);
		ret = resolve(L2, page(1), CPU_WRITE);
		CHECK(!ret || ret == -ENOMEM);
	}
	CHECK(fail_at > 4);
	had = n.v.shadow;
	for (fail_at = 1, ret = -ENOMEM; ret; fail_at++) {
		env_fail_at(fail_at);
		ret = shadow_use(&n.v, EPTP2, fixture_slots(&n.f), &batch);
		CHECK(!ret || (ret == -ENOMEM && n.v.shadow == had && had->users == 1));
	}
	CHECK(n.v.shadow != had && !had->users);
	env_fail_at(0);
	discharge(&batch);
	use(EPTP1);
	CHECK_EQ(touch(L2, page(1), CPU_WRITE), 0);
	CHECK_EQ(get(), BIT(1));
	end();
}

static void test_tables_are_bounded(void)
{
	const long many = 8192;

	begin(FIX_PML, 0);
	CHECK_EQ(touch(L2, page(1), CPU_WRITE), 1);
	atomic_long_add(many, &n.f.mmu.shadows->nr_tables);
	CHECK_EQ(touch(L2 + 0x1000000, page(2), CPU_WRITE), 1);
	atomic_long_sub(many, &n.f.mmu.shadows->nr_tables);
	CHECK_EQ(nr_leaves(), 1);
	CHECK_EQ(leaf(L2), 0);
	end();
}

static void test_shrinker(void)
{
	FOR_EACH_MODE(mode)
	{
		begin(mode, KVM_MEM_LOG_DIRTY_PAGES);
		CHECK_EQ(touch(L2, page(1), CPU_WRITE), 1);
		CHECK_EQ(touch(L2 + 0x1000000, page(1), CPU_WRITE), 1);
		CHECK(atomic_long_read(&n.f.mmu.shadows->nr_tables) > 8);
		host_shrink(&n.f.host, 100);
		CHECK_EQ(nr_leaves(), 0);
		CHECK_EQ(atomic_long_read(&n.f.mmu.shadows->nr_tables), 0);
		CHECK_EQ(atomic_long_read(&n.f.mmu.nr_tables), 0);
		CHECK_EQ(touch(L2, page(1), CPU_WRITE), 1);
		CHECK_EQ(get(), BIT(1));
		end();
	}
}

/* The VM's own EPT has what L2 touched, ready for L1, and as if nobody had. */
static void test_what_is_lent(void)
{
	FOR_EACH_MODE(mode)
	{
		begin(mode, KVM_MEM_LOG_DIRTY_PAGES);
		CHECK_EQ(touch(L2, page(1), CPU_WRITE), 1);
		CHECK_EQ(get(), BIT(1));
		CHECK(spte_maps_page(ept_get(&n.f.mmu, BASE + 1)));
		CHECK(!spte_is_young(ept_get(&n.f.mmu, BASE + 1)));
		CHECK(fixture_touch(&n.f, BASE + 1, CPU_WRITE));
		fixture_drain(&n.f);
		if (mode != FIX_PML)
			CHECK_EQ(get(), BIT(1));
		end();
	}
}

int main(void)
{
	tap_run("each write of L2 is recorded, as L1's page", test_writes_are_recorded);
	tap_run("RESET arms what L2 wrote", test_reset_arms);
	tap_run("logging begins while L2 runs", test_logging_begins);
	tap_run("no access that L1 does not allow", test_rights_are_l1s);
	tap_run("the host takes a page away", test_the_host_takes_the_page);
	tap_run("a page that is shared is copied", test_a_shared_page_is_copied);
	tap_run("ageing", test_ageing);
	tap_run("where no memory is, or none to write", test_no_memory_there);
	tap_run("INVEPT", test_invept);
	tap_run("roots are bounded", test_roots_are_bounded);
	tap_run("roots that vCPUs use stay", test_roots_in_use_stay);
	tap_run("leaves of one page are bounded", test_a_chain_is_bounded);
	tap_run("L1 maps something else", test_l1_changes_its_mind);
	tap_run("large leaves", test_large_leaves);
	tap_run("large leaves of what begins dirty", test_initially_set);
	tap_run("memory is short", test_memory_is_short);
	tap_run("tables are bounded", test_tables_are_bounded);
	tap_run("the shrinker takes all", test_shrinker);
	tap_run("what the VM's own EPT lends", test_what_is_lent);
	return tap_done();
}
