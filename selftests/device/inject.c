// SPDX-License-Identifier: GPL-2.0
/*
 * What userspace gives a vCPU: KVM_INTERRUPT and its window without an APIC in the
 * kernel, the TPR, and KVM_SET_VCPU_EVENTS.  And invariant 6, from the event's side:
 * one that an EPT violation or a full log interrupts is delivered once.
 */
#include <kselftest_harness.h>
#include <errno.h>

#include "intr.h"

#define RFLAGS_IF 0x200

FIXTURE(user)
{
	struct bench bench;
	struct kvm_run *run;
	int fd;
};

FIXTURE_SETUP(user)
{
	const struct bench_config config = { .vcpus = 1 };

	ASSERT_EQ(0, intr_open(&self->bench, config));
	self->fd = self->bench.vcpu[0].fd;
	self->run = self->bench.vcpu[0].run;
	/* No APIC: a handler has nowhere to say EOI. */
	bench_mbox(&self->bench, 0)[INTR_DEPTH / 4] = 1;
}

FIXTURE_TEARDOWN(user)
{
	bench_close(&self->bench);
}

static int interrupt(int fd, unsigned int vector)
{
	struct kvm_interrupt irq = { .irq = vector };

	return kvm_ioctl(fd, KVM_INTERRUPT, &irq);
}

TEST_F(user, interrupt)
{
	INTR_STEPS(&self->bench, 0, { STEP_STI }, { STEP_TICK }, { STEP_CLI }, { STEP_TICK },
		   { STEP_TICK }, { STEP_STI });
	ASSERT_TRUE(intr_run(&self->bench, 0));
	EXPECT_EQ(1, self->run->ready_for_interrupt_injection);
	EXPECT_EQ(1, self->run->if_flag);
	EXPECT_EQ(-EINVAL, interrupt(self->fd, 256));
	EXPECT_EQ(0, interrupt(self->fd, 0x41));
	EXPECT_EQ(-EEXIST, interrupt(self->fd, 0x42)) TH_LOG("one is waiting");
	ASSERT_TRUE(intr_run(&self->bench, 0));
	EXPECT_EQ(1, intr_count(&self->bench, 0, 0x41));
	EXPECT_EQ(0, self->run->ready_for_interrupt_injection);
	EXPECT_EQ(0, self->run->if_flag);
	EXPECT_EQ(0, interrupt(self->fd, 0x42));
	ASSERT_TRUE(intr_run(&self->bench, 0));
	EXPECT_EQ(0, intr_count(&self->bench, 0, 0x42)) TH_LOG("behind CLI");
	ASSERT_TRUE(intr_run(&self->bench, 0));
	EXPECT_EQ(1, intr_count(&self->bench, 0, 0x42));
	EXPECT_EQ(0, intr_count(&self->bench, 0, 0x41) - 1) TH_LOG("and the first one once");
}

TEST_F(user, window)
{
	INTR_STEPS(&self->bench, 0, { STEP_CLI }, { STEP_TICK }, { STEP_STI }, { STEP_TICK });
	ASSERT_TRUE(intr_run(&self->bench, 0));
	self->run->request_interrupt_window = 1;
	EXPECT_EQ(KVM_EXIT_IRQ_WINDOW_OPEN, bench_run(&self->bench, 0));
	EXPECT_EQ(1, self->run->ready_for_interrupt_injection);
	EXPECT_EQ(1, self->run->if_flag);
	self->run->request_interrupt_window = 0;
	EXPECT_EQ(0, interrupt(self->fd, 0x41));
	ASSERT_TRUE(intr_run(&self->bench, 0));
	EXPECT_TRUE(intr_ticked(&self->bench, 0));
	EXPECT_EQ(1, intr_count(&self->bench, 0, 0x41));
	/* With IF set already it opens at once. */
	self->run->request_interrupt_window = 1;
	EXPECT_EQ(KVM_EXIT_IRQ_WINDOW_OPEN, bench_run(&self->bench, 0));
}

