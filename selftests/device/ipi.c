// SPDX-License-Identifier: GPL-2.0
/*
 * Interrupts between vCPUs: IPIs of every kind while the other one runs, sleeps
 * in HLT or was not started, and none of them lost.
 */
#include <kselftest_harness.h>
#include <errno.h>

#include "intr.h"

FIXTURE(ipi)
{
	struct bench bench;
	struct runner other;
};

FIXTURE_SETUP(ipi)
{
	const struct bench_config config = { .vcpus = 2, .irqchip = true };

	ASSERT_EQ(0, intr_open(&self->bench, config));
	/* vCPU 1 may be the first to run, and an APIC that is off takes no IPI. */
	INTR_STEPS(&self->bench, 0, STEPS_X2APIC, { STEP_STI });
	ASSERT_TRUE(intr_run(&self->bench, 0));
}

FIXTURE_TEARDOWN(ipi)
{
	bench_close(&self->bench);
}

/* vCPU 0 is ready before there is a vCPU 1, which says by an IPI that its APIC is on. */
#define OTHER_IS_READY	STEP_ICR(0x30, 0)
#define WAIT_FOR_OTHER	{ STEP_WAIT, 0x30, 1 }

static bool run_both(struct bench *bench, struct runner *other)
{
	bool done;

	if (runner_start(other, bench, 1))
		return false;
	done = intr_run(bench, 0);
	return !runner_join(other) && done;
}

TEST_F(ipi, every_destination)
{
	unsigned int v;

	INTR_STEPS(&self->bench, 0, WAIT_FOR_OTHER,
		   STEP_ICR(0x41, 1), STEP_ICR(1 << 11 | 0x42, 2),
		   STEP_ICR(3 << 18 | 0x43, 0), STEP_ICR(2 << 18 | 0x44, 0),
		   STEP_ICR(0x45, 0xffffffff), STEP_ICR(1 << 11 | 0x46, 3),
		   STEP_ICR(4 << 8, 1) /* NMI */, STEP_ICR(0x3f, 1));
	INTR_STEPS(&self->bench, 1, STEPS_X2APIC, { STEP_STI }, OTHER_IS_READY,
		   { STEP_WAIT, 0x3f, 1 }, { STEP_WAIT, 2, 1 });
	ASSERT_TRUE(run_both(&self->bench, &self->other));
	for (v = 0x41; v <= 0x46; v++) {
		EXPECT_EQ(1, intr_count(&self->bench, 1, v))
			TH_LOG("vector %#x", v);
		EXPECT_EQ(v >= 0x44, intr_count(&self->bench, 0, v))
			TH_LOG("vector %#x at its sender", v);
	}
	EXPECT_EQ(1, intr_count(&self->bench, 1, 2));
}

/* Lowest priority goes to the one whose TPR is lower. */
TEST_F(ipi, lowest_priority)
{
	INTR_STEPS(&self->bench, 0, WAIT_FOR_OTHER, { STEP_CR8, 2 },
		   STEP_ICR(1 << 8 | 1 << 11 | 0x41, 3), STEP_ICR(0x3f, 1));
	INTR_STEPS(&self->bench, 1, STEPS_X2APIC, { STEP_STI }, OTHER_IS_READY,
		   { STEP_WAIT, 0x3f, 1 });
	ASSERT_TRUE(run_both(&self->bench, &self->other));
	EXPECT_EQ(0, intr_count(&self->bench, 0, 0x41));
	EXPECT_EQ(1, intr_count(&self->bench, 1, 0x41));
}

#define ROUNDS 100

/* Each wakes the other from HLT and goes to sleep: a wake-up that is lost ends it. */
TEST_F(ipi, ping_pong_through_hlt)
{
	struct step ping[1 + 2 * ROUNDS] = { { STEP_SLEEP, 0x52, 1 } };
	struct step pong[3 + 2 * ROUNDS] = { STEPS_X2APIC, { STEP_STI } };
	unsigned int i;

	/* Until the other is there nobody would take the first one. */
	pong[2] = (struct step)STEP_ICR(0x52, 0);
	for (i = 0; i < ROUNDS; i++) {
		ping[1 + 2 * i] = (struct step)STEP_ICR(0x51, 1);
		ping[2 + 2 * i] = (struct step){ STEP_SLEEP, 0x52, i + 2 };
		pong[3 + 2 * i] = (struct step){ STEP_SLEEP, 0x51, i + 1 };
		pong[4 + 2 * i] = (struct step)STEP_ICR(0x52, 0);
	}
	intr_steps(&self->bench, 0, ping, ARRAY_SIZE(ping));
	intr_steps(&self->bench, 1, pong, ARRAY_SIZE(pong));
	ASSERT_TRUE(run_both(&self->bench, &self->other));
	EXPECT_EQ(ROUNDS + 1, intr_count(&self->bench, 0, 0x52));
	EXPECT_EQ(ROUNDS, intr_count(&self->bench, 1, 0x51));
}

