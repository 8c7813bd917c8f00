// SPDX-License-Identifier: GPL-2.0
/* Guests that write while their memory lives its own life: see life.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../../tools/lib/page.h"
#include "life.h"

#define CGROUP "/tmp/cgroup"

#define RING_ENTRIES	2048
#define HUGE_BYTES	(LIFE_PAGES_MAX * PAGE_SIZE)
#define PAGEMAP_SWAPPED	(1ULL << 62)
#define PAGEMAP_PRESENT	(1ULL << 63)

static char *reserve(void)
{
	char *map = mmap(NULL, 2 * HUGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return map == MAP_FAILED ? NULL : map + (-(uintptr_t)map & (HUGE_BYTES - 1));
}

int life_map(struct life *life)
{
	int flags = (life->fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED) | MAP_FIXED;
	void *map = mmap(life->host, life->bytes, PROT_READ | PROT_WRITE, flags, life->fd, 0);

	if (map != life->host)
		return -errno;
	return madvise(map, life->bytes, MADV_NOHUGEPAGE) ? -errno : 0;
}

int life_open(struct life *life, const struct life_config *config)
{
	struct bench_config bench = {
		/* There all vCPUs share one word of a page: see bench_random(). */
		.vcpus = kvm_device_is_kvm() ? 1 : LIFE_VCPUS,
		.data_pages = config->pages ?: LIFE_PAGES,
		.data_flags = KVM_MEM_LOG_DIRTY_PAGES | config->flags,
		.ring_entries = config->ring ? RING_ENTRIES : 0,
	};
	unsigned int i;
	int ret;

	memset(life, 0, sizeof(*life));
	life->rng.state = bench_seed();
	life->ring = config->ring;
	life->vcpus = bench.vcpus;
	life->pages = bench.data_pages;
	life->bytes = life->pages * PAGE_SIZE;
	life->fd = config->memfd ? memfd_create("guest", 0) : -1;
	if (config->memfd && (life->fd < 0 || ftruncate(life->fd, life->bytes)))
		return -errno;
	life->host = reserve();
	life->copy = mem_alloc(life->bytes);
	if (!life->host || !life->copy)
		return -ENOMEM;
	ret = life_map(life);
	memset(life->host, 0, life->bytes);
	for (i = 0; i < LIFE_VCPUS; i++)
		life->writer[i].seed = rng_next(&life->rng);
	bench.data_host = life->host;
	return ret ?: bench_open(&life->bench, &bench);
}

void life_close(struct life *life)
{
	bench_close(&life->bench);
	if (life->host)
		munmap(life->host, life->bytes);
	mem_free(life->copy, life->bytes);
	if (life->fd >= 0)
		close(life->fd);
}

static uint32_t lane(struct life *life, unsigned int i)
{
	return MBOX(&life->bench, i, LANE);
}

int life_resume(struct life *life)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < life->vcpus; i++)
		ret = ret ?: runner_start(&life->writer[i].runner, &life->bench, i);
	return ret;
}

int life_start(struct life *life)
{
	unsigned int i;
	int ret = 0;

	BENCH_LOAD(&life->bench, random);
	for (i = 0; i < life->vcpus; i++) {
		bench_random(&life->bench, i, life->writer[i].seed);
		MBOX(&life->bench, i, VALUE) = life->writer[i].value;
		ret = ret ?: bench_start(&life->bench, i);
	}
	return ret ?: life_resume(life);
}

static bool finished(struct life *life)
{
	unsigned int i;

	for (i = 0; i < life->vcpus; i++)
		if (!life->writer[i].runner.finished)
			return false;
	return true;
}

/* A full ring must not keep a writer from its end. */
static int join(struct life *life)
{
	unsigned int i, tries;
	int ret = 0;

	for (tries = 0; !finished(life); tries++) {
		if (tries == 10000)
			return -ETIMEDOUT;
		life_wait(life, 300);
	}
	for (i = 0; i < life->vcpus; i++)
		ret = runner_join(&life->writer[i].runner) ?: ret;
	return ret;
}

bool life_failed(struct life *life, int error)
{
	unsigned int i;

	join(life);
	for (i = 0; i < life->vcpus; i++)
		if (!life->writer[i].runner.finished || life->writer[i].runner.result != error)
			return false;
	return true;
}

/* What selftests/guest/random.S does, once more; false: the guest ended up elsewhere. */
static bool follow_writer(struct life *life, unsigned int i)
{
	struct life_writer *writer = &life->writer[i];
	uint32_t end = MBOX(&life->bench, i, VALUE);

	while (writer->value != end) {
		writer->seed = writer->seed * 1664525 + 1013904223;
		writer->last[writer->seed >> 9 & (life->pages - 1)] = ++writer->value;
	}
	return writer->seed == MBOX(&life->bench, i, SEED);
}

int life_stop(struct life *life)
{
	unsigned int i;
	int ret;

	for (i = 0; i < life->vcpus; i++)
		MBOX(&life->bench, i, STOP) = 1;
	ret = join(life);
	life_harvest(life);
	for (i = 0; i < life->vcpus; i++)
		if (!ret && !follow_writer(life, i))
			ret = -EBADE;
	return ret ?: life->error;
}

static void take_rings(struct life *life, uint64_t *bitmap)
{
	struct kvm_dirty_gfn entry;
	unsigned int i;
	int ret, n = 0;

	for (i = 0; i < life->vcpus; i++) {
		while (ring_next(&life->bench.vcpu[i], &entry)) {
			n++;
			if (entry.offset < life->pages)
				bitmap[entry.offset / 64] |= 1ULL << entry.offset % 64;
			else
				life->error = -ERANGE;
		}
	}
	ret = vm_reset_rings(&life->bench.vm);
	if (ret != n)
		life->error = life->error ?: ret < 0 ? ret : -EPROTO;
}