/* CR8 goes in and out by kvm_run; only a TPR that falls is told. */
TEST_F(user, tpr)
{
	INTR_STEPS(&self->bench, 0, { STEP_READ_CR8 }, { STEP_CR8, 9 }, { STEP_TICK },
		   { STEP_CR8, 4 }, { STEP_READ_CR8 });
	self->run->cr8 = 7;
	ASSERT_TRUE(intr_run(&self->bench, 0));
	EXPECT_EQ(7, intr_result(&self->bench, 0, 0));
	EXPECT_EQ(9, self->run->cr8);
	EXPECT_EQ(KVM_EXIT_SET_TPR, bench_run(&self->bench, 0));
	EXPECT_EQ(4, self->run->cr8);
	ASSERT_TRUE(intr_run(&self->bench, 0));
	EXPECT_EQ(4, intr_result(&self->bench, 0, 1));
}

/* Without an APIC in the kernel HLT is userspace's, and an interrupt ends it. */
TEST_F(user, hlt)
{
	INTR_STEPS(&self->bench, 0, { STEP_HLT });
	EXPECT_EQ(KVM_EXIT_HLT, bench_run(&self->bench, 0));
	EXPECT_EQ(0, interrupt(self->fd, 0x41));
	ASSERT_TRUE(intr_run(&self->bench, 0));
	EXPECT_EQ(1, intr_count(&self->bench, 0, 0x41));
}

static int set_events(int fd, const struct kvm_vcpu_events *events)
{
	return kvm_ioctl(fd, KVM_SET_VCPU_EVENTS, (void *)events);
}

TEST_F(user, events_that_are_refused)
{
	struct kvm_vcpu_events events = { .flags = 1u << 31 };

	EXPECT_EQ(-EINVAL, set_events(self->fd, &events));
	events = (struct kvm_vcpu_events){ .exception = { .injected = 1, .nr = 2 } };
	EXPECT_EQ(-EINVAL, set_events(self->fd, &events)) TH_LOG("NMI is no exception");
	events.exception.nr = 32;
	EXPECT_EQ(-EINVAL, set_events(self->fd, &events));
	events = (struct kvm_vcpu_events){ .flags = KVM_VCPUEVENT_VALID_PAYLOAD };
	EXPECT_EQ(-EINVAL, set_events(self->fd, &events)) TH_LOG("not enabled");
	events = (struct kvm_vcpu_events){ .flags = KVM_VCPUEVENT_VALID_TRIPLE_FAULT };
	EXPECT_EQ(-EINVAL, set_events(self->fd, &events)) TH_LOG("not enabled");
	ASSERT_EQ(0, vm_enable_cap(&self->bench.vm, KVM_CAP_EXCEPTION_PAYLOAD, 1));
	events = (struct kvm_vcpu_events){
		.flags = KVM_VCPUEVENT_VALID_PAYLOAD,
		.exception = { .injected = 1, .pending = 1, .nr = 6 },
	};
	EXPECT_EQ(-EINVAL, set_events(self->fd, &events)) TH_LOG("either, not both");
	events = (struct kvm_vcpu_events){ .flags = KVM_VCPUEVENT_VALID_SMM, .smi.smm = 1 };
	if (!kvm_device_is_kvm())
		EXPECT_EQ(-EINVAL, set_events(self->fd, &events)) TH_LOG("there is no SMM");
}

/* #PF with a payload: pending until the guest runs, and CR2 has it only then. */
TEST_F(user, exception_with_a_payload)
{
	struct kvm_vcpu_events events = {
		.flags = KVM_VCPUEVENT_VALID_PAYLOAD,
		.exception = { .pending = 1, .nr = 14, .has_error_code = 1, .error_code = 6 },
		.exception_has_payload = 1,
		.exception_payload = 0x123456789000,
	};
	struct kvm_vcpu_events seen;
	struct kvm_sregs sregs;

	ASSERT_EQ(0, vm_enable_cap(&self->bench.vm, KVM_CAP_EXCEPTION_PAYLOAD, 1));
	INTR_STEPS(&self->bench, 0, { STEP_TICK });
	ASSERT_EQ(0, set_events(self->fd, &events));
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_GET_VCPU_EVENTS, &seen));
	EXPECT_EQ(1, seen.exception.pending);
	EXPECT_EQ(0, seen.exception.injected);
	EXPECT_EQ(14, seen.exception.nr);
	EXPECT_EQ(6, seen.exception.error_code);
	EXPECT_EQ(events.exception_payload, seen.exception_payload);
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_GET_SREGS, &sregs));
	EXPECT_EQ(0, sregs.cr2);
	/* The tests' handler takes no error code off: it ends in a fault, and that is enough. */
	bench_mbox(&self->bench, 0)[INTR_HOOK / 4] = 14;
	ASSERT_TRUE(intr_run(&self->bench, 0));
	ASSERT_TRUE(intr_ticked(&self->bench, 0));
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_GET_SREGS, &sregs));
	EXPECT_EQ(events.exception_payload, sregs.cr2);
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_GET_VCPU_EVENTS, &seen));
	EXPECT_EQ(0, seen.exception.pending);
	EXPECT_EQ(0, seen.exception.injected);
}

