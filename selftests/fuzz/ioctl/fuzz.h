/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The ioctl fuzzer: what its files share.
 *
 * A few threads, each the owner of one world (a VM with its vCPUs and memory),
 * make calls on every world at once: well-formed ones, nearly well-formed ones
 * and nonsense. Nothing but the owner's right to replace its VM is serialised.
 * All memory is mapped at fixed places before the threads start, far below
 * whatever else the process has: no guest and no hole that a thread leaves ever
 * meets the fuzzer's own memory.
 */
#ifndef SELFTESTS_FUZZ_IOCTL_H
#define SELFTESTS_FUZZ_IOCTL_H

#include <linux/kvm.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "../../../uapi/kvm_later.h"
#include "../../../uapi/vellum.h"
#include "../../device/vm.h"

#define WORLDS		4		/* one for each thread */
#define WORLD_VCPUS	3
#define WORLD_TRACKERS	2
#define SLOTS		10		/* 0: halts below 1 MiB, 1: code; the rest come and go */
#define ARRAY_SIZE(x)	(sizeof(x) / sizeof((x)[0]))
#define ERRNOS		135		/* more than any errno */
#define CALLS_MAX	128
#define RFLAGS_IF	(1UL << 9)

/* A world's memory, from its base on. What lies between is never mapped. */
#define WORLD_BASE	0x100000000000UL	/* of world 0 */
#define WORLD_STRIDE	0x10000000UL
#define RUN_AT		0x000000UL		/* 1 MiB for each vCPU: run pages, then ring */
#define RING_AT		0x080000UL
#define RING_BYTES	0x10000UL		/* the part of a ring that is looked at */
#define LOW_AT		0x400000UL		/* slot 0 */
#define LOW_SIZE	0x10000UL
#define CODE_AT		0x500000UL		/* slot 1 */
#define CODE_SIZE	0x10000UL
#define TABLES_AT	0x4000UL		/* in there: page tables for long mode */
#define DATA_AT		0x800000UL
#define DATA_SIZE	0x400000UL
#define SCRATCH_AT	0x2000000UL		/* the owner's: arguments, then nothing */
#define SCRATCH_SIZE	0x400000UL
#define READONLY_AT	(SCRATCH_AT - 0x100000UL)

/*
 * Guest addresses. Code stands where no start-up IPI can begin (that would be
 * with IF clear), and the reset vector is never mapped.
 */
#define FUZZ_CODE_GPA	0x100000UL
#define FUZZ_DATA_GPA	0x1000000UL

enum fd_kind { ON_DEVICE, ON_VM, ON_VCPU, ON_TRACKER, FD_KINDS };

struct slot_seen {
	_Atomic uint64_t gpa, pages, host, flags;
};

struct world {
	_Atomic int vm;
	_Atomic int vcpu[WORLD_VCPUS];
	_Atomic int tracker[WORLD_TRACKERS];
	char *base;
	int memfd;
	_Atomic bool has_ring;
	struct slot_seen slot[SLOTS];	/* as last asked for: a hint */
	_Atomic uint32_t ranged;	/* slot that was last asked to be tracked by 2M */
};

struct thread {
	unsigned int index;
	pthread_t id;
	struct rng rng;
	sigjmp_buf fault;		/* where a touch that faults goes on */
	volatile bool touching;
	char *scratch;
	_Atomic uint64_t made;		/* calls so far; the kicker watches it */
	_Atomic bool in_guest;		/* in KVM_RUN, which a guest may never end */
	_Atomic bool kicked;		/* and so it was */
	_Atomic bool watched;		/* it is given time to get to its end */
	uint64_t spun;			/* guests that spun with IF clear */
	uint32_t tally[CALLS_MAX][ERRNOS]; /* [call][errno], errno 0: it succeeded */
	int eventfd;			/* for a ring to signal */
	int fail_nth;			/* /proc/thread-self/fail-nth, or -1 */
	uint64_t failures_asked, failures_made;
	uint64_t ticks;
	uint64_t stats_read, worlds, children, children_refused;
};

#define BEYOND_KVM(ext)	(0x10000 + (ext))

struct call;
typedef unsigned long (*make_arg)(struct thread *t, struct world *w, int v,
				  const struct call *call);

struct call {
	const char *name;
	unsigned long nr;
	enum fd_kind on;
	int cap;		/* that promises it; 0: always there; -1: nothing says so */
				/* or BEYOND_KVM() of uapi/vellum.h's */
	unsigned int weight;
	make_arg arg;
	unsigned long get;	/* ioctl that gives a good argument, or 0 */
	void (*tame)(void *arg); /* takes out what would hang the emulated machine */
};

