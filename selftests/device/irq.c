// SPDX-License-Identifier: GPL-2.0
/*
 * Interrupts of one vCPU: IPIs to itself, priorities, windows, NMIs, and all of
 * them on the move to another VM.  None is lost and none comes twice.
 */
#include <kselftest_harness.h>
#include <errno.h>

#include "intr.h"

FIXTURE(irq)
{
	struct bench bench;
	int fd;
};

FIXTURE_SETUP(irq)
{
	const struct bench_config config = { .vcpus = 1, .irqchip = true };

	ASSERT_EQ(0, intr_open(&self->bench, config));
	self->fd = self->bench.vcpu[0].fd;
}

FIXTURE_TEARDOWN(irq)
{
	bench_close(&self->bench);
}

TEST_F(irq, self_ipi)
{
	unsigned int v;

	INTR_STEPS(&self->bench, 0, STEPS_X2APIC, { STEP_STI },
		   { STEP_WRMSR, MSR_SELF_IPI, 0x41, 0 },	   /* SELF IPI */
		   STEP_ICR(1 << 18 | 0x42, 0),			   /* shorthand self */
		   STEP_ICR(0x43, 0),				   /* physical: its own id */
		   STEP_ICR(1 << 11 | 0x44, 1),			   /* logical: its bit */
		   STEP_ICR(0x45, 0xffffffff),			   /* broadcast */
		   STEP_ICR(2 << 18 | 0x46, 0),			   /* all */
		   STEP_ICR(3 << 18 | 0x47, 0),			   /* all others: nobody */
		   STEP_ICR(1 << 8 | 0x48, 0),			   /* lowest priority */
		   STEP_ICR(0x49, 7) /* nobody */);
	ASSERT_TRUE(intr_run(&self->bench, 0));
	for (v = 0x41; v <= 0x49; v++)
		EXPECT_EQ(v != 0x47 && v != 0x49, intr_count(&self->bench, 0, v))
			TH_LOG("vector %#x", v);
}

TEST_F(irq, xapic_by_mmio)
{
	unsigned int v;

	bench_mbox(&self->bench, 0)[INTR_XAPIC / 4] = 1;
	INTR_STEPS(&self->bench, 0, { STEP_MMIO_WRITE, APIC_SVR, 0x1ff }, { STEP_STI },
		   { STEP_MMIO_WRITE, APIC_LDR, 0x04000000 },
		   { STEP_MMIO_WRITE, APIC_ICR, 1 << 18 | 0x51 },
		   { STEP_MMIO_WRITE, APIC_ICR_HIGH, 0 }, { STEP_MMIO_WRITE, APIC_ICR, 0x52 },
		   { STEP_MMIO_WRITE, APIC_ICR_HIGH, 0x0c000000 },
		   { STEP_MMIO_WRITE, APIC_ICR, 1 << 11 | 0x53 },
		   { STEP_MMIO_WRITE, APIC_ICR_HIGH, 0xff000000 },
		   { STEP_MMIO_WRITE, APIC_ICR, 0x54 },
		   { STEP_MMIO_READ, APIC_ISR + 0x20 }, { STEP_MMIO_READ, APIC_SVR });
	ASSERT_TRUE(intr_run(&self->bench, 0));
	for (v = 0x51; v <= 0x54; v++)
		EXPECT_EQ(1, intr_count(&self->bench, 0, v)) TH_LOG("vector %#x", v);
	EXPECT_EQ(0, intr_result(&self->bench, 0, 0)) TH_LOG("EOI was said for all");
	EXPECT_EQ(0x1ff, intr_result(&self->bench, 0, 1));
}

