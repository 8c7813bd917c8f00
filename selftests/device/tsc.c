// SPDX-License-Identifier: GPL-2.0
/*
 * The guest's TSC: offset and frequency, who moves it, and which vCPUs share it.
 */
#include <kselftest_harness.h>
#include <errno.h>
#include <stdlib.h>
#include <x86intrin.h>

#include "time.h"

#define VCPUS		3
#define SECOND(khz)	((uint64_t)(khz) * 1000)

FIXTURE(tsc)
{
	struct bench bench;
	int khz;
};

FIXTURE_SETUP(tsc)
{
	const struct bench_config config = { .vcpus = VCPUS };

	ASSERT_EQ(0, bench_open(&self->bench, &config));
	ASSERT_EQ(0, time_start(&self->bench, VCPUS));
	self->khz = kvm_ioctl(self->bench.vcpu[0].fd, KVM_GET_TSC_KHZ, NULL);
	ASSERT_LT(0, self->khz);
}

FIXTURE_TEARDOWN(tsc)
{
	bench_close(&self->bench);
}

static int attr(struct bench *bench, unsigned int i, unsigned long request, uint64_t *offset)
{
	struct kvm_device_attr attr = {
		.group = KVM_VCPU_TSC_CTRL, .attr = KVM_VCPU_TSC_OFFSET,
		.addr = (uintptr_t)offset,
	};

	return kvm_ioctl(bench->vcpu[i].fd, request, &attr);
}

static uint64_t offset_of(struct bench *bench, unsigned int i)
{
	uint64_t offset = 0xbad;

	return attr(bench, i, KVM_GET_DEVICE_ATTR, &offset) ? 0xbad : offset;
}

static int set_khz(int fd, unsigned long khz)
{
	return kvm_ioctl(fd, KVM_SET_TSC_KHZ, (void *)khz);
}

static int get_khz(int fd)
{
	return kvm_ioctl(fd, KVM_GET_TSC_KHZ, NULL);
}

/* The guest's RDTSCP lies between two of ours, at this ratio and offset. */
static bool reads(struct bench *bench, unsigned int i, uint64_t khz, uint64_t host_khz)
{
	__uint128_t ratio = ((__uint128_t)khz << 48) / host_khz;
	uint64_t offset = offset_of(bench, i), before, after, guest;
	unsigned int aux;

	before = (uint64_t)(__rdtscp(&aux) * ratio >> 48) + offset;
	if (time_op(bench, i, OP_RDTSCP))
		return false;
	after = (uint64_t)(__rdtscp(&aux) * ratio >> 48) + offset;
	guest = *time_field(bench, i, TIME_TSC);
	/* It may have been moved through the counter's wrap. */
	if (guest - before <= after - before)
		return true;
	printf("# vCPU %u: %llx, %llx, %llx\n", i, (unsigned long long)before,
	       (unsigned long long)guest, (unsigned long long)after);
	return false;
}

TEST_F(tsc, offset)
{
	uint64_t offset = -12345678ull, value;
	unsigned int i;

	/* All vCPUs of a VM are made with one counter, that began with the first. */
	for (i = 0; i < VCPUS; i++) {
		EXPECT_EQ(offset_of(&self->bench, 0), offset_of(&self->bench, i));
		EXPECT_TRUE(reads(&self->bench, i, self->khz, self->khz));
		EXPECT_GT(100 * SECOND(self->khz), *time_field(&self->bench, i, TIME_TSC));
	}
	EXPECT_EQ(0, attr(&self->bench, 1, KVM_HAS_DEVICE_ATTR, NULL));
	ASSERT_EQ(0, attr(&self->bench, 1, KVM_SET_DEVICE_ATTR, &offset));
	EXPECT_EQ(offset, offset_of(&self->bench, 1));
	EXPECT_NE(offset, offset_of(&self->bench, 0));
	EXPECT_TRUE(reads(&self->bench, 1, self->khz, self->khz));
	/* RDMSR reads the same counter, and KVM_GET_MSRS. */
	ASSERT_EQ(0, time_op(&self->bench, 1, OP_RDTSCP));
	ASSERT_EQ(0, time_rdmsr(&self->bench, 1, MSR_TSC, &value));
	EXPECT_LT(*time_field(&self->bench, 1, TIME_TSC), value);
	EXPECT_GT(*time_field(&self->bench, 1, TIME_TSC) + SECOND(self->khz), value);
	EXPECT_EQ(1, msr_get(&self->bench, 1, MSR_TSC, &offset));
	EXPECT_LT(value, offset);
}

