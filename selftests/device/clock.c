// SPDX-License-Identifier: GPL-2.0
/*
 * kvmclock: what guests read from their pages is what KVM_GET_CLOCK says, on all
 * vCPUs, after KVM_SET_CLOCK, in another VM, and when the host changes its own
 * clock. Its pages are dirty memory (invariant 12).
 */
#include <kselftest_harness.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "time.h"

#define VCPUS		2
#define PAGES		64
#define SAMPLES		20
#define RING_ENTRIES	1024
/* A page for each vCPU's clock, apart from each other; and the wall clock's. */
#define CLOCK_PAGE(i)	(8 + 8 * (i))
#define CLOCK_GPA(i)	(DATA_GPA + CLOCK_PAGE(i) * PAGE_SIZE + 64)
#define WALL_PAGE	40
#define WALL_GPA	(DATA_GPA + WALL_PAGE * PAGE_SIZE + 4)

FIXTURE(clock)
{
	struct bench bench;
	struct vm *vm;
};

FIXTURE_SETUP(clock)
{
	const struct bench_config config = {
		.vcpus = VCPUS, .data_pages = PAGES, .data_flags = KVM_MEM_LOG_DIRTY_PAGES,
	};

	ASSERT_EQ(0, bench_open(&self->bench, &config));
	ASSERT_EQ(0, time_start(&self->bench, VCPUS));
	self->vm = &self->bench.vm;
}

FIXTURE_TEARDOWN(clock)
{
	bench_close(&self->bench);
}

static uint64_t realtime(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * NS_PER_SEC + now.tv_nsec;
}

static struct kvm_clock_data get_clock(struct vm *vm)
{
	struct kvm_clock_data data = {};
	int ret = kvm_ioctl(vm->fd, KVM_GET_CLOCK, &data);

	if (ret)
		data.flags = ~0u;
	return data;
}

static int set_clock(struct vm *vm, uint64_t ns, uint32_t flags, uint64_t real)
{
	struct kvm_clock_data data = { .clock = ns, .flags = flags, .realtime = real };

	return kvm_ioctl(vm->fd, KVM_SET_CLOCK, &data);
}

/* The guest's own writes of the MSR. */
static int start_clocks(struct bench *bench)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; !ret && i < bench->vcpus; i++)
		ret = time_wrmsr(bench, i, MSR_SYSTEM_TIME, CLOCK_GPA(i) | 1);
	return ret;
}

/* vCPU i reads a time between two of KVM_GET_CLOCK's. */
static bool clock_is_right(struct bench *bench, unsigned int i)
{
	uint64_t before = get_clock(&bench->vm).clock, ns, after;
	int ret = time_clock(bench, i, CLOCK_GPA(i), &ns);

	after = get_clock(&bench->vm).clock;
	if (!ret && before <= ns && ns <= after)
		return true;
	printf("# vCPU %u: %d, %llu <= %llu <= %llu\n", i, ret, (unsigned long long)before,
	       (unsigned long long)ns, (unsigned long long)after);
	return false;
}

TEST_F(clock, guests_read_what_get_clock_says)
{
	uint64_t last = 0, ns;
	uint32_t version;
	int n;

	ASSERT_EQ(0, start_clocks(&self->bench));
	for (n = 0; n < SAMPLES; n++) {
		EXPECT_TRUE(clock_is_right(&self->bench, n % VCPUS));
		ns = clock_page_ns(time_page(&self->bench, n % VCPUS),
				   *time_field(&self->bench, n % VCPUS, TIME_TSC));
		/* On all vCPUs together time goes forward. */
		EXPECT_LT(last, ns);
		last = ns;
	}
	/* Nothing happened to the clock: the pages stay as they are. */
	version = time_page(&self->bench, 0)->version;
	EXPECT_EQ(0, version & 1);
	ASSERT_EQ(0, time_clock(&self->bench, 0, CLOCK_GPA(0), &ns));
	EXPECT_EQ(version, time_page(&self->bench, 0)->version);
}

