// SPDX-License-Identifier: GPL-2.0
/*
 * Two vCPUs, each of which runs an L2 now and then, a harvester, a tracker and an
 * invalidator on real threads with the real locks, under ThreadSanitizer, over the
 * memory of threads.h.  At the end no increment may be lost, neither to a page that
 * the host took away nor from what the harvester copied; and after each harvest by
 * bitmap the copy holds what memory held when the harvest began.
 */
#include <getopt.h>
#include <time.h>

#include "threads.h"

/* For a run to prove anything; and how many seconds to wait for it. */
#define ENOUGH_WRITES 1000
#define ENOUGH_SPLITS 5
#define PATIENCE      30

static const struct mode {
	const char *name;
	bool ring;
	struct mmu_caps caps;
} modes[] = {
	{ "pml", true, { .ad = true, .pml = true } },
	{ "d-scan", false, { .ad = true } },
	{ "wrprot", true, { .ad = true } },
	{ "soft", true, {} },
	{ "nested_pml", false, { .ad = true, .pml = true, .l2_pml = true } },
};

struct threads threads;
static const struct mode *mode;
static unsigned int seconds = 3;
static u64 seed = 1;

u32 threads_read(unsigned int index)
{
	u32 value;

	host_lock();
	value = __atomic_load_n(&threads.memory[fake_host.pte[index].hfn - HOST_FIRST_HFN],
				__ATOMIC_RELAXED);
	host_unlock();
	return value;
}

/* Before a write that races matter to: now and then the others have their turn just there. */
static void race_hook(void)
{
	static __thread unsigned int n;

	if (++n % 256 == 0)
		sched_yield();
}

static void host_discharge(struct host *h, struct tlb_batch *batch)
{
	threads_discharge(batch);
}

static void setup_vcpu(struct vcpu *v, unsigned int i)
{
	struct tlb_batch batch = TLB_BATCH_INIT;

	cpu_init(&v->cpu, &threads.mmu);
	v->cpu.pml_on = threads.mmu.caps.pml;
	v->random = seed * 0x9e3779b97f4a7c15ull + i + 1;
	if (threads.has_ring && ring_init(&v->ring, RING_ENTRIES))
		env_die("no memory");
	shadow_vcpu_init(&v->shadow, &threads.mmu, &v->tables, threads.has_ring ? &v->ring : NULL);
	if (shadow_use(&v->shadow, EPTP, NULL, &batch))
		env_die("no memory");
	threads_discharge(&batch);
	cpu_init(&v->l2, &threads.mmu);
	v->l2.pml_on = threads.mmu.logs_l2;
	v->l2.root = v->shadow.shadow->root;
}

static void setup(void)
{
	const struct kvm_userspace_memory_region region = {
		.flags = KVM_MEM_LOG_DIRTY_PAGES,
		.guest_phys_addr = BASE << PAGE_SHIFT,
		.memory_size = NPAGES << PAGE_SHIFT,
		.userspace_addr = HOST_BASE,
	};
	struct mmu *mmu = &threads.mmu;
	unsigned int i;

	env_race_hook = race_hook;
	fake_host_reset();
	fake_host.threads = true;
	for (i = 0; i < NBIG; i += HOST_BLOCK)
		host_make_huge(BIG_INDEX + i);
	memset(&threads, 0, sizeof(threads));
	threads.seed = seed * 0x1234567 + 1;
	threads.has_ring = mode->ring;
	pthread_mutex_init(&threads.slots_lock, NULL);
	rwlock_init(&mmu->lock);
	mmu->caps = mode->caps;
	mmu->caps.level = 2;
	mmu->kind = mmu_choose_kind(mmu->caps, threads.has_ring);
	mmu->logs_l2 = mmu_choose_logs_l2(mmu->caps, threads.has_ring);
	threads.slot = slot_alloc(&region);
	if (pageset_init(&threads.slot->dirty, NPAGES, false) ||
	    view_add(threads.slot, VIEW_ID, true) || ept_init(mmu) ||
	    host_init(&threads.host, mmu, host_discharge))
		env_die("no memory");
	kvfree(host_publish(&threads.host, slots_change(threads.host.slots, NULL, threads.slot)));
	toggle_big();
	for (i = 0; i < NR_VCPUS; i++)
		setup_vcpu(&threads.vcpu[i], i);
}

static void check_page(unsigned int index, bool logged, bool viewed)
{
	u32 expected = threads.vcpu[0].writes[index] + threads.vcpu[1].writes[index];

	CHECK_MSG(threads_read(index) == expected, "invariant 10: page %u has %u of %u writes",
		  index, threads_read(index), expected);
	if (logged)
		CHECK_MSG(threads.copy[BITMAP][index] == expected, "invariant 1: bitmap, page %u",
			  index);
	if (logged && threads.has_ring)
		CHECK_MSG(threads.copy[RING][index] == expected, "invariant 1: ring, page %u",
			  index);
	if (viewed)
		CHECK_MSG(threads.copy[VIEW][index] == expected, "invariant 1: tracker, page %u",
			  index);
}

