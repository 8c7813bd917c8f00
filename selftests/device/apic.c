// SPDX-License-Identifier: GPL-2.0
/*
 * KVM_CREATE_IRQCHIP: when it may be called, the registers of the local APICs that
 * it makes, and a vCPU that waits to be started.
 */
#include <kselftest_harness.h>
#include <errno.h>

#include "vm.h"

TEST(irqchip_once_and_before_vcpus)
{
	struct vcpu vcpu;
	struct vm vm;

	ASSERT_EQ(0, vm_open(&vm));
	/* The capability also promises that interrupts are delivered: it may be off. */
	EXPECT_EQ(0, kvm_ioctl(vm.fd, KVM_CREATE_IRQCHIP, NULL));
	EXPECT_EQ(-EEXIST, kvm_ioctl(vm.fd, KVM_CREATE_IRQCHIP, NULL));
	vm_close(&vm);
	ASSERT_EQ(0, vm_open(&vm));
	ASSERT_EQ(0, vcpu_open(&vm, &vcpu, 0));
	EXPECT_EQ(-EINVAL, kvm_ioctl(vm.fd, KVM_CREATE_IRQCHIP, NULL));
	vcpu_close(&vcpu);
	vm_close(&vm);
}

/* Registers of the local APIC by their offset in its page. */
static uint32_t *apic(struct kvm_lapic_state *lapic, unsigned int offset)
{
	return (uint32_t *)(lapic->regs + offset);
}

TEST(local_apic)
{
	const struct bench_config config = { .vcpus = 2, .irqchip = true };
	struct kvm_lapic_state lapic, again;
	struct bench bench;

	ASSERT_EQ(0, bench_open(&bench, &config));
	ASSERT_EQ(0, kvm_ioctl(bench.vcpu[1].fd, KVM_GET_LAPIC, &lapic));
	EXPECT_EQ(1, *apic(&lapic, 0x20) >> 24) TH_LOG("the APIC ID is the vCPU's");
	EXPECT_EQ(0x10, *apic(&lapic, 0x30) & 0xf0) TH_LOG("the version is an integrated APIC's");
	EXPECT_EQ(0xff, *apic(&lapic, 0xf0) & 0x1ff) TH_LOG("off after reset");
	*apic(&lapic, 0x80) = 0x20;
	*apic(&lapic, 0xf0) = 0x1ff;
	ASSERT_EQ(0, kvm_ioctl(bench.vcpu[1].fd, KVM_SET_LAPIC, &lapic));
	ASSERT_EQ(0, kvm_ioctl(bench.vcpu[1].fd, KVM_GET_LAPIC, &again));
	EXPECT_EQ(0x20, *apic(&again, 0x80));
	EXPECT_EQ(0x1ff, *apic(&again, 0xf0));
	bench_close(&bench);
}

TEST(no_local_apic)
{
	const struct bench_config config = { .vcpus = 1 };
	struct kvm_lapic_state lapic = { };
	struct bench bench;

	ASSERT_EQ(0, bench_open(&bench, &config));
	EXPECT_EQ(-EINVAL, kvm_ioctl(bench.vcpu[0].fd, KVM_GET_LAPIC, &lapic));
	EXPECT_EQ(-EINVAL, kvm_ioctl(bench.vcpu[0].fd, KVM_SET_LAPIC, &lapic));
	bench_close(&bench);
}

/* A vCPU that nobody has started waits in KVM_RUN, and a signal ends that. */
TEST(uninitialized_vcpu_waits)
{
	const struct bench_config config = { .vcpus = 2, .irqchip = true };
	struct kvm_mp_state mp;
	struct bench bench;

	ASSERT_EQ(0, bench_open(&bench, &config));
	BENCH_LOAD(&bench, hlt);
	ASSERT_EQ(0, bench_start(&bench, 1));
	ASSERT_EQ(0, kvm_ioctl(bench.vcpu[1].fd, KVM_GET_MP_STATE, &mp));
	EXPECT_EQ(KVM_MP_STATE_UNINITIALIZED, mp.mp_state);
	EXPECT_EQ(-EINTR, bench_run_alarmed(&bench, 1, 5000));
	bench_close(&bench);
}

TEST_HARNESS_MAIN