extern const struct call calls[];
extern const unsigned int nr_calls;
const struct call *call_of(unsigned long nr, enum fd_kind on);

extern struct world worlds[WORLDS];
extern unsigned int nr_threads;
extern int device;
extern uint32_t msr_list[MSRS_MAX], nr_msrs;

/* The calls themselves, counted; now and then with an allocation that fails. -errno or result. */
long do_call(struct thread *t, const struct call *call, int fd, unsigned long arg);
long do_ioctl(struct thread *t, unsigned long nr, enum fd_kind on, int fd, unsigned long arg);
/* One call picked by weight, on a world picked at random. */
void random_call(struct thread *t);

/* world.c */
void world_map(struct world *w, unsigned int index);
void world_build(struct thread *t, struct world *w);
void world_leave(struct world *w);
void memory_change(struct thread *t, struct world *w);
void ring_harvest(struct thread *t, struct world *w);
void descriptor_tricks(struct thread *t, struct world *w);
void child_calls(struct thread *t, struct world *w);

/* args.c, slots.c, lists.c, beyond.c: generators. */
unsigned long arg_none(struct thread *t, struct world *w, int v, const struct call *call);
unsigned long arg_number(struct thread *t, struct world *w, int v, const struct call *call);
unsigned long arg_state(struct thread *t, struct world *w, int v, const struct call *call);
unsigned long arg_region(struct thread *t, struct world *w, int v, const struct call *call);
unsigned long arg_get_log(struct thread *t, struct world *w, int v, const struct call *call);
unsigned long arg_clear_log(struct thread *t, struct world *w, int v, const struct call *call);
unsigned long arg_cap(struct thread *t, struct world *w, int v, const struct call *call);
unsigned long arg_msrs(struct thread *t, struct world *w, int v, const struct call *call);
unsigned long arg_msr_list(struct thread *t, struct world *w, int v, const struct call *call);
unsigned long arg_nested_state(struct thread *t, struct world *w, int v, const struct call *call);
unsigned long arg_cpuid(struct thread *t, struct world *w, int v, const struct call *call);
unsigned long arg_signal_mask(struct thread *t, struct world *w, int v, const struct call *call);
unsigned long arg_attr(struct thread *t, struct world *w, int v, const struct call *call);
unsigned long arg_filter(struct thread *t, struct world *w, int v, const struct call *call);
unsigned long arg_routing(struct thread *t, struct world *w, int v, const struct call *call);
unsigned long arg_msi(struct thread *t, struct world *w, int v, const struct call *call);
unsigned long arg_mce(struct thread *t, struct world *w, int v, const struct call *call);
unsigned long arg_extension(struct thread *t, struct world *w, int v, const struct call *call);
unsigned long arg_tracker(struct thread *t, struct world *w, int v, const struct call *call);
unsigned long arg_pages(struct thread *t, struct world *w, int v, const struct call *call);
unsigned long arg_clear_part(struct thread *t, struct world *w, int v, const struct call *call);
unsigned long arg_tracking(struct thread *t, struct world *w, int v, const struct call *call);
unsigned long arg_ranges(struct thread *t, struct world *w, int v, const struct call *call);
unsigned long arg_reset_part(struct thread *t, struct world *w, int v, const struct call *call);
unsigned long arg_ring_event(struct thread *t, struct world *w, int v, const struct call *call);
void tame_regs(void *arg);
void tame_sregs(void *arg);
void sync_regs(struct thread *t, struct kvm_run *run);

/* An argument at a random place: mostly as it stands, else moved or a bad pointer. */
unsigned long place(struct thread *t, void *arg, size_t size);
/* A slot, logged if one is found soon; room for a bitmap, mostly good. */
unsigned int any_slot(struct rng *rng, struct world *w);
void *any_bitmap(struct thread *t);
/* One to three of an argument's fields get another value. */
void mutate(struct rng *rng, void *arg, size_t size);
uint64_t odd_number(struct rng *rng);

/* guest.c: writes a program for a vCPU and sets its registers to run it. */
void program_start(struct thread *t, struct world *w, int v);

/* Writes to memory that another thread may take away at any moment; false: it did. */
bool touch(struct thread *t, void *at, const void *from, size_t size);

static inline bool one_in(struct rng *rng, uint32_t n)
{
	return !rng_below(rng, n);
}

static inline struct kvm_run *world_run(struct world *w, int v)
{
	return (struct kvm_run *)(w->base + RUN_AT + v * 0x100000UL);
}

static inline struct kvm_dirty_gfn *world_ring(struct world *w, int v)
{
	return (struct kvm_dirty_gfn *)(w->base + RING_AT + v * 0x100000UL);
}

#endif
