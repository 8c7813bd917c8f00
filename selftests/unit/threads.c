// SPDX-License-Identifier: GPL-2.0
/*
 * Two vCPUs, each of which runs an L2 now and then, a harvester, a tracker and an
 * invalidator on real threads with the real locks, under ThreadSanitizer.  Guest
 * memory is a counter a page: at the end no increment may be lost, neither to a
 * page that the host took away nor from what the harvester copied; and after each
 * harvest by bitmap the copy holds what memory held when the harvest began.
 */
#include <getopt.h>
#include <sched.h>
#include <time.h>

#include "fake_cpu.h"
#include "fake_host.h"
#include "flat.h"
#include "mmu/shadow.h"
#include "tap.h"

#define NR_VCPUS     2
#define NPAGES	     200
#define BASE	     0x1c7
#define L2_BASE	     0x7000 /* where L2 has page 0; it has them in another order */
#define EPTP	     0x123000ull
#define RING_ENTRIES 1024
#define ENOUGH	     1000 /* writes, for a run to prove anything */
#define PATIENCE     30	  /* seconds to wait for them */

enum { OUTSIDE, IN_BURST };
enum tracker { BITMAP, RING, VIEW, NR_TRACKERS };
#define VIEW_ID 3

struct vcpu {
	struct fake_cpu cpu;
	struct fake_cpu l2; /* the same CPU in L2 */
	struct shadow_vcpu shadow;
	struct ring ring;
	struct table_cache tables;
	u64 random;
	u64 seen_gen;
	int mode;
	u32 exits;
	bool kick;
	u32 fetch;
	u32 writes[NPAGES];
	u64 total; /* of writes */
	u64 l2_writes;
	u64 restored;
	pthread_t thread;
};

static const char *const mode_names[] = { "pml", "d-scan", "wrprot", "soft" };

static struct mmu mmu;
static struct host host;
static struct slots *slots;
static struct slot *slot;
static pthread_mutex_t slots_lock = PTHREAD_MUTEX_INITIALIZER;
static struct vcpu vcpus[NR_VCPUS];
static bool has_ring, stop;
static u64 tlb_gen;
static unsigned int mode, seconds = 3;
static u32 memory[HOST_FRAMES]; /* what stands in each host page */
static u32 copies[NR_TRACKERS][NPAGES];

