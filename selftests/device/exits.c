// SPDX-License-Identifier: GPL-2.0
/*
 * Promise 3, safe, and the exits of the KVM ABI: each thing that a guest can do
 * ends KVM_RUN as api.rst says, with the right address, width and data, and
 * nothing that it does harms anything but itself.
 */
#include <kselftest_harness.h>
#include <errno.h>

#include "../guest/exits.h"
#include "vm.h"

DECLARE_GUEST(io);
DECLARE_GUEST(mmio_store);
DECLARE_GUEST(mmio_load);
DECLARE_GUEST(mmio_extend);
DECLARE_GUEST(mmio_strange);
DECLARE_GUEST(ud);
DECLARE_GUEST(spin);
DECLARE_GUEST(nowhere);
DECLARE_GUEST(real);
DECLARE_GUEST(flat);
DECLARE_GUEST(long);

#define PATTERN	0x8877665544332211ULL

FIXTURE(exits)
{
	struct bench bench;
	struct kvm_run *run;
};

FIXTURE_SETUP(exits)
{
	const struct bench_config config = { .vcpus = 1 };

	ASSERT_EQ(0, bench_open(&self->bench, &config));
	self->run = self->bench.vcpu[0].run;
}

FIXTURE_TEARDOWN(exits)
{
	bench_close(&self->bench);
}

static uint64_t result64(struct bench *bench, unsigned int i)
{
	uint64_t value;

	memcpy(&value, (char *)bench_mbox(bench, 0) + EXITS_RESULT + 8 * i, sizeof(value));
	return value;
}

static uint32_t result32(struct bench *bench, unsigned int i)
{
	return bench_mbox(bench, 0)[EXITS_RESULT / 4 + i];
}

TEST_F(exits, port_io_of_every_width)
{
	static const uint8_t sizes[] = { 1, 2, 4 };
	static const uint32_t in_result[] = { 0xffffff21, 0xffff4321, 0x87654321 };
	struct kvm_run *run = self->run;
	uint32_t data;
	int i;

	BENCH_LOAD(&self->bench, io);
	ASSERT_EQ(0, bench_start(&self->bench, 0));
	for (i = 0; i < 12; i++) {
		bool out = i < 6;

		ASSERT_EQ(KVM_EXIT_IO, bench_run(&self->bench, 0)) TH_LOG("access %d", i);
		ASSERT_EQ(out ? KVM_EXIT_IO_OUT : KVM_EXIT_IO_IN, run->io.direction);
		ASSERT_EQ(sizes[i % 3], run->io.size);
		ASSERT_EQ(1, run->io.count);
		ASSERT_EQ(i / 3 % 2 ? IO_PORT_DX : IO_PORT, run->io.port);
		data = 0x87654321;
		if (out) {
			data = 0;
			memcpy(&data, (char *)run + run->io.data_offset, run->io.size);
			ASSERT_EQ(IO_VALUE & (~0U >> (32 - 8 * run->io.size)), data);
		} else {
			memcpy((char *)run + run->io.data_offset, &data, run->io.size);
		}
	}
	ASSERT_EQ(KVM_EXIT_IO, bench_run(&self->bench, 0));
	ASSERT_TRUE(bench_done(&self->bench, 0));
	for (i = 0; i < 6; i++)
		EXPECT_EQ(in_result[i % 3], result32(&self->bench, i)) TH_LOG("IN %d", i);
	ASSERT_EQ(KVM_EXIT_HLT, bench_run(&self->bench, 0));
}

struct access {
	uint64_t address;
	uint32_t len;
	uint64_t data;
};

