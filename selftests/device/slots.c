// SPDX-License-Identifier: GPL-2.0
/*
 * Invariant 9: slots are deleted and moved while a vCPU writes to them and while
 * their entries stand in the ring; an entry of a dead slot is dropped, never taken
 * for one of the slot that came after it. And every range that is refused.
 */
#include <kselftest_harness.h>
#include <errno.h>

#include "../../uapi/kvm_later.h"
#include "vm.h"

#define PAGES		512
#define RING_ENTRIES	4096
#define OTHER_GPA	(DATA_GPA + 64 * PAGES * PAGE_SIZE)

FIXTURE(slots)
{
	struct bench bench;
	struct rng rng;
};

FIXTURE_SETUP(slots)
{
	const struct bench_config config = {
		.vcpus = 1, .ring_entries = RING_ENTRIES, .data_pages = PAGES,
		.data_flags = KVM_MEM_LOG_DIRTY_PAGES,
	};

	self->rng.state = bench_seed();
	ASSERT_EQ(0, bench_open(&self->bench, &config));
	BENCH_LOAD(&self->bench, writer);
	ASSERT_EQ(0, bench_start(&self->bench, 0));
}

FIXTURE_TEARDOWN(slots)
{
	bench_close(&self->bench);
}

static int set(struct vm *vm, uint32_t id, uint64_t gpa, uint64_t size, void *host)
{
	struct mem mem = { .id = id, .gpa = gpa, .size = size, .host = host };

	return vm_set_mem(vm, &mem);
}

static int delete(struct bench *bench)
{
	return set(&bench->vm, bench->data.id, 0, 0, NULL);
}

/* Entries in the ring; -1 if one is not of this slot and below limit. */
static int take(struct bench *bench, uint32_t slot, uint64_t limit)
{
	struct kvm_dirty_gfn entry;
	int n = 0, bad = 0;

	for (; ring_next(&bench->vcpu[0], &entry); n++)
		bad |= entry.slot != slot || entry.offset >= limit;
	return bad ? -1 : n;
}

/* A vCPU writes all the time; the slot goes away under it. */
TEST_F(slots, delete_mid_run)
{
	struct bench *b = &self->bench;
	struct kvm_run *run = b->vcpu[0].run;
	struct runner runner;
	uint32_t sum, lane;
	int i;

	for (i = 0; i < 15; i++) {
		BENCH_LOAD(b, random);
		bench_random(b, 0, rng_next(&self->rng));
		lane = MBOX(b, 0, LANE);
		ASSERT_EQ(0, bench_start(b, 0));
		ASSERT_EQ(0, runner_start(&runner, b, 0));
		usleep(rng_below(&self->rng, 3000));
		ASSERT_EQ(0, delete(b));
		/* Whatever it writes next is no memory. */
		sum = bench_host_sum(b, lane);
		ASSERT_EQ(KVM_EXIT_MMIO, runner_join(&runner));
		ASSERT_EQ(sum, bench_host_sum(b, lane)) TH_LOG("a write after the slot was gone");
		ASSERT_TRUE(run->mmio.is_write);
		ASSERT_EQ(4, run->mmio.len);
		ASSERT_LE(DATA_GPA, run->mmio.phys_addr);
		ASSERT_GT(DATA_GPA + PAGES * PAGE_SIZE, run->mmio.phys_addr);
		ASSERT_LE(0, take(b, b->data.id, PAGES));
		ASSERT_LE(0, vm_reset_rings(&b->vm));
		ASSERT_EQ(0, bench_set_flags(b, KVM_MEM_LOG_DIRTY_PAGES));
	}
}

TEST_F(slots, move_mid_run)
{
	struct bench *b = &self->bench;
	struct runner runner;
	uint32_t page = 5, value;
	int i;

	for (i = 0; i < 15; i++) {
		BENCH_LOAD(b, random);
		bench_random(b, 0, rng_next(&self->rng));
		ASSERT_EQ(0, bench_start(b, 0));
		ASSERT_EQ(0, runner_start(&runner, b, 0));
		usleep(rng_below(&self->rng, 3000));
		b->data.gpa = b->data.gpa == DATA_GPA ? OTHER_GPA : DATA_GPA;
		ASSERT_EQ(0, vm_set_mem(&b->vm, &b->data));
		ASSERT_EQ(KVM_EXIT_MMIO, runner_join(&runner));
		ASSERT_LE(0, take(b, b->data.id, PAGES));
		ASSERT_LE(0, vm_reset_rings(&b->vm));
		/* The memory is where it is now, and logged. */
		BENCH_LOAD(b, writer);
		ASSERT_EQ(0, bench_start(b, 0));
		ASSERT_EQ(KVM_EXIT_IO, bench_touch(b, &page, 1, 0));
		value = MBOX(b, 0, VALUE);
		EXPECT_EQ(value, bench_page(b, page)[0]);
		ASSERT_EQ(1, take(b, b->data.id, PAGES));
		ASSERT_EQ(1, vm_reset_rings(&b->vm));
	}
}