static u64 rnd(u64 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static bool stopped(void)
{
	return __atomic_load_n(&stop, __ATOMIC_RELAXED);
}

/* Before a write that races matter to: now and then the others have their turn just there. */
static void race_hook(void)
{
	static __thread unsigned int n;

	if (++n % 256 == 0)
		sched_yield();
}

/* Every vCPU that is in the guest leaves it, and has read its log. */
static void kick_all(void)
{
	unsigned int i;

	for (i = 0; i < NR_VCPUS; i++) {
		struct vcpu *v = &vcpus[i];
		u32 exits = __atomic_load_n(&v->exits, __ATOMIC_SEQ_CST);

		__atomic_store_n(&v->kick, true, __ATOMIC_SEQ_CST);
		while (__atomic_load_n(&v->mode, __ATOMIC_SEQ_CST) != OUTSIDE &&
		       __atomic_load_n(&v->exits, __ATOMIC_SEQ_CST) == exits)
			sched_yield();
	}
}

static void discharge(struct tlb_batch *batch)
{
	if (batch->flush) {
		__atomic_add_fetch(&tlb_gen, 1, __ATOMIC_SEQ_CST);
		kick_all();
	}
	ept_free_dead(batch);
}

static void vcpu_enter(struct vcpu *v)
{
	u64 gen;

	__atomic_store_n(&v->mode, IN_BURST, __ATOMIC_SEQ_CST);
	__atomic_store_n(&v->kick, false, __ATOMIC_SEQ_CST);
	/* After the store of the mode: who did not see it has raised the generation before. */
	gen = __atomic_load_n(&tlb_gen, __ATOMIC_SEQ_CST);
	if (gen != v->seen_gen) {
		cpu_flush(&v->cpu);
		cpu_flush(&v->l2);
	}
	v->seen_gen = gen;
}

static void vcpu_leave(struct vcpu *v)
{
	__atomic_add_fetch(&v->exits, 1, __ATOMIC_SEQ_CST);
	__atomic_store_n(&v->mode, OUTSIDE, __ATOMIC_SEQ_CST);
}

static bool vcpu_is_full(const struct vcpu *v)
{
	return has_ring && ring_is_soft_full(&v->ring);
}

/* A VM exit, still in the burst.  True: the guest may go on. */
static bool vcpu_exit(struct vcpu *v, enum cpu_result why, struct shadow_fault *fault)
{
	struct ring *ring = has_ring ? &v->ring : NULL;
	bool restored;

	pml_drain(v->cpu.log, v->cpu.index, slots, ring);
	cpu_log_reset(&v->cpu);
	if (why != CPU_VIOLATION)
		return false;
	restored = fault->l2 ? shadow_restore(&v->shadow, slots, fault) :
			       mmu_restore(&mmu, slots, &fault->l1, ring);
	if (!restored)
		return false;
	v->restored++;
	return !vcpu_is_full(v);
}

static struct shadow_fault pick_access(struct vcpu *v)
{
	u64 page = rnd(&v->random) % NPAGES;
	struct shadow_fault fault = {
		.l1.gpa = (BASE + page) << PAGE_SHIFT,
		.l1.write = rnd(&v->random) % 4,
		.rights = EPT_RWX,
		.level = 1,
	};

	if (rnd(&v->random) % 3 == 0)
		fault.l2 = (L2_BASE + page * 3 % NPAGES) << PAGE_SHIFT;
	return fault;
}

/* In the guest until a fault or a kick.  True: @fault is to be resolved. */
static bool vcpu_run(struct vcpu *v, struct shadow_fault *fault)
{
	enum cpu_result result = CPU_DONE;
	unsigned int n;
	hfn_t hfn;

	vcpu_enter(v);
	for (n = 0; n < 200 && !__atomic_load_n(&v->kick, __ATOMIC_RELAXED); n++) {
		u64 rel;
		bool write;

		*fault = pick_access(v);
		rel = (fault->l1.gpa >> PAGE_SHIFT) - BASE;
		write = fault->l1.write;
		result = cpu_access(fault->l2 ? &v->l2 : &v->cpu,
				    (fault->l2 ?: fault->l1.gpa) >> PAGE_SHIFT,
				    write ? CPU_WRITE : CPU_READ, &hfn);
		if (result != CPU_DONE) {
			if (!vcpu_exit(v, result, fault))
				break;
			result = CPU_DONE;
			continue;
		}
		host_guest_access(hfn, write);
		if (!write)
			continue;
		__atomic_add_fetch(&memory[hfn - HOST_FIRST_HFN], 1, __ATOMIC_RELAXED);
		v->writes[rel]++;
		v->l2_writes += !!fault->l2;
		WRITE_ONCE(v->total, v->total + 1);
	}
	if (result == CPU_DONE)
		vcpu_exit(v, result, fault);
	vcpu_leave(v);
	return result != CPU_DONE && result != CPU_PML_FULL;
}

static int resolve(struct vcpu *v, struct shadow_fault *fault)
{
	struct tlb_batch batch = TLB_BATCH_INIT;
	int ret;

	if (!fault->l2)
		return mmu_fault(&mmu, slots, &fault->l1, &v->tables, has_ring ? &v->ring : NULL);
	ret = shadow_fault(&v->shadow, slots, fault, &batch);
	discharge(&batch);
	return ret;
}

static void *vcpu_thread(void *arg)
{
	struct vcpu *v = arg;
	struct shadow_fault fault;
	int ret;

	while (!stopped()) {
		if (vcpu_is_full(v)) {
			sched_yield();
			continue;
		}
		if (!vcpu_run(v, &fault)) {
			/* Few CPUs, many threads: who kicked has something to do. */
			sched_yield();
			continue;
		}
		ret = resolve(v, &fault);
		if (ret)
			env_die("a fault gives %d", ret);
	}
	return NULL;
}

static u32 read_page(u64 rel)
{
	u32 value;

	host_lock();
	value = __atomic_load_n(&memory[fake_host.pte[rel].hfn - HOST_FIRST_HFN], __ATOMIC_RELAXED);
	host_unlock();
	return value;
}

static void copy_pages(enum tracker tracker, const unsigned long *words)
{
	u64 rel;

	for (rel = 0; rel < NPAGES; rel++)
		if (test_bit(rel, words))
			copies[tracker][rel] = read_page(rel);
}

/* What a vCPU does in a burst is over or has not begun, where that matters to a harvest. */
static void drain_writes(void)
{
	if (!mmu_scans_d(&mmu))
		kick_all();
}

static void harvest_bitmap(bool manual)
{
	unsigned long words[BITS_TO_LONGS(NPAGES)];
	struct tlb_batch batch = TLB_BATCH_INIT;
	u32 before[NPAGES];
	unsigned int i;

	for (i = 0; i < NPAGES; i++)
		before[i] = read_page(i);
	drain_writes();
	if (manual) {
		dirty_peek(&mmu, slot);
		flat_shown(slot, words);
		dirty_clear(&mmu, slot, 0, NPAGES, words, &batch);
	} else {
		flat_get(&mmu, slot, words, &batch);
	}
	discharge(&batch);
	copy_pages(BITMAP, words);
	for (i = 0; i < NPAGES; i++)
		if (copies[BITMAP][i] < before[i])
			env_die("invariant 1: page %u had %u writes, the harvest has %u", i,
				before[i], copies[BITMAP][i]);
}

static void harvest_rings(void)
{
	unsigned long words[BITS_TO_LONGS(NPAGES)] = {};
	struct tlb_batch batch = TLB_BATCH_INIT;
	unsigned int i;
	u32 n = 0;

	for (i = 0; i < NR_VCPUS; i++) {
		struct vcpu *v = &vcpus[i];

		for (;; v->fetch++, n++) {
			struct kvm_dirty_gfn *entry = &v->ring.entries[v->fetch % RING_ENTRIES];

			if (smp_load_acquire(&entry->flags) != KVM_DIRTY_GFN_F_DIRTY)
				break;
			if (entry->slot != slot->id || entry->offset >= NPAGES)
				env_die("ring entry %u:%llu", entry->slot, entry->offset);
			__set_bit(entry->offset, words);
			smp_store_release(&entry->flags, KVM_DIRTY_GFN_F_RESET);
		}
	}
	for (i = 0; i < NR_VCPUS; i++)
		n -= dirty_reset(&mmu, slots, &vcpus[i].ring, &batch);
	if (n)
		env_die("%d harvested entries were not given back", n);
	discharge(&batch);
	copy_pages(RING, words);
}

static void *harvester_thread(void *arg)
{
	unsigned int turn;

	for (turn = 0; !stopped(); turn++) {
		pthread_mutex_lock(&slots_lock);
		harvest_bitmap(turn % 2);
		if (has_ring)
			harvest_rings();
		pthread_mutex_unlock(&slots_lock);
	}
	return NULL;
}

/* A consumer of its own: takes, and copies or fails to copy, without the lock. */
static void take_view(bool copy)
{
	const struct word_range all = { 0, slot_bitmap_words(slot) };
	unsigned long words[BITS_TO_LONGS(NPAGES)];
	struct tlb_batch batch = TLB_BATCH_INIT;

	pthread_mutex_lock(&slots_lock);
	drain_writes();
	dirty_share(&mmu, slot, all, &batch);
	discharge(&batch);
	view_take(slot, VIEW_ID, all);
	flat_words(&slot->views->of[VIEW_ID].held, all, words);
	pthread_mutex_unlock(&slots_lock);
	if (copy)
		copy_pages(VIEW, words);
	pthread_mutex_lock(&slots_lock);
	view_settle(slot, VIEW_ID, all, NULL, !copy);
	pthread_mutex_unlock(&slots_lock);
}

static void *tracker_thread(void *arg)
{
	unsigned int turn;

	for (turn = 0; !stopped(); turn++) {
		take_view(turn % 3);
		sched_yield();
	}
	return NULL;
}

/* Pages move: their content is copied once nobody can write it any more. */
static void move_pages(unsigned int index, unsigned int n)
{
	unsigned int end = index + n;
	u32 content;

	host_notify_begin(index, n);
	for (; index < end; index++) {
		content = read_page(index);
		host_lock();
		host_replace(index);
		__atomic_store_n(&memory[fake_host.pte[index].hfn - HOST_FIRST_HFN], content,
				 __ATOMIC_RELAXED);
		host_unlock();
	}
	host_notify_end(end - n, n);
}

/* L1 invalidates its EPT. */
static void invept(void)
{
	struct tlb_batch batch = TLB_BATCH_INIT;

	shadow_invept(&mmu, EPTP, &batch);
	discharge(&batch);
}

static void *invalidator_thread(void *arg)
{
	u64 random = 0x1234567;

	while (!stopped()) {
		unsigned int index = rnd(&random) % NPAGES;

		/* Now and then all of them, so that their tables go too. */
		if (rnd(&random) % 16)
			move_pages(index, 1);
		else
			move_pages(0, NPAGES);
		host_notify_young(index, 10, true);
		if (rnd(&random) % 16 == 0)
			invept();
		sched_yield();
	}
	return NULL;
}

static void host_discharge(struct host *h, struct tlb_batch *batch)
{
	discharge(batch);
}

static void setup(void)
{
	const struct kvm_userspace_memory_region region = {
		.flags = KVM_MEM_LOG_DIRTY_PAGES,
		.guest_phys_addr = BASE << PAGE_SHIFT,
		.memory_size = NPAGES << PAGE_SHIFT,
		.userspace_addr = HOST_BASE,
	};
	struct tlb_batch batch = TLB_BATCH_INIT;
	unsigned int i;

	env_race_hook = race_hook;
	fake_host_reset();
	memset(&mmu, 0, sizeof(mmu));
	memset(vcpus, 0, sizeof(vcpus));
	memset(memory, 0, sizeof(memory));
	memset(copies, 0, sizeof(copies));
	stop = false;
	has_ring = mode != 1;
	rwlock_init(&mmu.lock);
	mmu.caps = (struct mmu_caps){ .ad = mode != 3, .pml = mode == 0 };
	mmu.kind = mmu_choose_kind(mmu.caps, has_ring);
	slot = slot_alloc(&region);
	if (pageset_init(&slot->dirty, NPAGES, false) || view_add(slot, VIEW_ID, true) ||
	    ept_init(&mmu) || host_init(&host, &mmu, host_discharge))
		env_die("no memory");
	slots = slots_change(host.slots, NULL, slot);
	kvfree(host_publish(&host, slots));
	for (i = 0; i < NR_VCPUS; i++) {
		cpu_init(&vcpus[i].cpu, &mmu);
		vcpus[i].cpu.pml_on = mmu.caps.pml;
		vcpus[i].random = 88172645463325252ull + i;
		if (has_ring && ring_init(&vcpus[i].ring, RING_ENTRIES))
			env_die("no memory");
		shadow_vcpu_init(&vcpus[i].shadow, &mmu, &vcpus[i].tables,
				 has_ring ? &vcpus[i].ring : NULL);
		if (shadow_use(&vcpus[i].shadow, EPTP, &batch))
			env_die("no memory");
		discharge(&batch);
		cpu_init(&vcpus[i].l2, &mmu);
		vcpus[i].l2.root = vcpus[i].shadow.shadow->root;
	}
}

static u64 check_memory(void)
{
	u64 rel, total = 0;
	unsigned int i;

	for (rel = 0; rel < NPAGES; rel++) {
		u32 expected = 0;

		for (i = 0; i < NR_VCPUS; i++)
			expected += vcpus[i].writes[rel];
		total += expected;
		CHECK_MSG(read_page(rel) == expected, "invariant 10: page %llu has %u of %u writes",
			  rel, read_page(rel), expected);
		CHECK_MSG(copies[BITMAP][rel] == expected, "invariant 1: bitmap, page %llu", rel);
		CHECK_MSG(copies[VIEW][rel] == expected, "invariant 1: tracker, page %llu", rel);
		if (has_ring)
			CHECK_MSG(copies[RING][rel] == expected, "invariant 1: ring, page %llu",
				  rel);
	}
	return total;
}

static void teardown(void)
{
	unsigned int i;

	host_exit(&host);
	for (i = 0; i < NR_VCPUS; i++)
		shadow_vcpu_exit(&vcpus[i].shadow);
	ept_destroy(&mmu);
	for (i = 0; i < NR_VCPUS; i++) {
		CHECK(!vcpus[i].ring.lost);
		table_cache_drain(&vcpus[i].tables);
		if (has_ring)
			ring_destroy(&vcpus[i].ring);
	}
	CHECK(host_no_refs());
	CHECK(host_lost_dirt() < 0);
	CHECK_EQ(atomic_long_read(&mmu.nr_tables), 0);
	CHECK_EQ(mmu_mapped(&mmu), 0);
}

/* The time that was asked for, and longer on a machine that has other things to do. */
static void let_them_run(void)
{
	struct timespec pause = { .tv_sec = seconds };
	unsigned int i;

	for (i = 0; i < PATIENCE; i++) {
		nanosleep(&pause, NULL);
		if (READ_ONCE(vcpus[0].total) + READ_ONCE(vcpus[1].total) >= ENOUGH)
			return;
		pause.tv_sec = 1;
	}
}

static void run_mode(void)
{
	pthread_t harvester, tracker, invalidator;
	unsigned int i;
	u64 total;

	setup();
	for (i = 0; i < NR_VCPUS; i++)
		if (pthread_create(&vcpus[i].thread, NULL, vcpu_thread, &vcpus[i]))
			env_die("no thread");
	if (pthread_create(&harvester, NULL, harvester_thread, NULL) ||
	    pthread_create(&tracker, NULL, tracker_thread, NULL) ||
	    pthread_create(&invalidator, NULL, invalidator_thread, NULL))
		env_die("no thread");
	let_them_run();
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < NR_VCPUS; i++)
		pthread_join(vcpus[i].thread, NULL);
	pthread_join(harvester, NULL);
	pthread_join(tracker, NULL);
	pthread_join(invalidator, NULL);

	harvest_bitmap(false);
	if (has_ring)
		harvest_rings();
	take_view(true);
	total = check_memory();
	printf("# %llu writes, %llu of L2s, %u and %u bursts, %llu, %llu restored, %llu flushes\n",
	       total, vcpus[0].l2_writes + vcpus[1].l2_writes, vcpus[0].exits, vcpus[1].exits,
	       vcpus[0].restored, vcpus[1].restored, tlb_gen);
	CHECK(total >= ENOUGH);
	CHECK(vcpus[0].l2_writes && vcpus[1].l2_writes);
	teardown();
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seconds", required_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt != 's') {
			fprintf(opt == 'h' ? stdout : stderr,
				"threads [--seconds N]\n  --seconds N  in each mode (3)\n");
			return opt == 'h' ? 0 : 2;
		}
		seconds = atoi(optarg);
	}
	for (mode = 0; mode < ARRAY_SIZE(mode_names); mode++)
		tap_run(mode_names[mode], run_mode);
	return tap_done();
}