TEST_F(tsc, aux)
{
	unsigned int i;

	for (i = 0; i < VCPUS; i++)
		ASSERT_EQ(1, msr_set(&self->bench, i, MSR_TSC_AUX, 0x1000 + i));
	for (i = 0; i < 2 * VCPUS; i++) {
		ASSERT_EQ(0, time_op(&self->bench, i % VCPUS, OP_RDTSCP));
		EXPECT_EQ(0x1000 + i % VCPUS, *time_field(&self->bench, i % VCPUS, TIME_VALUE));
	}
}

/* SDM 3B 17.17.3: the guest's writes of one move both, by exactly the same. */
TEST_F(tsc, adjust)
{
	uint64_t start = offset_of(&self->bench, 0), other = offset_of(&self->bench, 1), value;

	ASSERT_EQ(0, time_rdmsr(&self->bench, 0, MSR_TSC_ADJUST, &value));
	EXPECT_EQ(0, value);
	ASSERT_EQ(0, time_wrmsr(&self->bench, 0, MSR_TSC_ADJUST, -1000ull));
	EXPECT_EQ(start - 1000, offset_of(&self->bench, 0));
	ASSERT_EQ(0, time_wrmsr(&self->bench, 0, MSR_TSC_ADJUST, 0x123456789abcdef));
	EXPECT_EQ(start + 0x123456789abcdef, offset_of(&self->bench, 0));
	ASSERT_EQ(0, time_wrmsr(&self->bench, 0, MSR_TSC, 55));
	ASSERT_EQ(0, time_rdmsr(&self->bench, 0, MSR_TSC_ADJUST, &value));
	EXPECT_EQ(offset_of(&self->bench, 0) - start, value);
	ASSERT_EQ(0, time_op(&self->bench, 0, OP_RDTSCP));
	EXPECT_LT(55, *time_field(&self->bench, 0, TIME_TSC));
	EXPECT_GT(SECOND(self->khz), *time_field(&self->bench, 0, TIME_TSC));
	ASSERT_EQ(0, time_wrmsr(&self->bench, 0, MSR_TSC_ADJUST, 0));
	EXPECT_EQ(start, offset_of(&self->bench, 0));
	/* A guest moves no vCPU but its own. */
	EXPECT_EQ(other, offset_of(&self->bench, 1));

	/* To userspace they are two numbers. */
	EXPECT_EQ(1, msr_set(&self->bench, 0, MSR_TSC_ADJUST, 777));
	EXPECT_EQ(start, offset_of(&self->bench, 0));
	EXPECT_EQ(1, msr_set(&self->bench, 0, MSR_TSC, 1ull << 60));
	EXPECT_NE(start, offset_of(&self->bench, 0));
	EXPECT_EQ(1, msr_get(&self->bench, 0, MSR_TSC_ADJUST, &value));
	EXPECT_EQ(777, value);
}