/* Entries are in the ring when their slot dies, and a smaller one takes its number. */
TEST_F(slots, entries_of_a_dead_slot)
{
	struct bench *b = &self->bench;
	uint32_t pages[PAGES], i, few = 16;
	struct mem small;

	for (i = 0; i < PAGES; i++)
		pages[i] = i;
	rng_shuffle(&self->rng, pages, PAGES);
	ASSERT_EQ(KVM_EXIT_IO, bench_touch(b, pages, PAGES, 0));
	ASSERT_EQ(0, delete(b));
	small = b->data;
	small.size = few * PAGE_SIZE;
	ASSERT_EQ(0, vm_set_mem(&b->vm, &small));
	/* The dead slot's entries are still there to be taken, and are given back whole. */
	ASSERT_EQ(PAGES, take(b, b->data.id, PAGES));
	ASSERT_EQ(PAGES, vm_reset_rings(&b->vm));
	for (i = 0; i < few; i++)
		pages[i] = i;
	ASSERT_EQ(KVM_EXIT_IO, bench_touch(b, pages, few, 0));
	EXPECT_EQ((int)few, take(b, b->data.id, few));
	EXPECT_EQ((int)few, vm_reset_rings(&b->vm));
}

/*
 * The slot's number, place and size come again while its old entries wait: to
 * reset these must not hide writes to the new slot.
 */
TEST_F(slots, stale_entries_hide_nothing)
{
	struct bench *b = &self->bench;
	uint32_t pages[40], i;
	int n;

	for (i = 0; i < 40; i++)
		pages[i] = i * 3;
	ASSERT_EQ(KVM_EXIT_IO, bench_touch(b, pages, 40, 0));
	ASSERT_EQ(0, delete(b));
	ASSERT_EQ(0, bench_set_flags(b, KVM_MEM_LOG_DIRTY_PAGES));
	ASSERT_EQ(KVM_EXIT_IO, bench_touch(b, pages, 40, 0));
	n = take(b, b->data.id, PAGES);
	ASSERT_EQ(80, n) TH_LOG("40 of the dead slot, 40 of the new one");
	ASSERT_EQ(80, vm_reset_rings(&b->vm));
	ASSERT_EQ(KVM_EXIT_IO, bench_touch(b, pages, 40, 0));
	ASSERT_EQ(40, take(b, b->data.id, PAGES));
	ASSERT_EQ(40, vm_reset_rings(&b->vm));
}

TEST_F(slots, content_survives_delete_and_create)
{
	struct bench *b = &self->bench;
	uint32_t pages[4] = { 0, 1, 100, PAGES - 1 }, sum;

	ASSERT_EQ(KVM_EXIT_IO, bench_touch(b, pages, 4, 0));
	ASSERT_EQ(0, delete(b));
	ASSERT_EQ(0, bench_set_flags(b, 0));
	ASSERT_TRUE(bench_guest_sum(b, 0, 0, &sum));
	EXPECT_EQ(1 + 2 + 3 + 4, sum);
}

TEST_F(slots, read_only)
{
	struct bench *b = &self->bench;
	struct kvm_run *run = b->vcpu[0].run;
	uint32_t page = 7, sum;

	if (kvm_cap(b->vm.fd, KVM_CAP_READONLY_MEM) <= 0)
		SKIP(return, "KVM_CAP_READONLY_MEM is not offered");
	/* The flag is for new slots only. */
	EXPECT_EQ(-EINVAL, bench_set_flags(b, KVM_MEM_READONLY));
	ASSERT_EQ(0, delete(b));
	ASSERT_EQ(0, bench_set_flags(b, KVM_MEM_READONLY));
	EXPECT_EQ(-EINVAL, bench_set_flags(b, 0));
	b->data.flags = KVM_MEM_READONLY;
	bench_page(b, page)[0] = 0x1234;
	ASSERT_EQ(KVM_EXIT_MMIO, bench_touch(b, &page, 1, 0));
	EXPECT_TRUE(run->mmio.is_write);
	EXPECT_EQ(DATA_GPA + page * PAGE_SIZE, run->mmio.phys_addr);
	EXPECT_EQ(0x1234, bench_page(b, page)[0]);
	ASSERT_EQ(KVM_EXIT_IO, bench_run(b, 0));
	ASSERT_TRUE(bench_done(b, 0));
	EXPECT_EQ(0x1234, bench_page(b, page)[0]);
	ASSERT_TRUE(bench_guest_sum(b, 0, 0, &sum));
	EXPECT_EQ(0x1234, sum);
	/* What the host writes, the guest sees. */
	bench_page(b, page + 1)[0] = 1;
	ASSERT_TRUE(bench_guest_sum(b, 0, 0, &sum));
	EXPECT_EQ(0x1235, sum);
}