static void check_memory(void)
{
	unsigned int i;

	for (i = 0; i < NPAGES; i++)
		check_page(i, true, true);
	for (i = BIG_INDEX; i < BIG_INDEX + NBIG; i++)
		check_page(i, slot_is_logged(threads.big), false);
}

static void teardown(void)
{
	unsigned int i;

	host_exit(&threads.host);
	for (i = 0; i < NR_VCPUS; i++)
		shadow_vcpu_exit(&threads.vcpu[i].shadow);
	ept_destroy(&threads.mmu);
	for (i = 0; i < NR_VCPUS; i++) {
		CHECK(!threads.vcpu[i].ring.lost);
		table_cache_drain(&threads.vcpu[i].tables);
		if (threads.has_ring)
			ring_destroy(&threads.vcpu[i].ring);
	}
	CHECK(host_no_refs());
	CHECK(host_lost_dirt() < 0);
	CHECK_EQ(atomic_long_read(&threads.mmu.nr_tables), 0);
	CHECK_EQ(mmu_mapped(&threads.mmu), 0);
}

static u64 writes(void)
{
	return READ_ONCE(threads.vcpu[0].total) + READ_ONCE(threads.vcpu[1].total);
}

static bool enough(void)
{
	return writes() >= ENOUGH_WRITES &&
	       atomic_long_read(&threads.mmu.nr_splits) >= ENOUGH_SPLITS;
}

/* The time that was asked for, and longer on a machine that has other things to do. */
static void let_them_run(void)
{
	struct timespec pause = { .tv_sec = seconds };
	unsigned int i;

	for (i = 0; i < PATIENCE; i++) {
		nanosleep(&pause, NULL);
		if (enough())
			return;
		pause.tv_sec = 1;
	}
}

/* A run that never came to the point proves nothing. */
static void check_stats(void)
{
	const struct vcpu *v = threads.vcpu;
	u64 large = v[0].cpu.large_walks + v[1].cpu.large_walks;
	u64 l2_large = v[0].l2.large_walks + v[1].l2.large_walks;
	long splits = atomic_long_read(&threads.mmu.nr_splits);

	printf("# %llu writes, %llu of L2s, %llu logged for them, %u and %u bursts, "
	       "%llu, %llu restored, %llu flushes\n",
	       writes(), v[0].l2_writes + v[1].l2_writes, v[0].l2_logged + v[1].l2_logged,
	       v[0].exits, v[1].exits, v[0].restored, v[1].restored, threads.tlb_gen);
	printf("# %llu walks to large leaves, %llu of L2s, %ld split, logged %llu times, "
	       "%llu steps of collapse, %llu tables shrunk\n",
	       large, l2_large, splits, threads.logged_times, threads.collapses, threads.shrunk);
	CHECK(enough());
	CHECK(v[0].l2_writes && v[1].l2_writes);
	CHECK_EQ(v[0].l2_logged && v[1].l2_logged, threads.mmu.logs_l2);
	CHECK(large && l2_large && threads.logged_times && threads.collapses);
}

static void run_mode(void)
{
	static void *(*const others[])(void *) = { harvester_thread, tracker_thread,
						   invalidator_thread };
	pthread_t other[ARRAY_SIZE(others)];
	unsigned int i;

	setup();
	for (i = 0; i < NR_VCPUS; i++)
		if (pthread_create(&threads.vcpu[i].thread, NULL, vcpu_thread, &threads.vcpu[i]))
			env_die("no thread");
	for (i = 0; i < ARRAY_SIZE(others); i++)
		if (pthread_create(&other[i], NULL, others[i], NULL))
			env_die("no thread");
	let_them_run();
	__atomic_store_n(&threads.stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < NR_VCPUS; i++)
		pthread_join(threads.vcpu[i].thread, NULL);
	for (i = 0; i < ARRAY_SIZE(others); i++)
		pthread_join(other[i], NULL);

	harvest_all();
	check_memory();
	check_stats();
	teardown();
}

static void usage(FILE *to)
{
	fprintf(to,
		"threads [--seconds N] [--seed N]\n"
		"  --seconds N  in each mode (3)\n"
		"  --seed N     of what each thread does (1); how they meet is the scheduler's\n");
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seconds", required_argument, NULL, 's' },
		{ "seed", required_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case 's':
			seconds = atoi(optarg);
			break;
		case 'r':
			seed = strtoull(optarg, NULL, 0);
			break;
		default:
			usage(opt == 'h' ? stdout : stderr);
			return opt == 'h' ? 0 : 2;
		}
	}
	printf("# seed %llu\n", seed);
	for (mode = modes; mode < modes + ARRAY_SIZE(modes); mode++)
		tap_run(mode->name, run_mode);
	return tap_done();
}
