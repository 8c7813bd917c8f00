// SPDX-License-Identifier: GPL-2.0
/*
 * The local APIC's timer in its three modes, and what wakes a vCPU from HLT.
 */
#include <kselftest_harness.h>
#include <errno.h>

#include "intr.h"

#define BY_1 0xb /* the divisor's code */
#define MS   1000000u /* counts of a millisecond, by 1 */

FIXTURE(timer)
{
	struct bench bench;
	int fd;
};

FIXTURE_SETUP(timer)
{
	const struct bench_config config = { .vcpus = 1, .irqchip = true };

	ASSERT_EQ(0, intr_open(&self->bench, config));
	self->fd = self->bench.vcpu[0].fd;
}

FIXTURE_TEARDOWN(timer)
{
	bench_close(&self->bench);
}

TEST_F(timer, one_shot)
{
	INTR_STEPS(&self->bench, 0, STEPS_X2APIC, STEP_X2(APIC_DIVIDE, BY_1),
		   STEP_X2(APIC_LVT_TIMER, 0x41), STEP_X2(APIC_INITIAL, 2 * MS),
		   { STEP_RDMSR, X2APIC(APIC_CURRENT) }, { STEP_SLEEP, 0x41, 1 },
		   { STEP_RDMSR, X2APIC(APIC_CURRENT) }, STEP_X2(APIC_LVT_TIMER, 0x42),
		   STEP_X2(APIC_INITIAL, 1 * MS), { STEP_WAIT, 0x42, 1 });
	ASSERT_TRUE(intr_run(&self->bench, 0));
	EXPECT_EQ(1, intr_count(&self->bench, 0, 0x41)) TH_LOG("once, from HLT");
	EXPECT_EQ(1, intr_count(&self->bench, 0, 0x42)) TH_LOG("once, while it ran");
	EXPECT_GE(2 * MS, intr_result(&self->bench, 0, 0));
	EXPECT_LT(0, intr_result(&self->bench, 0, 0));
	EXPECT_EQ(0, intr_result(&self->bench, 0, 1));
}

TEST_F(timer, periodic)
{
	INTR_STEPS(&self->bench, 0, STEPS_X2APIC, STEP_X2(APIC_DIVIDE, BY_1),
		   STEP_X2(APIC_LVT_TIMER, 0x20041), STEP_X2(APIC_INITIAL, 1 * MS),
		   { STEP_SLEEP, 0x41, 5 }, STEP_X2(APIC_INITIAL, 0),
		   STEP_X2(APIC_LVT_TIMER, 0x42), STEP_X2(APIC_INITIAL, 3 * MS),
		   { STEP_SLEEP, 0x42, 1 });
	ASSERT_TRUE(intr_run(&self->bench, 0));
	EXPECT_LE(5, intr_count(&self->bench, 0, 0x41));
	EXPECT_GE(6, intr_count(&self->bench, 0, 0x41)) TH_LOG("it stopped");
	EXPECT_EQ(1, intr_count(&self->bench, 0, 0x42));
}

/* A period of one count is no storm for the host: userspace still gets its turn. */
TEST_F(timer, shortest_period)
{
	INTR_STEPS(&self->bench, 0, STEPS_X2APIC, { STEP_STI }, STEP_X2(APIC_DIVIDE, BY_1),
		   STEP_X2(APIC_LVT_TIMER, 0x20041), STEP_X2(APIC_INITIAL, 1),
		   { STEP_SLEEP, 0x41, 20 });
	ASSERT_TRUE(intr_run(&self->bench, 0));
	EXPECT_LE(20, intr_count(&self->bench, 0, 0x41));
}

TEST_F(timer, masked)
{
	INTR_STEPS(&self->bench, 0, STEPS_X2APIC, { STEP_STI }, STEP_X2(APIC_DIVIDE, BY_1),
		   STEP_X2(APIC_LVT_TIMER, 0x10041), STEP_X2(APIC_INITIAL, 1000),
		   { STEP_TICK });
	ASSERT_TRUE(intr_run(&self->bench, 0));
	usleep(2000);
	ASSERT_TRUE(intr_run(&self->bench, 0));
	EXPECT_EQ(0, intr_count(&self->bench, 0, 0x41));
}

static uint64_t guest_tsc(int fd, uint32_t index, uint64_t value, unsigned long request)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msr = { .head.nmsrs = 1, .entry = { .index = index, .data = value } };

	return kvm_ioctl(fd, request, &msr) == 1 ? msr.entry.data : ~0ull;
}

#define TSC(fd)	 guest_tsc(fd, 0x10, 0, KVM_GET_MSRS)