TEST_F(clock, all_pages_are_one_line)
{
	const struct clock_page *first, *second;
	struct kvm_clock_data data;
	uint64_t ns;

	ASSERT_EQ(0, start_clocks(&self->bench));
	ASSERT_EQ(0, time_clock(&self->bench, 0, CLOCK_GPA(0), &ns));
	ASSERT_EQ(0, time_clock(&self->bench, 1, CLOCK_GPA(1), &ns));
	first = time_page(&self->bench, 0);
	second = time_page(&self->bench, 1);
	data = get_clock(self->vm);
	if (!(data.flags & KVM_CLOCK_TSC_STABLE))
		SKIP(return, "this host does not count its time by the TSC");
	EXPECT_EQ(KVM_CLOCK_TSC_STABLE | KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC, data.flags);
	EXPECT_EQ(PAGE_STABLE, first->flags);
	EXPECT_EQ(PAGE_STABLE, second->flags);
	EXPECT_EQ(first->tsc_timestamp, second->tsc_timestamp);
	EXPECT_EQ(first->system_time, second->system_time);
	EXPECT_EQ(first->mul, second->mul);
	EXPECT_EQ(first->shift, second->shift);
}

TEST_F(clock, set_clock)
{
	uint64_t start = 180 * NS_PER_SEC, now, ns;

	ASSERT_EQ(0, start_clocks(&self->bench));
	ASSERT_EQ(0, set_clock(self->vm, start, 0, 0));
	ns = get_clock(self->vm).clock;
	EXPECT_LE(start, ns);
	EXPECT_GT(start + NS_PER_SEC, ns);
	EXPECT_TRUE(clock_is_right(&self->bench, 0));
	EXPECT_TRUE(clock_is_right(&self->bench, 1));
	/* Backwards, too. */
	ASSERT_EQ(0, set_clock(self->vm, 1000, 0, 0));
	EXPECT_GT(NS_PER_SEC, get_clock(self->vm).clock);
	EXPECT_TRUE(clock_is_right(&self->bench, 0));

	/* It was read two minutes ago. */
	now = realtime();
	ASSERT_EQ(0, set_clock(self->vm, start, KVM_CLOCK_REALTIME, now - 120 * NS_PER_SEC));
	ns = get_clock(self->vm).clock;
	EXPECT_LE(start + 120 * NS_PER_SEC, ns);
	EXPECT_GE(start + 120 * NS_PER_SEC + realtime() - now, ns);
	EXPECT_TRUE(clock_is_right(&self->bench, 1));
	/* In the future: nothing is taken off. */
	ASSERT_EQ(0, set_clock(self->vm, start, KVM_CLOCK_REALTIME, now + 120 * NS_PER_SEC));
	EXPECT_LE(start, get_clock(self->vm).clock);
	/* What KVM_GET_CLOCK gives can be given back; what it never gives cannot. */
	EXPECT_EQ(0, set_clock(self->vm, 5, KVM_CLOCK_TSC_STABLE | KVM_CLOCK_HOST_TSC, 0));
	EXPECT_EQ(-EINVAL, set_clock(self->vm, 5, 1, 0));
	EXPECT_EQ(-EINVAL, set_clock(self->vm, 5, 16, 0));
	EXPECT_EQ(-EFAULT, kvm_ioctl(self->vm->fd, KVM_SET_CLOCK, NULL));
	EXPECT_EQ(-EFAULT, kvm_ioctl(self->vm->fd, KVM_GET_CLOCK, NULL));
}

static int tsc_attr(struct bench *bench, unsigned int i, unsigned long request, uint64_t *offset)
{
	struct kvm_device_attr attr = {
		.group = KVM_VCPU_TSC_CTRL, .attr = KVM_VCPU_TSC_OFFSET,
		.addr = (uintptr_t)offset,
	};

	return kvm_ioctl(bench->vcpu[i].fd, request, &attr);
}

/*
 * As Documentation/virt/kvm/devices/vcpu.rst has it: both the clock and the TSC go
 * on in another VM as if nothing had happened.
 */
