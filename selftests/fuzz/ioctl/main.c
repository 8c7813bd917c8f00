// SPDX-License-Identifier: GPL-2.0
/*
 * ioctl_fuzz [--seed N] [--calls N] [--threads N]
 *
 * Makes that many calls, says how they went by ioctl and errno, and judges: most
 * must have done something, each that is promised must have worked at least once,
 * a child must have been refused, and a new VM must run. Whether the kernel took
 * harm is for its log and for the module's count of objects to say. Prints TAP.
 *
 * The seed settles what each thread does; how threads meet is the machine's.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/eventfd.h>
#include <sys/klog.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>
#include <x86intrin.h>

#include "fuzz.h"

/* testbed/lib/dmesg.py knows it. */
#define FAILING		"ioctl_fuzz: allocations fail on purpose\n"
#define KICK_US		1000
/* Under a slow kernel, with others on its CPU, a run may need more than that to begin. */
#define WATCHED_LOOKS	100
#define KLOG_READ_ALL	3
#define SUCCESS_SHARE	40	/* percent of all calls */

int device;
unsigned int nr_threads = WORLDS;
uint32_t msr_list[MSRS_MAX], nr_msrs;
static uint64_t calls_each = 50000;
static struct thread threads[WORLDS];
static _Atomic unsigned int running;
static __thread struct thread *self;
static unsigned int tests, failed;

static void on_fault(int number, siginfo_t *info, void *context)
{
	char text[100];
	int length;

	if (self && self->touching)
		siglongjmp(self->fault, 1);
	length = snprintf(text, sizeof(text), "# the fuzzer faulted at %p, in code at %#llx\n",
			  info->si_addr,
			  ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP]);
	if (write(1, text, length) != length)
		_exit(99);
	signal(number, SIG_DFL); /* and it comes again */
}

static void on_kick(int signal)
{
	(void)signal;
}

static void set_handlers(void)
{
	struct sigaction fault = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER };
	struct sigaction kick = { .sa_handler = on_kick };

	sigaction(SIGSEGV, &fault, NULL);
	sigaction(SIGBUS, &fault, NULL);
	sigaction(SIGUSR1, &kick, NULL);
}

static void one_turn(struct thread *t)
{
	struct world *own = &worlds[t->index], *any = &worlds[rng_below(&t->rng, nr_threads)];

	if (own->vm < 0 || one_in(&t->rng, 800))
		world_build(t, own);
	if (one_in(&t->rng, 40))
		memory_change(t, any);
	if (one_in(&t->rng, 60))
		ring_harvest(t, any);
	if (one_in(&t->rng, 150))
		descriptor_tricks(t, any);
	if (one_in(&t->rng, 4000))
		child_calls(t, own);
	random_call(t);
}

static void *thread_main(void *arg)
{
	struct thread *t = arg;
	uint64_t begun = __rdtsc();

	self = t;
	t->fail_nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	t->eventfd = eventfd(0, EFD_NONBLOCK);
	world_build(t, &worlds[t->index]);
	child_calls(t, &worlds[t->index]);
	while (t->made < calls_each)
		one_turn(t);
	t->ticks = __rdtsc() - begun;
	running--;
	return NULL;
}

/* Whoever is in the same KVM_RUN as at the last look may be in a guest that spins. */
static void kick_until_done(void)
{
	struct sched_param first = { .sched_priority = 1 };
	uint64_t seen[WORLDS] = { 0 };
	unsigned int i, look;

	sched_setscheduler(0, SCHED_FIFO, &first);
	for (look = 0; running; look++) {
		usleep(KICK_US);
		for (i = 0; i < nr_threads; i++) {
			if (threads[i].watched && look % WATCHED_LOOKS)
				continue;
			if (threads[i].in_guest && seen[i] == threads[i].made) {
				threads[i].kicked = true;
				pthread_kill(threads[i].id, SIGUSR1);
			}
			seen[i] = threads[i].made;
		}
	}
	first.sched_priority = 0;
	sched_setscheduler(0, SCHED_OTHER, &first);
}

/*
 * A restartable sequence that cannot be written back is answered with a SIGSEGV:
 * where failures will be asked for the C library is to do without them.
 */
static void without_rseq(char **argv)
{
	if (access("/proc/self/fail-nth", W_OK) || getenv("GLIBC_TUNABLES"))
		return;
	setenv("GLIBC_TUNABLES", "glibc.pthread.rseq=0", 1);
	execv("/proc/self/exe", argv);
}

