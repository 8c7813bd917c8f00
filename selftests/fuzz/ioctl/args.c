// SPDX-License-Identifier: GPL-2.0
/*
 * Arguments: structures of fixed size, numbers, and where they stand. A
 * structure is what the kernel itself gave, that with a few fields changed,
 * random bytes, or zeros.
 */
#include <signal.h>
#include <string.h>

#include "fuzz.h"

/* Values at which something changes. */
uint64_t odd_number(struct rng *rng)
{
	static const uint64_t odd[] = {
		0, 1, 2, 3, 7, 8, 0x3f, 0x40, 0x7f, 0x80, 0xff, 0x100, 0xfff, 0x1000, 0x7fff,
		0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000,
		0x7fffffffffff, 0x800000000000, 0xffff800000000000, 0x7fffffffffffffff,
		0x8000000000000000, 0xffffffffffffffff, 0xfee00000, 0xfee00800, 0xfffff000,
	};

	switch (rng_below(rng, 4)) {
	case 0:
		return rng_next(rng);
	case 1:
		return 1ULL << rng_below(rng, 64);
	case 2:
		return rng_below(rng, 300);
	default:
		return odd[rng_below(rng, ARRAY_SIZE(odd))];
	}
}

void mutate(struct rng *rng, void *arg, size_t size)
{
	unsigned int times = 1 + rng_below(rng, 3);
	uint64_t value;
	size_t width, at;

	while (times--) {
		width = 1 << rng_below(rng, 4);
		if (width > size)
			continue;
		at = rng_below(rng, size / width) * width;
		if (one_in(rng, 2)) {
			((uint8_t *)arg)[at] ^= 1 << rng_below(rng, 8);
			continue;
		}
		value = odd_number(rng);
		memcpy((char *)arg + at, &value, width);
	}
}

/* An interrupt or exception that the guest got would clear IF: none gets through. */
void tame_regs(void *arg)
{
	((struct kvm_regs *)arg)->rflags |= RFLAGS_IF;
}

/* The same of struct kvm_sregs2, which begins alike. */
void tame_sregs(void *arg)
{
	((struct kvm_sregs *)arg)->idt.limit = 0;
}

static char *readonly_of(const struct thread *t)
{
	return worlds[t->index].base + READONLY_AT;
}

unsigned long place(struct thread *t, void *arg, size_t size)
{
	static const unsigned long bad[] = {
		0, 8, 0xffff888000001000UL, 0x800000000000UL, -8UL, 0x7ffffffff000UL,
	};
	char *end = t->scratch + SCRATCH_SIZE;
	uint32_t how = rng_below(&t->rng, 160);

	if (how > 6 || !size)
		return (unsigned long)arg;
	switch (how) {
	case 0: /* ends where memory ends */
		memmove(end - size, arg, size);
		return (unsigned long)(end - size);
	case 1: /* one byte or more beyond that */
		memmove(end - size, arg, size);
		return (unsigned long)(end - size + 1 + rng_below(&t->rng, size));
	case 2: /* not aligned */
		memmove((char *)arg + 1, arg, size);
		return (unsigned long)arg + 1;
	case 3:
		return (unsigned long)readonly_of(t);
	case 4: /* nothing is mapped there */
		return (unsigned long)end;
	default:
		return bad[rng_below(&t->rng, ARRAY_SIZE(bad))];
	}
}

unsigned long arg_none(struct thread *t, struct world *w, int v, const struct call *call)
{
	return one_in(&t->rng, 40) ? odd_number(&t->rng) : 0;
}

unsigned long arg_number(struct thread *t, struct world *w, int v, const struct call *call)
{
	switch (call->nr) {
	case KVM_CREATE_VCPU:
		return one_in(&t->rng, 8) ? odd_number(&t->rng) : rng_below(&t->rng, 256);
	case KVM_CHECK_EXTENSION:
		return one_in(&t->rng, 8) ? odd_number(&t->rng) : rng_below(&t->rng, 240);
	case KVM_SET_TSS_ADDR:
		return one_in(&t->rng, 3) ? odd_number(&t->rng) : rng_below(&t->rng, 1 << 20) << 12;
	case KVM_SET_TSC_KHZ:
		return one_in(&t->rng, 3) ? odd_number(&t->rng) :
					    100000 + rng_below(&t->rng, 100000);
	case KVM_SET_BOOT_CPU_ID:
		return one_in(&t->rng, 4) ? odd_number(&t->rng) : rng_below(&t->rng, 4);
	default:
		return one_in(&t->rng, 2) ? odd_number(&t->rng) : 0;
	}
}

static size_t state_size(const struct call *call)
{
	/* What it says is the size of the old structure; the new one may be as large as this. */
	return call->nr == KVM_GET_XSAVE2 ? 0x4000 : _IOC_SIZE(call->nr);
}