TEST_F(slots, ranges_that_are_refused)
{
	struct vm *vm = &self->bench.vm;
	char *host = mem_alloc(16 * PAGE_SIZE);
	const uint64_t free_gpa = 0x40000000, size = 4 * PAGE_SIZE;
	uint64_t wrap = -PAGE_SIZE * 2;

	EXPECT_EQ(-EINVAL, set(vm, 5, free_gpa + 1, size, host));
	EXPECT_EQ(-EINVAL, set(vm, 5, free_gpa + 0x800, size, host));
	EXPECT_EQ(-EINVAL, set(vm, 5, free_gpa, size + 1, host));
	EXPECT_EQ(-EINVAL, set(vm, 5, free_gpa, 17, host));
	EXPECT_EQ(-EINVAL, set(vm, 5, free_gpa, size, host + 8));
	/* Addresses that are not the caller's to give. */
	EXPECT_EQ(-EINVAL, set(vm, 5, free_gpa, size, (void *)0xffff888000000000UL));
	EXPECT_EQ(-EINVAL, set(vm, 5, free_gpa, size, (void *)0x8000000000000000UL));
	EXPECT_EQ(-EINVAL, set(vm, 5, free_gpa, size, (void *)0x7ffffffff000UL));
	EXPECT_EQ(-EINVAL, set(vm, 5, free_gpa, size, (void *)-PAGE_SIZE));
	/* Guest addresses that wrap, and sizes beyond all memory. */
	EXPECT_EQ(-EINVAL, set(vm, 5, wrap, size, host));
	EXPECT_EQ(-EINVAL, set(vm, 5, wrap, 2 * PAGE_SIZE, host));
	EXPECT_EQ(-EINVAL, set(vm, 5, free_gpa, -PAGE_SIZE, host));
	EXPECT_EQ(-EINVAL, set(vm, 5, free_gpa, 1ULL << 63, host));
	EXPECT_EQ(-EINVAL, set(vm, 5, 0, 1ULL << 44, host));
	/* Slot numbers and address spaces that do not exist. */
	EXPECT_EQ(-EINVAL, set(vm, 0x7fff, free_gpa, size, host));
	EXPECT_EQ(-EINVAL, set(vm, 0xffff, free_gpa, size, host));
	EXPECT_EQ(-EINVAL, set(vm, 5 | 9 << 16, free_gpa, size, host));
	EXPECT_EQ(-EINVAL, set(vm, 0xffffffff, free_gpa, size, host));
	/* There is nothing to delete. */
	EXPECT_EQ(-EINVAL, set(vm, 5, free_gpa, 0, host));
	/* None of this made a slot. */
	EXPECT_EQ(0, set(vm, 5, free_gpa, size, host));
	EXPECT_EQ(0, set(vm, 5, 0, 0, NULL));
}

TEST_F(slots, overlaps_are_refused)
{
	struct vm *vm = &self->bench.vm;
	char *host = mem_alloc(16 * PAGE_SIZE);
	const uint64_t end = DATA_GPA + PAGES * PAGE_SIZE, size = 4 * PAGE_SIZE;

	EXPECT_EQ(-EEXIST, set(vm, 5, DATA_GPA, size, host));
	EXPECT_EQ(-EEXIST, set(vm, 5, DATA_GPA - 3 * PAGE_SIZE, size, host));
	EXPECT_EQ(-EEXIST, set(vm, 5, end - PAGE_SIZE, size, host));
	EXPECT_EQ(-EEXIST, set(vm, 5, DATA_GPA + 100 * PAGE_SIZE, size, host));
	EXPECT_EQ(0, set(vm, 5, end, size, host));
	EXPECT_EQ(0, set(vm, 6, DATA_GPA - size, size, host + size));
	/* Moving one onto another. */
	EXPECT_EQ(-EEXIST, set(vm, 5, DATA_GPA - PAGE_SIZE, size, host));
	EXPECT_EQ(0, set(vm, 5, end + size, size, host));
	EXPECT_EQ(0, set(vm, 5, 0, 0, NULL));
	EXPECT_EQ(0, set(vm, 6, 0, 0, NULL));
}

