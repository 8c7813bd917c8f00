// SPDX-License-Identifier: GPL-2.0
/*
 * A halted L2 with a local APIC in the kernel, so that its thread sleeps in KVM_RUN:
 * L1's preemption timer goes on, and its end leads straight to an exit (SDM 3C 26.5.1).
 */
#include <kselftest_harness.h>
#include <errno.h>

#include "l1.h"

FIXTURE(nested_sleep)
{
	struct l1 l1;
};

FIXTURE_SETUP(nested_sleep)
{
	const struct bench_config config = { .vcpus = 1, .irqchip = true };

	if (!l1_is_offered())
		SKIP_IN_SETUP("guests have no VMX here");
	ASSERT_EQ(0, l1_open(&self->l1, &config));
	if (!(self->l1.may[L1_PIN] & C_PIN_TIMER))
		SKIP_IN_SETUP("L1 has no preemption timer here");
}

FIXTURE_TEARDOWN(nested_sleep)
{
	l1_close(&self->l1);
}

static const uint8_t hlt[] = { 0xf4, 0x0f, 0x01, 0xc1 };	/* hlt; vmcall */

#define ACTIVITY_HLT	1

/* How long, in ticks of the timer; the last is some milliseconds. */
static const uint32_t lengths[] = { 0, 1, 100, 100000 };

static void sleep_once(struct __test_metadata *_metadata, struct l1 *l1, bool by_state,
		       uint32_t length)
{
	unsigned int enter, reason, activity, rip, cr3;

	l1_vmcs(l1, 1, hlt, sizeof(hlt));
	l1_write(l1, F_PIN, l1_controls(l1, L1_PIN, C_PIN_TIMER));
	l1_write(l1, F_PROC, l1_controls(l1, L1_PROC, 0));
	l1_write(l1, F_TIMER, length);
	l1_write(l1, F_ACTIVITY, by_state ? ACTIVITY_HLT : 0);
	l1_write(l1, F_GUEST_RFLAGS, 0x202);
	enter = l1_add(l1, L1_ENTER, 0, 0);
	reason = l1_read(l1, F_REASON);
	activity = l1_read(l1, F_ACTIVITY);
	rip = l1_read(l1, F_GUEST_RIP);
	cr3 = l1_read(l1, F_GUEST_CR3);
	ASSERT_EQ(0, l1_run(l1));
	ASSERT_EQ(L1_EXITED, l1_result(l1, enter));
	ASSERT_EQ(R_TIMER, l1_value(l1, reason)) TH_LOG("%u ticks", length);
	ASSERT_EQ(l1_l2_cr3(1), l1_value(l1, cr3));
	/* A short timer ends before the HLT, or while it is carried out. */
	if (length < 100000 && !by_state)
		return;
	ASSERT_EQ(ACTIVITY_HLT, l1_value(l1, activity));
	ASSERT_EQ(L1_L2_CODE_GPA + 256 + !by_state, l1_value(l1, rip));
}

TEST_F(nested_sleep, the_preemption_timer_ends_it)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		sleep_once(_metadata, &self->l1, false, lengths[i]);
		sleep_once(_metadata, &self->l1, true, lengths[i]);
	}
}

TEST_HARNESS_MAIN