TEST_F(clock, moves_to_another_vm)
{
	const struct bench_config config = { .vcpus = VCPUS, .data_pages = PAGES };
	struct kvm_clock_data from, to;
	uint64_t left, ns, tsc_left, tsc, khz, offset, passed;
	struct bench other;
	unsigned int i;

	ASSERT_EQ(0, set_clock(self->vm, 77 * NS_PER_SEC, 0, 0));
	ASSERT_EQ(0, start_clocks(&self->bench));
	ASSERT_EQ(0, time_clock(&self->bench, 0, CLOCK_GPA(0), &left));
	tsc_left = *time_field(&self->bench, 0, TIME_TSC);
	from = get_clock(self->vm);
	ASSERT_EQ(KVM_CLOCK_REALTIME, from.flags & KVM_CLOCK_REALTIME);
	khz = kvm_ioctl(self->bench.vcpu[0].fd, KVM_GET_TSC_KHZ, NULL);
	ASSERT_EQ(0, tsc_attr(&self->bench, 0, KVM_GET_DEVICE_ATTR, &offset));

	ASSERT_EQ(0, bench_open(&other, &config));
	ASSERT_EQ(0, time_start(&other, VCPUS));
	ASSERT_EQ(0, set_clock(&other.vm, from.clock, KVM_CLOCK_REALTIME, from.realtime));
	to = get_clock(&other.vm);
	passed = to.clock - from.clock;
	EXPECT_GT(5 * NS_PER_SEC, passed);
	offset += (__uint128_t)passed * khz / 1000000 - (to.host_tsc - from.host_tsc);
	for (i = 0; i < VCPUS; i++)
		ASSERT_EQ(0, tsc_attr(&other, i, KVM_SET_DEVICE_ATTR, &offset));
	ASSERT_EQ(0, start_clocks(&other));
	ASSERT_EQ(0, time_clock(&other, 1, CLOCK_GPA(1), &ns));
	tsc = *time_field(&other, 1, TIME_TSC);
	EXPECT_LT(left, ns);
	EXPECT_GT(left + 5 * NS_PER_SEC, ns);
	EXPECT_LT(tsc_left, tsc);
	/* Both moved by the same, but for what the rounding of two clocks makes. */
	passed = (__uint128_t)(tsc - tsc_left) * 1000000 / khz;
	EXPECT_GT(ns - left + 10000, passed);
	EXPECT_LT(ns - left, passed + 10000);
	for (i = 0; i < VCPUS; i++)
		EXPECT_TRUE(clock_is_right(&other, i));
	if (to.flags & KVM_CLOCK_HOST_TSC)
		EXPECT_EQ(KVM_CLOCK_TSC_STABLE, get_clock(&other.vm).flags & KVM_CLOCK_TSC_STABLE);
	bench_close(&other);
}

TEST_F(clock, wall_clock)
{
	const struct wall_page *wall;
	uint64_t real, ns, value;

	wall = (const void *)((const char *)bench_page(&self->bench, WALL_PAGE) + 4);
	ASSERT_EQ(0, set_clock(self->vm, 33 * NS_PER_SEC, 0, 0));
	ASSERT_EQ(0, time_wrmsr(&self->bench, 1, MSR_WALL_CLOCK, WALL_GPA));
	EXPECT_EQ(2, wall->version);
	EXPECT_GT(NS_PER_SEC, wall->nsec);
	/* With the system time it is the time of day. */
	real = realtime();
	ns = wall->sec * NS_PER_SEC + wall->nsec + get_clock(self->vm).clock;
	EXPECT_LT(real, ns + NS_PER_SEC / 10);
	EXPECT_GT(real + NS_PER_SEC / 10, ns);
	/* The MSR is the VM's; each write brings it up to date. */
	ASSERT_EQ(0, time_rdmsr(&self->bench, 0, MSR_WALL_CLOCK, &value));
	EXPECT_EQ(WALL_GPA, value);
	ASSERT_EQ(0, time_wrmsr(&self->bench, 0, MSR_WALL_CLOCK_OLD, WALL_GPA));
	EXPECT_EQ(4, wall->version);
}