/* More than an error code's 16 bits: VM entry would refuse it, and the VM be lost. */
TEST_F(user, error_code_that_is_too_wide)
{
	struct kvm_vcpu_events events = {
		.exception = { .injected = 1, .nr = 13, .has_error_code = 1,
			       .error_code = 0xffff0000 },
	};
	struct kvm_sregs sregs;

	INTR_STEPS(&self->bench, 0, { STEP_TICK });
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_GET_SREGS, &sregs));
	sregs.idt.limit = 0;
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_SET_SREGS, &sregs));
	ASSERT_EQ(0, set_events(self->fd, &events));
	EXPECT_EQ(KVM_EXIT_SHUTDOWN, bench_run(&self->bench, 0)) TH_LOG("no gate to deliver by");
}

/* A #GP of real mode, which pushes no error code, is cut short and goes on in protected mode. */
TEST_F(user, exception_that_changes_mode)
{
	static const unsigned char past_the_limit[] = { 0xa1, 0xff, 0xff }; /* mov 0xffff, %ax */
	struct kvm_sregs flat, real;

	NEED_REAL_MODE();
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_GET_SREGS, &flat));
	memcpy(bench_low(&self->bench, CODE_GPA), past_the_limit, sizeof(past_the_limit));
	ASSERT_EQ(0, bench_start_mode(&self->bench, 0, CPU_REAL));
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_GET_SREGS, &real));
	real.idt.base = 0xd0000000; /* nothing is there */
	real.idt.limit = 0xffff;
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_SET_SREGS, &real));
	EXPECT_NE(-EIO, bench_run(&self->bench, 0));
	flat.idt.limit = 0;
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_SET_SREGS, &flat));
	EXPECT_NE(-EIO, bench_run(&self->bench, 0)) TH_LOG("VM entry wants an error code");
}

/* An entry that fails on the guest's state delivers nothing: the event waits for a better one. */
TEST_F(user, event_of_an_entry_that_failed)
{
	struct kvm_vcpu_events events = {
		.exception = { .injected = 1, .nr = 13, .has_error_code = 1 },
	};
	struct kvm_sregs flat, real, odd;

	NEED_REAL_MODE();
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_GET_SREGS, &flat));
	ASSERT_EQ(0, bench_start_mode(&self->bench, 0, CPU_REAL));
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_GET_SREGS, &real));
	odd = real;
	odd.tr.type = 0;
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_SET_SREGS, &odd));
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_SET_VCPU_EVENTS, &events));
	ASSERT_EQ(KVM_EXIT_FAIL_ENTRY, bench_run(&self->bench, 0));
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_GET_VCPU_EVENTS, &events));
	EXPECT_EQ(1, events.exception.injected);
	EXPECT_EQ(13, events.exception.nr);
	flat.idt.limit = 0;
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_SET_SREGS, &flat));
	EXPECT_EQ(KVM_EXIT_SHUTDOWN, bench_run(&self->bench, 0)) TH_LOG("no gate to deliver by");
}

TEST_F(user, triple_fault)
{
	struct kvm_vcpu_events events = {
		.flags = KVM_VCPUEVENT_VALID_TRIPLE_FAULT,
		.triple_fault.pending = 1,
	};

	INTR_STEPS(&self->bench, 0, { STEP_TICK });
	ASSERT_EQ(0, vm_enable_cap(&self->bench.vm, KVM_CAP_X86_TRIPLE_FAULT_EVENT, 1));
	ASSERT_EQ(0, set_events(self->fd, &events));
	memset(&events, 0, sizeof(events));
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_GET_VCPU_EVENTS, &events));
	EXPECT_EQ(1, events.triple_fault.pending);
	EXPECT_EQ(KVM_EXIT_SHUTDOWN, bench_run(&self->bench, 0));
}