/* What waits behind CLI comes in the order of its priority. */
TEST_F(irq, order_of_priority)
{
	static const uint8_t order[] = { 0xf1, 0x91, 0x62, 0x61, 0x35 };
	unsigned int i;

	INTR_STEPS(&self->bench, 0, STEPS_X2APIC, { STEP_CLI },
		   { STEP_WRMSR, MSR_SELF_IPI, 0x61, 0 }, { STEP_WRMSR, MSR_SELF_IPI, 0x35, 0 },
		   { STEP_WRMSR, MSR_SELF_IPI, 0xf1, 0 }, { STEP_WRMSR, MSR_SELF_IPI, 0x62, 0 },
		   { STEP_WRMSR, MSR_SELF_IPI, 0x91, 0 }, { STEP_WRMSR, MSR_SELF_IPI, 0x61, 0 },
		   { STEP_STI });
	ASSERT_TRUE(intr_run(&self->bench, 0));
	for (i = 0; i < ARRAY_SIZE(order); i++)
		EXPECT_EQ(order[i], intr_log(&self->bench, 0, i)) TH_LOG("place %u", i);
	EXPECT_EQ(-1, intr_log(&self->bench, 0, ARRAY_SIZE(order)));
}

/* STI holds interrupts back for one instruction, also when that one exits (SDM 2B, STI). */
TEST_F(irq, window_of_one_instruction)
{
	INTR_STEPS(&self->bench, 0, STEPS_X2APIC, { STEP_CLI },
		   { STEP_WRMSR, MSR_SELF_IPI, 0x41, 0 }, { STEP_STI_ONE });
	ASSERT_TRUE(intr_run(&self->bench, 0));
	EXPECT_EQ(1, intr_count(&self->bench, 0, 0x41));
}

/*
 * The pages of the IDT, the GDT and the stack are missing, one after the other: each
 * interrupts the delivery of INT n, which is done again with the instruction's length.
 */
TEST_F(irq, software_interrupt_through_missing_pages)
{
	INTR_STEPS(&self->bench, 0, STEPS_X2APIC, { STEP_STACK, 0x6ff00 }, { STEP_INT },
		   { STEP_INT });
	ASSERT_TRUE(intr_run(&self->bench, 0));
	EXPECT_EQ(2, intr_count(&self->bench, 0, 0x48));
}

/* TPR holds back its class and those below, by MSR and by CR8; PPR shows it. */
TEST_F(irq, tpr)
{
	INTR_STEPS(&self->bench, 0, STEPS_X2APIC, { STEP_STI }, { STEP_CR8, 5 },
		   { STEP_WRMSR, MSR_SELF_IPI, 0x5f, 0 }, { STEP_WRMSR, MSR_SELF_IPI, 0x60, 0 },
		   { STEP_RDMSR, X2APIC(APIC_TPR) }, { STEP_RDMSR, X2APIC(APIC_PPR) },
		   { STEP_TICK }, { STEP_CR8, 4 }, STEP_X2(APIC_TPR, 0xf0),
		   { STEP_WRMSR, MSR_SELF_IPI, 0xef, 0 }, { STEP_READ_CR8 }, { STEP_TICK },
		   STEP_X2(APIC_TPR, 0xe0), { STEP_TICK }, STEP_X2(APIC_TPR, 0));
	ASSERT_TRUE(intr_run(&self->bench, 0));
	EXPECT_EQ(0, intr_count(&self->bench, 0, 0x5f));
	EXPECT_EQ(1, intr_count(&self->bench, 0, 0x60));
	EXPECT_EQ(0x50, intr_result(&self->bench, 0, 0));
	EXPECT_EQ(0x50, intr_result(&self->bench, 0, 1));
	EXPECT_EQ(5, self->bench.vcpu[0].run->cr8);
	ASSERT_TRUE(intr_run(&self->bench, 0));
	EXPECT_EQ(1, intr_count(&self->bench, 0, 0x5f));
	EXPECT_EQ(0, intr_count(&self->bench, 0, 0xef));
	EXPECT_EQ(15, intr_result(&self->bench, 0, 2));
	ASSERT_TRUE(intr_run(&self->bench, 0));
	EXPECT_EQ(0, intr_count(&self->bench, 0, 0xef)) TH_LOG("the same class");
	ASSERT_TRUE(intr_run(&self->bench, 0));
	EXPECT_EQ(1, intr_count(&self->bench, 0, 0xef));
}