TEST_F(clock, paused)
{
	struct clock_page *page = (void *)((char *)bench_page(&self->bench, CLOCK_PAGE(0)) + 64);
	int fd = self->bench.vcpu[0].fd;
	uint64_t ns;

	EXPECT_EQ(-EINVAL, kvm_ioctl(fd, KVM_KVMCLOCK_CTRL, NULL));
	ASSERT_EQ(0, start_clocks(&self->bench));
	ASSERT_EQ(0, time_clock(&self->bench, 0, CLOCK_GPA(0), &ns));
	EXPECT_EQ(0, page->flags & PAGE_STOPPED);
	ASSERT_EQ(0, kvm_ioctl(fd, KVM_KVMCLOCK_CTRL, NULL));
	ASSERT_EQ(0, time_clock(&self->bench, 0, CLOCK_GPA(0), &ns));
	EXPECT_EQ(PAGE_STOPPED, time_page(&self->bench, 0)->flags & PAGE_STOPPED);
	/* Another update leaves it: the guest has not seen it. */
	ASSERT_EQ(0, set_clock(self->vm, 5, 0, 0));
	ASSERT_EQ(0, time_clock(&self->bench, 0, CLOCK_GPA(0), &ns));
	EXPECT_EQ(PAGE_STOPPED, page->flags & PAGE_STOPPED);
	page->flags &= ~PAGE_STOPPED;
	ASSERT_EQ(0, set_clock(self->vm, 6, 0, 0));
	ASSERT_EQ(0, time_clock(&self->bench, 0, CLOCK_GPA(0), &ns));
	EXPECT_EQ(0, page->flags & PAGE_STOPPED);
}

/* The pages of the data slot that are dirty, as one word. */
static uint64_t dirty(struct bench *bench)
{
	uint64_t bitmap = 0;

	return vm_get_log(&bench->vm, &bench->data, &bitmap) ? ~0ull : bitmap;
}

/* Invariant 12: pages that we write are in the log, and only those. */
TEST_F(clock, pages_are_logged)
{
	uint64_t both = 1ull << CLOCK_PAGE(0) | 1ull << CLOCK_PAGE(1), ns;

	ASSERT_EQ(0, start_clocks(&self->bench));
	EXPECT_EQ(both, dirty(&self->bench));
	ASSERT_EQ(0, time_clock(&self->bench, 0, CLOCK_GPA(0), &ns));
	EXPECT_EQ(0, dirty(&self->bench));
	ASSERT_EQ(0, set_clock(self->vm, 5, 0, 0));
	/* Nobody ran: nothing is written yet. */
	EXPECT_EQ(0, dirty(&self->bench));
	ASSERT_EQ(0, time_clock(&self->bench, 1, CLOCK_GPA(1), &ns));
	EXPECT_EQ(1ull << CLOCK_PAGE(1), dirty(&self->bench));
	ASSERT_EQ(0, time_clock(&self->bench, 0, CLOCK_GPA(0), &ns));
	EXPECT_EQ(1ull << CLOCK_PAGE(0), dirty(&self->bench));
	ASSERT_EQ(1, msr_set(&self->bench, 0, MSR_WALL_CLOCK, WALL_GPA));
	ASSERT_EQ(0, time_clock(&self->bench, 0, CLOCK_GPA(0), &ns));
	EXPECT_EQ(1ull << WALL_PAGE, dirty(&self->bench) & ~both);
	/* Turned off it is not written any more. */
	ASSERT_EQ(0, time_wrmsr(&self->bench, 0, MSR_SYSTEM_TIME, CLOCK_GPA(0)));
	dirty(&self->bench);
	ASSERT_EQ(0, set_clock(self->vm, 7, 0, 0));
	ASSERT_EQ(0, time_rdmsr(&self->bench, 0, MSR_TSC, &ns));
	EXPECT_EQ(0, dirty(&self->bench));
}

/*
 * The same in a ring, which has room for software writers however often they
 * write: at last it is full, and goes on when it was emptied.
 */