TEST_F(exits, mmio_stores_of_every_width)
{
	static const struct access stores[] = {
		{ 0x00, 1, 0x88 },
		{ 0x02, 2, 0x7788 },
		{ 0x04, 4, 0x55667788 },
		{ 0x08, 8, MMIO_VALUE },
		{ 0x01, 1, 0x77 },
		{ 0x03, 1, 0x88 },
		{ 0x00, 1, 0x88 },
		{ 0x06, 2, 0x7788 },
		{ 0x10, 4, 0x55667788 },
		{ 0x1000, 8, MMIO_VALUE },
		{ 0x00, 1, 0x5a },
		{ 0x00, 2, 0x5aa5 },
		{ 0x00, 4, 0x5aa55aa5 },
		{ 0x00, 8, -2ULL },
		{ 0x18, 8, MMIO_VALUE },
		{ 0x20, 1, 0x88 },
		{ 0x20, 8, MMIO_VALUE },
	};
	struct kvm_run *run = self->run;
	uint64_t data;
	size_t i;

	BENCH_LOAD(&self->bench, mmio_store);
	ASSERT_EQ(0, bench_start_mode(&self->bench, 0, CPU_LONG));
	for (i = 0; i < ARRAY_SIZE(stores); i++) {
		data = 0;
		ASSERT_EQ(KVM_EXIT_MMIO, bench_run(&self->bench, 0)) TH_LOG("store %zu", i);
		ASSERT_EQ(1, run->mmio.is_write);
		ASSERT_EQ(MMIO_GPA + stores[i].address, run->mmio.phys_addr) TH_LOG("store %zu", i);
		ASSERT_EQ(stores[i].len, run->mmio.len) TH_LOG("store %zu", i);
		memcpy(&data, run->mmio.data, run->mmio.len);
		ASSERT_EQ(stores[i].data, data) TH_LOG("store %zu", i);
	}
	ASSERT_EQ(KVM_EXIT_IO, bench_run(&self->bench, 0));
	ASSERT_TRUE(bench_done(&self->bench, 0));
}

struct load {
	uint64_t address;
	uint32_t len;
	uint64_t result;
};

static void check_loads(struct __test_metadata *_metadata, struct bench *bench,
			const struct load *loads, int count)
{
	const uint64_t pattern = PATTERN;
	struct kvm_run *run = bench->vcpu[0].run;
	int i;

	ASSERT_EQ(0, bench_start_mode(bench, 0, CPU_LONG));
	for (i = 0; i < count; i++) {
		ASSERT_EQ(KVM_EXIT_MMIO, bench_run(bench, 0)) TH_LOG("load %d", i);
		ASSERT_EQ(0, run->mmio.is_write);
		ASSERT_EQ(MMIO_GPA + loads[i].address, run->mmio.phys_addr) TH_LOG("load %d", i);
		ASSERT_EQ(loads[i].len, run->mmio.len) TH_LOG("load %d", i);
		memcpy(run->mmio.data, &pattern, run->mmio.len);
	}
	ASSERT_EQ(KVM_EXIT_IO, bench_run(bench, 0));
	ASSERT_TRUE(bench_done(bench, 0));
	for (i = 0; i < count; i++)
		EXPECT_EQ(loads[i].result, result64(bench, i)) TH_LOG("load %d", i);
}

TEST_F(exits, mmio_loads_of_every_width)
{
	static const struct load loads[] = {
		{ 0, 1, 0xffffffffffffff11 },
		{ 0, 2, 0xffffffffffff2211 },
		{ 0, 4, 0x0000000044332211 },
		{ 0, 8, PATTERN },
		{ 0, 1, 0xffffffffffff11ff },
		{ 0, 1, 0xffffffffffffff11 },
		{ 7, 4, 0x0000000044332211 },
		{ 0, 4, 0x0000000044332211 },
	};

	BENCH_LOAD(&self->bench, mmio_load);
	check_loads(_metadata, &self->bench, loads, ARRAY_SIZE(loads));
}

TEST_F(exits, mmio_loads_that_extend)
{
	static const struct load loads[] = {
		{ 0, 1, 0x11 },
		{ 0, 2, 0x2211 },
		{ 0, 1, 0x11 },
		{ 0, 1, 0x11 },
		{ 0, 2, 0x2211 },
		{ 0, 4, 0x44332211 },
	};

	BENCH_LOAD(&self->bench, mmio_extend);
	check_loads(_metadata, &self->bench, loads, ARRAY_SIZE(loads));
}