unsigned long arg_state(struct thread *t, struct world *w, int v, const struct call *call)
{
	struct rng *rng = &t->rng;
	uint32_t how = rng_below(rng, 20);
	size_t size = state_size(call), i;
	unsigned long at;
	int fd = call->on == ON_VCPU ? w->vcpu[v] : call->on == ON_VM ? w->vm : device;

	memset(t->scratch, how ? 0 : 0xa5, size);
	if (_IOC_DIR(call->nr) == _IOC_READ)
		return place(t, t->scratch, size);
	if (call->get && how > 1)
		do_ioctl(t, call->get, call->on, fd, (unsigned long)t->scratch);
	else if (how > 4 || how == 1)
		for (i = 0; i + 8 <= size; i += 8)
			*(uint64_t *)(t->scratch + i) = one_in(rng, 2) ? 0 : odd_number(rng);
	if (how > 13)
		mutate(rng, t->scratch, size);
	if (!call->tame)
		return place(t, t->scratch, size);
	call->tame(t->scratch);
	at = place(t, t->scratch, size);
	/* There stand zeros, and among them IF. */
	return at == (unsigned long)readonly_of(t) ? (unsigned long)t->scratch : at;
}

/* With the next KVM_RUN, by the run page: registers out, and what the last one left there in. */
void sync_regs(struct thread *t, struct kvm_run *run)
{
	struct kvm_sync_regs *regs = &run->s.regs;
	struct rng *rng = &t->rng;

	/* The guest may have the page as memory of its own: nothing in there is left to it. */
	run->kvm_valid_regs = one_in(rng, 3) ? rng_below(rng, 8) : 0;
	run->kvm_dirty_regs = 0;
	if (!one_in(rng, 12))
		return;
	if (one_in(rng, 3))
		mutate(rng, regs, sizeof(*regs));
	tame_regs(&regs->regs);
	tame_sregs(&regs->sregs);
	run->kvm_dirty_regs = one_in(rng, 20) ? odd_number(rng) : rng_below(rng, 8);
}

unsigned long arg_cap(struct thread *t, struct world *w, int v, const struct call *call)
{
	static const uint32_t caps[] = {
		KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, KVM_CAP_DIRTY_LOG_RING,
		KVM_CAP_DISABLE_QUIRKS, KVM_CAP_DISABLE_QUIRKS2, KVM_CAP_SPLIT_IRQCHIP,
		KVM_CAP_X2APIC_API, KVM_CAP_X86_DISABLE_EXITS, KVM_CAP_EXCEPTION_PAYLOAD,
		KVM_CAP_X86_USER_SPACE_MSR, KVM_CAP_ENFORCE_PV_FEATURE_CPUID, KVM_CAP_MAX_VCPU_ID,
		KVM_CAP_X86_TRIPLE_FAULT_EVENT, KVM_CAP_EXIT_ON_EMULATION_FAILURE,
		KVM_CAP_X86_NOTIFY_VMEXIT, KVM_CAP_X86_BUS_LOCK_EXIT, KVM_CAP_HALT_POLL,
		KVM_CAP_MSR_PLATFORM_INFO, KVM_CAP_SGX_ATTRIBUTE, KVM_CAP_VM_DISABLE_NX_HUGE_PAGES,
		KVM_CAP_PMU_CAPABILITY, KVM_CAP_HYPERV_SYNIC,
		KVM_CAP_HYPERV_ENLIGHTENED_VMCS,
	};
	struct kvm_enable_cap *cap = (void *)t->scratch;
	struct rng *rng = &t->rng;

	memset(cap, 0, sizeof(*cap));
	cap->cap = one_in(rng, 16) ? odd_number(rng) : rng_below(rng, 240);
	if (!one_in(rng, 8))
		cap->cap = caps[one_in(rng, 2) ? 0 : rng_below(rng, ARRAY_SIZE(caps))];
	cap->flags = one_in(rng, 32) ? odd_number(rng) : 0;
	cap->args[0] = one_in(rng, 6) ? odd_number(rng) : rng_below(rng, 4);
	cap->args[1] = one_in(rng, 6) ? odd_number(rng) : 0;
	return place(t, cap, sizeof(*cap));
}

unsigned long arg_signal_mask(struct thread *t, struct world *w, int v, const struct call *call)
{
	struct kvm_signal_mask *mask = (void *)t->scratch;
	uint64_t set = odd_number(&t->rng) & ~(1ULL << (SIGUSR1 - 1));

	if (one_in(&t->rng, 3))
		return 0;
	mask->len = one_in(&t->rng, 8) ? odd_number(&t->rng) : sizeof(set);
	memcpy(mask->sigset, &set, sizeof(set));
	/* Moved, it would be another set, which may hold back what ends a run. */
	return one_in(&t->rng, 50) ? 8 : (unsigned long)mask;
}
