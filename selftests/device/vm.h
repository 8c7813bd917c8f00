/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The bench that the device tests share: a VM with a slot for code (never
 * logged) and a slot for data, and vCPUs that run guest code from
 * selftests/guest. Functions return 0 or a negative errno unless said.
 */
#ifndef SELFTESTS_DEVICE_VM_H
#define SELFTESTS_DEVICE_VM_H

#include <pthread.h>
#include <unistd.h>

#include "../../tools/lib/cpu.h"
#include "../../tools/lib/kvm.h"
#include "../guest/guest.h"

DECLARE_GUEST(hlt);
DECLARE_GUEST(writer);
DECLARE_GUEST(random);
DECLARE_GUEST(sum);

#define FLAGS_ALU	0x8d5		/* RFLAGS: CF, PF, AF, ZF, SF, OF */
#define MSR_FS_BASE	0xc0000100

#define BENCH_VCPUS	4

struct bench {
	struct vm vm;
	struct mem low;
	struct mem data;
	struct vcpu vcpu[BENCH_VCPUS];
	unsigned int vcpus;
	bool owns_data;
};

struct bench_config {
	unsigned int vcpus;
	uint32_t ring_entries;	/* 0: no dirty ring */
	uint64_t data_pages;	/* 0: no data slot */
	uint64_t data_gpa;	/* 0: DATA_GPA */
	uint64_t identity_map;	/* 0: where it is by default */
	void *data_host;	/* NULL: anonymous memory of the bench's own */
	uint32_t data_flags;	/* KVM_MEM_* */
	bool irqchip;		/* KVM_CREATE_IRQCHIP before the vCPUs */
	uint64_t manual;	/* KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE and the like */
	unsigned int maxphyaddr; /* of the vCPUs; 0: the CPU's */
};

/* CPUID.80000008H:EAX[7:0], before the vCPU has run. 0 or -errno. */
int vcpu_set_maxphyaddr(struct vcpu *vcpu, unsigned int bits);
int bench_open(struct bench *bench, const struct bench_config *config);
void bench_close(struct bench *bench);

/* Put guest code at CODE_GPA. */
void bench_load(struct bench *bench, const char *code, const char *end);
#define BENCH_LOAD(bench, name)	bench_load(bench, guest_##name, guest_##name##_end)

/* vCPU i is to run the loaded code, flat 32-bit, %ebp at its mailbox. */
int bench_start(struct bench *bench, unsigned int i);
int bench_start_mode(struct bench *bench, unsigned int i, enum cpu_mode mode);
volatile uint32_t *bench_mbox(struct bench *bench, unsigned int i);
#define MBOX(bench, i, field)	(bench_mbox(bench, i)[MBOX_##field / 4])

static inline void *bench_low(struct bench *bench, uint64_t gpa)
{
	return (char *)bench->low.host + gpa;
}

static inline volatile uint32_t *bench_page(struct bench *bench, uint64_t page)
{
	return (uint32_t *)((char *)bench->data.host + page * PAGE_SIZE);
}

/* Set the data slot's flags (logging on or off). */
int bench_set_flags(struct bench *bench, uint32_t flags);

/*
 * Let vCPU 0 go through count script entries that stand at SCRIPT_GPA. Returns
 * the exit reason: KVM_EXIT_IO when the guest is done.
 */
int bench_script(struct bench *bench, uint32_t count);
uint32_t *bench_script_list(struct bench *bench);
#define SCRIPT_MAX	((LOW_BYTES - SCRIPT_GPA) / 4)
/* The guest wrote (or read) these pages of the data slot in this order. */
int bench_touch(struct bench *bench, const uint32_t *pages, uint32_t count, uint32_t how);

/* Run vCPU i: exit reason, or negative errno. */
int bench_run(struct bench *bench, unsigned int i);
bool bench_done(struct bench *bench, unsigned int i);
/*
 * The same with a SIGALRM every so many microseconds until it returns: one that comes
 * before KVM_RUN has begun is not the last.
 */
int bench_run_alarmed(struct bench *bench, unsigned int i, unsigned int us);
/* A parameter of the module (or of kvm_intel, in its place) is on. */
bool bench_module_param(const char *name);
/*
 * SKIP() for a set-up, from which the harness would go on to the test. Each test is a
 * process of its own, and this status says to the harness that it was skipped.
 */
#define SKIP_IN_SETUP(why)	SKIP(_exit(255), why)

/* Tests of real mode skip themselves without it; restricted.c shows that it is refused. */
static inline bool bench_has_real_mode(void)
{
	return bench_module_param("unrestricted_guest");
}

#define NEED_REAL_MODE()						\
	do {								\
		if (!bench_has_real_mode())				\
			SKIP(return, "real mode needs unrestricted guest"); \
	} while (0)

/* The module works still: a new VM runs a guest to its HLT. Exit reason, or negative errno. */
int bench_run_new_vm(void);

/* A thread that runs a vCPU until its guest says PORT_DONE or an error occurs. */
struct runner {
	struct bench *bench;
	unsigned int i;
	pthread_t thread;
	int result;		/* 0: done; else exit reason that was not expected, or -errno */
	unsigned int full;	/* KVM_EXIT_DIRTY_RING_FULL seen */
	volatile bool finished;
};

/* Pages that the random guest of vCPU i is to write: the whole data slot. */
void bench_random(struct bench *bench, unsigned int i, uint32_t seed);
/* Sum of the words at offset in all pages of the data slot, as vCPU i sees it; false: failed. */
bool bench_guest_sum(struct bench *bench, unsigned int i, uint32_t offset, uint32_t *sum);
uint32_t bench_host_sum(struct bench *bench, uint32_t offset);

/* Sends SIGUSR1, which does nothing but end KVM_RUN, until the thread has ended; its result. */
void *thread_interrupt(pthread_t thread);
/* The same of several, in whatever order they end. */
void threads_interrupt(const pthread_t *threads, unsigned int n, void **results);

int runner_start(struct runner *runner, struct bench *bench, unsigned int i);
int runner_join(struct runner *runner);

/* Deterministic random numbers; the seed is SEED in the environment, or a fixed one. */
struct rng {
	uint64_t state;
};

uint64_t bench_seed(void);		/* prints it */
uint64_t rng_next(struct rng *rng);
uint32_t rng_below(struct rng *rng, uint32_t limit);
void rng_shuffle(struct rng *rng, uint32_t *list, uint32_t count);

#endif