TEST_F(exits, mmio_that_cannot_be_emulated)
{
	BENCH_LOAD(&self->bench, mmio_strange);
	ASSERT_EQ(0, bench_start_mode(&self->bench, 0, CPU_LONG));
	ASSERT_EQ(KVM_EXIT_INTERNAL_ERROR, bench_run(&self->bench, 0));
	EXPECT_EQ(KVM_INTERNAL_ERROR_EMULATION, self->run->internal.suberror);
	EXPECT_EQ(KVM_EXIT_HLT, bench_run_new_vm());
}

TEST_F(exits, hlt_and_on)
{
	BENCH_LOAD(&self->bench, hlt);
	ASSERT_EQ(0, bench_start(&self->bench, 0));
	ASSERT_EQ(KVM_EXIT_HLT, bench_run(&self->bench, 0));
	ASSERT_EQ(KVM_EXIT_IO, bench_run(&self->bench, 0));
	ASSERT_TRUE(bench_done(&self->bench, 0));
	ASSERT_EQ(KVM_EXIT_HLT, bench_run(&self->bench, 0));
}

static int no_idt(struct vcpu *vcpu)
{
	struct kvm_sregs sregs = { };
	int ret = kvm_ioctl(vcpu->fd, KVM_GET_SREGS, &sregs);

	sregs.idt.limit = 0;
	return ret ?: kvm_ioctl(vcpu->fd, KVM_SET_SREGS, &sregs);
}

TEST_F(exits, triple_fault_in_every_mode)
{
	/* ud2 has the same two bytes in all modes. */
	static const enum cpu_mode modes[] = { CPU_REAL, CPU_FLAT32, CPU_LONG };
	const struct bench_config config = { .vcpus = 1 };
	size_t i;

	for (i = !bench_has_real_mode(); i < ARRAY_SIZE(modes); i++) {
		BENCH_LOAD(&self->bench, ud);
		ASSERT_EQ(0, bench_start_mode(&self->bench, 0, modes[i]));
		ASSERT_EQ(0, no_idt(&self->bench.vcpu[0]));
		EXPECT_EQ(KVM_EXIT_SHUTDOWN, bench_run(&self->bench, 0)) {
			TH_LOG("mode %d", modes[i]);
		}
		bench_close(&self->bench);
		ASSERT_EQ(0, bench_open(&self->bench, &config));
	}
	EXPECT_EQ(KVM_EXIT_HLT, bench_run_new_vm());
}

TEST_F(exits, run_into_no_memory)
{
	BENCH_LOAD(&self->bench, nowhere);
	ASSERT_EQ(0, bench_start(&self->bench, 0));
	EXPECT_EQ(KVM_EXIT_INTERNAL_ERROR, bench_run(&self->bench, 0));
	EXPECT_EQ(KVM_EXIT_HLT, bench_run_new_vm());
}

TEST_F(exits, real_mode)
{
	uint16_t data;

	NEED_REAL_MODE();
	BENCH_LOAD(&self->bench, real);
	ASSERT_EQ(0, bench_start_mode(&self->bench, 0, CPU_REAL));
	ASSERT_EQ(KVM_EXIT_IO, bench_run(&self->bench, 0));
	memcpy(&data, (char *)self->run + self->run->io.data_offset, sizeof(data));
	EXPECT_EQ(0x1234, data);
	EXPECT_EQ(KVM_EXIT_HLT, bench_run(&self->bench, 0));
}

TEST_F(exits, protected_mode)
{
	uint32_t data;

	BENCH_LOAD(&self->bench, flat);
	ASSERT_EQ(0, bench_start_mode(&self->bench, 0, CPU_FLAT32));
	ASSERT_EQ(KVM_EXIT_IO, bench_run(&self->bench, 0));
	memcpy(&data, (char *)self->run + self->run->io.data_offset, sizeof(data));
	EXPECT_EQ(0x12345678, data);
	EXPECT_EQ(KVM_EXIT_HLT, bench_run(&self->bench, 0));
}

TEST_F(exits, long_mode)
{
	BENCH_LOAD(&self->bench, long);
	ASSERT_EQ(0, bench_start_mode(&self->bench, 0, CPU_LONG));
	ASSERT_EQ(KVM_EXIT_IO, bench_run(&self->bench, 0));
	EXPECT_EQ((1ULL << 40) + 0x12345678, result64(&self->bench, 0));
	EXPECT_EQ(KVM_EXIT_HLT, bench_run(&self->bench, 0));
}