TEST_F(timer, tsc_deadline)
{
	struct step steps[] = { STEPS_X2APIC, STEP_X2(APIC_LVT_TIMER, 0x40041), { STEP_TICK },
				{ STEP_WRMSR, MSR_DEADLINE, 0, 0 }, { STEP_RDMSR, MSR_DEADLINE },
				{ STEP_SLEEP, 0x41, 1 }, { STEP_RDMSR, MSR_DEADLINE },
				{ STEP_WRMSR, MSR_DEADLINE, 1, 0 }, { STEP_SLEEP, 0x41, 2 } };
	struct step *armed = (struct step *)bench_low(&self->bench, SCRIPT_GPA) + 4;
	uint64_t deadline;

	intr_steps(&self->bench, 0, steps, ARRAY_SIZE(steps));
	ASSERT_TRUE(intr_run(&self->bench, 0));
	ASSERT_TRUE(intr_ticked(&self->bench, 0));
	deadline = TSC(self->fd) + 1000000;
	armed->b = deadline;
	armed->c = deadline >> 32;
	ASSERT_TRUE(intr_run(&self->bench, 0));
	EXPECT_LE(deadline, TSC(self->fd));
	EXPECT_EQ(2, intr_count(&self->bench, 0, 0x41)) TH_LOG("one that is over comes at once");
	EXPECT_EQ((uint32_t)deadline, intr_result(&self->bench, 0, 0));
	EXPECT_EQ(0, intr_result(&self->bench, 0, 1));
}

/* The TSC moves on to behind the deadline. */
TEST_F(timer, deadline_follows_the_tsc)
{
	uint64_t far;

	INTR_STEPS(&self->bench, 0, STEPS_X2APIC, STEP_X2(APIC_LVT_TIMER, 0x40041),
		   { STEP_TICK }, { STEP_SLEEP, 0x41, 1 });
	ASSERT_TRUE(intr_run(&self->bench, 0));
	far = TSC(self->fd) + (1ull << 50);
	ASSERT_EQ(far, guest_tsc(self->fd, MSR_DEADLINE, far, KVM_SET_MSRS));
	ASSERT_EQ(far, guest_tsc(self->fd, MSR_DEADLINE, 0, KVM_GET_MSRS));
	ASSERT_NE(~0ull, guest_tsc(self->fd, 0x10, far + 1, KVM_SET_MSRS));
	ASSERT_TRUE(intr_run(&self->bench, 0));
	EXPECT_EQ(1, intr_count(&self->bench, 0, 0x41));
}

/* A signal ends the sleep of HLT, userspace sees that it sleeps, and an NMI wakes it. */
TEST_F(timer, halted)
{
	struct kvm_mp_state mp;

	INTR_STEPS(&self->bench, 0, STEPS_X2APIC, { STEP_HLT });
	EXPECT_EQ(-EINTR, bench_run_alarmed(&self->bench, 0, 5000));
	EXPECT_EQ(KVM_EXIT_INTR, self->bench.vcpu[0].run->exit_reason);
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_GET_MP_STATE, &mp));
	EXPECT_EQ(KVM_MP_STATE_HALTED, mp.mp_state);
	EXPECT_EQ(-EINTR, bench_run_alarmed(&self->bench, 0, 5000)) TH_LOG("it sleeps on");
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_NMI, NULL));
	ASSERT_TRUE(intr_run(&self->bench, 0));
	EXPECT_EQ(1, intr_count(&self->bench, 0, 2));
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_GET_MP_STATE, &mp));
	EXPECT_EQ(KVM_MP_STATE_RUNNABLE, mp.mp_state);
}

/* A timer that runs goes on in another APIC from where it was. */
TEST_F(timer, moves)
{
	struct kvm_lapic_state lapic;
	uint32_t *current = (uint32_t *)(lapic.regs + APIC_CURRENT);

	INTR_STEPS(&self->bench, 0, STEPS_X2APIC, STEP_X2(APIC_DIVIDE, BY_1),
		   STEP_X2(APIC_LVT_TIMER, 0x41), STEP_X2(APIC_INITIAL, 4000 * MS), { STEP_TICK },
		   { STEP_SLEEP, 0x41, 1 });
	ASSERT_TRUE(intr_run(&self->bench, 0));
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_GET_LAPIC, &lapic));
	EXPECT_LT(0, *current);
	EXPECT_GT(4000 * MS, *current);
	*current = MS;
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_SET_LAPIC, &lapic));
	ASSERT_TRUE(intr_run(&self->bench, 0));
	EXPECT_EQ(1, intr_count(&self->bench, 0, 0x41));
}

TEST_HARNESS_MAIN