TEST(pages_are_in_the_ring)
{
	const struct bench_config config = {
		.vcpus = 1, .data_pages = PAGES, .data_flags = KVM_MEM_LOG_DIRTY_PAGES,
		.ring_entries = RING_ENTRIES,
	};
	int n, count = 0, reason = 0, writes = 0;
	struct kvm_dirty_gfn entry;
	struct bench bench;

	ASSERT_EQ(0, bench_open(&bench, &config));
	ASSERT_EQ(0, time_start(&bench, 1));
	ASSERT_EQ(0, time_wrmsr(&bench, 0, MSR_SYSTEM_TIME, CLOCK_GPA(0) | 1));
	ASSERT_TRUE(ring_next(&bench.vcpu[0], &entry));
	EXPECT_EQ(bench.data.id, entry.slot);
	EXPECT_EQ(CLOCK_PAGE(0), entry.offset);
	EXPECT_FALSE(ring_next(&bench.vcpu[0], &entry));
	ASSERT_EQ(1, vm_reset_rings(&bench.vm));

	/* Without a run in between it is one write, whatever was asked for. */
	for (n = 0; n < 2 * RING_ENTRIES; n++)
		ASSERT_EQ(1, msr_set(&bench, 0, MSR_WALL_CLOCK, WALL_GPA));
	for (writes = 0; !reason && writes < 2 * RING_ENTRIES; writes++) {
		reason = time_wrmsr(&bench, 0, MSR_WALL_CLOCK, WALL_GPA);
		ASSERT_EQ(1, msr_set(&bench, 0, MSR_SYSTEM_TIME, CLOCK_GPA(0) | 1));
	}
	EXPECT_EQ(KVM_EXIT_DIRTY_RING_FULL, reason);
	for (n = 0; n < 2 * RING_ENTRIES; n++) {
		ASSERT_EQ(1, msr_set(&bench, 0, MSR_WALL_CLOCK, WALL_GPA));
		ASSERT_EQ(KVM_EXIT_DIRTY_RING_FULL, bench_run(&bench, 0));
	}
	while (ring_next(&bench.vcpu[0], &entry)) {
		EXPECT_TRUE(entry.offset == WALL_PAGE || entry.offset == CLOCK_PAGE(0));
		count++;
	}
	EXPECT_LT(writes / 2, count);
	ASSERT_EQ(count, vm_reset_rings(&bench.vm));
	ASSERT_EQ(0, time_op(&bench, 0, OP_RDTSCP));
	EXPECT_TRUE(ring_next(&bench.vcpu[0], &entry));
	bench_close(&bench);
}

TEST_F(clock, bad_places)
{
	static const uint64_t bad[] = {
		DATA_GPA + 2 + 1, DATA_GPA + PAGE_SIZE - 28 + 1, 1ull << 52 | 1, ~0ull,
	};
	uint64_t value;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(0, msr_set(&self->bench, 0, MSR_SYSTEM_TIME, bad[i])) TH_LOG("%u", i);
		EXPECT_EQ(0, msr_set(&self->bench, 0, MSR_SYSTEM_TIME_OLD, bad[i]));
	}
	EXPECT_EQ(0, msr_set(&self->bench, 0, MSR_WALL_CLOCK, DATA_GPA + 2));
	EXPECT_EQ(0, msr_set(&self->bench, 0, MSR_WALL_CLOCK, DATA_GPA + PAGE_SIZE - 8));
	EXPECT_EQ(0, msr_set(&self->bench, 0, MSR_WALL_CLOCK, 1ull << 52));
	EXPECT_EQ(1, msr_get(&self->bench, 0, MSR_SYSTEM_TIME, &value));
	EXPECT_EQ(0, value);
	/* Aligned, and nothing there: the guest goes on, and has no clock. */
	EXPECT_EQ(1, msr_set(&self->bench, 0, MSR_SYSTEM_TIME, 0x30000000 | 1));
	EXPECT_EQ(1, msr_set(&self->bench, 0, MSR_WALL_CLOCK, 0x30000000));
	EXPECT_EQ(0, time_rdmsr(&self->bench, 0, MSR_SYSTEM_TIME_OLD, &value));
	EXPECT_EQ(0x30000000 | 1, value);
	/* WRMSR faults; without an IDT that ends the guest. */
	EXPECT_EQ(KVM_EXIT_SHUTDOWN, time_wrmsr(&self->bench, 0, MSR_SYSTEM_TIME, DATA_GPA + 3));
}