void life_harvest(struct life *life)
{
	uint64_t bitmap[LIFE_PAGES_MAX / 64] = {};
	uint32_t page;
	int ret;

	if (life->ring) {
		take_rings(life, bitmap);
	} else {
		ret = vm_get_log(&life->bench.vm, &life->bench.data, bitmap);
		life->error = life->error ?: ret;
	}
	for (page = 0; page < life->pages; page++) {
		if (!bitmap_test(bitmap, page))
			continue;
		life->reported++;
		/* By the kernel: a page that is not there (a file cut short) is an error. */
		if (life->fd < 0)
			page_copy(life->copy + page * PAGE_SIZE, life->host + page * PAGE_SIZE);
		else if (pread(life->fd, life->copy + page * PAGE_SIZE, PAGE_SIZE,
			       page * PAGE_SIZE) < 0)
			life->error = life->error ?: -errno;
	}
}

void life_wait(struct life *life, unsigned int us)
{
	unsigned int slice;

	for (;;) {
		life_harvest(life);
		slice = us < 500 ? us : 500;
		if (!slice)
			return;
		usleep(slice);
		us -= slice;
	}
}

void life_copy_all(struct life *life)
{
	uint32_t page;

	for (page = 0; page < life->pages; page++)
		page_copy(life->copy + page * PAGE_SIZE, life->host + page * PAGE_SIZE);
}

static bool same_words(struct life *life, unsigned int i, bool discarded)
{
	uint32_t page, word;

	for (page = 0; page < life->pages; page++) {
		word = bench_page(&life->bench, page)[lane(life, i) / 4];
		if (word == life->writer[i].last[page])
			continue;
		if (discarded && !word) {
			life->writer[i].last[page] = 0; /* and what was, must not come back */
			continue;
		}
		snprintf(life->reason, sizeof(life->reason),
			 "page %u has %u where vCPU %u wrote %u (and %u last)", page, word, i,
			 life->writer[i].last[page], life->writer[i].value);
		return false;
	}
	return true;
}

const char *life_check(struct life *life, bool discarded)
{
	uint32_t page, sum;
	unsigned int i;

	for (page = 0; page < life->pages; page++) {
		if (page_same(life->copy + page * PAGE_SIZE, bench_page(&life->bench, page)))
			continue;
		snprintf(life->reason, sizeof(life->reason), "page %u: a write was not reported",
			 page);
		return life->reason;
	}
	for (i = 0; i < life->vcpus; i++)
		if (!same_words(life, i, discarded))
			return life->reason;
	/* The sum's guest uses the mailboxes for itself. */
	for (i = 0; i < life->vcpus; i++) {
		uint32_t at = lane(life, i);

		if (!bench_guest_sum(&life->bench, i, at, &sum))
			return "the guest could not read its memory";
		if (sum != bench_host_sum(&life->bench, at))
			return "the guest sees something else than the host";
	}
	return life->reported ? NULL : "nothing was ever reported";
}

static long count_pages(const void *host, size_t bytes, uint64_t bit)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry;
	size_t at;
	long n = 0;

	for (at = 0; at < bytes && n >= 0; at += PAGE_SIZE) {
		if (pread(fd, &entry, sizeof(entry), ((uintptr_t)host + at) / PAGE_SIZE * 8) !=
		    sizeof(entry))
			n = -1;
		else
			n += !!(entry & bit);
	}
	close(fd);
	return n;
}

long life_swapped(const void *host, size_t bytes)
{
	return count_pages(host, bytes, PAGEMAP_SWAPPED);
}

long life_present(const void *host, size_t bytes)
{
	return count_pages(host, bytes, PAGEMAP_PRESENT);
}

bool life_have_swap(void)
{
	char line[256];
	FILE *file = fopen("/proc/swaps", "r");
	int lines = 0;

	while (file && fgets(line, sizeof(line), file))
		lines++;
	if (file)
		fclose(file);
	return lines > 1;
}

int life_tell(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));
	int ret = n < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return ret;
}

long life_ask(const char *path)
{
	FILE *file = fopen(path, "r");
	long value = -1;

	if (file && fscanf(file, "%ld", &value) != 1)
		value = -1;
	if (file)
		fclose(file);
	return value;
}

bool life_group_make(void)
{
	if (mkdir(CGROUP, 0700) && errno != EEXIST)
		return false;
	if (access(CGROUP "/cgroup.procs", F_OK) && mount("none", CGROUP, "cgroup2", 0, NULL))
		return false;
	return !life_tell(CGROUP "/cgroup.subtree_control", "+memory") &&
	       (!mkdir(LIFE_GROUP, 0700) || errno == EEXIST) &&
	       !life_tell(LIFE_GROUP "/memory.max", "max");
}

int life_group_enter_with(void *host, size_t bytes)
{
	int ret = madvise(host, bytes, MADV_DONTNEED) ? -errno : 0;

	ret = ret ?: life_tell(LIFE_GROUP "/cgroup.procs", "0");
	if (!ret)
		memset(host, 0, bytes);
	return ret;
}

void life_group_leave(void)
{
	life_tell(CGROUP "/cgroup.procs", "0");
	rmdir(LIFE_GROUP);
}

int life_pin(void *host, size_t bytes)
{
	const struct iovec range = { host, bytes };
	struct io_uring_params params = { };
	int fd = syscall(__NR_io_uring_setup, 1, &params);

	if (fd >= 0 && syscall(__NR_io_uring_register, fd, IORING_REGISTER_BUFFERS, &range, 1)) {
		close(fd);
		return -1;
	}
	return fd;
}