TEST_F(exits, a_signal_ends_a_spinning_guest)
{
	uint32_t before, after;

	BENCH_LOAD(&self->bench, spin);
	ASSERT_EQ(0, bench_start(&self->bench, 0));
	ASSERT_EQ(-EINTR, bench_run_alarmed(&self->bench, 0, 5000));
	EXPECT_EQ(KVM_EXIT_INTR, self->run->exit_reason);
	before = result32(&self->bench, 0);
	EXPECT_LT(0, before);
	ASSERT_EQ(-EINTR, bench_run_alarmed(&self->bench, 0, 5000));
	after = result32(&self->bench, 0);
	EXPECT_LT(before, after) TH_LOG("the guest did not go on");
}

TEST_F(exits, immediate_exit)
{
	uint32_t before;

	BENCH_LOAD(&self->bench, spin);
	ASSERT_EQ(0, bench_start(&self->bench, 0));
	before = result32(&self->bench, 0);
	self->run->immediate_exit = 1;
	EXPECT_EQ(-EINTR, bench_run(&self->bench, 0));
	EXPECT_EQ(-EINTR, bench_run(&self->bench, 0));
	EXPECT_EQ(before, result32(&self->bench, 0)) TH_LOG("the guest ran");
	self->run->immediate_exit = 0;
	EXPECT_EQ(-EINTR, bench_run_alarmed(&self->bench, 0, 5000));
	EXPECT_LT(before, result32(&self->bench, 0));
}

/* An exit that waits to be completed is completed before immediate_exit counts. */
TEST_F(exits, immediate_exit_completes_io)
{
	struct kvm_regs before, after;

	BENCH_LOAD(&self->bench, flat);
	ASSERT_EQ(0, bench_start(&self->bench, 0));
	ASSERT_EQ(KVM_EXIT_IO, bench_run(&self->bench, 0));
	self->run->immediate_exit = 1;
	ASSERT_EQ(-EINTR, bench_run(&self->bench, 0));
	ASSERT_EQ(0, kvm_ioctl(self->bench.vcpu[0].fd, KVM_GET_REGS, &before));
	EXPECT_EQ(CODE_GPA + (guest_flat_end - guest_flat) - 1, before.rip);
	ASSERT_EQ(-EINTR, bench_run(&self->bench, 0));
	ASSERT_EQ(0, kvm_ioctl(self->bench.vcpu[0].fd, KVM_GET_REGS, &after));
	EXPECT_EQ(before.rip, after.rip);
	self->run->immediate_exit = 0;
	EXPECT_EQ(KVM_EXIT_HLT, bench_run(&self->bench, 0));
}

/* State that SET_SREGS takes, and the CPU does not. */
TEST_F(exits, nonsense_state_fails_entry)
{
	struct kvm_sregs good, bad;
	int i, ret;

	BENCH_LOAD(&self->bench, hlt);
	ASSERT_EQ(0, bench_start(&self->bench, 0));
	ASSERT_EQ(0, kvm_ioctl(self->bench.vcpu[0].fd, KVM_GET_SREGS, &good));
	for (i = 0; i < 3; i++) {
		bad = good;
		if (i == 0)
			bad.tr.type = 9;	/* not busy */
		else if (i == 1)
			bad.cs.s = 0;		/* no code segment */
		else
			bad.ds.limit = 0x12345;	/* with G, low bits must be ones */
		ret = kvm_ioctl(self->bench.vcpu[0].fd, KVM_SET_SREGS, &bad);
		if (ret) {
			EXPECT_EQ(-EINVAL, ret);
			continue;
		}
		ret = bench_run(&self->bench, 0);
		EXPECT_EQ(KVM_EXIT_FAIL_ENTRY, ret) TH_LOG("kind %d", i);
		if (ret == KVM_EXIT_FAIL_ENTRY)
			EXPECT_NE(0, self->run->fail_entry.hardware_entry_failure_reason);
	}
	EXPECT_EQ(KVM_EXIT_HLT, bench_run_new_vm());
}

TEST_HARNESS_MAIN
