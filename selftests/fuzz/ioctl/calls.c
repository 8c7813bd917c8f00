// SPDX-License-Identifier: GPL-2.0
/*
 * Every ioctl that the device, a VM or a vCPU may know: how an argument for it is
 * made, how often it is called, and which capability promises it. One that is
 * promised must succeed at least once in a run.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "fuzz.h"

#define ALWAYS	0
#define NOBODY	-1

#define SPIN_RUNS	5

/* uapi/vellum.h's. */
#define BEYOND(NAME, ON, EXT, WEIGHT, ARG) \
	{ #NAME, NAME, ON, BEYOND_KVM(VELLUM_EXT_##EXT), WEIGHT, ARG, 0, NULL }

#define DEVICE(NAME, CAP, WEIGHT, ARG)	{ #NAME, NAME, ON_DEVICE, CAP, WEIGHT, ARG, 0, NULL }
#define VM(NAME, CAP, WEIGHT, ARG)	{ #NAME " (VM)", NAME, ON_VM, CAP, WEIGHT, ARG, 0, NULL }
#define VCPU(NAME, CAP, WEIGHT, ARG) \
	{ #NAME " (vCPU)", NAME, ON_VCPU, CAP, WEIGHT, ARG, 0, NULL }
/* A pair: what GET gives is what SET takes. */
#define STATE(NAME, CAP, WEIGHT, TAME) \
	{ "KVM_GET_" #NAME, KVM_GET_##NAME, ON_VCPU, CAP, WEIGHT, arg_state, 0, NULL }, \
	{ "KVM_SET_" #NAME, KVM_SET_##NAME, ON_VCPU, CAP, WEIGHT, arg_state, KVM_GET_##NAME, TAME }

const struct call calls[] = {
	DEVICE(KVM_GET_API_VERSION, ALWAYS, 4, arg_none),
	DEVICE(KVM_CREATE_VM, ALWAYS, 1, arg_none),
	DEVICE(KVM_CHECK_EXTENSION, ALWAYS, 10, arg_number),
	DEVICE(KVM_GET_VCPU_MMAP_SIZE, ALWAYS, 4, arg_none),
	DEVICE(KVM_GET_SUPPORTED_CPUID, ALWAYS, 6, arg_cpuid),
	DEVICE(KVM_GET_EMULATED_CPUID, ALWAYS, 4, arg_cpuid),
	DEVICE(KVM_GET_SUPPORTED_HV_CPUID, KVM_CAP_SYS_HYPERV_CPUID, 3, arg_cpuid),
	DEVICE(KVM_GET_MSR_INDEX_LIST, ALWAYS, 6, arg_msr_list),
	DEVICE(KVM_GET_MSR_FEATURE_INDEX_LIST, KVM_CAP_GET_MSR_FEATURES, 6, arg_msr_list),
	DEVICE(KVM_GET_MSRS, KVM_CAP_GET_MSR_FEATURES, 6, arg_msrs),
	DEVICE(KVM_X86_GET_MCE_CAP_SUPPORTED, KVM_CAP_MCE, 4, arg_state),
	DEVICE(KVM_HAS_DEVICE_ATTR, KVM_CAP_SYS_ATTRIBUTES, 3, arg_attr),
	DEVICE(KVM_GET_DEVICE_ATTR, KVM_CAP_SYS_ATTRIBUTES, 3, arg_attr),

	VM(KVM_CHECK_EXTENSION, ALWAYS, 10, arg_number),
	VM(KVM_CREATE_VCPU, ALWAYS, 6, arg_number),
	VM(KVM_SET_USER_MEMORY_REGION, ALWAYS, 90, arg_region),
	VM(KVM_SET_USER_MEMORY_REGION2, KVM_CAP_USER_MEMORY2, 20, arg_region),
	VM(KVM_GET_DIRTY_LOG, ALWAYS, 70, arg_get_log),
	VM(KVM_CLEAR_DIRTY_LOG, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, 70, arg_clear_log),
	VM(KVM_RESET_DIRTY_RINGS, KVM_CAP_DIRTY_LOG_RING, 40, arg_none),
	VM(KVM_ENABLE_CAP, ALWAYS, 16, arg_cap),
	VM(KVM_CREATE_IRQCHIP, KVM_CAP_IRQCHIP, 4, arg_none),
	VM(KVM_SET_TSS_ADDR, KVM_CAP_SET_TSS_ADDR, 8, arg_number),
	{ "KVM_SET_IDENTITY_MAP_ADDR (VM)", KVM_SET_IDENTITY_MAP_ADDR, ON_VM,
	  KVM_CAP_SET_IDENTITY_MAP_ADDR, 4, arg_state, 0, NULL },
	VM(KVM_GET_STATS_FD, KVM_CAP_BINARY_STATS_FD, 6, arg_none),
	VM(KVM_SET_BOOT_CPU_ID, KVM_CAP_SET_BOOT_CPU_ID, 5, arg_number),
	VM(KVM_SET_GSI_ROUTING, KVM_CAP_IRQ_ROUTING, 6, arg_routing),
	{ "KVM_IRQ_LINE (VM)", KVM_IRQ_LINE, ON_VM, NOBODY, 4, arg_state, 0, NULL },
	VM(KVM_SIGNAL_MSI, KVM_CAP_SIGNAL_MSI, 8, arg_msi),
	{ "KVM_GET_CLOCK (VM)", KVM_GET_CLOCK, ON_VM, KVM_CAP_ADJUST_CLOCK, 10, arg_state,
	  0, NULL },
	{ "KVM_SET_CLOCK (VM)", KVM_SET_CLOCK, ON_VM, KVM_CAP_ADJUST_CLOCK, 10, arg_state,
	  KVM_GET_CLOCK, NULL },
	VM(KVM_X86_SET_MSR_FILTER, KVM_CAP_X86_MSR_FILTER, 10, arg_filter),
	VM(KVM_SET_TSC_KHZ, KVM_CAP_VM_TSC_CONTROL, 6, arg_number),
	VM(KVM_GET_TSC_KHZ, KVM_CAP_VM_TSC_CONTROL, 6, arg_none),
	VM(KVM_SET_NR_MMU_PAGES, NOBODY, 2, arg_number),
	{ "KVM_IRQFD (VM)", KVM_IRQFD, ON_VM, KVM_CAP_IRQFD, 2, arg_state, 0, NULL },
	{ "KVM_IOEVENTFD (VM)", KVM_IOEVENTFD, ON_VM, KVM_CAP_IOEVENTFD, 2, arg_state, 0, NULL },
	{ "KVM_CREATE_DEVICE (VM)", KVM_CREATE_DEVICE, ON_VM, NOBODY, 2, arg_state, 0, NULL },
	{ "KVM_CREATE_PIT2 (VM)", KVM_CREATE_PIT2, ON_VM, KVM_CAP_PIT2, 2, arg_state, 0, NULL },
	{ "KVM_GET_IRQCHIP (VM)", KVM_GET_IRQCHIP, ON_VM, NOBODY, 2, arg_state, 0, NULL },
	VM(KVM_HAS_DEVICE_ATTR, KVM_CAP_VM_ATTRIBUTES, 2, arg_attr),

	VCPU(KVM_RUN, ALWAYS, 200, arg_none),
	STATE(REGS, ALWAYS, 40, tame_regs),
	STATE(SREGS, ALWAYS, 40, tame_sregs),
	STATE(SREGS2, KVM_CAP_SREGS2, 30, tame_sregs),
	STATE(FPU, ALWAYS, 30, NULL),
	STATE(XSAVE, KVM_CAP_XSAVE, 25, NULL),
	{ "KVM_GET_XSAVE2", KVM_GET_XSAVE2, ON_VCPU, KVM_CAP_XSAVE2, 20, arg_state, 0, NULL },
	STATE(XCRS, KVM_CAP_XCRS, 20, NULL),
	STATE(DEBUGREGS, KVM_CAP_DEBUGREGS, 25, NULL),
	STATE(VCPU_EVENTS, KVM_CAP_VCPU_EVENTS, 30, NULL),
	STATE(MP_STATE, KVM_CAP_MP_STATE, 25, NULL),
	STATE(LAPIC, KVM_CAP_IRQCHIP, 25, NULL),
	VCPU(KVM_GET_MSRS, ALWAYS, 30, arg_msrs),
	VCPU(KVM_SET_MSRS, ALWAYS, 30, arg_msrs),
	VCPU(KVM_GET_CPUID2, KVM_CAP_EXT_CPUID, 8, arg_cpuid),
	VCPU(KVM_SET_CPUID2, KVM_CAP_EXT_CPUID, 8, arg_cpuid),
	VCPU(KVM_GET_SUPPORTED_HV_CPUID, KVM_CAP_HYPERV_CPUID, 4, arg_cpuid),
	VCPU(KVM_SET_SIGNAL_MASK, ALWAYS, 20, arg_signal_mask),
	VCPU(KVM_GET_STATS_FD, KVM_CAP_BINARY_STATS_FD, 6, arg_none),
	{ "KVM_SET_GUEST_DEBUG", KVM_SET_GUEST_DEBUG, ON_VCPU, KVM_CAP_SET_GUEST_DEBUG, 20,
	  arg_state, 0, NULL },
	{ "KVM_INTERRUPT", KVM_INTERRUPT, ON_VCPU, NOBODY, 20, arg_state, 0, NULL },
	VCPU(KVM_NMI, KVM_CAP_USER_NMI, 10, arg_none),
	VCPU(KVM_SMI, KVM_CAP_X86_SMM, 4, arg_none),
	{ "KVM_TRANSLATE", KVM_TRANSLATE, ON_VCPU, NOBODY, 10, arg_state, 0, NULL },
	VCPU(KVM_SET_TSC_KHZ, KVM_CAP_TSC_CONTROL, 8, arg_number),
	VCPU(KVM_GET_TSC_KHZ, KVM_CAP_GET_TSC_KHZ, 8, arg_none),
	VCPU(KVM_X86_SETUP_MCE, KVM_CAP_MCE, 8, arg_mce),
	VCPU(KVM_X86_SET_MCE, KVM_CAP_MCE, 8, arg_mce),
	VCPU(KVM_KVMCLOCK_CTRL, NOBODY, 4, arg_none),
	VCPU(KVM_ENABLE_CAP, NOBODY, 8, arg_cap),
	VCPU(KVM_HAS_DEVICE_ATTR, KVM_CAP_VCPU_ATTRIBUTES, 6, arg_attr),
	VCPU(KVM_GET_DEVICE_ATTR, KVM_CAP_VCPU_ATTRIBUTES, 6, arg_attr),
	VCPU(KVM_SET_DEVICE_ATTR, KVM_CAP_VCPU_ATTRIBUTES, 6, arg_attr),
	{ "KVM_TPR_ACCESS_REPORTING", KVM_TPR_ACCESS_REPORTING, ON_VCPU, KVM_CAP_VAPIC, 3,
	  arg_state, 0, NULL },
	VCPU(KVM_GET_NESTED_STATE, KVM_CAP_NESTED_STATE, 10, arg_nested_state),
	VCPU(KVM_SET_NESTED_STATE, KVM_CAP_NESTED_STATE, 20, arg_nested_state),
	{ "VELLUM_CHECK_EXTENSION (device)", VELLUM_CHECK_EXTENSION, ON_DEVICE,
	  BEYOND_KVM(VELLUM_EXT_DRAIN), 4, arg_extension, 0, NULL },
	{ "VELLUM_CHECK_EXTENSION (VM)", VELLUM_CHECK_EXTENSION, ON_VM,
	  BEYOND_KVM(VELLUM_EXT_DRAIN), 4, arg_extension, 0, NULL },
	BEYOND(VELLUM_DRAIN, ON_VM, DRAIN, 20, arg_none),
	BEYOND(VELLUM_RING_EVENT, ON_VCPU, RING_EVENT, 20, arg_ring_event),
	BEYOND(VELLUM_OPEN_TRACKER, ON_VM, TRACKERS, 15, arg_tracker),
	BEYOND(VELLUM_TAKE, ON_TRACKER, TRACKERS, 60, arg_pages),
	BEYOND(VELLUM_COMMIT, ON_TRACKER, TRACKERS, 30, arg_pages),
	BEYOND(VELLUM_GIVE_BACK, ON_TRACKER, TRACKERS, 30, arg_pages),
	{ "VELLUM_MARK (VM)", VELLUM_MARK, ON_VM, BEYOND_KVM(VELLUM_EXT_MARK), 20, arg_pages, 0,
	  NULL },
	{ "VELLUM_MARK (vCPU)", VELLUM_MARK, ON_VCPU, BEYOND_KVM(VELLUM_EXT_MARK), 20, arg_pages,
	  0, NULL },
	BEYOND(VELLUM_CLEAR, ON_VM, BOUNDED, 40, arg_clear_part),
	BEYOND(VELLUM_RESET_RINGS, ON_VM, BOUNDED, 30, arg_reset_part),
	BEYOND(VELLUM_SET_TRACKING, ON_VM, TRACKING, 20, arg_tracking),
	BEYOND(VELLUM_TAKE_RANGES, ON_VM, TRACKING, 40, arg_ranges),
	/* Numbers that nobody has given out. */
	{ "0xae37 (VM)", _IO(KVMIO, 0x37), ON_VM, NOBODY, 1, arg_none, 0, NULL },
	{ "0xae37 (vCPU)", _IO(KVMIO, 0x37), ON_VCPU, NOBODY, 1, arg_none, 0, NULL },
};

const unsigned int nr_calls = ARRAY_SIZE(calls);
_Static_assert(ARRAY_SIZE(calls) <= CALLS_MAX, "room in every thread's tally");

const struct call *call_of(unsigned long nr, enum fd_kind on)
{
	unsigned int i;

	for (i = 0; i < nr_calls; i++)
		if (calls[i].nr == nr && calls[i].on == on)
			return &calls[i];
	abort();
}

/* The next few allocations of this thread's calls: the nth of them fails. */
static void fail_begin(struct thread *t)
{
	char text[4] = { '0' + 1 + rng_below(&t->rng, 8), '\n' };

	if (pwrite(t->fail_nth, text, 2, 0) == 2)
		t->failures_asked++;
}

static void fail_end(struct thread *t)
{
	char text[16] = "";

	if (pread(t->fail_nth, text, sizeof(text) - 1, 0) > 0 && atoi(text) == 0)
		t->failures_made++;
	/* It may itself be what fails. */
	while (pwrite(t->fail_nth, "0\n", 2, 0) < 0 && errno == EFAULT)
		t->failures_made++;
}

/*
 * The failure may also hit the kernel's own accesses to this thread's memory on
 * the way out of a call (a signal's frame): that ends in a SIGSEGV, which comes
 * back here, and the call's result is lost.
 */
static long failing_ioctl(struct thread *t, const struct call *call, int fd, unsigned long arg)
{
	volatile long ret = -EINTR;
	volatile bool called = false;

	sigsetjmp(t->fault, 1);
	t->touching = true;
	if (!called) {
		called = true;
		fail_begin(t);
		ret = ioctl(fd, call->nr, arg);
		if (ret < 0)
			ret = -errno;
	}
	fail_end(t);
	t->touching = false;
	return ret;
}

long do_call(struct thread *t, const struct call *call, int fd, unsigned long arg)
{
	long ret;

	t->kicked = false;
	t->in_guest = call->nr == KVM_RUN;
	if (t->fail_nth >= 0 && one_in(&t->rng, 5)) {
		ret = failing_ioctl(t, call, fd, arg);
	} else {
		ret = ioctl(fd, call->nr, arg);
		if (ret < 0)
			ret = -errno;
	}
	t->in_guest = false;
	t->tally[call - calls][ret < 0 && -ret < ERRNOS ? -ret : 0]++;
	t->made++;
	return ret;
}

long do_ioctl(struct thread *t, unsigned long nr, enum fd_kind on, int fd, unsigned long arg)
{
	return do_call(t, call_of(nr, on), fd, arg);
}

static const struct call *any_call(struct rng *rng)
{
	static _Atomic unsigned int all;
	unsigned int i, at;

	if (!all) {
		for (i = 0, at = 0; i < nr_calls; i++)
			at += calls[i].weight;
		all = at;
	}
	at = rng_below(rng, all);
	for (i = 0; at >= calls[i].weight; i++)
		at -= calls[i].weight;
	return &calls[i];
}

static bool gives_fd(const struct call *call)
{
	return call->nr == KVM_CREATE_VM || call->nr == KVM_CREATE_VCPU ||
	       call->nr == KVM_GET_STATS_FD || call->nr == VELLUM_OPEN_TRACKER;
}

static int fd_of(struct world *w, enum fd_kind on, int v)
{
	switch (on) {
	case ON_DEVICE:
		return device;
	case ON_VM:
		return w->vm;
	case ON_VCPU:
		return w->vcpu[v];
	default:
		return w->tracker[v % WORLD_TRACKERS];
	}
}

/* In pieces of any size, from anywhere. */
static void stats_read(struct thread *t, int fd)
{
	char header[24];

	if (pread(fd, header, sizeof(header), 0) == sizeof(header))
		t->stats_read++;
	if (pread(fd, t->scratch, rng_below(&t->rng, 4096), odd_number(&t->rng)) > 4096)
		abort();
}

static void use_fd(struct thread *t, struct world *w, const struct call *call, int fd)
{
	if (call->nr == KVM_GET_STATS_FD)
		stats_read(t, fd);
	if (call->nr == VELLUM_OPEN_TRACKER)
		fd = atomic_exchange(&w->tracker[rng_below(&t->rng, WORLD_TRACKERS)], fd);
	if (fd >= 0)
		close(fd);
}

/* The vCPU would go on at once, and no interrupt of its own could stop it. */
static bool holds_interrupts(int fd)
{
	struct kvm_regs regs;
	struct kvm_mp_state mp;

	return !ioctl(fd, KVM_GET_REGS, &regs) && !(regs.rflags & RFLAGS_IF) &&
	       !ioctl(fd, KVM_GET_MP_STATE, &mp) && mp.mp_state == KVM_MP_STATE_RUNNABLE;
}

/*
 * A run that had to be ended, with IF clear: one that only was on its way to a HLT
 * gets there in the next. One that never does would have stopped the machine, but
 * for the module's slices.
 */
static void watch_for_spin(struct thread *t, int fd, struct kvm_run *run)
{
	struct kvm_regs regs;
	unsigned int runs;
	int ret;

	for (runs = 0; runs < SPIN_RUNS; runs++) {
		if (!holds_interrupts(fd))
			return;
		run->immediate_exit = 0;
		t->watched = true;
		t->in_guest = true;
		ret = ioctl(fd, KVM_RUN, 0);
		t->in_guest = false;
		t->watched = false;
		if (ret >= 0 || errno != EINTR)
			return;
	}
	t->spun++;
	if (!ioctl(fd, KVM_GET_REGS, &regs))
		printf("# a guest spins with IF clear, rip %#llx\n", regs.rip);
}

void random_call(struct thread *t)
{
	struct world *w = &worlds[one_in(&t->rng, 3) ? rng_below(&t->rng, nr_threads) : t->index];
	const struct call *call = any_call(&t->rng);
	int v = rng_below(&t->rng, WORLD_VCPUS), fd;
	enum fd_kind on = one_in(&t->rng, 150) ? rng_below(&t->rng, FD_KINDS) : call->on;
	unsigned long arg;
	long ret;

	if (w->vcpu[v] < 0)
		v = 0;
	if (call->nr == KVM_RUN) {
		if (one_in(&t->rng, 3))
			program_start(t, w, v);
		world_run(w, v)->immediate_exit = one_in(&t->rng, 6);
		sync_regs(t, world_run(w, v));
	}
	arg = call->arg(t, w, v, call);
	fd = fd_of(w, on, v);
	ret = do_call(t, call, fd, arg);
	if (call->nr == KVM_RUN && ret == -EINTR && t->kicked)
		watch_for_spin(t, fd, world_run(w, v));
	if (ret >= 0 && gives_fd(call))
		use_fd(t, w, call, ret);
}
