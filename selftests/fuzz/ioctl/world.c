// SPDX-License-Identifier: GPL-2.0
/*
 * A world: a VM that its owner makes and throws away, its memory, and what
 * happens to both behind the kernel's back.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz.h"

#define HLT	0xf4

struct world worlds[WORLDS];

bool touch(struct thread *t, void *at, const void *from, size_t size)
{
	if (sigsetjmp(t->fault, 1)) {
		t->touching = false;
		return false;
	}
	t->touching = true;
	memcpy(at, from, size);
	t->touching = false;
	return true;
}

static void *map_at(void *at, size_t size, int prot, int flags, int fd)
{
	return mmap(at, size, prot, flags | MAP_FIXED | MAP_NORESERVE, fd, 0);
}

#define ANONYMOUS	(MAP_PRIVATE | MAP_ANONYMOUS)
#define SHARED_ZERO	(MAP_SHARED | MAP_ANONYMOUS)

static void map_run_pages(struct world *w, int v, int fd)
{
	if (fd >= 0)
		map_at(world_run(w, v), 2 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
	else
		map_at(world_run(w, v), 2 * PAGE_SIZE, PROT_READ | PROT_WRITE, SHARED_ZERO, -1);
	if (fd >= 0 && w->has_ring)
		mmap(world_ring(w, v), RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		     fd, KVM_DIRTY_LOG_PAGE_OFFSET * PAGE_SIZE);
	else
		map_at(world_ring(w, v), RING_BYTES, PROT_READ | PROT_WRITE, SHARED_ZERO, -1);
}

static void map_data(struct world *w)
{
	map_at(w->base + DATA_AT, DATA_SIZE, PROT_READ | PROT_WRITE, ANONYMOUS, -1);
}

/* One GiB mapped one to one, for rings 0 and 3. */
static void write_tables(char *at)
{
	uint64_t *entry = (uint64_t *)at;
	unsigned int i;

	cpu_page_tables(at, FUZZ_CODE_GPA + TABLES_AT);
	for (i = 0; i < CPU_TABLE_BYTES / sizeof(*entry); i++)
		if (entry[i])
			entry[i] |= 4;
}

/*
 * The interrupt vectors of real mode, which a vCPU has after an INIT: to the HLTs behind
 * them. Nobody writes to that page, so no guest goes round in exceptions.
 */
static void write_vectors(uint32_t *low)
{
	unsigned int i;

	for (i = 0; i < 256; i++)
		low[i] = 0x400;
	mprotect(low, PAGE_SIZE, PROT_READ);
}

void world_map(struct world *w, unsigned int index)
{
	int rw = PROT_READ | PROT_WRITE, v;

	w->base = (char *)WORLD_BASE + index * WORLD_STRIDE;
	w->vm = -1;
	w->memfd = memfd_create("fuzz", 0);
	if (w->memfd >= 0 && ftruncate(w->memfd, DATA_SIZE))
		w->memfd = -1;
	for (v = 0; v < WORLD_TRACKERS; v++)
		w->tracker[v] = -1;
	for (v = 0; v < WORLD_VCPUS; v++) {
		w->vcpu[v] = -1;
		map_run_pages(w, v, -1);
	}
	/* Wherever a guest strays to, it halts. */
	memset(map_at(w->base + LOW_AT, LOW_SIZE, rw, ANONYMOUS, -1), HLT, LOW_SIZE);
	write_vectors((uint32_t *)(w->base + LOW_AT));
	memset(map_at(w->base + CODE_AT, CODE_SIZE, rw, ANONYMOUS, -1), HLT, CODE_SIZE);
	write_tables(w->base + CODE_AT + TABLES_AT);
	map_data(w);
	map_at(w->base + READONLY_AT, PAGE_SIZE * 16, PROT_READ, ANONYMOUS, -1);
	map_at(w->base + SCRATCH_AT, SCRATCH_SIZE, rw, ANONYMOUS, -1);
}

static void close_taken(_Atomic int *fd)
{
	int old = atomic_exchange(fd, -1);

	if (old >= 0)
		close(old);
}

/* In any order; other threads may be in the middle of a call. */
void world_leave(struct world *w)
{
	int v;

	for (v = 0; v < WORLD_TRACKERS; v++)
		close_taken(&w->tracker[v]);
	for (v = WORLD_VCPUS - 1; v >= 0; v--) {
		close_taken(&w->vcpu[v]);
		map_run_pages(w, v, -1);
		if (v == 1)
			close_taken(&w->vm);
	}
}

