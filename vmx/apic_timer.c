// SPDX-License-Identifier: GPL-2.0
/*
 * The local APIC's timer (SDM 3A 11.5.4), by a timer of the host's.  Its
 * interrupt is requested in the callback, whatever the vCPU's thread is doing.
 */
#include <linux/hrtimer.h>

#include "vmx/vmx.h"

/* A guest cannot have more periodic interrupts of the host than this gives it. */
#define MIN_PERIOD_NS 200000ull

static struct apic_timer *timer_of(struct vcpu *vcpu)
{
	return &vcpu->vmx->timer;
}

static void raise(struct vcpu *vcpu)
{
	apic_local(vcpu, LAPIC_LVT_TIMER);
}

/* The rest of the time to the TSC deadline in ns, rounded up; 0: it is over. */
static u64 deadline_left(struct vcpu *vcpu)
{
	u64 deadline = READ_ONCE(timer_of(vcpu)->deadline), now = tsc_guest(vcpu);

	/* Far deadlines are looked at again when an hour is over. */
	return deadline <= now ?
		       0 :
		       min_t(u64, tsc_ticks_to_ns(vcpu, deadline - now), 3600 * NSEC_PER_SEC) + 1;
}

static enum hrtimer_restart expired(struct hrtimer *hrtimer)
{
	struct apic_timer *timer = container_of(hrtimer, struct apic_timer, hrtimer);
	struct vcpu *vcpu = container_of(timer, struct vcpu_vmx, timer)->vcpu;
	u64 left;

	switch (lapic_timer_mode(vcpu->apic)) {
	case LAPIC_DEADLINE:
		left = deadline_left(vcpu);
		if (left) {
			hrtimer_forward_now(hrtimer, ns_to_ktime(left));
			return HRTIMER_RESTART;
		}
		WRITE_ONCE(timer->deadline, 0);
		raise(vcpu);
		return HRTIMER_NORESTART;
	case LAPIC_PERIODIC:
		raise(vcpu);
		hrtimer_forward_now(hrtimer, ns_to_ktime(READ_ONCE(timer->period)));
		return HRTIMER_RESTART;
	default:
		raise(vcpu);
		return HRTIMER_NORESTART;
	}
}

static u64 count_to_ns(const struct vcpu *vcpu, u32 count)
{
	return (u64)count << lapic_timer_shift(vcpu->apic);
}

static void start_ns(struct vcpu *vcpu, u64 ns)
{
	hrtimer_start(&timer_of(vcpu)->hrtimer, ns_to_ktime(ns), HRTIMER_MODE_REL_HARD);
}

/* @count: of the first period; the initial count has that of the others. */
static void start_count(struct vcpu *vcpu, u32 count)
{
	struct apic_timer *timer = timer_of(vcpu);
	u32 initial = lapic_reg(vcpu->apic, LAPIC_TIMER_INITIAL);

	WRITE_ONCE(timer->period, max(count_to_ns(vcpu, initial), MIN_PERIOD_NS));
	timer->shift = lapic_timer_shift(vcpu->apic);
	start_ns(vcpu, count_to_ns(vcpu, count));
}

void apic_timer_stop(struct vcpu *vcpu)
{
	hrtimer_cancel(&timer_of(vcpu)->hrtimer);
	timer_of(vcpu)->deadline = 0;
}

void apic_timer_start(struct vcpu *vcpu)
{
	u32 initial = lapic_reg(vcpu->apic, LAPIC_TIMER_INITIAL);

	hrtimer_cancel(&timer_of(vcpu)->hrtimer);
	if (initial)
		start_count(vcpu, initial);
}

/* Counts left, by the divisor they were counted with. */
u32 apic_timer_count(struct vcpu *vcpu)
{
	struct apic_timer *timer = timer_of(vcpu);
	u32 initial = lapic_reg(vcpu->apic, LAPIC_TIMER_INITIAL);
	s64 left;

	if (!initial || lapic_timer_mode(vcpu->apic) == LAPIC_DEADLINE)
		return 0;
	left = ktime_to_ns(hrtimer_get_remaining(&timer->hrtimer));
	return left <= 0 ? 0 : min_t(u64, DIV_ROUND_UP_ULL(left, 1u << timer->shift), initial);
}

void apic_timer_rescale(struct vcpu *vcpu)
{
	u32 count;

	/* Not an atomic step: what expires in between has expired. */
	count = apic_timer_count(vcpu);
	if (!count)
		return;
	hrtimer_cancel(&timer_of(vcpu)->hrtimer);
	start_count(vcpu, count);
}

void apic_timer_restore(struct vcpu *vcpu, u32 count)
{
	u32 initial = lapic_reg(vcpu->apic, LAPIC_TIMER_INITIAL);

	apic_timer_stop(vcpu);
	if (lapic_timer_mode(vcpu->apic) == LAPIC_PERIODIC && !count)
		count = initial;
	if (initial && count)
		start_count(vcpu, min(count, initial));
}

u64 apic_timer_deadline(const struct vcpu *vcpu)
{
	return READ_ONCE(vcpu->vmx->timer.deadline);
}

void apic_timer_set_deadline(struct vcpu *vcpu, u64 tsc)
{
	if (lapic_timer_mode(vcpu->apic) != LAPIC_DEADLINE)
		return;
	apic_timer_stop(vcpu);
	timer_of(vcpu)->deadline = tsc;
	apic_timer_tsc_moved(vcpu);
}

void apic_timer_tsc_moved(struct vcpu *vcpu)
{
	struct apic_timer *timer = timer_of(vcpu);
	u64 left;

	if (!vcpu->apic || !READ_ONCE(timer->deadline))
		return;
	hrtimer_cancel(&timer->hrtimer);
	if (!READ_ONCE(timer->deadline))
		return; /* it was over just now */
	left = deadline_left(vcpu);
	if (left) {
		start_ns(vcpu, left);
		return;
	}
	timer->deadline = 0;
	raise(vcpu);
}

void apic_timer_init(struct vcpu *vcpu)
{
	hrtimer_init(&timer_of(vcpu)->hrtimer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_HARD);
	timer_of(vcpu)->hrtimer.function = expired;
}