TEST_F(slots, changes_that_are_refused)
{
	struct bench *b = &self->bench;
	char *host = mem_alloc(PAGES * PAGE_SIZE);
	uint32_t bit;

	EXPECT_EQ(-EINVAL, set(&b->vm, 1, DATA_GPA, (PAGES - 1) * PAGE_SIZE, b->data.host));
	EXPECT_EQ(-EINVAL, set(&b->vm, 1, DATA_GPA, (PAGES + 1) * PAGE_SIZE, b->data.host));
	EXPECT_EQ(-EINVAL, set(&b->vm, 1, DATA_GPA, PAGES * PAGE_SIZE, host));
	for (bit = 2; bit < 32; bit++)
		EXPECT_EQ(-EINVAL, bench_set_flags(b, 1U << bit)) TH_LOG("flag %u", bit);
	EXPECT_EQ(0, bench_set_flags(b, KVM_MEM_LOG_DIRTY_PAGES));
}

/* KVM_SET_USER_MEMORY_REGION2 sets what the older call sets, and has no guest_memfd. */
TEST_F(slots, by_the_larger_structure)
{
	struct bench *b = &self->bench;
	const struct mem *data = &b->data;
	struct kvm_userspace_memory_region2 region = {
		.slot = data->id, .flags = KVM_MEM_LOG_DIRTY_PAGES, .guest_phys_addr = data->gpa,
		.memory_size = data->size, .userspace_addr = (uintptr_t)data->host,
		.guest_memfd = -1,
	};
	uint64_t bitmap[PAGES / 64];

	if (kvm_cap(b->vm.fd, KVM_CAP_USER_MEMORY2) <= 0 && kvm_device_is_kvm())
		SKIP(return, "KVM has it from 6.8 on");
	ASSERT_EQ(1, kvm_cap(b->vm.fd, KVM_CAP_USER_MEMORY2));
	ASSERT_EQ(0, bench_set_flags(b, 0));
	ASSERT_NE(0, vm_get_log(&b->vm, data, bitmap));
	ASSERT_EQ(0, kvm_ioctl(b->vm.fd, KVM_SET_USER_MEMORY_REGION2, &region));
	EXPECT_EQ(0, vm_get_log(&b->vm, data, bitmap)) TH_LOG("it is logged");
	region.flags |= 1 << 2;
	EXPECT_EQ(-EINVAL, kvm_ioctl(b->vm.fd, KVM_SET_USER_MEMORY_REGION2, &region));
	region.flags = 0;
	region.memory_size = 0;
	EXPECT_EQ(0, kvm_ioctl(b->vm.fd, KVM_SET_USER_MEMORY_REGION2, &region));
	EXPECT_EQ(-ENOENT, vm_get_log(&b->vm, data, bitmap)) TH_LOG("it is gone");
	EXPECT_EQ(-EFAULT, kvm_ioctl(b->vm.fd, KVM_SET_USER_MEMORY_REGION2, (void *)PAGE_SIZE));
}

/* As many slots as the device says it has, and not one more. */
TEST(number_of_slots)
{
	char *host = mem_alloc(PAGE_SIZE);
	int slots, i, step;
	struct vm vm;

	ASSERT_EQ(0, vm_open(&vm));
	slots = kvm_cap(vm.fd, KVM_CAP_NR_MEMSLOTS);
	ASSERT_LE(32, slots);
	step = slots > 512 ? slots / 512 : 1;
	for (i = 0; i < slots; i += step)
		ASSERT_EQ(0, set(&vm, i, 0x10000000 + i * PAGE_SIZE, PAGE_SIZE, host));
	EXPECT_EQ(-EINVAL, set(&vm, slots, 0x8000000, PAGE_SIZE, host));
	for (i = 0; i < slots; i += step)
		ASSERT_EQ(0, set(&vm, i, 0, 0, NULL));
	vm_close(&vm);
}

TEST_HARNESS_MAIN