static void enable(struct thread *t, struct world *w, uint32_t cap, uint64_t value)
{
	struct kvm_enable_cap *arg = (void *)t->scratch;

	memset(arg, 0, sizeof(*arg));
	arg->cap = cap;
	arg->args[0] = value;
	do_ioctl(t, KVM_ENABLE_CAP, ON_VM, w->vm, (unsigned long)arg);
}

static void set_slot(struct thread *t, struct world *w, unsigned int slot, uint64_t gpa,
		     uint64_t at, uint64_t size)
{
	struct kvm_userspace_memory_region *r = (void *)t->scratch;

	*r = (struct kvm_userspace_memory_region){
		.slot = slot, .guest_phys_addr = gpa, .memory_size = size,
		.userspace_addr = (uint64_t)w->base + at,
		.flags = one_in(&t->rng, 2) ? KVM_MEM_LOG_DIRTY_PAGES : 0,
	};
	w->slot[slot].gpa = gpa;
	w->slot[slot].pages = size >> 12;
	w->slot[slot].host = r->userspace_addr;
	w->slot[slot].flags = r->flags;
	do_ioctl(t, KVM_SET_USER_MEMORY_REGION, ON_VM, w->vm, (unsigned long)r);
}

static void add_vcpu(struct thread *t, struct world *w, int v)
{
	struct kvm_cpuid2 *cpuid = (void *)t->scratch;
	long fd = do_ioctl(t, KVM_CREATE_VCPU, ON_VM, w->vm, v);

	if (fd < 0)
		return;
	w->vcpu[v] = fd;
	map_run_pages(w, v, fd);
	cpuid->nent = CPUID_MAX;
	if (!one_in(&t->rng, 8) &&
	    !do_ioctl(t, KVM_GET_SUPPORTED_CPUID, ON_DEVICE, device, (unsigned long)cpuid))
		do_ioctl(t, KVM_SET_CPUID2, ON_VCPU, fd, (unsigned long)cpuid);
}

static void add_tracker(struct thread *t, struct world *w, unsigned int i)
{
	struct vellum_tracker *tracker = (void *)t->scratch;

	memset(tracker, 0, sizeof(*tracker));
	tracker->id = i;
	tracker->flags = one_in(&t->rng, 2) ? VELLUM_TRACKER_KEEP : 0;
	w->tracker[i] = ioctl(w->vm, VELLUM_OPEN_TRACKER, tracker);
}

void world_build(struct thread *t, struct world *w)
{
	struct rng *rng = &t->rng;
	unsigned int i;

	world_leave(w);
	for (i = 0; i < SLOTS; i++)
		w->slot[i].pages = 0;
	w->vm = do_ioctl(t, KVM_CREATE_VM, ON_DEVICE, device, 0);
	if (w->vm < 0)
		return;
	t->worlds++;
	w->has_ring = one_in(rng, 2);
	if (w->has_ring)
		enable(t, w, KVM_CAP_DIRTY_LOG_RING, RING_BYTES << rng_below(rng, 3));
	if (one_in(rng, 2))
		enable(t, w, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, 1 | one_in(rng, 2) << 1);
	if (one_in(rng, 3))
		do_ioctl(t, KVM_CREATE_IRQCHIP, ON_VM, w->vm, 0);
	if (one_in(rng, 3))
		do_ioctl(t, KVM_SET_BOOT_CPU_ID, ON_VM, w->vm, rng_below(rng, 2));
	memset(t->scratch, 0, 8);
	if (one_in(rng, 2))
		do_ioctl(t, KVM_SET_IDENTITY_MAP_ADDR, ON_VM, w->vm, (unsigned long)t->scratch);
	set_slot(t, w, 0, 0, LOW_AT, LOW_SIZE);
	set_slot(t, w, 1, FUZZ_CODE_GPA, CODE_AT, CODE_SIZE);
	set_slot(t, w, 2, FUZZ_DATA_GPA, DATA_AT, DATA_SIZE / 2);
	for (i = 0; i < WORLD_TRACKERS; i++)
		add_tracker(t, w, i);
	for (i = 0; i < WORLD_VCPUS; i++) {
		if (i && one_in(rng, 4))
			continue;
		add_vcpu(t, w, i);
		program_start(t, w, i);
	}
}