/* Any allocation may fail, and nothing is said of it: a back-trace would look like a report. */
static void prepare_failures(void)
{
	static const char *const settings[][2] = {
		{ "failslab/ignore-gfp-wait", "N" }, { "failslab/verbose", "0" },
		{ "fail_page_alloc/ignore-gfp-wait", "N" }, { "fail_page_alloc/min-order", "0" },
		{ "fail_page_alloc/ignore-gfp-highmem", "N" }, { "fail_page_alloc/verbose", "0" },
		{ "fail_usercopy/verbose", "0" },
	};
	char path[80];
	size_t i;
	int fd;

	if (access("/proc/self/fail-nth", W_OK))
		return;
	/* What the kernel says of allocations that failed is no report from here on. */
	fd = open("/dev/kmsg", O_WRONLY);
	if (fd < 0 || write(fd, FAILING, sizeof(FAILING) - 1) < 0)
		printf("# the kernel's log cannot be told that allocations will fail\n");
	close(fd);
	for (i = 0; i < ARRAY_SIZE(settings); i++) {
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s", settings[i][0]);
		fd = open(path, O_WRONLY);
		if (fd < 0 || write(fd, settings[i][1], 1) != 1)
			printf("# no %s\n", path);
		close(fd);
	}
}

static void learn_msrs(void)
{
	static struct {
		struct kvm_msr_list head;
		uint32_t indices[MSRS_MAX];
	} list = { .head.nmsrs = MSRS_MAX };

	if (kvm_ioctl(device, KVM_GET_MSR_INDEX_LIST, &list))
		return;
	nr_msrs = list.head.nmsrs;
	memcpy(msr_list, list.indices, nr_msrs * sizeof(uint32_t));
}

static uint64_t tally(unsigned int call, int error)
{
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < nr_threads; i++)
		sum += threads[i].tally[call][error];
	return sum;
}

static uint64_t all_of(unsigned int call)
{
	uint64_t sum = 0;
	int error;

	for (error = 0; error < ERRNOS; error++)
		sum += tally(call, error);
	return sum;
}

/* Is it there? Its capability says so, or it gave an answer that only its own code gives. */
static bool offered(unsigned int call)
{
	static const int vague[] = { 0, EINVAL, ENOTTY, EIO, EBADF, EINTR, EFAULT, ENOMEM };
	uint64_t other = all_of(call);
	size_t i;

	if (calls[call].cap >= BEYOND_KVM(0))
		return ioctl(device, VELLUM_CHECK_EXTENSION, calls[call].cap - BEYOND_KVM(0)) > 0;
	if (calls[call].cap >= 0)
		return !calls[call].cap || kvm_cap(device, calls[call].cap) > 0;
	for (i = 0; i < ARRAY_SIZE(vague); i++)
		other -= tally(call, vague[i]);
	return other;
}

static void verdict(bool good, const char *title)
{
	tests++;
	failed += !good;
	printf("%sok %u %s\n", good ? "" : "not ", tests, title);
}

static uint64_t print_call(unsigned int call)
{
	uint64_t good = tally(call, 0);
	int error;

	printf("# %-36s %7lu %7lu ", calls[call].name, all_of(call), good);
	for (error = 1; error < ERRNOS; error++)
		if (tally(call, error))
			printf(" %s %lu", strerrorname_np(error), tally(call, error));
	printf("%s\n", offered(call) ? "" : "  (not offered)");
	return good;
}

/* The kernel's log says which invariant broke. */
static void print_why(void)
{
	static char log[1 << 20];
	int length = klogctl(KLOG_READ_ALL, log, sizeof(log) - 1);
	char *line, *rest = log;

	log[length < 0 ? 0 : length] = '\0';
	while ((line = strsep(&rest, "\n")))
		if (strstr(line, "cannot go on"))
			printf("# %s\n", line);
}