/* A guest that CPUID does not tell of the MSR does not have it. */
TEST_F(tsc, adjust_is_not_there)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[CPUID_MAX];
	} cpuid = { .head.nent = CPUID_MAX };
	unsigned int i;

	ASSERT_EQ(0, kvm_ioctl(self->bench.vcpu[2].fd, KVM_GET_CPUID2, &cpuid));
	for (i = 0; i < cpuid.head.nent; i++)
		if (cpuid.entries[i].function == 7 && !cpuid.entries[i].index) {
			EXPECT_EQ(2, cpuid.entries[i].ebx & 2);
			cpuid.entries[i].ebx &= ~2u;
		}
	ASSERT_EQ(0, kvm_ioctl(self->bench.vcpu[2].fd, KVM_SET_CPUID2, &cpuid));
	EXPECT_EQ(KVM_EXIT_SHUTDOWN, time_wrmsr(&self->bench, 2, MSR_TSC_ADJUST, 1));
}

static uint32_t clock_flags(struct bench *bench)
{
	struct kvm_clock_data data = {};

	kvm_ioctl(bench->vm.fd, KVM_GET_CLOCK, &data);
	return data.flags;
}

/* Who restores a VM writes one vCPU's TSC after the other's and means one counter. */
TEST_F(tsc, writes_that_mean_one_counter)
{
	uint64_t later = 500 * SECOND(self->khz), value;
	bool stable = clock_flags(&self->bench) & KVM_CLOCK_TSC_STABLE;
	unsigned int i;

	for (i = 0; i < VCPUS; i++)
		ASSERT_EQ(1, msr_set(&self->bench, i, MSR_TSC, later + i));
	for (i = 1; i < VCPUS; i++)
		EXPECT_EQ(offset_of(&self->bench, 0), offset_of(&self->bench, i));
	EXPECT_EQ(stable, !!(clock_flags(&self->bench) & KVM_CLOCK_TSC_STABLE));
	/* Two seconds apart is another counter: vCPUs' clocks are not the same any more. */
	EXPECT_EQ(1, msr_get(&self->bench, 0, MSR_TSC, &value));
	EXPECT_EQ(1, msr_set(&self->bench, 1, MSR_TSC, value + 2 * SECOND(self->khz)));
	EXPECT_NE(offset_of(&self->bench, 0), offset_of(&self->bench, 1));
	EXPECT_EQ(0, clock_flags(&self->bench) & KVM_CLOCK_TSC_STABLE);
	/* That it is right in the end is what counts. */
	value = offset_of(&self->bench, 0);
	ASSERT_EQ(0, attr(&self->bench, 1, KVM_SET_DEVICE_ATTR, &value));
	EXPECT_EQ(stable, !!(clock_flags(&self->bench) & KVM_CLOCK_TSC_STABLE));
	/* Zero is where they all began; a guest's own write is nobody else's. */
	for (i = 0; i < VCPUS; i++)
		ASSERT_EQ(1, msr_set(&self->bench, i, MSR_TSC, 0));
	EXPECT_EQ(offset_of(&self->bench, 0), offset_of(&self->bench, 2));
	ASSERT_EQ(0, time_wrmsr(&self->bench, 2, MSR_TSC, 0));
	EXPECT_NE(offset_of(&self->bench, 0), offset_of(&self->bench, 2));
	EXPECT_EQ(0, clock_flags(&self->bench) & KVM_CLOCK_TSC_STABLE);
}

/* The first value that userspace writes is no echo of the vCPU's creation. */
TEST_F(tsc, first_write_counts)
{
	uint64_t value;

	ASSERT_EQ(1, msr_get(&self->bench, 0, MSR_TSC, &value));
	value += SECOND(self->khz) / 2;
	ASSERT_EQ(1, msr_set(&self->bench, 0, MSR_TSC, value));
	EXPECT_NE(offset_of(&self->bench, 0), offset_of(&self->bench, 1));
	ASSERT_EQ(1, msr_set(&self->bench, 1, MSR_TSC, value));
	EXPECT_EQ(offset_of(&self->bench, 0), offset_of(&self->bench, 1));
}