/* vCPU 1 waits for INIT and SIPI in KVM_RUN, and starts where SIPI says; again by INIT. */
TEST_F(ipi, init_and_start_up)
{
	struct kvm_mp_state mp = { .mp_state = KVM_MP_STATE_UNINITIALIZED };
	volatile uint16_t *mark = bench_low(&self->bench, INTR_START_GPA + INTR_START_MARK);
	struct kvm_vcpu_events events;
	struct kvm_sregs sregs;
	struct kvm_regs regs;
	int fd = self->bench.vcpu[1].fd;

	NEED_REAL_MODE();
	ASSERT_EQ(0, kvm_ioctl(fd, KVM_SET_MP_STATE, &mp));
	INTR_STEPS(&self->bench, 0, STEP_ICR(6 << 8 | 0x60, 1) /* SIPI before INIT: void */,
		   STEP_ICR(5 << 8 | 1 << 14, 1), STEP_ICR(6 << 8 | INTR_START_GPA >> 12, 1),
		   STEP_ICR(6 << 8 | INTR_START_GPA >> 12, 1) /* as everybody sends it twice */);
	ASSERT_TRUE(run_both(&self->bench, &self->other));
	EXPECT_EQ(INTR_START_GPA >> 4, *mark);
	ASSERT_EQ(0, kvm_ioctl(fd, KVM_GET_MP_STATE, &mp));
	EXPECT_EQ(KVM_MP_STATE_RUNNABLE, mp.mp_state);
	ASSERT_EQ(0, kvm_ioctl(fd, KVM_GET_SREGS, &sregs));
	EXPECT_EQ(0, sregs.efer);
	EXPECT_EQ(0, sregs.cr0 & 0x80000001) TH_LOG("INIT leaves long mode");
	ASSERT_EQ(0, kvm_ioctl(fd, KVM_GET_REGS, &regs));
	EXPECT_EQ(0x600, regs.rdx);

	/* INIT again, and nothing behind it: the vCPU is at rest, and says so. */
	INTR_STEPS(&self->bench, 0, STEP_ICR(5 << 8 | 1 << 14, 1));
	ASSERT_TRUE(intr_run(&self->bench, 0));
	ASSERT_EQ(0, kvm_ioctl(fd, KVM_GET_MP_STATE, &mp));
	EXPECT_EQ(KVM_MP_STATE_INIT_RECEIVED, mp.mp_state);
	*mark = 0;
	mp.mp_state = KVM_MP_STATE_SIPI_RECEIVED;
	ASSERT_EQ(0, kvm_ioctl(fd, KVM_GET_VCPU_EVENTS, &events));
	events.flags |= KVM_VCPUEVENT_VALID_SIPI_VECTOR;
	events.sipi_vector = INTR_START_GPA >> 12;
	ASSERT_EQ(0, kvm_ioctl(fd, KVM_SET_VCPU_EVENTS, &events));
	ASSERT_EQ(0, kvm_ioctl(fd, KVM_SET_MP_STATE, &mp));
	EXPECT_EQ(KVM_EXIT_IO, bench_run(&self->bench, 1));
	EXPECT_EQ(INTR_START_GPA >> 4, *mark);
}

#define EXCHANGES 200

/*
 * vCPU 0 counts what it sends and vCPU 1 what it takes, while it stays in the guest:
 * one at a time, so that none may melt into another.
 */
TEST_F(ipi, none_lost_none_twice)
{
	struct step send[2 * EXCHANGES];
	struct step take[2 * EXCHANGES];
	unsigned int i;

	for (i = 0; i < EXCHANGES; i++) {
		send[2 * i] = (struct step)STEP_ICR(0x61, 1);
		send[2 * i + 1] = (struct step){ STEP_WAIT, 0x62, i + 1 };
		take[2 * i] = (struct step){ STEP_WAIT, 0x61, i + 1 };
		take[2 * i + 1] = (struct step)STEP_ICR(0x62, 0);
	}
	/* The first one may come before vCPU 1 is there: it is sent when it says so. */
	INTR_STEPS(&self->bench, 0, WAIT_FOR_OTHER);
	INTR_STEPS(&self->bench, 1, STEPS_X2APIC, { STEP_STI }, OTHER_IS_READY);
	ASSERT_TRUE(run_both(&self->bench, &self->other));
	intr_steps(&self->bench, 0, send, ARRAY_SIZE(send));
	intr_steps(&self->bench, 1, take, ARRAY_SIZE(take));
	ASSERT_TRUE(run_both(&self->bench, &self->other));
	EXPECT_EQ(EXCHANGES, intr_count(&self->bench, 1, 0x61));
	EXPECT_EQ(EXCHANGES, intr_count(&self->bench, 0, 0x62));
}

TEST_HARNESS_MAIN