/* Memory goes, comes back, becomes read-only, another file's, or a huge page's. */
void memory_change(struct thread *t, struct world *w)
{
	struct rng *rng = &t->rng;
	char *data = w->base + DATA_AT;
	uint64_t from = rng_below(rng, DATA_SIZE >> 12), n = 1 + rng_below(rng, 64);
	char byte = HLT;

	if (from + n > DATA_SIZE >> 12)
		n = (DATA_SIZE >> 12) - from;
	switch (rng_below(rng, 10)) {
	case 0:
		munmap(data + from * PAGE_SIZE, n * PAGE_SIZE);
		break;
	case 1:
		map_data(w);
		break;
	case 2:
		if (w->memfd >= 0)
			map_at(data, DATA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, w->memfd);
		break;
	case 3:
		mprotect(data + from * PAGE_SIZE, n * PAGE_SIZE,
			 one_in(rng, 2) ? PROT_READ : PROT_NONE);
		break;
	case 4:
		mprotect(data, DATA_SIZE, PROT_READ | PROT_WRITE);
		break;
	case 5:
		fallocate(w->memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from * PAGE_SIZE,
			  n * PAGE_SIZE);
		break;
	case 6:
		madvise(data, DATA_SIZE, one_in(rng, 2) ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
		break;
	case 7:
		touch(t, data + from * PAGE_SIZE, &byte, 1);
		break;
	default:
		madvise(data + from * PAGE_SIZE, n * PAGE_SIZE,
			one_in(rng, 4) ? MADV_FREE : MADV_DONTNEED);
	}
}

/* Entries are given back as they should be, and sometimes as they should not. */
void ring_harvest(struct thread *t, struct world *w)
{
	int v = rng_below(&t->rng, WORLD_VCPUS);
	struct kvm_dirty_gfn *ring = world_ring(w, v), entry;
	uint32_t i, entries = RING_BYTES / sizeof(*ring), n = rng_below(&t->rng, entries);

	if (sigsetjmp(t->fault, 1)) {
		t->touching = false;
		return;
	}
	t->touching = true;
	if (one_in(&t->rng, 30)) {
		i = rng_below(&t->rng, entries);
		entry = (struct kvm_dirty_gfn){
			.flags = odd_number(&t->rng), .slot = odd_number(&t->rng),
			.offset = odd_number(&t->rng),
		};
		ring[i] = entry;
	}
	for (i = 0; i < n; i++)
		if (ring[i].flags & KVM_DIRTY_GFN_F_DIRTY)
			ring[i].flags = KVM_DIRTY_GFN_F_RESET;
	t->touching = false;
}

/* Duplicates that are closed, and maps of odd parts that come and go. */
void descriptor_tricks(struct thread *t, struct world *w)
{
	struct rng *rng = &t->rng;
	int fd = one_in(rng, 4) ? (int)w->vm : (int)w->vcpu[rng_below(rng, WORLD_VCPUS)];
	char *place = w->base + 0x1000000UL;
	int copy = dup(fd);
	size_t size;
	char byte = 1;

	if (copy < 0)
		return;
	if (one_in(rng, 2)) {
		size = (1 + rng_below(rng, 40)) * PAGE_SIZE;
		if (mmap(place, size, one_in(rng, 3) ? PROT_READ : PROT_READ | PROT_WRITE,
			 (one_in(rng, 5) ? MAP_PRIVATE : MAP_SHARED) | MAP_FIXED, copy,
			 (one_in(rng, 2) ? 0UL : rng_below(rng, 100)) * PAGE_SIZE) != MAP_FAILED)
			touch(t, place + rng_below(rng, size >> 12) * PAGE_SIZE + 0x800, &byte, 1);
	} else {
		munmap(place, 40 * PAGE_SIZE);
	}
	close(copy);
}

/* The number of calls that were not refused with EIO, in the child of a world's owner. */
static int child_main(const struct world *w)
{
	struct kvm_regs regs;
	int taken = 0;

	taken += ioctl(w->vcpu[0], KVM_GET_REGS, &regs) >= 0 || errno != EIO;
	taken += ioctl(w->vcpu[0], KVM_RUN, 0) >= 0 || errno != EIO;
	taken += ioctl(w->vm, KVM_CREATE_VCPU, 9) >= 0 || errno != EIO;
	taken += ioctl(w->vm, KVM_RESET_DIRTY_RINGS, 0) >= 0 || errno != EIO;
	return taken;
}

void child_calls(struct thread *t, struct world *w)
{
	int status;
	pid_t child;

	if (w->vm < 0 || w->vcpu[0] < 0)
		return;
	child = fork();
	if (!child)
		_exit(child_main(w));
	if (child < 0)
		return;
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	t->children++;
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		t->children_refused++;
}