/* A vCPU that comes later has the others' counter, and they are written as one again. */
TEST_F(tsc, later_vcpu)
{
	uint64_t value = 300 * SECOND(self->khz);
	struct bench *bench = &self->bench;
	unsigned int i;

	for (i = 0; i < VCPUS; i++)
		ASSERT_EQ(1, msr_set(bench, i, MSR_TSC, value));
	ASSERT_EQ(0, vcpu_open(&bench->vm, &bench->vcpu[VCPUS], VCPUS));
	bench->vcpus++;
	EXPECT_EQ(offset_of(bench, 0), offset_of(bench, VCPUS));
	ASSERT_EQ(1, msr_set(bench, VCPUS, MSR_TSC, value));
	EXPECT_EQ(offset_of(bench, 0), offset_of(bench, VCPUS));
	/* Its own counter, and it is not one of theirs any more. */
	ASSERT_EQ(1, msr_set(bench, VCPUS, MSR_TSC, 2 * value));
	EXPECT_NE(offset_of(bench, 0), offset_of(bench, VCPUS));
	EXPECT_EQ(0, clock_flags(bench) & KVM_CLOCK_TSC_STABLE);
}

TEST_F(tsc, frequency_of_the_host)
{
	int fd = self->bench.vcpu[0].fd;

	EXPECT_EQ(self->khz, get_khz(self->bench.vm.fd));
	EXPECT_EQ(0, set_khz(fd, self->khz));
	EXPECT_EQ(0, set_khz(fd, 0));
	EXPECT_EQ(self->khz, get_khz(fd));
	EXPECT_EQ(0, set_khz(self->bench.vm.fd, 0));
	EXPECT_EQ(-EINVAL, set_khz(fd, 0x7fffffff));
	EXPECT_EQ(-EINVAL, set_khz(fd, 0x80000000));
	EXPECT_EQ(-EINVAL, set_khz(fd, 0xffffffff));
	EXPECT_EQ(-EINVAL, set_khz(self->bench.vm.fd, 0xffffffff));
	EXPECT_EQ(self->khz, get_khz(self->bench.vm.fd));
	if (kvm_cap(self->bench.vm.dev, KVM_CAP_TSC_CONTROL) == 1)
		return;
	/* Without the multiplier there is no other. */
	EXPECT_EQ(0, kvm_cap(self->bench.vm.dev, KVM_CAP_VM_TSC_CONTROL));
	EXPECT_EQ(-EINVAL, set_khz(fd, 2 * self->khz));
	EXPECT_EQ(-EINVAL, set_khz(self->bench.vm.fd, self->khz / 2));
}

TEST_F(tsc, frequency)
{
	static const unsigned int percent[] = { 150, 50, 237, 1000, 7, 100 };
	uint64_t ns, value, before, after;
	struct kvm_clock_data data;
	int fd = self->bench.vcpu[0].fd;
	unsigned int i, khz;

	if (kvm_cap(self->bench.vm.dev, KVM_CAP_TSC_CONTROL) != 1)
		SKIP(return, "this CPU's TSC cannot be scaled");
	ASSERT_EQ(0, time_wrmsr(&self->bench, 0, MSR_SYSTEM_TIME, SCRIPT_GPA | 1));
	for (i = 0; i < ARRAY_SIZE(percent); i++) {
		khz = (uint64_t)self->khz * percent[i] / 100;
		ASSERT_EQ(0, set_khz(fd, khz));
		EXPECT_EQ(khz, get_khz(fd));
		EXPECT_TRUE(reads(&self->bench, 0, khz, self->khz)) TH_LOG("%u kHz", khz);
		/* The other vCPUs keep theirs. */
		EXPECT_TRUE(reads(&self->bench, 1, self->khz, self->khz));
		/* What is set is what is read. */
		ASSERT_EQ(1, msr_set(&self->bench, 0, MSR_TSC, 1ull << 50));
		ASSERT_EQ(1, msr_get(&self->bench, 0, MSR_TSC, &value));
		EXPECT_EQ(1, value >> 50);
		EXPECT_GT(SECOND(khz), value & ((1ull << 50) - 1));
		/* And the clock goes on by nanoseconds. */
		ASSERT_EQ(0, kvm_ioctl(self->bench.vm.fd, KVM_GET_CLOCK, &data));
		before = data.clock;
		ASSERT_EQ(0, time_clock(&self->bench, 0, SCRIPT_GPA, &ns));
		ASSERT_EQ(0, kvm_ioctl(self->bench.vm.fd, KVM_GET_CLOCK, &data));
		after = data.clock;
		EXPECT_LE(before, ns) TH_LOG("%u kHz", khz);
		EXPECT_GE(after, ns) TH_LOG("%u kHz", khz);
	}
}