static void judge_calls(void)
{
	uint64_t made = 0, good = 0, dead = 0;
	bool each = true;
	unsigned int i;

	printf("# %-36s %7s %7s  refused\n", "call", "made", "worked");
	for (i = 0; i < nr_calls; i++) {
		made += all_of(i);
		good += print_call(i);
		dead += tally(i, EIO);
	}
	printf("# %-36s %7lu %7lu  %lu %%\n", "all", made, good, good * 100 / made);
	verdict(made >= calls_each * nr_threads, "as many calls as were asked for");
	verdict(good * 100 >= made * SUCCESS_SHARE, "most calls did something");
	verdict(!dead, "no VM had to be given up (EIO)");
	if (dead)
		print_why();
	for (i = 0; i < nr_calls; i++) {
		if (!offered(i) || tally(i, 0))
			continue;
		printf("# %s is offered and never worked\n", calls[i].name);
		each = false;
	}
	verdict(each, "each call that is offered worked at least once");
}

static void judge_threads(void)
{
	uint64_t worlds_made = 0, children = 0, refused = 0, asked = 0, made = 0, stats = 0;
	uint64_t ticks = 0, spun = 0;
	unsigned int i;

	for (i = 0; i < nr_threads; i++) {
		worlds_made += threads[i].worlds;
		children += threads[i].children;
		refused += threads[i].children_refused;
		asked += threads[i].failures_asked;
		made += threads[i].failures_made;
		stats += threads[i].stats_read;
		spun += threads[i].spun;
		if (threads[i].ticks > ticks)
			ticks = threads[i].ticks;
	}
	printf("# %lu VMs, %lu reads of statistics, %lu children, %lu of them refused\n",
	       worlds_made, stats, children, refused);
	printf("# %lu ticks a call\n", ticks / (calls_each * nr_threads));
	if (threads[0].fail_nth >= 0)
		printf("# %lu allocations failed on purpose, in %lu calls that were to meet one\n",
		       made, asked);
	else
		printf("# no allocation failed on purpose: there is no /proc/self/fail-nth\n");
	verdict(threads[0].fail_nth < 0 || made, "allocations failed where the kernel offers it");
	verdict(children && refused == children, "a child's calls were refused with EIO");
	verdict(stats, "statistics could be read");
	verdict(!spun, "no guest spun with interrupts disabled");
}

static int start_threads(uint64_t seed)
{
	unsigned int i;

	running = nr_threads;
	for (i = 0; i < nr_threads; i++) {
		threads[i].index = i;
		threads[i].rng.state = seed * WORLDS + i;
		threads[i].scratch = worlds[i].base + SCRATCH_AT;
	}
	for (i = 0; i < nr_threads; i++)
		if (pthread_create(&threads[i].id, NULL, thread_main, &threads[i]))
			return -1;
	return 0;
}

static int usage(void)
{
	fprintf(stderr, "usage: ioctl_fuzz [--seed N] [--calls N] [--threads 1..%d]\n", WORLDS);
	return 2;
}

int main(int argc, char **argv)
{
	uint64_t seed = 20261120, total = 200000;
	unsigned int i;

	for (i = 1; i + 1 < (unsigned int)argc; i += 2) {
		if (!strcmp(argv[i], "--seed"))
			seed = strtoull(argv[i + 1], NULL, 0);
		else if (!strcmp(argv[i], "--calls"))
			total = strtoull(argv[i + 1], NULL, 0);
		else if (!strcmp(argv[i], "--threads"))
			nr_threads = strtoul(argv[i + 1], NULL, 0);
		else
			return usage();
	}
	without_rseq(argv);
	if (i != (unsigned int)argc || !nr_threads || nr_threads > WORLDS || !total)
		return usage();
	calls_each = (total + nr_threads - 1) / nr_threads;
	device = kvm_open();
	if (device < 0) {
		printf("Bail out! cannot open %s: error %d\n", kvm_device(), -device);
		return 1;
	}
	printf("TAP version 13\n# --seed %lu --calls %lu --threads %u\n", seed, total, nr_threads);
	setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
	set_handlers();
	prepare_failures();
	learn_msrs();
	for (i = 0; i < nr_threads; i++)
		world_map(&worlds[i], i);
	if (start_threads(seed))
		return 1;
	kick_until_done();
	for (i = 0; i < nr_threads; i++)
		pthread_join(threads[i].id, NULL);
	for (i = 0; i < nr_threads; i++)
		world_leave(&worlds[i]);
	judge_calls();
	judge_threads();
	verdict(bench_run_new_vm() == KVM_EXIT_HLT, "a new VM runs afterwards");
	printf("1..%u\n", tests);
	return failed != 0;
}