/* Without EOI the class stays in service; each EOI ends the highest. */
TEST_F(irq, end_of_interrupt)
{
	bench_mbox(&self->bench, 0)[INTR_DEPTH / 4] = 1;
	INTR_STEPS(&self->bench, 0, STEPS_X2APIC, { STEP_STI },
		   { STEP_WRMSR, MSR_SELF_IPI, 0x41, 0 }, { STEP_WRMSR, MSR_SELF_IPI, 0x42, 0 },
		   { STEP_WRMSR, MSR_SELF_IPI, 0x81, 0 }, { STEP_RDMSR, X2APIC(APIC_PPR) },
		   STEP_X2(APIC_EOI, 0), { STEP_RDMSR, X2APIC(APIC_PPR) }, { STEP_TICK },
		   STEP_X2(APIC_EOI, 0), { STEP_TICK }, STEP_X2(APIC_EOI, 0));
	ASSERT_TRUE(intr_run(&self->bench, 0));
	EXPECT_EQ(1, intr_count(&self->bench, 0, 0x41));
	EXPECT_EQ(0, intr_count(&self->bench, 0, 0x42)) TH_LOG("the class is in service");
	EXPECT_EQ(1, intr_count(&self->bench, 0, 0x81));
	EXPECT_EQ(0x80, intr_result(&self->bench, 0, 0));
	EXPECT_EQ(0x40, intr_result(&self->bench, 0, 1));
	ASSERT_TRUE(intr_run(&self->bench, 0));
	EXPECT_EQ(1, intr_count(&self->bench, 0, 0x42));
}

TEST_F(irq, illegal_vector)
{
	INTR_STEPS(&self->bench, 0, STEPS_X2APIC, { STEP_STI }, STEP_X2(APIC_LVT_ERROR, 0x33),
		   STEP_ICR(1 << 18 | 5, 0), STEP_X2(APIC_ESR, 0), { STEP_RDMSR, X2APIC(APIC_ESR) },
		   STEP_X2(APIC_ESR, 0), { STEP_RDMSR, X2APIC(APIC_ESR) });
	ASSERT_TRUE(intr_run(&self->bench, 0));
	EXPECT_EQ(1, intr_count(&self->bench, 0, 0x33));
	EXPECT_EQ(1 << 5, intr_result(&self->bench, 0, 0));
	EXPECT_EQ(0, intr_result(&self->bench, 0, 1));
}

TEST_F(irq, message)
{
	struct kvm_msi msi = { .address_lo = 0xfee00000, .data = 0x4077 };

	INTR_STEPS(&self->bench, 0, STEPS_X2APIC, { STEP_STI }, { STEP_TICK }, { STEP_TICK });
	ASSERT_TRUE(intr_run(&self->bench, 0));
	EXPECT_LT(0, kvm_ioctl(self->bench.vm.fd, KVM_SIGNAL_MSI, &msi));
	EXPECT_EQ(0, kvm_ioctl(self->bench.vm.fd, KVM_SIGNAL_MSI, &msi)) TH_LOG("it waits already");
	ASSERT_TRUE(intr_run(&self->bench, 0));
	EXPECT_EQ(1, intr_count(&self->bench, 0, 0x77));
	msi.flags = 2;
	EXPECT_EQ(-EINVAL, kvm_ioctl(self->bench.vm.fd, KVM_SIGNAL_MSI, &msi));
}

/* An NMI waits for the IRET of the one before it, one more is latched, others are lost. */
TEST_F(irq, nmi)
{
	struct kvm_vcpu_events events;

	bench_mbox(&self->bench, 0)[INTR_HOOK / 4] = 2;
	INTR_STEPS(&self->bench, 0, { STEP_TICK }, { STEP_TICK }, { STEP_CLI }, { STEP_STI });
	ASSERT_TRUE(intr_run(&self->bench, 0));
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_NMI, NULL));
	ASSERT_TRUE(intr_run(&self->bench, 0));
	EXPECT_EQ(1, intr_count(&self->bench, 0, 2)) TH_LOG("in its handler");
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_GET_VCPU_EVENTS, &events));
	EXPECT_EQ(1, events.nmi.masked);
	EXPECT_EQ(0, events.nmi.pending);
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_NMI, NULL));
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_NMI, NULL));
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_GET_VCPU_EVENTS, &events));
	EXPECT_EQ(1, events.nmi.pending);
	bench_mbox(&self->bench, 0)[INTR_HOOK / 4] = 0;
	ASSERT_TRUE(intr_run(&self->bench, 0));
	EXPECT_EQ(2, intr_count(&self->bench, 0, 2));
	ASSERT_TRUE(intr_run(&self->bench, 0));
	EXPECT_EQ(2, intr_count(&self->bench, 0, 2));
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_GET_VCPU_EVENTS, &events));
	EXPECT_EQ(0, events.nmi.masked);
	EXPECT_EQ(0, events.nmi.pending);
}