#define CLOCKSOURCE "/sys/devices/system/clocksource/clocksource0/"

static int clocksource_set(const char *name)
{
	int fd = open(CLOCKSOURCE "current_clocksource", O_WRONLY), ret;

	if (fd < 0)
		return -errno;
	ret = write(fd, name, strlen(name));
	close(fd);
	return ret < 0 ? -errno : 0;
}

static bool clocksource_has(const char *file, const char *name)
{
	char text[256] = {};
	int fd = open(file, O_RDONLY), ret;

	if (fd < 0)
		return false;
	ret = read(fd, text, sizeof(text) - 1);
	close(fd);
	return ret > 0 && strstr(text, name);
}

/* The kernel switches to the TSC itself a second or so after it was booted. */
static bool host_counts_by_tsc(void)
{
	int n;

	for (n = 0; n < 100; n++) {
		if (clocksource_has(CLOCKSOURCE "current_clocksource", "tsc\n"))
			return true;
		usleep(50000);
	}
	return false;
}

/* A few reads on each vCPU: as right as they can be, and never backwards on one vCPU. */
static bool clock_goes_on(struct bench *bench, uint64_t *last)
{
	unsigned int i, n;
	uint64_t ns;

	for (n = 0; n < SAMPLES; n++)
		for (i = 0; i < VCPUS; i++) {
			if (time_clock(bench, i, CLOCK_GPA(i), &ns) || ns < last[i])
				return false;
			last[i] = ns;
		}
	return true;
}

TEST_F(clock, host_changes_its_clocksource)
{
	uint64_t last[VCPUS] = {}, before, after;

	if (!host_counts_by_tsc() ||
	    !clocksource_has(CLOCKSOURCE "available_clocksource", "acpi_pm"))
		SKIP(return, "this host has no TSC, or no acpi_pm clocksource besides");
	ASSERT_EQ(0, start_clocks(&self->bench));
	ASSERT_TRUE(clock_goes_on(&self->bench, last));
	EXPECT_EQ(KVM_CLOCK_TSC_STABLE, get_clock(self->vm).flags & KVM_CLOCK_TSC_STABLE);
	before = get_clock(self->vm).clock;

	ASSERT_EQ(0, clocksource_set("acpi_pm"));
	EXPECT_EQ(KVM_CLOCK_REALTIME, get_clock(self->vm).flags);
	after = get_clock(self->vm).clock;
	EXPECT_LT(before, after);
	EXPECT_GT(before + NS_PER_SEC, after);
	EXPECT_TRUE(clock_goes_on(&self->bench, last));
	EXPECT_EQ(0, time_page(&self->bench, 0)->flags & PAGE_STABLE);
	EXPECT_EQ(0, time_page(&self->bench, 1)->flags & PAGE_STABLE);
	before = get_clock(self->vm).clock;
	/* As near as the other clock counts. */
	EXPECT_GT(last[1] + NS_PER_SEC / 10, before);
	EXPECT_LT(last[1], before + NS_PER_SEC / 10);

	ASSERT_EQ(0, clocksource_set("tsc"));
	EXPECT_EQ(KVM_CLOCK_TSC_STABLE, get_clock(self->vm).flags & KVM_CLOCK_TSC_STABLE);
	after = get_clock(self->vm).clock;
	EXPECT_LT(before, after);
	EXPECT_GT(before + NS_PER_SEC, after);
	EXPECT_TRUE(clock_is_right(&self->bench, 0));
	EXPECT_TRUE(clock_is_right(&self->bench, 1));
	EXPECT_EQ(PAGE_STABLE, time_page(&self->bench, 0)->flags & PAGE_STABLE);
}

TEST_HARNESS_MAIN