/* What is under way when the owner stops the vCPU is still under way when it goes on. */
TEST_F(user, shadow_and_soft_events)
{
	struct kvm_vcpu_events events = {
		.flags = KVM_VCPUEVENT_VALID_SHADOW,
		.interrupt = { .shadow = KVM_X86_SHADOW_INT_STI },
	}, seen;

	INTR_STEPS(&self->bench, 0, { STEP_TICK });
	ASSERT_EQ(0, set_events(self->fd, &events));
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_GET_VCPU_EVENTS, &seen));
	EXPECT_EQ(KVM_X86_SHADOW_INT_STI, seen.interrupt.shadow);
	events.interrupt.shadow = KVM_X86_SHADOW_INT_MOV_SS;
	ASSERT_EQ(0, set_events(self->fd, &events));
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_GET_VCPU_EVENTS, &seen));
	EXPECT_EQ(KVM_X86_SHADOW_INT_MOV_SS, seen.interrupt.shadow);
	ASSERT_EQ(0, interrupt(self->fd, 0x41));
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_GET_VCPU_EVENTS, &seen));
	EXPECT_EQ(1, seen.interrupt.injected);
	EXPECT_EQ(0x41, seen.interrupt.nr);
	ASSERT_TRUE(intr_run(&self->bench, 0));
	EXPECT_EQ(1, intr_count(&self->bench, 0, 0x41));
}

#define STORM_PAGES 1024

FIXTURE(storm)
{
	struct bench bench;
};

FIXTURE_VARIANT(storm)
{
	uint32_t flags;
	uint32_t ring_entries;
};

FIXTURE_VARIANT_ADD(storm, unlogged)
{
	.flags = 0,
};

FIXTURE_VARIANT_ADD(storm, bitmap)
{
	.flags = KVM_MEM_LOG_DIRTY_PAGES,
};

FIXTURE_VARIANT_ADD(storm, ring)
{
	.flags = KVM_MEM_LOG_DIRTY_PAGES,
	.ring_entries = 2048,
};

FIXTURE_SETUP(storm)
{
	const struct bench_config config = {
		.vcpus = 1, .irqchip = true, .data_pages = STORM_PAGES + 2,
		.data_flags = variant->flags, .ring_entries = variant->ring_entries,
	};

	ASSERT_EQ(0, intr_open(&self->bench, config));
}

FIXTURE_TEARDOWN(storm)
{
	bench_close(&self->bench);
}

/*
 * Each interrupt is delivered on a stack in a page that was not written before: its
 * delivery meets an EPT violation, or is where the log becomes full.  A periodic timer
 * and the host's own interrupts come between.
 */
TEST_F(storm, every_delivery_is_interrupted)
{
	const uint32_t stack = DATA_GPA + 0x800;

	INTR_STEPS(&self->bench, 0, STEPS_X2APIC, { STEP_STI }, STEP_X2(APIC_DIVIDE, 0xb),
		   STEP_X2(APIC_LVT_TIMER, 0x20051), STEP_X2(APIC_INITIAL, 300000),
		   { STEP_STORM, STORM_PAGES, 0x41, stack }, STEP_X2(APIC_INITIAL, 0),
		   { STEP_STORM, STORM_PAGES, 0x42, stack },
		   { STEP_RDMSR, X2APIC(APIC_ISR + 0x20) },
		   { STEP_RDMSR, X2APIC(APIC_IRR + 0x20) });
	ASSERT_TRUE(intr_run(&self->bench, 0));
	ASSERT_TRUE(bench_done(&self->bench, 0));
	EXPECT_EQ(STORM_PAGES, intr_count(&self->bench, 0, 0x41));
	EXPECT_EQ(STORM_PAGES, intr_count(&self->bench, 0, 0x42));
	EXPECT_EQ(0, intr_result(&self->bench, 0, 0));
	EXPECT_EQ(0, intr_result(&self->bench, 0, 1));
}

TEST_HARNESS_MAIN