/* HLT with an interrupt that is there already does not sleep. */
TEST_F(irq, hlt_with_an_interrupt)
{
	INTR_STEPS(&self->bench, 0, STEPS_X2APIC, { STEP_CLI },
		   { STEP_WRMSR, MSR_SELF_IPI, 0x41, 0 }, { STEP_HLT });
	ASSERT_TRUE(intr_run(&self->bench, 0));
	EXPECT_EQ(1, intr_count(&self->bench, 0, 0x41));
}

static void set_x2apic(struct bench *bench)
{
	struct kvm_sregs sregs;

	kvm_ioctl(bench->vcpu[0].fd, KVM_GET_SREGS, &sregs);
	sregs.apic_base |= 0xc00;
	kvm_ioctl(bench->vcpu[0].fd, KVM_SET_SREGS, &sregs);
}

/*
 * In the middle of everything - one interrupt in its handler, one that waits for its
 * class, an NMI latched - the vCPU goes on in another VM.
 */
TEST_F(irq, moves_to_another_vm)
{
	const struct bench_config config = { .vcpus = 1, .irqchip = true };
	struct kvm_vcpu_events events;
	struct kvm_lapic_state lapic;
	struct kvm_mp_state mp;
	struct kvm_sregs sregs;
	struct kvm_regs regs;
	struct bench to;
	int fd;

	bench_mbox(&self->bench, 0)[INTR_HOOK / 4] = 0x81;
	INTR_STEPS(&self->bench, 0, STEPS_X2APIC, { STEP_CLI },
		   { STEP_WRMSR, MSR_SELF_IPI, 0x81, 0 }, { STEP_WRMSR, MSR_SELF_IPI, 0x82, 0 },
		   { STEP_WRMSR, MSR_SELF_IPI, 0x31, 0 }, { STEP_STI });
	/* 0x82 and 0x81 are of one class: 0x82 has its turn first. */
	ASSERT_TRUE(intr_run(&self->bench, 0));
	ASSERT_EQ(1, intr_count(&self->bench, 0, 0x81));
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_NMI, NULL));
	ASSERT_EQ(0, intr_open(&to, config));
	fd = to.vcpu[0].fd;
	memcpy(to.low.host, self->bench.low.host, LOW_BYTES);
	set_x2apic(&to);
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_GET_LAPIC, &lapic));
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_GET_VCPU_EVENTS, &events));
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_GET_MP_STATE, &mp));
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_GET_SREGS, &sregs));
	/* The port access that PORT_TICK ended with is over when KVM_RUN is entered again. */
	self->bench.vcpu[0].run->immediate_exit = 1;
	EXPECT_EQ(-EINTR, vcpu_run(&self->bench.vcpu[0]));
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_GET_REGS, &regs));
	ASSERT_EQ(0, kvm_ioctl(fd, KVM_SET_SREGS, &sregs));
	ASSERT_EQ(0, kvm_ioctl(fd, KVM_SET_REGS, &regs));
	ASSERT_EQ(0, kvm_ioctl(fd, KVM_SET_LAPIC, &lapic));
	ASSERT_EQ(0, kvm_ioctl(fd, KVM_SET_VCPU_EVENTS, &events));
	ASSERT_EQ(0, kvm_ioctl(fd, KVM_SET_MP_STATE, &mp));
	EXPECT_EQ(1, events.nmi.pending);
	ASSERT_TRUE(intr_run(&to, 0));
	EXPECT_TRUE(bench_done(&to, 0));
	EXPECT_EQ(1, intr_count(&to, 0, 0x81));
	EXPECT_EQ(1, intr_count(&to, 0, 0x82));
	EXPECT_EQ(1, intr_count(&to, 0, 0x31));
	EXPECT_EQ(1, intr_count(&to, 0, 2));
	bench_close(&to);
}

TEST_HARNESS_MAIN