/* KVM_SET_TSC_KHZ of a VM is for the vCPUs to come. */
TEST(frequency_of_a_vm)
{
	const struct bench_config config = {};
	struct kvm_clock_data data = {};
	struct bench bench;
	int host, khz, i;

	ASSERT_EQ(0, bench_open(&bench, &config));
	if (kvm_cap(bench.vm.dev, KVM_CAP_VM_TSC_CONTROL) != 1)
		SKIP(goto close, "this CPU's TSC cannot be scaled");
	host = get_khz(bench.vm.fd);
	khz = host / 3 * 2;
	ASSERT_EQ(0, set_khz(bench.vm.fd, khz));
	EXPECT_EQ(khz, get_khz(bench.vm.fd));
	for (i = 0; i < 2; i++, bench.vcpus++) {
		ASSERT_EQ(0, vcpu_open(&bench.vm, &bench.vcpu[i], i));
		ASSERT_EQ(0, cpu_set_supported_cpuid(&bench.vm, &bench.vcpu[i]));
	}
	ASSERT_EQ(0, time_start(&bench, 2));
	EXPECT_EQ(khz, get_khz(bench.vcpu[1].fd));
	EXPECT_EQ(offset_of(&bench, 0), offset_of(&bench, 1));
	EXPECT_TRUE(reads(&bench, 0, khz, host));
	EXPECT_TRUE(reads(&bench, 1, khz, host));
	ASSERT_EQ(0, kvm_ioctl(bench.vm.fd, KVM_GET_CLOCK, &data));
	EXPECT_EQ(!!(data.flags & KVM_CLOCK_HOST_TSC), !!(data.flags & KVM_CLOCK_TSC_STABLE));
close:
	bench_close(&bench);
}

TEST_F(tsc, bad_attributes)
{
	struct kvm_device_attr bad = { .group = KVM_VCPU_TSC_CTRL + 1 };
	int fd = self->bench.vcpu[0].fd;

	EXPECT_EQ(-ENXIO, kvm_ioctl(fd, KVM_HAS_DEVICE_ATTR, &bad));
	EXPECT_EQ(-ENXIO, kvm_ioctl(fd, KVM_SET_DEVICE_ATTR, &bad));
	bad = (struct kvm_device_attr){ .group = KVM_VCPU_TSC_CTRL, .attr = 1 };
	EXPECT_EQ(-ENXIO, kvm_ioctl(fd, KVM_HAS_DEVICE_ATTR, &bad));
	EXPECT_EQ(-ENXIO, kvm_ioctl(fd, KVM_GET_DEVICE_ATTR, &bad));
	bad.attr = KVM_VCPU_TSC_OFFSET;
	EXPECT_EQ(-EFAULT, kvm_ioctl(fd, KVM_GET_DEVICE_ATTR, &bad));
	EXPECT_EQ(-EFAULT, kvm_ioctl(fd, KVM_SET_DEVICE_ATTR, &bad));
	bad.addr = ~0ull << 47;
	EXPECT_EQ(-EFAULT, kvm_ioctl(fd, KVM_GET_DEVICE_ATTR, &bad));
	EXPECT_EQ(-EFAULT, kvm_ioctl(fd, KVM_SET_DEVICE_ATTR, &bad));
	EXPECT_EQ(-EFAULT, kvm_ioctl(fd, KVM_HAS_DEVICE_ATTR, NULL));
}

TEST_HARNESS_MAIN
